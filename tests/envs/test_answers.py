"""Integers in replies: what is accepted, what is refused, and that no text raises, runs, or takes long."""

import ast
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs.grading import answers
from marft_envs.grading.answers import MAX_DIGITS, last_integer, parse_integer, stated_integer

INTEGERS = st.integers(min_value=-(10**MAX_DIGITS) + 1, max_value=10**MAX_DIGITS - 1)
ANY_TEXT = st.text(max_size=300)
# Nearly an answer, where mistakes would hide: all that the grammar uses, and digits of other scripts.
NEARLY = st.text(alphabet="0123456789+-−,._$\\{}/*×()=: \n\u2028boxedansweri٣４²", max_size=40)

WRITTEN = [
    "{}",
    "  {}\t",
    "{}.",
    "{} .",
    "${}$",
    "$ {} $.",
    r"\boxed{{{}}}",
    r"$\boxed{{ {} }}$.",
    "\u3000{}\xa0",
]
STATED = [
    "{}",
    "The answer is {}.",
    "the answer is: {}",
    "Answer: {}",
    r"Final answer: \boxed{{{}}}.",
    "3 + 9 = {}",
    "(3.5 − 1) × 2 = ${}$",
    "= {}",
    "First 40 + 2.\nIt could be 7 or 8.\n\n{}\n",
    "Let me see\u2028{}",
]


@given(INTEGERS, st.sampled_from(WRITTEN))
def test_an_integer_is_read_back_from_every_accepted_form(number, form):
    assert parse_integer(form.format(number)) == number
    assert parse_integer(form.format(f"{number:,}")) == number
    assert parse_integer(form.format(f"{number:+}".replace("-", "−"))) == number


@given(INTEGERS, st.sampled_from(STATED))
def test_a_stated_answer_is_read_back_from_every_accepted_form(number, form):
    assert stated_integer(form.format(number)) == number


@given(st.one_of(ANY_TEXT, NEARLY, NEARLY.map("\\boxed{{{}}}".format), NEARLY.map("The answer is {}".format)))
def test_no_text_raises(text):
    for read in (parse_integer, stated_integer, last_integer):
        assert type(read(text)) in (int, type(None))


@given(NEARLY)
def test_no_digit_is_dropped_or_invented(text):
    number = parse_integer(text)
    if number is not None:
        assert re.sub(r"[^0-9]", "", text) == str(abs(number))
        assert set(text) <= set("0123456789+-−,.$\\{}boxed \n\u2028")


@given(NEARLY, INTEGERS, st.sampled_from(STATED))
def test_what_is_stated_is_also_the_last_integer(before, number, form):
    reply = f"{before}\n{form.format(number)}"
    assert stated_integer(reply) == last_integer(reply) == number


@given(st.integers(min_value=1, max_value=10**6))
def test_a_perturbed_integer_is_not_an_integer(number):
    for text in (
        f"{number}.0",
        f"{number}e0",
        f"{number}_0",
        f"0{number}",
        f"0x{number}",
        f"{number}..",
        f".{number}",
        f"- {number}",
        f"--{number}",
        f"+-{number}",
        f"{number}%",
        f"{number}/1",
        f"{number}*1",
        f"{number}!",
        f"({number})",
        f"**{number}**",
        f"${number}",
        f"\\boxed{number}",
        f"\\boxed{{{number}",
        f"\\boxed{{\\boxed{{{number}}}}}",
        f"{number},",
        f"{number},00",
        f"1234,{number % 1000:03}",
        f"{number} apples",
        f"{number} {number}",
        f"{number}\n{number}",
    ):
        assert parse_integer(text) is None, text


@pytest.mark.parametrize("text", ["", " ", ".", "-", "$", "$$", "\\boxed{}", "٤٢", "４２", "²", "1２", "Ⅻ", "1\u200b2"])
def test_text_without_ascii_digits_alone_is_not_an_integer(text):
    assert parse_integer(text) is None


