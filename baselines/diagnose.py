"""What each agent of a trained team is worth to it: the team with one of them played by somebody else.

A good return does not say that a team is one. So the same held-out instances are played again: with an agent's
untrained self in its place, with nothing said there, with the environment's reference, with two agents' policies
swapped, or with the same agent of another run. What the return falls by is measured instance by instance, so that what
makes instances easy or hard is not in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from baselines.errors import ConfigError
from baselines.evaluate import held_out_tasks, play_held_out
from baselines.policies.team import Team
from baselines.rollouts.collect import Task
from baselines.rollouts.scripted import Script, reference, silence
from baselines.runs.experiment import ExperimentConfig, Status, make_env
from baselines.runs.intervals import Interval, bootstrap_interval
from baselines.runs.records import Record, number_of
from marft_envs import FlexMG

AS_TRAINED = "as trained"
NOTHING, REFERENCE = "says nothing", "reference"
LATE = 0.25
"""Share of a run's iterations that its figures are averaged over: the last ones."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Who plays in place of whom."""

    name: str
    agents: tuple[str, ...]
    """Who is not played as trained."""
    kind: str
    """as trained, untrained, says nothing, reference, swapped, or the name of another run."""
    adapters: Mapping[str, str]
    """Agent -> the adapter that it acts with here."""
    scripts: Mapping[str, Script]
    """Agent -> the script that plays it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a variant came to."""

    variant: Variant
    value: Interval
    """The metric's mean over instances."""
    drop: Interval
    """How much less than as trained, over the same instances."""

    @property
    def is_felt(self) -> bool:
        """Whether the team is worse off beyond doubt: the interval of the drop lies above 0."""
        return self.drop.low > 0

    def record(self) -> dict[str, object]:
        """As JSON can hold it."""
        return {
            "variant": self.variant.name,
            "agents": list(self.variant.agents),
            "kind": self.variant.kind,
            "mean": self.value.mean,
            "interval": [self.value.low, self.value.high],
            "drop": self.drop.mean,
            "drop_interval": [self.drop.low, self.drop.high],
        }


def variants(team: Team, env: FlexMG, partners: Mapping[str, Path] | None = None) -> list[Variant]:
    """As trained; every trained agent untrained, mute and as the reference; every two swapped; partners' agents.

    `partners`: names of other runs, and where their adapters lie. Adapters are loaded into the team, which acts as
    before.

    Raises: `CheckpointError` if a partner lacks an agent.
    """
    own = dict(team.adapter_of)
    trained = team.trained_agents
    scripts: dict[str, Script] = {NOTHING: silence, **({REFERENCE: reference} if _tells_reference(env) else {})}
    found = [Variant(AS_TRAINED, (), AS_TRAINED, {}, {})]
    for agent in trained:
        found.append(Variant(f"{agent} untrained", (agent,), "untrained", {agent: _loaded(team, agent, None)}, {}))
        if len(own) > 1:  # or no model would play
            found += [Variant(f"{agent} {who}", (agent,), who, {}, {agent: play}) for who, play in scripts.items()]
    for one, other in combinations(trained, 2):
        if own[one] != own[other]:
            swapped = {one: own[other], other: own[one]}
            found.append(Variant(f"{one} and {other} swapped", (one, other), "swapped", swapped, {}))
    for name, checkpoint in (partners or {}).items():
        for agent in trained:
            adapters = {agent: _loaded(team, agent, checkpoint)}
            found.append(Variant(f"{agent} of {name}", (agent,), name, adapters, {}))
    return found


def _loaded(team: Team, agent: str, folder: Path | None) -> str:
    """The adapter by which an agent acts as it does elsewhere; the team itself goes on as before."""
    own = team.adapter_of[agent]
    team.replace(agent, folder)
    loaded, team.adapter_of[agent] = team.adapter_of[agent], own
    return loaded


