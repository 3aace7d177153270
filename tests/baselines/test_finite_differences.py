"""The gradient that reaches an adapter is that of the objective which its algorithm states.

For every algorithm a batch is played by a tiny model, and `learn` leaves a gradient in each adapter: through
advantages, their scale, predecessor weights, packing, minibatches of several passes, loss, model and adapter. Here the
objective is written again as the algorithm's docstring says it, from log-probabilities of one sequence at a time in a
plain forward pass, and its central differences along a few directions are what the gradient must say of them.

1. Where clipping bites: replies by another policy than the one that is updated, all terms of the objective on.
2. Where a reply is the policy's own: the gradient of `A · log π`.
3. A gradient that is slightly wrong is noticed.

All of it in float64, but for advantages and what the sampler said, which are float32 and constants here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import pytest
import torch
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from baselines.policies.team import Compute, Team
from baselines.rollouts.batch import Batch, Turn
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.demonstrate import demonstrate
from baselines.rollouts.tree import TreeCollector
from tests.baselines.conftest import perturb
from tests.baselines.gradients import Caught, caught, put
from tests.baselines.test_algorithms import LEARNERS, TEMPERATURE
from tests.baselines.toy_envs import PAIR, ToldLetters

LoadTeam = Callable[..., Team]
AGENTS = ("writer_0", "editor_0")
BY_TOKEN = {"at_grpo", "dr_mas", "marft_token"}
"""One action is a token; elsewhere it is a reply."""
REINFORCING = sorted(LEARNERS.keys() - {"imitation"})
SINGLE_STEP = {"magrpo", "reinforce_rae"}
NORMALISED = {"ippo", "mappo", "marft_action", "marft_token"}
SEQUENTIAL = {"marft_action", "marft_token"}
CLIPS = {"each": (0.05, 0.1), "sum": (0.15, 0.25), "token": (0.03, 0.05)}
"""Below and above 1, by what one action is: about half of all ratios lie outside."""
ENTROPY, REFERENCE = 0.05, 0.2
MAX_LOG_RATIO = 2.0  # the default of `max_log_ratio`
MIN_SCALE = 1e-5
STEP = 1e-6
TOLERANCE = 5e-6
"""Of a difference along a direction of length 1, relative to the gradient's length."""


@pytest.fixture(autouse=True)
def in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers' RMSNorm computes in float32 whatever it is given, and a difference would drown in that rounding."""

    def forward(self: LlamaRMSNorm, hidden: Tensor) -> Tensor:
        scale = torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * (hidden * scale)

    monkeypatch.setattr(LlamaRMSNorm, "forward", forward)


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    # So few tokens a pass that a minibatch takes several.
    loaded = load_team(*AGENTS, scale=0.05, compute=Compute("packed", max_packed_tokens=256))
    loaded.base.model.double()
    return loaded


def make() -> ToldLetters:
    return ToldLetters(team=PAIR, horizon=2)


def played(algorithm: str, team: Team) -> Batch:
    """What the algorithm learns from, as its `train` collects it."""
    tasks = [Task(seed, sample=sample) for seed in range(2) for sample in range(2)]
    sampling = Sampling(TEMPERATURE, 4)
    if algorithm == "imitation":
        return demonstrate(make, team, tasks, sampling)
    collector = Collector(make, team, num_envs=len(tasks), reads_final_prompts=True)
    if algorithm == "at_grpo":
        return TreeCollector(collector, 3, agents=AGENTS).collect(tasks[:2], sampling)
    return collector.collect(tasks, sampling)


# --- What policies say, one sequence at a time ---


@dataclass(frozen=True)
class Said:
    """Of each token of a reply, (A,)."""

    logprobs: Tensor
    entropy: Tensor


