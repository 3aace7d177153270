"""Mutants: programs that differ from a reference program by one small change, each a mistake that somebody could make.

Whether a mutant does something else than the reference shows when both are run, and not here; the changes are chosen
so that it seldom does the same. References come from our generators and from data sets, never from a model.
"""

import ast
from collections.abc import Callable, Iterator

import numpy as np

from marft_envs.errors import DataError

_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Sub),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.FloorDiv: (ast.Mod, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "len", "len": "sum"}
_METHODS = {
    "upper": "lower",
    "lower": "upper",
    "startswith": "endswith",
    "endswith": "startswith",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "strip": "lstrip",
    "find": "rfind",
    "rfind": "find",
    "index": "count",
    "count": "index",
    "split": "splitlines",
    "isupper": "islower",
    "islower": "isupper",
    "isdigit": "isalpha",
    "isalpha": "isdigit",
    "union": "intersection",
    "intersection": "union",
    "keys": "values",
    "values": "keys",
    "append": "remove",
}

Setter = Callable[[ast.AST], None]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def mutants(reference: str, entry_point: str, rng: np.random.Generator, num_mutants: int) -> tuple[str, ...]:
    """Different programs, none of them the reference; fewer than asked for if there are no more.

    Only what the entry point leads to is changed: its function or class, and functions and classes that they name. An
    empty entry point stands for the whole program.

    Raises: DataError if the reference is no Python, or does not define the entry point.
    """
    try:
        tree = ast.parse(reference)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"a reference program cannot be parsed: {error}; it begins {reference[:80]!r}") from error
    found = {ast.unparse(tree): None}  # a dict, for its order
    for place in _places(tree, entry_point):
        for program in _changed(tree, place):
            found.setdefault(program)
    programs = list(found)[1:]
    order = rng.permutation(len(programs)).tolist()
    compiling = (programs[index] for index in order if _compiles(programs[index]))
    return tuple(program for program, _ in zip(compiling, range(num_mutants), strict=False))
