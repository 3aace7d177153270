"""Generated functions: what each step does by hand, references against tests, keys against what functions do."""

import itertools
import re
from copy import deepcopy

import numpy as np
import pytest

from marft_envs.coding.synthetic import crossings, lists, numbers, testing, texts
from marft_envs.coding.synthetic.inputs import PROBES
from marft_envs.coding.synthetic.neighbors import Change, simpler
from marft_envs.coding.synthetic.steps import Branch, K, Pipeline, Step
from marft_envs.coding.tasks.synthetic import LEVELS, MIN_SPLIT_INSTANCES, SPLIT_LEVELS, Synthetic, num_instances
from marft_envs.grading.programs import Rules
from marft_envs.sandbox.jail.plain import decode, encode

NUM_DRAWS = 200
TABLES = (
    *numbers.NUMBERS,
    numbers.KEEP,
    *numbers.CONDITIONS,
    *texts.TEXTS,
    *texts.TEXT_ENDS,
    *lists.LISTS,
    *lists.LIST_ENDS,
    *crossings.CROSSINGS,
)


def drawn(level, seed=0, count=NUM_DRAWS):
    rng = np.random.default_rng(seed)
    return [Synthetic().draw(level, rng, "train") for _ in range(count)]


@pytest.fixture(scope="module")
def tasks():
    return {level: drawn(level) for level in LEVELS}


def function(program):
    """Of our own references only."""
    names = {}
    exec(program, names)
    return names["f"]


def exact(value):
    """Text that tells 1 from True and from 1.0, but not the order of a dict."""
    return repr(sorted(value.items()) if type(value) is dict else value)


def passes(f, calls):
    try:
        return all(exact(f(*deepcopy(call.arguments))) == exact(call.expected) for call in calls)
    except (TypeError, ValueError, NameError, AttributeError, IndexError):
        return False


