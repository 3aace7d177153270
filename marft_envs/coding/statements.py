"""Which lines of a text can belong to a Python program: told by how they begin and end, without compiling anything."""

import re
from collections.abc import Iterable, Iterator

# Possessive quantifiers never give anything back, so that each line is read once.
_ASSIGNMENT = re.compile(
    r"[^\W\d][\w.]*+(?:\[[^\]=]*+\])*+(?:\s*+,\s*+[^\W\d]\w*+)*+\s*+(?::[^=]*+|[-+*/%|&^@]|//|\*\*|<<|>>)?=(?!=)"
)
_CALL = re.compile(r"[^\W\d][\w.]*+\(")
_DEFINITION = re.compile(r"(?:async\s++)?def\s++[^\W\d]\w*+\s*+\(|class\s++[^\W\d]\w*+\s*+[(:]")
_TRIPLE_QUOTES = re.compile(r'"""|\'\'\'')
_BLOCKS = frozenset({"if", "elif", "else", "for", "while", "try", "except", "finally", "with", "async", "match"})
_OPENING = ("(", "[", "{")
_CLOSING = (")", "]", "}")


def program_lines(lines: Iterable[str], *, any_statement: bool) -> Iterator[str]:
    """The lines that can belong to a program, with the assignments and comments right above its beginning."""
    above: list[str] = []
    quotes = ""
    is_inside = False
    for line in lines:
        if not quotes and not (is_inside and _continues_program(line)):
            is_inside = begins_program(line, any_statement=any_statement)
            if not is_inside:
                if is_assignment(line) or line.startswith("#") or not line.strip():
                    above.append(line)
                else:
                    above.clear()
                continue
            yield from above
        above.clear()
        yield line
        quotes = _open_quotes(line, quotes)


def defines(line: str, name: str) -> bool:
    """Whether the line begins the definition of a name at the margin: `def f(`, `class f:` or `f =`."""
    first, _, rest = line.removeprefix("async ").partition(" ")
    if first in ("def", "class"):
        rest = rest.lstrip()
        return rest.startswith(name) and rest.removeprefix(name).lstrip().startswith(("(", ":"))
    rest = line.removeprefix(name).lstrip()
    return line.startswith(name) and rest.startswith("=") and not rest.startswith("==")


def begins_program(line: str, *, any_statement: bool) -> bool:
    """Whether a program can begin with this line; with `any_statement`, also with a call, a loop or an assignment."""
    if line.startswith("@") or _DEFINITION.match(line) or _is_import(line):
        return True
    return any_statement and (is_assignment(line) or _opens_block(line) or _is_call(line))


def is_assignment(line: str) -> bool:
    """Whether the line gives a value to a place: `MOD = 7`, `n: int = 0`, `a, b = 1, 2`, `n += 1`, `a[0] = 1`."""
    return _ASSIGNMENT.match(line) is not None


def _continues_program(line: str) -> bool:
    if not line.strip() or line.startswith((" ", "\t", "#", '"""', "'''", *_CLOSING)):
        return True
    return begins_program(line, any_statement=True)


def _is_call(line: str) -> bool:
    return _CALL.match(line) is not None and _code(line).endswith((*_OPENING, *_CLOSING))


def _opens_block(line: str) -> bool:
    """`if n:`, or all on one line as in `for n in ns: print(n)`; not the prose "for example, 3"."""
    code = _code(line)
    return re.split(r"\W", code, maxsplit=1)[0] in _BLOCKS and ":" in code and code.endswith((":", *_CLOSING))


def _is_import(line: str) -> bool:
    """`import a.b, c as d` or `from a import …`, not the prose "import the module"."""
    if line.startswith("from "):
        return line.split(maxsplit=3)[2:3] == ["import"]
    if not line.startswith("import "):
        return False
    names = [name.split() for name in _code(line).removeprefix("import").split(",")]
    return all(len(words) == 1 or words[1:2] == ["as"] for words in names)


def _code(line: str) -> str:
    return line.partition("#")[0].rstrip()


def _open_quotes(line: str, quotes: str) -> str:
    """The triple quotes that are open behind this line; empty if none are."""
    for found in _TRIPLE_QUOTES.findall(line):
        if not quotes:
            quotes = found
        elif quotes == found:
            quotes = ""
    return quotes
