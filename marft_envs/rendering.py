"""The transcript as a person reads it: with rounds, authors, times and rewards, safe to print in a terminal."""

from collections.abc import Iterable, Sequence

from marft_envs.history import History, told_texts
from marft_envs.records import RewardEvent, Turn
from marft_envs.transcript import quote

_US_PER_S = 1_000_000
_VISIBLE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
}
"""Control characters and what stands for them. A terminal would obey them: with them an agent could erase
the judge's words, and with marks of writing direction it could reorder a line."""


def rendered_pieces(history: History, everybody: Sequence[str], of_all: str, ending: str) -> list[str]:
    """What was committed so far, piece by piece. As the episode goes on, pieces are only added; `ending` is the last.

    The open round shows what was told; its words follow with its commit. A round after the horizon was
    composed for the state that trainers can bootstrap from, and never played: it is left out. `of_all` stands behind
    the number of a round: " of 3".
    """
    pieces = []
    turns_by_round = history.turns_by_round()
    shown = [played for played in history.rounds if played.is_closed or not ending]
    for number, played in enumerate(shown):
        if opening := played.opening(number):
            pieces.append(f"── {opening}{of_all} ──")
        pieces += told_texts(played.views, everybody)
        if closing := played.closing():
            pieces.append(f"── {closing} ──")
        if number < len(turns_by_round):
            pieces += [_said(turn) for turn in turns_by_round[number]]
        for feedback in played.feedback:
            pieces += told_texts(feedback, everybody)
        pieces += _paid(event for event in history.reward_events() if event.round == number)
    if ending:
        pieces.append(f"── {ending} ──")
    return [piece.translate(_VISIBLE) for piece in pieces]


def _said(turn: Turn) -> str:
    cut = f", {turn.shortened} characters dropped" if turn.shortened else ""
    times = f"{turn.start_us / _US_PER_S:.3f} to {turn.finish_us / _US_PER_S:.3f} s"
    return quote(f"{turn.agent} ({times}{cut})", turn.action)


def _paid(events: Iterable[RewardEvent]) -> list[str]:
    totals: dict[str, float] = {}
    for event in events:
        totals[event.agent] = totals.get(event.agent, 0.0) + event.amount
    return ["rewards: " + ", ".join(f"{agent} {total:+g}" for agent, total in totals.items())] if totals else []
