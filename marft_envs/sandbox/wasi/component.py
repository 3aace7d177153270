"""The component: made once for a machine and its versions, and kept in the user's cache.

`componentize-py` starts CPython, has it import `guest`, and stores what its memory then holds; `wasmtime` compiles that
for this processor. Together that takes some 20 CPU-seconds, and 35 MB in the cache. Both run in processes of their own.
"""

import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path

from marft_envs.cache import cache_dir
from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.jobs import encoded
from marft_envs.sandbox.refusal import INSTALL_WASI, NOT_HERE
from marft_envs.sandbox.runs import Script
from marft_envs.sandbox.wasi import host

PACKAGES = {"componentize-py": "componentize_py", "wasmtime": "wasmtime"}
"""Distributions, and what they are imported as: the extra `wasi`."""
_JAIL_MODULES = ("determinism", "plain", "preload", "programs", "tracebacks")
_GUEST_FILES = ("__init__.py", "guest.py", "guest_os.py")
_PACKAGE = "sandbox"
_COMPILED, _MANIFEST = "program.cwasm", "manifest.json"
_MAKING = ".making-"
_MAKE_S = 900.0
"""Longer than any machine that is not stuck takes for each of the two steps."""
_OLD_S = 3_600.0
_MOST_KEPT = 4
"""Compiled components, of other versions or environments too, 38 MB each; one that is gone is made again."""
_MOST_SHOWN_CHARS = 1_000
_COMPONENTIZE = """
import sys
sys.path.append(sys.argv.pop(1))
from componentize_py import script
script()
"""
_VERSION = "import sys; print(*sys.version_info[:2], sep='.', end='')"
_HERE = Path(__file__).parent
_logger = logging.getLogger(__name__)


def missing() -> list[str]:
    """Which packages of the extra are not installed."""
    return [name for name, module in PACKAGES.items() if util.find_spec(module) is None]


def require_packages() -> None:
    """Raises: SandboxUnavailableError if one of them is missing."""
    if names := missing():
        raise SandboxUnavailableError(
            f"{NOT_HERE}: without Landlock, which is Linux's, they run on WebAssembly, and {' and '.join(names)} "
            f"{'is' if len(names) == 1 else 'are'} missing; {INSTALL_WASI} (27 MB)"
        )


def packages_folder() -> str:
    """Where `wasmtime` lies, for processes that start with nothing but the standard library."""
    return _folder_of("wasmtime")


@lru_cache(maxsize=1)
def compiled() -> Path:
    """The compiled component, whole; made first if it is not there. Raises: SandboxUnavailableError."""
    require_packages()
    folder = _folder()
    if not _is_whole(folder):
        _make(folder)
    return folder / _COMPILED


@lru_cache(maxsize=1)
def runtime() -> str:
    """Such as "python 3.14 on wasi". Raises: SandboxUnavailableError."""
    manifest = json.loads((compiled().parent / _MANIFEST).read_text(encoding="utf-8"))
    return f"python {manifest['python']} on wasi"


def forget() -> None:
    """Throws the compiled component away, because it cannot be loaded; the next `compiled` makes another."""
    compiled.cache_clear()
    runtime.cache_clear()
    shutil.rmtree(_folder(), ignore_errors=True)


def _folder() -> Path:
    """Where the compiled component lies, or will. Raises: SandboxUnavailableError."""
    try:
        return cache_dir() / "wasi" / _key()
    except RuntimeError as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: this user has no home folder to keep the compiled interpreter in; set MARFT_CACHE=/a/folder"
        ) from error


@lru_cache(maxsize=1)
def _key() -> str:
    """Changes with everything that the compiled component depends on."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    sources = {name: hashlib.sha256(data).hexdigest() for name, data in _sources().items()}
    machine = (sys.platform, platform.machine(), hashlib.sha256(Path(host.__file__).read_bytes()).hexdigest())
    text = json.dumps([versions, sources, machine], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _sources() -> dict[str, bytes]:
    """The guest's files, by their place in the folder that it is made of."""
    jail = _HERE.parent / "jail"
    files = {f"{_PACKAGE}/jail/{name}.py": jail / f"{name}.py" for name in ("__init__", *_JAIL_MODULES)}
    files |= {f"{_PACKAGE}/wasi/{name}": _HERE / name for name in _GUEST_FILES}
    return {f"{_PACKAGE}/__init__.py": b"", **{place: file.read_bytes() for place, file in files.items()}}


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        with (folder / _COMPILED).open("rb") as file:
            return "python" in manifest and bool(manifest["sha256"] == hashlib.file_digest(file, "sha256").hexdigest())
    except (OSError, ValueError, KeyError, TypeError):
        return False  # absent or damaged: it is made again


