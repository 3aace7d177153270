"""What `marft evaluate` has found at one level, as rows of a table and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselines.commands.terminal import console, note, table

if TYPE_CHECKING:
    from baselines.evaluate import Evaluation
    from baselines.runs.intervals import Interval
    from baselines.sampled import Plan, Sampled

_UNKNOWN = "-"


@dataclass(frozen=True)
class Result:
    """The evaluation at one level."""

    level: str | None
    evaluation: "Evaluation"
    several: "Sampled | None" = None
    """What several plays of each instance come to together, where there were several."""
    plan: "Plan | None" = None
    """How many plays were asked for, then."""

    def record(self) -> dict[str, object]:
        """As JSON can hold it."""
        allowed = {"tokens_allowed": self.plan.most_tokens} if self.plan and self.plan.most_tokens else {}
        return {**self.evaluation.record(), **(self.several.record() if self.several else {"samples": 1}), **allowed}

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Its rows of the table; `names` are the columns of what the environment reports, of one play."""
        found, several = self.evaluation, self.several
        reported = [f"{found.info[name].mean:.3f}" if name in found.info else _UNKNOWN for name in names]
        tokens = found.tokens_out / len(found.rollouts)
        if several is None:
            yield self._row(found.mean, found.low, found.high, tokens, reported)
            return
        nothing = [_UNKNOWN] * len(names)
        yield ("one", *self._row(found.mean, found.low, found.high, tokens, reported))
        for what, interval in (("vote", several.vote), ("best", several.best)):
            yield (f"{what} of {several.num_plays}", *self._of(interval, several.tokens_per_instance, nothing))

    def _of(self, interval: "Interval | None", tokens: float, reported: Sequence[str]) -> tuple[str, ...]:
        if interval is None:
            num_instances = str(self.evaluation.num_instances)
            return (self.level or _UNKNOWN, num_instances, _UNKNOWN, _UNKNOWN, *reported, f"{tokens:.1f}")
        return self._row(interval.mean, interval.low, interval.high, tokens, reported)

    def _row(self, mean: float, low: float, high: float, tokens: float, reported: Sequence[str]) -> tuple[str, ...]:
        return (
            self.level or _UNKNOWN,
            str(self.evaluation.num_instances),
            f"{mean:.3f}",
            f"{low:.3f}–{high:.3f}",
            *reported,
            f"{tokens:.1f}",
        )


def print_results(results: Sequence[Result], names: Sequence[str], *, has_served: bool = False) -> None:
    """The table of all levels, and what its words mean; `has_served`: whether servers, too, played agents."""
    servers = ", but not those of servers" if has_served else ""
    has_several = any(result.several for result in results)
    headings = ("level", "n", "return", "95 % interval", *names, "tokens")
    rows = [row for result in results for row in result.rows(names)]
    console().print(table(("plays", *headings) if has_several else headings, rows))
    if not has_several:
        note(f"return: the team's mean over n instances; tokens: written per episode{servers}")
        return
    note(f"return: the team's mean over n instances; tokens: written for each instance by all plays together{servers}")
    note("vote: what the answer scores that most plays arrived at, of several the one that came first")
    note("best: chosen by an oracle that knows all scores; nobody can play so, it bounds what choosing can bring")
    for result in results:
        for line in _about_votes(result):
            note(line)


def _about_votes(result: Result) -> Iterator[str]:
    several, at_level = result.several, f" at level {result.level}" if result.level else ""
    if several is None:
        return
    if result.plan is not None and result.plan.most_tokens is not None:
        yield (
            f"{result.plan.most_tokens:.1f} tokens were allowed for an instance{at_level}, and a play writes "
            f"{several.tokens_per_play:.1f}: so there are {several.num_plays} of each."
        )
    if several.vote is None:
        yield f"No play{at_level} arrived at an answer that can be counted, so there is no vote."
    elif several.num_without_vote:
        yield (
            f"{several.num_without_vote} of {result.evaluation.num_instances} instances{at_level} had no vote, because "
            "no play arrived at an answer; there the first play counts."
        )
