r"""Mathematical answers: what is the same, what is not, and that no text does harm.

The expectations are arithmetic that a reader can check in the head; nothing here is computed by the grader itself.
"""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marft_envs.grading import structures
from marft_envs.grading.equality import is_right, same_answer
from marft_envs.grading.notation import cleaned
from marft_envs.grading.stating import stated_answer

SAME = [
    # numbers
    ("42", "42.0"),
    ("-7", "−7"),
    (".5", "\\frac{1}{2}"),
    ("0.5", "1/2"),
    ("\\dfrac{3}{4}", "\\frac34"),
    ("-\\frac{1}{2}", "\\frac{-1}{2}"),
    ("1,234", "1234"),
    ("1{,}234", "1234"),
    ("1,\\!234", "1234"),
    ("2\\frac{1}{3}", "\\frac{7}{3}"),
    ("2 1/3", "7/3"),
    ("0.\\overline{3}", "\\frac13"),
    ("2^{10}", "1024"),
    ("5!", "120"),
    ("\\binom{5}{2}", "10"),
    ("3 + 9", "12"),
    # roots, π, i
    ("\\sqrt{12}", "2\\sqrt{3}"),
    ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"),
    ("\\sqrt{2}\\cdot\\sqrt{3}", "\\sqrt{6}"),
    ("\\sqrt[3]{54}", "3\\sqrt[3]{2}"),
    ("8^{2/3}", "4"),
    ("\\pi/2", "\\frac{\\pi}{2}"),
    ("(1+2i)(1-2i)", "5"),
    ("\\sqrt{-4}", "2i"),
    ("\\frac{3}{1+\\sqrt2}", "3\\sqrt{2}-3"),
    # algebra
    ("(x+1)^2", "x^2+2x+1"),
    ("\\frac{x^2-1}{x-1}", "x + 1"),
    ("y x", "xy"),
    ("\\sin x\\cos x", "\\cos x \\sin x"),
    ("x_1+x_2", "x_2+x_1"),
    # units, money, percent, degrees
    ("5", "5\\text{ cm}"),
    ("5 cm", "5\\text{ cm}"),
    ("42 dollars", "42"),
    ("\\$18.90", "18.9"),
    ("50\\%", "50%"),
    ("50%", "50"),
    ("90^\\circ", "90"),
    ("30°", "30^{\\circ}"),
    # several
    ("(1, 2)", "\\left( 1,\\; \\frac{4}{2} \\right)"),
    ("\\{1, 2, 3\\}", "\\{3, 1, 2\\}"),
    ("1, 2", "2,1"),
    ("1 and 2", "1, 2"),
    ("1 \\text{ or } 2", "2, 1"),
    ("2 \\pm \\sqrt{3}", "2-\\sqrt{3}, 2+\\sqrt{3}"),
    ("[0, 1)", "\\left[0, 1\\right)"),
    ("(-\\infty, 0) \\cup (1, 2]", "(1,2]\\cup(-\\infty,0)"),
    ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "\\begin{bmatrix}1&2\\\\3&\\frac{8}{2}\\end{bmatrix}"),
    # relations
    ("x = 5", "5"),
    ("5", "x = 5"),
    ("3 + 9 = 12", "12"),
    ("2x + 2y = 4", "x + y = 2"),
    ("y = 2x + 1", "2x - y + 1 = 0"),
    ("x < 3", "3 > x"),
    ("x \\in [0, 1]", "[0,1]"),
    ("0 \\le x < 1", "0 \\leq x < 1"),
    # words
    ("Monday", "\\text{monday}"),
    ("\\text{(A)}", "A"),
    ("\\text{A, B}", "\\text{B,A}"),
    # wrapping
    ("$42$", "42"),
    ("\\(42\\)", "42"),
    ("42.", "42"),
    ("{42}", "42"),
]

