"""What an orchestrator says: whom it calls next, or that the work is done.

    call: calendar_0, location_0
    done

An environment whose orchestrator decides who works reads its words with `called`, and lets the next round's
dependencies follow from them: `Dependencies.together(call.agents)`. Models are not always brief, so the first line that
decides counts, and where none does, the names that stand anywhere.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from marft_envs.profiles import names_of

_CALL = re.compile(r"\bcall\s*:(.*)", re.IGNORECASE)
_DONE = re.compile(r"\W*done\W*", re.IGNORECASE)


class Call(NamedTuple):
    """What an orchestrator has decided."""

    agents: tuple[str, ...]
    """Whom it calls, everybody once, in the order of the team; empty where the work is done."""

    @property
    def is_done(self) -> bool:
        """Whether nobody is to work any more."""
        return not self.agents


def called(words: str, agents: Sequence[str]) -> Call | None:
    """Reads what an orchestrator wrote; None if it names nobody who can be called, and does not say `done` either.

    The first line decides that is `done`, or has `call:` with a name or `done` behind it. Without one, whoever is named
    anywhere is called. An agent is named by its own name or its role, which means all of that role, as a word of its
    own, in upper or lower case. Whatever else stands there is not read.

    Args:
        words: Any text.
        agents: Who can be called.
    """
    pattern, named = _reading(tuple(agents))
    for line in words.splitlines():
        if _DONE.fullmatch(line):
            return Call(())
        if found := _CALL.search(line):
            if call := _call(pattern.findall(found[1]), named, agents):
                return call
            if _DONE.fullmatch(found[1]):
                return Call(())
    return _call(pattern.findall(words), named, agents)


@lru_cache(maxsize=64)
def _reading(agents: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    named = names_of(agents)
    longest_first = sorted(named, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE), named


def _call(names: Iterable[str], named: dict[str, tuple[str, ...]], agents: Sequence[str]) -> Call | None:
    """The call of these; None for nobody. To a pattern that takes any case some foreign letters are ours: no names."""
    chosen = {agent for name in names for agent in named.get(name.lower(), ())}
    return Call(tuple([agent for agent in agents if agent in chosen])) if chosen else None