def _make(folder: Path) -> None:
    """Makes it beside its place, and puts it there at one stroke. Raises: SandboxUnavailableError."""
    _logger.warning("compiling the sandbox's interpreter, once for this machine (20 CPU-seconds), into %s", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        workshop = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))  # for this user only
        try:
            _make_in(workshop)
            _put(workshop / "made", folder)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: the compiled interpreter cannot be kept in {folder.parent} ({error}); free 150 MB there, or "
            "set MARFT_CACHE=/a/folder"
        ) from error


def _sweep(parent: Path) -> None:
    """Removes what somebody left behind who was killed while making one, and all but the newest that were made."""
    folders = sorted((folder for folder in parent.iterdir() if folder.is_dir()), key=lambda one: one.stat().st_mtime)
    unfinished = [folder for folder in folders if folder.name.startswith(_MAKING)]
    made = [folder for folder in folders if folder not in unfinished]
    old = [folder for folder in unfinished if time.time() - folder.stat().st_mtime > _OLD_S]
    for folder in [*old, *made[: -(_MOST_KEPT - 1)]]:
        shutil.rmtree(folder, ignore_errors=True)


def _put(made: Path, folder: Path) -> None:
    """Raises: OSError, unless somebody else has put a whole one there."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made.replace(folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _make_in(workshop: Path) -> None:
    source, component, made = workshop / "source", workshop / "program.wasm", workshop / "made"
    no_packages = workshop / "no_packages"  # componentize-py takes those of an environment along that it finds
    for place, data in _sources().items():
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        (source / place).write_bytes(data)
    (no_packages / "lib" / "site-packages").mkdir(parents=True)
    made.mkdir(mode=0o700)  # what lies there is executed
    words = ["-q", "-d", str(_HERE / "world.wit"), "-w", "program", "componentize", "--stub-wasi", "-p", str(source)]
    words += [f"{_PACKAGE}.wasi.guest", "-o", str(component)]
    _run(["-c", _COMPONENTIZE, _folder_of("componentize_py"), *words], no_packages)
    job = encoded(Script(_VERSION))[0].decode()
    python = _run(
        [host.__file__, "compile", packages_folder(), str(component), str(made / _COMPILED), job], no_packages
    )
    digest = hashlib.sha256((made / _COMPILED).read_bytes()).hexdigest()
    (made / _MANIFEST).write_text(json.dumps({"sha256": digest, "python": python}), encoding="utf-8")


def _folder_of(module: str) -> str:
    """The folder that a module's package lies in."""
    found = util.find_spec(module)
    assert found is not None and found.origin is not None, "it is not missing"
    return str(Path(found.origin).parents[1])


def _run(words: list[str], environment: Path) -> str:
    """What one step prints. Raises: SandboxUnavailableError with what it said."""
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**kept_variables(), "VIRTUAL_ENV": str(environment)},
            cwd=environment,
            timeout=_MAKE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxUnavailableError(f"{NOT_HERE}: compiling took more than {_MAKE_S} seconds; try again") from error
    said = ended.stdout.decode(errors="replace").strip()[-_MOST_SHOWN_CHARS:]
    if ended.returncode != 0:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
        raise SandboxUnavailableError(
            f"{NOT_HERE}: the interpreter could not be compiled with {versions} (exit code {ended.returncode}); it "
            f"said: {said or 'nothing'}"
        )
    return said


def kept_variables() -> dict[str, str]:
    """Those without which some interpreters do not start, and the place for temporary files."""
    names = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
    return {name: os.environ[name] for name in names if name in os.environ}
