"""Programs and tests in a model's reply, found by reading lines.

Nothing here is compiled but literals of a few characters: a hostile nest of brackets crashes compilers. Every function
takes any text, raises nothing, and takes time linear in the length of the text.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from marft_envs.coding.statements import begins_program, defines, program_lines
from marft_envs.grading.programs import CallTest
from marft_envs.sandbox.jail.plain import encode
from marft_envs.sandbox.runs import Plain

MAX_LITERAL_CHARS = 200
"""Of a test's arguments, and of what they should give; longer ones are not read."""
MAX_LITERAL_DEPTH = 20
"""Of brackets in them."""
_PYTHON = frozenset({"python", "py", "python3"})
_BULLET = re.compile(r"^(?:[-*•]|[0-9]{1,3}[.)])\s+")
_VERB = re.compile(r"\s*(==|=|is|->|=>|→|returns|should return|should be)\s+|\s*(==|->|=>|→)")
_HEAD = re.compile(r"^(>>>)?\s*(assert\s+)?(not\s+)?")
# Python warns of other escapes, and in time will refuse them.
_KNOWN_ESCAPES = re.compile(r"(?:[^\\]|\\[\\'\"abfnrtvx0-3]|\\[4-7](?![0-7]{2}))*+", re.DOTALL)


@dataclass
class _Block:
    """A fenced block, whose lines are given back without the indent of the fence."""

    label: str
    indent: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def program_in(reply: str, entry_point: str) -> str:
    """The program in a reply; the whole reply if there is none to be found.

    1. Of the blocks between fences (lines of three or more backticks with an optional label; one that is not closed
       runs to the end, and a labelled fence also closes the block before it): the last that defines the entry point,
       with `def`, `class` or `=` at the start of a line.
    2. Without one: the lines outside of the blocks that can belong to a program, if they define the entry point. They
       begin with `def`, `class`, `import`, `from … import` or `@`, and with the assignments and comments right above;
       they go on while they are blank, indented, inside of triple quotes, or statements.
    3. Without them: the last block.
    4. Without blocks: those lines all the same.

    A program without an entry point, which reads standard input, is the last block labelled as Python, else the last
    that looks like a program, else the last; without blocks, the lines that can belong to a program, which may begin
    with any statement.
    """
    name = entry_point.partition(".")[0]
    blocks, outside = _split(_lines(reply))
    loose = "\n".join(program_lines(outside, any_statement=not name))
    texts = [block.text for block in blocks]
    ranked = [loose or reply, *texts[-1:]]
    if name:
        ranked += [text for text in (loose, *texts) if _has_definition(text, name)][-1:]
    else:
        ranked += [text for text in texts if _has_statement(text)][-1:]
        ranked += [block.text for block in blocks if block.label in _PYTHON][-1:]
    return ranked[-1].strip("\n").rstrip()


def has_program(reply: str, entry_point: str) -> bool:
    """Whether there is a program in a reply: one that defines the entry point, or, without one, any statement."""
    program = program_in(reply, entry_point)
    name = entry_point.partition(".")[0]
    return _has_definition(program, name) if name else _has_statement(program)


def tests_in(reply: str, entry_point: str, max_tests: int) -> list[CallTest]:
    """The tests that a reply states, the first so many of them, each once.

    One line each, inside or outside of blocks, with or without a bullet: `assert f(3) == 7`, perhaps with a message;
    `assert f(3)` and `assert not f(3)`; `f(3) == 7`, `f(3) = 7`, `f(3) is None`, `f(3) -> 7`, `f(3) returns 7` and
    `f(3) should be 7`. Or two lines: `>>> f(3)` and the value. A method is called as `f(3)` or `Solution().f(3)`.

    Arguments and values are literals; a line with anything else, such as an argument by name, is none.
    """
    tests: dict[bytes, CallTest] = {}
    for test in _stated(_lines(reply), entry_point):
        if len(tests) >= max_tests:
            break
        tests.setdefault(encode((test.arguments, test.expected)), test)
    return list(tests.values())