# What each operation does, worked out by hand: its words, a value, its constants, and what it gives. "12" stands for
# where the constants are.
EXAMPLES = [
    ("adds {0}{to}", -5, (3,), -2),
    ("subtracts {0}{from_}", -5, (3,), -8),
    ("subtracts {x} from {0}", -5, (3,), 8),
    ("negates {x}", -5, (), 5),
    ("multiplies {x} by {0}", -5, (3,), -15),
    ("squares {x}", -5, (), 25),
    ("takes the absolute value of {x}", -5, (), 5),
    ("takes the larger of {x} and {0}", -5, (3,), 3),
    ("takes the smaller of {x} and {0}", -5, (3,), -5),
    ("takes the remainder (Python's %) of {x} divided by {0}", -5, (3,), 1),
    ("divides {x} by {0}, rounding down", -5, (3,), -2),
    ("takes the sum of the decimal digits of the absolute value of {x}", -572, (), 14),
    ("keeps {x} as it is", -5, (), -5),
    ("{x} is even", -4, (), True),
    ("{x} is odd", -5, (), True),
    ("{x} is negative", 0, (), False),
    ("{x} is divisible by {0}", -9, (3,), True),
    ("{x} is greater than {0}", 3, (3,), False),
    ("{x} is at most {0}", 3, (3,), True),
    ("reverses {x}", "abc", (), "cba"),
    ("converts {x} to upper case", "aBc 1", (), "ABC 1"),
    ("converts {x} to lower case", "aBc 1", (), "abc 1"),
    ("repeats {x} {0} times", "ab", (3,), "ababab"),
    ("keeps only the first {0} characters{of}", "abcd", (3,), "abc"),
    ("removes the first {0} characters{of}", "abcd", (3,), "d"),
    ("keeps only the last {0} characters{of}", "abcd", (3,), "bcd"),
    ("removes the last {0} characters{of}", "abcd", (3,), "a"),
    ("replaces every '{0}' in {x} by '{1}'", "abcabA", ("a", "z"), "zbczbA"),
    ("removes every '{0}'{from_}", "abcabA", ("a",), "bcbA"),
    ("appends '{0}'{to}", "ab", ("go",), "abgo"),
    ("puts '{0}' in front of {x}", "ab", ("go",), "goab"),
    ("keeps every second character{of}, beginning with the first", "abcde", (), "ace"),
    ("sorts the characters{of} as sorted does", "bB a", (), " Bab"),
    ("removes every space{from_}", " a b ", (), "ab"),
    ("takes the length of {x}", "a b", (), 3),
    ("counts the occurrences of '{0}' in {x}", "aAba", ("a",), 2),
    ("counts the different characters{of}", "aAba", (), 3),
    ("counts the vowels (any of aeiouAEIOU) in {x}", "Abey", (), 2),
    ("counts the words (separated by spaces) in {x}", "ab  c d", (), 3),
    ("{x} contains '{0}'", "abc", ("b",), True),
    ("{x} reads the same backwards", "abba", (), True),
    ("adds {0} to each number{in_}", [1, -5], (3,), [4, -2]),
    ("multiplies each number{in_} by {0}", [1, -5], (3,), [3, -15]),
    ("squares each number{in_}", [1, -5], (), [1, 25]),
    ("replaces each number{in_} by its absolute value", [1, -5], (), [1, 5]),
    ("replaces each number{in_} by its remainder (Python's %) when divided by {0}", [7, -5], (3,), [1, 1]),
    ("keeps only the even numbers{in_}", [1, -4, 0, -5], (), [-4, 0]),
    ("keeps only the odd numbers{in_}", [1, -4, 0, -5], (), [1, -5]),
    ("keeps only the numbers{in_} that are greater than {0}", [4, 3, 2], (3,), [4]),
    ("keeps only the numbers{in_} that are at most {0}", [4, 3, 2], (3,), [3, 2]),
    ("removes the numbers{in_} that are divisible by {0}", [4, 3, 0, -6, -5], (3,), [4, -5]),
    ("sorts {x} in ascending order", [3, -1, 2], (), [-1, 2, 3]),
    ("sorts {x} in descending order", [3, -1, 2], (), [3, 2, -1]),
    ("reverses {x}", [3, -1, 2], (), [2, -1, 3]),
    ("keeps only the first {0} numbers{in_}", [3, -1, 2], (2,), [3, -1]),
    ("removes the first {0} numbers{in_}", [3, -1, 2], (2,), [2]),
    ("keeps only the last {0} numbers{in_}", [3, -1, 2], (2,), [-1, 2]),
    ("removes all but the first occurrence of each number{in_}", [3, 1, 3, 1], (), [3, 1]),
    ("replaces each number{in_} by the sum of all numbers up to and including it", [3, 1, -2], (), [3, 4, 2]),
    ("lists the differences of neighbours{in_}, each number minus the one before it", [3, 1, 5], (), [-2, 4]),
    ("adds up {x}", [3, 1, -5], (), -1),
    ("counts the numbers{in_}", [3, 1, -5], (), 3),
    ("takes the largest number{in_} (0 if there is none)", [-3, -1, -5], (), -1),
    ("takes the smallest number{in_} (0 if there is none)", [3, 1, 5], (), 1),
    ("a number in {x} is negative", [3, 0], (), False),
    ("{x} has duplicates", [3, 0, 3], (), True),
    ("the sum of {x} is greater than {0}", [3, 0, 3], (6,), False),
    ("writes {x} in decimal as a string", -12, (), "-12"),
    ("lists the decimal digits of the absolute value of {x}, as numbers from left to right", -120, (), [1, 2, 0]),
    ("lists the lengths of the words (separated by spaces) in {x}", "ab  c", (), [2, 1]),
    ("joins the numbers{in_} into a string with '{0}' between them", [1, -2], (", ",), "1, -2"),
    ("counts each number", [3, 1, 3], (), {3: 2, 1: 1}),
    ("finds each number", [3, 1, 3], (), {3: 0, 1: 1}),
    ("counts each character", "aba", (), {"a": 2, "b": 1}),
    ("measures each word", "ab c ab", (), {"ab": 2, "c": 1}),
]
SHAPES = {int: "number", str: "text", list: "list"}


