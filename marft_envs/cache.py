"""The user's cache for this package: what is made or fetched once for a machine."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$MARFT_CACHE`, else `marft-envs` in `$XDG_CACHE_HOME` or `~/.cache`.

    Raises: RuntimeError for a user without a home folder.
    """
    chosen = os.environ.get("MARFT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if shared.is_absolute():  # the XDG specification has relative paths ignored
        return shared / "marft-envs"
    return Path.home() / ".cache" / "marft-envs"
