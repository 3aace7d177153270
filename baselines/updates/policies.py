"""Clipped policy updates of all adapters of a team, given what every action was worth.

What an algorithm hands over is one advantage per reply, or one for each of its tokens; what counts as one action
(`steps`) decides what a ratio is taken of. Everything below is the same for all of them: frozen old log-probabilities,
minibatches that keep what shares its beginning together, packed passes, a bound on each agent's move, and, where agents
are updated one after another, the ratios of those before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from baselines.learning.advantages import normalise
from baselines.learning.drift import NO_DRIFT, Drift, drift_of
from baselines.learning.losses import approx_kl, clip_fraction, ppo_policy_loss, reference_kl, sequence_logprobs
from baselines.learning.masks import length_mask, padded
from baselines.learning.sequential import ActingOrder, PredecessorWeights, predecessor_weights
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Turn
from baselines.rollouts.credit import predecessors_in
from baselines.runs.experiment import Metrics, Status
from baselines.updates.config import PolicyConfig, SequentialConfig
from baselines.updates.optimizers import AdapterOptimizers, require_finite

NO_BLOCK = -1
"""Of turns whose agent is played by others: nobody learns from them."""

Steps = Literal["sum", "token", "each"]
"""What is one action, with a ratio of its own: a reply by its probability ("sum"), a reply by the mean over its tokens'
log-probabilities ("token"), or every single token ("each")."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from a batch: its turns, and what the actions in each were worth."""

    turns: Sequence[Turn]
    instances: Sequence[str]
    """Of each turn: what shares its beginning."""
    advantages: Tensor
    """(N, T): of each turn's actions; T is 1 for replies, and rows of tokens are padded on the right."""
    joint: Tensor
    """(N, T): of the round's joint action; read by updates one after another, where who was updated acts later."""
    real: Tensor
    """(N, T) bool: False at padding."""
    order: ActingOrder

    def normalised(self) -> "Lesson":
        """Advantages at the same scale for every adapter."""
        blocks = self.order.blocks[:, None].expand_as(self.real)
        advantages, joint = (normalise(x, self.real, groups=blocks) for x in (self.advantages, self.joint))
        return replace(self, advantages=advantages, joint=joint)


@dataclass(slots=True)
class Experience:
    """What one adapter learns from in an iteration."""

    turns: list[Turn]
    plan: list[list[list[int]]]
    """Epochs of minibatches of positions in `turns`."""
    old: list[Tensor]
    """Per turn, the log-probabilities of its tokens before any agent of this iteration was updated."""
    untrained: list[Tensor] | None = None
    """Per turn, what the base model gives them; None where nobody asks."""


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


