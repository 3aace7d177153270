"""math/debate-v0, played by hand."""

from pathlib import Path

import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.math.debate import majority
from tests.envs.conftest import said

DEBATERS = ["debater_0", "debater_1", "debater_2"]


@pytest.fixture
def env(one_task: Path) -> FlexMG:
    return reset(one_task)


def reset(data: Path, **options: object) -> FlexMG:
    env = marft_envs.make("math/debate-v0", source="jsonl", data=str(data), **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def test_the_debaters_answer_twice_and_then_the_judge_once(env: FlexMG) -> None:
    assert said(env, *["7"] * 6, "6.5") == [*DEBATERS, *DEBATERS, "judge_0"]
    assert env.terminated


def test_nobody_reads_another_within_a_round_and_all_are_ready_at_once(env: FlexMG) -> None:
    for _ in range(2):
        assert env.ready == tuple(DEBATERS)
        assert not env.dependencies.edges
        said(env, "one", "two", "three")
    assert env.ready == ("judge_0",)


def test_in_the_second_round_a_debater_has_read_what_the_others_wrote_in_the_first(env: FlexMG) -> None:
    said(env, "I say 6.5", "I say 7")
    assert "I say" not in env.observe("debater_2")["text"]
    said(env, "I say 8")
    text = env.observe("debater_2")["text"]
    assert (
        "you:\n> I say 8\n\ndebater_0:\n> I say 6.5\n\ndebater_1:\n> I say 7\n\nRead the answers of the others" in text
    )


def test_the_judge_reads_everything_and_its_question(env: FlexMG) -> None:
    said(env, "a1", "b1", "c1", "a2", "b2", "c2")
    text = env.observe("judge_0")["text"]
    places = [text.index(words) for words in ("> a1", "> b1", "> c1", "> a2", "> b2", "> c2", "What is half of 13?")]
    assert places == sorted(places)
    assert text.endswith(
        "What is half of 13?\nRead the answers above, and give the right one.\n"
        "End with a line that holds only the answer, in \\boxed{}."
    )


def test_debaters_are_told_how_to_write_their_answers(env: FlexMG) -> None:
    asked = env.messages("debater_1")[-1]["content"]
    assert asked == "What is half of 13?\nEnd with a line that holds only the answer, in \\boxed{}."


def test_the_judges_answer_alone_is_paid_for(env: FlexMG) -> None:
    said(env, *["6.5"] * 6, "7")
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}


def test_a_judge_who_keeps_a_wrong_majority_earns_nothing(env: FlexMG) -> None:
    said(env, *["7"] * 6, "7")
    assert env.info["kept"] == 1
    assert set(env.episode().returns.values()) == {0.0}


def test_a_right_judge_earns_everybody_1_whatever_the_debaters_said(env: FlexMG) -> None:
    said(env, *["7"] * 6, "13/2")
    assert env.episode().returns == dict.fromkeys([*DEBATERS, "judge_0"], 1.0)


def test_the_shares_of_debaters_that_were_right_at_first_and_at_last_are_told(env: FlexMG) -> None:
    said(env, "6.5", "7", "8")
    assert env.info == {"first": 1 / 3, "last": 1 / 3, "majority": 0}
    said(env, "6.5", "The answer is 13/2", "8")
    assert env.info == {"first": 1 / 3, "last": 2 / 3, "majority": 1}


@pytest.mark.parametrize(
    ("last", "judged", "agree", "kept"),
    [
        (("7", "7.0", "6.5"), "7", 1, 1),
        (("7", "7", "6.5"), "6.5", 1, 0),
        (("7", "8", "6.5"), "7", 0, 0),
        (("7", "7", "6.5"), "", 1, 0),
        (("", "", "6.5"), "6.5", 0, 0),
    ],
)
def test_whether_the_judge_kept_what_most_of_the_debaters_said_at_last(
    env: FlexMG, last: tuple[str, ...], judged: str, agree: int, kept: int
) -> None:
    said(env, "1", "1", "1", *last, judged)
    assert (env.info["majority"], env.info["kept"]) == (agree, kept)


def test_half_is_no_majority() -> None:
    assert majority(["7", "7", "8", "8"]) is None
    assert majority(["8", "7", "7", "7.0"]) == "7"
    assert majority([None, None, None]) is None
    assert majority(["7", None]) is None


@pytest.mark.parametrize("num_rounds", [1, 3])
def test_all_rounds_but_the_last_are_of_debate(one_task: Path, num_rounds: int) -> None:
    env = reset(one_task, horizon=num_rounds + 1)
    assert said(env, *["7"] * 3 * num_rounds, "6.5") == [*DEBATERS * num_rounds, "judge_0"]
    assert env.terminated
    assert env.num_rounds == num_rounds + 1


def test_a_debate_without_a_round_is_refused() -> None:
    with pytest.raises(OptionError, match="use 2 rounds or more"):
        marft_envs.make("math/debate-v0", horizon=1)


def test_the_judge_may_stand_anywhere_on_the_team(one_task: Path) -> None:
    env = reset(one_task, team=(Profile("judge", answers=True), Profile("pro"), Profile("con")), horizon=2)
    assert said(env, "7", "6.5", "6.5") == ["pro_0", "con_0", "judge_0"]


@pytest.mark.parametrize("answers", [[True], [True, False], [False, False, False], [True, True, False, False]])
def test_a_debate_takes_one_judge_and_two_debaters(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="a debate takes one judge"):
        marft_envs.make("math/debate-v0", team=tuple(Profile("debater", answers=each) for each in answers))


def test_everybodys_form_can_be_measured(env: FlexMG) -> None:
    for agent in env.possible_agents:
        assert env.gradable(agent, "\\boxed{7}")
        assert not env.gradable(agent, "no idea")


def test_other_sources_teams_and_lengths_keep_the_contract() -> None:
    team = (Profile("debater"), Profile("debater"), Profile("judge", answers=True))
    options = {"source": "reasoning_gym:gcd", "team": team, "horizon": 4, "level": "1"}
    report = marft_envs.check_env("math/debate-v0", options=options)
    assert report.passed, report
