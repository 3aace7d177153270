"""SB3 PPO: Stable-Baselines3's PPO chooses from given texts, without a language model: classical MARL on the same tasks.

| | |
|---|---|
| axis | own turns |
| critic | observation |
| update | all agents at once, one network |
| one action | a number: which of the texts that the environment offers |
| reward | the agent's own |

For whoever wants to see in seconds, on a CPU, that a task can be learnt at all. `FlexMG.choices` offers each agent texts
at its turn; the network reads who acts and, as hashed words, what that agent has read (`baselines.policies.hashed_words`),
and gives one number. All agents share it. An agent with fewer texts than another has them repeated: number k is the text
k mod n of its n. Nothing that is learnt here is language: a text that the list lacks cannot be said.

An agent's turns are one environment's steps to PPO. What the agent is paid between one turn and its next belongs to the
first of them, and where the episode ends, by the horizon too, nothing follows. `untrained` is the network before the first
update, drawn from as in training, which is as good as chance: greedily it would take one text for no reason. `trained` is
greedy, on the same held-out instances as for every other algorithm.

Source: PPO, arXiv 1707.06347, in the implementation of Stable-Baselines3 (Raffin et al., JMLR 22(268), 2021).
Parameter sharing, Gupta et al., 2017.

Deviates: episodes are collected here, not by SB3's `learn`: its environments all act at every step, and agents of a team
take turns. SB3's own buffer, advantages, losses and updates are used as they are. So a discount is paid for each of an
agent's own turns, on the clock too, whatever time passes. The critic sees what its agent has read.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from pathlib import Path

import gymnasium
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from baselines.errors import CheckpointError, extra_required
from baselines.evaluate import Evaluation, Evaluations, summarised
from baselines.rollouts.choosing import (
    ChoosingCollector,
    Decisions,
    Observations,
    Stream,
    choosing_game,
    most_choices,
)
from baselines.rollouts.collect import Task
from baselines.rollouts.fingerprint import behaviour
from baselines.runs.circumstances import circumstances, weights_hash
from baselines.runs.experiment import (
    CIRCUMSTANCES,
    CURRICULUM_POSITION,
    Metrics,
    Plan,
    RunConfig,
    Status,
    levels_to_climb,
    make_env,
)
from baselines.runs.resume_point import ResumePoint
from baselines.runs.resuming import open_run
from baselines.runs.summary import Summary
from baselines.runs.train_command import train_command
from baselines.runs.training_state import load_generators, load_optimizers, save_generators, save_optimizers
from baselines.updates.config import require_above_zero, require_at_least, require_shares

with extra_required("sb3", "`marft train sb3_ppo`"):
    import stable_baselines3
    from stable_baselines3 import PPO
    from stable_baselines3.common.buffers import RolloutBuffer
    from stable_baselines3.common.logger import Logger

METRICS = {
    "team/kl": "how far choices have moved from where they were drawn, in nats each (k3 estimate), mean of the last pass",
    "team/clip_fraction": "share of choices whose ratio lies outside the clip range, mean over optimiser steps",
    "team/entropy": "mean entropy of a choice, in nats, repeated texts told apart: how much is explored",
    "team/loss": "what is minimised, at the last optimiser step",
    "critic/loss": "mean squared error of the values, mean over optimiser steps",
    "critic/explained_variance": "1 - Var(returns - values) / Var(returns), before the update; none where none vary",
}
POLICY = "policy.safetensors"
_CPU = torch.device("cpu")
_NETWORK, _UNTRAINED, _ITERATION = range(3)
"""What is drawn: first weights, choices of the untrained network, choices and minibatches of an iteration."""


@dataclass
class Config(RunConfig):
    """Settings of SB3 PPO. Every field is an option of `marft train sb3_ppo`."""

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
        require_at_least(self, num_features=1, update_epochs=1, num_minibatches=1)
        require_above_zero(self, "lr", "clip_coef", "max_grad_norm", "target_kl")
        require_at_least(self, ent_coef=0, vf_coef=0)
        require_shares(self, "gamma", "gae_lambda")


class Sb3Ppo:
    """The learner: SB3's PPO, whose experience comes from elsewhere."""

    def __init__(self, config: Config, num_features: int, num_numbers: int) -> None:
        self.config = config
        sizes = [*config.hidden_sizes]
        with drawing(config.seed, _NETWORK):
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
                f"cannot take {folder / POLICY} for this network: {error}; go on from another one, with the version of "
                "the environment that it was trained on"
            ) from error
        load_optimizers(folder, {"policy": self.ppo.policy.optimizer})
        load_generators(folder, {}, _CPU)


