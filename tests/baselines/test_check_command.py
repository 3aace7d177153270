"""`marft check`: for people, for programs, for workflows; and an exit status for all of them."""

import json

import pytest

from baselines.cli import main

GOOD, PAYS_TOO_MUCH = "tests.envs.twins:Parcel", "tests.envs.twins:PaysTooMuch"
TWO = ["--only", "liveness", "reward range"]


def test_a_good_environment_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", GOOD, *TWO]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == GOOD
    assert [line.split("  ")[0] for line in lines[1:3]] == ["✓ liveness", "✓ reward range"]
    assert lines[3] == "Parcel: all promises kept (2)"


def test_a_broken_promise_is_told_with_its_reason_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", PAYS_TOO_MUCH, *TWO]) == 1
    out = capsys.readouterr().out
    assert "✗ reward range" in out
    assert "asker_0 got 1.5, outside of reward_range (0.0, 1.0)" in out
    assert "why: scores are compared as shares of the range" in out
    assert "way out: declare reward_range" in out
    assert "PaysTooMuch: 1 of 2 promises broken" in out


def test_a_promise_that_cannot_be_checked_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", GOOD, "--only", "spec round trip"]) == 0
    assert "only registered environments have a spec" in capsys.readouterr().out


def test_json_holds_every_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", GOOD, PAYS_TOO_MUCH, *TWO, "--format", "json"]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["env"], good["passed"]) == ("Parcel", True)
    assert (bad["env"], bad["passed"]) == ("PaysTooMuch", False)
    assert [(result["name"], result["status"]) for result in bad["results"]] == [
        ("liveness", "passed"),
        ("reward range", "failed"),
    ]
    assert set(bad["results"][0]) == {"name", "status", "message", "why", "fix", "seconds"}


def test_github_gets_one_annotation_for_each_broken_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", PAYS_TOO_MUCH, GOOD, *TWO, "--format", "github"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("::error title=tests.envs.twins%3APaysTooMuch · reward range::")
    assert "%0Away out: declare" in line


def test_options_of_the_environment_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", PAYS_TOO_MUCH, "--only", "reward range", "--env-options", "horizon", "1"]) == 0
    assert "all promises kept (1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["math/reson_act-v0"], "did you mean 'math/reason_act-v0'"),
        ([GOOD, "--only", "livenes"], "there is no grader 'livenes'; there are: seed control"),
        (["tests.foreign_env:Echo"], "is no FlexMG class"),
        (["math/reason_act-v0", "--env-options", "level", "hard"], "level is 'hard'"),
    ],
)
def test_a_mistake_is_explained(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(["check", *words]) == 2
    assert message in capsys.readouterr().err