def _tells_reference(env: FlexMG) -> bool:
    """Whether the environment tells what a perfect agent would write."""
    env.reset(seed=0)
    try:
        env.reference_action(env.ready[0])
    except NotImplementedError:
        return False
    return True


@contextmanager
def acting(team: Team, adapters: Mapping[str, str]) -> Iterator[None]:
    """The team with other adapters for some agents, for a while."""
    own = dict(team.adapter_of)
    team.adapter_of.update(adapters)
    try:
        yield
    finally:
        team.adapter_of.update(own)


def diagnose(
    config: ExperimentConfig,
    team: Team,
    chosen: Sequence[Variant],
    *,
    num_instances: int,
    metric: str | None = None,
    status: Status = lambda text: None,
) -> list[Finding]:
    """Every variant on the same held-out instances.

    `metric`: what the environment reports; by default the team's return.

    Raises: `OptionError` where nothing is held out, `ConfigError` for a metric that the environment does not report.
    """
    env = make_env(config.env_id, "test", config.env_options, level=config.level)
    tasks = held_out_tasks(env, config.level, num_instances)
    values: list[list[float]] = []
    for number, variant in enumerate(chosen, start=1):
        status(f"{number}/{len(chosen)}: {variant.name}")
        values.append(_played(config, team, variant, tasks, metric))
    trained = np.array(values[[variant.kind for variant in chosen].index(AS_TRAINED)])
    return [
        Finding(variant, _interval(found), _interval((trained - found).tolist()))
        for variant, found in zip(chosen, values, strict=True)
    ]


def _played(
    config: ExperimentConfig, team: Team, variant: Variant, tasks: Sequence[Task], metric: str | None
) -> list[float]:
    """The metric of each task, in their order."""
    with acting(team, variant.adapters):
        played = play_held_out(config, team, tasks, scripts=variant.scripts)
    if metric is None:
        return [rollout.team_return for rollout in played.rollouts]
    reported = sorted({name for rollout in played.rollouts for name in rollout.info})
    if metric not in reported:
        raise ConfigError(
            f"{config.env_id} reports no {metric!r} at the end of an episode; it reports "
            f"{', '.join(reported) or 'nothing'}. Leave --metric out to compare returns"
        )
    return [rollout.info.get(metric, 0.0) for rollout in played.rollouts]


def _interval(values: Sequence[float]) -> Interval:
    return bootstrap_interval({number: [value] for number, value in enumerate(values)})


# ---- What was recorded while it was trained --------------------------------------------------------------------------

FIGURES = ("grad_share", "tokens_out", "entropy", "kl", "drift_max", "skipped_updates")


@dataclass(frozen=True, slots=True)
class Share:
    """How an adapter took part in its training, over the last iterations."""

    adapter: str
    figures: Mapping[str, float]
    """Means by name, of those that were recorded."""
    token_share: float
    """Of all tokens that the team wrote."""


def shares(metrics: Sequence[Record]) -> list[Share]:
    """Every adapter's part in the last quarter of a run's iterations; nothing if none was recorded."""
    late = metrics[-max(1, round(len(metrics) * LATE)) :] if metrics else []
    updated = (name.partition("/")[0] for record in late for name in record if name.endswith("/updates"))
    adapters = list(dict.fromkeys(updated))
    means = {adapter: {name: _mean(late, f"{adapter}/{name}") for name in FIGURES} for adapter in adapters}
    written = {
        adapter: [number_of(record.get(f"{adapter}/tokens_out")) or 0.0 for record in late] for adapter in adapters
    }
    tokens = {adapter: sum(counts) for adapter, counts in written.items()}
    total = sum(tokens.values()) or 1.0
    return [
        Share(
            adapter,
            {name: value for name, value in means[adapter].items() if value is not None},
            tokens[adapter] / total,
        )
        for adapter in adapters
    ]


def _mean(records: Sequence[Record], name: str) -> float | None:
    found = [value for record in records if (value := number_of(record.get(name))) is not None and np.isfinite(value)]
    return float(np.mean(found)) if found else None
