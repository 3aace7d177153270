"""What a finished episode arrived at, over everything that is registered, and what all agents together know.

1. Perfect plays of an instance have one answer, whatever way they are written in.
2. A play that went wrong has another answer, or none; what was wrong was wrong by the environment's own report.
3. The answer follows from what was said: it is the same whatever the solution is.
4. What all know together is the state without what is hidden.
"""

from collections.abc import Callable

import pytest

import marft_envs
from marft_envs import FlexMG, Outcome, Profile
from marft_envs.check.subject import noise
from marft_envs.errors import TurnError
from marft_envs.hooks import Hooks
from tests.envs.conftest import scripted

OURS = marft_envs.registered_ids()
NO_VOTE = {"collab/commons-v0", "collab/kitchen-v0", "collab/search_party-v0"}
"""Agents act there in a world that goes on: there is no single thing that an episode arrives at."""
VOTED = [env_id for env_id in OURS if env_id not in NO_VOTE]
RIGHT = {"budget": "deal", "dispatch": "answered", "maze_guide": "reached", "meeting": "met", "trip": "booked"}
"""By the environment's name: what it reports as 1 where everything is right, if that is not `correct` or `solved`."""
SEEDS = range(6)
Writes = Callable[[FlexMG, str], str]


def made(env_id: str, **options: object) -> FlexMG:
    env = marft_envs.make(env_id, **options)
    assert isinstance(env, FlexMG)
    return env


def played(env: FlexMG, writes: Writes, seed: int) -> str | None:
    marft_envs.play(env, lambda agent, messages: writes(env, agent), seed=seed)
    return env.answer()


def is_right(env_id: str, env: FlexMG) -> bool:
    name = RIGHT.get(env_id.partition("/")[2].rpartition("-v")[0], "solved" if "coding/" in env_id else "correct")
    return env.info.get(name, 0) == 1


def reference(env: FlexMG, agent: str) -> str:
    return env.reference_action(agent)


def silent(env: FlexMG, agent: str) -> str:
    return env.silent_action(agent)


def garrulous(env: FlexMG, agent: str) -> str:
    """The reference, after some words and with another layout."""
    action = env.reference_action(agent)
    if env.spec is not None and env.spec.id.startswith("coding/") and "def " in action:
        return f"Here it is.\n```python\n# a program\n{action.replace(' = ', '  =  ')}\n\n```"
    if env.spec is not None and env.spec.id == "math/reason_act-v0":
        return f"Let us see.\nThe answer is {action}" if env.profiles[agent].answers else action
    return f"Let us see.\n{action}"


def wrong(env: FlexMG, agent: str) -> str:
    """Something of the right form that is not right."""
    assert env.spec is not None
    if env.spec.id.startswith("coding/"):
        return "def f(*given):\n    return 'no'" if "def " in env.reference_action(agent) else "accept"
    number = "\\boxed{-123456789}" if env.spec.id != "math/reason_act-v0" else "-123456789"
    if env.profiles[agent].answers or env.spec.id == "math/debate-v0":
        return number
    return "accept" if env.has_acted("solver_0") else env.reference_action(agent)


@pytest.mark.parametrize("env_id", VOTED)
def test_perfect_plays_have_one_answer_however_they_are_written(env_id: str) -> None:
    one, other = made(env_id), made(env_id)
    for level in one.levels:
        one, other = made(env_id, level=level), made(env_id, level=level)
        for seed in SEEDS[:2] if env_id.startswith("coding/") else SEEDS:
            answer = played(one, reference, seed)
            assert answer
            assert is_right(env_id, one)
            if env_id != "collab/trip-v0" and "budget" not in env_id:  # there the last line alone is what is done
                assert played(other, garrulous, seed) == answer


@pytest.mark.parametrize("env_id", [env_id for env_id in VOTED if not env_id.startswith("collab/")])
def test_a_wrong_result_is_another_answer(env_id: str) -> None:
    env = made(env_id)
    for seed in SEEDS[:3]:
        right = played(env, reference, seed)
        answer = played(env, wrong, seed)
        assert answer is not None
        assert answer != right
        assert not is_right(env_id, env)


@pytest.mark.parametrize("env_id", [env_id for env_id in VOTED if env_id.startswith("collab/")])
def test_a_team_that_does_not_talk_and_is_wrong_has_another_answer_or_none(env_id: str) -> None:
    differs = 0
    for level in made(env_id).levels:
        env = made(env_id, level=level)
        for seed in range(20):
            right, answer = played(env, reference, seed), played(env, silent, seed)
            assert (answer == right) <= is_right(env_id, env)
            differs += answer is not None and answer != right
    assert differs, "it is a wrong answer at least once, not only none"


@pytest.mark.parametrize("env_id", VOTED)
def test_noise_that_has_an_equal_answer_is_right(env_id: str) -> None:
    env = made(env_id)
    for seed in SEEDS[:2] if env_id.startswith("coding/") else SEEDS:
        right, answer = played(env, reference, seed), played(env, noise, seed)
        assert answer != right or is_right(env_id, env)


