"""The critic: a small head on what the untrained base model makes of a text.

The trunk is the team's own base with all adapters off, so it costs no memory and stays the same while the agents
change; features are computed once per turn, and the head fits them for as many steps as it likes at almost no cost.

Source: MARFT, arXiv 2504.16129 (a frozen language model with an MLP head).
Deviates: one base serves actors and critic, where the original work loads another.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from baselines.errors import CheckpointError

CRITIC_FILE = "critic.safetensors"


class Critic(nn.Module):
    """Features of a text (N, H) -> its value (N,), in units of return.

    The output layer starts at zero, so before training every state is worth nothing and advantages are plain returns.
    """

    def __init__(self, hidden_size: int, width: int = 256) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(hidden_size)
        self.hidden = nn.Linear(hidden_size, width)
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @classmethod
    def drawn(cls, hidden_size: int, *, seed: int) -> "Critic":
        """A critic whose weights follow from `seed` alone; torch's own generator stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(hidden_size)

    def forward(self, features: Tensor) -> Tensor:
        """Shapes: features (N, H) -> (N,)."""
        values: Tensor = self.out(torch.tanh(self.hidden(self.normalise(features))))
        return values.squeeze(-1)

    def save(self, folder: Path) -> None:
        """Write the head to `folder`."""
        save_file(self.state_dict(), folder / CRITIC_FILE)

    def load(self, folder: Path) -> None:
        """Read the head from `folder`.

        Raises: `CheckpointError` if it is missing or of another width.
        """
        try:
            self.load_state_dict(load_file(folder / CRITIC_FILE))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"no usable critic in {folder}: {error}. Was the run trained on another base model?"
            ) from error
