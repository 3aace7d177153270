"""Arithmetic problems: answers and keys against independent ones, counts against enumeration."""

import ast
import itertools
import operator
import re

import numpy as np
import pytest

from marft_envs.math.arithmetic import LEVELS, SPLIT_LEVELS, draw, num_instances
from marft_envs.seeding import MIN_SPLIT_INSTANCES

NUM_DRAWS = 300
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}

# What each level may look like, written down a second time.
SHAPES = {
    "one_digit": r"\d \+ \d",
    "add_digit": r"[1-9]\d \+ [1-9]",
    "add_digit_long": r"[1-9]\d\d \+ [1-9]",
    "two_digit": r"[1-9]\d \+ [1-9]\d",
    "signed": r"[1-9]\d [+-] [1-9]\d",
    "three_terms": r"[1-9]\d [+-] [1-9]\d [+-] [1-9]\d",
    "expression": r"(P \* [2-9]|[2-9] \* P) [+-] [1-9]\d|[1-9]\d [+-] (P \* [2-9]|[2-9] \* P)".replace(
        "P", r"\((1?[1-9]|[12]0) [+-] (1?[1-9]|[12]0)\)"
    ),
}


def problems(level, seed=0, count=NUM_DRAWS):
    rng = np.random.default_rng(seed)
    return [draw(level, rng) for _ in range(count)]


def evaluated(text):
    """The value of a text that this module generated, by Python's own grammar but not by running it."""

    def value(node):
        if isinstance(node, ast.Constant):
            assert type(node.value) is int
            return node.value
        assert isinstance(node, ast.BinOp)
        return OPERATORS[type(node.op)](value(node.left), value(node.right))

    return value(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize("level", LEVELS)
def test_the_answer_is_what_an_independent_evaluator_finds(level):
    for problem in problems(level):
        assert problem.answer == evaluated(problem.text)
        assert type(problem.answer) is int


@pytest.mark.parametrize("level", LEVELS)
def test_every_problem_has_the_shape_of_its_level(level):
    for problem in problems(level):
        assert re.fullmatch(SHAPES[level], problem.text), problem.text


@pytest.mark.parametrize("level", LEVELS)
def test_a_key_stands_for_one_answer(level):
    answers = {}
    for problem in problems(level, count=2_000):
        assert answers.setdefault(problem.key, problem.answer) == problem.answer


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_generator_draws_the_same_problems(level):
    assert problems(level, seed=7) == problems(level, seed=7)
    assert problems(level, seed=7) != problems(level, seed=8)


def test_an_unknown_level_is_a_key_error():
    with pytest.raises(KeyError, match="hard"):
        draw("hard", np.random.default_rng(0))


def expected_key(text):
    """The key of a text, found by Python's own parser: signed terms in sorted order, and so their factors."""

    def key(node):
        return str(node.value) if isinstance(node, ast.Constant) else f"({''.join(sorted(terms(node, '+')))})"

    def factors(node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return factors(node.left) + factors(node.right)
        return [key(node)]

    def terms(node, sign):
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mult):
            return terms(node.left, sign) + terms(node.right, "+" if isinstance(node.op, ast.Add) else "-")
        return [sign + "*".join(sorted(factors(node)))]

    return "".join(sorted(terms(ast.parse(text, mode="eval").body, "+")))


def test_what_commutes_shares_a_key_and_nothing_else_does():
    one_way = expected_key("2 * (1 + 4) - 30")
    assert one_way == expected_key("(4 + 1) * 2 - 30")
    assert one_way != expected_key("30 - 2 * (1 + 4)")
    assert expected_key("3 + 5 - 7") == expected_key("5 - 7 + 3") != expected_key("3 - 5 + 7")
    for level in LEVELS:
        for problem in problems(level):
            assert problem.key == expected_key(problem.text), problem.text


TWO_DIGITS = range(10, 100)
SIGNED = [*TWO_DIGITS, *(-number for number in TWO_DIGITS)]


def sums_in_parentheses():
    pairs = itertools.product(range(1, 21), repeat=2)
    return {tuple(sorted((first, sign * second))) for first, second in pairs for sign in (+1, -1)}


# How many keys there are, counted one by one.
ENUMERATED = {
    "one_digit": lambda: len({frozenset(pair) for pair in itertools.product(range(10), repeat=2)}),
    "add_digit": lambda: len(set(itertools.product(TWO_DIGITS, range(1, 10)))),
    "add_digit_long": lambda: len(set(itertools.product(range(100, 1000), range(1, 10)))),
    "two_digit": lambda: len({frozenset(pair) for pair in itertools.product(TWO_DIGITS, repeat=2)}),
    "signed": lambda: len({tuple(sorted(pair)) for pair in itertools.product(TWO_DIGITS, SIGNED)}),
    "three_terms": lambda: sum(max(sums) > 0 for sums in itertools.combinations_with_replacement(SIGNED, 3)),
    # Sums, factors, numbers; and the signs of product and number, of which one at most can be negative.
    "expression": lambda: len(sums_in_parentheses()) * 8 * 90 * len({(+1, +1), (+1, -1), (-1, +1)}),
}


@pytest.mark.parametrize("level", LEVELS)
def test_the_number_of_instances_is_exact(level):
    assert num_instances(level) == ENUMERATED[level]()


@pytest.mark.parametrize(("level", "count"), [("one_digit", 2_000), ("add_digit", 15_000)])
def test_a_small_level_draws_all_of_its_instances(level, count):
    assert len({problem.key for problem in problems(level, count=count)}) == num_instances(level)


def test_levels_offer_a_split_from_2000_instances_on():
    assert MIN_SPLIT_INSTANCES == 2_000
    assert SPLIT_LEVELS == ("add_digit_long", "two_digit", "signed", "three_terms", "expression")
