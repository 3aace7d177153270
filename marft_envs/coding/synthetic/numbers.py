"""Operations on a number."""

from dataclasses import replace
from functools import partial

from marft_envs.coding.synthetic.steps import Operation

_SMALL = range(1, 21)
_TWO_DIGITS = range(1, 100)
_number = partial(Operation, "number", "number")
_condition = partial(Operation, "number", "flag")

ADD = _number("adds {0}{to}", "{x} + {0}", lambda x, c: x + c, (_TWO_DIGITS,), "shift", "{x} plus {0}")
SUBTRACT = replace(ADD, words="subtracts {0}{from_}", code="{x} - {0}", run=lambda x, c: x - c, noun="{x} minus {0}")
SUBTRACT_FROM = replace(
    ADD, words="subtracts {x} from {0}", code="{0} - {x}", run=lambda x, c: c - x, noun="{0} minus {x}"
)
NEGATE = _number("negates {x}", "-{x}", lambda x: -x, group="shift", noun="minus {x}")
MULTIPLY = _number("multiplies {x} by {0}", "{x} * {0}", lambda x, c: x * c, (range(2, 100),), "scale", "{x} times {0}")
SQUARE = _number("squares {x}", "{x} * {x}", lambda x: x * x, group="square", noun="{x} squared")
ABSOLUTE = _number(
    "takes the absolute value of {x}", "abs({x})", abs, group="absolute", noun="the absolute value of {x}"
)
LARGER = _number(
    "takes the larger of {x} and {0}", "max({x}, {0})", max, (_TWO_DIGITS,), "bound", "the larger of {x} and {0}"
)
SMALLER = replace(
    LARGER, words="takes the smaller of {x} and {0}", code="min({x}, {0})", run=min, noun="the smaller of {x} and {0}"
)
REMAINDER = _number(
    "takes the remainder (Python's %) of {x} divided by {0}",
    "{x} % {0}",
    lambda x, c: x % c,
    (range(3, 50),),
    "remainder",
)
DIVIDE = _number("divides {x} by {0}, rounding down", "{x} // {0}", lambda x, c: x // c, (range(2, 20),), "quotient")
DIGIT_SUM = _number(
    "takes the sum of the decimal digits of the absolute value of {x}",
    "sum(int(digit) for digit in str(abs({x})))",
    lambda x: sum(map(int, str(abs(x)))),
    group="digits",
)
KEEP = _number("keeps {x} as it is", "{x}", lambda x: x)
"""Only ever what is done otherwise."""
EVEN = _condition("{x} is even", "{x} % 2 == 0", lambda x: x % 2 == 0, noun="whether {x} is even")
CONDITIONS = (
    EVEN,
    _condition("{x} is odd", "{x} % 2 == 1", lambda x: x % 2 == 1, noun="whether {x} is odd"),
    _condition("{x} is negative", "{x} < 0", lambda x: x < 0, noun="whether {x} is negative"),
    _condition(
        "{x} is divisible by {0}",
        "{x} % {0} == 0",
        lambda x, c: x % c == 0,
        (range(3, 10),),
        noun="whether {x} is divisible by {0}",
    ),
    _condition(
        "{x} is greater than {0}",
        "{x} > {0}",
        lambda x, c: x > c,
        (range(100),),
        noun="whether {x} is greater than {0}",
    ),
    _condition(
        "{x} is at most {0}", "{x} <= {0}", lambda x, c: x <= c, (range(100),), noun="whether {x} is at most {0}"
    ),
)
ONE_STEP = (
    *(replace(operation, constants=(_SMALL,)) for operation in (ADD, SUBTRACT, SUBTRACT_FROM)),
    replace(MULTIPLY, constants=(range(2, 21),)),
    SQUARE,
    ABSOLUTE,
    EVEN,
)
LINES = (
    _number(
        "multiplies {x} by {0} and adds {1}",
        "{x} * {0} + {1}",
        lambda x, a, b: x * a + b,
        (range(2, 100), range(1, 1000)),
        noun="{x} times {0} plus {1}",
    ),
    _number(
        "multiplies {x} by {0} and subtracts {1}",
        "{x} * {0} - {1}",
        lambda x, a, b: x * a - b,
        (range(2, 100), range(1, 1000)),
        noun="{x} times {0} minus {1}",
    ),
)
"""Two steps in one, told as one writes it: an untrained SmolLM2-135M-Instruct gets about half of them right."""
ARITHMETIC = (*(replace(each, constants=(range(1, 1000),)) for each in (ADD, SUBTRACT, SUBTRACT_FROM)), MULTIPLY)
"""One of the first three before or behind the last: half of these functions need parentheses."""
LINEAR = (ADD, SUBTRACT, SUBTRACT_FROM, NEGATE, MULTIPLY, SQUARE, ABSOLUTE, LARGER, SMALLER)
NUMBERS = (
    *LINEAR,
    REMAINDER,
    DIVIDE,
    DIGIT_SUM,
)