def said(team: Team, turn: Turn, adapter: str | None, temperature: float) -> Said:
    """By a plain forward pass over this prompt and reply alone; without adapter, what the base says."""
    team.base.model.eval()
    ids = torch.tensor([[*turn.prompt_ids, *turn.action_ids]])
    if adapter is None:
        with team.base.model.disable_adapter():
            logits = team.base.model(input_ids=ids, use_cache=False).logits
    else:
        team.base.model.set_adapter(adapter)
        logits = team.base.model(input_ids=ids, use_cache=False).logits
    logprobs = (logits[0, len(turn.prompt_ids) - 1 : -1] / temperature).log_softmax(-1)
    assert logprobs.dtype == torch.float64
    chosen = logprobs.gather(-1, torch.tensor(turn.action_ids)[:, None])[:, 0]
    return Said(chosen, -(logprobs.exp() * logprobs).sum(-1))


Kind = Literal["each", "sum", "token"]
"""As `Steps` in the updates: what one action is."""


def kind_of(algorithm: str, settings: Mapping[str, object]) -> Kind:
    return "each" if algorithm in BY_TOKEN else cast("Kind", settings.get("ratio", "sum"))


def actions(tokens: Iterable[Tensor], kind: Kind) -> Tensor:
    """Log-probabilities of actions, one after another: of tokens, of replies, or means over a reply's tokens."""
    rows = {"each": lambda row: row, "sum": lambda row: row.sum()[None], "token": lambda row: row.mean()[None]}
    return torch.cat([rows[kind](row) for row in tokens])


# --- The objectives as they are stated ---


@dataclass(frozen=True)
class Material:
    """What an adapter's objective is made of, turn by turn."""

    turns: list[Turn]
    worth: list[Tensor]
    """(A,) or (1,): normalised and weighted advantages of the turn's actions."""
    untrained: list[Tensor]
    """(A,): what the base says of its tokens."""


def standardised(rows: list[Tensor]) -> list[Tensor]:
    every = torch.cat(rows)
    mean, spread = every.mean(), every.std(correction=0)
    return [(row - mean) / (spread + MIN_SCALE) for row in rows]


def materials(
    algorithm: str, team: Team, batch: Batch, found: Caught, *, weighted: bool
) -> Iterator[tuple[str, Material]]:
    """Of each adapter in the order of updates, when those before it have moved.

    `weighted`: by the ratios of those, where the algorithm updates one after another.
    """
    by_token = algorithm in BY_TOKEN
    rollouts = list(batch.learnt_from())
    turns = [turn for rollout in rollouts for turn in rollout.turns]
    keys = [(number, turn.round) for number, rollout in enumerate(rollouts) for turn in rollout.turns]
    places = [place for rollout in rollouts for place in range(len(rollout.turns))]
    # A reply's one advantage is that of each of its tokens, where tokens are the actions.
    num_actions = [len(turn.action_ids) if by_token else 1 for turn in turns]
    rows = {
        name: [row[:num].double().expand(num) for row, num in zip(handed, num_actions, strict=bool(len(handed)))]
        for name, handed in (("own", found.advantages), ("joint", found.joint))
    }
    if not len(found.advantages):  # imitation wants none
        rows = {name: [torch.zeros(num) for num in num_actions] for name in rows}
    own_of = {adapter: [i for i, turn in enumerate(turns) if turn.agent in team.blocks[adapter]] for adapter in AGENTS}
    if algorithm in NORMALISED:
        for values in rows.values():
            for own in own_of.values():
                for i, row in zip(own, standardised([values[i] for i in own]), strict=True):
                    values[i] = row
    log_ratio: dict[int, float] = {}  # of turns of adapters that have been updated, if that matters
    for adapter in found.gradients:
        worth = []
        for i in own_of[adapter]:
            others = [j for j in log_ratio if keys[j] == keys[i]]
            weight = torch.tensor(sum(log_ratio[j] for j in others)).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
            answered = any(places[j] > places[i] for j in others)
            worth.append(weight * rows["joint" if answered else "own"][i])
        own = [turns[i] for i in own_of[adapter]]
        with torch.no_grad():
            untrained = [said(team, turn, None, TEMPERATURE).logprobs for turn in own]
        yield adapter, Material(own, worth, untrained)
        with torch.no_grad():
            for i in own_of[adapter] if weighted else ():
                new = said(team, turns[i], adapter, TEMPERATURE).logprobs
                log_ratio[i] = float((new - torch.tensor(turns[i].logprobs)).sum())


