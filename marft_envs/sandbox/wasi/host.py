"""Runs programs, one after the other, each in a fresh instance of the component; in a process of its own.

It is started as a file: by `component` to compile (`host.py compile PACKAGES COMPONENT COMPILED JOB`), by `worker` to
run (`host.py run PACKAGES COMPILED`). It imports the standard library, and `wasmtime`, which it finds in PACKAGES.
Both sides of the pipe write frames: how many bytes follow, and those.
"""

import ctypes
import json
import os
import queue
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from wasmtime import Engine, Store

FRAME = struct.Struct("<Q")
JOB = struct.Struct("<ddQQQ")
"""CPU seconds, wall seconds, bytes of memory, bytes of output, bytes of the job; the job and standard input follow."""
ENDED = struct.Struct("<BBddQ")
"""As `jail.protocol.ENDED`, and how many bytes were printed; these and the results follow."""
EXIT, SIGNAL, TIME = range(3)
"""As `jail.protocol.WAYS`."""
_PRINTED, _RESULTS = 1, 3
_PAGE = 2**16
_MOST_PAGES = 2**16
_MOST_OTHER = {"table_elements": 100_000, "instances": 100, "tables": 100, "memories": 10}
"""What one instance may have besides memory: more than ours needs."""
_STACK_BYTES = 16 * 2**20
"""So much that Python's own RecursionError comes first: with 2 MiB, 1,000 calls through functions of C are too many."""
_THREAD_BYTES = 4 * _STACK_BYTES
"""WebAssembly's stack lies on that of the thread that calls it."""


class Left(Exception):  # noqa: N818  # no error: it unwinds
    """The program called `leave`."""

    def __init__(self, code: int) -> None:
        self.code = code


class Output:
    """What one program hands over, as far as it may."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.written = {_PRINTED: bytearray(), _RESULTS: bytearray()}

    def take(self, descriptor: int, data: bytes) -> int:
        """Appends as much as there is room for; how much that was."""
        written = self.written.get(descriptor)
        if written is None:
            return 0
        before = len(written)
        written += data[: self.most_bytes - before]
        return len(written) - before


class Watch:
    """Interrupts a program whose time is over. It looks again when that could be the case, and not before."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._changed = threading.Condition()
        self._deadlines: tuple[float, float] | None = None
        self._is_late = False
        threading.Thread(target=self._run, daemon=True).start()

    def begin(self, cpu_s: float, wall_s: float) -> None:
        """Starts to watch what this process does."""
        with self._changed:
            self._deadlines = time.process_time() + cpu_s, time.monotonic() + wall_s
            self._is_late = False
            self._changed.notify()

    def end(self) -> bool:
        """Stops; whether the time was over."""
        with self._changed:
            self._deadlines = None
            return self._is_late

    def _run(self) -> None:
        with self._changed:
            while True:
                if self._deadlines is None:
                    self._changed.wait()
                    continue
                cpu, wall = self._deadlines
                left_s = min(cpu - time.process_time(), wall - time.monotonic())
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._is_late = True
                self._deadlines = None
                self._interrupt()


class Host:
    """The compiled component, and what it takes to run it."""

    def __init__(self, compiled: str) -> None:
        """Raises: `wasmtime.WasmtimeError` for a file that is not compiled for this machine and version."""
        from wasmtime.component import Component, Linker

        self._engine = _engine()
        self._component = Component.deserialize_file(self._engine, compiled)
        self.imports = sorted(self._component.type.imports(self._engine))
        self._linker = Linker(self._engine)
        self._output = Output(0)
        with self._linker.root() as root:
            root.add_func(
                "write", lambda _, descriptor, text: self._output.take(descriptor, text.encode("latin-1", "replace"))
            )
            root.add_func("leave", _leave)
        self._watch = Watch(self._engine.increment_epoch)
        self.base_bytes = self._base_bytes()

    def ran(self, cpu_s: float, wall_s: float, memory_bytes: int, output_bytes: int, job: str, stdin: str) -> bytes:
        """Runs one program: how it ended, as `ENDED` packs it, what it printed and its results."""
        self._output = output = Output(output_bytes)
        cpu, wall = time.process_time(), time.monotonic()
        self._watch.begin(cpu_s, wall_s)
        way, code = self._run(memory_bytes, job, stdin)
        if self._watch.end():
            way, code = TIME, 0
        printed, results = (bytes(output.written[descriptor]) for descriptor in (_PRINTED, _RESULTS))
        ended = ENDED.pack(way, code, time.process_time() - cpu, time.monotonic() - wall, len(printed))
        return ended + printed + results

    def _run(self, memory_bytes: int, job: str, stdin: str) -> tuple[int, int]:
        from wasmtime import WasmtimeError

        store = self._store(self.base_bytes + memory_bytes)
        try:
            run = self._linker.instantiate(store, self._component).get_func(store, "run")
            assert run is not None, "world.wit exports it"
            run(store, job, stdin)
        except Left as left:
            return EXIT, left.code
        except WasmtimeError:  # a trap: an interrupt, no stack left, a stub; there are no signals, so it has no number
            return SIGNAL, 0
        finally:
            store.close()
        return EXIT, 0

    def _store(self, memory_bytes: int) -> "Store":
        from wasmtime import Store

        store = Store(self._engine)
        store.set_epoch_deadline(1)
        store.set_limits(memory_size=memory_bytes, **_MOST_OTHER)
        return store

    def _base_bytes(self) -> int:
        """The memory that an instance has before it begins: the least limit under which there is one."""
        low, high = 0, _MOST_PAGES
        while high - low > 1:
            middle = (low + high) // 2
            if self._fits(middle * _PAGE):
                high = middle
            else:
                low = middle
        return high * _PAGE

    def _fits(self, memory_bytes: int) -> bool:
        from wasmtime import WasmtimeError

        store = self._store(memory_bytes)
        try:
            self._linker.instantiate(store, self._component)
        except WasmtimeError:
            return False
        finally:
            store.close()
        return True


