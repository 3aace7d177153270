"""The transcript as a person reads it: with rounds, authors, times and rewards, safe to print in a terminal."""

from collections.abc import Iterable, Sequence

from marft_envs.records import RewardEvent, Turn
from marft_envs.transcript import Transcript, quote

_US_PER_S = 1_000_000
_VISIBLE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
}
"""Control characters and what stands for them. A terminal would obey them: with them an agent could erase the judge's
words, and with marks of writing direction reorder a line."""


def blocks(
    transcript: Transcript, turns: Iterable[Turn], events: Sequence[RewardEvent], horizon: int
) -> list[str]:
    """The pieces of a rendering, in order: what was committed so far. As the episode goes on, pieces are only added."""
    written: list[str] = []
    turn = iter(turns)
    round = 0
    for kind, _author, content in transcript.entries:
        if kind == "round":
            written += _rewards(events, round - 1)
            if round == horizon:
                break  # composed for the state that trainers bootstrap from, never played
            written.append(f"── {content} of {horizon} ──")
            round += 1
        elif kind == "said":
            written.append(_words(next(turn)))
        elif not isinstance(content, str):
            written.append(transcript.told_text(content))
    else:
        written += _rewards(events, round - 1)
    return [block.translate(_VISIBLE) for block in written]


def _words(turn: Turn) -> str:
    cut = f", {turn.shortened} characters dropped" if turn.shortened else ""
    return quote(
        f"{turn.agent} ({turn.start_us / _US_PER_S:.3f} to {turn.finish_us / _US_PER_S:.3f} s{cut})",
        turn.action,
    )


def _rewards(events: Iterable[RewardEvent], round: int) -> list[str]:
    totals: dict[str, float] = {}
    for event in events:
        if event.round == round:
            totals[event.agent] = totals.get(event.agent, 0.0) + event.amount
    return (
        ["rewards: " + ", ".join(f"{agent} {amount:+g}" for agent, amount in totals.items())]
        if totals
        else []
    )
