"""`marft check`: does an environment keep every promise of the contract?"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from rich.text import Text
from tyro.conf import Positional

import marft_envs
from baselines.commands.options import EnvOptions, Names, shown
from baselines.commands.terminal import console, say, working
from marft_envs import CheckReport, CheckResult

BROKEN = 1
"""Exit status where a promise is broken."""
_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "bold red"), "skipped": ("-", "dim")}
_GITHUB_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_GITHUB_TITLE_ESCAPES = {**_GITHUB_ESCAPES, ":": "%3A", ",": "%2C"}


@dataclass(frozen=True)
class Check:
    """Check an environment against the contract that all environments keep."""

    env_id: Positional[Annotated[tuple[str, ...], shown("[ENV_ID ...]")]] = ()
    """Environments: ids, or package.module:Class. Default: every registered one."""
    only: Names = ()
    """Run these graders alone, by name."""
    format: Literal["rich", "json", "github"] = "rich"
    """rich: for people. json: one object. github: annotations of a GitHub workflow."""
    env_options: Annotated[EnvOptions, shown("NAME VALUE ...")] = field(default_factory=dict)
    """Options under which to check, e.g. `level two_digit`."""

    def run(self) -> int:
        """Check, and tell by the exit status whether every promise is kept."""
        reports = [self._check(env_id) for env_id in self.env_id or marft_envs.registered_ids()]
        if self.format == "json":
            say(json.dumps([_record(report) for report in reports], indent=1, ensure_ascii=False))
        return 0 if all(report.passed for report in reports) else BROKEN

    def _check(self, env_id: str) -> CheckReport:
        tell: dict[str, Callable[[CheckResult], None]] = {
            "rich": _print_result,
            "json": lambda result: None,
            "github": lambda result: _print_annotation(env_id, result),
        }
        if self.format == "rich":
            console().print(Text(env_id, style="bold"))
        with working(f"checking {env_id}"):
            report = marft_envs.check_env(env_id, only=self.only, options=self.env_options, on_result=tell[self.format])
        if self.format == "rich":
            _print_end(report)
        return report


def _print_result(result: CheckResult) -> None:
    mark, style = _MARKS[result.status]
    console().print(Text.assemble((f"{mark} ", style), result.name, (f"  {result.seconds:.1f} s", "dim")))
    if result.status == "skipped":
        console().print(Text(f"    {result.message}", style="dim"))
    if result.status == "failed":
        for name, text in (("", result.message), ("why: ", result.why), ("way out: ", result.fix)):
            console().print(Text.assemble("    ", (name, "dim"), text), soft_wrap=True)


def _print_end(report: CheckReport) -> None:
    if report.passed:
        console().print(Text(str(report), style="green"), soft_wrap=True)
    else:
        console().print(Text(str(report).partition("\n")[0], style="bold red"), soft_wrap=True)
    say("")


def _print_annotation(env_id: str, result: CheckResult) -> None:
    if not result.passed:
        title = _escaped(f"{env_id} · {result.name}", _GITHUB_TITLE_ESCAPES)
        text = f"{result.message}\nwhy: {result.why}\nway out: {result.fix}"
        say(f"::error title={title}::{_escaped(text, _GITHUB_ESCAPES)}")


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def _record(report: CheckReport) -> dict[str, object]:
    return {"env": report.name, "passed": report.passed, "results": [asdict(result) for result in report.results]}
