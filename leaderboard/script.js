"use strict";
// Sorts tables by their heads, shows only the rows that are asked for, and of long tables the first ones until more are.
// Without this everything is there, in the order of scores.

const MOST_ROWS = 100;

function makeTable(table) {
  const body = table.tBodies[0];
  const lines = [...body.rows].map((row) => ({ row, fits: true, values: new Map() }));
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  let most = MOST_ROWS;

  function show() {
    let count = 0;
    for (const line of lines) {
      const hidden = !line.fits || count >= most;
      count += line.fits;
      if (line.row.hidden !== hidden) line.row.hidden = hidden;
    }
    more.hidden = count <= most;
    more.textContent = `Show all ${count}`;
    return count;
  }

  function valueIn(line, column, kind) {
    if (!line.values.has(column)) {
      const cell = line.row.cells[column];
      const text = () => (cell.querySelector("a") || cell).textContent.trim().toLowerCase();
      line.values.set(column, kind === "text" ? text() : cell.dataset.v === undefined ? null : Number(cell.dataset.v));
    }
    return line.values.get(column);
  }

  function sortBy(head, direction) {
    const column = head.cellIndex, kind = head.dataset.sort, sign = direction === "ascending" ? 1 : -1;
    const compare = kind === "text" ? new Intl.Collator("en", { numeric: true }).compare : (one, other) => one - other;
    lines.sort((first, second) => {
      const one = valueIn(first, column, kind), other = valueIn(second, column, kind);
      if (one === null || other === null) return (one === null) - (other === null);  // what is missing comes last
      return sign * compare(one, other);
    });
    show();
    body.append(...lines.map((line) => line.row));
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
  }

  for (const head of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const first = head.dataset.sort === "text" ? "ascending" : "descending";
    const second = first === "ascending" ? "descending" : "ascending";
    button.addEventListener("click", () => sortBy(head, head.getAttribute("aria-sort") === first ? second : first));
  }
  more.addEventListener("click", () => {
    most = Infinity;
    show();
  });
  table.parentElement.after(more);
  show();
  return { lines, show };
}

function makeFilters(form, sections) {
  const words = form.querySelector("#words"), division = form.querySelector("#division");
  const played = form.querySelector("#played"), shown = form.querySelector("#shown");
  for (const { lines } of sections.flatMap((one) => one.tables)) {
    for (const line of lines) {
      line.text = line.row.cells[0].textContent.toLowerCase();
      line.tasks = new Set((line.row.dataset.tasks || "").split(" "));
      line.whole = "whole" in line.row.dataset;
    }
  }

  function show() {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = played ? played.value : "";
    const places = wanted === "whole" ? [] : wanted.split(" ").filter(Boolean);
    let count = 0, of = 0;
    for (const { section, tables } of sections) {
      const isWanted = !division.value || section.dataset.division === division.value;
      let here = 0;
      for (const { lines, show } of tables) {
        for (const line of lines) {
          line.fits = isWanted && (wanted !== "whole" || line.whole) &&
            asked.every((word) => line.text.includes(word)) && places.every((place) => line.tasks.has(place));
        }
        here += show();
        of += lines.length;
      }
      section.hidden = !here;
      count += here;
    }
    shown.textContent = count === of ? `${of} rows` : `${count} of ${of} rows`;
    document.getElementById("none").hidden = count > 0;
  }

  for (const control of [words, division, played]) if (control) control.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}

const made = new Map([...document.querySelectorAll("table[data-sorts]")].map((table) => [table, makeTable(table)]));
const filters = document.getElementById("filters");
if (filters) {
  makeFilters(filters, [...document.querySelectorAll("section.division")].map((section) => ({
    section,
    tables: [...section.querySelectorAll("table[data-sorts]")].map((table) => made.get(table)),
  })));
}