@pytest.mark.parametrize(("words", "value", "constants", "given"), EXAMPLES)
def test_an_operation_does_what_its_words_say(words, value, constants, given):
    (operation,) = (row for row in TABLES if row.words == words and row.takes == SHAPES[type(value)])
    pipeline = Pipeline("v", operation.takes, (Step(operation, constants),))
    before = deepcopy(value)
    assert exact(pipeline.function()(value, 0)) == exact(given)
    assert exact(function(pipeline.reference())(value)) == exact(given)
    assert value == before


def test_every_operation_has_an_example():
    assert {(words, SHAPES[type(value)]) for words, value, _, _ in EXAMPLES} == {
        (row.words, row.takes) for row in TABLES
    }


@pytest.mark.parametrize("operation", [row for row in TABLES if row.takes != "number"], ids=lambda row: row.words)
def test_an_operation_and_its_code_agree_about_nothing(operation):
    empty = [] if operation.takes == "list" else ""
    step = Step(operation, tuple(constants[0] for constants in operation.constants))
    pipeline = Pipeline("v", operation.takes, (step,))
    assert exact(pipeline.function()(empty, 0)) == exact(function(pipeline.reference())(empty))


# Properties of tasks.


@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_passes_every_test_and_leaves_its_arguments_alone(tasks, level):
    for task in tasks[level]:
        f = function(task.reference)
        for call in (*task.visible, *task.hidden):
            arguments = deepcopy(call.arguments)
            assert exact(f(*arguments)) == exact(call.expected), task
            assert arguments == call.arguments


@pytest.mark.parametrize("level", LEVELS)
def test_three_tests_are_visible_and_nine_hidden_and_no_input_comes_twice(tasks, level):
    for task in tasks[level]:
        assert (len(task.visible), len(task.hidden)) == (3, 9)
        assert len({repr(call.arguments[0]) for call in (*task.visible, *task.hidden)}) == 12


@pytest.mark.parametrize("level", LEVELS)
def test_tests_hold_plain_data_of_exact_types(tasks, level):
    for task in tasks[level]:
        for call in (*task.visible, *task.hidden):
            for value in (*call.arguments, call.expected):
                assert repr(decode(encode(value))) == repr(value)  # a subclass comes back as its base
                assert call.expected is not None


@pytest.mark.parametrize("level", LEVELS)
def test_constants_and_the_identity_fail_visible_and_hidden_tests(tasks, level):
    for task in tasks[level]:
        for calls in (task.visible, task.hidden):
            assert len({exact(call.expected) for call in calls}) >= 2, task
            assert any(exact(call.expected) != exact(call.arguments[0]) for call in calls), task


def test_predicates_expect_both_answers_visibly_and_hidden(tasks):
    predicates = [task for level in LEVELS for task in tasks[level] if type(task.hidden[0].expected) is bool]
    assert len(predicates) > 50
    for task in predicates:
        for calls in (task.visible, task.hidden):
            assert {call.expected for call in calls} == {True, False}


@pytest.mark.parametrize(
    ("level", "edges"), [("numbers", {0, "negative"}), ("strings", {""}), ("lists", {"[]", "one number", "negative"})]
)
def test_hidden_tests_hold_the_edges(tasks, level, edges):
    def kinds(value):
        if isinstance(value, list):
            yield "[]" if not value else "one number" if len(value) == 1 else "many"
            yield from ["negative"] * any(number < 0 for number in value)
        else:
            yield value
            yield from ["negative"] * (isinstance(value, int) and value < 0)

    for task in tasks[level]:
        assert edges <= {kind for call in task.hidden for kind in kinds(call.arguments[0])}


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "one_step"])
def test_a_program_without_one_of_its_steps_fails_hidden_tests(tasks, level):
    for task in tasks[level]:
        if "if " in task.reference.replace(" if x ", ""):
            continue
        head, *lines = task.reference.rstrip().split("\n")
        name = re.match(r"def f\((\w+)", head)[1]
        for index in range(len(lines)):
            source = name if index == 0 else "result"
            before = "return" if index == len(lines) - 1 else "result ="
            shorter = [*lines[:index], f"    {before} {source}", *lines[index + 1 :]]
            assert not passes(function("\n".join([head, *shorter])), task.hidden), (task, index)


