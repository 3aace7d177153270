"""`marft leaderboard`: submissions, from what is to be played to the page that shows them. None of it loads torch."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from baselines.commands.options import OptionalInt, OptionalText, shown
from baselines.commands.terminal import console, note, say, table
from baselines.commands.verdicts import FORMATS, tell
from baselines.errors import ConfigError, extra_required

if TYPE_CHECKING:
    from baselines.commands.terminal import Command

INVALID = 1
"""Exit status if a submission breaks a rule."""
DESCRIPTION = """A leaderboard whose every number is recomputed: what is to be played, whether an entry holds, the page.
`marft evaluate --submission` writes what a team has played."""


@dataclass(frozen=True)
class Validate:
    """Replay submissions and recompute every number; exit status 1 if one breaks a rule."""

    submissions: Positional[Annotated[tuple[Path, ...], shown("PATH ...")]]
    """Folders, or zip archives of them."""
    format: Literal["rich", "json", "github"] = "rich"
    """rich: for people. json: an object for each. github: workflow commands, which annotate a pull request."""
    processes: OptionalInt = None
    """That replay. Default: one for each core."""

    def run(self) -> int:
        """Validate one after another, then tell."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.validate import validate
        if not self.submissions:
            raise ConfigError("there is nothing to validate; give the folder of a submission, or its archive")
        if self.processes is not None and self.processes < 1:
            raise ConfigError(f"--processes is {self.processes}; it must be at least 1")
        reports = []
        for path in self.submissions:
            require_there(path)
            with _progress(str(path)) as status:
                reports.append(validate(path, num_processes=self.processes, status=status))
        FORMATS[self.format](reports)
        return 0 if all(report.is_valid for report in reports) else INVALID


def require_there(path: Path) -> None:
    """Raises: ConfigError if no submission can be there, since nothing is."""
    if not path.exists():
        raise ConfigError(f"there is nothing at {path}; give the folder of a submission, or its archive")


@dataclass(frozen=True)
class Tracks:
    """List the tasks of every track, their budgets, and how often each is played."""

    track: Positional[OptionalText] = None
    """One of them. Default: all."""

    def run(self) -> int:
        """Print a table for each track."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.replaying import environment
            from leaderboard.tracks import SEASONS, TRACKS, tasks_of

        for name in [self.track] if self.track else TRACKS:
            rows = []
            for task in tasks_of(name):
                env = environment(task)
                most = max(profile.max_action_chars for profile in env.profiles.values())
                rows.append(
                    (task.key, str(len(env.possible_agents)), str(env.horizon), f"{most:,}", str(task.num_instances))
                )
            say(f"track {name}" + ("" if rows else ": any environment of the catalogue, at any level"))
            if rows:
                headings = ("task", "agents", "horizon", "characters", "instances")
                console().print(table(headings, rows, right="agents horizon characters instances"))
        say(f"seasons: {', '.join(SEASONS)}; the last is played unless another is named")
        return 0


@dataclass(frozen=True)
class Seeds:
    """Print the seeds of a season, which are the same for everybody, as JSON: task by task."""

    track: str = "small"
    """Whose tasks."""
    season: OptionalText = None
    """Default: the newest."""

    def run(self) -> int:
        """Print one object."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.tracks import SEASONS, require_season, seeds_of, tasks_of

        season = self.season or SEASONS[-1]
        require_season(season)
        say(json.dumps({task.key: list(seeds_of(season, task)) for task in tasks_of(self.track)}))
        return 0


