"""The site in a browser: what its script does, what hostile texts do not, and how it fits a window.

Chromium without a window, driven by chromedriver (Debian: `apt install chromium chromium-driver`). Pages are opened as
files, as anybody would who was handed the folder.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.board import boards_of
from leaderboard.entries import listed
from leaderboard.filling import fill_folder
from leaderboard.page import Site, write_page
from tests.leaderboard.boards import ACT, MEET, SUM, entries, frozen, small_tracks, trained
from tests.leaderboard.browser import CHROMEDRIVER, CHROMIUM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or CHROMEDRIVER is None, reason="no chromium with chromedriver is installed here"
    ),
]
ALL, HALF, NONE = (1.0,) * 4, (1.0, 0.0, 1.0, 0.0), (0.0,) * 4
SHOWN = """
    const rows = document.querySelectorAll("section[data-division=trained] table.entries tbody tr");
    return [...rows].filter((row) => row.checkVisibility()).map((row) => row.cells[0].querySelector("a").textContent);
"""
PICTURES = """
    const pictures = document.querySelectorAll(".choice figure");
    return [...pictures].filter((one) => one.checkVisibility()).map((one) => one.classList[0]);
"""
INTRUDE = """
    const picture = document.createElement("div"), script = document.createElement("script");
    picture.innerHTML = "<img src=x onerror='document.title = 1'>";
    script.textContent = "document.title = 2";
    document.body.append(picture, script);
