"""The critic: a small head on what the untrained base model makes of a text.

The trunk is the team's own base with all adapters off, so it costs no memory and stays the same while the agents
change; features are computed once per turn, and the head fits them for as many steps as it likes at almost no cost.

Source: MARFT, arXiv 2504.16129 (a frozen language model with an MLP head).
Deviates: one base serves actors and critic, where the original work loads another.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from baselines.errors import CheckpointError

DECAY = 0.9
"""How much of what is known of returns remains at an iteration, where values are normalised."""
MIN_VARIANCE = 1e-6
"""Returns that are all alike are not blown up beyond it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Of returns."""

    mean: float
    std: float


class Critic(nn.Module):
    """Features of a text (N, H) -> its value (N,), in units of return.

    The output layer starts at zero, so before training every state is worth nothing and advantages are plain returns.
    """

    moments: Tensor
    """Of returns, as they have been lately: mean, mean of squares, and how much of both has been seen. Where values are
    normalised."""

    def __init__(self, hidden_size: int, width: int = 256, *, normalises: bool = False) -> None:
        """`normalises`: the head speaks in units of the returns' standard deviation, and is scaled back."""
        super().__init__()
        self.normalises = normalises
        if normalises:
            self.register_buffer("moments", torch.zeros(3, dtype=torch.float64))
        self.normalise = nn.LayerNorm(hidden_size)
        self.hidden = nn.Linear(hidden_size, width)
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @classmethod
    def drawn(cls, hidden_size: int, *, seed: int, normalises: bool = False) -> "Critic":
        """A critic whose weights follow from `seed` alone; torch's own generator stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(hidden_size, normalises=normalises)

    @property
    def scale(self) -> "Scale":
        """Mean and standard deviation of the returns lately; 0 and 1 before any, and where nothing is normalised."""
        if not self.normalises or not bool(self.moments[2]):
            return Scale(0.0, 1.0)
        mean, square = (self.moments[:2] / self.moments[2]).tolist()
        return Scale(mean, max(square - mean**2, MIN_VARIANCE) ** 0.5)

    @torch.no_grad()
    def follow(self, returns: Tensor) -> None:
        """Take notice of new returns, (N,). The head is scaled so that all values stay as they are.

        Only the first time they move to where the returns are: nothing has been learned yet that could be lost.

        Source: PopArt, arXiv 1602.07714, equations 7 to 9; its averages are begun without bias, as Adam's are.
        """
        is_first = not bool(self.moments[2])
        before = self.scale
        exact = returns.double()  # the variance is a small difference of large squares where returns are far from 0
        seen = torch.stack([exact.mean(), exact.square().mean(), torch.ones_like(exact.mean())])
        self.moments.mul_(DECAY).add_(seen.to(self.moments.device), alpha=1 - DECAY)
        if is_first:
            return
        now = self.scale
        self.out.weight.mul_(before.std / now.std)
        self.out.bias.mul_(before.std).add_(before.mean - now.mean).div_(now.std)

    def forward(self, features: Tensor) -> Tensor:
        """Shapes: features (N, H) -> (N,)."""
        values: Tensor = self.out(torch.tanh(self.hidden(self.normalise(features)))).squeeze(-1)
        if not self.normalises:
            return values
        scale = self.scale
        return values * scale.std + scale.mean

    def save(self, folder: Path, name: str = "critic") -> None:
        """Write the head to `folder`."""
        save_file(self.state_dict(), folder / f"{name}.safetensors")

    def load(self, folder: Path, name: str = "critic") -> None:
        """Read the head from `folder`.

        Raises: `CheckpointError` if it is missing or of another width.
        """
        try:
            self.load_state_dict(load_file(folder / f"{name}.safetensors"))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"no usable critic in {folder}: {error}. Was the run trained on another base model?"
            ) from error
