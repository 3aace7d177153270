"""What an untrained model makes of an environment, profile by profile: is there a first signal, and who loses it?

Reinforcement learning strengthens what a model already does now and then, so wording is measured before it is trained
on: on the sampling that training uses, with nothing learnt.

*Success* of an agent is what the environment pays it in an episode, on the scale of `reward_range`: 0 the least, 1 the
most. Where agents are paid one by one that is the environment's verdict on each of them; where the team is paid, it is
the team's, and an agent's part in it shows only in company that does not change. So every row varies the text of one
agent, its *subject*, and of nobody else:

    silent     the subject writes nothing
    success    the model writes
    perfect    `env.reference_action` writes

The others are *perfect* (the reference plays them) wherever that tells anything, that is where the subject's silence
costs something: then success is what this wording alone earns. An actor who knows the solution does not need its
reasoner; where the others would succeed without the subject, or the environment has no reference, the others are
*untrained* too: then success is that of the untrained team, to be held against `silent` and `perfect` beside it. The
last row has the whole team for its subject.

Every row describes the replies of one such play; whether one could be graded, `FlexMG.gradable` says.
Left out: foreign environments know neither scripts nor a range, so their rows hold plain returns of the untrained team.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import fmean
from typing import Literal

from baselines.evaluate import over_instances
from baselines.policies.team import Team
from baselines.rollouts.batch import Rollout, Turn
from baselines.rollouts.collect import Collector, Sampling, Task, of_role
from baselines.rollouts.games import FlexGame, as_game
from baselines.rollouts.scripted import Script, reference, silence
from baselines.runs.experiment import Status, TextEnv
from baselines.runs.intervals import Interval

TEAM = "team"
"""Name of the row that has the whole team for its subject; no agent is called so, for agents carry a number."""


@dataclass(frozen=True, slots=True)
class ProbedReply:
    """One reply of a model, and what became of it."""

    agent: str
    observation: str
    """What the agent had read, as text."""
    text: str
    gradable: bool | None
    """Whether it has the form of an answer; None where the environment grades no such replies, or does not say."""
    is_cut: bool
    """Whether a limit ended it, and not the token that ends a reply."""
    num_tokens: int
    success: float
    """That of its episode, for this agent."""


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """What one subject's text earns, and what its replies are like. Shares are None where there is no such reply."""

    name: str
    """The agent, or `TEAM`."""
    others: Literal["perfect", "untrained"] | None
    """Who plays the other seats: the reference, or the model; None where there are no others."""
    success: Interval
    silent: float | None
    """Mean success if the subject writes nothing; None in an environment that is no `FlexMG`."""
    perfect: float | None
    """Mean success if the reference writes for it; None if the environment has none."""
    num_replies: int
    gradable: float | None
    """Share of replies that have the form of an answer, among those that are graded."""
    empty: float | None
    """Share of replies without a visible character."""
    cut: float | None
    """Share of replies that a limit ended."""
    tokens: float | None
    """Mean length of a reply, the token that ends it included."""
    examples: tuple[ProbedReply, ...]
    """The first reply of each of the first episodes."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """One environment at one level and temperature, measured with one untrained model."""

    level: str | None
    temperature: float
    num_instances: int
    is_share: bool
    """Whether success is a share of the reward range; if no finite range is declared, it is the plain return."""
    rows: tuple[ProbeRow, ...]
    """One for each agent, in the team's order; then the team's."""

    @property
    def has_signal(self) -> bool:
        """Whether the untrained team earned more than its silence, or where that is unknown than 0."""
        return self.rows[-1].success.mean > (self.rows[-1].silent or 0.0)


def probe(
    make_env: Callable[[], TextEnv],
    team: Team,
    tasks: Sequence[Task],
    sampling: Sampling,
    *,
    num_envs: int = 64,
    seed: int = 0,
    num_examples: int = 0,
    status: Status = lambda text: None,
) -> ProbeReport:
    """Play every task in every company that tells something, and summarise.

    A team of n agents takes between n + 1 and 2 n + 1 plays of the tasks with models in them: two for an agent without
    whom perfect others would succeed, and no play twice. Replies are drawn by `seed` and their task, so that no row
    depends on which others there are.

    Raises: `EnvironmentKindError`.
    """
    stage = _Stage(make_env, team, tasks, replace(sampling, seed=seed), min(num_envs, len(tasks)), status)
    rows = [stage.row(agent, [agent], stage.company(agent), num_examples) for agent in stage.agents]
    rows.append(stage.row(TEAM, stage.agents, {}, 0))
    return ProbeReport(
        level=stage.play({})[0].level,
        temperature=sampling.temperature,
        num_instances=rows[-1].success.num_instances,
        is_share=stage.bounds is not None,
        rows=tuple(rows),
    )


@dataclass
class _Stage:
    """Plays the tasks with scripts in some seats and the model in the others, each way once."""

    make_env: Callable[[], TextEnv]
    team: Team
    tasks: Sequence[Task]
    sampling: Sampling
    num_envs: int
    status: Status

    def __post_init__(self) -> None:
        self._played: dict[frozenset[tuple[str, Script]], list[Rollout]] = {}
        game = as_game(self.make_env())
        self.agents = game.agents
        self._env = game.env if isinstance(game, FlexGame) else None
        low, high = (-inf, inf) if self._env is None else self._env.reward_range
        self.bounds = (low, high) if -inf < low < high < inf else None
        self._has_reference = self._env is not None and self._plays_the_reference()

    def _plays_the_reference(self) -> bool:
        try:
            self.play(dict.fromkeys(self.agents, reference))
        except NotImplementedError:  # what the hook raises where the environment provides none
            return False
        return True

    def play(self, scripts: Mapping[str, Script]) -> list[Rollout]:
        """Every task once, the model in all seats that have no script."""
        key = frozenset(scripts.items())
        if key not in self._played:
            models = ", ".join(agent for agent in self.agents if agent not in scripts) or "scripts"
            collector = Collector(self.make_env, self.team, num_envs=self.num_envs, scripts=scripts)
            batch = collector.collect(
                self.tasks, self.sampling, lambda done: self.status(f"{models}: {done}/{len(self.tasks)}")
            )
            self._played[key] = batch.rollouts
        return self._played[key]

    def company(self, agent: str) -> dict[str, Script]:
        """Scripts for the others: the reference if silence of this agent costs them something, else none."""
        perfect: dict[str, Script] = dict.fromkeys(self.agents, reference)
        if not self._has_reference or self._mean(agent, {**perfect, agent: silence}) >= self._mean(agent, perfect):
            return {}
        del perfect[agent]
        return perfect

    def row(self, name: str, subjects: Sequence[str], company: Mapping[str, Script], num_examples: int) -> ProbeRow:
        """What the text of `subjects` earns in this company."""
        rollouts = self.play(company)
        replies_by_rollout = [list(self._replies(rollout, subjects)) for rollout in rollouts]
        replies = [reply for own in replies_by_rollout for reply in own]
        graded = [reply.gradable for reply in replies if reply.gradable is not None]
        scripted = [{**company, **dict.fromkeys(subjects, script)} for script in (silence, reference)]
        return ProbeRow(
            name=name,
            others=None if len(subjects) == len(self.agents) else "perfect" if company else "untrained",
            success=over_instances(rollouts, lambda rollout: self._success(name, rollout)),
            silent=None if self._env is None else self._mean(name, scripted[0]),
            perfect=self._mean(name, scripted[1]) if self._has_reference else None,
            num_replies=len(replies),
            gradable=_mean_or_none(graded),
            empty=_mean_or_none(not reply.text.strip() for reply in replies),
            cut=_mean_or_none(reply.is_cut for reply in replies),
            tokens=_mean_or_none(reply.num_tokens for reply in replies),
            examples=tuple([own[0] for own in replies_by_rollout if own][:num_examples]),
        )

    def _mean(self, name: str, scripts: Mapping[str, Script]) -> float:
        return over_instances(self.play(scripts), lambda rollout: self._success(name, rollout)).mean

    def _success(self, name: str, rollout: Rollout) -> float:
        """Of an agent, or of the team: its return on the scale of the reward range, if there is one."""
        paid = rollout.team_return if name == TEAM else rollout.returns[name]
        if self.bounds is None:
            return paid
        low, high = self.bounds
        return (paid - low) / (high - low)

    def _replies(self, rollout: Rollout, subjects: Sequence[str]) -> Iterator[ProbedReply]:
        for turn, gradable in zip(rollout.turns, self._verdicts(rollout), strict=True):
            if turn.agent in subjects:
                yield ProbedReply(
                    agent=turn.agent,
                    observation=turn.observation,
                    text=turn.text,
                    gradable=gradable,
                    is_cut=self._is_cut(turn),
                    num_tokens=len(turn.action_ids),
                    success=self._success(turn.agent, rollout),
                )

    def _is_cut(self, turn: Turn) -> bool:
        """Whether a reply has not come to its end: its bound on tokens or characters did."""
        base = self.team.base_of(turn.agent)
        stop = of_role(self.sampling.stop_by_role, turn.agent, "")
        has_stopped = bool(stop) and stop in base.tokenizer.decode(turn.action_ids)
        return base.encoder.end_ids.isdisjoint(turn.action_ids[-1:]) and not has_stopped

    def _verdicts(self, rollout: Rollout) -> list[bool | None]:
        """What the environment says of the form of each turn's text: the same actions once more, asked as they come."""
        env = self._env
        if env is None:
            return [None] * len(rollout.turns)
        options = None if rollout.level is None else {"level": rollout.level}
        env.reset(seed=rollout.seed, options=options, measurements=rollout.measurements)
        verdicts = []
        for turn in rollout.turns:
            env.select(turn.agent)
            verdicts.append(env.gradable(turn.agent, turn.text))
            env.step(turn.text)
        return verdicts


def _mean_or_none(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None
