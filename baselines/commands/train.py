"""`marft train`: train a team with one of the algorithms in `baselines/algorithms`.

Algorithms are found in their folder, so a new one is one file. Its `Config` is what the command takes.
"""

import ast
import difflib
import importlib
import os
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import tyro

from baselines.commands.options import REGISTRY
from baselines.commands.terminal import hush_libraries, say
from baselines.errors import ConfigError, extra_required

if TYPE_CHECKING:
    from baselines.runs.experiment import RunConfig
    from baselines.runs.resume_point import ResumePoint
    from baselines.runs.summary import Summary

DEFAULT_ALGORITHM = "marft_action"
_FOLDER = Path(__file__).parents[1] / "algorithms"
_RESUME = """Go on with the run in this folder, after its newest whole checkpoint and with its own settings: to the last
bit as if it had never been stopped. A checkpoint's folder goes back to that one, and drops what came later."""
_STOPPED = {"interrupted": 130, "terminated": 143}
"""Exit statuses of a run that a signal has ended: all is saved, but a script should not go on as if it were done."""


class Algorithm(Protocol):
    """What the module of an algorithm offers."""

    @property
    def Config(self) -> type["RunConfig"]:  # noqa: N802  # a class
        """Its settings."""

    def train(self, config: "RunConfig", *, resume_from: "ResumePoint | None") -> "Summary":
        """Train a team, from the beginning or from where a run was stopped."""


@dataclass(frozen=True)
class Train:
    """Train a team: `marft train [ALGORITHM] [OPTIONS]`."""

    algorithm: str = DEFAULT_ALGORITHM
    config: "RunConfig | None" = None
    resume_from: "ResumePoint | None" = None

    def run(self) -> int:
        """Train, and tell by the exit status whether a signal ended it."""
        assert self.config is not None, "parse gives one"
        point = self.resume_from
        if point is not None and point.is_finished and point.num_done >= self.config.num_iterations:
            if os.environ.get("RANK", "0") == "0":
                say(
                    f"This run has finished: all of its {point.num_done} iterations are done. For more of them give "
                    f"--num-iterations, such as --num-iterations {2 * point.num_done}."
                )
            return 0
        hush_libraries()
        summary = _load(self.algorithm).train(self.config, resume_from=point)
        return _STOPPED.get(summary.stop_reason or "", 0)


def parse(arguments: Sequence[str]) -> Train:
    """The command from its arguments: perhaps an algorithm, then its options.

    Raises: ConfigError for an unknown algorithm, or an option that cannot change when a run goes on; CheckpointError
    for a run that cannot go on; MissingExtraError without torch; SystemExit after help or a message.
    """
    named = bool(arguments) and not arguments[0].startswith("-")
    algorithm = _known(arguments[0]) if named else DEFAULT_ALGORITHM
    words = arguments[1:] if named else arguments
    prog = f"marft train {algorithm}" if named else "marft train"
    path = _resumed_path(words)
    if path is None:
        return Train(algorithm, _read(words, algorithm, _load(algorithm).Config(), prog))
    with extra_required("train", "`marft train`"):
        from baselines.runs.resume_point import find_resume_point
        from baselines.runs.resuming import require_same_results, resumed_settings
    point = find_resume_point(path)
    trained_by = _known(str(point.config["algorithm"]))
    if named and trained_by != algorithm:
        raise ConfigError(
            f"the run {point.folder} was trained by {trained_by}, not by {algorithm}; leave the algorithm out"
        )
    before = resumed_settings(point, _load(trained_by).Config)
    after = _read(words, trained_by, before, prog)
    require_same_results(before, after, point)
    return Train(trained_by, replace(after, run_dir=point.folder), point)


def _resumed_path(words: Sequence[str]) -> Path | None:
    """What follows `--resume`: looked for first, because the run tells what all other options are by default."""
    for position, word in enumerate(words):
        if word.startswith("--resume="):
            return Path(word.partition("=")[2])
        if word == "--resume" and words[position + 1 :][:1] not in ([], ["-h"], ["--help"]):
            return Path(words[position + 1])
    return None


def _read(words: Sequence[str], algorithm: str, default: "RunConfig", prog: str) -> "RunConfig":
    """The settings from the command's words, `default` where they say nothing.

    Raises: SystemExit after help or a message.
    """
    hint = tyro.conf.arg(metavar="RUN", help=_RESUME, help_behavior_hint="")
    kind = make_dataclass(
        "TrainArguments",
        [
            ("resume", Annotated[Path | None, hint], None),
            ("config", Annotated[type(default), tyro.conf.arg(name="")], field(default_factory=type(default))),
        ],
    )
    given = tyro.cli(
        kind, prog=prog, description=_description(algorithm), args=words, default=kind(None, default), registry=REGISTRY
    )
    return cast("RunConfig", given.config)


def algorithms() -> dict[str, str]:
    """Every algorithm's name and the first line of its page, read without loading it."""
    names = sorted(found.name for found in pkgutil.iter_modules([str(_FOLDER)]))
    return {name: _first_line(_FOLDER / f"{name}.py") for name in names}


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _known(word: str) -> str:
    names = list(algorithms())
    name = word.replace("-", "_")
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"unknown algorithm {word!r}; {hint}There are: {', '.join(names)}")


def _load(algorithm: str) -> Algorithm:
    with extra_required("train", "`marft train`"):
        module = importlib.import_module(f"baselines.algorithms.{algorithm}")
    return cast("Algorithm", module)


def _description(chosen: str) -> str:
    lines = [f"  {name}   {title}" for name, title in algorithms().items()]
    return "\n".join(
        [
            f"Train a team. `marft train ALGORITHM [OPTIONS]`; these are the options of {chosen}.",
            "",
            "Algorithms:",
            *lines,
            "",
            "For example: marft train --env-id math/reason_act-v0 --level add_digit_long --seed 2",
            "",  # or both would stand in one line
            "Go on with a run that was stopped: marft train --resume runs/math-reason_act-v0/20261125-014124-seed1",
        ]
    )
