"""How tests look at processes from outside, and do something to them while programs run."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(folder.name))
    return found


def awaited(look: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.01)
    return False


@contextlib.contextmanager
def meanwhile(act: Callable[[], object], after_s: float = 0.1) -> Iterator[None]:
    timer = threading.Timer(after_s, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()