class _Spaces(gymnasium.Env[Observations, int]):
    """Tells SB3 what is seen and chosen; it is never played."""

    def __init__(self, num_features: int, num_numbers: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (num_features,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(num_numbers)  # type: ignore[assignment]  # of numpy's integers


@contextmanager
def drawing(seed: int, *purpose: int) -> Iterator[None]:
    """Lets what torch and SB3 draw follow from a run's seed and a purpose, and leaves global generators as they were."""
    drawn = np.random.SeedSequence(seed, spawn_key=(3, *purpose)).generate_state(1)  # 0 to 2 are the plan's
    before = np.random.get_state()  # noqa: NPY002  # SB3 shuffles minibatches by it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(drawn[0]))
        np.random.seed(drawn)  # noqa: NPY002  # as above
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002  # as above


class Choosing(Plan[Config]):
    """The prepared parts of one run."""

    def __init__(self, config: Config) -> None:
        """Raises: typed errors for whatever cannot work, before anything is written."""
        config.check()
        if config.threads:
            torch.set_num_threads(config.threads)
        probe = make_env(config.env_id, "train", config.env_options)
        game = choosing_game(probe)
        super().__init__(config, game.agents, levels_to_climb(config, probe))
        num_numbers = most_choices(probe, self.curriculum.levels)
        self._collectors = partial(ChoosingCollector, num_numbers=num_numbers, width=config.num_features)
        make = partial(make_env, config.env_id, "train", config.env_options)
        self._trains = self._collectors(make, num_envs=min(config.num_envs, config.episodes_per_iteration))
        self.learner = Sb3Ppo(config, self._trains.num_features, num_numbers)
        self.circumstances = {
            **circumstances(
                _CPU,
                weights_hash(self.learner.ppo.policy.parameters()),
                behaviour(game, self.curriculum.levels),
            ),
            "stable-baselines3": stable_baselines3.__version__,
        }

    def played(self, tasks: Sequence[Task], status: Status) -> tuple[Metrics, list[Stream]]:
        """Plays episodes as the network draws; the curriculum reacts. What to log, and what each agent did."""
        played = self._trains.collect(
            tasks, self.learner.decide, lambda done: status(f"collecting {done}/{len(tasks)}")
        )
        metrics = self.batch_metrics(played.batch)
        self.climb(played.batch)
        return metrics, played.streams

    def evaluated(self, tasks: Sequence[Task], status: Status, *, greedy: bool) -> Evaluation:
        """Plays held-out episodes."""
        config = self.config
        make = partial(make_env, config.env_id, "test", config.env_options, level=self.level)
        collector = self._collectors(make, num_envs=min(config.num_envs, len(tasks)))
        decide = partial(self.learner.decide, greedy=greedy)
        with drawing(config.seed, _UNTRAINED):
            played = collector.collect(tasks, decide, lambda done: status(f"evaluating {done}/{len(tasks)}"))
        return summarised(played.batch, self.level)

    def state(self) -> dict[str, object]:
        """What a checkpoint's state.json holds."""
        return {
            "config": self.config_record(),
            CURRICULUM_POSITION: self.curriculum.position,
            CIRCUMSTANCES: self.circumstances,
        }

    def next_steps(self) -> list[str]:
        """What to try after a run, as commands."""
        again = replace(self.config, seed=self.config.seed + 1, run_dir=None)
        return [
            f"{train_command(again)}    # the same with another seed",
            f"marft train --env-id {self.config.env_id}    # the same task for a team of language models",
        ]


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a network from `config`; everything lands in the run's folder.

    With `resume_from` a run goes on there, and ends as if it had never been stopped.

    Raises: typed errors of `baselines.errors` and `marft_envs` for every setting that cannot work, before anything is
    written.
    """
    plan = Choosing(config)
    learner = plan.learner
    evaluations = Evaluations(config, plan.level)

    def evaluate(name: str, *, greedy: bool) -> None:
        play = partial(plan.evaluated, evaluations.tasks, run.status, greedy=greedy)
        evaluations.record(run, run.num_done, name, play)

    with open_run(plan, learner, f"SB3 PPO on {config.env_id}", resume_from, quiet=quiet) as run:
        if run.num_done == 0:
            evaluate("untrained", greedy=False)
        if evaluations.is_due(run):
            evaluate("trained", greedy=True)
        for iteration in run.iterations(config.num_iterations, time_limit_s=config.time_limit_s):
            with drawing(config.seed, _ITERATION, iteration):
                began = time.monotonic()
                metrics, streams = plan.played(plan.tasks(iteration), run.status)
                collected = time.monotonic()
                run.status("updating")
                metrics |= learner.learn(streams)
            times: Metrics = {"time/collect_s": collected - began, "time/learn_s": time.monotonic() - collected}
            run.log(iteration, metrics | times)
            if run.num_done % config.checkpoint_every == 0 and run.num_done < config.num_iterations:
                run.checkpoint(f"iteration-{run.num_done}", learner.save, plan.state(), keep=config.num_checkpoints)
            if evaluations.is_due(run):
                evaluate("trained", greedy=True)
        run.checkpoint("final", learner.save, plan.state(), keep=config.num_checkpoints)
        evaluate("trained", greedy=True)
        return run.finish(plan.next_steps())
