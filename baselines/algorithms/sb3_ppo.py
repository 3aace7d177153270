"""SB3 PPO: Stable-Baselines3's PPO chooses from given texts: the same tasks, in seconds, without a language model.

| | |
|---|---|
| axis | every agent's own turns |
| critic | of observations |
| update | all agents at once, one network |
| one action | a number: which of the texts that the environment offers |
| reward | to each its own |

For whoever wants to see on a CPU that a task can be learnt at all. `FlexMG.choices` offers each agent texts at its
turn; the network reads who acts and, as hashed words, what that agent has read, and gives one number. All agents share
it. An agent with fewer texts than another has them repeated: number k is the text k mod n of its n. Nothing that is
learnt here is language, and what the list lacks cannot be said.

To PPO each agent's turns in an episode are an episode of their own. What the agent is paid between a turn and its next
one belongs to the former; where the episode ends, by the horizon too, nothing follows. In evaluations `untrained` is
the network before its first update, drawn from as in training, which is as good as chance; `trained` is greedy. They
play the same held-out instances as every other algorithm.

Measured at the easiest levels, by one seed each, on one thread of an AMD EPYC beside other work; 40 iterations by the
defaults, unless stated. Returns are of 200 held-out instances; `chance` is the untrained row, `silent` the best without
hearing anybody, and CPU seconds are those until the last update.

| environment | chance | trained | silent | reference | CPU s |
|---|--:|--:|--:|--:|--:|
| collab/maze_guide-v0 | 0.12 | 1.00 | 0.13 | 1.00 | 39 |
| collab/dispatch-v0, 20 iterations | 0.10 | 0.96 | 0.50 | 1.00 | 10 |
| collab/meeting-v0 | 0.28 | 0.96 | 0.25 | 1.00 | 23 |
| collab/hidden_profile-v0 | 0.23 | 0.95 | 0.33 | 1.00 | 63 |
| collab/jigsaw-v0 | 0.19 | 0.78 | 0.33 | 1.00 | 35 |
| collab/guess_word-v0, 60 iterations, `--ent-coef 0.03` | 0.22 | 0.38 | 0.25 | 1.00 | 50 |
| collab/guess_word-v0 | 0.22 | 0.28 | 0.25 | 1.00 | 37 |
| collab/search_party-v0, 20 iterations of 64 episodes | 0.28 | 0.28 | 0.33 | 1.00 | 20 |
| collab/kitchen-v0, 20 iterations of 64 episodes | 0.22 | 0.25 | 0.25 | 1.00 | 45 |
| collab/commons-v0, 60 iterations | 0.16 | 0.15 | 0.24 | 0.62 | 116 |
| collab/budget-v0, 20 iterations of 256 episodes | 0.01 | 0.04 | 0.37 | 0.78 | 10 |
| collab/trip-v0 | 0.12 | 0.11 | 0.11 | 1.00 | 38 |
| collab/sum_relay-v0, 20 iterations | 0.00 | 0.00 | 0.00 | 1.00 | 12 |

So five tasks are learnt well beyond silence in so long, one a little, and six are not. Of these only sum_relay explains
itself: a sum out of 999 is hardly ever hit by chance. Longer runs were not tried. math/reason_act-v0 at one_digit,
which has nothing to hold out, rose from 0.15 to 0.99 in training (27 CPU s), and math/solve_verify-v0 there from 0.01
to 0.21 in 20 iterations (21 CPU s). Others were not run.

Source: PPO, arXiv 1707.06347, as in Stable-Baselines3, Raffin et al., JMLR 22(268), 2021; parameter sharing, Gupta et
al., 2017.

Deviates: episodes are not collected by SB3's `learn`, to which every environment acts at every step, while agents of a
team take turns. Its buffer, advantages, losses and updates are as they are. So a discount is paid for each of an
agent's own turns, on the clock too, however long they take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import gymnasium
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from baselines.choosing import train_choosing
from baselines.errors import CheckpointError, extra_required
from baselines.rollouts.choosing import Decisions, Observations, Stream
from baselines.runs.experiment import Metrics
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.runs.training_state import load_generators, load_optimizers, save_generators, save_optimizers
from baselines.updates.config import ChoosingConfig, require_above_zero, require_at_least, require_shares

with extra_required("sb3", "`marft train sb3_ppo`"):
    import stable_baselines3
    from stable_baselines3 import PPO
    from stable_baselines3.common.buffers import RolloutBuffer
    from stable_baselines3.common.logger import Logger

METRICS = {
    "team/kl": "how far choices have moved from where they were drawn, nats each (k3 estimate), mean of the last pass",
    "team/clip_fraction": "share of choices whose ratio lies outside the clip range, mean over optimiser steps",
    "team/entropy": "mean entropy of a choice, in nats, repeated texts told apart: how much is explored",
    "team/loss": "what is minimised, at the last optimiser step",
    "critic/loss": "mean squared error of the values, mean over optimiser steps",
    "critic/explained_variance": "1 - Var(returns - values) / Var(returns), before the update; none where none vary",
}
POLICY = "policy.safetensors"
_CPU = torch.device("cpu")


@dataclass
class Config(ChoosingConfig):
    """Settings of SB3 PPO. Every field is an option of `marft train sb3_ppo`."""

    hidden_sizes: tuple[int, ...] = (64,)
    """Units of the hidden layers, of the policy and of the critic each; none: both are linear."""
    lr: float = 2e-3
    """Learning rate of Adam."""
    update_epochs: int = 4
    """Passes over the batch per iteration."""
    num_minibatches: int = 8
    """Optimiser steps per pass."""
    gamma: float = 0.99
    """Discount for each of an agent's own turns."""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation for each of an agent's own turns."""
    clip_coef: float = 0.2
    """PPO clip range of the ratio."""
    ent_coef: float = 0.01
    """Weight of the mean entropy of a choice in the objective. More of it explores longer."""
    vf_coef: float = 0.5
    """Weight of the critic's loss in the objective."""
    max_grad_norm: float = 0.5
    """Gradient norm bound."""
    target_kl: float | None = None
    """Passes end once choices have moved by 1.5 times so much (k3 estimate, nats)."""

    def check(self) -> None:
        super().check()
        require_at_least(self, update_epochs=1, num_minibatches=1)
        require_above_zero(self, "lr", "clip_coef", "max_grad_norm", "target_kl")
        require_at_least(self, ent_coef=0, vf_coef=0)
        require_shares(self, "gamma", "gae_lambda")


