"""Operations on a text."""

from functools import partial

from marft_envs.coding.synthetic.steps import Operation

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = (
    *"-!_+#.:7429aeioztAEQZ",
    *("ab", "go", "no", "ok", "Qu", "xyz", "end", "pre", "the", "un", "ing", "Mr", "x2", "--", "><", "...", "ly", "re"),
)
_LENGTHS = range(2, 9)
_text = partial(Operation, "text", "text")
_measure = partial(Operation, "text", "number")
_text_flag = partial(Operation, "text", "flag")

TEXTS = (
    _text("reverses {x}", "{x}[::-1]", lambda s: s[::-1], group="reverse"),
    _text("converts {x} to upper case", "{x}.upper()", str.upper, group="case"),
    _text("converts {x} to lower case", "{x}.lower()", str.lower, group="case"),
    _text("repeats {x} {0} times", "{x} * {0}", lambda s, c: s * c, (range(2, 6),), group="repeat"),
    _text("keeps only the first {0} characters{of}", "{x}[:{0}]", lambda s, c: s[:c], (_LENGTHS,), "cut"),
    _text("removes the first {0} characters{of}", "{x}[{0}:]", lambda s, c: s[c:], (range(2, 7),), "cut"),
    _text("keeps only the last {0} characters{of}", "{x}[-{0}:]", lambda s, c: s[-c:], (_LENGTHS,), "cut"),
    _text("removes the last {0} characters{of}", "{x}[:-{0}]", lambda s, c: s[:-c], (range(2, 7),), "cut"),
    _text(
        "replaces every '{0}' in {x} by '{1}'", "{x}.replace('{0}', '{1}')", str.replace, (LETTERS, LETTERS), "replace"
    ),
    _text("removes every '{0}'{from_}", "{x}.replace('{0}', '')", lambda s, c: s.replace(c, ""), (LETTERS,), "replace"),
    _text("appends '{0}'{to}", "{x} + '{0}'", lambda s, c: s + c, (PIECES,), "append"),
    _text("puts '{0}' in front of {x}", "'{0}' + {x}", lambda s, c: c + s, (PIECES,), "prepend"),
    _text("keeps every second character{of}, beginning with the first", "{x}[::2]", lambda s: s[::2], group="stride"),
    _text(
        "sorts the characters{of} as sorted does", "''.join(sorted({x}))", lambda s: "".join(sorted(s)), group="order"
    ),
    _text("removes every space{from_}", "{x}.replace(' ', '')", lambda s: s.replace(" ", "")),
)
TEXT_ENDS = (
    _measure("takes the length of {x}", "len({x})", len, noun="the length of {x}"),
    _measure(
        "counts the occurrences of '{0}' in {x}",
        "{x}.count('{0}')",
        str.count,
        (LETTERS,),
        noun="how many times '{0}' occurs in {x}",
    ),
    _measure(
        "counts the different characters{of}",
        "len(set({x}))",
        lambda s: len(set(s)),
        noun="how many different characters {x} has",
    ),
    _measure(
        "counts the vowels (any of aeiouAEIOU) in {x}",
        "sum(c in 'aeiouAEIOU' for c in {x})",
        lambda s: sum(c in "aeiouAEIOU" for c in s),
        noun="the number of vowels (any of aeiouAEIOU) in {x}",
    ),
    _measure(
        "counts the words (separated by spaces) in {x}",
        "len({x}.split())",
        lambda s: len(s.split()),
        noun="the number of words (separated by spaces) in {x}",
    ),
    _text_flag(
        "{x} contains '{0}'", "'{0}' in {x}", lambda s, c: c in s, (LETTERS,), noun="whether {x} contains '{0}'"
    ),
    _text_flag(
        "{x} reads the same backwards",
        "{x} == {x}[::-1]",
        lambda s: s == s[::-1],
        noun="whether {x} reads the same backwards",
    ),
)
