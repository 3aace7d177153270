"""Every registered environment, stepped through other libraries: these tests need `make clients`.

What is asserted is the same for all of them: through a client the game is the one that PettingZoo's own loop plays.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import pytest

import marft_envs
from marft_envs import FlexMG
from marft_envs.records import Episode
from tests.envs.conftest import SMALL, small_ids  # noqa: F401  # a fixture is found by its name

SEED = 7
Policy = Callable[[str, str], str]
"""(agent, the text that it observes) -> what it says."""


@pytest.fixture(params=marft_envs.registered_ids())
def suite_id(request: pytest.FixtureRequest) -> str:
    """The id of an environment of the suite, which draws instances and has a reference play."""
    return request.param


@pytest.fixture(params=[*marft_envs.registered_ids(), *SMALL])
def env_id(request: pytest.FixtureRequest) -> str:
    """Also those that are hard on purpose: an order that follows from what is said, rewards per agent, one agent."""
    request.getfixturevalue("small_ids")
    return request.param


@pytest.fixture
def env(env_id: str) -> FlexMG:
    return marft_envs.make(env_id)


@pytest.fixture
def suite_env(suite_id: str) -> FlexMG:
    return marft_envs.make(suite_id)


def written(agent: str, text: str) -> str:
    """Tells by what it says everything that it read; now and then nothing, now and then lines outside ASCII."""
    digest = hashlib.sha256(f"{agent} {text}".encode()).hexdigest()
    return "" if digest[0] in "0123" else f"{agent} {digest[:6]}\nπ ≠ 中文 🙂 «{digest[6:9]}»"


def in_the_loop(env_id: str, seed: int, policy: Policy = written) -> Episode:
    """The same play without any client, in the loop of PettingZoo's README."""
    env = marft_envs.make(env_id)
    env.reset(seed=seed)
    for agent in env.agent_iter():
        observation, _, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else policy(agent, observation["text"]))
    return env.episode()


def assert_is_the_game(episode: Episode, said: Sequence[tuple[str, str]], paid: Mapping[str, float]) -> None:
    """What a client was given to say is what was recorded, what it was paid are the returns, and all is as in the loop.

    `said` has (agent, text) turn by turn, `paid` an agent's sum of the rewards that the client reported.
    """
    assert episode.terminated or episode.truncated
    assert [(turn.agent, turn.action) for turn in episode.turns] == list(said)
    assert dict(paid) == pytest.approx(dict(episode.returns))  # float32 in TorchRL, and sums in another order
    assert episode == in_the_loop(str(episode.env_id), episode.seed)


def assert_is_best(env: FlexMG, paid: Mapping[str, float]) -> None:
    """Everybody was paid the top of the range; where interests differ, the sum is the best there is."""
    best = env.best_welfare()
    if best is None:
        assert dict(paid) == pytest.approx(dict.fromkeys(env.possible_agents, env.reward_range[1]))
    else:
        assert sum(paid.values()) == pytest.approx(best)
