"""`marft curve`: the learning curve of a run, or of several over each other, also while they run or after a kill."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from baselines.commands.options import shown
from baselines.commands.terminal import say
from baselines.errors import CheckpointError, ConfigError, disk_full_explained, tells_full_disk


@dataclass(frozen=True)
class Curve:
    """Draw the learning curve of a run again, from what it has recorded so far; or those of several in one picture."""

    run_dirs: Positional[Annotated[tuple[Path, ...], shown("RUN_DIR [RUN_DIR ...]")]]
    """Folder of the run; of several runs, a line each: returns, evaluations, entropies of the first agents."""
    output: Annotated[Path | None, shown("PATH")] = None
    """The PNG file to write; by default curve.png in the run's folder, or, for several, curves.png where you are."""

    def run(self) -> int:
        """Draw and say where."""
        from baselines.runs.curve import draw_curve
        from baselines.runs.curves import draw_curves
        from baselines.runs.summary import CURVE, CURVES, METRICS

        if not self.run_dirs:
            raise CheckpointError("name the folder of a run; `marft train` makes them, below runs/")
        for folder in self.run_dirs:
            if not (folder / METRICS).is_file():
                raise CheckpointError(
                    f"{folder} is no folder of a run, it holds no {METRICS}; `marft train` makes them, below runs/"
                )
        several = len(self.run_dirs) > 1
        target = self.output or (Path(CURVES) if several else self.run_dirs[0] / CURVE)
        if target.is_dir():
            raise ConfigError(f"--output is {target}, a folder; name a file in it, such as {target / CURVES}")
        with disk_full_explained(target, "the records are whole; free some space and draw again"):
            try:
                say(str(draw_curves(self.run_dirs, target) if several else draw_curve(self.run_dirs[0], target)))
            except OSError as error:
                if tells_full_disk(error):
                    raise
                raise ConfigError(f"{target} cannot be written ({error.strerror}); choose another --output") from error
        return 0
