"""Views: the same game behind Gymnasium's interface, with numbers for actions, and in parallel.

1. Each passes the checker of its world.
2. What is played through a view is the game itself: same episode, same rewards.
3. Mistakes are told with the way out.
"""

import warnings

import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from pettingzoo.test.api_test import api_test
from pettingzoo.test.parallel_test import parallel_api_test

import marft_envs
from marft_envs import DiscreteChoiceView, FlexMG, OptionError, SingleAgentView, parallel_view
from marft_envs.errors import TurnError
from tests.envs.conftest import Router
from tests.envs.twins import Parcel

SUMS = "math/reason_act-v0"
IDS = marft_envs.registered_ids()


def says(text: str):
    return lambda agent, messages: text


# Each passes the checker of its world.


def agents_not_cut_at_once(env_id: str, **options: object) -> list[str]:
    """Who acts again or sees the episode end: Gymnasium's checker takes a cut after one step for a mistake."""
    episode = marft_envs.play(marft_envs.make(env_id, **options), says("7"), seed=123)
    turns = [turn.agent for turn in episode.turns]
    return [agent for agent in dict.fromkeys(turns) if turns.count(agent) > 1 or not episode.truncated]


@pytest.mark.parametrize("env_id", IDS)
def test_the_single_agent_view_passes_gymnasiums_checker_for_every_agent(env_id: str) -> None:
    options = {} if agents_not_cut_at_once(env_id) else {"horizon": marft_envs.make(env_id).horizon + 1}
    agents = agents_not_cut_at_once(env_id, **options)
    assert agents
    for agent in agents:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*", category=UserWarning)  # of spaces that are no boxes
            view = SingleAgentView(marft_envs.make(env_id, **options), agent, says("7"))
            gymnasium_check_env(view, skip_render_check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_the_discrete_view_passes_pettingzoos_test(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api_test(DiscreteChoiceView(marft_envs.make(env_id), ["1", "2", "three"]), num_cycles=50)


@pytest.mark.parametrize("env_id", IDS)
def test_the_parallel_view_passes_pettingzoos_test(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel_api_test(parallel_view(marft_envs.make(env_id)), num_cycles=50)


# One agent, and policies for the others.


def test_one_agents_view_plays_the_same_episode_as_the_loop() -> None:
    view = SingleAgentView(marft_envs.make(SUMS, level="one_digit"), "actor_0", says("Add them."))
    view.reset(seed=3)
    rewards = []
    for action in ("0", "1", "2"):
        _, reward, terminated, truncated, _ = view.step(action)
        rewards.append(reward)
        if terminated or truncated:
            break
    env = marft_envs.make(SUMS, level="one_digit")
    answers = iter(("0", "1", "2"))
    expected = marft_envs.play(env, {"reasoner_0": says("Add them."), "actor_0": lambda *_: next(answers)}, seed=3)
    assert view.env.episode() == expected
    assert sum(rewards) == expected.returns["actor_0"]


def test_a_right_answer_ends_it_and_pays() -> None:
    view = SingleAgentView(marft_envs.make(SUMS), "actor_0", {"reasoner_0": says("…")})
    observation, info = view.reset(seed=5)
    assert "…" in observation["text"]
    assert info["shortened"] == 0
    _, reward, terminated, truncated, info = view.step(view.env.reference_action("actor_0"))
    assert (reward, terminated, truncated, info["correct"]) == (1.0, True, False, 1)


def test_what_is_paid_between_two_turns_of_the_agent_belongs_to_the_first() -> None:
    """worker_0 says done in rounds 1 and 3, between which the router acts: 0.5 each time, for worker_0 alone."""
    policies = {"router_0": says("worker_0 worker_1"), "worker_1": says("no"), "worker_2": says("no")}
    view = SingleAgentView(Router(), "worker_0", policies)
    view.reset(seed=0)
    first = view.step("done")
    second = view.step("done")
    assert (first[1], first[2] or first[3]) == (0.5, False)
    assert (second[1], second[3]) == (0.5, True)


def test_an_agent_that_nobody_calls_has_no_game() -> None:
    view = SingleAgentView(Router(), "worker_2", says("worker_0"))
    with pytest.raises(TurnError, match="ended before worker_2 had a turn; reset with another seed"):
        view.reset(seed=0)


@pytest.mark.parametrize(
    ("agent", "policies", "message"),
    [
        ("actor", says(""), "agent is 'actor'; the agents are reasoner_0, actor_0"),
        ("actor_0", {}, "no policy for 'reasoner_0'; give one for each of reasoner_0"),
    ],
)
def test_a_missing_agent_or_policy_is_told(agent: str, policies: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SingleAgentView(marft_envs.make(SUMS), agent, policies)


# Numbers for texts.


def test_a_number_says_its_text() -> None:
    env = DiscreteChoiceView(marft_envs.make(SUMS, level="one_digit"), [str(number) for number in range(19)])
    assert env.action_space("actor_0").n == 19
    env.reset(seed=2)
    env.step(4)
    env.step(int(env.flex_mg.reference_action("actor_0")))
    assert env.flex_mg.turns[0].action == "4"
    assert env.flex_mg.terminated


def test_choices_may_differ_by_agent_or_follow_from_the_game() -> None:
    by_agent = DiscreteChoiceView(Parcel(), {"asker_0": ["a"], "teller_0": ["b", "c"]})
    assert [by_agent.action_space(agent).n for agent in by_agent.possible_agents] == [1, 2]

    def number_or_not(env: FlexMG, agent: str) -> list[str]:
        return ["?", env.number]

    following = DiscreteChoiceView(Parcel(), number_or_not)
    following.reset(seed=1)
    following.step(1)
    following.step(1)
    assert following.flex_mg.episode().returns == {"asker_0": 1.0, "teller_0": 1.0}


def test_a_number_without_a_text_is_refused() -> None:
    env = DiscreteChoiceView(Parcel(), ["a", "b"])
    env.reset(seed=1)
    for number in (2, -1):
        with pytest.raises(OptionError, match=f"action is {number}; asker_0 chooses from 2 texts, 0 to 1"):
            env.step(number)


@pytest.mark.parametrize("choices", [[], {}, {"asker_0": ["a"]}, {"asker_0": ["a"], "teller_0": []}])
def test_an_agent_without_choices_is_refused(choices: object) -> None:
    with pytest.raises(OptionError, match="at least one text"):
        DiscreteChoiceView(Parcel(), choices)