@pytest.mark.parametrize("env_id", sorted(NO_VOTE))
def test_where_agents_act_in_a_world_that_goes_on_nothing_is_put_to_a_vote(env_id: str) -> None:
    env = made(env_id)
    assert played(env, reference, 0) is None
    assert type(env).answer is Hooks.answer


def test_the_answer_is_the_same_whatever_the_solution_is() -> None:
    env = made("collab/sum_relay-v0")
    env.reset(seed=0)
    env.step("5")
    env.total = 7  # what it is compared with, and nobody is told
    env.step("The answer is 1,234")
    assert env.answer() == "1234"
    other = made("math/pipeline-v0")
    other.reset(seed=0)
    while other.ready:
        other.step("\\boxed{\\frac{10}{4}}" if other.agent_selection == "actor_0" else "Hm.")
    assert other.answer() == "5/2, to be worked out"


def test_without_a_hook_there_is_nothing_to_vote_on() -> None:
    env = scripted("ab", horizon=1)
    for _ in range(2):
        env.step("42")
    assert env.answer() is None


def test_the_last_words_are_those_of_the_latest_committed_turn() -> None:
    env = scripted("ab", horizon=2)
    assert env.last_words("a_0") is None
    env.step("one")
    assert env.last_words("a_0") is None  # the round is not committed
    for text in ("two", "three"):
        env.step(text)
    assert (env.last_words("a_0"), env.last_words("b_0")) == ("one", "two")


def test_a_solver_whose_answer_is_not_accepted_has_arrived_at_nothing() -> None:
    env = made("math/solve_verify-v0", horizon=2)
    assert played(env, lambda env, agent: "\\boxed{9}" if agent == "solver_0" else "wrong", 0) is None
    assert played(env, lambda env, agent: "\\boxed{9}" if agent == "solver_0" else "accept", 0) == "9"


def test_programs_that_differ_in_layout_comments_and_docstrings_are_one_answer() -> None:
    env = made("coding/write_repair-v0", horizon=1)
    plain = "def f(n):\n    return (n + 1) * 2"
    for text in (
        plain,
        f"```python\n{plain}\n```",
        'def f( n ):  # doubles\n  """The next, doubled."""\n  return (n+1)*2',
    ):
        assert played(env, lambda env, agent, text=text: text, 0) == plain
    assert played(env, lambda env, agent: plain.replace("n", "m"), 0) != plain
    assert played(env, lambda env, agent: "def f(n:", 0) is None
    assert played(env, lambda env, agent: "def f(n): return " + "-" * 3000 + "n", 0) is None


def test_two_who_answer_have_a_joint_answer_in_which_nobody_can_be_mistaken() -> None:
    team = (Profile("actor", answers=True), Profile("actor", answers=True))
    env = made("math/pipeline-v0", team=team, horizon=1)
    said = {"actor_0": "The answer is 12", "actor_1": "I would rather not say anything at all about this."}
    assert played(env, lambda env, agent: said[agent], 0) == '["12", null]'
    said["actor_0"] = 'The answer is "12", null'
    assert played(env, lambda env, agent: said[agent], 0) not in ('["12", null]', '["12", null, null]')
    said["actor_0"] = said["actor_1"]
    assert played(env, lambda env, agent: said[agent], 0) is None


# ---- What all know together


@pytest.mark.parametrize("env_id", OURS)
def test_the_joint_observation_is_the_state_where_nothing_is_hidden(env_id: str) -> None:
    for seed in SEEDS[:1] if env_id.startswith("coding/") else SEEDS:
        env = made(env_id)
        env.hidden = lambda: ""  # type: ignore[method-assign]
        env.reset(seed=seed)
        assert env.joint_observation() == env.state()
        while env.ready:
            env.step(noise(env, env.agent_selection))
            assert env.joint_observation() == env.state()


def test_the_joint_observation_has_every_view_and_every_word_and_not_what_is_hidden() -> None:
    env = scripted(
        "ab", horizon=2, view=lambda env, agent: f"You are {agent}, round {env.round}.", hidden="the solution",
        end_round=lambda env: Outcome(feedback="judge: no"),
    )  # fmt: skip
    env.step("I say.")
    assert env.joint_observation() == (
        "round 1\n\nto a_0:\nYou are a_0, round 0.\n\nto b_0:\nYou are b_0, round 0.\n\na_0:\n> I say."
    )
    assert "hidden:\nthe solution" in env.state()
    env.step("So do I.")
    assert env.joint_observation().endswith(
        "b_0:\n> So do I.\n\nto everybody:\njudge: no\n\n"
        "round 2\n\nto a_0:\nYou are a_0, round 1.\n\nto b_0:\nYou are b_0, round 1."
    )


def test_before_the_first_reset_there_is_nothing_to_know() -> None:
    with pytest.raises(TurnError, match="call reset"):
        made("collab/sum_relay-v0").joint_observation()