class Sb3Ppo:
    """The learner: SB3's PPO, whose experience comes from elsewhere."""

    def __init__(self, config: Config, num_features: int, num_numbers: int) -> None:
        self.config = config
        sizes = [*config.hidden_sizes]
        self.ppo = PPO(
            "MlpPolicy",
            _Spaces(num_features, num_numbers),
            learning_rate=config.lr,
            n_steps=2,  # SB3 makes a buffer of this size and warns where it is no multiple of the batch
            batch_size=2,
            n_epochs=config.update_epochs,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_coef,
            ent_coef=config.ent_coef,
            vf_coef=config.vf_coef,
            max_grad_norm=config.max_grad_norm,
            target_kl=config.target_kl,
            policy_kwargs={"net_arch": {"pi": sizes, "vf": sizes}, "activation_fn": nn.Tanh},
            device=_CPU,
        )
        self.ppo.set_logger(Logger(folder=None, output_formats=[]))

    @property
    def network(self) -> nn.Module:
        return self.ppo.policy

    @property
    def package(self) -> str:
        return f"stable-baselines3 {stable_baselines3.__version__}"

    @property
    def weights(self) -> str:
        return POLICY

    @property
    def versions(self) -> dict[str, str]:
        return {"stable-baselines3": stable_baselines3.__version__}

    @torch.no_grad()
    def decide(self, observations: Observations, *, greedy: bool = False) -> Decisions:
        """Numbers for a batch of observations, drawn or, if greedy, the most probable ones."""
        numbers, values, logprobs = self.ppo.policy(torch.as_tensor(observations), deterministic=greedy)
        return Decisions(numbers.numpy(), values.flatten().numpy(), logprobs.numpy())

    def learn(self, streams: Sequence[Stream]) -> Metrics:
        """SB3's update on the turns of all agents, stream after stream; returns what to log."""
        buffer = self._filled(streams)
        self.ppo.rollout_buffer = buffer
        self.ppo.batch_size = -(-buffer.buffer_size // self.config.num_minibatches)
        self.ppo.train()
        told = {name: float(value) for name, value in self.ppo.logger.name_to_value.items()}
        explained = told["train/explained_variance"]
        return {
            "team/kl": told["train/approx_kl"],
            "team/clip_fraction": told["train/clip_fraction"],
            "team/entropy": -told["train/entropy_loss"],
            "team/loss": told["train/loss"],
            "critic/loss": told["train/value_loss"],
            "critic/explained_variance": None if isnan(explained) else explained,
        }

    def _filled(self, streams: Sequence[Stream]) -> RolloutBuffer:
        """SB3's buffer as if one environment had played all streams, an episode each."""
        steps = [step for stream in streams for step in stream]
        ppo = self.ppo
        buffer = RolloutBuffer(
            len(steps), ppo.observation_space, ppo.action_space, _CPU, gae_lambda=ppo.gae_lambda, gamma=ppo.gamma
        )
        buffer.observations[:, 0] = [step.observation for step in steps]
        buffer.actions[:, 0, 0] = [step.number for step in steps]
        buffer.rewards[:, 0] = [step.reward for step in steps]
        buffer.values[:, 0] = [step.value for step in steps]
        buffer.log_probs[:, 0] = [step.logprob for step in steps]
        buffer.episode_starts[:, 0] = [place == 0 for stream in streams for place in range(len(stream))]
        buffer.pos, buffer.full = len(steps), True
        buffer.compute_returns_and_advantage(last_values=torch.zeros(1), dones=np.ones(1))
        return buffer

    def save(self, folder: Path) -> None:
        """Write network and optimiser. Every draw follows from the seed and the iteration."""
        save_file({name: value.contiguous() for name, value in self.ppo.policy.state_dict().items()}, folder / POLICY)
        save_optimizers(folder, {"policy": self.ppo.policy.optimizer})
        save_generators(folder, {}, _CPU)

    def load(self, folder: Path) -> None:
        """Take them back. Raises: CheckpointError."""
        try:
            self.ppo.policy.load_state_dict(load_file(folder / POLICY))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"cannot take {folder / POLICY} for this network: {' '.join(str(error).split())}; go on from another "
                "one, with the version of the environment that it was trained on"
            ) from error
        load_optimizers(folder, {"policy": self.ppo.policy.optimizer})
        load_generators(folder, {}, _CPU)


class _Spaces(gymnasium.Env[Observations, int]):
    """Tells SB3 what is seen and chosen; it is never played."""

    def __init__(self, num_features: int, num_numbers: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (num_features,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(num_numbers)  # type: ignore[assignment]  # of numpy's integers


LEARNER = Sb3Ppo
"""By which `marft evaluate` plays a checkpoint."""


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a network by SB3's PPO; see `train_choosing`."""
    return train_choosing(config, Sb3Ppo, "SB3 PPO", resume_from=resume_from, quiet=quiet)
