"""MARFT-A: multi-agent reinforcement fine-tuning with a whole reply as one action.

Every agent of a team is fine-tuned with clipped PPO on one team reward. One iteration:

1. *Collect* episodes with the current team at temperature T, all ready agents of all environment copies in one batch.
2. *Credit*: values of a state critic, generalised advantages along the team's turns in acting order; discount and λ are
   paid once a round.
3. *Critic*: fit the head to the λ-returns.
4. *Agents, one after another*: each agent's advantages are weighted by the ratios of those already updated
   (`learning/sequential.py`), then a few epochs of minibatch PPO on its own adapter, stopped early when it has moved
   `target_kl` from where it was.

Source: MARFT, arXiv 2504.16129 (action level); PPO, arXiv 1707.06347; sequential updates, HAPPO, arXiv 2109.11251, and
A2PO, arXiv 2302.06205.
Deviates from the reference implementation: predecessor ratios where it only rotates through the agents; no discount per
agent hop; the sampler is the policy (whole vocabulary) where it samples from the top 50; the end-of-sequence token is
trained; truncated episodes can be bootstrapped.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from baselines.errors import ConfigError
from baselines.evaluate import Evaluator
from baselines.learning.advantages import normalise
from baselines.learning.drift import NO_DRIFT, Drift, drift_of
from baselines.learning.losses import (
    approx_kl,
    clip_fraction,
    explained_variance,
    ppo_policy_loss,
    sequence_logprobs,
    value_loss,
)
from baselines.learning.masks import padded
from baselines.learning.minibatches import minibatches
from baselines.learning.rates import annealed, num_steps, set_lr, warmup
from baselines.learning.sequential import ActingOrder, predecessor_weights
from baselines.policies.critic import Critic
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.credit import Credit, assign_credit, require_team_reward
from baselines.runs.experiment import Experiment, ExperimentConfig, Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.resuming import open_run
from baselines.runs.summary import Summary
from baselines.runs.training_state import load_generators, load_optimizers, save_generators, save_optimizers

NO_BLOCK = -1
"""Of turns whose agent is played by others: nobody learns from them."""


@dataclass
class Config(ExperimentConfig):
    """Settings of MARFT-A. Every field is an option of `marft train`."""

    gamma: float = 0.99
    """Discount per round; on the clock, per simulated second."""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation per round; on the clock, per simulated second."""
    bootstrap_truncated: bool = False
    """Whether an episode that the horizon cuts is worth what the critic makes of the state that would have followed.
    Off, the horizon is the end, as it is for the return that is reported. On, a team learns for play without end; but
    where all that fails is cut, nothing tells the critic that failure is worth less than success."""
    critic_input: Literal["state", "observation"] = "state"
    """What values are read from: everything decided so far, as the untrained base reads it; or what the acting agent
    sees, as its own policy reads it when it samples, so that only what would follow a cut episode is read for it."""
    critic_warmup: int = 0
    """Iterations at the start that fit only the critic."""
    critic_lr: float = 1e-3
    """Learning rate of the value head."""
    critic_steps: int = 40
    """Full-batch steps on the value head per iteration; features are computed once, so they are nearly free."""
    huber_delta: float = 10.0
    """Critic errors beyond it count linearly, in units of return."""
    update: Literal["sequential", "simultaneous"] = "sequential"
    """Agents one after another with predecessor ratios, or all from the same snapshot."""
    update_order: Literal["acting", "reverse", "random"] = "acting"
    """Order of sequential updates."""
    max_log_ratio: float = 2.0
    """Bound on a round's summed log-ratio of the agents already updated."""
    ratio: Literal["sum", "token"] = "sum"
    """A reply's log-probability: of the whole reply, or the mean over its tokens (wants a far smaller clip_coef)."""
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
    clip_coef: float = 0.2
    """PPO clip range of the ratio."""
    clip_coef_high: float | None = None
    """Upper clip range, if another."""
    ent_coef: float = 0.03
    """Weight of the mean token entropy in the objective."""
    max_grad_norm: float = 1.0
    """Gradient norm bound per agent."""
    target_kl: float | None = 0.5
    """An agent's update ends once its replies have moved so far (k3 estimate, nats per reply)."""
    normalise_advantages: bool = True
    """Zero mean and unit variance per agent."""
    old_logprobs: Literal["auto", "sampler", "trainer"] = "auto"
    """Where the frozen log-probabilities come from: as they were when tokens were drawn, or computed again, over the
    same passes as the update. In float32 the two agree; elsewhere they do not, and "auto" computes them again."""

    @property
    def reads_final_prompts(self) -> bool:
        return self.critic_input == "observation" and self.bootstraps

    @property
    def bootstraps(self) -> bool:
        """Whether anything beyond the last turn counts; at a discount of 0 nothing does."""
        return self.bootstrap_truncated and self.gamma > 0


