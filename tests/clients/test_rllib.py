"""RLlib steps every registered environment.

1. Through its PettingZooEnv, a MultiAgentEnv, the game is the one that PettingZoo's loop plays.
2. An env runner samples episodes with modules that read and write text.
3. What the README says it cannot do, it still cannot.
"""

from typing import Any, ClassVar

import numpy as np
import pytest
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.rllib.env.wrappers.pettingzoo_env import PettingZooEnv

import marft_envs
from marft_envs import FlexMG
from marft_envs.records import Episode
from tests.clients.conftest import SEED, Policy, assert_is_best, assert_is_the_game, in_the_loop, written

# Every runner registers its environment with Gymnasium under the same name.
pytestmark = pytest.mark.filterwarnings("ignore:.*Overriding environment rllib-multi-agent-env")


def play(env: FlexMG, policy: Policy) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """One episode: what was said, and what everybody was paid."""
    client = PettingZooEnv(env)
    observations, _ = client.reset(seed=SEED)
    said, paid = [], dict.fromkeys(env.possible_agents, 0.0)
    is_over = False
    while not is_over:
        ((agent, observation),) = observations.items()  # whose turn it is, and nobody else
        said.append((agent, policy(agent, observation["text"])))
        observations, rewards, terminateds, truncateds, _ = client.step(dict([said[-1]]))
        for rewarded, reward in rewards.items():
            paid[rewarded] += reward
        is_over = terminateds["__all__"] or truncateds["__all__"]
    assert set(observations) == set(env.possible_agents)  # at the end everybody is told
    return said, paid


def test_what_is_played_through_rllib_is_the_game_itself(env: FlexMG) -> None:
    said, paid = play(env, written)
    assert_is_the_game(env.episode(), said, paid)


def test_a_reference_play_earns_the_best_through_rllib(suite_env: FlexMG) -> None:
    _, paid = play(suite_env, lambda agent, text: suite_env.reference_action(agent))
    assert_is_best(suite_env, paid)


def test_the_seed_alone_decides_what_is_observed_through_rllib(suite_id: str) -> None:
    one, another = PettingZooEnv(marft_envs.make(suite_id)), PettingZooEnv(marft_envs.make(suite_id))
    observed = [str(one.reset(seed=seed)[0]) for seed in range(10)]
    assert [str(another.reset(seed=seed)[0]) for seed in range(10)] == observed
    assert len(set(observed)) > 1


def test_rllib_knows_everybodys_spaces(env: FlexMG) -> None:
    client = PettingZooEnv(env)
    assert set(client.possible_agents) == set(env.possible_agents)
    for agent in env.possible_agents:
        assert client.action_spaces[agent] == env.action_space(agent)
        assert client.observation_spaces[agent] == env.observation_space(agent)


# An env runner


class Speaker(TorchRLModule):
    """Says what `written` says, as the agent that its configuration names."""

    def setup(self) -> None:
        self.agent = self.model_config["agent"]

    def _forward(self, batch: dict[str, Any], **kwargs: object) -> dict[str, Any]:
        texts = [written(self.agent, str(text)) for text in batch[Columns.OBS]["text"]]
        return {Columns.ACTIONS: np.array(texts, dtype=object)}


class Made:
    """Makes the runner's environment and remembers it, so that a test can look at what was recorded."""

    latest: ClassVar[FlexMG]

    def __init__(self, env_id: str) -> None:
        self.env_id = env_id

    def __call__(self, config: object) -> PettingZooEnv:
        Made.latest = marft_envs.make(self.env_id)
        return PettingZooEnv(Made.latest)


def configured(env_id: str, module_class: type[TorchRLModule] | None) -> PPOConfig:
    agents = marft_envs.make(env_id).possible_agents
    specs = {agent: RLModuleSpec(module_class=module_class, model_config={"agent": agent}) for agent in agents}
    config = PPOConfig().environment(Made(env_id)).env_runners(num_env_runners=0).debugging(seed=SEED)
    config.multi_agent(policies=set(agents), policy_mapping_fn=lambda agent, *_, **__: agent)
    if module_class is not None:
        config.rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))
    return config


def paid_since_first_turn(episode: Episode) -> dict[str, float]:
    """By agent that had a turn: the rewards of its first round and all later ones."""
    first_round: dict[str, int] = {}
    for turn in episode.turns:
        first_round.setdefault(turn.agent, turn.round)
    paid = dict.fromkeys(first_round, 0.0)
    for event in episode.reward_events:
        if event.agent in paid and event.round >= first_round[event.agent]:
            paid[event.agent] += event.amount
    return paid


def paid_by_the_runner(sampled: MultiAgentEpisode) -> dict[str, float]:
    return {agent: float(np.sum(rewards)) for agent, rewards in sampled.get_rewards().items()}


def test_an_env_runner_samples_whole_episodes_without_a_cluster(env_id: str) -> None:
    runner = MultiAgentEnvRunner(config=configured(env_id, Speaker))
    for _ in range(5):
        (sampled,) = runner.sample(num_episodes=1)
        episode = Made.latest.episode()
        assert sampled.is_done
        assert episode == in_the_loop(env_id, episode.seed)
        for agent, actions in sampled.get_actions().items():
            assert list(actions) == [turn.action for turn in episode.turns if turn.agent == agent]
        assert paid_by_the_runner(sampled) == pytest.approx(paid_since_first_turn(episode))
    assert not ray.is_initialized()


def test_in_the_suite_an_env_runner_reports_the_returns(suite_id: str) -> None:
    runner = MultiAgentEnvRunner(config=configured(suite_id, Speaker))
    (sampled,) = runner.sample(num_episodes=1)
    assert paid_by_the_runner(sampled) == pytest.approx(dict(Made.latest.episode().returns))


# Limits: where one of these fails, RLlib has learnt something, and the README has a sentence too many.


def test_rllib_still_has_no_encoder_for_text(env_id: str) -> None:
    with pytest.raises(ValueError, match="No default encoder config for obs space"):
        MultiAgentEnvRunner(config=configured(env_id, None))


def test_rllibs_episodes_still_leave_out_what_is_paid_before_an_agents_first_turn(small_ids: object) -> None:
    """`MultiAgentEpisode.add_env_step` keeps it apart, and `_del_hanging` drops it as the episode ends."""
    runner = MultiAgentEnvRunner(config=configured("test/lottery-v0", Speaker))
    missing = []
    for _ in range(20):
        (sampled,) = runner.sample(num_episodes=1)
        returns = Made.latest.episode().returns
        missing += [returns[agent] - paid for agent, paid in paid_by_the_runner(sampled).items()]
    assert any(amount != pytest.approx(0) for amount in missing)