def test_a_function_that_is_simpler_than_it_looks_is_no_task():
    add, double = Step(numbers.ADD, (3,)), Step(numbers.MULTIPLY, (2,))
    absolute, square = Step(numbers.ABSOLUTE), Step(numbers.SQUARE)
    even, odd, negative = (Step(condition) for condition in numbers.CONDITIONS[:3])
    useless = [
        (square, absolute),
        (absolute, square),
        (double, even),  # always True
        (Step(numbers.ADD, (4,)), even),
        (double, Branch(((even, add),), absolute)),
        (square, Branch(((negative, add),), double)),
        (add, Branch(((even, add), (even, double)), absolute)),  # the second case is never reached
        (add, Branch(((even, add), (odd, double)), Step(numbers.KEEP))),  # there is no other case
        (add, Branch(((negative, Step(numbers.NEGATE)),), absolute)),
        (square, Branch(((even, absolute),), add)),  # does nothing in one case
    ]
    useful = [(add, double), (add, absolute), (add, even), (add, Branch(((even, add), (negative, double)), square))]
    for steps in (*useless, *useful):
        found = [testing.tests(Pipeline("n", "number", steps), np.random.default_rng(seed)) for seed in range(20)]
        assert all(tests is None for tests in found) if steps in useless else all(found), steps


def test_a_function_with_k_is_told_from_the_one_with_k_fixed():
    pipeline = Pipeline("n", "number", (Step(numbers.ADD, (K,)),), has_k=True)
    assert Change(0, Step(numbers.ADD, (5,))) in list(simpler(pipeline))


def test_hidden_tests_tell_the_boundary_of_a_condition():
    """n > 57 and n > 56 differ at 57 only, n > 57 and n > 58 at 58."""
    above = next(row for row in numbers.CONDITIONS if row.code == "{x} > {0}")
    branch = Branch(((Step(above, (57,)), Step(numbers.NEGATE)),), Step(numbers.KEEP))
    for seed in range(20):
        found = testing.tests(Pipeline("n", "number", (branch,)), np.random.default_rng(seed))
        assert {57, 58} <= {call.arguments[0] for call in found.hidden}


# Descriptions.


@pytest.mark.parametrize("level", LEVELS)
def test_a_description_is_one_sentence_that_names_the_call(tasks, level):
    for task in tasks[level]:
        head = re.match(r"def (f\(\w+(, k)?\)):\n", task.reference)
        assert task.description.startswith(f"Write a Python function {head[1]} that ")
        assert re.fullmatch(r"[^{}\n]+ returns [^{}\n]+\.", task.description)
        assert (task.entry_point, task.rules, task.split) == ("f", Rules(), None)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_quoted_and_every_number_of_a_description_is_in_the_reference(tasks, level):
    for task in tasks[level]:
        told = task.description.replace("(0 if there is none)", "").replace("(0 if there are no numbers)", "")
        for piece in re.findall(r"'[^' ]*'|\b\d+\b", told.replace("(Python's %)", "")):
            assert piece in task.reference, task


@pytest.mark.parametrize("level", LEVELS)
def test_one_description_has_one_reference(level):
    references = {}
    for task in drawn(level, seed=1, count=150):
        assert references.setdefault(task.description, task.reference) == task.reference