def _lines(text: str) -> list[str]:
    r"""Lines as Python's own compiler sees them: U+2028 or a form feed ends none."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _has_definition(program: str, name: str) -> bool:
    return any(defines(line, name) for line in program.split("\n"))


def _has_statement(program: str) -> bool:
    return any(begins_program(line, any_statement=True) for line in program.split("\n"))


def _split(lines: list[str]) -> tuple[list[_Block], list[str]]:
    """The fenced blocks, and the lines outside of them, with the fences."""
    blocks: list[_Block] = []
    outside: list[str] = []
    is_open = False
    for line in lines:
        label = _fence_label(line)
        if label is None:
            if is_open:
                indent = blocks[-1].indent
                blocks[-1].lines.append(line if line[:indent].strip() else line[indent:])
            else:
                outside.append(line)
            continue
        is_open = bool(label) or not is_open
        if is_open:
            blocks.append(_Block(label, len(line) - len(line.lstrip())))
        outside.append("```")  # no program goes on behind a block
    return blocks, outside


def _fence_label(line: str) -> str | None:
    """The first word behind a fence, in lower case; None if the line is no fence."""
    text = line.strip()
    if not text.startswith("```"):
        return None
    label = text.lstrip("`")
    return None if "`" in label else "".join(label.lower().split(maxsplit=1)[:1])


def _stated(lines: list[str], entry_point: str) -> Iterator[CallTest]:
    owner, _, name = entry_point.rpartition(".")
    beginnings = [f"{name}(", f"{owner}().{name}("] if name else []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        text = _undecorated(line)
        called = _HEAD.sub("", text, count=1)
        beginning = next((begins for begins in beginnings if called.startswith(begins)), None)
        test = None if beginning is None else _test(text, beginning, following.strip())
        if test is not None:
            yield test


def _undecorated(line: str) -> str:
    """Without a bullet, and without backticks, unless they may be part of a literal."""
    text = _BULLET.sub("", line.strip(), count=1).strip("`")
    return text if "'" in text or '"' in text else text.replace("`", "")


def _test(text: str, beginning: str, following: str) -> CallTest | None:
    """The test on a line, whose call begins so, if it is one; `following` is the next line."""
    head = _HEAD.match(text)
    assert head is not None, "it matches nothing, too"
    is_prompt, is_assert, is_negated = map(bool, head.groups())
    rest = text[head.end() :].removeprefix(beginning)
    end = _end(rest, ")")
    arguments = _arguments(rest[:end])
    verb = _VERB.match(rest, end + 1)
    behind = rest[verb.end() if verb else end + 1 :]
    value = behind[: _end(behind, ",#")].strip()
    if verb:
        expected = None if is_negated else _literal(value.removesuffix("."))
    elif value:
        expected = None
    elif is_assert:
        expected = (not is_negated,)
    else:
        expected = _literal(following) if is_prompt and not is_negated else None
    return CallTest(arguments, expected[0]) if arguments is not None and expected is not None else None


def _end(text: str, stops: str) -> int:
    """Where the first of these characters stands outside of brackets and strings; else the text's length."""
    quote, depth, is_escaped = "", 0, False
    for place, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif quote:
            is_escaped = character == "\\"
            quote = "" if character == quote else quote
        elif depth == 0 and character in stops:
            return place
        elif character in "'\"":
            quote = character
        else:
            depth += (character in "([{") - (character in ")]}")
    return len(text)


def _arguments(text: str) -> tuple[Plain, ...] | None:
    read = _literal(f"({text.strip().removesuffix(',')},)" if text.strip() else "()")
    return read[0] if read is not None and isinstance(read[0], tuple) else None


def _literal(text: str) -> tuple[Plain] | None:
    """A literal's value, as the one item of a tuple, or None."""
    if len(text) > MAX_LITERAL_CHARS or not _KNOWN_ESCAPES.fullmatch(text) or _depth(text) > MAX_LITERAL_DEPTH:
        return None
    try:
        value = ast.literal_eval(text)
        encode(value)  # `...` is a literal, too, and no plain data
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return (value,)


def _depth(text: str) -> int:
    """How deep brackets nest at most, those in strings included."""
    depths = accumulate((character in "([{") - (character in ")]}") for character in text)
    return max(depths, default=0)