@dataclass(slots=True)
class Experience:
    """What one adapter learns from in an iteration."""

    turns: list[Turn]
    plan: list[list[list[int]]]
    """Epochs of minibatches of positions in `turns`."""
    old: list[Tensor]
    """Per turn, the log-probabilities of its tokens before any agent of this iteration was updated."""


@dataclass(slots=True)
class Step:
    """Gradients of one minibatch were accumulated."""

    averages: dict[str, float]
    drift: Drift
    """Between sampler and trainer, which tells of both only until the adapter has moved."""


@dataclass(slots=True)
class BlockUpdate:
    """What one adapter's update did."""

    metrics: Metrics
    log_ratios: Tensor
    """New minus old log-probability of each of the block's replies, (n,); zeros when nobody reads them."""


class MarftAction:
    """The learner: a team, its critic and their optimisers."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.team = team
        self.critic = Critic.drawn(team.hidden_size, seed=config.seed).to(team.model.device)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=config.critic_lr)
        self.optimizers = {adapter: torch.optim.Adam(team.parameters(adapter), lr=config.lr) for adapter in team.blocks}
        self.rng = np.random.default_rng(np.random.SeedSequence([config.seed, 1]))
        self._lr_scale = 1.0

    # -- one iteration -------------------------------------------------------------------------------------------------

    def learn(self, batch: Batch, *, update_policies: bool, status: Status, lr_scale: float = 1.0) -> Metrics:
        """Update the critic and, unless it is still warming up, every agent; returns what to log.

        `lr_scale`: share of the adapters' learning rate for these updates.
        """
        self._lr_scale = lr_scale
        turns = list(batch.turns())
        status("reading values")
        cut = [
            (rollout, agent) for rollout in batch.rollouts if not rollout.terminated for agent in rollout.final_states
        ]
        counts = self.config.bootstraps
        features = self._features(turns, cut if counts else [])
        with torch.no_grad():
            read = self.critic(features).cpu()
        values, next_values = read[: len(turns)], read[len(turns) :] if counts else torch.zeros(len(cut))
        credit = assign_credit(
            batch,
            values,
            _per_rollout(batch, next_values.tolist()),
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
            axis="team" if self.config.critic_input == "state" else "own",
        )
        if self.config.update == "sequential":
            require_team_reward(batch)
        known = torch.tensor([self._is_read(turn) for turn in turns])
        metrics = self._fit_critic(features[: len(turns)][known], values[known], credit.returns[known])
        if not update_policies:
            return metrics | {"policy/skipped": "critic warm-up"}
        instances = [rollout.instance for rollout in batch.rollouts for _ in rollout.turns]
        return metrics | self._update_blocks(turns, instances, credit, status)

    def _features(self, turns: list[Turn], cut: list[tuple[Rollout, str]]) -> Tensor:
        """What values are read from: before each turn, then where each episode was cut, (N, H)."""
        if self.config.critic_input == "state":
            states = [rollout.final_states[agent] for rollout, agent in cut]
            return self.team.features([turn.state for turn in turns] + states)
        nothing = torch.zeros(self.team.hidden_size)  # of scripts, whose values nobody asks for
        before = [self.team.require_features(turn.features) if self._is_read(turn) else nothing for turn in turns]
        after = [rollout.final_features.get(agent, nothing) for rollout, agent in cut]
        return torch.stack([*before, *after]).to(self.team.model.device)

    def _is_read(self, turn: Turn) -> bool:
        """Whether values know its turn: a critic of observations reads what policies make of them, and scripts none."""
        return self.config.critic_input == "state" or bool(turn.action_ids)

    def _fit_critic(self, features: Tensor, values: Tensor, returns: Tensor) -> Metrics:
        everything = torch.ones(1, len(returns), dtype=torch.bool)
        targets = returns[None].to(features.device)
        loss = torch.zeros(())
        for _ in range(self.config.critic_steps):
            loss = value_loss(
                self.critic(features)[None], targets, everything.to(features.device), self.config.huber_delta
            )
            self.critic_optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            self.critic_optimizer.step()
        return {
            "critic/loss": float(loss.detach()),
            "critic/explained_variance": float(explained_variance(values[None], returns[None], everything)),
            "critic/value_mean": float(values.mean()),
        }

    # -- the agents ----------------------------------------------------------------------------------------------------

    def _update_blocks(self, turns: list[Turn], instances: list[str], credit: Credit, status: Status) -> Metrics:
        blocks = list(self.team.blocks)
        number = {adapter: position for position, adapter in enumerate(blocks)}
        block_of = torch.tensor([number.get(self.team.adapter_of.get(turn.agent, ""), NO_BLOCK) for turn in turns])
        acting = [adapter for adapter in blocks if bool((block_of == number[adapter]).any())]
        experiences = {
            adapter: self._experience(adapter, turns, instances, block_of == number[adapter]) for adapter in acting
        }
        advantages, joint = credit.advantages, credit.joint_advantages
        if self.config.normalise_advantages:
            everything = torch.ones_like(block_of, dtype=torch.bool)
            advantages, joint = (normalise(x, everything, groups=block_of) for x in (advantages, joint))
        log_ratios = torch.zeros(len(turns))
        updated: list[int] = []
        metrics: Metrics = {}
        for adapter in self._order(acting):
            mine = block_of == number[adapter]
            weighted = predecessor_weights(
                ActingOrder(credit.episodes, credit.rounds, credit.positions, block_of, credit.predecessors),
                log_ratios,
                advantages,
                joint,
                updated=updated if self.config.update == "sequential" else [],
                current=number[adapter],
                max_log_ratio=self.config.max_log_ratio,
            )
            result = self._update_block(
                adapter,
                experiences[adapter],
                weighted.advantages[mine],
                needs_ratios=self.config.update == "sequential" and len(updated) < len(acting) - 1,
                status=status,
            )
            log_ratios[mine] = result.log_ratios
            updated.append(number[adapter])
            for name, value in result.metrics.items():
                metrics[f"{adapter}/{name}"] = value
            metrics[f"{adapter}/predecessor_ess"] = weighted.effective_sample_size / max(weighted.num_turns, 1)
            metrics[f"{adapter}/predecessor_clamped"] = weighted.clamped_share
            metrics[f"{adapter}/advantage_std"] = float(credit.advantages[mine].std(correction=0))
        total = sum(float(metrics[f"{adapter}/grad_norm"] or 0) for adapter in acting)
        for adapter in acting:
            metrics[f"{adapter}/grad_share"] = float(metrics[f"{adapter}/grad_norm"] or 0) / total if total else 0.0
        return metrics

    def _order(self, acting: list[str]) -> list[str]:
        match self.config.update_order:
            case "acting":
                return acting
            case "reverse":
                return acting[::-1]
            case "random":
                return [acting[position] for position in self.rng.permutation(len(acting))]

    def _experience(self, adapter: str, turns: list[Turn], instances: list[str], mine: Tensor) -> Experience:
        """What is frozen before any agent of this iteration is updated."""
        positions = torch.nonzero(mine).flatten().tolist()
        own = [turns[position] for position in positions]
        plan = [
            minibatches([instances[position] for position in positions], self.config.num_minibatches, self.rng)
            for _ in range(self.config.update_epochs)
        ]
        return Experience(own, plan, self._old_logprobs(adapter, own, plan[0]))

    def _old_logprobs(self, adapter: str, turns: list[Turn], first_epoch: list[list[int]]) -> list[Tensor]:
        """Per token. What is computed again is computed in the passes of the first epoch, whose rounding it shares."""
        source = self.config.old_logprobs
        if source == "sampler" or (source == "auto" and self.team.dtype == torch.float32):
            return [torch.tensor(turn.logprobs) for turn in turns]
        passes = [part for positions in first_epoch for part in self.team.parts(turns, positions)]
        return self.team.score_all(adapter, turns, self.config.temperature, passes)

    def _update_block(
        self,
        adapter: str,
        experience: Experience,
        advantages: Tensor,
        *,
        needs_ratios: bool,
        status: Status,
    ) -> BlockUpdate:
        """Minibatch PPO on one adapter."""
        config = self.config
        optimizer = self.optimizers[adapter]
        turns, old = experience.turns, experience.old
        steps: list[dict[str, float]] = []
        stop_reason: str | None = None
        drift = NO_DRIFT
        for epoch, parts in enumerate(experience.plan):
            for minibatch, positions in enumerate(parts):
                status(f"updating {adapter}, epoch {epoch + 1}, minibatch {minibatch + 1}")
                optimizer.zero_grad()
                step = self._accumulate(adapter, experience, advantages, positions)
                averages = step.averages
                if not steps:
                    drift = step.drift
                if config.target_kl is not None and averages["kl"] > config.target_kl:
                    stop_reason = (
                        f"kl {averages['kl']:.3f} > {config.target_kl} at epoch {epoch + 1}, minibatch {minibatch + 1}"
                    )
                    break
                norm = torch.nn.utils.clip_grad_norm_(self.team.parameters(adapter), config.max_grad_norm)
                rising = warmup(num_steps(optimizer), config.lr_warmup) if config.lr_warmup else 1.0
                set_lr(optimizer, config.lr * self._lr_scale * rising)
                optimizer.step()
                steps.append(averages | {"grad_norm": float(norm)})
            if stop_reason:
                break
        optimizer.zero_grad()  # or every agent of the team would keep its gradients
        log_ratios = torch.zeros(len(turns))
        if needs_ratios:
            new = self.team.score_all(adapter, turns, config.temperature)
            log_ratios = torch.stack([(after - before).sum() for after, before in zip(new, old, strict=True)])
        planned = sum(map(len, experience.plan))
        metrics: Metrics = {
            name: float(np.mean([step[name] for step in steps])) if steps else 0.0
            for name in ("loss", "kl", "clip_fraction", "entropy", "grad_norm")
        }
        metrics |= {
            "drift_max": drift.maximum,
            "drift_mean": drift.mean,
            "drift_share": drift.share,
            "updates": len(steps),
            "skipped_updates": planned - len(steps),
            "stop_reason": stop_reason,
            "tokens_in": sum(len(turn.prompt_ids) for turn in turns),
            "tokens_out": sum(len(turn.action_ids) for turn in turns),
        }
        return BlockUpdate(metrics, log_ratios)

    def _accumulate(self, adapter: str, experience: Experience, advantages: Tensor, positions: list[int]) -> Step:
        """Gradients of one minibatch, a few sequences at a time."""
        config = self.config
        turns, old = experience.turns, experience.old
        averages = {"loss": 0.0, "kl": 0.0, "clip_fraction": 0.0, "entropy": 0.0}
        differences: list[Tensor] = []
        num_tokens = sum(len(turns[position].action_ids) for position in positions)
        for chunk in self.team.parts(turns, positions):
            scores = self.team.score(adapter, [turns[position] for position in chunk], config.temperature)
            old_tokens = padded([old[position] for position in chunk], scores.logprobs.device)
            new_reply = sequence_logprobs(scores.logprobs, scores.mask, config.ratio)
            old_reply = sequence_logprobs(old_tokens, scores.mask, config.ratio)
            weights = advantages[chunk][:, None].to(new_reply.device)
            one_action = torch.ones_like(new_reply, dtype=torch.bool)
            policy = ppo_policy_loss(new_reply, old_reply, weights, one_action, config.clip_coef, config.clip_coef_high)
            # The parts of a minibatch add up to it, whatever its parts are: by replies, entropy by tokens.
            share = len(chunk) / len(positions)
            entropy = torch.where(scores.mask, scores.entropy, 0.0).sum() / num_tokens
            loss = share * policy - config.ent_coef * entropy
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            detached = new_reply.detach()
            averages["loss"] += float(loss.detach())
            averages["entropy"] += float(entropy.detach())
            averages["kl"] += share * float(approx_kl(detached, old_reply, one_action).k3)
            averages["clip_fraction"] += share * float(
                clip_fraction(detached, old_reply, one_action, config.clip_coef, config.clip_coef_high)
            )
            sampled = padded([torch.tensor(turns[position].logprobs) for position in chunk], scores.logprobs.device)
            differences.append((scores.logprobs.detach() - sampled)[scores.mask])
        return Step(averages, drift_of(torch.cat(differences)))

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Everything that an update changes: adapters, critic, their optimisers, the generators."""
        self.team.save_adapters(folder)
        self.critic.save(folder)
        save_optimizers(folder, self._named_optimizers)
        save_generators(folder, {"updates": self.rng}, self.team.model.device)

    def load(self, folder: Path) -> None:
        """Take it all back, so that the next update is the one that would have come."""
        self.team.load_adapters(folder)
        self.critic.load(folder)
        load_optimizers(folder, self._named_optimizers)
        load_generators(folder, {"updates": self.rng}, self.team.model.device)

    @property
    def _named_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"critic": self.critic_optimizer, **{f"adapter/{name}": one for name, one in self.optimizers.items()}}


