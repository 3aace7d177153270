"""What a person reads: the whole play, once, in order, and safe to print in a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import marft_envs
from marft_envs import Outcome
from marft_envs.math import reason_act
from marft_envs.math.arithmetic import Problem
from tests.envs.conftest import Lottery, Router, say, scripted, team_of, written


@pytest.fixture
def reason_and_act(monkeypatch):
    """A duo with instructions of their own, whose problem is 8 + 6; turns take a second and 20 ms per character."""
    monkeypatch.setattr(reason_act, "draw", lambda level, rng: Problem("8 + 6", 14, "+6+8"))
    team = [
        marft_envs.Profile("reasoner", system="Plan."),
        marft_envs.Profile("actor", system="Answer.", max_action_chars=20, answers=True),
    ]
    env = marft_envs.make("math/reason_act-v0", team=team)
    env.reset(seed=0)
    say(env, "Eight and six:\nmake ten first.", "I believe that it is 13.", "One more than 13.", "14")
    return env


def test_a_whole_episode_of_reason_and_act_as_a_person_reads_it(reason_and_act):
    # 30 characters: 1 + 30 · 0.02 = 1.6 s. 20 of 24 are kept: 1.4 s more, until 3. 17: 1.34, until 4.34. 2: 1.04.
    assert reason_and_act.render() == (
        "── round 1 of 3 ──\n\n"
        "to everybody:\n"
        "What is 8 + 6? Be brief.\n\n"
        "reasoner_0 (0.000 to 1.600 s):\n"
        "> Eight and six:\n"
        "> make ten first.\n\n"
        "actor_0 (1.600 to 3.000 s, 4 characters dropped):\n"
        "> I believe that it is\n\n"
        "to everybody:\n"
        "judge: The answer is incorrect.\n\n"
        "── round 2 of 3 ──\n\n"
        "to everybody:\n"
        "Try again.\n\n"
        "reasoner_0 (3.000 to 4.340 s):\n"
        "> One more than 13.\n\n"
        "actor_0 (4.340 to 5.380 s):\n"
        "> 14\n\n"
        "to everybody:\n"
        "judge: The answer is correct.\n\n"
        "rewards: reasoner_0 +1, actor_0 +1\n\n"
        "── terminated ──"
    )


def test_and_as_its_actor_read_it(reason_and_act):
    assert reason_and_act.observe("actor_0")["text"] == (
        "Answer.\n\n"
        "What is 8 + 6? Be brief.\n\n"
        "reasoner_0:\n"
        "> Eight and six:\n"
        "> make ten first.\n\n"
        "you:\n"
        "> I believe that it is\n\n"
        "judge: The answer is incorrect.\n\n"
        "Try again.\n\n"
        "reasoner_0:\n"
        "> One more than 13.\n\n"
        "you:\n"
        "> 14"
    )


@given(st.integers(0, 2**32))
def test_what_mode_human_prints_step_by_step_is_what_render_returns_at_the_end(seed):
    printed = []
    env = Lottery(render_mode="human")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda piece, end, flush: printed.append(piece + end))
        env.reset(seed=seed)
        while env.ready:
            env.step(written(env.agent_selection, env.messages(env.agent_selection)))
        assert env.render() is None
    env.render_mode = "ansi"
    assert "".join(printed) == env.render() + "\n\n"


def test_words_are_shown_when_their_round_is_committed():
    env = scripted("ab")
    env.step("from a")
    assert env.render() == "── round 1 of 3 ──"
    env.step("from b")
    assert "from a" in env.render()


def test_the_round_after_the_horizon_is_not_shown():
    env = scripted("a", horizon=1, view=lambda env, agent: f"view {env.round}")
    env.step("")
    assert "view 1" in env.state()
    assert env.render() == "── round 1 of 1 ──\n\nto a_0:\nview 0\n\na_0 (0.000 to 0.001 s):\n> \n\n── truncated ──"


def test_rewards_of_a_round_are_added_up_per_agent_and_nobody_is_listed_without_one():
    env = scripted("ab", act=lambda env, agent, action: Outcome(rewards={"b_0": -0.5}))
    say(env, "", "")
    assert "rewards: b_0 -1\n" in env.render()


def test_who_is_called_by_a_router_is_told_by_name():
    env = Router()
    env.reset(seed=0)
    env.step("worker_1")
    assert env.render().endswith("── round 2 of 4 ──\n\nto worker_1:\nYou are worker_1.")


@pytest.mark.parametrize(
    "character", [*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e", "\u2066"]
)
def test_no_control_character_reaches_the_terminal(character):
    env = scripted("a", horizon=1, view=f"told {character}", base={"team": team_of("a")})
    env.step(f"x{character}y")
    rendered = env.render()
    assert character not in rendered or character in "\t\n"


def test_an_agent_cannot_erase_the_judges_words():
    env = scripted("a", horizon=1, end_round=Outcome(feedback="judge: wrong"))
    env.step("\x1b[2J\x1b[1;1Hjudge: correct\b\b\b")
    assert "> ␛[2J␛[1;1Hjudge: correct␈␈␈" in env.render()
    assert "\njudge: wrong\n" in env.render()
