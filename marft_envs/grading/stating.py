r"""Where a reply states its answer. It says which text that is, and leaves to `equality` what the text means.

The rule is made for the form that is asked for, `\boxed{}` in the last line, and for what models write instead when
they commit to one answer. It does not look for an answer in prose: who wants to be paid states it.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache

from marft_envs.grading.answers import MAX_STATED_CHARS, boxed_contents

_MOST = 20
"""Answers that are listed; no list of answers is longer."""
_MOST_WORDS = 8
"""In a last line without announcement; more is a sentence, and states nothing."""
_NOT_FAR = 20
"""Characters before a box in which its last word is looked for."""
_SHORT_CHARS = 200
"""Of a reply that is read once for all who ask; longer ones are read anew, so that little is kept."""
_CLOSING_WORDS = "I hope it is correct."
"""After the answer in the prompt of Minerva (arXiv 2206.14858, appendix D), which many models have learned from."""

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_TAKEN_BACK = re.compile(r"\b(?:or|not|no|but|maybe|perhaps|possibly|wrong|incorrect)\b", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"(?:\bthe\s)?(?:\bfinal\s|\bcorrect\s)?\banswers?\s?(?:(?:is|are)\b\s?:?|:|=)|####", re.IGNORECASE
)
_EMPHASIS = re.compile(
    r"(?<![\w)}\]*^])(?:(?P<stars>\*{1,3})(?=\S)(?P<strong>[^*]+)(?<=\S)(?P=stars)"
    r"|(?P<ticks>`{1,3})(?P<code>[^`]+)(?P=ticks)"
    r"|(?P<lines>_{1,2})(?=\S)(?P<underlined>[^_]+)(?<=\S)(?P=lines))"
)
_SAYS_SOMETHING = re.compile(r"[^\W_]|∞")
_BULLET = re.compile(r"(?:#{1,3}|[>*•]|-(?= ?(?:[*_`]|\$[^$]+\$|\\\()))\s")


def stated_answer(reply: str) -> str | None:
    r"""The answer that a reply commits to, as it is written; None if it states none.

    The first of these that the reply has is read, and nothing else:

    1. `<answer>…</answer>`: what stands within is read by the rules below, like a reply. Several are a list.
    2. `\boxed{…}` in the last line that has any. Several are a list. It counts whatever follows in later lines; only
       another box takes it back. But who goes on behind it in the same line with "or", "not", "no", "but", "maybe",
       "perhaps", "possibly", "wrong" or "incorrect" states nothing, nor does who writes "not" right before it.
    3. What follows "answer is", "answer:", "answer =" or "####" in the last line; several are a list. The last line is
       the last with a letter, a digit or ∞; "answers are" announces, too.
    4. The last line itself, if it has no more than eight words.

    Of a last line, markdown's emphasis, code ticks and a bullet (# > * •) are left out, and a minus sign where it can
    only be a bullet (- **42**); so is an equals sign at the beginning, and "I hope it is correct." at the end of all.
    A list names the same answer once. So who states two answers has stated both, and neither.

    Not read: an answer in a sentence ("Therefore, she has 42 apples."), or one that is not boxed and has lines of talk
    after it. `same_answer` in `marft_envs.grading.equality` compares what is read.
    """
    return _stated_in_short(reply) if len(reply) <= _SHORT_CHARS else _stated_anywhere(reply)


def _stated_anywhere(reply: str) -> str | None:
    tagged = [text.partition("</answer>") for text in reply.split("<answer>")[1:]]
    closed = [text for text, end, _ in tagged if end]
    return _listed(_stated(text) for text in closed[-_MOST:]) if closed else _stated(reply)


_stated_in_short = lru_cache(maxsize=128)(_stated_anywhere)
"""The same again and again: what is judged, counted, and looked up at the end."""


def _stated(reply: str) -> str | None:
    reply = reply.strip().removesuffix(_CLOSING_WORDS).rstrip()
    boxes = deque(_BOXED.finditer(reply), maxlen=_MOST)
    if boxes:
        line_begins = reply.rfind("\n", 0, boxes[-1].start()) + 1
        return _boxed(reply, [box for box in boxes if box.start() >= line_begins])
    line = next((line.strip() for line in reversed(reply.splitlines()) if _SAYS_SOMETHING.search(line)), "")
    if len(line) > MAX_STATED_CHARS:
        return None
    line = _undecorated(line)
    announced = _ANNOUNCED.split(line)[1:]
    if announced:
        return _listed(announced[-_MOST:])
    return _listed([line]) if len(line.split()) <= _MOST_WORDS else None


def _boxed(reply: str, boxes: Sequence[re.Match[str]]) -> str | None:
    contents = list(boxed_contents(reply, [box.end() for box in boxes]))
    if len(contents) < len(boxes):  # the last one is cut off
        return None
    words_before = re.findall("[a-z]+", reply[: boxes[0].start()][-_NOT_FAR:].casefold())
    end = reply.find(contents[-1], boxes[-1].end()) + len(contents[-1])
    rest_of_line = reply[end:].partition("\n")[0]
    taken_back = words_before[-1:] == ["not"] or _TAKEN_BACK.search(rest_of_line)
    return None if taken_back else _listed(contents)


def _undecorated(line: str) -> str:
    """A line without markdown, and with single blanks."""
    bullet = _BULLET.match(line)
    line = line[bullet.end() :] if bullet else line
    for _ in range(2):  # **the answer is *42***
        line = _EMPHASIS.sub(lambda match: f" {match['strong'] or match['code'] or match['underlined']} ", line)
    return re.sub(r"\s+", " ", line).strip()


def _listed(answers: Iterable[str | None]) -> str | None:
    """Different answers with commas between them; those that say nothing are left out."""
    bare = [answer.strip().removeprefix("=").strip() for answer in answers if answer is not None]
    return ", ".join({answer.strip("$., "): answer for answer in bare if answer}.values()) or None
