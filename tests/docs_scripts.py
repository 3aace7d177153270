"""Scripts of docs/, loaded and not run."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    """A script by its name. They import each other by name, too, since they are run from their folder."""
    folder = str(ROOT / "docs")
    if folder not in sys.path:
        sys.path.append(folder)  # behind all others, so that it hides no package
    return importlib.import_module(name)
