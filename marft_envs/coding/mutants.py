"""Mutants: programs that differ from a reference program by one small change.

Whether a mutant does something else than the reference shows when both are run, and not here; the changes are chosen
so that it seldom does the same. References come from our generators and from data sets, never from a model.
"""

import ast
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np

from marft_envs.coding.syntax_changes import instead, statements_instead
from marft_envs.errors import DataError

MAX_DEPTH = 60
"""Of a reference's syntax tree: programs that people write stay below 30, but for a long chain of `elif`."""
_MORE = 2
"""So many changes more than asked for are written out at a time: some are alike."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_UNTOUCHED = ("annotation", "returns", "decorator_list", "type_params", "bases", "keywords", "format_spec")
"""Fields that are said of a program rather than what it does, or that few mistakes are made in."""
_REACHING = {"eval", "exec", "compile", "getattr", "setattr", "delattr", "globals", "locals", "vars", "open", "input"}
"""Names by which a program may reach what it does not name."""
_PRINTING = {"print", "breakpoint", "help", "exit", "quit", "copyright", "credits", "license"}
"""Names by which it may write where programs of one process share a limit, or end that process."""
_HIDDEN = ("__", "gi_", "cr_", "ag_", "tb_", "f_")
"""How attributes begin that lead to a frame, and from there to the names of others."""
_CATCHING = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)
"""What may hide that there was no room left, in memory or on the stack: a program by itself has more of both."""
_EXPRESSIONS = (ast.expr, ast.operator, ast.cmpop, ast.boolop, ast.comprehension)


@dataclass(frozen=True, slots=True)
class Mutants:
    """The mutants of a program in a random order. They are written out when they are asked for: most never are."""

    reference: str
    entry_point: str
    order: tuple[int, ...]
    """Numbers of its changes."""

    @classmethod
    def drawn(cls, reference: str, entry_point: str, rng: np.random.Generator) -> Self:
        """Changed is only what the entry point leads to: its function or class, and those that it names.

        An empty entry point stands for the whole program.

        Raises: DataError if the reference is no Python, does not define the entry point, or cannot be written out.
        """
        tree = _parsed(reference)
        _check_depth(tree)
        try:
            ast.unparse(tree)
        except ValueError as error:  # such as a number of more than 4,300 digits
            raise DataError(
                f"a reference program cannot be written out: {error}; it begins {reference[:80]!r}; leave its task out"
            ) from error
        num_changes = sum(1 for place in _places(tree, entry_point) for _ in _changes(place))
        return cls(reference, entry_point, tuple(rng.permutation(num_changes).tolist()))

    def first(self, number: int) -> tuple[str, ...]:
        """Different programs that compile, none of them the reference; fewer than asked for if there are no more."""
        tree = _parsed(self.reference)
        places = _places(tree, self.entry_point)
        found = {ast.unparse(tree): True}  # programs, and whether they compile; a dict keeps its order
        step = number + _MORE
        for start in range(0, len(self.order), step):
            if sum(found.values()) > number:
                break
            for program in _programs(tree, places, self.order[start : start + step]):
                if program not in found:
                    found[program] = _compiles(program)
        _, *others = (program for program, compiles in found.items() if compiles)
        return tuple(others[:number])


def _programs(tree: ast.Module, places: list[ast.AST], numbers: Sequence[int]) -> list[str]:
    """The programs of the changes with these numbers, in their order; without those that cannot be written out."""
    written: dict[int, str] = {}
    wanted = set(numbers)
    for number, _ in enumerate(change for place in places for change in _changes(place)):
        if number in wanted:
            with suppress(ValueError):  # a number that has one digit too many now
                written[number] = ast.unparse(tree)
    return [written[number] for number in numbers if number in written]


def _parsed(reference: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # about the reference's own mistakes, such as "\d"
            return ast.parse(reference)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(
            f"a reference program cannot be parsed: {error}; it begins {reference[:80]!r}; leave its task out"
        ) from error


def _check_depth(tree: ast.Module) -> None:
    """Raises: DataError for a tree that Python's own functions for trees, which call themselves, might not get through.

    Not left to their RecursionError: where that comes depends on who calls.
    """
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise DataError(f"a reference program nests deeper than {MAX_DEPTH}; leave its task out")
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(node)]


def _places(tree: ast.Module, entry_point: str) -> list[ast.AST]:
    """The definitions that the entry point leads to, in the order of the program."""
    if not entry_point:
        return [tree]
    defined = {node.name: node for node in tree.body if isinstance(node, Definition)}
    start = entry_point.split(".", maxsplit=1)[0]
    if start not in defined:
        if any(isinstance(node, ast.Name) and node.id == start for node in ast.walk(tree)):
            return [tree]  # such as f = lambda n: n + 1
        raise DataError(f"a reference program does not define {entry_point!r}; leave its task out")
    reached, waiting = set(), [entry_point.split(".", maxsplit=1)[0]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        named = {node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)}
        waiting += sorted(named & defined.keys())
    return [node for name, node in defined.items() if name in reached]


def _changes(node: ast.AST) -> Iterator[None]:
    """Changes the tree in place, once for each change, and takes it back: the tree is changed at every `yield`."""
    for field, value in ast.iter_fields(node):
        if field in _UNTOUCHED and not (field == "keywords" and isinstance(node, ast.Call)):
            continue
        if isinstance(value, ast.AST):
            for other in instead(value) if isinstance(value, _EXPRESSIONS) else ():
                setattr(node, field, other)
                yield
            setattr(node, field, value)
            yield from _changes(value)
        elif isinstance(value, list):
            yield from _changes_in_list(value)


def _changes_in_list(items: list[ast.AST]) -> Iterator[None]:
    for index, item in enumerate(items):
        if _is_text_alone(item):
            continue
        if isinstance(item, ast.stmt):
            for others in statements_instead(item):
                if len(items) > 1 or others:  # a block is never empty
                    items[index : index + 1] = others
                    yield
                    items[index : index + len(others)] = [item]
        elif isinstance(item, _EXPRESSIONS):
            for other in instead(item):
                items[index] = other
                yield
            items[index] = item
        if isinstance(item, ast.AST):
            yield from _changes(item)


def _is_text_alone(node: object) -> bool:
    """A docstring, or a comment in its form."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _compiles(program: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(program, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def keeps_to_itself(program: str) -> bool:
    """Whether a program imports, prints and catches nothing, and looks up only what it names.

    So it, and each mutant of it, can change nothing outside of its own names, and no neighbour can change what comes of
    it unseen. False for what is no Python.
    """
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(
        isinstance(node, (ast.Import, ast.ImportFrom, ast.MatchClass, *_CATCHING))
        or (isinstance(node, ast.Name) and (node.id.startswith("__") or node.id in _REACHING | _PRINTING))
        or (isinstance(node, ast.Attribute) and node.attr.startswith(_HIDDEN))
        for node in nodes
    )