def _leave(_: object, code: int) -> None:
    raise Left(code)


def _engine() -> "Engine":
    from wasmtime import Config, Engine
    from wasmtime._ffi import dll

    config = Config()
    config.epoch_interruption = True
    # A stack that nothing here uses must not be smaller: wasmtime's C has a word for it, its Python has none.
    allow = dll.wasmtime_config_async_stack_size_set
    allow.argtypes, allow.restype = (ctypes.c_void_p, ctypes.c_uint64), None
    allow(ctypes.cast(config.ptr(), ctypes.c_void_p), _STACK_BYTES)
    config.max_wasm_stack = _STACK_BYTES
    return Engine(config)


def _compile(component: str, compiled: str, job: str) -> None:
    """Compiles, and prints what a first job prints."""
    from wasmtime.component import Component

    with open(component, "rb") as source, open(compiled, "wb") as target:  # noqa: PTH123  # two words from the command line
        target.write(Component(_engine(), source.read()).serialize())
    ended = Host(compiled).ran(60.0, 600.0, 2**28, 2**10, job, "")
    way, code, *_, num_printed = ENDED.unpack_from(ended)
    if (way, code) != (EXIT, 0):
        sys.exit(f"a first program did not come to its end ({way}, {code})")
    sys.stdout.write(ended[ENDED.size :][:num_printed].decode())


def _serve(compiled: str, commands: BinaryIO, answers: BinaryIO) -> None:
    """Answers frames until there are no more; then this process ends, whatever it is doing."""
    from wasmtime import WasmtimeError

    try:
        host = Host(compiled)
    except (WasmtimeError, OSError) as error:
        send(answers, json.dumps({"refused": str(error)}).encode())
        return
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, jobs), daemon=True).start()
    host.ran(1.0, 10.0, 2**20, 1, "", "")  # whatever is loaded when a program first ends is loaded now
    _close_doors()
    send(answers, json.dumps({"imports": host.imports, "base_bytes": host.base_bytes}).encode())
    while True:
        frame = jobs.get()
        cpu_s, wall_s, memory_bytes, output_bytes, num_job = JOB.unpack_from(frame)
        job, stdin = (part.decode("latin-1") for part in (frame[JOB.size :][:num_job], frame[JOB.size + num_job :]))
        send(answers, host.ran(cpu_s, wall_s, memory_bytes, output_bytes, job, stdin))


def _close_doors() -> None:
    """A second wall, if a thin one: from here on this process opens no file or socket, and writes to none but pipes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


def _listen(commands: BinaryIO, jobs: "queue.SimpleQueue[bytes]") -> None:
    while (frame := received(commands)) is not None:
        jobs.put(frame)
    os._exit(0)  # whoever wanted to know is gone


def send(pipe: BinaryIO, data: bytes) -> None:
    """Writes one frame. Raises: OSError."""
    rest = memoryview(FRAME.pack(len(data)) + data)
    while rest:
        rest = rest[pipe.write(rest) :]


def received(pipe: BinaryIO) -> bytes | None:
    """Reads one frame; None if there are no more."""
    header = _read(pipe, FRAME.size)
    return None if header is None else _read(pipe, FRAME.unpack(header)[0])


def _read(pipe: BinaryIO, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = pipe.read(min(size - len(data), 2**20))
        if not piece:
            return None
        data += piece
    return bytes(data)


def main() -> None:
    """Does what the command line says."""
    what, packages, *words = sys.argv[1:]
    sys.path.append(packages)
    if what == "compile":
        _compile(*words)
        return
    commands, answers = (os.fdopen(os.dup(number), mode, buffering=0) for number, mode in ((0, "rb"), (1, "wb")))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # nobody else in this process writes between our frames
        os.dup2(nowhere, number)
    threading.stack_size(_THREAD_BYTES)
    server = threading.Thread(target=_serve, args=(*words, commands, answers))
    server.start()
    server.join()


if __name__ == "__main__":
    main()
