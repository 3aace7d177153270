"""`marft train`: train a team with one of the algorithms in `baselines/algorithms`.

Algorithms are found in their folder, so a new one is one file. Its `Config` is what the command takes.
"""

import ast
import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import tyro

from baselines.commands.options import REGISTRY
from baselines.commands.terminal import hush_libraries
from baselines.errors import ConfigError, extra_required

if TYPE_CHECKING:
    from baselines.runs.experiment import ExperimentConfig
    from baselines.runs.summary import Summary

DEFAULT_ALGORITHM = "marft_action"
_FOLDER = Path(__file__).parents[1] / "algorithms"
_STOPPED = {"interrupted": 130, "terminated": 143}
"""Exit statuses of a run that a signal has ended: all is saved, but a script should not go on as if it were done."""


class Algorithm(Protocol):
    """What the module of an algorithm offers."""

    @property
    def Config(self) -> type["ExperimentConfig"]:  # noqa: N802  # a class
        """Its settings."""

    def train(self, config: "ExperimentConfig") -> "Summary":
        """Train a team."""


@dataclass(frozen=True)
class Train:
    """Train a team: `marft train [ALGORITHM] [OPTIONS]`."""

    algorithm: str = DEFAULT_ALGORITHM
    config: "ExperimentConfig | None" = None

    def run(self) -> int:
        """Train, and tell by the exit status whether a signal ended it."""
        assert self.config is not None, "parse gives one"
        hush_libraries()
        summary = _load(self.algorithm).train(self.config)
        return _STOPPED.get(summary.stop_reason or "", 0)


def parse(arguments: Sequence[str]) -> Train:
    """The command from its arguments: perhaps an algorithm, then its options.

    Raises: ConfigError for an unknown algorithm; MissingExtraError without torch; SystemExit after help or a message.
    """
    named = bool(arguments) and not arguments[0].startswith("-")
    algorithm = _known(arguments[0]) if named else DEFAULT_ALGORITHM
    config = tyro.cli(
        _load(algorithm).Config,
        prog=f"marft train {algorithm}" if named else "marft train",
        description=_description(algorithm),
        args=arguments[1:] if named else arguments,
        registry=REGISTRY,
    )
    return Train(algorithm, config)


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
        ]
    )
