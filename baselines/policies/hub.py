"""Downloads a model from the Hugging Face hub, and says in one sentence what the hub refused."""

from pathlib import Path

from baselines.errors import ModelNotFoundError, disk_full_explained, extra_required
from baselines.policies.model_folder import is_weights

TEXT_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]
SKIPPED = ["*/*"]
"""Sub-folders hold other formats and old checkpoints."""
TRANSPORT_MODULES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
"""Where the errors of a broken connection come from: the hub's client has changed its HTTP library twice."""


def fetch_from_hub(name: str) -> Path:
    """Download `org/name` or `org/name@revision`, or find it in the hub's cache; returns the folder.

    Weights come as safetensors; only a repository that has none is asked for its older format.

    Raises: ModelNotFoundError, DiskFullError.
    """
    with extra_required("train", f"the model {name!r} of the hub"):
        from huggingface_hub.constants import HF_HUB_CACHE
    with disk_full_explained(Path(HF_HUB_CACHE), "free some space, or set HF_HOME=/a/folder"):
        try:
            folder = _snapshot(name, [*TEXT_FILES, "*.safetensors"])
            if not any(is_weights(path.name) for path in folder.iterdir()):
                folder = _snapshot(name, [*TEXT_FILES, "pytorch_model*.bin"])
        except Exception as error:
            explained = _explained(name, error)
            if explained is None:
                raise
            raise explained from error
    return folder


def _snapshot(name: str, patterns: list[str]) -> Path:
    """Download what fits the patterns; without a network, find it in the cache."""
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    return Path(
        snapshot_download(repository, revision=revision or None, allow_patterns=patterns, ignore_patterns=SKIPPED)
    )


def _explained(name: str, error: Exception) -> ModelNotFoundError | None:
    """What an error of the hub means for the person who named the model; None if it is not the hub's."""
    from huggingface_hub import errors as hub

    page = f"https://huggingface.co/{name.partition('@')[0]}"
    unreachable = isinstance(error, hub.LocalEntryNotFoundError | hub.OfflineModeIsEnabled | ConnectionError)
    if isinstance(error, hub.GatedRepoError):
        problem = f"asks for a login: accept its terms at {page}, then run `hf auth login`"
    elif isinstance(error, hub.RevisionNotFoundError):
        problem = f"has no such revision; {page}/tree/main lists them"
    elif isinstance(error, hub.RepositoryNotFoundError):
        problem = "is not on the hub, or is private: check the spelling, or run `hf auth login`"
    elif isinstance(error, hub.HFValidationError):
        problem = f"is malformed: {error}"
    elif unreachable or type(error).__module__.partition(".")[0] in TRANSPORT_MODULES:
        problem = (
            "is not in this machine's hub cache, and the hub cannot be reached (or HF_HUB_OFFLINE is set):"
            " connect once, or copy the model's folder here and name the folder"
        )
    elif isinstance(error, hub.HfHubHTTPError):
        problem = f"could not be downloaded, the hub answered: {error}; try again later"
    else:
        return None
    return ModelNotFoundError(f"the model {name!r} is no local folder; as a hub id it {problem}")