SENTENCES = {
    r"adds (\d+)(?: to n)?": lambda x, c: x + c,
    r"(?:n|the result) plus (\d+)": lambda x, c: x + c,
    r"subtracts (\d+)(?: from n)?": lambda x, c: x - c,
    r"(?:n|the result) minus (\d+)": lambda x, c: x - c,
    r"subtracts n from (\d+)|(\d+) minus (?:n|the result)": lambda x, c: c - x,
    r"negates n|minus the result": lambda x: -x,
    r"multiplies n by (\d+)|(?:n|the result) times (\d+)": lambda x, c: x * c,
    r"squares n|(?:n|the result) squared": lambda x: x**2,
    r"(?:takes )?the absolute value of (?:n|the result)": lambda x: x if x > 0 else -x,
    r"(?:takes )?the larger of (?:n|the result) and (\d+)": lambda x, c: max(c, x),
    r"(?:takes )?the smaller of (?:n|the result) and (\d+)": lambda x, c: min(c, x),
    r"whether n is even": lambda x: x % 2 == 0,
}


def understood(clause):
    for pattern, meaning in SENTENCES.items():
        if match := re.fullmatch(pattern, clause):
            constants = [int(group) for group in match.groups() if group is not None]
            return lambda x: meaning(x, *constants)
    raise AssertionError(clause)


@pytest.mark.parametrize("level", ["one_step", "two_steps"])
def test_who_understands_the_description_passes(level):
    for task in drawn(level, count=400):
        clauses = re.split(r",? and returns |returns ", task.description.split(" that ")[1].rstrip("."))
        steps = [understood(clause) for clause in clauses if clause]
        for call in (*task.visible, *task.hidden):
            (value,) = call.arguments
            for step in steps:
                value = step(value)
            assert exact(value) == exact(call.expected), task


# Golden plays: with these seeds, these tasks. A change that breaks one changes what every seed draws.