class Policies:
    """The optimisers of a team's adapters, and how they are used."""

    def __init__(
        self, config: PolicyConfig, team: Team, *, steps: Steps, sequential: SequentialConfig | None = None
    ) -> None:
        """`sequential`: how agents are updated one after another; None updates all from the same snapshot."""
        self._config = config
        self._team = team
        self._steps = steps
        self._sequential = sequential
        self.optimizers = AdapterOptimizers(config, team)

    def _temperature(self, adapter: str) -> float:
        """At which those were sampled who act with an adapter: what they do is what is trained."""
        return self._config.temperature_of(self._team.blocks[adapter][0])

    def order_of(self, batch: Batch) -> ActingOrder:
        """Who acted when, and with which adapter, turn by turn."""
        number = {adapter: position for position, adapter in enumerate(self._team.blocks)}
        adapter_of = self._team.adapter_of
        return ActingOrder(
            episodes=torch.tensor([number for number, rollout in enumerate(batch.rollouts) for _ in rollout.turns]),
            rounds=torch.tensor([turn.round for turn in batch.turns()]),
            positions=torch.tensor([place for rollout in batch.rollouts for place in range(len(rollout.turns))]),
            blocks=torch.tensor([number.get(adapter_of.get(turn.agent, ""), NO_BLOCK) for turn in batch.turns()]),
            predecessors=predecessors_in(batch),
        )

    def update(
        self,
        batch: Batch,
        advantages: Tensor,
        joint: Tensor | None = None,
        *,
        iteration: int,
        status: Status,
    ) -> Metrics:
        """Move every adapter that acted; returns what to log of each.

        Shapes: advantages, joint (N,) for replies, (N, T) for tokens, right-padded; N turns in the order of
        `Batch.turns()`. `joint`: of the whole round, see `predecessor_weights`; default: the same.
        """
        turns = list(batch.turns())
        is_by_token = advantages.ndim > 1
        advantages = advantages if is_by_token else advantages[:, None]
        lengths = torch.tensor([len(turn.action_ids) if is_by_token else 1 for turn in turns])
        lesson = Lesson(
            turns=turns,
            instances=[rollout.instance for rollout in batch.rollouts for _ in rollout.turns],
            advantages=advantages,
            joint=advantages if joint is None else joint.reshape(len(turns), -1),
            real=length_mask(lengths, advantages.shape[1]),
            order=self.order_of(batch),
        )
        scaled = lesson.normalised() if self._config.normalise_advantages else lesson
        return self._update_blocks(scaled, self.optimizers.lr(iteration), status) | self._spreads(lesson)

    def _spreads(self, lesson: Lesson) -> Metrics:
        """How far each adapter's advantages were apart: without a spread there is nothing to learn."""
        spreads: Metrics = {}
        for number, adapter in enumerate(self._team.blocks):
            own = lesson.real & (lesson.order.blocks == number)[:, None]
            if bool(own.any()):
                spreads[f"{adapter}/advantage_std"] = float(lesson.advantages[own].std(correction=0))
        return spreads

    def _update_blocks(self, lesson: Lesson, lr: float, status: Status) -> Metrics:
        blocks = list(self._team.blocks)
        number = {adapter: position for position, adapter in enumerate(blocks)}
        mine = {adapter: lesson.order.blocks == number[adapter] for adapter in blocks}
        acting = [adapter for adapter in blocks if bool(mine[adapter].any())]
        experiences = {adapter: self._experience(adapter, lesson, mine[adapter]) for adapter in acting}
        log_ratios = torch.zeros(len(lesson.turns))
        updated: list[int] = []
        metrics: Metrics = {}
        for adapter in self._order(acting):
            weighted = self._weighted(lesson, log_ratios, updated, number[adapter])
            result = self._update_block(
                adapter,
                experiences[adapter],
                weighted.advantages[mine[adapter]],
                lr=lr,
                needs_ratios=self._sequential is not None and len(updated) < len(acting) - 1,
                status=status,
            )
            log_ratios[mine[adapter]] = result.log_ratios.to(log_ratios.dtype)
            updated.append(number[adapter])
            for name, value in result.metrics.items():
                metrics[f"{adapter}/{name}"] = value
            metrics[f"{adapter}/predecessor_ess"] = weighted.effective_sample_size / max(weighted.num_turns, 1)
            metrics[f"{adapter}/predecessor_clamped"] = weighted.clamped_share
        total = sum(float(metrics[f"{adapter}/grad_norm"] or 0) for adapter in acting)
        for adapter in acting:
            metrics[f"{adapter}/grad_share"] = float(metrics[f"{adapter}/grad_norm"] or 0) / total if total else 0.0
        return metrics

    def _weighted(self, lesson: Lesson, log_ratios: Tensor, updated: Sequence[int], current: int) -> PredecessorWeights:
        """The current block's advantages, weighted by the ratios of those updated before it, if that matters."""
        return predecessor_weights(
            lesson.order,
            log_ratios,
            lesson.advantages,
            lesson.joint,
            updated=[] if self._sequential is None else updated,
            current=current,
            max_log_ratio=1.0 if self._sequential is None else self._sequential.max_log_ratio,
        )

    def _order(self, acting: list[str]) -> list[str]:
        match self._sequential.update_order if self._sequential else "acting":
            case "reverse":
                return acting[::-1]
            case "random":
                return [acting[position] for position in self.optimizers.rng.permutation(len(acting))]
            case _:
                return acting

    def _experience(self, adapter: str, lesson: Lesson, mine: Tensor) -> Experience:
        """What is frozen before any agent of this iteration is updated."""
        positions = torch.nonzero(mine).flatten().tolist()
        own = [lesson.turns[position] for position in positions]
        instances = [lesson.instances[position] for position in positions]
        plan = self.optimizers.plan(instances)
        old = self._old_logprobs(adapter, own, plan[0])
        untrained = None
        if self._config.reference_kl_coef:
            untrained = self._team.score_untrained(adapter, own, self._temperature(adapter))
        return Experience(own, plan, old, untrained)

    def _samples_as_it_scores(self, adapter: str) -> bool:
        """Whether sampler and trainer give a token the same probability, up to rounding."""
        return self._config.engine == "hf" and self._team.dtype_of(adapter) == torch.float32

    def _old_logprobs(self, adapter: str, turns: list[Turn], first_epoch: list[list[int]]) -> list[Tensor]:
        """Per token. What is computed again is computed in the passes of the first epoch, whose rounding it shares."""
        source = self._config.old_logprobs
        if source == "sampler" or (source == "auto" and self._samples_as_it_scores(adapter)):
            return [torch.tensor(turn.logprobs) for turn in turns]
        passes = [part for positions in first_epoch for part in self._team.parts(adapter, turns, positions)]
        return self._team.score_all(adapter, turns, self._temperature(adapter), passes)

    def _update_block(
        self,
        adapter: str,
        experience: Experience,
        advantages: Tensor,
        *,
        lr: float,
        needs_ratios: bool,
        status: Status,
    ) -> BlockUpdate:
        """Minibatch PPO on one adapter."""
        config = self._config
        trust = self._sampler_weights(experience)
        if trust is not None:
            advantages = _aligned(advantages, trust) * trust
        optimizer = self.optimizers.by_adapter[adapter]
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
                steps.append(averages | {"grad_norm": self.optimizers.step(adapter, lr)})
            if stop_reason:
                break
        optimizer.zero_grad()  # or every agent of the team would keep its gradients
        log_ratios = torch.zeros(len(turns))
        if needs_ratios:
            new = self._team.score_all(adapter, turns, self._temperature(adapter))
            log_ratios = torch.stack([(after - before).sum() for after, before in zip(new, old, strict=True)])
        planned = sum(map(len, experience.plan))
        metrics: Metrics = {
            name: float(np.mean([step[name] for step in steps])) if steps else 0.0
            for name in ("loss", "kl", "clip_fraction", "entropy", "grad_norm", *_told(experience))
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
        if trust is not None:
            metrics["sampler_weight"] = float(trust[trust > 0].mean())
        return BlockUpdate(metrics, log_ratios)

    def _accumulate(self, adapter: str, experience: Experience, advantages: Tensor, positions: list[int]) -> Step:
        """Gradients of one minibatch, a few sequences at a time; of several processes each has those of its own share.

        What is told of it is alike in all. Shapes: advantages (n, T), in the order of `experience.turns`.
        """
        config = self._config
        turns, old = experience.turns, experience.old
        averages = {"loss": 0.0, "kl": 0.0, "clip_fraction": 0.0, "entropy": 0.0}
        if experience.untrained is not None:
            averages["reference_kl"] = 0.0
        differences: list[Tensor] = []
        num_tokens = sum(len(turns[position].action_ids) for position in positions)
        num_steps_of_all = num_tokens if self._steps == "each" else len(positions)
        for chunk in self._team.parts(adapter, turns, positions):
            scores = self._team.score(adapter, [turns[position] for position in chunk], self._temperature(adapter))
            old_tokens = padded([old[position] for position in chunk], scores.logprobs.device)
            new, before, mask = self._steps_of(scores.logprobs, old_tokens, scores.mask)
            worth = _aligned(advantages[chunk].to(new.device), mask)
            policy = ppo_policy_loss(new, before, worth, mask, config.clip_coef, config.clip_coef_high)
            # The parts of a minibatch add up to it, whatever its parts are: by actions, entropy by tokens.
            share = int(mask.sum()) / num_steps_of_all
            entropy = torch.where(scores.mask, scores.entropy, 0.0).sum() / num_tokens
            loss = share * policy - config.ent_coef * entropy
            if experience.untrained is not None:
                untrained = padded([experience.untrained[position] for position in chunk], new.device)
                away = reference_kl(scores.logprobs, untrained, scores.mask) * (scores.mask.sum() / num_tokens)
                loss = loss + config.reference_kl_coef * away
                averages["reference_kl"] += float(away.detach())
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            detached = new.detach()
            averages["loss"] += float(loss.detach())
            averages["entropy"] += float(entropy.detach())
            averages["kl"] += share * float(approx_kl(detached, before, mask).k3)
            averages["clip_fraction"] += share * float(
                clip_fraction(detached, before, mask, config.clip_coef, config.clip_coef_high)
            )
            sampled = padded([torch.tensor(turns[position].logprobs) for position in chunk], scores.logprobs.device)
            differences.append((scores.logprobs.detach() - sampled)[scores.mask].cpu())
        shares = self._team.ranks.gather((averages, torch.cat([torch.zeros(0), *differences])))
        summed = {name: sum(own[name] for own, _ in shares) for name in averages}
        require_finite(f"the loss of {adapter}", torch.tensor(summed["loss"]))
        return Step(summed, drift_of(torch.cat([own for _, own in shares])))

    def _sampler_weights(self, experience: Experience) -> Tensor | None:
        """By how much each action counts, (n, 1) or (n, A), 0 at padding: trainer's over sampler's probability of it.

        Source: Ionides, "Truncated importance sampling", 2008; between sampler and trainer, Yao et al., "Your efficient
        RL framework secretly brings you off-policy RL training", 2025.
        """
        most = self._config.max_sampler_ratio
        if most is None:
            return None
        trained, sampled = padded(experience.old), padded([torch.tensor(turn.logprobs) for turn in experience.turns])
        lengths = torch.tensor([len(turn.action_ids) for turn in experience.turns])
        tokens = length_mask(lengths, sampled.shape[1])
        new, old, mask = self._steps_of(trained, sampled, tokens)
        return torch.where(mask, (new - old).exp().clamp(max=most), 0.0)

    def _steps_of(self, new_tokens: Tensor, old_tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """New and old log-probabilities of every action, and which are real, all (B, T)."""
        if self._steps == "each":
            return new_tokens, old_tokens, mask
        new = sequence_logprobs(new_tokens, mask, self._steps)
        old = sequence_logprobs(old_tokens, mask, self._steps)
        return new, old, torch.ones_like(new, dtype=torch.bool)


def _told(experience: Experience) -> tuple[str, ...]:
    """What is averaged besides what always is."""
    return () if experience.untrained is None else ("reference_kl",)


def _aligned(advantages: Tensor, steps: Tensor) -> Tensor:
    """Advantages of all steps, (B, T), of which `steps` has the shape: one of a reply is that of each of its tokens."""
    return advantages[:, : steps.shape[1]].expand_as(steps)
