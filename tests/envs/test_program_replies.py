"""Programs and tests in replies: what small models write, what hostile ones may write, and how long it takes."""

import time
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marft_envs.coding import replies
from marft_envs.coding.replies import MAX_LITERAL_CHARS, MAX_LITERAL_DEPTH, has_program, program_in
from marft_envs.grading.programs import CallTest

F = "def f(n):\n    return n + 3"
G = "def g(n):\n    return n"
FENCED = f"```python\n{F}\n```"


@pytest.mark.parametrize(
    "reply",
    [
        F,
        FENCED,
        f"Here is the function:\n\n{FENCED}\nThis function takes a number.",
        f"```\n{F}\n```",
        f"````Python title=f.py\n{F}\n````",
        f"```py\n{F}",  # cut
        "1. Write it:\n   ```python\n   def f(n):\n       return n + 3\n   ```",
        f"{FENCED}\nUse it so:\n```python\nprint(f(3))\n```\nIt prints\n```\n6\n```",
        f"A first try:\n```python\ndef f(n):\n    return n\n```\nBetter:\n{FENCED}",
        f"```python\n{G}\n{FENCED}",  # a block that was not closed before the next
        f"Sure! Here you go.\n\n{F}\n\nThis function adds 3.",
        f"{F}\nNote: it adds 3\nimport the module and call it.",
        f"The output looks so:\n```\n6\n```\nand the program is\n{F}\n",
        f"{F}\n```\n6\n```\n    is what it returns",
        f"from the list, class of its own\n{F}\nassert that it works",
        F.replace("\n", "\r\n"),
        F.replace("\n", "\r"),
    ],
)
def test_a_program_is_found_among_prose(reply):
    assert program_in(reply, "f") == F
    assert has_program(reply, "f")


@pytest.mark.parametrize(
    "program",
    [
        f"import math\nfrom a.b import c as d, e\n\n{F}",
        f"# constants\nMOD = 7\nLOW, HIGH = 1, 2\nCACHE: dict = {{}}\n\n{F}",
        f"@lru_cache(maxsize=None)\n{F}",
        f"{F}\n\n{G}",
        f"{F}\n\nf = cached(f)",
        f"{F}\n\nif __name__ == '__main__':\n    print(f(1))",
        f"class A(object):\n    x = 1\n\n{F}",
        "async def h(): pass\n\n" + F,
        'def f(n):\n    """Adds.\n\nThis line stands at the margin.\n"""\n    return n + 3',
        "def f(\n    n,\n):\n    return [\n        n\n    ]",
        "def f(n):\n    return 'a\u2028b\x0cc'",
        "def f (n): return n",
        "class f:\n    pass",
    ],
)
def test_all_of_a_program_is_found_with_and_without_a_fence(program):
    assert program_in(f"Here it is.\n```python\n{program}\n```\nDone, I think.", "f") == program
    assert program_in(f"Here it is.\n{program}\n\nDone, I think.", "f") == program
    assert has_program(program, "f")


def test_prose_between_two_stretches_of_a_program_is_left_out():
    assert program_in(f"{F}\nIt needs a second one:\n{G}", "f") == f"{F}\n{G}"


def test_a_method_belongs_to_its_class():
    program = "class Solution:\n    def f(self, n):\n        return n"
    assert program_in(f"```python\n{program}\n```\n{FENCED}", "Solution.f") == program
    assert has_program(program, "Solution.f")
    assert not has_program(F, "Solution.f")


def test_without_a_definition_the_last_block_is_taken_and_without_a_block_all():
    assert program_in("```\na = 1\n```\n```\nb = 2\n```", "f") == "b = 2"
    assert program_in("I cannot\ndo that.", "f") == "I cannot\ndo that."
    assert program_in(f"Look:\n{G}\nThat is it.", "f") == G


@pytest.mark.parametrize(
    "reply",
    ["", "I cannot do that.", "f", "f(3) == 6", "Use def f(n).", G, "def foo(n): return n", "f == 3", " def f(n"],
)
def test_what_defines_no_entry_point_is_no_program(reply):
    assert not has_program(reply, "f")


@pytest.mark.parametrize(
    "reply",
    [
        "n = int(input())\nfor i in range(n):\n    print(i)",
        "Read a number.\nn = int(input())\nfor i in range(n):\n    print(i)\nThat is it.",
        "```python\nn = int(input())\nfor i in range(n):\n    print(i)\n```\nIt prints\n```\n0\nn = 1\n```",
        "```\nn = int(input())\nfor i in range(n):\n    print(i)\n```\nFor the input\n```\n2\n```",
    ],
)
def test_a_program_that_reads_its_input_is_found_without_an_entry_point(reply):
    assert program_in(reply, "") == "n = int(input())\nfor i in range(n):\n    print(i)"
    assert has_program(reply, "")


