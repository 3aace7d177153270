"""Tries to break out of the sandbox on WebAssembly before any program is trusted to it, once in every process.

What the compiled interpreter imports was looked at when its process started (`worker.IMPORTS`). Here attempts are made
that would succeed if that were not so, and what matters is looked at from outside.
"""

import os
import socket
import tempfile
from functools import lru_cache
from pathlib import Path

from marft_envs.sandbox.findings import (
    HOARD,
    arrived,
    changed,
    ended_otherwise,
    flooded,
    hoarded,
    ran,
    refuse_if_any,
    succeeded,
    too_much,
)
from marft_envs.sandbox.runs import Calls, Limits, Returned, Script
from marft_envs.sandbox.wasi import component
from marft_envs.sandbox.wasi.worker import Worker, started

_LIMITS = Limits(cpu_s=20.0, wall_s=120.0, memory_bytes=64 * 2**20, output_bytes=2**16)
"""For attempts that are over at once, on the busiest machine."""
_LITTLE = Limits(cpu_s=0.05, wall_s=30.0)
_SHORT = Limits(cpu_s=30.0, wall_s=0.05)
_TOO_MUCH_CPU_S = 2.0
"""More than the little, even if a busy machine looks late."""
_FLOOD = """
def f(size):
    import os
    written = 0
    try:
        while written < size:
            written += os.write(1, b"x" * 1000)
    except OSError:
        pass
    return written
"""
_CHANCE = (
    "import time, random, os, uuid\ndef f(): return (time.time(), random.random(), os.urandom(8), str(uuid.uuid4()))"
)
_ATTEMPTS = Path(__file__).with_name("attempts.py")
_STUBS = {
    "reading a file": "import _io; _io.FileIO({secret!r}).read()",
    "writing a file": "import _io; _io.FileIO({target!r}, 'w').write(b'x')",
    "a database": "import _sqlite3; _sqlite3.connect({target!r}).execute('create table t (n)')",
    "writing past the host": "import _io; _io.FileIO(1, 'w', closefd=False).write(b'x')",
    "a descriptor of the process": "import _io; _io.FileIO({descriptor}, 'w', closefd=False).write(b'x')",
    "the system's chance": "import _random; _random.Random()",
    "the system's clock": "import _datetime; _datetime.datetime.now()",
}
"""What gets around `guest_os`: each must end in a stub, or raise."""


@lru_cache(maxsize=1)
def require_walls() -> None:
    """Returns if nothing gets out of the sandbox here. Raises: SandboxUnavailableError."""
    component.require_packages()
    worker = started()
    refuse_if_any(
        worker,
        lambda: [*_escapes(worker), *_unlimited(worker)],
        "the versions of componentize-py and wasmtime, and the system's",
    )


def _escapes(worker: Worker) -> list[str]:
    """What got out, in words."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server, tempfile.TemporaryFile() as opened:
        secret, target = Path(folder, "secret"), Path(folder, "target")
        secret.write_text("secret", encoding="utf-8")
        server.bind(("127.0.0.1", 0))
        server.listen()
        arguments = (str(secret), str(target), server.getsockname()[1], next(iter(os.environ), "PATH"))
        found = succeeded(ran(worker, Calls(_ATTEMPTS.read_text(encoding="utf-8"), "escapes", (arguments,)), _LIMITS))
        for what, source in _STUBS.items():
            filled = source.format(secret=str(secret), target=str(target), descriptor=opened.fileno())
            ended = ran(worker, Script(filled), _LIMITS)
            if ended.ending == "finished" and not ended.error:
                found.append(f"{what} succeeds")
        return [*found, *changed(secret, target), *arrived(server)]


def _unlimited(worker: Worker) -> list[str]:
    """Which limit does not hold, in words."""
    spins = ran(worker, Script("while True: pass"), _LITTLE)
    late = ran(worker, Script("while True: pass"), _SHORT)
    floods = ran(worker, Calls(_FLOOD, "f", ((4 * _LIMITS.output_bytes,),)), _LIMITS)
    hoards = ran(worker, Calls(HOARD, "f", ((2 * _LIMITS.memory_bytes,),)), _LIMITS)
    crashes = ran(worker, Script("import os\nos.abort()"), _LIMITS)
    first, second = (ran(worker, Calls(_CHANCE, "f", ((),)), _LIMITS).outcomes for _ in range(2))
    found = [
        *ended_otherwise(CPU_seconds=(spins, "time"), wall_seconds=(late, "time"), a_crash=(crashes, "crashed")),
        *too_much(spins, _LITTLE.cpu_s, _TOO_MUCH_CPU_S),
        *flooded(floods, _LIMITS.output_bytes),
        *hoarded(hoards),
    ]
    if first != second or not (first and isinstance(first[0], Returned)):
        found.append("clock and chance differ from run to run")
    return found
