"""Choices in a model's reply: which of the things that can be chosen does it name? Exact, linear, on any text.

As in `marft_envs.grading.answers`, a reply that hedges states nothing: `stated_choice` is what rewards are paid for.
`named_choices` is for replies that may name several.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from marft_envs.grading.answers import last_line


def stated_choice(reply: str, choices: Sequence[str]) -> str | None:
    """The one choice that the last line that is not blank names, as it stands in `choices`; None for none or several.

    Named as `named_choices` reads it; whatever else stands on the line is not read, and neither are the lines above.
    """
    named = named_choices(last_line(reply), choices)
    return named[0] if len(named) == 1 else None


def named_choices(text: str, choices: Sequence[str]) -> list[str]:
    """All choices that the text names, each once, in the order of their first mention, as they stand in `choices`.

    A choice is named by its text, in upper or lower case, its words apart by any white space, with no letter, digit or
    underscore beside it. Of choices that begin at one place the longest counts: `red box` names no `red`.
    """
    pattern, known = _reading(tuple(choices))
    found = [" ".join(each.split()).lower() for each in pattern.findall(text)]
    # In any case: so the pattern takes a long s for an s, and what it finds may be no choice.
    return list(dict.fromkeys(known[each] for each in found if each in known))


@lru_cache(maxsize=1024)
def _reading(choices: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    known = {" ".join(choice.split()).lower(): choice for choice in choices}
    assert choices, "there is something to choose"
    assert len(known) == len(choices), "choices differ in more than case and white space"
    return re.compile(rf"(?<!\w)(?:{'|'.join(_written(known))})(?!\w)", re.IGNORECASE), known


def _written(choices: Iterable[str]) -> list[str]:
    return [r"\s+".join(map(re.escape, choice.split())) for choice in sorted(choices, key=len, reverse=True)]