def test_a_labelled_fence_closes_the_block_before_it():
    assert program_in("```python\nprint(1)\n```python\nprint(2)\n```", "") == "print(2)"


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nfor line in sys.stdin: print(line.strip())",
        "print(int(input()) + 1)  # one more",
        "a, b = map(int, input().split())\na += b\nrow = [0] * 3\nrow[0] = a\nprint(\n    a\n)",
        "try:\n    main()\nexcept ValueError:\n    pass",
    ],
)
def test_statements_at_the_margin_belong_to_a_program_without_an_entry_point(program):
    assert program_in(f"Here it is.\n{program}\nDone, I think.", "") == program


@pytest.mark.parametrize("reply", ["", "No idea.", "for example, this: one", "if so, then", "I think (maybe)"])
def test_prose_is_no_program_without_an_entry_point(reply):
    assert not has_program(reply, "")
    assert program_in(reply, "") == reply


# ---- tests


@pytest.mark.parametrize(
    ("line", "arguments", "expected"),
    [
        ("assert f(3) == 7", (3,), 7),
        ("    assert f(3) == 7  # seven", (3,), 7),
        ("assert f(3) == 7, 'f(3) should be 7'", (3,), 7),
        ("assert f(3) == (7, 8), 'a pair'", (3,), (7, 8)),
        ("f(3) == 7", (3,), 7),
        ("f(3)==7", (3,), 7),
        ("f(3) = 7", (3,), 7),
        ("f(3) -> 7", (3,), 7),
        ("f(3) → 7", (3,), 7),
        ("f(3) => -7.5", (3,), -7.5),
        ("f(3) returns 7.", (3,), 7),
        ("- `f(3)` returns `7`.", (3,), 7),
        ("2. f(3) should be 7, and is 8.", (3,), 7),
        ("f(3) should return 'seven'.", (3,), "seven"),
        ("assert f(3) is True", (3,), True),
        ("f(3) is None", (3,), None),
        ("assert f(3)", (3,), True),
        ("assert f(3), 'it holds'", (3,), True),
        ("assert not f(3)", (3,), False),
        (">>> f(3)\n7", (3,), 7),
        (">>> f(3)\n'7'\n", (3,), "7"),
        (">>> assert f(3) == 7", (3,), 7),
        (">>> f(3) == 7\nTrue", (3,), 7),
        ("f() == []", (), []),
        ("f(1, 'a),(', [2, (3,)], {'b': {4}},) == {5: None}", (1, "a),(", [2, (3,)], {"b": {4}}), {5: None}),
        ("f('`') == \"it's\"", ("`",), "it's"),
        ("f('it\\'s), (') == 7", ("it's), (",), 7),
        (f"assert f(3) == 7, '{'a' * 1000}'", (3,), 7),
        ("f('\\n\\\\d') == b'\\x00'", ("\n\\d",), b"\0"),
        ("f('é', 'π') == '\u2028'", ("é", "π"), "\u2028"),
        ("f(1j) == 1+2j", (1j,), 1 + 2j),
    ],
)
def test_a_stated_test_is_read(line, arguments, expected):
    for reply in (line, f"I would test this:\n{line}\nand no more.", f"```python\n{line}\n```"):
        (test,) = replies.tests_in(reply, "f", 5)
        assert test == CallTest(arguments, expected)
        assert (type(test.expected), list(map(type, test.arguments))) == (type(expected), list(map(type, arguments)))


@pytest.mark.parametrize(
    "line",
    [
        "f(n=3) == 7",
        "f(*[3]) == 7",
        "f(x) == 7",
        "f(3) == f(4)",
        "f(3) == g(3)",
        "f(3) == 7 and f(4) == 8",
        "f(3) != 7",
        "f(3) < 7",
        "f(3) is not None",
        "f(3) + 1 == 7",
        "f(...) == 7",
        "f(3) == ...",
        "f(3) == int",
        "f({[]: 1}) == 7",
        "f(3 == 7",
        "f(3)",
        "f(3)) == 7",
        "f(3]) == 7",
        "not f(3)",
        "assert not f(3) == 7",
        "print(f(3)) == 7",
        "g(3) == 7",
        "ff(3) == 7",
        "f(3) ==",
        "f(3) == 7), (8",
        "f('\\d') == 7",
        "f('\\777') == 7",
        "f(3) == f'{7}'",
        "f(10**9) == 7",
        "f(__import__('os').getcwd()) == 7",
        "f(\0) == 7",
        ">>> f(3)",
        ">>> f(3)\n\n7",
        ">>> f(3)\n>>> f(4)",
        "f(3)\n7",
        f"f('{'a' * MAX_LITERAL_CHARS}') == 7",
        f"f(3) == '{'a' * MAX_LITERAL_CHARS}'",
        f"f({'[' * MAX_LITERAL_DEPTH}{']' * MAX_LITERAL_DEPTH}) == 7",
        f"f({'-' * 150}3) == 7",
    ],
)
def test_a_line_that_states_no_test_is_passed_over(line):
    assert replies.tests_in(line, "f", 5) == []


