"""What is loaded and done once, before the first program, so that no program has to."""

import importlib

from . import plain, tracebacks

_WARM_UPS = 20
"""Python looks closer at code that has run some ten times."""

# What programs import most, and what those modules import when they are first used: afterwards no file can be opened.
# fmt: off
PRELOADED = (
    "__future__", "_ast_unparse", "_colorize", "_pylong", "abc", "annotationlib", "argparse", "array", "ast", "base64",
    "binascii", "bisect", "builtins", "calendar", "cmath", "collections", "collections.abc", "colorsys", "contextlib",
    "copy", "copyreg", "csv", "ctypes", "dataclasses", "datetime", "decimal", "_strptime", "difflib", "dis", "enum",
    "errno", "fnmatch", "fractions", "functools", "gc", "graphlib", "hashlib", "heapq", "hmac", "html", "html.entities",
    "html.parser", "inspect", "io", "itertools", "json", "keyword", "linecache", "locale", "logging", "math", "mmap",
    "numbers", "opcode", "operator", "os", "pathlib", "pickle", "pprint", "queue", "random", "re", "reprlib",
    "resource", "sched", "secrets", "shlex", "shutil", "signal", "stat", "statistics", "string", "stringprep", "struct",
    "sys", "textwrap", "threading", "time", "timeit", "token", "tokenize", "traceback", "types", "typing",
    "unicodedata", "urllib.parse", "uuid", "warnings", "weakref", "zlib", "encodings.ascii", "encodings.cp1252",
    "encodings.cp437", "encodings.idna", "encodings.latin_1", "encodings.punycode", "encodings.raw_unicode_escape",
    "encodings.rot_13", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_16_le", "encodings.utf_16_be",
    "encodings.utf_32", "encodings.utf_8", "encodings.utf_8_sig",
)
# fmt: on


def load() -> None:
    """Imports all of them that this Python has."""
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:  # not in every version of Python
            continue


def warm_up() -> None:
    """Does, on data of its own, what every child does first: what Python then keeps about its code is kept only once.

    That is a fifth of what a short program costs.
    """
    for _ in range(_WARM_UPS):
        data = plain.decode(plain.encode({"": [(None, True, 1, 2**60, 1.5, 1j, "", b"", {1}, frozenset({1}))]}))
        plain.encode(("value", data))
        exec(compile("def f(n):\n    return [m + 1 for m in n]\nf([1])", tracebacks.FILE, "exec"), {})  # noqa: S102
        try:
            raise ValueError("")
        except ValueError as error:
            tracebacks.told(error, "")
