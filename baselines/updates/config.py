"""Settings that algorithms share, in parts: of optimisers, of policy updates, of sequential ones, of a critic.

An algorithm's `Config` inherits the parts that it has, and adds its own. A default of its own is a field written again.
"""

from dataclasses import dataclass
from typing import Literal

from baselines.errors import ConfigError
from baselines.runs.experiment import ExperimentConfig, RunConfig


@dataclass
class OptimizerConfig(ExperimentConfig):
    """How adapters are moved along a gradient."""

    lr: float = 5e-4
    """Learning rate of the adapters."""
    lr_warmup: int = 0
    """Optimiser steps over which an adapter's learning rate rises to `lr`, linearly. Adam's first steps move every
    weight by all of it, however weak the signal, and later ones by far less: a rate that the first bear is slow for the
    rest."""
    anneal_lr: bool = False
    """Let the adapters' learning rate fall linearly over the iterations, to nothing after the last: what has been found
    late is not lost again to steps that are too long."""
    update_epochs: int = 1
    """Passes over the batch per agent and iteration."""
    num_minibatches: int = 2
    """Optimiser steps per pass."""
    max_grad_norm: float = 1.0
    """Gradient norm bound per agent."""

    def check(self) -> None:
        super().check()
        require_at_least(self, update_epochs=1, num_minibatches=1, lr_warmup=0)
        require_above_zero(self, "lr", "max_grad_norm")


@dataclass
class PolicyConfig(OptimizerConfig):
    """How a policy moves, given what every action was worth."""

    clip_coef: float | None = 0.2
    """PPO clip range of the ratio; `None` leaves ratios as they are."""
    clip_coef_high: float | None = None
    """Upper clip range, if another."""
    ent_coef: float = 0.03
    """Weight of the mean token entropy in the objective."""
    target_kl: float | None = 0.5
    """An agent's update ends once its actions have moved so far (k3 estimate, nats per action)."""
    normalise_advantages: bool = True
    """Zero mean and unit variance per agent."""
    old_logprobs: Literal["auto", "sampler", "trainer"] = "auto"
    """Where the frozen log-probabilities come from: as they were when tokens were drawn, or computed again, over the
    same passes as the update. In float32 the two agree, unless vLLM draws; elsewhere they do not, and "auto" computes
    them again."""
    max_sampler_ratio: float | None = None
    """Where sampler and trainer disagree: weigh each action by trainer's over sampler's probability of it, at most by
    so much (2 is usual). It counts where old log-probabilities are computed again; by default nothing is weighed."""
    reference_kl_coef: float = 0.0
    """Weight of the divergence from the untrained base in the objective: nats per token, k3 estimate. Above 0 a team
    stays near the language it began with, at the cost of a forward pass without gradient for each batch."""

    def check(self) -> None:
        super().check()
        require_above_zero(self, "clip_coef", "clip_coef_high", "target_kl", "max_sampler_ratio")
        if self.clip_coef_high is not None and self.clip_coef is None:
            raise ConfigError("clip_coef_high is given without clip_coef; give both, or leave both out")
        if self.max_sampler_ratio is not None and self.old_logprobs == "sampler":
            raise ConfigError(
                "max_sampler_ratio weighs by what the trainer computes again, but old_logprobs is sampler; use auto or "
                "trainer"
            )
        if self.reference_kl_coef < 0:
            raise ConfigError(f"reference_kl_coef is {self.reference_kl_coef}; it must be at least 0")


@dataclass
class SingleStepConfig(PolicyConfig):
    """Every reply is weighted once, by the gradient of its log-probability."""

    num_minibatches: int = 1
    """Optimiser steps per pass; after the first one, replies are no longer the policy's own."""
    clip_coef: float | None = None
    """PPO clip range of the ratio; `None` leaves ratios as they are."""
    ent_coef: float = 0.0
    """Weight of the mean token entropy in the objective; the original has none."""
    normalise_advantages: bool = False
    """Zero mean and unit variance per agent."""


@dataclass
class SequentialConfig(PolicyConfig):
    """Whether agents are updated one after another."""

    update: Literal["sequential", "simultaneous"] = "sequential"
    """Agents one after another with predecessor ratios, or all from the same snapshot."""
    update_order: Literal["acting", "reverse", "random"] = "acting"
    """Order of sequential updates."""
    max_log_ratio: float = 2.0
    """Bound on a round's summed log-ratio of the agents already updated."""

    def check(self) -> None:
        super().check()
        require_above_zero(self, "max_log_ratio")


@dataclass
class CriticConfig(ExperimentConfig):
    """What turns are worth beside what was paid, by a critic's word."""

    gamma: float = 0.99
    """Discount per round; on the clock, per simulated second."""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation per round; on the clock, per simulated second."""
    bootstrap_truncated: bool = False
    """Whether an episode that the horizon cuts is worth what the critic makes of the state that would have followed.
    Off, the horizon is the end, as it is for the return that is reported. On, a team learns for play without end; but
    where all that fails is cut, nothing tells the critic that failure is worth less than success."""
    critic_warmup: int = 0
    """Iterations at the start that fit only the critic."""
    critic_lr: float = 1e-3
    """Learning rate of the value head."""
    critic_steps: int = 40
    """Full-batch steps on the value head per iteration; features are computed once, so they are nearly free."""
    huber_delta: float = 10.0
    """Critic errors beyond it count linearly, in units of return."""
    value_clip_coef: float | None = None
    """How far a value may move in an iteration and still gain by it, in units of return; by default any distance."""
    normalise_values: bool = False
    """Let the head fit returns at mean 0 and variance 1, as they have been lately, and scale what it says back. For
    environments whose returns lie far from 0 to 1, or whose scale changes."""

    @property
    def bootstraps(self) -> bool:
        """Whether anything beyond the last turn counts; at a discount of 0 nothing does."""
        return self.bootstrap_truncated and self.gamma > 0

    def check(self) -> None:
        super().check()
        require_shares(self, "gamma", "gae_lambda")
        require_at_least(self, critic_warmup=0, critic_steps=0)
        if self.critic_warmup and self.critic_warmup >= self.num_iterations:
            raise ConfigError(
                f"critic_warmup is {self.critic_warmup} and num_iterations {self.num_iterations}, so no agent would be "
                "trained; give more iterations, or a shorter warm-up"
            )
        require_above_zero(self, "critic_lr", "huber_delta", "value_clip_coef")


@dataclass
class ChoosingConfig(RunConfig):
    """A small network that chooses from given texts, in place of language models that write."""

    threads: int = 1
    """CPU threads of torch; 0 takes what torch chooses. The network is small, so one is the fastest."""
    num_iterations: int = 40
    """Collect-and-update cycles."""
    episodes_per_iteration: int = 512
    """Episodes collected before each update."""
    samples_per_instance: int = 1
    """Episodes that play the same instance."""
    num_features: int = 1024
    """Places for hashed words. More of them keep words better apart, and take longer."""

    def check(self) -> None:
        super().check()
        require_at_least(self, num_features=1)


def require_at_least(config: object, **least: int) -> None:
    """Raises: `ConfigError` for a setting below what is named for it."""
    for name, bound in least.items():
        if getattr(config, name) < bound:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be at least {bound}")


def require_above_zero(config: object, *names: str) -> None:
    """Raises: `ConfigError` for a setting that is given, and not above 0."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}; it must be above 0")


def require_shares(config: object, *names: str) -> None:
    """Raises: `ConfigError` for a setting that is no share of one."""
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must lie in [0, 1]")
