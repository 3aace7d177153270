"""The site that leaderboard/page.py writes.

1. It is complete in itself: own style and script by hash, nothing loaded, every link leads to a file that exists.
2. The same submissions give the same bytes, whatever their order and the process.
3. Texts of entrants are shown, and do nothing.
4. What was not played is not filled in; who was not re-run has no rank.
5. Tables, controls and pictures have names; the script is not needed.
6. Only what replays is written, and only over what was written before.
7. Episodes are shown by rule.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from jinja2 import UndefinedError

from leaderboard import page
from leaderboard.board import boards_of
from leaderboard.entries import listed
from leaderboard.errors import MalformedError, SubmissionError
from leaderboard.filling import MANIFEST, fill_folder
from leaderboard.page import Site, write_page
from leaderboard.transcripts import chosen_of
from leaderboard.validate import validate
from tests.leaderboard.boards import (
    ACT,
    HOSTILE,
    HOSTILE_TEXT,
    MEET,
    SUM,
    enter_script,
    entries,
    frozen,
    hostile_entry,
    model,
    report,
    rerun,
    small_tracks,
    trained,
    verified,
)

ROOT = Path(__file__).parents[2]
VOID = {"meta", "input", "br", "wbr"}
ALL, HALF = (1.0,) * 4, (1.0, 0.0, 1.0, 0.0)
PROGRAM = """
import sys
from pathlib import Path
from leaderboard.page import write_page
from tests.leaderboard.boards import small_tracks
with small_tracks():
    write_page([Path(path) for path in sys.argv[2:]], Path(sys.argv[1]), num_processes=1)
"""


class Page(HTMLParser):
    """A page as a browser reads it."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.code: list[str] = []
        """Of style sheets and scripts."""
        self.labelled: set[str] = set()
        """Controls within a label."""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands there twice"
        self.elements.append((tag, dict(attrs)))
        if tag in ("input", "select") and "label" in self._open:
            self.labelled.add(dict(attrs)["id"])
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        opened = self._open.pop()
        assert opened == tag, f"{opened} is closed by {tag}"

    def handle_data(self, data):
        if self._open and self._open[-1] in ("style", "script"):
            self.code.append(data)
        else:
            self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.elements if "id" in attributes]

    def structure(self) -> Counter:
        """How often there is which element with which attributes, but for the marks of what cannot be seen."""
        return Counter(
            (tag, *sorted(attributes)) for tag, attributes in self.elements if attributes.get("class") != "unseen"
        )


@pytest.fixture(scope="module", autouse=True)
def _tracks() -> Iterator[None]:
    with small_tracks():
        yield


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory, _tracks: None) -> list[Path]:
    return entries(tmp_path_factory.mktemp("submissions"))


@pytest.fixture(scope="module")
def site(submissions: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "board"
    assert write_page(submissions, folder, num_processes=1) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }


def drawn(*reports) -> dict[str, str]:
    """The pages of submissions that are put together, without transcripts."""
    return dict(Site(boards_of([listed(one) for one in reports]), transcripts=False).files())


# -- complete in itself ------------------------------------------------------------------------------------------------


def test_the_site_has_a_page_for_everything(pages: dict[str, Page]) -> None:
    kinds = Counter(re.sub(r"[^/]+\.html$|(?<=transcripts/)[^/]+/", "", name) for name in pages)
    assert kinds == {
        "": 1,
        "small-2026/": 2,
        "small-2026/families/": 1,
        "small-2026/tasks/": 3,
        "small-2026/teams/": 6,
        "small-2026/transcripts/": 17,  # five teams played three tasks, one played two
        "standard-2026/": 2,
        "open-2026/": 2,
    }