GOLDEN = {
    "one_step": (
        "Write a Python function f(n) that returns n times 17.",
        ["def f(n):", "    return n * 17"],
        [((3,), 51), ((-111,), -1887), ((19,), 323)],
        [0, -1, 1, -10, -150, 24, 15, -64, 104],
        "number bed0c2ad4d629c4aa3dba5b0",
    ),
    "line": (
        "Write a Python function f(n) that returns n times 80 minus 23.",
        ["def f(n):", "    return n * 80 - 23"],
        [((39,), 3097), ((-71,), -5703), ((46,), 3657)],
        [0, -8, 1, 150, -3, 14, 22, 143, -35],
        "number b42d2b1afa0d8c13946c79f0",
    ),
    "parentheses": (
        "Write a Python function f(n) that returns (805 minus n) times 81.",
        ["def f(n):", "    result = 805 - n", "    return result * 81"],
        [((18,), 63747), ((46,), 61479), ((16,), 63909)],
        [0, -5, 1, -136, 39, -134, 80, 17, 2],
        "number 75f64b80fadc42a6c1653333",
    ),
    "arithmetic": (
        "Write a Python function f(n) that subtracts n from 805 and returns the result times 81.",
        ["def f(n):", "    result = 805 - n", "    return result * 81"],
        [((18,), 63747), ((46,), 61479), ((16,), 63909)],
        [0, -5, 1, -136, 39, -134, 80, 17, 2],
        "number 75f64b80fadc42a6c1653333",
    ),
    "two_steps": (
        "Write a Python function f(n) that takes the absolute value of n and returns the larger of the result and 3.",
        ["def f(n):", "    result = abs(n)", "    return max(result, 3)"],
        [((-4,), 4), ((-1,), 3), ((17,), 17)],
        [0, -8, 1, -10, -67, 24, 7, 144, 143],
        "number 054c1866c59639d0cc7c2495",
    ),
    "numbers": (
        (
            "Write a Python function f(n) that takes the absolute value of n if n is at most 86 and "
            "subtracts n from 44 "
            "otherwise, then subtracts the result from 6, and returns the result times 76."
        ),
        [
            "def f(n):",
            "    if n <= 86:",
            "        result = abs(n)",
            "    else:",
            "        result = 44 - n",
            "    result = 6 - result",
            "    return result * 76",
        ],
        [((88,), 3800), ((50,), -3344), ((23,), -1292)],
        [0, -2, 1, 87, 86, 44, 4, 45, -4],
        "number 49eb7c1d89f94170621f8085",
    ),
    "strings": (
        (
            "Write a Python function f(s) that appends '-' to s, then removes every 'm', then keeps only the last 6 "
            "characters, then puts 're' in front of the result, and returns the result."
        ),
        [
            "def f(s):",
            "    result = s + '-'",
            "    result = result.replace('m', '')",
            "    result = result[-6:]",
            "    return 're' + result",
        ],
        [(("corerede dog",), "ree dog-"), (("jumuj",), "rejuuj-"), (("zebez",), "rezebez-")],
        ["", "a", "Go", "jumpinggnipmuj", "re bc", "zebra", "Python", "kayak", "judgeegduj"],
        "text 216605623f238bdb41cbf4f5",
    ),
    "lists": (
        (
            "Write a Python function f(values) that keeps only the even numbers in values and returns "
            "the smallest number "
            "in the result (0 if there is none)."
        ),
        ["def f(values):", "    result = [x for x in values if x % 2 == 0]", "    return min(result, default=0)"],
        [(([6, 2, 8, 0, 4, 2, 9, -1, 7],), 0), (([52, 17, -1],), 52), (([5, 2, 7, 9],), 2)],
        [
            [],
            [3],
            [-6, 0],
            [-1, -7, -1, 29, 17, 22, 17, 22, 9],
            [20, -16, 58, 53, -4, 47, -2, 6],
            [17, -8],
            [-19, -7, 7, 16, 24, 28, 43, 45, 51],
            [-3, 8, 13, -1, 2, 17, 17],
            [35, -17, 46, 45, 14, 56, 30],
        ],
        "list 9d2a27a34ebb55445f3e6163",
    ),
    "mixed": (
        (
            "Write a Python function f(n) that subtracts n from 64, then multiplies the result by 56 "
            "if the result is odd "
            "and multiplies the result by 5 otherwise, then takes the larger of the result and 43, and "
            "returns the result "
            "plus 16."
        ),
        [
            "def f(n):",
            "    result = 64 - n",
            "    if result % 2 == 1:",
            "        result = result * 56",
            "    else:",
            "        result = result * 5",
            "    result = max(result, 43)",
            "    return result + 16",
        ],
        [((13,), 2872), ((22,), 226), ((26,), 206)],
        [0, -8, 1, 149, -112, 2, -9, -7, -2],
        "number 19304a5730dc63990cf1a158",
    ),
}


@pytest.mark.parametrize("level", LEVELS)
def test_a_seed_always_draws_the_same_task(level):
    description, lines, visible, hidden, name = GOLDEN[level]
    (task,) = drawn(level, seed=5, count=1)
    assert task.description == description
    assert task.reference == "\n".join(lines) + "\n"
    assert [(call.arguments, call.expected) for call in task.visible] == visible
    assert [call.arguments[0] for call in task.hidden] == hidden
    assert task.key == name
    assert drawn(level, seed=5, count=3) == drawn(level, seed=5, count=3) != drawn(level, seed=6, count=3)


# Keys.


def key(*steps, takes="number", has_k=False):
    return testing.key(Pipeline("v", takes, steps, has_k))


def test_what_does_the_same_has_one_key():
    add, double = Step(numbers.ADD, (3,)), Step(numbers.MULTIPLY, (2,))
    assert key(add, double) == key(double, Step(numbers.ADD, (6,)))
    assert key(add, double) != key(double, add)
    assert key(Step(numbers.ABSOLUTE), Step(numbers.SQUARE)) == key(Step(numbers.SQUARE))
    reverse, upper = Step(texts.TEXTS[0]), Step(texts.TEXTS[1])
    assert key(reverse, upper, takes="text") == key(upper, reverse, takes="text")
    assert key(reverse, takes="text") != key(Step(lists.LISTS[12]), takes="list")
    assert key(Step(numbers.ADD, (K,)), has_k=True) != key(Step(numbers.ADD, (5,)))


