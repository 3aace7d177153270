"""Runs one program, in a process that can do nothing but compute and write into the two files that it was handed.

The process belongs to the program: what it can reach here, it may change, and nobody trusts what it writes.
"""

import contextlib
import os
import sys
import types

from . import plain, tracebacks

RESULTS = 3
"""The file descriptor that results are written to: one line of plain data each."""
NO_MEMORY = 91
"""The exit code of a process that had no memory left to say so."""
DONE = ("done",)
"""The last line of a run that came to its end."""


def run(job: bytes) -> None:
    """Does a job, and ends the process."""
    code = 0
    try:
        wanted = plain.decode(job)
        assert isinstance(wanted, dict), "the other side wrote it"
        if wanted["kind"] == "script":
            code = _run_script(wanted["source"])
        else:
            _run_calls(wanted["source"], wanted["entry_point"], wanted["arguments"])
        if code == 0:
            _write(*DONE)
    except MemoryError:
        code = NO_MEMORY
    except BaseException:  # noqa: BLE001  # nothing may unwind into the server's own loop, whose copy this process has
        code = code or 1
    finally:
        os._exit(code)


def _run_script(source: str) -> int:
    """The exit code that Python would give it."""
    code = 0
    try:
        exec(compile(source, tracebacks.FILE, "exec"), _module("__main__").__dict__)  # noqa: S102
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException as error:  # noqa: BLE001  # whatever it raises is its own
        _write("error", tracebacks.told(error, source))
    _flush()
    return code & 0xFF


def _run_calls(source: str, entry_point: str, arguments: "list[tuple[object, ...]]") -> None:
    try:
        module = _module("program")
        exec(compile(source, tracebacks.FILE, "exec"), module.__dict__)  # noqa: S102
        if entry_point.partition(".")[0] not in module.__dict__:
            raise NameError(f"name '{entry_point.partition('.')[0]}' is not defined")
    except BaseException as error:  # noqa: BLE001
        _write("error", tracebacks.told(error, source))
        _flush()
        return
    for inputs in arguments:
        try:
            value = _function(module, entry_point)(*inputs)
            try:
                line = plain.encode(("value", value))
            except plain.NotPlainError as error:
                line = plain.encode(("not plain", str(error)))
        except BaseException as error:  # noqa: BLE001
            line = plain.encode(("raised", tracebacks.told(error, source)))
        _write_all(line + b"\n")
    _flush()


def _function(module: types.ModuleType, entry_point: str) -> "types.FunctionType":
    """The function; a method of a fresh object where it belongs to a class."""
    first, _, rest = entry_point.partition(".")
    found = module.__dict__[first]
    for name in rest.split(".") if rest else ():
        found = getattr(found() if isinstance(found, type) else found, name)
    return found  # type: ignore[no-any-return]  # if it cannot be called, the call says so


def _module(name: str) -> types.ModuleType:
    """A fresh module that can be found by its name, as dataclasses want to."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        with contextlib.suppress(BaseException):  # a program may have put anything there
            stream.flush()  # type: ignore[union-attr]


def _write(*values: str) -> None:
    _write_all(plain.encode(values) + b"\n")


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(RESULTS, data) :]
