"""What an orchestrator of mathematicians says: whom it calls, or whose answer it accepts.

    call: algebraist_0, calculator_0
    accept: calculator_0
    done

Calls are read as everywhere (`marft_envs.calling`); accepting somebody's answer is what comes on top.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from marft_envs.calling import called

_ACCEPT = re.compile(r"\W*(?:I )?accept\b\W*(.*)", re.IGNORECASE)


class Decision(NamedTuple):
    """What an orchestrator has decided."""

    accepts: bool
    """Whether an answer is accepted; if not, agents are called."""
    agents: tuple[str, ...]
    """Whose answer, or who is called; empty where whoever answered last is meant."""


def decided(words: str, specialists: Sequence[str]) -> Decision | None:
    """Reads what an orchestrator wrote: a line that begins with `accept`, or what `called` reads; None for neither."""
    for line in words.splitlines():
        if found := _ACCEPT.match(line):
            named = called(f"call: {found[1] or 'done'}", specialists)
            return None if named is None else Decision(True, named.agents)
    call = called(words, specialists)
    return None if call is None else Decision(call.is_done, call.agents)
