"""One small change to a node of Python's syntax tree, each a mistake that somebody could make."""

import ast
from collections.abc import Iterator

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


_DROPPED = ("sorted", "reversed", "abs", "set", "int", "round", "list")
"""A call of these is also left out, and so is a method without arguments."""
_COMMUTATIVE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_COMMUTE = ("min", "max", "gcd", "lcm", "isclose", "print")
"""Calls whose arguments are not exchanged."""


def instead(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of this expression, operator or part of a comprehension."""
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _other_constants(node.value))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp):
        yield from _other_operations(node)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Slice):
        yield from _other_slices(node)
    elif isinstance(node, ast.comprehension):
        for index in range(len(node.ifs)):
            ifs = [*node.ifs[:index], *node.ifs[index + 1 :]]
            yield ast.comprehension(node.target, node.iter, ifs, node.is_async)
    else:
        yield from _other_operators(node)


def statements_instead(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """What may stand in this statement's place."""
    if isinstance(node, ast.If):
        yield [ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.For | ast.While):
        yield [*node.body, *node.orelse] if not _leaves(node) else []
    elif isinstance(node, ast.Continue):
        yield [ast.Break()]
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield []
    elif isinstance(node, ast.Assign) and _names(node.value) & {name for to in node.targets for name in _names(to)}:
        yield []  # without it the name keeps the value that it had


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.operator):
        yield from (other() for other in _OPERATORS.get(type(node), ()))
    elif isinstance(node, ast.cmpop):
        yield from (other() for other in _COMPARISONS[type(node)])
    elif isinstance(node, ast.boolop):
        yield ast.Or() if isinstance(node, ast.And) else ast.And()


def _other_constants(value: object) -> Iterator[bool | int | float | str]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        if value > 0:
            yield value - 1
    elif isinstance(value, str) and value:
        yield value[:-1]
        if set(value.swapcase()) != set(value):
            yield value.swapcase()


def _other_operations(node: ast.BinOp) -> Iterator[ast.expr]:
    """An operation left out, or its sides exchanged."""
    yield from (side for side in (node.left, node.right) if not isinstance(side, ast.Constant))
    joins = isinstance(node.op, ast.Add) and any(_is_sequence(side) for side in (node.left, node.right))
    if joins or not isinstance(node.op, _COMMUTATIVE):
        yield ast.BinOp(node.right, node.op, node.left)


def _is_sequence(node: ast.expr) -> bool:
    """Whether this is written as text or a list, for which + does not commute."""
    return isinstance(node, ast.JoinedStr | ast.List) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _other_calls(node: ast.Call) -> Iterator[ast.expr]:
    called, arguments = node.func, node.args
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    if isinstance(called, ast.Name):
        alone = len(arguments) == 1 and not node.keywords
        if name in _FUNCTIONS and (alone or name in ("min", "max")):
            yield ast.Call(ast.Name(_FUNCTIONS[name], ast.Load()), arguments, node.keywords)
        if name in _DROPPED and arguments:
            yield arguments[0]
    if isinstance(called, ast.Attribute):
        if name in _METHODS:
            yield ast.Call(ast.Attribute(called.value, _METHODS[name], ast.Load()), arguments, node.keywords)
        if not arguments and not node.keywords:
            yield called.value
    if len(arguments) > 1 and name not in _COMMUTE:
        yield ast.Call(called, [arguments[1], arguments[0], *arguments[2:]], node.keywords)


def _other_slices(node: ast.Slice) -> Iterator[ast.Slice]:
    """A slice with a bound left out, or with one to its other side."""
    if node.lower:
        yield ast.Slice(None, node.upper, node.step)
    if node.upper:
        yield ast.Slice(node.lower, None, node.step)
    if node.step:
        yield ast.Slice(node.lower, node.upper, None)
    if bool(node.lower) != bool(node.upper):
        yield ast.Slice(node.upper, node.lower, node.step)


def _leaves(loop: ast.For | ast.While) -> bool:
    """Whether a loop has a word that may stand only in loops."""
    return any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(loop))


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