def _per_rollout(batch: Batch, next_values: Iterable[float]) -> list[dict[str, float]]:
    """The values after each rollout by agent; nothing where the episode terminated."""
    values = iter(next_values)
    return [
        {} if rollout.terminated else {agent: next(values) for agent in rollout.final_states}
        for rollout in batch.rollouts
    ]


def _check(config: Config) -> None:
    """Raises: `ConfigError` for a number out of its range."""
    for name, least in (("update_epochs", 1), ("num_minibatches", 1), ("lr_warmup", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be at least {least}")
    for name in ("gamma", "gae_lambda"):
        if not 0 <= getattr(config, name) <= 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must lie in [0, 1]")
    for name in ("lr", "critic_lr", "clip_coef", "max_grad_norm", "huber_delta", "max_log_ratio"):
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be above 0")


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team from `config`: evaluate, iterate, evaluate again; everything lands in the run's folder.

    With `resume_from` a run goes on there, and ends as if it had never been stopped.

    Raises: typed errors of `baselines.errors` and `marft_envs` for every setting that cannot work, before anything is
    written.
    """
    _check(config)
    experiment = Experiment.prepare(config)
    learner = MarftAction(config, experiment.team)
    evaluator = Evaluator(config, experiment)
    title = f"MARFT-A on {config.env_id}"
    with open_run(experiment, learner, title, resume_from, quiet=quiet) as run:
        evaluator.untrained(run)
        evaluator.on_the_way(run)
        for iteration in run.iterations(config.num_iterations, time_limit_s=config.time_limit_s):
            began = time.monotonic()
            batch = experiment.collect(iteration, run.status)
            collected = time.monotonic()
            metrics = learner.learn(
                batch,
                update_policies=iteration >= config.critic_warmup,
                status=run.status,
                lr_scale=annealed(iteration, config.num_iterations) if config.anneal_lr else 1.0,
            )
            times: Metrics = {"time/collect_s": collected - began, "time/learn_s": time.monotonic() - collected}
            run.log(iteration, experiment.batch_metrics(batch) | metrics | times)
            experiment.climb(batch)
            if run.num_done % config.checkpoint_every == 0 and run.num_done < config.num_iterations:
                name = f"iteration-{run.num_done}"
                run.checkpoint(name, learner.save, experiment.state(), keep=config.num_checkpoints)
            evaluator.on_the_way(run)
        checkpoint = run.checkpoint("final", learner.save, experiment.state(), keep=config.num_checkpoints)
        evaluator.trained(run, run.num_done)
        return run.finish(experiment.next_steps(checkpoint))
