"""Small environments, made to be tested with: each has one thing that is hard about Flex-MG.

`Scripted` is the plain one: a test hands its hooks over, so that all of it can be read in one place. The others need no
hooks from outside, so they can be registered, pickled and played by anybody.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Unpack

import pettingzoo
import pytest

import marft_envs
from marft_envs import Dependencies, FlexMG, Outcome, Profile
from marft_envs.flex_mg import BaseOptions


def team_of(roles: Iterable[str], **fields: Any) -> tuple[Profile, ...]:
    """A profile per role, all with the same fields; turns take 1000 µs, and 10 µs per character."""
    return tuple(Profile(role, **{"base_us": 1000, "per_char_us": 10, **fields}) for role in roles)


class Scripted(FlexMG):
    """An environment whose hooks are functions of (environment, the hook's own arguments)."""

    metadata: ClassVar = {"name": "scripted_v0"}
    source = "scripted"

    def __init__(
        self,
        roles: str = "ab",
        *,
        horizon: int = 3,
        recall: str = "team",
        hooks: dict[str, Callable[..., Any]] | None = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        base.setdefault("team", team_of(roles))
        super().__init__(horizon=horizon, **base)
        self.recall = recall
        self.hooks = hooks or {}

    def _ask(self, hook: str, *arguments: object) -> Any:
        if hook in self.hooks:
            return self.hooks[hook](self, *arguments)
        return getattr(super(), hook)(*arguments)

    def start(self, rng, options):
        return self._ask("start", rng, options)

    def instance_key(self):
        return self._ask("instance_key")

    def dependencies_for(self, round):
        return self._ask("dependencies_for", round)

    def hidden(self):
        return self._ask("hidden")

    def view(self, agent):
        return self._ask("view", agent)

    def act(self, agent, action):
        return self._ask("act", agent, action)

    def end_round(self):
        return self._ask("end_round")


def scripted(roles: str = "ab", *, horizon: int = 3, recall: str = "team", base: Any = None, **hooks: Any) -> Scripted:
    """A `Scripted` after its reset with seed 0; hooks that are no functions answer with what they are."""
    functions = {name: hook if callable(hook) else _always(hook) for name, hook in hooks.items()}
    env = Scripted(roles, horizon=horizon, recall=recall, hooks=functions, **(base or {}))
    env.reset(seed=0)
    return env


def _always(answer: object) -> Callable[..., object]:
    return lambda *_: answer


class Router(FlexMG):
    """D follows from what an agent wrote: the router calls workers, and those whom it named act, in a chain.

    In even rounds the router acts alone. In odd rounds those workers act whom it named, first named first; all of them
    together if it named nobody. Whoever writes "done" gets 0.5, and only the router is told how many did.
    """

    metadata: ClassVar = {"name": "router_v0"}
    reward_range = (0.0, 1.0)

    def __init__(self, *, horizon: int = 4, **base: Unpack[BaseOptions]) -> None:
        base.setdefault("team", team_of(["router", "worker", "worker", "worker"]))
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.called = ()
        self.num_done = 0

    def dependencies_for(self, round):
        if round % 2 == 0:
            return Dependencies(["router_0"])
        if not self.called:
            return Dependencies.together([agent for agent in self.profiles if agent != "router_0"])
        return Dependencies.chain(self.called)

    def view(self, agent):
        return f"Round {self.round}: whom do you call?" if agent == "router_0" else f"You are {agent}."

    def act(self, agent, action):
        if agent == "router_0":
            named = {worker: action.find(worker) for worker in self.profiles if worker in action}
            self.called = tuple(sorted(named, key=named.get))
            return None
        done = action == "done"
        self.num_done += done
        return Outcome(rewards={agent: 0.5 * done}, info={"done": self.num_done})

    def end_round(self):
        if self.round % 2 == 0:
            return None
        return Outcome(feedback={"router_0": f"{self.num_done} done so far."}, terminated=self.num_done >= 3)


class Secrets(FlexMG):
    """Everybody is told something that nobody else may ever read, in its view and in its feedback.

    All secrets are words like `view-b_0-1;` (kind, owner, round), so that a search finds them.
    """

    metadata: ClassVar = {"name": "secrets_v0"}

    def __init__(self, *, horizon: int = 3, shape: str = "chain", recall: str = "parents", **base: Unpack[BaseOptions]):
        base.setdefault("team", team_of("abc", system="Keep your secrets."))
        super().__init__(horizon=horizon, **base)
        self.shape = shape
        self.recall = recall

    def dependencies_for(self, round):
        return getattr(Dependencies, self.shape)(self.possible_agents)

    def hidden(self):
        return f"hidden-nobody-{self.round};"

    def view(self, agent):
        return f"view-{agent}-{self.round};"

    def act(self, agent, action):
        return Outcome(rewards={agent: 1.0}, feedback={agent: f"feedback-{agent}-{self.round};"})


class Lottery(FlexMG):
    """Everything is drawn: who acts in a round, the DAG, views, rewards, feedback, whether it is over.

    All hooks draw from the same generator, so a hook that came in another order would change all that follows.
    """

    metadata: ClassVar = {"name": "lottery_v0"}

    def __init__(self, *, horizon: int = 4, num_agents: int = 4, recall: str = "team", **base: Unpack[BaseOptions]):
        base.setdefault("team", tuple(Profile("p", base_us=1 + 7 * k, per_char_us=k) for k in range(num_agents)))
        super().__init__(horizon=horizon, **base)
        self.recall = recall

    def start(self, rng, options):
        self.prize = int(rng.integers(1, 100))

    def dependencies_for(self, round):
        order = [str(agent) for agent in self.rng.permutation(self.possible_agents)]
        acting = order[: int(self.rng.integers(1, len(order) + 1))]
        edges = [(i, j) for place, j in enumerate(acting) for i in acting[:place] if self.rng.random() < 0.5]
        return Dependencies([agent for agent in self.possible_agents if agent in acting], edges)

    def hidden(self):
        return str(self.rng.integers(10))

    def view(self, agent):
        return f"{agent} drew {self.rng.integers(100)}" if self.rng.random() < 0.7 else ""

    def act(self, agent, action):
        paid = int(self.rng.integers(-2, 3))
        rewards = {agent: paid / 4} if self.rng.random() < 0.5 else paid / 4
        told = f"{agent} wrote {len(action)} characters, drew {paid}" if self.rng.random() < 0.5 else None
        return Outcome(rewards=rewards, feedback=told, info={"prize": self.prize + paid})

    def end_round(self):
        lucky = str(self.rng.choice(self.possible_agents))
        return Outcome(
            rewards={lucky: 0.25}, feedback={lucky: "You were lucky."}, terminated=bool(self.rng.random() < 0.1)
        )


class Solo(FlexMG):
    """One agent, one round."""

    metadata: ClassVar = {"name": "solo_v0"}

    def __init__(self, *, horizon: int = 1, **base: Unpack[BaseOptions]) -> None:
        base.setdefault("team", team_of(["solo"]))
        super().__init__(horizon=horizon, **base)

    def view(self, agent):
        return "Say something."

    def act(self, agent, action):
        return Outcome(rewards=len(action) / 100, feedback="Thank you.")


SMALL = {"test/router-v0": Router, "test/secrets-v0": Secrets, "test/lottery-v0": Lottery, "test/solo-v0": Solo}
"""Those that can be registered, with the ids that the tests give them."""


@contextmanager
def registered(env_id: str, entry_point: str | type[FlexMG]) -> Iterator[str]:
    """An environment under an id for a while; the registries are as before after it."""
    specs = sys.modules["marft_envs.registry"]._specs
    ours, theirs = dict(specs), dict(pettingzoo.aec_registry)
    marft_envs.register(env_id, entry_point)
    try:
        yield env_id
    finally:
        for registry, before in ((specs, ours), (pettingzoo.aec_registry, theirs)):
            registry.clear()
            registry.update(before)


@pytest.fixture
def small_ids() -> Iterator[tuple[str, ...]]:
    """Registers the small environments for the length of a test."""
    with ExitStack() as stack:
        yield tuple([stack.enter_context(registered(env_id, environment)) for env_id, environment in SMALL.items()])


def written(agent: str, messages: list[marft_envs.Message]) -> str:
    """A policy that tells by its text everything that it read: another message, another reply."""
    digest = hashlib.sha256(repr((agent, messages)).encode()).hexdigest()
    return f"{agent} {digest[: 3 + len(messages) % 7]}"


def text(env: FlexMG, agent: str) -> str:
    """An agent's observation, as flat text."""
    return env.observe(agent)["text"]


def say(env: FlexMG, *actions: str) -> None:
    """Submits actions in the order in which the environment asks for them."""
    for action in actions:
        env.step(action)


def returns(env: FlexMG) -> dict[str, float]:
    """What everybody got so far, by the reward events."""
    totals = dict.fromkeys(env.possible_agents, 0.0)
    for event in env.reward_events:
        totals[event.agent] += event.amount
    return totals


def said(env: FlexMG, *actions: str) -> list[str]:
    """Who wrote these actions, in the order of the turns."""
    agents = []
    for action in actions:
        agents.append(env.agent_selection)
        env.step(action)
    return agents


Env = TypeVar("Env", bound=FlexMG)


def run(env: Env, plans: Mapping[str, Sequence[str]]) -> Env:
    """Everybody does what is planned for it, and then waits, until the end or until all plans are done with."""
    left = {agent: list(plan) for agent, plan in plans.items()}
    while env.ready and any(left.values()):
        agent = env.agent_selection
        env.step(left[agent].pop(0) if left.get(agent) else "wait")
    return env


def to_the_end(env: Env) -> Env:
    """Everybody waits until it is over."""
    while env.ready:
        env.step("wait")
    return env


@pytest.fixture
def one_task(tmp_path: Path) -> Path:
    """Data with one question."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"question": "What is half of 13?", "answer": "13/2"}), encoding="utf-8")
    return path
