"""Tianshou steps every registered environment.

1. Through its PettingZooEnv the game is the one that PettingZoo's loop plays.
2. A Collector gathers episodes from several environments at once, into a replay buffer.
3. By numbers (DiscreteChoiceView), Tianshou's own multi-agent policies play.
4. What the README says it cannot do, it still cannot.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from tianshou.algorithm.algorithm_base import Policy as TianshouPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOffPolicyAlgorithm, MultiAgentPolicy
from tianshou.algorithm.random import MARLRandomDiscreteMaskedOffPolicyAlgorithm
from tianshou.data import Batch, Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, PettingZooEnv

import marft_envs
from marft_envs import DiscreteChoiceView, FlexMG
from marft_envs.records import Episode
from tests.clients.conftest import SEED, Policy, assert_is_best, assert_is_the_game, in_the_loop, written

NUMBERS = [str(number) for number in range(20)]


def play(env: FlexMG, policy: Policy) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """One episode: what was said, and what everybody was paid."""
    client = PettingZooEnv(env)
    observation, _ = client.reset(seed=SEED)
    said, paid = [], np.zeros(len(env.possible_agents))
    is_over = False
    while not is_over:
        agent = observation["agent_id"]
        said.append((agent, policy(agent, observation["obs"]["text"])))
        observation, rewards, terminated, truncated, _ = client.step(said[-1][1])
        paid += rewards
        is_over = terminated or truncated
    return said, dict(zip(env.possible_agents, paid, strict=True))


def test_what_is_played_through_tianshou_is_the_game_itself(env: FlexMG) -> None:
    said, paid = play(env, written)
    assert_is_the_game(env.episode(), said, paid)


def test_a_reference_play_earns_the_best_through_tianshou(suite_env: FlexMG) -> None:
    _, paid = play(suite_env, lambda agent, text: suite_env.reference_action(agent))
    assert_is_best(suite_env, paid)


def test_the_seed_alone_decides_what_is_observed_through_tianshou(suite_id: str) -> None:
    one, another = PettingZooEnv(marft_envs.make(suite_id)), PettingZooEnv(marft_envs.make(suite_id))
    observed = [one.reset(seed=seed)[0]["obs"]["text"] for seed in range(10)]
    assert [another.reset(seed=seed)[0]["obs"]["text"] for seed in range(10)] == observed
    assert len(set(observed)) > 1


# A Collector


class Speaker(TianshouPolicy):
    """Says what `policy` says, for every environment of a batch."""

    def __init__(self, policy: Policy, action_space: gymnasium.Space[Any]) -> None:
        super().__init__(action_space=action_space, action_bound_method=None)
        self.policy = policy

    def forward(self, batch: Batch, state: object = None, **kwargs: object) -> Batch:
        turns = zip(batch.obs.agent_id, batch.obs.obs.text, strict=True)
        # dtype=object: an array of NumPy's own text type would drop NUL characters at the end of a text.
        return Batch(act=np.array([self.policy(agent, text) for agent, text in turns], dtype=object))


class Recorder:
    """A vector of environments, and the episodes that were played in it, by environment."""

    def __init__(self, envs: list[FlexMG], wrap: Callable[[FlexMG], Any] = lambda env: env) -> None:
        self.envs = envs
        self.vector = DummyVectorEnv([lambda env=env: PettingZooEnv(wrap(env)) for env in envs])
        self.episodes: list[list[Episode]] = [[] for _ in envs]

    def on_step(self, action_batch: object, rollout_batch: object) -> None:
        """Tianshou calls this after a step, before it resets the environments whose episodes are over."""
        for env, episodes in zip(self.envs, self.episodes, strict=True):
            if env.terminated or env.truncated:
                episodes.append(env.episode())


def collected_returns(policy: Any, recorder: Recorder, buffer: VectorReplayBuffer, num_episodes: int) -> Any:
    """Plays from SEED on; the returns as Tianshou reports them, an array (episodes, agents)."""
    collector = Collector(policy, recorder.vector, buffer, on_step_hook=recorder.on_step, raise_on_nan_in_buffer=False)
    collector.reset(gym_reset_kwargs={"seed": SEED})
    return collector.collect(n_episode=num_episodes).returns


def by_agent(returns: Any, envs: list[FlexMG]) -> Iterator[dict[str, float]]:
    for row in returns:
        yield dict(zip(envs[0].possible_agents, row, strict=True))


@pytest.mark.filterwarnings("ignore:Sequence has shape")  # Tianshou's summary is of numbers; we read the array itself
def test_a_collector_plays_and_keeps_whole_episodes(env_id: str) -> None:
    recorder = Recorder([marft_envs.make(env_id) for _ in range(2)])
    buffer = VectorReplayBuffer(1000, buffer_num=2)
    # The placeholder of a space is what `test_tianshou_still_has_no_policy_for_text` is about.
    returns = collected_returns(Speaker(written, Discrete(1)), recorder, buffer, 4)
    first, second = recorder.episodes
    assert len(first) == len(second) == 2
    assert first[0].seed == SEED != first[1].seed
    for kept, episodes in zip(buffer.buffers, recorder.episodes, strict=True):
        batch, _ = kept.sample(0)  # all of it, in order
        turns = [turn for episode in episodes for turn in episode.turns]
        assert list(zip(batch.obs.agent_id, batch.act, strict=True)) == [(turn.agent, turn.action) for turn in turns]
        for episode in episodes:
            assert episode == in_the_loop(env_id, episode.seed)
    # Both environments play the same from the same seed, so the order in which they end does not matter.
    expected = [dict(episode.returns) for pair in zip(first, second, strict=True) for episode in pair]
    assert list(by_agent(returns, recorder.envs)) == [pytest.approx(row) for row in expected]


@pytest.mark.filterwarnings("ignore:Sequence has shape")  # as above
def test_tianshous_own_policies_play_by_numbers(env_id: str) -> None:
    recorder = Recorder([marft_envs.make(env_id)], lambda env: DiscreteChoiceView(env, NUMBERS))
    client = PettingZooEnv(DiscreteChoiceView(marft_envs.make(env_id), NUMBERS))
    random = [MARLRandomDiscreteMaskedOffPolicyAlgorithm(action_space=client.action_space) for _ in client.agents]
    team = MultiAgentOffPolicyAlgorithm(algorithms=random, env=client)
    buffer = VectorReplayBuffer(1000, buffer_num=1)
    returns = collected_returns(team, recorder, buffer, 3)
    batch, _ = buffer.sample(0)
    turns = [turn for episode in recorder.episodes[0] for turn in episode.turns]
    assert [NUMBERS[number] for number in batch.act] == [turn.action for turn in turns]
    expected = [pytest.approx(dict(episode.returns)) for episode in recorder.episodes[0]]
    assert list(by_agent(returns, recorder.envs)) == expected


# Limits: where one of these fails, Tianshou has learnt something, and the README has a sentence too many.


def test_tianshou_still_has_no_policy_for_text(env: FlexMG) -> None:
    with pytest.raises(ValueError, match="Unsupported action space: LLMText"):
        Speaker(written, env.action_space(env.possible_agents[0]))


def test_tianshous_multi_agent_policy_still_takes_no_observation_without_a_mask(env: FlexMG) -> None:
    client = PettingZooEnv(env)
    observation, _ = client.reset(seed=SEED)
    team = MultiAgentPolicy({agent: Speaker(written, Discrete(1)) for agent in env.possible_agents})
    with pytest.raises(AttributeError, match="obs_next"):
        team(Batch(obs=np.array([observation]), info=Batch()))