def test_the_policy_of_every_page_allows_its_own_style_and_script_and_nothing_else(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        (policy,) = (one["content"] for one in found.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        style, script = (
            "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'" for code in found.code
        )
        assert rules == {
            "default-src": "'none'",
            "style-src": style,
            "script-src": script,
            "base-uri": "'none'",
            "form-action": "'none'",
        }, name


def test_no_page_loads_anything(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        tags = {tag for tag, _ in found.elements}
        assert not tags & {"link", "img", "iframe", "object", "embed", "base", "image", "video", "audio"}, name
        for tag, attributes in found.elements:
            assert not {"src", "style", "srcset", "action", "xlink:href"} & set(attributes), (name, tag)
            assert not [key for key in attributes if key.startswith("on")], (name, tag)
            if "href" in attributes and tag != "a":
                assert tag == "use" and attributes["href"].startswith("#"), (name, tag)
        assert "url(" not in found.code[0] and "@import" not in found.code[0], name
        assert not re.search(r"fetch|XMLHttpRequest|innerHTML|eval|import\(", found.code[1]), name


def test_every_link_leads_to_what_exists_or_is_an_address_that_an_entrant_gave(
    site: Path, pages: dict[str, Page]
) -> None:
    outside = set()
    for name, found in pages.items():
        for link in found.of("a"):
            target, _, fragment = link["href"].partition("#")
            if re.match(r"[a-z]+:", target):
                outside.add(target)
                continue
            path = (site / name).parent / unquote(target) if target else site / name
            assert path.is_file(), f"{name} leads to {target}"
            if fragment:
                assert fragment in pages[path.resolve().relative_to(site.resolve()).as_posix()].ids(), (name, link)
    assert outside == {"https://example.org/?a='b'&c=%3Cscript%3E"}


def test_documentation_is_linked_where_it_lies(pages: dict[str, Page]) -> None:
    told = dict(
        Site(
            boards_of([listed(trained("team", {SUM: ALL}))]), docs="https://example.org/docs", transcripts=False
        ).files()
    )
    links = [one["href"] for one in Page(told["small-2026/tasks/collab+sum_relay-v0+easy.html"]).of("a")]
    assert "https://example.org/docs/environments/collab/sum_relay-v0.md" in links
    assert "docs/environments/collab/sum_relay-v0.md" in pages["small-2026/tasks/collab+sum_relay-v0+easy.html"].text


# -- the same bytes ----------------------------------------------------------------------------------------------------


def test_the_same_submissions_give_the_same_bytes_in_any_order_and_process(
    site: Path, submissions: list[Path], tmp_path: Path
) -> None:
    made = [(site / MANIFEST).read_bytes()]
    for seed, order in (("1", submissions[::-1]), ("2", submissions[2:] + submissions[:2])):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / seed), *map(str, order)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        made.append((tmp_path / seed / MANIFEST).read_bytes())
    assert made[0] == made[1] == made[2]


def test_the_list_of_files_tells_their_digests(site: Path) -> None:
    told = json.loads((site / MANIFEST).read_text(encoding="utf-8"))
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert there == {*told, MANIFEST}
    for name, digest in told.items():
        assert digest == f"sha256:{hashlib.sha256((site / name).read_bytes()).hexdigest()}"


# -- hostile texts -----------------------------------------------------------------------------------------------------


def test_hostile_texts_leave_the_elements_of_every_page_as_they_are(tmp_path: Path, submissions: list[Path]) -> None:
    plain = hostile_entry(tmp_path / "plain", "x" * len(HOSTILE), "x" * len(HOSTILE_TEXT))
    told = []
    for path in (submissions[-1], plain):
        report = validate(path, num_processes=1)
        report.submission = report.submission.model_copy(update={"digest": f"sha256:{'0' * 64}"})
        told.append({name: Page(text).structure() for name, text in drawn(report).items()})
    assert told[0] == told[1]


def test_hostile_texts_can_be_read(pages: dict[str, Page]) -> None:
    (team,) = (found for name, found in pages.items() if name.startswith("small-2026/teams/bobby-tables-"))
    assert (
        team.text.count(HOSTILE) >= 6
    )  # contact, hardware, stop, algorithm, notes, the prompt, a setting and its name
    (transcript,) = (found for name, found in pages.items() if re.search(r"transcripts/bobby-tables-.*sum_relay", name))
    assert HOSTILE in transcript.text


def test_what_cannot_be_seen_in_a_text_is_marked(pages: dict[str, Page]) -> None:
    (played,) = (found for name, found in pages.items() if re.search(r"transcripts/bobby-tables-.*sum_relay", name))
    assert "U+202E" in played.text and "\u202e" not in played.text and "\x00" not in played.text


def test_templates_in_texts_are_not_filled_in(pages: dict[str, Page]) -> None:
    assert not [name for name, found in pages.items() if " 49 {% raw" in found.text]


def test_whatever_a_template_prints_is_escaped_and_has_to_be_there() -> None:
    jinja = page.templates()
    assert jinja.from_string("<a title='{{ text }}'>{{ text }}").render(text="'<") == "<a title='&#39;&lt;'>&#39;&lt;"
    with pytest.raises(UndefinedError):
        jinja.from_string("{{ txet }}").render(text="")


# -- nothing filled in -------------------------------------------------------------------------------------------------


def rows(source: str) -> dict[str, str]:
    """First cell's words -> the words of the whole row, of every row, of equal ones the first."""
    found: dict[str, str] = {}
    for row in re.findall(r"<tr.*?</tr>", source, re.DOTALL):
        cells = [
            re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        found.setdefault(cells[0].split(" ")[0], " | ".join(cells[1:]))
    return found


def test_a_team_that_has_not_played_everything_has_a_count_and_no_score() -> None:
    told = drawn(trained("whole", dict.fromkeys((SUM, MEET, ACT), ALL)), trained("part", {SUM: ALL, ACT: ALL}))
    found = rows(told["small-2026/index.html"])
    assert found["whole"].startswith("1.000 [") and "3 of 3" in found["whole"]
    assert found["part"] == "not all tasks played | – | 2 of 3 | – | – | – | –"


def test_figures_that_are_missing_have_nothing_to_be_sorted_by() -> None:
    told = drawn(trained("whole", dict.fromkeys((SUM, MEET, ACT), ALL)), trained("part", {SUM: ALL}))
    (row,) = re.findall(r'<tr data-tasks="0">.*?</tr>', told["small-2026/index.html"], re.DOTALL)
    assert re.findall(r'data-v="([^"]*)"', row) == ["1"]  # the number of tasks


def test_divisions_stand_in_tables_of_their_own() -> None:
    told = drawn(trained("learnt", {SUM: ALL}), frozen("came", {SUM: HALF}))[
        "small-2026/tasks/collab+sum_relay-v0+easy.html"
    ]
    tables = re.findall(r'<table class="entries".*?</table>', told, re.DOTALL)
    assert [("learnt" in table, "came" in table) for table in tables] == [(True, False), (False, True)]


def test_a_board_without_reruns_says_so_and_has_no_rank() -> None:
    told = drawn(trained("team", {SUM: ALL}))
    assert "Nothing has been re-run yet" in told["index.html"]
    assert "nobody has a rank" in told["small-2026/index.html"]
    assert ">Rank <" not in told["small-2026/tasks/collab+sum_relay-v0+easy.html"]


def test_a_board_with_reruns_has_ranks_and_says_who_answers_for_them() -> None:
    first, second = trained("first", {SUM: ALL}), trained("second", {SUM: HALF})
    boards = boards_of([listed(first), listed(second)], [rerun(first, {SUM: ALL})])
    told = dict(Site(boards, transcripts=False).files())
    found = told["small-2026/tasks/collab+sum_relay-v0+easy.html"]
    assert ">Rank <" in found and "a maintainer, 2026-12-01" in found and "nobody has a rank" not in found
    assert "1 entry has been re-run" in told["index.html"]


def test_every_page_says_that_replay_does_not_tell_who_wrote_the_text(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        if "/transcripts/" not in name:
            assert "It cannot show who wrote them." in found.text, name


# -- names for everything ----------------------------------------------------------------------------------------------


def test_ids_are_unique_and_references_lead_to_them(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        ids = found.ids()
        assert len(set(ids)) == len(ids), (name, [one for one, count in Counter(ids).items() if count > 1])
        for tag, attributes in found.elements:
            told = [
                attributes.get("aria-labelledby"),
                (attributes.get("href") or "").removeprefix("#") if tag == "use" else None,
            ]
            for reference in filter(None, told):
                assert reference in ids, (name, reference)


def test_tables_controls_and_pictures_have_names(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        if "/transcripts/" in name:
            continue
        assert all(head.get("scope") for head in found.of("th")), name
        labels = {label.get("for") for label in found.of("label")} | found.labelled
        for control in [*found.of("input"), *found.of("select")]:
            assert control["id"] in labels, (name, control)
        for picture in found.of("svg"):
            assert picture.get("aria-hidden") == "true" or (
                picture.get("role") == "img" and picture.get("aria-label")
            ), name
        assert len(found.of("h1")) == len(found.of("main")) == 1, name
        for region in found.elements:
            if "scrolls" in (region[1].get("class") or ""):
                assert region[1].get("aria-label") and region[1].get("tabindex") == "0", name


def test_the_filters_are_hidden_until_the_script_has_made_them_work(pages: dict[str, Page]) -> None:
    forms = [form for found in pages.values() for form in found.of("form")]
    assert forms and all("hidden" in form for form in forms)


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_submission_that_does_not_replay_is_refused_and_nothing_is_written(
    submissions: list[Path], tmp_path: Path
) -> None:
    broken = enter_script(tmp_path / "broken", "reference", [SUM])
    record = json.loads((broken / "submission.json").read_text(encoding="utf-8"))
    record["tasks"][0]["scores"]["score"] = 0.5
    (broken / "submission.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(SubmissionError, match="broken: digest"):
        write_page([submissions[0], broken], tmp_path / "site", num_processes=1)
    assert not (tmp_path / "site").exists()


def test_a_log_that_changes_after_validation_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = enter_script(tmp_path / "team", "reference", [SUM])
    report = validate(path, num_processes=1)
    log = next((path / "logs").glob("*easy.jsonl.gz"))
    log.write_bytes(log.read_bytes() + b"\0")
    monkeypatch.setattr(page, "validate", lambda *_, **__: report)
    with pytest.raises(MalformedError, match="has changed since it was validated"):
        write_page([path], tmp_path / "site", num_processes=1)


def test_what_was_written_last_time_goes_and_what_others_put_there_stays(tmp_path: Path) -> None:
    fill_folder(tmp_path, [("a.html", "1"), ("teams/old.html", "2")])
    (tmp_path / "CNAME").write_text("board.example.org", encoding="utf-8")
    fill_folder(tmp_path, [("a.html", "3")])
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "CNAME", MANIFEST}
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == "3"


def test_a_file_that_somebody_else_put_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(SubmissionError, match=r"index\.html is there, and no page of a board"):
        fill_folder(tmp_path, [("index.html", "ours")])
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"


def test_who_was_stopped_while_writing_can_go_on(tmp_path: Path) -> None:
    def stopped() -> Iterator[tuple[str, str]]:
        yield "a.html", "1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_folder(tmp_path, stopped())
    fill_folder(tmp_path, [("a.html", "2")])
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == "2"


@pytest.mark.parametrize("name", ["../outside.html", "/etc/passwd", "a/../../b"])
def test_a_list_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({name: "sha256:0"}), encoding="utf-8")
    with pytest.raises(SubmissionError, match="is no list of a board's files"):
        fill_folder(tmp_path, [])


# -- transcripts -------------------------------------------------------------------------------------------------------


def chosen(scores: tuple[float, ...], plays: int = 1) -> list[tuple[int, tuple[str, ...]]]:
    (played,) = listed(report("team", verified(SUM, scores, model(), plays=plays))).tasks
    return [(found.place, found.why) for found in chosen_of(played)]


def test_episodes_are_shown_by_rule() -> None:
    assert chosen((1.0, 0.0, 1.0, 0.5)) == [
        (0, ("the first with its highest score, 1.000", "the season's first instance")),
        (1, ("the first with its lowest score, 0.000",)),
        (2, ("the season's middle instance",)),
        (3, ("the season's last instance",)),
    ]


def test_of_several_plays_of_an_instance_the_first_is_shown() -> None:
    assert [place for place, _ in chosen((0.5, 0.5, 0.5, 0.5), plays=3)] == [0, 6, 9]


def test_a_team_that_always_scores_the_same_has_no_highest_play() -> None:
    assert chosen(ALL)[0] == (0, ("the first with its lowest score, 1.000", "the season's first instance"))


def test_a_transcript_leads_back_to_its_team(pages: dict[str, Page]) -> None:
    for name, found in pages.items():
        if "/transcripts/" in name:
            assert found.of("a")[0]["href"] == f"../../teams/{name.split('/')[2]}.html"
