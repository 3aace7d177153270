"""The grader of `choices`: what learners without language choose from."""

import random
from collections.abc import Sequence
from functools import partial
from itertools import product
from statistics import fmean

from marft_envs.check.grader import NotApplicable, Violation, grader
from marft_envs.check.subject import Style, Subject, at, noise, play_out, silent, turns_of
from marft_envs.check.traces import shortened
from marft_envs.flex_mg import FlexMG
from marft_envs.hooks import Hooks

NUM_SEEDS = 3
"""Each is played twice for every agent: its own words stay the same, and the others' do not."""
NUM_BLIND_EPISODES = 30
PLACES = (0, 1, -1)
"""What is taken blindly, by everybody."""
MARGIN = 0.3
"""Share of the reward range by which blind play may exceed the silent one, for there are few episodes."""


@grader(
    "choices are the agent's own",
    why="a list that knows what its agent does not gives the answer away, and what is learnt from it shows nothing",
    fix="let choices follow from what the agent was told and wrote, in an order that follows from that; see the hook",
)
def choices_are_own(subject: Subject) -> None:
    """An agent has as many texts at every turn, and the same where it was told and wrote the same; no place is best."""
    if type(subject.make()).choices is Hooks.choices:
        raise NotApplicable("there are no choices")
    offered = [level for level in subject.levels() if _are_offered(subject, level)]
    if not offered:
        raise NotApplicable("there are no choices at any of these levels")
    for level in offered:
        _require_own(subject, level)
        _require_blind_places(subject, level)


def _are_offered(subject: Subject, level: str | None) -> bool:
    """Whether an agent has choices at a level; it is the same for all of them."""
    env = subject.make(**at(level))
    offered: dict[str, bool] = {}
    for seed in subject.seeds:
        env.reset(seed=seed)
        for agent in turns_of(env):
            try:
                env.choices(agent)
                offered[agent] = True
            except NotImplementedError:
                offered[agent] = False
            env.step(noise(env, agent))
    if len({*offered.values()}) > 1:
        without = [agent for agent, has in offered.items() if not has]
        raise Violation(f"level {level}: {', '.join(without)} have no choices, and the others have some")
    return any(offered.values())


def _require_own(subject: Subject, level: str | None) -> None:
    """Lists have one length, and where an agent was told and wrote the same, it has the same."""
    env = subject.make(**at(level))
    counts: dict[str, int] = {}
    offered: dict[tuple[str, str], tuple[list[str], int]] = {}
    for same, seed, others_choose in product(env.possible_agents, range(NUM_SEEDS), (True, False)):
        env.reset(seed=seed)
        drawn = random.Random(seed)
        for agent in turns_of(env):
            texts = env.choices(agent)
            where = f"level {level}, seed {seed}: {agent}"
            _require_texts(where, texts, env.choices(agent))
            before = counts.setdefault(agent, len(texts))
            if before != len(texts):
                raise Violation(f"{where} chooses from {len(texts)} texts, and from {before} before")
            seen, other = offered.setdefault((agent, _told(env, agent)), ([*texts], seed))
            if seen != [*texts]:
                one, two = next(pair for pair in zip(seen, texts, strict=True) if pair[0] != pair[1])
                raise Violation(
                    f"level {level}, seeds {other} and {seed}: {agent} was told and wrote the same, and where one list "
                    f"has {shortened(one)}, the other has {shortened(two)}; so it knows more than its agent"
                )
            text = drawn.choice(texts) if others_choose else noise(env, agent)
            env.step(texts[0] if agent == same else text)


def _require_blind_places(subject: Subject, level: str | None) -> None:
    """Whoever takes the same place at every turn earns about as much as a team that does not talk, at most."""
    env = subject.make(**at(level))
    low, high = env.reward_range
    bound = high - MARGIN * (high - low)
    if type(env).silent_action is not Hooks.silent_action:
        bound = _mean(env, silent) + MARGIN * (high - low)
    for place in PLACES:
        earned = _mean(env, partial(_taking, place))
        if earned > bound:
            raise Violation(
                f"level {level}: who takes the text at place {place} at every turn earns {earned:.3f} on average of "
                f"{NUM_BLIND_EPISODES} episodes, and {bound:.3f} is what it may be; so the place gives the answer away"
            )


def _taking(place: int, env: FlexMG, agent: str) -> str:
    texts = env.choices(agent)
    return texts[place if place < 0 else place % len(texts)]


def _mean(env: FlexMG, style: Style) -> float:
    return fmean(fmean(play_out(env, style, seed).returns.values()) for seed in range(NUM_BLIND_EPISODES))


def _require_texts(where: str, texts: Sequence[str], again: Sequence[str]) -> None:
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) for text in texts):
        raise Violation(f"{where} chooses from {shortened(str(texts))}, which is no list of texts")
    if [*texts] != [*again]:
        raise Violation(f"{where} chooses from other texts when asked twice")


def _told(env: FlexMG, agent: str) -> str:
    """What the agent was told and wrote, without what others said."""
    return repr([message["content"] for message in env.messages(agent) if "name" not in message])
