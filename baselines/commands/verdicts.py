"""What `marft leaderboard validate` tells of submissions: to people, as JSON, and to a pull request."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from baselines.commands.terminal import console, say, table, visible

if TYPE_CHECKING:
    from leaderboard.report import Report


def tell(reports: Sequence["Report"]) -> None:
    """For people: a table of what was recomputed, then what is wrong."""
    from leaderboard.report import MOST_FINDINGS

    for report in reports:
        submission = report.submission
        title = "" if submission is None else f"{submission.name}, track {submission.track}, season {submission.season}"
        say(f"{report.path}: {title}" if title else report.path)
        if report.verified:
            rows = [
                (
                    one.task.key,
                    f"{one.result.scores.score:.3f}",
                    str(one.result.scores.instances),
                    str(one.result.scores.episodes),
                    f"{one.result.scores.chars / one.result.scores.episodes:,.0f}",
                    f"{one.result.scores.tokens_out / one.result.scores.episodes:,.0f}",
                )
                for one in report.verified
            ]
            headings = ("task", "score", "instances", "episodes", "characters", "tokens")
            console().print(table(headings, rows, right="score instances episodes characters tokens"))
        for finding in report.findings:
            where = f" {visible(finding.where)}:" if finding.where else ""
            say(f"✗ {finding.rule}:{where} {visible(finding.message)}")
        if len(report.findings) >= MOST_FINDINGS:
            say("… and perhaps more: so many are told.")
        if report.is_valid:
            episodes = sum(one.result.scores.episodes for one in report.verified)
            say(f"Valid: {episodes:,} episodes come out as logged, and every number is what they come to.")
        else:
            say("Not valid.")


def record_of(report: "Report") -> dict[str, object]:
    """A report as JSON has it."""
    return {
        "path": report.path,
        "valid": report.is_valid,
        "name": report.submission.name if report.submission else None,
        "digest": report.submission.digest if report.submission else None,
        "findings": [asdict(finding) for finding in report.findings],
        "tasks": {one.task.key: one.result.scores.model_dump() for one in report.verified},
    }


def _tell_json(reports: Sequence["Report"]) -> None:
    say(json.dumps([record_of(report) for report in reports], indent=1))


def _tell_github(reports: Sequence["Report"]) -> None:
    """Source: GitHub, Workflow commands for GitHub Actions."""
    for report in reports:
        for finding in report.findings:
            title = _property(f"{finding.rule} {finding.where}".strip())
            say(f"::error file={_property(report.path)},title={title}::{_data(finding.message)}")
        if report.is_valid:
            say(f"::notice file={_property(report.path)},title=valid::{_data('every number was recomputed')}")


def _data(text: str) -> str:
    """What follows the second pair of colons: on one line, whatever it holds."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[Sequence["Report"]], None]] = {
    "rich": tell,
    "json": _tell_json,
    "github": _tell_github,
}
"""By what `--format` calls them."""
