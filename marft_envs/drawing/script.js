"use strict";
// What is folded opens when a link leads into it, and agents can be chosen. Without this everything can still be read.

function reveal(hash) {
  const target = hash.length > 1 && document.getElementById(hash.slice(1));
  if (!target) return;
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
    node.classList.remove("aside");
  }
  target.scrollIntoView();
}

function addChoice(episode) {
  const turns = [...episode.querySelectorAll("[data-agent]")];
  const agents = [...new Set(turns.map((turn) => turn.dataset.agent))];
  const scenes = episode.querySelector(".scenes");
  if (agents.length < 2 || !scenes) return;
  const bar = document.createElement("div");
  bar.className = "choice";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Show the turns of");
  const buttons = ["everybody", ...agents].map((name, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => choose(place ? name : null));
    return button;
  });
  function choose(agent) {
    buttons.forEach((button, place) => {
      button.setAttribute("aria-pressed", String(place ? button.textContent === agent : agent === null));
    });
    for (const turn of turns) {
      turn.classList.toggle("aside", agent !== null && turn.dataset.agent !== agent);
    }
  }
  choose(null);
  bar.append(...buttons);
  scenes.before(bar);
}

document.querySelectorAll(".episode").forEach(addChoice);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (link) reveal(link.getAttribute("href"));
});
addEventListener("hashchange", () => reveal(location.hash));
reveal(location.hash);
