"""A program without what does not matter: run in the sandbox as it stands here, never in the process that asks.

So it imports nothing of ours. A hostile nest of brackets may crash the compiler, and with it the run.
"""

import ast

_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def normalised(program: str) -> str | None:
    """The program without comments, docstrings and a layout of its own; None for what is no Python."""
    try:
        tree = ast.parse(program)
        for node in ast.walk(tree):
            if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