def test_more_digits_than_an_answer_needs_are_not_an_integer():
    assert parse_integer("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert parse_integer("9" * (MAX_DIGITS + 1)) is None
    assert last_integer("9" * (MAX_DIGITS + 1)) is None


@given(st.integers(min_value=-1000, max_value=1000), st.integers(min_value=-1000, max_value=1000))
def test_a_hedged_answer_states_nothing(one, other):
    for reply in (
        f"{one} or {other}",
        f"{one}, {other}",
        f"{one} / {other}",
        f"{one}; {other}",
        f"The answer is {one} or {other}",
        f"The answer is {one}. No, the answer is {other}",
        f"either {one} = {other}",
        f"3 + 9 = {one} = {other}",
        f"3 + 9 = {one} or {other}",
        f"\\boxed{{{one}}} or \\boxed{{{other}}}",
    ):
        assert stated_integer(reply) is None, reply


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "\n\n",
        "The answer is",
        "forty-two",
        "42 is the answer",
        "I think 42",
        "The answer is not 42",
        "The answer is 40 + 2",
        "40 + 2",
        "x = 42",
        "42 = x",
        "42\nbecause 40 + 2 is that",
        "The answer is 42, which",
        "judge: The answer is 42",
    ],
)
def test_a_reply_that_does_not_end_in_the_strict_form_states_nothing(reply):
    assert stated_integer(reply) is None


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("The sum of 8 and 7 is 15, of course.", 15),
        ("8 + 7 = 15", 15),
        ("15", 15),
        ("**15**", 15),
        ("It is −15!", -15),
        ("20-5", 5),
        ("(20)-5", 5),
        ("1,2,3", 3),
        ("12,345 people", 12345),
        ("about 1,23", 23),
        ("first 3.5, then 4", 4),
        ("first 4, then 3.5", None),
        ("4 of x2, 1e5, .5, 3/7 and 50%", 4),
        ("007", None),
        ("no number", None),
        ("", None),
    ],
)
def test_the_last_integer_is_found_in_any_format(reply, value):
    assert last_integer(reply) == value


@pytest.mark.parametrize(
    "code",
    [
        "__import__('pathlib').Path({!r}).touch()",
        "[].__class__.__base__.__subclasses__() or open({!r}, 'w')",
        "\\boxed{{exec(\"open({!r}, 'w')\")}}",
        "The answer is open({!r}, 'w')",
        "f'{{open({!r}, \"w\")}}' = 4",
    ],
)
def test_planted_code_is_never_run(code, tmp_path):
    planted = tmp_path / "planted"
    for read in (parse_integer, stated_integer, last_integer):
        read(code.format(str(planted)))
    assert not planted.exists()


GRADING = Path(answers.__file__).parent
GRADERS = [path for path in sorted(GRADING.glob("*.py")) if not path.stem.startswith("second_opinion")]
OF_PROGRAMS = {"failures", "outputs", "programs", "running", "together", "verdicts"}
"""These have programs run, in the sandbox, and read what comes back."""


def names_and_modules(path: Path) -> tuple[set[str], set[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return names, modules


@pytest.mark.parametrize("name", sorted(OF_PROGRAMS))
def test_the_grader_of_programs_evaluates_nothing_here(name: str) -> None:
    names, modules = names_and_modules(GRADING / f"{name}.py")
    assert not names & {"eval", "exec", "compile", "__import__"}
    assert not modules & {"ast", "subprocess", "importlib", "pickle", "marshal", "code", "runpy"}


@pytest.mark.parametrize("path", [path for path in GRADERS if path.stem not in OF_PROGRAMS], ids=lambda path: path.stem)
def test_the_grader_calls_nothing_that_evaluates(path: Path) -> None:
    names, modules = names_and_modules(path)
    assert not names & {"eval", "exec", "compile", "__import__", "float", "complex"}
    ours = {module for module in modules if module.startswith("marft_envs.grading.")}
    assert modules - ours <= {
        "re",
        "collections",
        "collections.abc",
        "dataclasses",
        "fractions",
        "math",
        "functools",
        "hashlib",
        "itertools",
        "json",
    }


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1,",
        "1,234,",
        "1.",
        "1 ",
        "-",
        "−1",
        "\n",
        "1\n",
        " ",
        "$",
        "\\boxed{",
        "}",
        "=",
        "1=",
        "9**",
        "(",
        "answer is ",
    ],
)
@pytest.mark.parametrize("end", ["", "x", "1"])
def test_grading_100_kb_takes_linear_time(unit, end):
    text = unit * (100_000 // len(unit)) + end
    start = time.process_time()
    parse_integer(text)
    stated_integer(text)
    last_integer(text)
    assert time.process_time() - start < 1.0  # about 0.05; one quadratic scan would take minutes