"""
ENTER, TAB = "\ue007", "\ue004"


@pytest.fixture(scope="module", autouse=True)
def _tracks() -> Iterator[None]:
    with small_tracks():
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, _tracks: None) -> Path:
    """Played, hostile texts among it."""
    folder = tmp_path_factory.mktemp("site")
    write_page(entries(tmp_path_factory.mktemp("submissions")), folder, num_processes=1)
    return folder


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, _tracks: None) -> Path:
    """The first page of a board that is put together: three whole teams, one that played one task, one untrained."""
    everywhere = (SUM, MEET, ACT)
    reports = [
        trained("Alder", dict.fromkeys(everywhere, HALF)),
        trained("Birch", {SUM: ALL, MEET: ALL, ACT: HALF}),
        trained("Cedar", {SUM: NONE, MEET: NONE, ACT: HALF}),
        trained("Dogwood", {ACT: ALL}),
        frozen("Elm", dict.fromkeys(everywhere, HALF)),
    ]
    folder = tmp_path_factory.mktemp("board")
    fill_folder(folder, Site(boards_of([listed(one) for one in reports]), transcripts=False).files())
    return folder / "small-2026" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def head(column: int) -> str:
    return f"section[data-division=trained] table.entries th:nth-child({column}) button"


def sorted_by(browser: Browser) -> dict[str, str]:
    return dict(
        browser.run(
            "return Array.from(document.querySelectorAll('section[data-division=trained] th[aria-sort]'), "
            "(head) => [head.innerText.split('\\n')[0], head.getAttribute('aria-sort')])"
        )
    )


def test_the_table_comes_sorted_by_score_and_is_sorted_by_what_is_clicked(browser: Browser, board: Path) -> None:
    browser.open(board)
    assert browser.run(SHOWN) == ["Birch", "Alder", "Cedar", "Dogwood"]
    assert sorted_by(browser) == {"Score": "descending"}
    browser.click(head(2))
    assert browser.run(SHOWN) == ["Cedar", "Alder", "Birch", "Dogwood"]  # who has no score stays last
    assert sorted_by(browser) == {"Score": "ascending"}
    browser.click(head(1))
    assert browser.run(SHOWN) == ["Alder", "Birch", "Cedar", "Dogwood"]
    assert sorted_by(browser) == {"Team": "ascending"}


def test_the_table_is_sorted_from_the_keyboard(browser: Browser, board: Path) -> None:
    browser.open(board)
    browser.run(f"document.querySelector('{head(1)}').focus()")
    browser.press(TAB)
    assert browser.run("return document.activeElement.innerText").startswith("Score")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(ENTER)
    assert browser.run(SHOWN) == ["Cedar", "Alder", "Birch", "Dogwood"]


def test_one_table_is_sorted_and_the_other_stays(browser: Browser, board: Path) -> None:
    browser.open(board)
    browser.click(head(1))
    other = "return document.querySelector('section[data-division=frozen] th[aria-sort]').innerText"
    assert browser.run(other).startswith("Score")


def test_words_division_and_tasks_choose_rows(browser: Browser, board: Path) -> None:
    browser.open(board)
    told = "return document.getElementById('shown').textContent"
    assert browser.run(told) == "5 rows"
    browser.type("#words", "bir")
    assert browser.run(SHOWN) == ["Birch"]
    assert browser.run(told) == "1 of 5 rows"
    assert not browser.run("return document.querySelector('section[data-division=frozen]').checkVisibility()")
    browser.open(board)
    browser.run(
        "const one = document.getElementById('division'); one.value = 'frozen'; one.dispatchEvent(new Event('input'))"
    )
    assert browser.run(SHOWN) == []
    assert browser.run(told) == "1 of 5 rows"
    browser.open(board)
    browser.run("const one = document.getElementById('played'); one.value = '0'; one.dispatchEvent(new Event('input'))")
    assert browser.run(SHOWN) == ["Birch", "Alder", "Cedar"]
    browser.run(
        "const one = document.getElementById('played'); one.value = 'whole'; one.dispatchEvent(new Event('input'))"
    )
    assert browser.run(told) == "4 of 5 rows"


def test_what_nobody_is_like_is_said(browser: Browser, board: Path) -> None:
    browser.open(board)
    browser.type("#words", "zzz")
    assert browser.run("return document.getElementById('none').checkVisibility()")


def test_of_a_long_table_the_first_rows_are_shown_until_more_are_asked_for(browser: Browser, tmp_path: Path) -> None:
    reports = [trained(f"team {number:03}", {SUM: HALF}) for number in range(120)]
    fill_folder(tmp_path, Site(boards_of([listed(one) for one in reports]), transcripts=False).files())
    browser.open(tmp_path / "small-2026" / "tasks" / "collab+sum_relay-v0+easy.html")
    assert len(browser.run(SHOWN)) == 100
    browser.type("#words", "team 119")  # rows that are not shown are searched, too
    assert browser.run(SHOWN) == ["team 119"]
    browser.run("const one = document.getElementById('words'); one.value = ''; one.dispatchEvent(new Event('input'))")
    browser.click("section[data-division=trained] button.more")
    assert len(browser.run(SHOWN)) == 120


def test_without_the_script_everything_is_there(browser: Browser, board: Path) -> None:
    browser.cdp("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(board)
        text = browser.cdp("DOMSnapshot.captureSnapshot", {"computedStyles": []})["strings"]
        for name in ("Alder", "Birch", "Cedar", "Dogwood", "Elm"):
            assert name in text
    finally:
        browser.cdp("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.run("return document.querySelectorAll('th button').length") == 0
    assert not browser.run("return document.getElementById('filters').checkVisibility()")


def test_a_choice_of_cost_shows_its_picture_alone(browser: Browser, board: Path) -> None:
    browser.open(board)
    assert browser.run(PICTURES) == ["of-chars"]
    browser.click("label[for=cost-tokens_out]")
    assert browser.run(PICTURES) == ["of-tokens_out"]


def test_a_transcript_opens_at_its_episode(browser: Browser, site: Path) -> None:
    (team,) = (site / "small-2026" / "teams").glob("seed-1-*.html")
    browser.open(team)
    browser.click("table.entries tbody tr td:last-child a:nth-child(2)")
    address = browser.run("return location.pathname + location.hash")
    assert "/transcripts/seed-1-" in address and address.endswith("#e2")
    assert browser.run("return document.getElementById('e2').open")
    assert browser.run("return document.querySelectorAll('#e2 .timeline svg').length") > 0
    browser.click("body > p a")
    assert browser.run("return document.querySelector('h1').textContent") == "seed 1"


def test_hostile_texts_run_nothing_anywhere(browser: Browser, site: Path) -> None:
    hostile = [
        page
        for page in sorted(site.rglob("*.html"))
        if "<script>document.title" in page.read_text("utf-8").replace("&lt;", "<").replace("&gt;", ">")
    ]
    assert len(hostile) >= 5
    for page in hostile:
        browser.complaints()
        browser.open(page)
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert browser.run("return document.title") != "ran", page
        assert browser.run("return document.querySelectorAll('img, iframe, a[href^=javascript]').length") == 0, page
        assert browser.complaints() == [], page


def test_the_policy_would_stop_what_slipped_through(browser: Browser, board: Path) -> None:
    browser.open(board)
    browser.complaints()
    browser.run(INTRUDE)
    assert browser.run("return document.title") not in ("1", "2")
    assert any("Content Security Policy" in told for told in browser.complaints())


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(browser: Browser, site: Path, width: int, scheme: str) -> None:
    pages = [page for page in sorted(site.rglob("*.html")) if "/transcripts/" not in page.as_posix()]
    assert len(pages) >= 15
    for page in pages:
        browser.open(page, width=width, scheme=scheme)
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert browser.run("return document.documentElement.scrollWidth") <= width, page
        assert browser.complaints() == [], page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Browser, board: Path, scheme: str) -> None:
    """Contrast of 4.5 to 1 and more, by WCAG 2.2's formula, for every text in HTML; pictures are looked at."""
    browser.open(board, scheme=scheme)
    faint = browser.run(
        """
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        const parts = (colour) => {
          canvas.clearRect(0, 0, 1, 1);
          canvas.fillStyle = colour;
          canvas.fillRect(0, 0, 1, 1);
          return canvas.getImageData(0, 0, 1, 1).data;
        };
        const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
          .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
          .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
        const behind = (node) => {
          for (let one = node; one; one = one.parentElement) {
            const colour = parts(getComputedStyle(one).backgroundColor);
            if (colour[3] === 255) return colour;
          }
          return [255, 255, 255];
        };
        const found = [];
        for (const node of document.body.querySelectorAll("*")) {
          const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
          if (!own || node.closest("svg") || !node.checkVisibility()) continue;
          const pair = [light(parts(getComputedStyle(node).color)), light(behind(node))];
          const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
          if (contrast < 4.5) found.push([node.tagName, node.className, node.textContent.trim(), contrast]);
        }
        return found;
        """
    )
    assert faint == []
