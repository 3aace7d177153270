"""Everything that can be seen of an episode, step by step, and the first place where two of them differ."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from marft_envs.check.grader import Violation
from marft_envs.check.subject import Style, turns_of
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Episode

_MOST_SHOWN = 40


@dataclass(frozen=True)
class Moment:
    """What can be seen between two steps."""

    selected: str
    ready: tuple[str, ...]
    texts: dict[str, str]
    messages: dict[str, list[object]]
    state: str
    rewards: dict[str, float]
    infos: dict[str, dict[str, object]]
    ends: tuple[bool, bool]
    num_rounds: int


def moment(env: FlexMG) -> Moment:
    """What can be seen now."""
    agents = env.possible_agents
    return Moment(
        selected=env.agent_selection,
        ready=env.ready,
        texts={agent: env.observe(agent)["text"] for agent in agents},
        messages={agent: list(env.messages(agent)) for agent in agents},
        state=env.state(),
        rewards=dict(env.rewards),
        infos={agent: dict(info) for agent, info in env.infos.items()},
        ends=(env.terminated, env.truncated),
        num_rounds=env.num_rounds,
    )


@dataclass(frozen=True)
class Trace:
    """All moments of an episode, and the episode."""

    moments: tuple[Moment, ...]
    episode: Episode


class Recorder:
    """Keeps what can be seen of an environment while somebody else steps it."""

    def __init__(self, env: FlexMG) -> None:
        self.env = env
        self.moments = [moment(env)]

    def step(self, action: str) -> None:
        """A step, and what can be seen after it."""
        self.env.step(action)
        self.moments.append(moment(self.env))

    def trace(self) -> Trace:
        """All of it."""
        return Trace(tuple(self.moments), self.env.episode())


def trace(env: FlexMG, style: Style, *, seed: int | None = None) -> Trace:
    """Plays and looks at everything; without a seed, goes on with the episode that is being played."""
    if seed is not None:
        env.reset(seed=seed)
    recorder = Recorder(env)
    for agent in turns_of(env):
        recorder.step(style(env, agent))
    return recorder.trace()


def commits(whole: Trace) -> Trace:
    """What could be seen after each commit: the same in whatever order ready agents were stepped."""
    shown = [whole.moments[0]]
    for now in whole.moments:
        if now.num_rounds > shown[-1].num_rounds:
            shown.append(now)
    return Trace(tuple(shown), whole.episode)


@dataclass(frozen=True)
class Told:
    """What agents were told in an episode on the clock, where the moments between steps depend on their order."""

    openings: dict[str, list[str]]
    """What each agent could read in each turn that is logged."""
    ends: dict[str, str]
    """What each could read in the end."""
    state: str
    episode: Episode


def told_again(env: FlexMG, episode: Episode, order: Callable[[tuple[str, ...]], Sequence[str]]) -> Told:
    """Plays the same actions; `order` says which of those who are ready act next, and in which order."""
    env.reset(seed=episode.seed, options=dict(episode.reset_options))
    left = {
        agent: [turn.action for turn in episode.turns if turn.agent == agent]
        + [cut.action for cut in episode.cuts if cut.agent == agent and cut.action is not None]
        for agent in env.possible_agents
    }
    openings: dict[str, list[str]] = {agent: [] for agent in env.possible_agents}
    while env.ready:
        for agent in order(env.ready):
            if agent in env.ready:
                openings[agent].append(env.observe(agent)["text"])
                env.select(agent)
                env.step(left[agent].pop(0) if left[agent] else "of no account")
    again = env.episode()
    counts = Counter(turn.agent for turn in again.turns)
    return Told(
        openings={agent: texts[: counts[agent]] for agent, texts in openings.items()},
        ends={agent: env.observe(agent)["text"] for agent in env.possible_agents},
        state=env.state(),
        episode=again,
    )


def require_equal_told(one: Told, other: Told, what: str) -> None:
    """Raises: Violation that begins with `what` and names the first difference."""
    for name in ("openings", "ends", "state"):
        _require(getattr(one, name), getattr(other, name), f"{what}: {name}")
    require_equal_episodes(one.episode, other.episode, what)


def rest(whole: Trace, num_steps: int) -> Trace:
    """What is left of it after so many steps."""
    return Trace(whole.moments[num_steps:], whole.episode)


def require_equal(one: Trace, other: Trace, what: str) -> None:
    """Raises: Violation that begins with `what` and names the first difference."""
    for step, (left, right) in enumerate(zip(one.moments, other.moments, strict=False)):
        for name in Moment.__dataclass_fields__:
            _require(getattr(left, name), getattr(right, name), f"{what}: {name} after {step} steps")
    _require(len(one.moments), len(other.moments), f"{what}: number of steps")
    require_equal_episodes(one.episode, other.episode, what)


def require_equal_episodes(one: Episode, other: Episode, what: str) -> None:
    """Raises: Violation that begins with `what` and names the first difference; options are not compared."""
    for name in Episode.__dataclass_fields__:
        if name not in ("options", "env_id"):
            _require(getattr(one, name), getattr(other, name), f"{what}: {name} of the episode")


def _require(left: object, right: object, where: str) -> None:
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        for key in left:
            _require(left[key], right[key], f"{where}, {key}")
    if isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)) and len(left) == len(right):
        for place, (a, b) in enumerate(zip(left, right, strict=True)):
            _require(a, b, f"{where}, item {place}")
    if isinstance(left, str) and isinstance(right, str):
        place = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
        begin = max(place - _MOST_SHOWN // 3, 0)
        left, right = left[begin : begin + _MOST_SHOWN], right[begin : begin + _MOST_SHOWN]
    raise Violation(f"{where}: {shortened(left)} and {shortened(right)}")


def shortened(value: object) -> str:
    """A value as a message can show it."""
    text = repr(value)
    return text if len(text) <= 3 * _MOST_SHOWN else f"{text[: 3 * _MOST_SHOWN]}…"
