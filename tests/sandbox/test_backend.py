"""Which sandbox runs programs is somebody's choice, or the system's own: none is taken because another failed."""

import subprocess
import sys

import pytest

import marft_envs
from marft_envs.errors import OptionError, SandboxUnavailableError
from marft_envs.sandbox import backend, pool, worker
from marft_envs.sandbox.pool import Sandbox, default_sandbox
from marft_envs.sandbox.runs import Script
from marft_envs.sandbox.wasi import component, selftest


@pytest.fixture(autouse=True)
def nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(backend.VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("platform", "name"), [("linux", "linux"), ("darwin", "wasi"), ("win32", "wasi"), ("freebsd14", "wasi")]
)
def test_platform_has_a_backend_of_its_own(platform: str, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", platform)
    assert Sandbox().backend == name


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("name", ["linux", "wasi"])
def test_variable_and_argument_choose(platform: str, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", platform)
    assert Sandbox(backend=name).backend == name  # type: ignore[arg-type]  # one of the names
    monkeypatch.setenv(backend.VARIABLE, name)
    assert Sandbox().backend == name
    default_sandbox.cache_clear()
    assert default_sandbox().backend == name
    default_sandbox.cache_clear()


def test_argument_is_stronger_than_the_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(backend.VARIABLE, "wasi")
    assert Sandbox(backend="linux").backend == "linux"


def test_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(backend.VARIABLE, "")
    monkeypatch.setattr("sys.platform", "linux")
    assert Sandbox().backend == "linux"


def test_name_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(OptionError, match="backend is 'docker'; use 'linux' or 'wasi'"):
        Sandbox(backend="docker")  # type: ignore[arg-type]  # a person's mistake
    monkeypatch.setenv(backend.VARIABLE, "WASI")
    with pytest.raises(OptionError, match="MARFT_ENVS_SANDBOX is 'WASI'; use 'linux' or 'wasi'"):
        Sandbox()


def refusal(sandbox: Sandbox) -> str:
    with pytest.raises(SandboxUnavailableError) as caught:
        sandbox.run(Script("print(1)"))
    assert sandbox.pids() == []
    return str(caught.value)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_system_without_the_extra_is_told_to_install_it(platform: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(component, "missing", lambda: ["componentize-py", "wasmtime"])
    selftest.require_walls.cache_clear()
    told = refusal(Sandbox())
    assert "componentize-py and wasmtime are missing; pip install 'marft-envs[wasi]'" in told


def test_linux_backend_elsewhere_names_the_other(monkeypatch: pytest.MonkeyPatch):
    from marft_envs.sandbox import selftest as linux

    monkeypatch.setattr("sys.platform", "darwin")
    linux.require_walls.cache_clear()
    told = refusal(Sandbox(backend="linux"))
    linux.require_walls.cache_clear()
    assert "Linux's" in told and "pip install 'marft-envs[wasi]', and MARFT_ENVS_SANDBOX=wasi" in told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this is about Linux's own")
def test_linux_without_landlock_refuses_and_names_the_other_but_does_not_take_it(monkeypatch: pytest.MonkeyPatch):
    def without() -> worker.Worker:
        raise SandboxUnavailableError(worker._without("Landlock", 95))

    def never() -> None:
        raise AssertionError("nobody asked for it")

    from marft_envs.sandbox import selftest as linux

    monkeypatch.setattr(linux, "started", without)
    monkeypatch.setattr(selftest, "require_walls", never)
    linux.require_walls.cache_clear()
    told = refusal(Sandbox())
    linux.require_walls.cache_clear()
    assert "Landlock needs Linux 5.13" in told and "MARFT_ENVS_SANDBOX=wasi" in told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this is about Linux's own")
def test_runtime_on_linux_is_this_python():
    version = f"python {sys.version_info.major}.{sys.version_info.minor}"
    assert Sandbox().runtime == version
    env = marft_envs.make("coding/write_repair-v0")
    assert env.runtime == version  # type: ignore[attr-defined]  # a FlexMG has it


def test_environment_names_the_runtime_of_its_sandbox(monkeypatch: pytest.MonkeyPatch):
    env = marft_envs.make("coding/write_repair-v0")
    monkeypatch.setattr(pool.Sandbox, "runtime", "python 3.14 on wasi")
    assert env.runtime == "python 3.14 on wasi"  # type: ignore[attr-defined]  # a FlexMG has it


LIKE_WINDOWS = """
import builtins, sys
absent = {"resource", "fcntl", "posix", "pwd", "grp", "wasmtime", "componentize_py"}
find = builtins.__import__
def without(name, globals=None, *rest, **named):
    if name.partition(".")[0] in absent and str((globals or {}).get("__name__")).startswith("marft_envs"):
        raise ModuleNotFoundError(f"No module named {name!r}")
    return find(name, globals, *rest, **named)
builtins.__import__ = without
import marft_envs.coding.setting, marft_envs.sandbox.pool
import marft_envs.sandbox.wasi.worker, marft_envs.sandbox.wasi.selftest, marft_envs.sandbox.worker
import marft_envs.sandbox.selftest
print("marft_envs.sandbox.jail.kernel" in sys.modules)
"""


def test_nothing_of_linux_is_needed_to_import_the_sandbox():
    ended = subprocess.run([sys.executable, "-c", LIKE_WINDOWS], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "False", ended.stderr
