"""Whether a text uses a word that is forbidden, however it is written. Exact, linear, on any text."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

_SIGNS = str.maketrans("034579@$|", "oeastgasl")
"""Signs that are written for letters; 1 stands for two of them."""
_APOSTROPHES = re.compile("['`\N{RIGHT SINGLE QUOTATION MARK}]")
_MEANING = ("Ll", "Lu", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So")
"""Of signs that are not ASCII: letters, numbers and pictures, which might say anything."""
_WORD = re.compile("[a-z]+")
_ENDINGS = "s|es|ed|er|ers|ing|ings|ly|ish|en|est|ness|ful|less|like|ist"
_BACKWARDS = frozenset("was top dog tab pat rats nip tip sub ten nap rat pets".split())  # noqa: SIM905  # for reading
"""Words of their own that are others backwards: `was` is no disguise of `saw`."""
LEAST_BEFORE, LEAST_INSIDE = 5, 6
"""Letters of a word that is found at the beginning of longer ones, and anywhere in them: shorter ones stand in many
that are not meant, as `round` in `ground`, and `star` in `start`."""
_LEAST_SPELT, _LEAST_WITH_Y = 3, 4


def forbidden_in(text: str, words: Iterable[str]) -> str | None:
    """The first of some words that the text uses, or None. Text with foreign letters or pictures uses all of them.

    A word is used where it stands with any usual ending, in any case, with accents or signs for letters (`l10n`); taken
    apart (`li-on`, `l i o n`); backwards; by single letters with words between them; and, where it has some letters
    more, as a part of a longer word.
    """
    apart = unicodedata.normalize("NFKD", text).lower()
    foreign = any(not sign.isascii() and unicodedata.category(sign) in _MEANING for sign in apart)
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    plain = _APOSTROPHES.sub("", plain).translate(_SIGNS)
    readings = [_WORD.findall(plain.replace("1", letter)) for letter in ("i", "l")]
    for word in words:
        letters = "".join(_WORD.findall(word.lower()))
        if foreign or any(_uses(reading, letters) for reading in readings):
            return word
    return None


def _uses(tokens: Sequence[str], letters: str) -> bool:
    form = _form(letters)
    if any(form.fullmatch(token) or (token not in _BACKWARDS and form.fullmatch(token[::-1])) for token in tokens):
        return True
    single = "".join(token for token in tokens if len(token) == 1)
    both_ways = (letters, letters[::-1])
    if len(letters) >= _LEAST_SPELT and any(each in single for each in both_ways):
        return True
    starts = (start for start, token in enumerate(tokens) if len(token) < len(letters))
    return any(_joined(tokens, start, len(letters)) in both_ways for start in starts)


def _joined(tokens: Sequence[str], start: int, num_chars: int) -> str:
    """The tokens from here on, written as one, as far as they do not get longer than that."""
    joined = ""
    for place in range(start, min(start + num_chars, len(tokens))):
        if len(joined) + len(tokens[place]) > num_chars:
            break
        joined += tokens[place]
    return joined


@lru_cache(maxsize=4096)
def _form(letters: str) -> re.Pattern[str]:
    """A word with any ending; the last letter may be doubled, or left out if it is silent."""
    doubled = f"{letters}{letters[-1]}"
    forms = [rf"{letters}(?:{_ENDINGS})?", rf"{doubled}(?:y|{_ENDINGS})"]
    if len(letters) >= _LEAST_WITH_Y:  # busy has little to do with a bus
        forms.append(f"{letters}y")
    if letters[-1] == "e":
        forms += [rf"{letters}(?:d|r|rs)", rf"{letters[:-1]}(?:ing|ings|y|ish)"]
    if letters[-1] == "y":
        forms.append(rf"{letters[:-1]}i(?:es|ed|er|ers|est|ly|ness)")
    if letters.endswith("f"):
        forms.append(rf"{letters[:-1]}ves")
    if letters.endswith("fe"):
        forms.append(rf"{letters[:-2]}ves")
    if len(letters) >= LEAST_BEFORE:
        forms.append(rf"{letters}[a-z]*" if len(letters) < LEAST_INSIDE else rf"[a-z]*{letters}[a-z]*")
    return re.compile("|".join(forms))
