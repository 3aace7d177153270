"""Tokens as entrants report them: a line for each episode of a log, in its order.

    {"read": [61, 74], "wrote": [9, 4]}

`read` are the tokens of each turn's prompt, `wrote` those of its reply, the end included; both 0 where no model acts.
Nobody can recompute them from texts alone: they stand beside the characters, which are recomputed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from leaderboard.errors import MalformedError
from leaderboard.players import ModelPlayer, Player
from leaderboard.scores import Tokens

_MOST = 10_000_000
"""Tokens of one turn."""


def read_tokens(lines: Iterable[bytes], name: str) -> Iterator[Tokens]:
    """Raises: MalformedError, naming the line, for one that is not of this form, or not as `written_tokens` has it."""
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"{name}:{number}: is no JSON ({error})", field=name) from error
        if not isinstance(record, dict) or sorted(record) != ["read", "wrote"]:
            raise MalformedError(f"{name}:{number}: is no object of 'read' and 'wrote'", field=name)
        for counts in record.values():
            if not isinstance(counts, list) or not all(type(count) is int and 0 <= count <= _MOST for count in counts):
                raise MalformedError(f"{name}:{number}: has a count that is no whole number to {_MOST:,}", field=name)
        found = Tokens(tuple(record["read"]), tuple(record["wrote"]))
        if line != written_tokens([found]):
            raise MalformedError(f"{name}:{number}: is not written as the suite writes it", field=name)
        yield found


def written_tokens(tokens: Sequence[Tokens]) -> bytes:
    """As a file holds them, before it is compressed."""
    lines = [json.dumps({"read": list(one.read), "wrote": list(one.wrote)}) + "\n" for one in tokens]
    return "".join(lines).encode()


def problem_of(players: Mapping[str, Player], is_solo: bool, tokens: Tokens, turns: Sequence[tuple[str, int]]) -> str:
    """Why the counts of an episode cannot be true; empty if they can.

    `turns` are, of each of its turns, whose it was and how many characters were recorded. Where one agent plays for
    all, one reply may have been divided among the seats.
    """
    if not len(tokens.read) == len(tokens.wrote) == len(turns):
        return f"{len(tokens.read)} and {len(tokens.wrote)} turns are counted, and it has {len(turns)}"
    for number, ((agent, chars), read, wrote) in enumerate(zip(turns, tokens.read, tokens.wrote, strict=True)):
        player = players[agent]
        if not isinstance(player, ModelPlayer):
            problem = f"{agent} is no model, and has tokens" if read or wrote else ""
        else:
            problem = "" if is_solo else _problem_of_turn(agent, player, chars, read, wrote)
        if problem:
            return f"turn {number}: {problem}"
    return ""


def _problem_of_turn(agent: str, player: ModelPlayer, chars: int, read: int, wrote: int) -> str:
    most = player.sampling.max_new_tokens
    if most is not None and wrote > most:
        return f"{agent} wrote {wrote:,} tokens; its sampler draws {most:,} at most"
    if not read or (chars and not wrote):
        return f"{agent} read {read:,} tokens and wrote {wrote:,}, and {chars:,} characters are recorded"
    return ""