@dataclass(frozen=True)
class Script:
    """Enter one of the suite's scripts, which shows what a score is worth: the reference, or random words."""

    script: Positional[Literal["reference", "random", "silent", "echo"]]
    """Who plays every agent."""
    folder: Positional[Path]
    """Of the submission; what it holds already stays, if it is of the same track and name."""
    track: str = "small"
    """Whose tasks are played."""
    season: OptionalText = None
    """Default: the newest."""

    def run(self) -> int:
        """Play task after task."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.scripted import scripted_play
            from leaderboard.submit import Entrant, add_task
            from leaderboard.tracks import SEASONS, require_season, tasks_of

        season = self.season or SEASONS[-1]
        require_season(season)
        tasks = tasks_of(self.track)
        entrant = Entrant(
            track=self.track,
            season=season,
            name=f"script {self.script}",
            contact="the maintainers of marft-envs",
            licence="CC0-1.0",
            hardware="no model",
        )
        with _progress(self.script) as status:
            for done, task in enumerate(tasks):
                status(task.key, done, len(tasks))
                try:
                    result = add_task(self.folder, entrant, scripted_play(task, season, self.script))
                except NotImplementedError as error:
                    note(f"{task.key} is left out: {error}")
                    continue
                say(f"{task.key}: {result.scores.score:.3f}")
        say(f"`marft leaderboard validate {self.folder}` recomputes it.")
        return 0


@dataclass(frozen=True)
class Pack:
    """Pack a submission's folder into a zip archive, with the files of a submission and nothing else."""

    folder: Positional[Path]
    """Of the submission."""
    archive: Positional[Path]
    """To be written."""

    def run(self) -> int:
        """Pack."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.pack import pack

        if not self.folder.is_dir():
            raise ConfigError(f"there is no folder {self.folder}; give that of a submission")
        pack(self.folder, self.archive)
        say(f"{self.archive}: {self.archive.stat().st_size:,} bytes")
        return 0


@dataclass(frozen=True)
class Page:
    """Build the leaderboard's pages from submissions: files that a browser opens, without server or network."""

    submissions: Positional[Annotated[tuple[Path, ...], shown("PATH ...")]]
    """Folders, or zip archives of them. Each is validated first."""
    out: Annotated[Path, shown("FOLDER")]
    """Where the pages go. What was written there last time is replaced, other files stay."""
    reruns: Annotated[Path | None, shown("FILE")] = None
    """What maintainers found who played entries again: the record of `marft rerun --output`."""
    docs: str = ""
    """Address of the suite's documentation, for links to it. Default: no links."""
    transcripts: bool = True
    """Whether episodes are drawn."""
    remember: Annotated[Path | None, shown("FOLDER")] = None
    """What earlier pages have replayed, which is believed and added to: entries that have not changed are not replayed
    again. Nobody else must be able to write there, and it must not outlive a change of the suite. Default: all are
    replayed."""
    processes: OptionalInt = None
    """That replay. Default: one for each core."""

    def run(self) -> int:
        """Validate and draw."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.page import write_page

        if not self.submissions:
            raise ConfigError("there is nothing to show; give the folders of submissions, or their archives")
        for path in self.submissions:
            require_there(path)
        if self.reruns is not None and not self.reruns.exists():
            raise ConfigError(f"there is nothing at {self.reruns}; check the path")
        with _progress("pages") as status:
            first = write_page(
                self.submissions,
                self.out,
                reruns=self.reruns,
                docs=self.docs,
                transcripts=self.transcripts,
                num_processes=self.processes,
                remember=self.remember,
                status=status,
            )
        say(f"{first}: open it in a browser")
        return 0


@dataclass(frozen=True)
class Export:
    """Print a submission in the format of Every Eval Ever, once it is found valid."""

    submission: Positional[Path]
    """Its folder, or its archive."""

    def run(self) -> int:
        """Validate and print."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.export import every_eval_ever
            from leaderboard.validate import validate

        require_there(self.submission)
        with _progress(str(self.submission)) as status:
            report = validate(self.submission, status=status)
        if not report.is_valid:
            tell([report])
            return INVALID
        say(json.dumps(every_eval_ever(report), ensure_ascii=False, indent=1))
        return 0


@dataclass(frozen=True)
class Comment:
    """Print a comment for a pull request, in Markdown, from what `validate --format json` has printed."""

    verdict: Positional[Path]
    """The file; nothing in it is believed. Without one the comment says that there is none."""

    def run(self) -> int:
        """Print it."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.verdict import MAX_BYTES, comment_on

        content = None
        if self.verdict.is_file() and not self.verdict.is_symlink():
            with self.verdict.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        say(comment_on(content).rstrip("\n"))
        return 0


@dataclass(frozen=True)
class Schema:
    """Print the JSON schema of submission.json."""

    def run(self) -> int:
        """Print it."""
        with extra_required("leaderboard", "`marft leaderboard`"):
            from leaderboard.schema import Submission

        say(json.dumps(Submission.model_json_schema(), indent=1))
        return 0


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done, where somebody can see it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield lambda what, done, of: None
        return
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task(title)
        yield lambda what, done, of: progress.update(bar, description=f"{title}: {what}", completed=done, total=of)


def parse(arguments: Sequence[str]) -> "Command":
    """The command behind `marft leaderboard`."""
    command: Command = tyro.extras.subcommand_cli_from_dict(
        {
            "validate": Validate,
            "tracks": Tracks,
            "seeds": Seeds,
            "script": Script,
            "pack": Pack,
            "page": Page,
            "export": Export,
            "comment": Comment,
            "schema": Schema,
        },
        prog="marft leaderboard",
        description=DESCRIPTION,
        args=list(arguments) or ["--help"],
        config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
    )
    return command
