"""One process trains in a run's folder at a time: two would mix their records and delete each other's checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING

from baselines.errors import ConfigError, extra_required

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = ".lock"


class FolderClaim:
    """Holds a folder until `release`, or until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises: ConfigError if another process holds it; MissingExtraError without filelock."""
        with extra_required("train", "a training run"):
            from filelock import FileLock, Timeout
        self._lock: BaseFileLock = FileLock(folder / _LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(
                f"another process is training in {folder}; wait until it has ended, or end it, and try again"
            ) from error

    def release(self) -> None:
        """Let others have the folder; a second call does nothing."""
        self._lock.release(force=True)
