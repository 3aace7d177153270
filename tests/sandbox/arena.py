"""The outside that attacks are aimed at, and what is looked at after each of them.

As a program (`python arena.py SETTING FOLDER`) it puts itself into a setting, runs all attacks and prints what got out,
as JSON: `{attack: complaint}`, `{"skipped": reason}` or `{"refused": reason}`.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

if __name__ == "__main__":  # before anything of ours is imported
    sys.path[:] = [*json.loads(os.environ.pop("MARFT_TEST_PATH")), *sys.path]

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox import selftest
from marft_envs.sandbox import worker as workers
from marft_envs.sandbox.jail import kernel
from marft_envs.sandbox.pool import Sandbox
from marft_envs.sandbox.runs import Calls, Limits, Returned, Run, Script
from tests.sandbox import attacks, settings
from tests.sandbox.watching import children

CANARY = b"a canary in the parent"
SLACK_S = 10.0
"""How much longer than its limits an attack may take, on a busy machine."""
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE)
_LIMIT_NAMES = [name for name in dir(resource) if name.startswith("RLIMIT_")]
_PLACES = (".", "/tmp", "/var/tmp", "/dev/shm", "/run", "/", "~")


class Arena:
    """A sandbox, a second server with a running program, and whatever an attack might want to reach."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder = folder
        self.secret, self.target = folder / "secret", folder / f"marft-target-{os.getpid()}"
        self.secret.write_text("the secret of the parent", encoding="ascii")
        # Any process that is forked off a server shows this path in its command line.
        self.jail = folder / "jail"
        shutil.copytree(workers._JAIL, self.jail)
        self.secret_fd = os.open(self.secret, os.O_RDWR)
        os.set_inheritable(self.secret_fd, True)
        self.variable = "MARFT_SECRET"
        os.environ[self.variable] = "the secret in the environment"
        self.canary = ctypes.create_string_buffer(CANARY)
        self.signals: list[int] = []
        self.sockets = self._listen()
        self.sandbox = Sandbox()
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> "Arena":
        self._opened.callback(os.close, self.secret_fd)
        for listener in self.sockets.values():
            self._opened.callback(listener.close)
        for number in _SIGNALS:
            self._opened.callback(signal.signal, number, signal.signal(number, self._heard))
        original, workers._JAIL = workers._JAIL, self.jail
        self._opened.callback(setattr, workers, "_JAIL", original)
        selftest.require_walls.cache_clear()
        selftest.require_walls()
        self._opened.callback(self.sandbox.close)
        self.sibling = workers.Worker()
        self._opened.callback(self.sibling.close)
        self.sibling.begin(Script("import ctypes\nwhile True: ctypes.CDLL(None).sleep(1)"), Limits(wall_s=600.0))
        self.sibling_child = _awaited(lambda: children(self.sibling.pid))[0]
        run = self.sandbox.run(Calls("def f(): return 1", "f", ((),)))
        assert run.outcomes == (Returned(1),), run
        self.server = self.sandbox.pids()[0]
        self.server_bytes = _status(self.server, "VmSize")
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
        del os.environ[self.variable]

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)

    def _listen(self) -> dict[str, socket.socket]:
        listeners = {
            "tcp": socket.socket(),
            "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "abstract": socket.socket(socket.AF_UNIX),
            "unix": socket.socket(socket.AF_UNIX),
        }
        listeners["tcp"].bind(("127.0.0.1", 0))
        listeners["udp"].bind(("127.0.0.1", 0))
        listeners["abstract"].bind(b"\0marft-test-" + os.urandom(8).hex().encode())
        listeners["unix"].bind(str(self.folder / "unix"))
        (self.folder / "unix").chmod(0o777)
        for name, listener in listeners.items():
            listener.setblocking(False)
            if name != "udp":
                listener.listen()
        return listeners

    def facts(self) -> dict[str, Any]:
        """What an attack is told."""
        is_x86 = platform.machine() == "x86_64"
        return {
            "secret": str(self.secret),
            "secret_fd": self.secret_fd,
            "folder": str(self.folder),
            "home": str(Path("~").expanduser()),
            "target": str(self.target),
            "target_name": self.target.name,
            "python": sys.executable,
            "variable": self.variable,
            "tcp": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "abstract": self.sockets["abstract"].getsockname(),
            "unix": self.sockets["unix"].getsockname(),
            "parent": os.getpid(),
            "server": self.server,
            "pids": [os.getpid(), self.server, self.sibling.pid, self.sibling_child],
            "canary": ctypes.addressof(self.canary),
            "memory": attacks.SMALL.memory_bytes,
            "output": attacks.SMALL.output_bytes,
            "allowed": list(kernel.machine().calls.values()),
            "is_x86": is_x86,
            "may_be_root": os.getuid() == 0 and not settings.may_become_nobody(),
        }

    def attacked_by(self, attack: attacks.Attack) -> str:
        """Runs it; what got out, or what is not as it was, in words."""
        before = self._state()
        began = time.monotonic()
        job = Calls(attacks.PRELUDE + attack.source, "attack", ((self.facts(),),))
        with _peak(self.server) as peak:
            run = self.sandbox.run(job, attack.limits)
        elapsed_s = time.monotonic() - began
        complaints = [self._verdict(attack, run, peak[0]), *_differences(before, self._state())]
        if elapsed_s > attack.limits.wall_s + SLACK_S:
            complaints.append(f"it took {elapsed_s:.1f} s")
        if self.sandbox.pids() != [self.server]:
            complaints.append("its server is another one")
            self.server = self.sandbox.pids()[0]
        after = self.sandbox.run(Calls("def f(): return len('ab')", "f", ((),)))
        if after.outcomes != (Returned(2),):
            complaints.append(f"afterwards: {after}")
        return "; ".join(one for one in complaints if one)

    def _verdict(self, attack: attacks.Attack, run: Run, peak_bytes: int) -> str:
        if run.ending not in attack.endings:
            return f"it ended as {run.ending!r}: {run!r:.1000}"
        facts = {"peak_bytes": peak_bytes, "server_bytes": self.server_bytes}
        if attack.check is not None and (complaint := attack.check(run, facts)):
            return complaint
        if attack.endings != ("finished",) or run.outcomes == (Returned([]),):
            return ""
        return f"it says: {run.outcomes!r:.1000} {run.error}"

    def _state(self) -> dict[str, object]:
        """Everything outside that must not change."""
        state: dict[str, object] = {
            "signals": list(self.signals),
            "the secret file": self.secret.read_text(encoding="ascii"),
            "the secret file's attributes": self.secret.stat()[:9:1],
            "the secret's descriptor": os.lseek(self.secret_fd, 0, os.SEEK_CUR),
            "files": [str(path) for path in self._strange_files()],
            "processes": sorted(self._processes()),
            "limits": {name: resource.getrlimit(getattr(resource, name)) for name in _LIMIT_NAMES},
            "memory": self.canary.value,
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "processors": sorted(os.sched_getaffinity(0)),
            "folder": str(Path.cwd()),
            "the sibling": _status_word(self.sibling_child) in ("S", "R", "D"),
        }
        for name, listener in self.sockets.items():
            state[f"what came by {name}"] = _arrived(name, listener)
        return state

    def _strange_files(self) -> list[Path]:
        found = sorted(path for path in self.folder.iterdir() if path.name not in ("secret", "jail", "unix"))
        places = [Path(place).expanduser() / self.target.name for place in _PLACES]
        return found + [path for path in places if _exists(path)]

    def _processes(self) -> list[int]:
        """All that were started or forked from our servers."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and str(self.jail).encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that we may not look into
        return False


def _differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [f"{what}: {before[what]!r} became {now!r}" for what, now in after.items() if now != before[what]]


def _arrived(name: str, listener: socket.socket) -> bool:
    try:
        if name == "udp":
            listener.recv(10)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _awaited(look: Any) -> Any:
    for _ in range(1000):
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def _status(pid: int, field: str) -> int:
    """A size from /proc, in bytes; 0 if the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _status_word(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextlib.contextmanager
def _peak(server: int) -> Iterator[list[int]]:
    """The most address space that a child of this server is seen to have."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            try:
                children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            except OSError:
                children = []
            peak[0] = max([peak[0], *(_status(int(child), "VmPeak") for child in children)])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def main(setting: str, folder: Path) -> dict[str, str]:
    """Everything, in a setting; needs an empty folder that everybody can write to."""
    if reason := settings.enter(setting, folder):
        return {"skipped": reason}
    arena_folder = folder / "arena"
    arena_folder.mkdir()
    os.environ["HOME"] = str(arena_folder)
    try:
        with Arena(arena_folder) as arena:
            return {attack.name: arena.attacked_by(attack) for attack in chosen()}
    except SandboxUnavailableError as error:
        return {"refused": str(error)}


def chosen() -> list[attacks.Attack]:
    """The attacks that this machine can run."""
    return [attack for attack in attacks.ATTACKS if platform.machine() == "x86_64" or not attack.is_x86]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
