"""PettingZoo's own tests, over everything that is registered and over environments that are hard on purpose.

1. api_test, seed_test, render_test, state_test and, through PettingZoo's conversion, parallel_api_test pass.
2. The loop of PettingZoo's README plays an episode to its end, and its rewards are the returns.
3. PettingZoo's stock wrappers change nothing.
4. A pickled environment goes on where it stood.
"""

import pickle
import re
from functools import partial

import pettingzoo
import pytest
from pettingzoo.test import api_test, parallel_api_test, render_test, seed_test
from pettingzoo.test.state_test import state_test
from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

import marft_envs
from tests.envs.conftest import SMALL, returns, written

pytestmark = pytest.mark.filterwarnings(
    # PettingZoo's tests wish for arrays; text is none.
    "ignore:Observation is not a NumPy array",
    "ignore:Observation space for each agent probably should be",
    "ignore:Action space for each agent probably should be",
    "ignore:State is not NumPy array",
    "ignore:State space for each environment probably should be",
)


@pytest.fixture(params=[*marft_envs.registered_ids(), *SMALL])
def make(request, small_ids):
    """Makes the environment as somebody does who only knows PettingZoo."""
    return partial(pettingzoo.make, "aec", request.param)


def test_it_passes_api_test(make):
    api_test(make(), num_cycles=50)


def test_it_passes_api_test_under_pettingzoos_order_enforcing_wrapper(make):
    api_test(OrderEnforcingWrapper(make()), num_cycles=20)


def test_it_passes_seed_test(make):
    seed_test(make, num_cycles=50)


def test_it_passes_render_test_and_prints_what_it_renders(make, capsys):
    render_test(make)
    assert re.search(r"^── (round 1 of \d+|0 s) ──$", capsys.readouterr().out, re.MULTILINE)


def test_it_passes_state_test(make):
    state_test(make(), turn_based_aec_to_parallel(make()), num_cycles=5)


def test_it_passes_parallel_api_test_when_converted(make):
    parallel_api_test(turn_based_aec_to_parallel(make()), num_cycles=50)


def test_the_conversion_for_fixed_cycles_is_refused(make):
    with pytest.raises(AssertionError, match="is_parallelizable"):
        aec_to_parallel(make())


def test_the_loop_of_pettingzoos_readme_plays_it_and_collects_the_returns(make):
    env = make()
    env.reset(seed=42)
    for agent in env.possible_agents:
        env.action_space(agent).seed(0)
    collected = dict.fromkeys(env.possible_agents, 0.0)
    for agent in env.agent_iter():
        observation, reward, termination, truncation, info = env.last()
        assert observation in env.observation_space(agent)
        assert info["shortened"] == 0
        collected[agent] += reward
        env.step(None if termination or truncation else env.action_space(agent).sample())
    env.close()
    assert env.agents == []
    assert collected == pytest.approx(returns(env))


def test_agent_iter_stops_after_as_many_steps_as_asked_for(make):
    env = make()
    env.reset(seed=0)
    stepped = []
    for agent in env.agent_iter(max_iter=2):
        stepped.append(agent)
        env.step(None if env.terminations[agent] or env.truncations[agent] else "")
    assert len(stepped) == 2
    assert list(env.agent_iter(max_iter=0)) == []


def test_pickled_at_any_step_it_goes_on_where_it_stood(make):
    env = make()
    env.reset(seed=5)
    while env.ready:
        copied = pickle.loads(pickle.dumps(env))
        assert (copied.state(), copied.ready, copied.agent_selection) == (env.state(), env.ready, env.agent_selection)
        while copied.ready:
            copied.step(written(copied.agent_selection, copied.messages(copied.agent_selection)))
        env.step(written(env.agent_selection, env.messages(env.agent_selection)))
    assert copied.episode() == env.episode()
    assert copied.render() == env.render()


def test_before_the_first_reset_it_can_be_pickled_too(make):
    copied = pickle.loads(pickle.dumps(make()))
    copied.reset(seed=1)
    env = make()
    env.reset(seed=1)
    assert copied.state() == env.state()
