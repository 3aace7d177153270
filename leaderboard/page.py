"""The board as a site: files that a browser opens from a folder, the same bytes for the same submissions.

    write_page(sorted(Path("submissions").iterdir()), Path("site"))

Every submission is validated first, by a replay of all that it holds. A page needs no server, no network and no script:
the script sorts and filters what stands there already. In its head a policy allows one style sheet and one script, both
by their hash, and nothing else; texts of entrants are escaped wherever they stand, and what cannot be seen in them is
marked.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import marft_envs
from leaderboard.algorithms import num_without_seed, settings_of
from leaderboard.board import Board, boards_of
from leaderboard.entries import Team, listed
from leaderboard.filling import fill_folder, require_folder
from leaderboard.pictures.axes import bar, bar_axis
from leaderboard.processes import Status, quiet
from leaderboard.remembered import Remembered
from leaderboard.reruns import read_reruns
from leaderboard.rows import stem_of
from leaderboard.shown import COST_NAMES, FILTERS, ranks
from leaderboard.transcripts import Transcript, transcript_of
from leaderboard.validate import validate
from leaderboard.views import TeamViews, scope_view

ABOUT_TRACKS: Mapping[str, str] = {
    "standard": "Every environment of the suite at a standard level.",
    "small": "Easy levels with few turns, for models of less than a billion parameters.",
    "open": "Any registered environment at any level.",
}
_HERE = Path(__file__).parent


def write_page(
    submissions: Sequence[Path],
    out: Path,
    *,
    reruns: Path | None = None,
    docs: str = "",
    transcripts: bool = True,
    num_processes: int | None = None,
    remember: Path | None = None,
    status: Status = quiet,
) -> Path:
    """Validates submissions and writes the site of what they come to; returns its first page.

    Args:
        submissions: Folders or archives. Their order does not matter.
        out: A folder. What was written there last time is replaced or removed, other files stay.
        reruns: What maintainers found who re-ran entries: see `reruns.py`.
        docs: Where the suite's documentation lies, such as "https://example.org/docs/"; empty for no links to it.
        transcripts: Whether to draw episodes of every team and task.
        num_processes: As `validate` has it.
        remember: A folder of what earlier pages have replayed, which is believed and added to; None replays all.
        status: Told of progress.

    Raises: SubmissionError if something is wrong with a submission, with a re-run, or with what is in `out`.
    """
    for folder in (out, *([] if remember is None else [remember])):
        require_folder(folder)
    found = read_reruns(reruns) if reruns is not None else ()
    known = []
    remembered = None if remember is None else Remembered(remember)
    for place, path in enumerate(submissions):
        status("validating", place, len(submissions))
        known.append(listed(validate(path, num_processes=num_processes, remembered=remembered)))
    site = Site(boards_of(known, found), docs=docs, transcripts=transcripts, status=status)
    fill_folder(out, site.files())
    return out / "index.html"


class Site:
    """All pages of some boards."""

    def __init__(
        self, boards: Sequence[Board], *, docs: str = "", transcripts: bool = True, status: Status = quiet
    ) -> None:
        self._boards = boards
        self._transcripts = transcripts
        self._status = status
        self._jinja = templates()
        self._jinja.globals["docs"] = f"{docs.rstrip('/')}/" if docs else ""

    def files(self) -> Iterator[tuple[str, str]]:
        """Name below the site's folder, and text, of each."""
        num_reruns = sum(team.rerun is not None for board in self._boards for team in board.teams)
        yield self._page("index.html", "index", boards=self._boards, num_reruns=num_reruns)
        for board in self._boards:
            yield from self._files_of(board)

    def _files_of(self, board: Board) -> Iterator[tuple[str, str]]:
        files = {scope.name: scope.file for scope in board.scopes_of("task")}
        page = partial(self._page, board=board, files=files)
        for scope in board.scopes:
            here = "tasks" if scope.kind == "task" else "teams"
            yield page(f"{board.folder}/{scope.file}", "scope", view=scope_view(board, scope), here=here)
        settings = settings_of(board)
        yield page(
            f"{board.folder}/algorithms.html",
            "algorithms",
            settings=[setting for setting in settings if setting.has_claims],
            single=[setting for setting in settings if not setting.has_claims],
            axis=bar_axis(board.bounds[board.scopes[0]], board.sections[board.scopes[0]]),
            num_without_seed=num_without_seed(board),
            here="algorithms",
        )
        views = TeamViews(board)
        for place, team in enumerate(board.teams):
            self._status("teams' pages", place, len(board.teams))
            drawn = self._drawn(team)
            for key, transcript in drawn.items():
                yield f"{board.folder}/{transcript_file(team, key)}", transcript.html
            view = views.of(team, drawn)
            yield page(f"{board.folder}/teams/{team.slug}.html", "team", view=view, here="team")

    def _drawn(self, team: Team) -> dict[str, Transcript]:
        return {key: transcript_of(team, played) for key, played in team.tasks.items()} if self._transcripts else {}

    def _page(self, file: str, template: str, **told: object) -> tuple[str, str]:
        text = self._jinja.get_template(f"{template}.html.jinja").render(root="../" * file.count("/"), **told)
        return file, text


def transcript_file(team: Team, key: str) -> str:
    """Below the board's folder."""
    return f"transcripts/{team.slug}/{stem_of(key)}.html"


def templates() -> Environment:
    """Where they come from, and what they may use: everything is escaped, nothing may be missing."""
    jinja = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    jinja.filters.update(FILTERS)
    jinja.globals.update(
        policy=(
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; "
            "form-action 'none'"
        ),
        style=_source(style),
        script=_source(script),
        version=marft_envs.__version__,
        about_track=partial(_about, ABOUT_TRACKS),
        cost_names=COST_NAMES,
        bar_of=bar,
        ranks=ranks,
        counted=_counted,
        transcript_file=transcript_file,
    )
    return jinja


def _hash(code: str) -> str:
    """As a policy names it."""
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"


def _source(code: str) -> Markup:
    """Our own style sheet or script, as it is: its hash allows it, so not a character of it may change."""
    assert "</" not in code and "<!--" not in code
    return Markup(code)  # noqa: S704  # ours


def _about(known: Mapping[str, str], track: str) -> str:
    """What a track is for; nothing of one that nobody has described."""
    return known.get(track, "")


def _counted(board: Board) -> str:
    """`12 trained, 4 as they came, 2 scripts on 9 tasks`."""
    names = {"trained": "trained", "frozen": "as they came", "scripted": "scripted"}
    found = [
        f"{number} {name}"
        for division, name in names.items()
        if (number := sum(entry.division == division for entry in board.entries))
    ]
    return f"{', '.join(found)}; {len(board.facts)} tasks"
