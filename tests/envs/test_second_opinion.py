"""The second opinion: math-verify in a process that can be killed."""

import re
import time
from pathlib import Path

import pytest

from marft_envs.errors import OptionError
from marft_envs.grading import second_opinion
from marft_envs.grading.second_opinion import SecondOpinion


@pytest.fixture(scope="module")
def opinion():
    with SecondOpinion(timeout_s=20.0) as asked:
        yield asked


@pytest.mark.parametrize(
    ("given", "wanted", "verdict"),
    [("0.5", "\\frac{1}{2}", True), ("43", "42", False), ("(1, 2)", "(2, 1)", False), ("x + 1", "1 + x", True)],
)
def test_it_has_an_opinion(opinion, given, wanted, verdict):
    assert opinion.same(given, wanted) is verdict


@pytest.mark.parametrize("text", ["__import__('os').abort()", "(1).real", "eval(1)", "9" * 3_000, "lambda x: x"])
def test_what_looks_like_code_is_not_sent(text, monkeypatch):
    asked = SecondOpinion()
    monkeypatch.setattr(asked, "_running", lambda: pytest.fail("a process was started"))
    assert asked.same(text, "1") is None


def test_a_process_that_takes_too_long_is_killed_and_the_next_question_is_answered():
    with SecondOpinion(timeout_s=1.0) as asked:
        assert asked.same("7", "7") is True
        stuck = asked._process
        began = time.monotonic()
        assert asked.same("9^{9^{9^{9}}}", "5") is None
        assert time.monotonic() - began < 60
        assert stuck.poll() is not None
        assert asked.same("7", "7") is True


def test_a_process_that_died_is_replaced():
    with SecondOpinion() as asked:
        assert asked.same("7", "7") is True
        asked._process.kill()
        asked._process.wait()
        assert asked.same("7", "7") is None
        assert asked.same("7", "7") is True


def test_it_sees_nothing_of_the_environment_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    worker = tmp_path / "worker.py"
    worker.write_text("import os, sys\nsys.stdin.readline()\nprint(str('SECRET_TOKEN' in os.environ).lower())\n")
    monkeypatch.setattr(second_opinion, "_WORKER", worker)
    with SecondOpinion() as asked:
        assert asked.same("7", "7") is False


def test_without_math_verify_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(second_opinion, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'marft-envs\[verify\]'"):
        SecondOpinion()


def test_no_environment_and_no_grader_asks_it() -> None:
    package = Path(second_opinion.__file__).parents[1]
    asking = [path.name for path in package.rglob("*.py") if re.search(r"import.*second_opinion", path.read_text())]
    assert asking == []
