"""One text for each mathematical answer: the same as what graders take for the same, as far as it is promised.

The pairs are those that graders are tested with; what is expected of each is said here.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs.grading.canonical import canonical_answer
from tests.envs.test_math_answers import DIFFERENT, HOSTILE, SAME

LEAVES_WORK = {"2^{10}", "5!", "\\binom{5}{2}", "3 + 9", "8^{2/3}", "(1+2i)(1-2i)"}
"""Numbers that a grader finds equal, but not right where they are asked for."""
LEAVES_WORK |= {"(1, 2)", "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}"}  # the other of their pair does
NOT_CANCELLED = {"\\frac{3}{1+\\sqrt2}", "\\frac{x^2-1}{x-1}"}
NAMED = {"y = 2x + 1"}
"""Equal to the equation 2x - y + 1 = 0, and to what y is."""
APART = LEAVES_WORK | NOT_CANCELLED | NAMED
OF_OTHER_UNITS = {"5 cm", "5 apples"}


def boxed(answer: str) -> str | None:
    return canonical_answer(f"\\boxed{{{answer}}}")


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_answers_are_equal_texts_but_for_those_that_the_module_names(one: str, other: str) -> None:
    assert (boxed(one) == boxed(other)) is (one not in APART)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_answers_are_different_texts_but_for_their_units(one: str, other: str) -> None:
    assert (boxed(one) != boxed(other)) is (one not in OF_OTHER_UNITS)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Six sevens.\nThe answer is 42.", "42"),
        ("40 + 2 = 42", "42"),
        ("\\boxed{x = 2.50}", "5/2"),
        ("The answer is 18 dollars", "18"),
        ("\\boxed{6 \\cdot 7}", "42, to be worked out"),
        ("\\boxed{2x = 84}", "1 + -1/42*x = 0"),
        ("\\boxed{84 - 2x = 0}", "1 + -1/42*x = 0"),
        ("\\boxed{5 \\geq x > 3}", "3 < x ≤ 5"),
        ("The answers are 3 and 1", "{} 1, 3"),
        ("(B)", "b"),
        ("\\boxed{\\text{B}}", "b"),
        ("", None),
        ("\\boxed{4", None),
        ("I have been thinking about this for a long time, and know nothing.", None),
    ],
)
def test_a_reply_has_the_text_of_what_it_commits_to(reply: str, answer: str | None) -> None:
    assert canonical_answer(reply) == answer


@given(st.text())
def test_any_text_has_an_answer_or_none_and_always_the_same(reply: str) -> None:
    answer = canonical_answer(reply)
    assert answer is None or isinstance(answer, str)
    assert canonical_answer(reply) == answer


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_hostile_text_is_read_like_any_other(text: str) -> None:
    boxed(text)
    canonical_answer(text)