def test_neither_the_order_of_a_dict_nor_the_way_to_it_is_in_a_key():
    counts = Step(crossings.CROSSINGS[4])
    assert key(Step(lists.LISTS[12]), counts, takes="list") == key(counts, takes="list")


@pytest.mark.parametrize("level", ["one_step", "two_steps"])
def test_functions_of_one_key_pass_each_others_tests(level):
    first = {}
    for task in drawn(level, seed=2, count=1_000):
        other = first.setdefault(task.key, task)
        assert passes(function(other.reference), (*task.visible, *task.hidden)), (task, other)
    assert len(first) < 1_000


def test_keys_do_not_contain_the_level():
    add = Step(numbers.ADD, (3,))
    assert key(add) in {task.key for task in drawn("one_step", count=400)}


# Instances.


def test_the_smoke_level_draws_all_of_its_instances():
    assert len({task.key for task in drawn("one_step", count=1_500)}) == num_instances("one_step")


def test_a_line_is_one_of_two_operations_with_two_constants_and_no_two_are_the_same():
    # 98 slopes from 2 to 99, and 999 constants added or subtracted.
    slopes, constants = (range(2, 100), range(1, 1000))
    assert [operation.constants for operation in numbers.LINES] == [(slopes, constants)] * 2
    values = {
        (operation.run(0, a, b), operation.run(1, a, b))
        for operation in numbers.LINES
        for a in slopes
        for b in constants
    }
    assert len(values) == num_instances("line") == 195_804


def test_arithmetic_has_as_many_instances_as_there_are_lines_that_two_of_its_steps_make():
    # A line is a slope and what it gives for 0: n times b, then shifted by c in three ways; or shifted first.
    shifts = [lambda x, c: x + c, lambda x, c: x - c, lambda x, c: c - x]
    constants, factors = range(1, 1000), range(2, 100)
    lines = set()
    for shift in shifts:
        for c in constants:
            for b in factors:
                lines.add((shift(0 * b, c), shift(1 * b, c)))
                lines.add((shift(0, c) * b, shift(1, c) * b))
    assert len(lines) == num_instances("arithmetic") == num_instances("parentheses") == 575_043


def test_parentheses_are_told_so_that_python_reads_them_as_the_reference_does():
    for task in drawn("parentheses"):
        told = re.fullmatch(r"Write a Python function f\(n\) that returns (.*)\.", task.description)[1]
        for word, sign in (("plus", "+"), ("minus", "-"), ("times", "*")):
            told = told.replace(word, sign)
        assert passes(function(f"def f(n): return {told}"), (*task.visible, *task.hidden))


def each_linear():
    """Group, and what it does to an array, of every step that two_steps can draw, written down a second time."""
    for c in range(1, 100):
        yield "shift", lambda x, c=c: x + c
        yield "shift", lambda x, c=c: x - c
        yield "shift", lambda x, c=c: c - x
        yield "bound", lambda x, c=c: np.maximum(x, c)
        yield "bound", lambda x, c=c: np.minimum(x, c)
    for c in range(2, 100):
        yield "scale", lambda x, c=c: x * c
    yield from (("shift", np.negative), ("square", np.square), ("absolute", np.abs))


def test_two_steps_has_as_many_instances_as_there_are_functions_of_two_steps():
    inputs = np.array([value for value, _ in PROBES["number"]])
    alone = [step(inputs).tobytes() for _, step in each_linear()]
    found = set()
    for group, first in each_linear():
        middle = first(inputs)
        for (other, second), without_first in zip(each_linear(), alone, strict=True):
            if group != other:
                outputs = second(middle)
                if outputs.tobytes() not in (without_first, middle.tobytes()) and len(set(outputs.tolist())) >= 3:
                    found.add(outputs.tobytes())
    assert len(found) == num_instances("two_steps")