def test_escapes_that_python_warns_of_are_not_read_whether_it_warns_or_not():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert replies.tests_in("f('\\d') == 7\nf('\\777') == 7\nf(b'\\u0031') == 7", "f", 5) == []


def test_nests_up_to_the_limit_are_read():
    depth = MAX_LITERAL_DEPTH - 1  # the arguments are a tuple
    assert len(replies.tests_in(f"f({'[' * depth}{']' * depth}) == 7", "f", 5)) == 1


def test_the_first_tests_are_taken_in_order_and_each_once():
    reply = "f(1) == 1\nassert f(1) == 1\nf(1) == 2\nf(1) == True\nf(2) == 2\nf(3) == 3"
    stated = [(test.arguments[0], test.expected) for test in replies.tests_in(reply, "f", 4)]
    assert [(number, type(value), value) for number, value in stated] == [
        (1, int, 1),
        (1, int, 2),
        (1, bool, True),
        (2, int, 2),
    ]
    assert replies.tests_in(reply, "f", 0) == []


def test_methods_are_called_by_name_or_on_a_fresh_object():
    reply = "assert Solution().f(3) == 7\nf(4) == 8\nsolution.f(5) == 9"
    assert replies.tests_in(reply, "Solution.f", 5) == [CallTest((3,), 7), CallTest((4,), 8)]


def test_a_program_without_an_entry_point_has_no_calls_to_test():
    assert replies.tests_in("f(3) == 7\n(3) == 7", "", 5) == []


# ---- any text

PIECES = st.sampled_from(
    ["```", "```python", "\n", "def f(", "f(", ")", "[", "'", '"', '"""', "\\", "==", " ", ">>> ", "assert ", "3", ",",
     "import ", "from ", "=", ":", "#", "not ", "\u2028", "\ud800", "\0", "f\"{", "}", "lambda: ", "b'\\N"]
)  # fmt: skip


@given(st.text() | st.lists(PIECES, max_size=40).map("".join))
@example("f(3) == '\\N{DIGIT ONE}'")
@example("f(b'\\u0031') == 1")
@example("f(1if 1else 2) == 3")
def test_any_text_is_read_and_what_is_found_comes_from_it(reply):
    for entry_point in ("f", "Solution.f", ""):
        program = program_in(reply, entry_point)
        given_lines = {line.strip() for line in reply.replace("\r", "\n").split("\n")}
        assert {line.strip() for line in program.replace("\r", "\n").split("\n")} <= given_lines | {""}
        assert has_program(reply, entry_point) in (True, False)
        assert len(replies.tests_in(reply, entry_point, 3)) <= 3


LONG = 50_000
HOSTILE = [
    "(" * LONG,
    "f(" * LONG,
    "f(" + "[" * LONG,
    "f('" + "\\" * LONG,
    "`" * LONG,
    "```\n" * LONG,
    "```python\n" * (LONG // 10),
    " " * LONG + "x",
    ("a" + " " * 300 + "\n") * (LONG // 300),
    "a, " * LONG,
    "a" * LONG,
    "a[0]" * LONG,
    "# \n" * LONG,
    "x = 1\n" * LONG,
    '"""' * LONG,
    "import " + "a, " * LONG,
    "import " + "a as " * LONG,
    "def " * LONG,
    "async " * LONG,
    "class " + "a" * LONG,
    "if " * LONG,
    "1." * LONG,
    "assert not " * LONG,
    ("f(" + "(" * 500 + "\n") * (LONG // 500),
    ("f(" + "-" * 150 + "1) == 1\n") * (LONG // 150),
    ("f(" + "'\\\\" * 60 + "\n") * (LONG // 180),
    "\r" * LONG,
]


@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_take_a_moment(reply):
    began = time.process_time()
    for entry_point in ("f", ""):
        program_in(reply, entry_point)
        has_program(reply, entry_point)
        replies.tests_in(reply, entry_point, 5)
    assert time.process_time() - began < 3
