"""`marft curve`: the learning curve of a run, also while it runs or after it was killed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from baselines.commands.options import shown
from baselines.commands.terminal import say
from baselines.errors import CheckpointError, disk_full_explained


@dataclass(frozen=True)
class Curve:
    """Draw the learning curve of a run again, from what it has recorded so far."""

    run_dir: Positional[Annotated[Path, shown("RUN_DIR")]]
    """Folder of the run."""

    def run(self) -> int:
        """Draw and say where."""
        from baselines.runs.curve import draw_curve
        from baselines.runs.summary import METRICS

        if not (self.run_dir / METRICS).is_file():
            raise CheckpointError(
                f"{self.run_dir} is no folder of a run, it holds no {METRICS}; `marft train` makes them, below runs/"
            )
        with disk_full_explained(self.run_dir, "the records are whole; free some space and draw again"):
            say(str(draw_curve(self.run_dir)))
        return 0
