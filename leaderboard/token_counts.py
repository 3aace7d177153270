"""Tokens as entrants report them: a line for each episode of a log, in its order.

    {"read": [61, 74], "wrote": [9, 4]}

`read` are the tokens of each turn's prompt, `wrote` those of its reply, the end included; both 0 where no model acts.
Nobody can recompute them from texts alone: they stand beside the characters, which are recomputed.
"""

import json
from collections.abc import Iterable, Sequence

from leaderboard.errors import MalformedError
from leaderboard.scores import Tokens

_MOST = 10_000_000
"""Tokens of one turn."""


def read_tokens(lines: Iterable[bytes], name: str) -> list[Tokens]:
    """Raises: MalformedError, naming the line, for one that is not of this form."""
    found = []
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
        found.append(Tokens(tuple(record["read"]), tuple(record["wrote"])))
    return found


def written_tokens(tokens: Sequence[Tokens]) -> bytes:
    """As a file holds them, before it is compressed."""
    lines = [json.dumps({"read": list(one.read), "wrote": list(one.wrote)}) + "\n" for one in tokens]
    return "".join(lines).encode()