def test_what_two_steps_counts_can_be_drawn():
    rng = np.random.default_rng(0)
    for _ in range(100):
        first = Step(numbers.ADD, (int(rng.integers(1, 100)),))
        second = Step(numbers.LARGER if rng.integers(2) else numbers.MULTIPLY, (int(rng.integers(2, 100)),))
        for steps in ((first, second), (second, first)):
            assert any(testing.tests(Pipeline("n", "number", steps), rng) for _ in range(10)), steps


# Families of functions that differ, a choice of their constants: what the larger levels have at least.


def choices(*rows):
    return [[Step(row, constants) for row, some in option for constants in some] for option in rows]


def bounded_lines():
    some = [(2,), (3,), (50,), (98,), (99,)]
    shifts = [(numbers.ADD, [(1,), *some]), (numbers.SUBTRACT, [(1,), *some])]
    bounds = [(numbers.LARGER, [(1,), *some]), (numbers.SMALLER, [(1,), *some])]
    return choices([(numbers.MULTIPLY, some)], shifts, bounds)


def framed_texts():
    replace, prepend, append = (
        next(row for row in texts.TEXTS if row.group == g) for g in ("replace", "prepend", "append")
    )
    letters = [("a", "b"), ("b", "a"), ("a", "z"), ("z", "q"), ("q", "x"), ("x", "z")]
    pieces = [(piece,) for piece in ("-", "--", "a", "Z", "un", "xyz")]
    return choices([(replace, letters)], [(prepend, pieces)], [(append, pieces)])


def filtered_lists():
    by_code = {row.code: row for row in (*lists.LISTS, *lists.LIST_ENDS)}
    above, below, times, plus = (
        by_code[f"[{code}]"]
        for code in (
            "x for x in {x} if x > {0}",
            "x for x in {x} if x <= {0}",
            "x * {0} for x in {x}",
            "x + {0} for x in {x}",
        )
    )
    some = [(c,) for c in (2, 3, 11, 18)]
    ends = [row for row in lists.LISTS if row.group in ("order", "square")] + [by_code["sum({x})"]]
    ends += [row for row in lists.LISTS if row.code.startswith("[sum(")]
    all_limits = [(c,) for c in range(16)]
    last = [*choices([(row, [()]) for row in ends])[0], None]
    return [*choices([(above, all_limits), (below, all_limits)], [(times, some)], [(plus, some)]), last]


@pytest.mark.parametrize(
    ("levels", "takes", "family", "sizes"),
    [
        (["numbers", "mixed"], "number", bounded_lines, (98, 2 * 99, 2 * 99)),
        (["strings"], "text", framed_texts, (26 * 25, 39, 39)),
        (["lists"], "list", filtered_lists, (2 * 16, 18, 29, 7)),
    ],
)
def test_a_family_has_as_many_keys_as_functions(levels, takes, family, sizes):
    options = family()
    keys = {key(*filter(None, steps), takes=takes) for steps in itertools.product(*options)}
    assert len(keys) == np.prod([len(option) for option in options])
    for level in levels:
        assert num_instances(level) == np.prod(sizes)
        offered = set(LEVELS[level].operations)
        assert all(step is None or step.operation in offered for option in options for step in option)


def test_levels_offer_a_split_from_2000_instances_on():
    assert MIN_SPLIT_INSTANCES == 2_000
    assert tuple(LEVELS)[1:] == SPLIT_LEVELS
    assert all(num_instances(level) >= 100_000 for level in SPLIT_LEVELS)
    source = Synthetic()
    assert "82" in source.why_not("test", "one_step")
    assert not source.why_not("train", "one_step")
    assert not source.why_not("test", "lists")
