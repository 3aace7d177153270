"""Operations that make something of another shape."""

from collections import Counter

from marft_envs.coding.synthetic.steps import Operation

CROSSINGS = (
    Operation("number", "text", "writes {x} in decimal as a string", "str({x})", str, group="writes"),
    Operation(
        "number",
        "list",
        "lists the decimal digits of the absolute value of {x}, as numbers from left to right",
        "[int(digit) for digit in str(abs({x}))]",
        lambda x: [int(digit) for digit in str(abs(x))],
        group="digits",
    ),
    Operation(
        "text",
        "list",
        "lists the lengths of the words (separated by spaces) in {x}",
        "[len(word) for word in {x}.split()]",
        lambda s: [len(word) for word in s.split()],
    ),
    Operation(
        "list",
        "text",
        "joins the numbers{in_} into a string with '{0}' between them",
        "'{0}'.join(str(x) for x in {x})",
        lambda v, c: c.join(map(str, v)),
        (("-", ",", " ", "+", "ab", ""),),
        group="writes",
    ),
    Operation(
        "list",
        "table",
        "counts each number",
        "{{x: {x}.count(x) for x in {x}}}",
        lambda v: dict(Counter(v)),
        noun="a dict from each number in {x} to how many times it occurs",
    ),
    Operation(
        "list",
        "table",
        "finds each number",
        "{{x: {x}.index(x) for x in {x}}}",
        lambda v: {x: v.index(x) for x in v},
        noun="a dict from each number in {x} to the index of its first occurrence",
    ),
    Operation(
        "text",
        "table",
        "counts each character",
        "{{c: {x}.count(c) for c in {x}}}",
        lambda s: dict(Counter(s)),
        noun="a dict from each character in {x} to how many times it occurs",
    ),
    Operation(
        "text",
        "table",
        "measures each word",
        "{{word: len(word) for word in {x}.split()}}",
        lambda s: {word: len(word) for word in s.split()},
        noun="a dict from each word (separated by spaces) in {x} to its length",
    ),
)