def clipped_surrogate(team: Team, adapter: str, material: Material, kind: Kind, reference: float = REFERENCE) -> Tensor:
    """Mean of `min(ρ A, clip(ρ) A)` over actions, of entropy over tokens, of divergence from the base over tokens."""
    now = [said(team, turn, adapter, TEMPERATURE) for turn in material.turns]
    new = actions((one.logprobs for one in now), kind)
    old = actions((torch.tensor(turn.logprobs).double() for turn in material.turns), kind)
    ratio, worth = (new - old).exp(), torch.cat(material.worth)
    low, high = CLIPS[kind]
    gain = torch.minimum(ratio * worth, ratio.clamp(1 - low, 1 + high) * worth).mean()
    entropy = torch.cat([one.entropy for one in now]).mean()
    away = torch.cat(material.untrained) - torch.cat([one.logprobs for one in now])
    divergence = (away.exp() - 1 - away).mean()
    return gain + ENTROPY * entropy - reference * divergence


def reinforced(team: Team, adapter: str, material: Material, kind: Kind) -> Tensor:
    """Mean of `A · log π` over actions."""
    new = actions((said(team, turn, adapter, TEMPERATURE).logprobs for turn in material.turns), kind)
    return (torch.cat(material.worth) * new).mean()


def imitated(team: Team, adapter: str, material: Material, kind: Kind) -> Tensor:
    """Mean log-probability of a token, at temperature 1."""
    return torch.cat([said(team, turn, adapter, 1.0).logprobs for turn in material.turns]).mean()


# --- Comparing ---

Objective = Callable[[Team, str, Material, Kind], Tensor]


def directions(gradient: Tensor) -> Iterator[Tensor]:
    """The gradient's own, and two random ones, all of length 1."""
    yield gradient / gradient.norm()
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        drawn = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
        yield drawn / drawn.norm()


@torch.no_grad()
def worst_error(team: Team, adapter: str, found: Caught, objective: Callable[[], Tensor]) -> float:
    """The largest difference between an objective's slope and what the gradient of the loss, its negative, says of it.

    Relative to the gradient's length.
    """
    gradient, at = found.gradients[adapter], found.before[adapter]
    after = [parameter.detach().clone() for parameter in team.parameters(adapter)]
    errors = []
    for direction in directions(gradient):
        pieces = torch.split(direction, [value.numel() for value in at])
        ends = []
        for step in (STEP, -STEP):
            put(team, adapter, [value + step * piece.view_as(value) for value, piece in zip(at, pieces, strict=True)])
            ends.append(float(objective()))
        slope = (ends[0] - ends[1]) / (2 * STEP)
        errors.append(abs(slope + float(gradient @ direction)) / float(gradient.norm()))
    put(team, adapter, after)
    return max(errors)


def errors(
    algorithm: str,
    settings: Mapping[str, object],
    team: Team,
    batch: Batch,
    found: Caught,
    objective: Objective,
    *,
    kind: Kind | None = None,
    weighted: bool | None = None,
) -> list[float]:
    """The worst of each adapter, in the order of updates. `kind`, `weighted`: in place of what is right."""
    assert set(found.gradients) == set(AGENTS)
    if weighted is None:
        weighted = algorithm in SEQUENTIAL and settings.get("update") != "simultaneous"
    as_told = kind or kind_of(algorithm, settings)
    return [
        worst_error(team, adapter, found, partial(objective, team, adapter, material, as_told))
        for adapter, material in materials(algorithm, team, batch, found, weighted=weighted)
    ]


