"""Tracebacks in our own words: short, and the same on every version of Python but for its messages."""

from types import TracebackType

FILE = "<program>"
"""The file name of every program."""
_MOST_FRAMES = 4
_MOST_CHARS = 300
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")
"""Frames that Python has only before 3.12."""


def told(error: BaseException, source: str) -> str:
    """The program's own last lines, innermost last, and what was raised.

    Such as `line 2, in f: return 1 / n` and `ZeroDivisionError: division by zero`.
    """
    places = _places(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename == FILE:
        places.append((error.lineno or 0, ""))
    lines = source.splitlines()
    if len(places) > _MOST_FRAMES:
        told_of = [_place(*places[0], lines), "…", *(_place(*place, lines) for place in places[1 - _MOST_FRAMES :])]
    else:
        told_of = [_place(*place, lines) for place in places]
    return "\n".join([*told_of, _said(error)])


def _places(traceback: TracebackType | None) -> list[tuple[int, str]]:
    """Line and function of the program's own frames; a function's name is empty outside of functions."""
    found: list[tuple[int, str]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == FILE:
            name = "" if code.co_name == "<module>" else code.co_name
            if name in _COMPREHENSIONS and found:
                name = found.pop()[1]
            found.append((traceback.tb_lineno, name))
        traceback = traceback.tb_next
    return found


def _place(number: int, function: str, lines: list[str]) -> str:
    text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    where = f"line {number}, in {function}" if function else f"line {number}"
    return _short(f"{where}: {text}" if text else where)


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        if isinstance(error, ImportError):
            message = message.replace(f" ({error.path})", "")  # a place of this machine
    except BaseException:  # noqa: BLE001  # its __str__ is the program's own
        message = ""
    return _short(f"{name}: {message}" if message else name)


def _short(text: str) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"
