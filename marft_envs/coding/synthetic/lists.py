"""Operations on a list of integers."""

from functools import partial
from itertools import accumulate, pairwise

from marft_envs.coding.synthetic.steps import Operation

_list = partial(Operation, "list", "list")
_reduction = partial(Operation, "list", "number")
_list_flag = partial(Operation, "list", "flag")

LISTS = (
    _list(
        "adds {0} to each number{in_}",
        "[x + {0} for x in {x}]",
        lambda v, c: [x + c for x in v],
        (range(1, 30),),
        "shift",
    ),
    _list(
        "multiplies each number{in_} by {0}",
        "[x * {0} for x in {x}]",
        lambda v, c: [x * c for x in v],
        (range(2, 20),),
        "scale",
    ),
    _list("squares each number{in_}", "[x * x for x in {x}]", lambda v: [x * x for x in v], group="square"),
    _list(
        "replaces each number{in_} by its absolute value",
        "[abs(x) for x in {x}]",
        lambda v: [abs(x) for x in v],
        group="absolute",
    ),
    _list(
        "replaces each number{in_} by its remainder (Python's %) when divided by {0}",
        "[x % {0} for x in {x}]",
        lambda v, c: [x % c for x in v],
        (range(2, 13),),
        "remainder",
    ),
    _list(
        "keeps only the even numbers{in_}",
        "[x for x in {x} if x % 2 == 0]",
        lambda v: [x for x in v if x % 2 == 0],
        group="parity",
    ),
    _list(
        "keeps only the odd numbers{in_}",
        "[x for x in {x} if x % 2 == 1]",
        lambda v: [x for x in v if x % 2 == 1],
        group="parity",
    ),
    _list(
        "keeps only the numbers{in_} that are greater than {0}",
        "[x for x in {x} if x > {0}]",
        lambda v, c: [x for x in v if x > c],
        (range(16),),
        "above",
    ),
    _list(
        "keeps only the numbers{in_} that are at most {0}",
        "[x for x in {x} if x <= {0}]",
        lambda v, c: [x for x in v if x <= c],
        (range(16),),
        "below",
    ),
    _list(
        "removes the numbers{in_} that are divisible by {0}",
        "[x for x in {x} if x % {0} != 0]",
        lambda v, c: [x for x in v if x % c != 0],
        (range(3, 8),),
        "divisible",
    ),
    _list("sorts {x} in ascending order", "sorted({x})", sorted, group="order"),
    _list(
        "sorts {x} in descending order", "sorted({x}, reverse=True)", lambda v: sorted(v, reverse=True), group="order"
    ),
    _list("reverses {x}", "{x}[::-1]", lambda v: v[::-1], group="order"),
    _list("keeps only the first {0} numbers{in_}", "{x}[:{0}]", lambda v, c: v[:c], (range(2, 7),), "cut"),
    _list("removes the first {0} numbers{in_}", "{x}[{0}:]", lambda v, c: v[c:], (range(2, 5),), "cut"),
    _list("keeps only the last {0} numbers{in_}", "{x}[-{0}:]", lambda v, c: v[-c:], (range(2, 7),), "cut"),
    _list(
        "removes all but the first occurrence of each number{in_}",
        "list(dict.fromkeys({x}))",
        lambda v: list(dict.fromkeys(v)),
        group="distinct",
    ),
    _list(
        "replaces each number{in_} by the sum of all numbers up to and including it",
        "[sum({x}[:i + 1]) for i in range(len({x}))]",
        lambda v: list(accumulate(v)),
        group="running",
    ),
    _list(
        "lists the differences of neighbours{in_}, each number minus the one before it",
        "[b - a for a, b in zip({x}, {x}[1:])]",
        lambda v: [b - a for a, b in pairwise(v)],
        group="running",
    ),
)
LIST_ENDS = (
    _reduction("adds up {x}", "sum({x})", sum, noun="the sum of {x} (0 if there are no numbers)"),
    _reduction("counts the numbers{in_}", "len({x})", len, noun="how many numbers {x} has"),
    _reduction(
        "takes the largest number{in_} (0 if there is none)",
        "max({x}, default=0)",
        lambda v: max(v, default=0),
        noun="the largest number in {x} (0 if there is none)",
    ),
    _reduction(
        "takes the smallest number{in_} (0 if there is none)",
        "min({x}, default=0)",
        lambda v: min(v, default=0),
        noun="the smallest number in {x} (0 if there is none)",
    ),
    _list_flag(
        "a number in {x} is negative",
        "any(x < 0 for x in {x})",
        lambda v: any(x < 0 for x in v),
        noun="whether any number in {x} is negative",
    ),
    _list_flag(
        "{x} has duplicates",
        "len(set({x})) < len({x})",
        lambda v: len(set(v)) < len(v),
        noun="whether any number occurs more than once in {x}",
    ),
    _list_flag(
        "the sum of {x} is greater than {0}",
        "sum({x}) > {0}",
        lambda v, c: sum(v) > c,
        (range(60),),
        noun="whether the sum of {x} is greater than {0}",
    ),
)
