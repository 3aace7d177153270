"""Decisions in a model's words: does who reviews something accept it? Exact, linear, on any text."""

import re

_DECIDES = re.compile(r"\b(accept|approv|reject|repair|fix|wrong|fail|incorrect)\w*", re.IGNORECASE)
_NEGATES = re.compile(r"\b(not|never|cannot|can't|don't|won't|cant|dont)\W+(\w+\W+)?$", re.IGNORECASE)
_MOST_CHARS_BEFORE = 40


def accepts(words: str) -> bool:
    """Whether the first word that decides is `accept` or `approve`, in any form, and not denied.

    Text without such a word does not accept.
    """
    found = _DECIDES.search(words)
    if found is None or found[1].lower() not in ("accept", "approv"):
        return False
    return _NEGATES.search(words[max(found.start() - _MOST_CHARS_BEFORE, 0) : found.start()]) is None
