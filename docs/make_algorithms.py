"""Writes a page for every algorithm, docs/algorithms/NAME.md, and their index, from docstrings and settings.

python docs/make_algorithms.py            # rewrites the pages, and removes those of algorithms that no longer exist
python docs/make_algorithms.py --check    # only says, by exit status 1, which are out of date, missing or left over
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import ModuleType

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from fences import span, table
from make_tables import facts_in

from baselines.commands.train import algorithms
from baselines.runs.experiment import ExperimentConfig
from baselines.updates.metrics import METRICS

PAGES = Path(__file__).parent / "algorithms"
INDEX = "README.md"
WRITTEN = "<!-- written by docs/make_algorithms.py -->"
INTRODUCTION = (
    "Trainers differ in these columns and in little else: the same seeds give the same instances, episodes are",
    "collected by the same sampler, adapters are moved by the same optimiser, and the same evaluations come before and",
    "after.",
    "Only `sb3_ppo` has no language model: it plays the same instances by choosing from given texts.",
    "`marft train NAME` trains by one. A discount is paid once a round, whatever the number of agents or tokens.",
)
COLUMNS = ("axis", "critic", "update", "one action", "reward")
"""Rows of a docstring's table that become columns of the index."""


def module_of(name: str) -> ModuleType:
    """An algorithm's file."""
    return importlib.import_module(f"baselines.algorithms.{name}")


def page(name: str) -> str:
    """The page of an algorithm, in Markdown."""
    module = module_of(name)
    title, _, rest = inspect.cleandoc(module.__doc__ or "").partition("\n")
    sections = [
        f"{WRITTEN}\n# {span(name)}\n\n{title}\n\n{rest.strip()}",
        _settings(module),
        _metrics(module),
        f"The file: [baselines/algorithms/{name}.py](../../baselines/algorithms/{name}.py).",
    ]
    return "\n\n".join(sections) + "\n"


def _settings(module: ModuleType) -> str:
    """The settings that this algorithm adds to those of every run."""
    told = documented(module.Config)
    common = {setting.name for setting in fields(ExperimentConfig)}
    changed = [setting for setting in fields(module.Config) if setting.name not in common or _differs(setting)]
    rows = [(span(_option(setting.name)), span(_default(setting)), told[setting.name]) for setting in changed]
    return (
        f"## Settings\n\n{table(('option', 'default', 'what'), rows)}\n\n"
        f"Besides those of every run: `marft train {module.__name__.rpartition('.')[2]} --help`."
    )


def _differs(setting: "Field[object]") -> bool:
    """Whether an algorithm has a default of its own for a setting of every run."""
    own = {common.name: _default(common) for common in fields(ExperimentConfig)}
    return _default(setting) != own[setting.name]


def _default(setting: "Field[object]") -> str:
    value = setting.default if setting.default_factory is MISSING else setting.default_factory()
    return str(value)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def documented(config: type) -> dict[str, str]:
    """What is written under each setting, in one line; of one that is written again, the last."""
    told: dict[str, str] = {}
    for part in reversed(inspect.getmro(config)[:-1]):
        body = ast.parse(inspect.getsource(part)).body[0]
        assert isinstance(body, ast.ClassDef), part
        for statement, following in zip(body.body, body.body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                assert isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant), (
                    statement.target.id
                )
                told[statement.target.id] = " ".join(str(following.value.value).split())
    return told


def metrics_of(module: ModuleType) -> dict[str, str]:
    """Every number that the algorithm logs, and what it means."""
    known: dict[str, str] = dict(getattr(module, "METRICS", {}))
    for part, metrics in METRICS.items():
        if issubclass(module.Config, part):
            known |= metrics
    return known


def _metrics(module: ModuleType) -> str:
    rows = [(span(name), meaning) for name, meaning in metrics_of(module).items()]
    return f"## What is logged\n\n{table(('metric', 'what'), rows)}"


def index() -> str:
    """The page that sets algorithms beside each other."""
    lines = [WRITTEN, "# Algorithms", "", *INTRODUCTION, ""]
    rows = []
    for name in algorithms():
        docstring = inspect.cleandoc(module_of(name).__doc__ or "")
        facts = facts_in(docstring)
        rows.append((f"[{span(name)}]({name}.md)", *(facts[column] for column in COLUMNS)))
    return "\n".join([*lines, table(("name", *COLUMNS), rows), ""])


def pages() -> dict[Path, str]:
    """What each file should hold."""
    return {PAGES / f"{name}.md": page(name) for name in algorithms()} | {PAGES / INDEX: index()}


def problems(wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Files that are not as they should be, and what is wrong with them."""
    found: dict[Path, str] = {}
    for path, text in wanted.items():
        if not path.is_file():
            found[path] = "is missing"
        elif path.read_text(encoding="utf-8") != text:
            found[path] = "is out of date"
    left = {path for path in PAGES.glob("*.md") if path not in wanted}
    return found | dict.fromkeys(sorted(left), "is left over")


def main(words: Sequence[str]) -> int:
    """Writes or checks."""
    wanted = pages()
    wrong = problems(wanted)
    if "--check" in words:
        for path, problem in wrong.items():
            sys.stderr.write(f"docs/algorithms/{path.name} {problem}; run python docs/make_algorithms.py\n")
        return 1 if wrong else 0
    PAGES.mkdir(exist_ok=True)
    for path, problem in wrong.items():
        if problem == "is left over":
            path.unlink()
        else:
            path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