def learnt_elsewhere(
    algorithm: str, settings: Mapping[str, object], team: Team, monkeypatch: pytest.MonkeyPatch
) -> tuple[Batch, Caught]:
    """A batch, and what was learnt from it by a team that has moved on since, with all terms of the objective."""
    batch = played(algorithm, team)
    perturb(team, 0.01)
    low, high = CLIPS[kind_of(algorithm, settings)]
    found = caught(
        algorithm,
        team,
        batch,
        monkeypatch,
        lr=0.02,  # so that who is updated later meets ratios of those before
        max_grad_norm=1e9,
        clip_coef=low,
        clip_coef_high=high,
        ent_coef=ENTROPY,
        reference_kl_coef=REFERENCE,
        old_logprobs="sampler",
        **settings,
    )
    return batch, found


# --- 1. Replies of another policy ---

CASES = {
    **{algorithm: (algorithm, {}) for algorithm in REINFORCING if algorithm not in SINGLE_STEP},
    **{f"{algorithm}, reverse": (algorithm, {"update_order": "reverse"}) for algorithm in sorted(SEQUENTIAL)},
    "marft_action, at once": ("marft_action", {"update": "simultaneous"}),
    "mappo, token": ("mappo", {"ratio": "token"}),
}


@pytest.mark.parametrize(("algorithm", "settings"), CASES.values(), ids=CASES.keys())
def test_with_replies_of_another_policy_the_gradient_is_that_of_the_clipped_objective(
    algorithm: str, settings: Mapping[str, object], team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, found = learnt_elsewhere(algorithm, settings, team, monkeypatch)
    for adapter in AGENTS:  # some ratios are beyond the range, others are not
        assert 0.1 < float(str(found.metrics[f"{adapter}/clip_fraction"])) < 0.9
    assert max(errors(algorithm, settings, team, batch, found, clipped_surrogate)) < TOLERANCE


# --- 2. Replies of its own ---


@pytest.mark.parametrize("algorithm", REINFORCING)
def test_with_replies_of_its_own_the_gradient_is_that_of_log_probabilities_times_advantages(
    algorithm: str, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = played(algorithm, team)
    found = caught(
        algorithm, team, batch, monkeypatch, lr=0.02, max_grad_norm=1e9, ent_coef=0.0, old_logprobs="trainer"
    )
    assert max(errors(algorithm, {}, team, batch, found, reinforced)) < TOLERANCE


def test_the_gradient_of_imitation_is_that_of_the_mean_log_probability_of_a_token(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = played("imitation", team)
    found = caught("imitation", team, batch, monkeypatch, max_grad_norm=1e9)
    assert max(errors("imitation", {}, team, batch, found, imitated)) < TOLERANCE


# --- 3. What would be noticed ---


def test_a_term_that_is_wrong_by_a_hundredth_is_noticed(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, found = learnt_elsewhere("dr_mas", {}, team, monkeypatch)
    wrong = partial(clipped_surrogate, reference=1.01 * REFERENCE)
    assert min(errors("dr_mas", {}, team, batch, found, wrong)) > 10 * TOLERANCE


def test_a_ratio_of_means_in_place_of_sums_is_noticed(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, found = learnt_elsewhere("mappo", {}, team, monkeypatch)
    assert min(errors("mappo", {}, team, batch, found, clipped_surrogate, kind="token")) > 10 * TOLERANCE


@pytest.mark.parametrize("algorithm", sorted(SEQUENTIAL))
def test_ratios_of_predecessors_that_are_left_out_are_noticed(
    algorithm: str, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, found = learnt_elsewhere(algorithm, {}, team, monkeypatch)
    first, second = errors(algorithm, {}, team, batch, found, clipped_surrogate, weighted=False)
    assert first < TOLERANCE and second > 10 * TOLERANCE
