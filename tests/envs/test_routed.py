"""math/routed-v0, played by hand."""

import json
from pathlib import Path

import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.math.routing import Decision, decided
from tests.envs.conftest import said

ENV_ID = "math/routed-v0"
SPECIALISTS = ("algebraist_0", "calculator_0", "geometer_0")


@pytest.fixture
def half(tmp_path: Path) -> FlexMG:
    """One question, whose answer is 13/2."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"question": "What is half of 13?", "answer": "13/2"}), encoding="utf-8")
    return reset(source="jsonl", data=str(path))


def reset(**options: object) -> FlexMG:
    env = marft_envs.make(ENV_ID, **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def test_one_call_and_a_right_answer_that_is_accepted_earn_everybody_1(half: FlexMG) -> None:
    assert said(half, "call: geometer_0", "6.5", "accept: geometer_0") == [
        "orchestrator_0", "geometer_0", "orchestrator_0"]  # fmt: skip
    assert half.terminated
    assert half.episode().returns == dict.fromkeys(half.possible_agents, 1.0)
    assert half.info == {"correct": 1, "answers": 1, "any_right": 1}


def test_who_is_called_reads_the_problem_and_how_to_answer_and_not_who_answers_beside_it(half: FlexMG) -> None:
    said(half, "call: algebraist_0, calculator_0", "It is 6.")
    text = half.observe("calculator_0")["text"]
    assert text.endswith("What is half of 13?\nEnd with a line that holds only the answer, in \\boxed{}.")
    assert "It is 6." not in text
    assert half.dependencies.agents == ("algebraist_0", "calculator_0")
    assert not half.dependencies.edges


def test_the_orchestrator_reads_the_problem_whom_it_can_call_and_then_the_answers(half: FlexMG) -> None:
    names = "algebraist_0, calculator_0, geometer_0"
    assert half.observe("orchestrator_0")["text"].endswith(
        f"What is half of 13?\nReply with call: and one or more of {names}."
    )
    said(half, "call: calculator_0", "It is 6.")
    text = half.observe("orchestrator_0")["text"]
    assert text.count("What is half of 13?") == 1
    assert "calculator_0:\n> It is 6." in text
    assert text.endswith(f"Reply with call: and one or more of {names}; or with accept: and one of those who answered.")


def test_every_further_turn_of_a_specialist_costs_a_tenth(half: FlexMG) -> None:
    said(half, "call: algebraist_0, calculator_0", "6", "6", "call: calculator_0", "6.5", "accept: calculator_0")
    assert half.episode().returns["orchestrator_0"] == pytest.approx(0.8)
    assert half.info == {"correct": 1, "answers": 3, "any_right": 1}


def test_the_price_never_makes_a_right_answer_a_loss() -> None:
    env = reset(horizon=40)
    for _ in range(14):
        said(env, "call: calculator_0", env.task.boxed)
    said(env, "done")
    assert env.episode().returns["calculator_0"] == 0.0
    assert env.info["correct"] == 1


def test_a_wrong_answer_that_is_accepted_ends_the_episode_and_earns_nothing(half: FlexMG) -> None:
    said(half, "call: algebraist_0, calculator_0", "6.5", "6", "accept: calculator_0")
    assert half.terminated
    assert half.episode().returns == dict.fromkeys(half.possible_agents, 0.0)
    assert half.info == {"correct": 0, "answers": 2, "any_right": 1}
    assert half.feedback_to("geometer_0") == ["judge: The answer is incorrect."]


@pytest.mark.parametrize("words", ["done", "accept", "Accept.", "call: done"])
def test_done_accepts_what_came_last_and_of_several_who_stands_first(half: FlexMG, words: str) -> None:
    said(half, "call: algebraist_0", "6.5", "call: geometer_0, calculator_0", "13/2", "7", words)
    assert half.terminated
    assert half.info["correct"] == 1
    half.reset(seed=1)
    said(half, "call: algebraist_0", "6.5", "call: geometer_0, calculator_0", "7", "6.5", words)
    assert half.info["correct"] == 0


def test_accepting_somebody_means_its_latest_answer(half: FlexMG) -> None:
    said(half, "call: calculator_0", "6", "call: algebraist_0, calculator_0", "7", "6.5", "accept: calculator_0")
    assert half.info["correct"] == 1


def test_two_answers_cannot_be_accepted_at_once(half: FlexMG) -> None:
    said(half, "call: calculator_0, geometer_0", "6.5", "6.5", "accept: calculator_0 or geometer_0")
    assert not half.terminated
    assert half.dependencies.agents == ("orchestrator_0",)


def test_the_orchestrator_cannot_answer_itself(half: FlexMG) -> None:
    said(half, "\\boxed{6.5}", "The answer is 6.5", "accept: 6.5")
    assert not half.terminated
    assert half.info == {}


@pytest.mark.parametrize("words", ["", "Hm.", "done", "accept: geometer_0", "accept: calculator_0, geometer_0"])
def test_words_that_decide_nothing_lose_a_round_and_are_told_so(half: FlexMG, words: str) -> None:
    assert said(half, words, "call: calculator_0") == ["orchestrator_0"] * 2
    assert half.observe("orchestrator_0")["text"].count("judge: That calls nobody") == 1
    assert half.dependencies.agents == ("calculator_0",)


def test_an_answer_that_nobody_accepts_earns_nothing() -> None:
    env = reset(horizon=2)
    said(env, "call: calculator_0", env.task.boxed)
    assert env.truncated
    assert env.episode().returns["calculator_0"] == 0.0


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ("call: geometer_0", Decision(False, ("geometer_0",))),
        ("Let calculator and geometer work.", Decision(False, ("calculator_0", "geometer_0"))),
        ("accept: calculator_0", Decision(True, ("calculator_0",))),
        ("> I accept calculator_0.", Decision(True, ("calculator_0",))),
        ("call: geometer_0\naccept: calculator_0", Decision(True, ("calculator_0",))),
        ("done", Decision(True, ())),
        ("**accept**", Decision(True, ())),
        ("We should not accept calculator_0", Decision(False, ("calculator_0",))),
        ("acceptable", None),
        ("accept: 12", None),
        ("", None),
    ],
)
def test_what_the_orchestrators_words_decide(words: str, decision: Decision | None) -> None:
    assert decided(words, SPECIALISTS) == decision


def test_a_decision_has_the_form_of_one_if_it_has_an_effect_now(half: FlexMG) -> None:
    assert half.gradable("orchestrator_0", "call: calculator_0") is True
    assert half.gradable("orchestrator_0", "accept: calculator_0") is False
    said(half, "call: calculator_0")
    assert half.gradable("calculator_0", "6") is True
    assert half.gradable("calculator_0", "I am not sure about this") is False
    said(half, "6")
    assert half.gradable("orchestrator_0", "accept: calculator_0") is True
    assert half.gradable("orchestrator_0", "done") is True
    assert half.gradable("orchestrator_0", "accept: geometer_0") is False


@pytest.mark.parametrize("answers", [[True], [False], [False, False, True], [True, True]])
def test_a_team_is_one_orchestrator_and_those_who_answer(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="exactly one of it, the orchestrator"):
        reset(team=tuple(Profile("one", answers=each) for each in answers))


def test_the_orchestrator_may_stand_anywhere_and_have_any_name() -> None:
    env = reset(team=(Profile("solver", answers=True), Profile("solver", answers=True), Profile("boss")))
    assert said(env, "call: solver", "1", "2", "done") == ["boss_0", "solver_0", "solver_1", "boss_0"]


def test_the_levels_without_a_test_split_are_those_of_the_source() -> None:
    with pytest.raises(OptionError, match="too few to hold some out"):
        reset(split="test", level="one_digit")
    env = reset(level="two_digit", split="test")
    with pytest.raises(OptionError, match="too few to hold some out"):
        env.reset(seed=0, options={"level": "one_digit"})


def test_arithmetic_is_split_as_in_the_pipeline() -> None:
    envs = [marft_envs.make(name, split="test", level="two_digit") for name in (ENV_ID, "math/pipeline-v0")]
    for seed in range(30):
        keys = set()
        for env in envs:
            assert isinstance(env, FlexMG)
            env.reset(seed=seed)
            keys.add(env.instance_key())
        assert len(keys) == 1


def test_a_data_set_keeps_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    lines = (json.dumps({"question": f"Add {a} and {b}.", "answer": a + b}) for a in range(50) for b in range(50))
    path.write_text("\n".join(lines), encoding="utf-8")
    report = marft_envs.check_env(ENV_ID, options={"source": "jsonl", "data": str(path)})
    assert report.passed, report
