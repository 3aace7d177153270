"""The self-test refuses a sandbox whose walls have a hole: each wall is taken away, in a copy of its code."""

import shutil
from pathlib import Path

import pytest

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox import selftest
from marft_envs.sandbox import worker as workers
from marft_envs.sandbox.runs import Limits


@pytest.fixture
def jail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code that the servers run, which every test may change."""
    copy = tmp_path / "jail"
    shutil.copytree(workers._JAIL, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(workers, "_JAIL", copy)
    return copy


def changed(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) >= 1, f"{file.name} says {old!r} no more"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def refusal() -> str:
    with pytest.raises(SandboxUnavailableError) as caught:
        selftest.require_walls.__wrapped__()
    return str(caught.value)


def test_walls_as_they_are_hold(jail: Path):
    selftest.require_walls.__wrapped__()


NO_LANDLOCK = (
    ("kernel.deny_files_and_network(self.landlock)", "pass"),
    (
        "kernel.deny_files_and_network(jail.landlock)",
        "pass",
    ),
)
ALLOWED = '_CALLS_X86_64 = {\n    "read": 0,'


@pytest.mark.parametrize(
    ("name", "number", "word"),
    [
        ("openat", 257, "openat reaches the kernel"),
        ("socket", 41, "socket reaches the kernel"),
        ("clone", 56, "clone reaches the kernel"),
        ("execve", 59, "execve reaches the kernel"),
        ("kill", 62, "kill reaches the kernel"),
        ("ptrace", 101, "ptrace reaches the kernel"),
        ("process_vm_readv", 310, "process_vm_readv reaches the kernel"),
        ("prctl", 157, "prctl reaches the kernel"),
        ("io_uring_setup", 425, "io_uring_setup reaches the kernel"),
        ("pidfd_getfd", 438, "pidfd_getfd reaches the kernel"),
        ("unshare", 272, "unshare reaches the kernel"),
        ("keyctl", 250, "keyctl reaches the kernel"),
        ("ftruncate", 77, "ftruncate reaches the kernel"),
        ("io_setup", 206, "number 206 reaches the kernel"),
        ("timer_create", 222, "number 222 reaches the kernel"),
        ("memfd_secret", 447, "number 447 reaches the kernel"),
    ],
)
def test_call_that_is_allowed_is_told(name: str, number: int, word: str, jail: Path):
    if workers.os.uname().machine != "x86_64":
        pytest.skip("calls are numbered as on x86_64")
    changed(jail / "kernel.py", (ALLOWED, ALLOWED.replace('"read"', f'"{name}": {number}, "read"')))
    assert word in refusal()


def test_filter_that_is_missing_is_told(jail: Path):
    changed(jail / "server.py", ("seccomp.install(self.filter, self.seccomp)", "pass"))
    assert "reaches the kernel" in refusal()


def test_files_and_sockets_without_any_wall_are_told(jail: Path):
    changed(jail / "server.py", ("seccomp.install(self.filter, self.seccomp)", "pass"), *NO_LANDLOCK)
    told = refusal()
    for word in (
        "reading a folder succeeds",
        "looking at a file succeeds",
        "a TCP connection succeeds",
        "a connection arrived",
        "an abstract socket",
    ):
        assert word in told


def test_executable_memory_is_told(jail: Path):
    changed(jail / "seccomp.py", ('"mmap": _unless_bit(2, _PROT_EXEC),', ""))
    assert "executable memory succeeds" in refusal()


def test_memory_that_can_be_made_executable_is_told(jail: Path):
    changed(jail / "seccomp.py", ('"mprotect": _unless_bit(2, _PROT_EXEC),', ""))
    assert "memory made executable succeeds" in refusal()


def test_every_command_of_fcntl_is_told(jail: Path):
    changed(jail / "seccomp.py", ('"fcntl": _only(1, _FCNTL_COMMANDS),', ""))
    assert "fcntl" in refusal()


def test_limits_of_cpu_time_that_do_not_hold_are_told(jail: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(selftest, "_TOO_MUCH_CPU_S", 0.2)
    monkeypatch.setattr(selftest, "_LITTLE", Limits(cpu_s=0.05, wall_s=2.0))
    changed(
        jail / "server.py",
        ("min(cpu_s - _clock_gettime(clock), deadline - _monotonic())", "deadline - _monotonic()"),
        ("(resource.RLIMIT_CPU, whole_s),", ""),
    )
    changed(jail / "server.py", ("used >= cpu_s", "False"))
    assert "CPU seconds" in refusal()


def test_watch_that_does_not_look_at_the_clock_is_told(jail: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "GRACE_S", 1.0)
    changed(
        jail / "server.py",
        ("min(cpu_s - _clock_gettime(clock), deadline - _monotonic())", "cpu_s - _clock_gettime(clock)"),
        ("if is_late or", "if"),
    )
    assert "it said nothing in time" in refusal()


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ("(resource.RLIMIT_AS, self.address_space + memory_bytes),", "memory did not run out"),
        ("(resource.RLIMIT_FSIZE, output_bytes),", "output has no limit"),
    ],
)
def test_limit_that_is_not_set_is_told(limit: str, word: str, jail: Path):
    changed(jail / "server.py", (limit, ""))
    assert word in refusal()


def test_descriptors_that_stay_open_are_told(jail: Path):
    changed(jail / "server.py", ("os.closerange(_JOB + 1, _MOST_DESCRIPTORS)", "os.dup2(2, 9)"))
    assert "descriptor 9 is open" in refusal()


def test_environment_that_stays_is_told(jail: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "_ENVIRONMENT", dict(workers.os.environ))
    changed(jail / "server.py", ("os.environ.clear()", "pass"))
    assert "it sees the variable" in refusal()


def test_root_that_stays_root_is_told(jail: Path):
    if workers.os.getuid() != 0:
        pytest.skip("this is not root")
    changed(jail / "server.py", ("    _drop_root()\n    kernel.drop_capabilities()\n", ""))
    assert "capabilities" in refusal()


def test_root_that_may_not_leave_its_groups_becomes_nobody_all_the_same(jail: Path):
    if workers.os.getuid() != 0:
        pytest.skip("this is not root")
    changed(jail / "server.py", ("(os.setgroups, ([],)),", "(os.chdir, ('/nowhere',)),"))
    worker = workers.Worker()
    uids = next(line for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if line.startswith("Uid"))
    assert uids.split()[1:] == ["65534"] * 4
    worker.close()


def test_server_that_does_not_say_what_it_is_expected_to_is_refused(jail: Path):
    changed(jail / "server.py", ("jail = _prepare()", "os._exit(3)"))
    assert "did not start" in refusal()


def test_kernel_that_refuses_a_wall_is_refused(jail: Path):
    changed(jail / "seccomp.py", ("_SECCOMP_SET_MODE_FILTER = 1", "_SECCOMP_SET_MODE_FILTER = 77"))
    assert "self-test could not be run" in refusal()


def test_child_that_is_not_locked_up_is_no_run(jail: Path):
    changed(jail / "server.py", ("os.pwrite(_JOB, LOCKED, 0)", "pass"))
    assert "limits" in refusal()


def test_other_platform_is_refused_without_a_try(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Linux's" in refusal()


def test_machine_without_a_folder_for_temporary_files_is_refused(monkeypatch: pytest.MonkeyPatch):
    def nowhere(*_: object) -> object:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(selftest.tempfile, "TemporaryDirectory", nowhere)
    assert "TMPDIR" in refusal()