DIFFERENT = [
    ("42 or 43", "42"),
    ("42, 43", "42"),
    ("0.5", "50"),
    ("5000", "50"),
    ("50%", "0.5"),
    ("5 cm", "5 m"),
    ("41", "42"),
    ("-42", "42"),
    ("3.14", "\\pi"),
    ("0.33", "1/3"),
    ("(2, 1)", "(1, 2)"),
    ("(1, 2]", "(1, 2)"),
    ("1, 2", "(1, 2)"),
    ("(1, 2, 3)", "(1, 2)"),
    ("\\{1, 1, 2\\}", "\\{1, 2, 2\\}"),
    ("\\sqrt{2}", "\\sqrt{3}"),
    ("x+1", "x-1"),
    ("3 + 9 = 13", "13"),
    ("1 = 2", "1 = 3"),
    ("x < 3", "x > 3"),
    ("x \\le 3", "x < 3"),
    ("1011_2", "1011_3"),
    ("12:30", "12:45"),
    ("Monday", "Tuesday"),
    ("", "0"),
    ("1e5", "100000"),
    ("2 3", "6"),
    ("\\frac{1}{0}", "0"),
    ("0.56 = 57", "0.56 = 56\\%"),
    ("2xy", "2"),
    ("2 x", "2"),
    ("2i", "2"),
    ("5 apples", "5 pears"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same_is_found_so_both_ways(one: str, other: str) -> None:
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_is_found_so_both_ways(one: str, other: str) -> None:
    assert not same_answer(one, other)
    assert not same_answer(other, one)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("12", "12"),
        ("Add them.\nThe answer is 12.", "12."),
        ("Final answer: $12$", "$12$"),
        ("So it is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("First \\boxed{3}.\nNo: \\boxed{4}.", "4"),
        ("\\boxed{4} or \\boxed{5}", "4, 5"),
        ("\\boxed{\n1 \\\\ 2\n}", "1 \\\\ 2"),
        ("\\boxed{12} is it.\nThe answer is 13", "12"),
        ("48/2 = 24\n#### 72", "72"),
        ("x = 5", "x = 5"),
        ("", None),
        ("\\boxed{never closed", None),
        ("I do not know what the result of this sum could be.", None),
        ("The answer is", None),
    ],
)
def test_a_reply_states_one_answer_or_none(reply: str, answer: str | None) -> None:
    assert stated_answer(reply) == answer


HOSTILE = [
    "9**9**9**9",
    "9^{9^{9^9}}",
    "(" * 100_000,
    "\\frac{" * 5_000,
    "{" * 50_000 + "}" * 50_000,
    "\\boxed{" * 20_000,
    "(a+b+c+d+f)^{60}",
    "((((((x+y)^9)^9)^9)^9)^9)^9",
    "9" * 100_000,
    "2^{99999}",
    "170!!!!!",
    "\\sqrt{999999937}",
    "1," * 50_000,
    "a " * 50_000,
    "\\begin{pmatrix}" * 1_000,
    "answer: " * 20_000,
    "\\pm" * 5_000,
    "=" * 50_000,
    "\\sqrt" * 390 + "2",
    "\\sqrt" * 30 + "2",
    "√" * 390 + "2",
    "\\sin" * 30 + " x",
    "\\sin" * 390 + " x",
    "x^" * 190 + "2",
    "x^" * 30 + "2",
    "|" * 390,
    "-" * 50_000 + "1",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_no_text_takes_long(text: str) -> None:
    """A bound on CPU time, a hundred times what the slowest of them takes, tells a blow-up from a busy machine."""
    began = time.process_time()
    same_answer(stated_answer(text) or text, text)
    same_answer(text[:2000], "42")
    same_answer(text, "42")
    assert time.process_time() - began < 5


def test_nothing_is_evaluated(tmp_path) -> None:
    planted = tmp_path / "planted"
    code = f"__import__('pathlib').Path({str(planted)!r}).touch()"
    for text in (code, f"\\boxed{{{code}}}", f"eval({code!r})", f"{{{code}}}", f"f'{{{code}}}'", f"\\text{{{code}}}"):
        same_answer(text, "0")
        same_answer(stated_answer(text) or "", code)
    assert not planted.exists()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.text(alphabet="0123456789+-*/^_(){}[],.\\fracsqtpimx= $%|!<>&", max_size=60))
def test_any_text_is_compared_without_an_error_and_equals_itself(text: str, mathematical: str) -> None:
    for one in (text, mathematical):
        assert same_answer(one, one)
        same_answer(one, "42")
        same_answer(f"({one}, {one})", f"[{one})")
        stated_answer(one)
        stated_answer(f"\\boxed{{{one}}}")


# ---- what earns a reward: the right answer, worked out

WORKED_OUT = [
    ("\\boxed{42}", "42"),
    ("40 + 2 = 42", "42"),
    ("x = 42", "42"),
    ("The answer is $\\frac{1}{2}$.", "0.5"),
    ("0.5", "\\frac12"),
    ("0.\\overline{3}", "1/3"),
    ("2 1/3", "7/3"),
    ("-\\left(\\frac{1}{2}\\right)", "-0.5"),
    ("3 \\times 10^8", "300000000"),
    ("5 cm", "5"),
    ("\\boxed{1}, \\boxed{2}", "1,2"),
    ("2^{10}", "2^{10}"),  # this form is wanted
    ("\\frac{10}{4}", "\\frac{10}{4}"),
    ("\\sqrt{12}", "2\\sqrt{3}"),  # no number, so no form
]
LEAVES_WORK = [
    ("40 + 2", "42"),
    ("42 = 40 + 2", "42"),
    ("6 * 7", "42"),
    ("(6)(7)", "42"),
    ("84/2", "42"),
    ("\\frac{10}{4}", "\\frac{5}{2}"),
    ("2^{10}", "1024"),
    ("\\sqrt{25}", "5"),
    ("5!", "120"),
    ("(1, 1 + 1)", "(1, 2)"),
]


@pytest.mark.parametrize(("reply", "wanted"), WORKED_OUT)
def test_an_answer_that_is_worked_out_is_right(reply: str, wanted: str) -> None:
    assert is_right(reply, wanted)


@pytest.mark.parametrize(("reply", "wanted"), LEAVES_WORK)
def test_an_answer_that_leaves_work_is_equal_and_not_right(reply: str, wanted: str) -> None:
    assert same_answer(stated_answer(reply) or "", wanted)
    assert not is_right(reply, wanted)


@given(st.from_regex(r"\A-?[0-9]{1,14}\Z"))
def test_whole_numbers_are_read_at_once_as_they_would_be_read_at_length(text: str) -> None:
    assert structures._read_short(text) == structures._read(cleaned(text), 0)
    assert structures._read_short(text).is_number
    assert repr(structures._read_short(text)) == repr(structures._read(cleaned(text), 0))  # is_number, too
