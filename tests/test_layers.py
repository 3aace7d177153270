"""Reads every import and holds it against the layers that CONTRIBUTING.md draws.

1. An import goes down or stays on its level.
2. marft_envs knows neither baselines nor leaderboard; neither it nor leaderboard knows torch and its like.
3. Nothing in a family of environments imports an environment; no algorithm imports an algorithm.
4. learning works on tensors: it imports nothing of ours but itself.
5. baselines and leaderboard see marft_envs only through its face; leaderboard does not know baselines.
6. Nothing imports the `__init__` of a package that it lies in.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("marft_envs", "baselines", "leaderboard")
HEAVY = {"accelerate", "peft", "safetensors", "torch", "transformers", "vllm"}
ENVIRONMENT_LAYER = 2
BASES = ("marft_envs.flex_mg", "marft_envs.clock")
"""Where the classes are defined that environments subclass."""

LAYERS = {
    # The base class and its services.
    "marft_envs.action_log": 0,
    "marft_envs.cache": 0,
    "marft_envs.calling": 0,
    "marft_envs.course": 0,
    "marft_envs.dependencies": 0,
    "marft_envs.errors": 0,
    "marft_envs.grading": 0,
    "marft_envs.options": 0,
    "marft_envs.pace": 0,
    "marft_envs.profiles": 0,
    "marft_envs.records": 0,
    "marft_envs.sandbox": 0,
    "marft_envs.seats": 0,
    "marft_envs.seeding": 0,
    "marft_envs.spaces": 0,
    "marft_envs.team_files": 0,
    "marft_envs.teams": 0,
    "marft_envs.transcript": 0,
    "marft_envs.clock": 1,
    "marft_envs.env_spec": 1,
    "marft_envs.episode": 1,
    "marft_envs.flex_mg": 1,
    "marft_envs.history": 1,
    "marft_envs.hooks": 1,
    "marft_envs.registry": 1,
    "marft_envs.rendering": 1,
    "marft_envs.schedule": 1,
    "marft_envs.task_sources": 1,
    # Environments lie in families, the folders of marft_envs that are not named here.
    "marft_envs.catalog": ENVIRONMENT_LAYER,
    "marft_envs.check": ENVIRONMENT_LAYER,
    "marft_envs.drawing": ENVIRONMENT_LAYER,
    "marft_envs.golden": ENVIRONMENT_LAYER,
    "marft_envs.wrappers": ENVIRONMENT_LAYER,
    "marft_envs": ENVIRONMENT_LAYER,
    "baselines.errors": 3,
    "baselines.learning": 3,
    "baselines.policies": 3,
    "baselines.ranks": 3,
    "baselines.rollouts": 4,
    "baselines.runs": 4,
    "baselines.updates": 4,
    "leaderboard.errors": 3,
    "leaderboard.fields": 3,
    "leaderboard.names": 3,
    "leaderboard.players": 3,
    "leaderboard.schema": 3,
    "leaderboard.voting": 3,
    "leaderboard.archive": 4,
    "leaderboard.behaviour": 4,
    "leaderboard.reading": 4,
    "leaderboard.files": 4,
    "leaderboard.logs": 4,
    "leaderboard.processes": 4,
    "leaderboard.record": 4,
    "leaderboard.remembered": 4,
    "leaderboard.replaying": 4,
    "leaderboard.report": 4,
    "leaderboard.scores": 4,
    "leaderboard.ranking": 4,
    "leaderboard.statistics": 4,
    "leaderboard.team_scores": 4,
    "leaderboard.token_counts": 4,
    "leaderboard.tracks": 4,
    "leaderboard.unpacking": 4,
    "leaderboard.zips": 4,
    "leaderboard.filling": 4,
    "leaderboard.reruns": 5,
    "leaderboard.shown": 4,
    "leaderboard.task_facts": 4,
    "baselines.algorithms": 5,
    "baselines.choosing": 5,
    "baselines.diagnose": 5,
    "baselines.entered": 6,
    "baselines.entry": 6,
    "baselines.foreign_adapters": 6,
    "baselines.evaluate": 5,
    "baselines.probe": 5,
    "baselines.sampled": 5,
    "baselines.training": 5,
    "baselines.rerun": 6,
    "leaderboard.export": 6,
    "leaderboard.pack": 5,
    "leaderboard.checking": 5,
    "leaderboard.page": 5,
    "leaderboard.algorithms": 5,
    "leaderboard.beside": 5,
    "leaderboard.board": 5,
    "leaderboard.entries": 5,
    "leaderboard.pictures": 5,
    "leaderboard.rows": 5,
    "leaderboard.scripted": 6,
    "leaderboard.submit": 5,
    "leaderboard.transcripts": 5,
    "leaderboard.validate": 5,
    "leaderboard.verdict": 5,
    "leaderboard.views": 5,
    "baselines.cli": 6,
    "baselines.commands": 6,
    "baselines": 6,
    "leaderboard": 6,
}


@dataclass(frozen=True)
class Import:
    importer: str
    target: str
    line: int


class Tree:
    """The modules under a root folder, what they import, and which of them are environments."""

    def __init__(self, root: Path) -> None:
        self.paths = {
            _module_name(path.relative_to(root)): path
            for package in PACKAGES
            for path in sorted((root / package).rglob("*.py"))
        }
        self.parsed = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.paths.items()}
        self.environments = {
            name for name, parsed in self.parsed.items() if name not in BASES and _defines_environment(parsed)
        }

    def is_package(self, module: str) -> bool:
        return module in self.paths and self.paths[module].name == "__init__.py"

    def imports(self) -> Iterator[Import]:
        for module, parsed in self.parsed.items():
            for node in ast.walk(parsed):
                for target in self._targets(module, node):
                    yield Import(module, target, getattr(node, "lineno", 0))

    def _targets(self, module: str, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = self._absolute(module, node)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in self.paths else base
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name

    def _absolute(self, module: str, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        parts = module.split(".")
        kept = parts[: len(parts) - node.level + self.is_package(module)]
        return ".".join([*kept, *([node.module] if node.module else [])])


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _defines_environment(parsed: ast.Module) -> bool:
    bases = [base for node in ast.walk(parsed) if isinstance(node, ast.ClassDef) for base in node.bases]
    return any(ast.unparse(base).rpartition(".")[2] in ("FlexMG", "ClockMG") for base in bases)


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _prefixes(module: str) -> list[str]:
    """The module and the packages that it lies in, nearest first."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _is_family_member(tree: Tree, module: str) -> bool:
    parts = module.split(".")
    folder = ".".join(parts[:2])
    return parts[0] == "marft_envs" and tree.is_package(folder) and folder not in LAYERS and len(parts) > 1


def layer_of(tree: Tree, module: str) -> int:
    if _is_family_member(tree, module):
        return ENVIRONMENT_LAYER
    named = next(prefix for prefix in _prefixes(module) if prefix in LAYERS)
    if named in PACKAGES and module != named:
        raise LookupError(f"{module} has no layer: say in {Path(__file__).name} where it belongs")
    return LAYERS[named]


def _root(module: str) -> str:
    return module.partition(".")[0]


def _imports_own_init(tree: Tree, found: Import) -> bool:
    own = _prefixes(found.importer)
    return found.target in (own if tree.is_package(found.importer) else own[1:])


def _runs_up(tree: Tree, found: Import) -> bool:
    ours = _root(found.target) in PACKAGES and not _imports_own_init(tree, found)
    return ours and layer_of(tree, found.target) > layer_of(tree, found.importer)


def _is_heavy(tree: Tree, found: Import) -> bool:
    return _root(found.importer) in ("marft_envs", "leaderboard") and _root(found.target) in HEAVY


def _leaves_marft_envs(tree: Tree, found: Import) -> bool:
    return _root(found.importer) == "marft_envs" and _root(found.target) in ("baselines", "leaderboard")


def _links_the_sides(tree: Tree, found: Import) -> bool:
    return _root(found.importer) == "leaderboard" and _root(found.target) == "baselines"


def _goes_behind_the_face(tree: Tree, found: Import) -> bool:
    return _root(found.importer) != "marft_envs" and found.target.startswith("marft_envs.")


def _couples_environments(tree: Tree, found: Import) -> bool:
    return _is_family_member(tree, found.importer) and found.target in tree.environments


def _couples_algorithms(tree: Tree, found: Import) -> bool:
    return all(_inside(module, "baselines.algorithms") for module in (found.importer, found.target))


def _brings_more_than_tensors(tree: Tree, found: Import) -> bool:
    here = "baselines.learning"
    ours = _root(found.target) in PACKAGES
    return ours and _inside(found.importer, here) and not _inside(found.target, here)


RULES = {
    "imports its own package's __init__": _imports_own_init,
    "runs up": _runs_up,
    "no torch and its like here": _is_heavy,
    "marft_envs stands alone": _leaves_marft_envs,
    "leaderboard does not know baselines": _links_the_sides,
    "marft_envs is seen only through its face": _goes_behind_the_face,
    "an environment does not import an environment": _couples_environments,
    "an algorithm does not import an algorithm": _couples_algorithms,
    "learning works on tensors only": _brings_more_than_tensors,
}


def broken_rules(tree: Tree) -> list[str]:
    """Every import that should not be, as `file:line importer -> target: rule`."""
    return [
        f"{tree.paths[found.importer]}:{found.line} {found.importer} -> {found.target}: {rule}"
        for found in tree.imports()
        for rule, breaks in RULES.items()
        if breaks(tree, found)
    ]


def test_no_import_breaks_the_layers() -> None:
    tree = Tree(ROOT)
    assert {"marft_envs", "marft_envs.flex_mg", "baselines.cli"} <= set(tree.paths)
    assert broken_rules(tree) == []


def test_every_environment_lies_in_a_family() -> None:
    tree = Tree(ROOT)
    assert tree.environments
    assert [name for name in tree.environments if not _is_family_member(tree, name)] == []


def test_every_module_has_a_layer() -> None:
    tree = Tree(ROOT)
    for module in tree.paths:
        layer_of(tree, module)


GOOD_TREE = {
    "marft_envs/__init__.py": "from marft_envs.flex_mg import FlexMG\nfrom marft_envs import catalog\n",
    "marft_envs/errors.py": "",
    "marft_envs/flex_mg.py": "from marft_envs.errors import MarftError\nclass FlexMG: ...\n",
    "marft_envs/catalog.py": "",
    "marft_envs/grading/__init__.py": "",
    "marft_envs/grading/answers.py": "import numpy\n",
    "marft_envs/math/__init__.py": "",
    "marft_envs/math/source.py": "",
    "marft_envs/math/sums.py": (
        "from marft_envs.flex_mg import FlexMG\nfrom marft_envs.math.source import draw\n"
        "from marft_envs.grading import answers\nclass Sums(FlexMG): ...\n"
    ),
    "baselines/__init__.py": "",
    "baselines/errors.py": "from marft_envs import MarftError\n",
    "baselines/learning/__init__.py": "",
    "baselines/learning/losses.py": "import torch\n",
    "baselines/policies/__init__.py": "",
    "baselines/policies/team.py": "from baselines.learning import losses\nimport marft_envs\n",
    "baselines/rollouts/__init__.py": "",
    "baselines/rollouts/collect.py": "from baselines.policies.team import Team\n",
    "baselines/algorithms/__init__.py": "",
    "baselines/algorithms/one.py": "from baselines.rollouts.collect import collect\n",
    "baselines/algorithms/two.py": "",
    "baselines/cli.py": "def main():\n    from baselines.algorithms import one\n",
    "leaderboard/__init__.py": "",
    "leaderboard/schema.py": "import marft_envs\n",
}


@pytest.fixture
def good_tree(tmp_path: Path) -> Path:
    for name, source in GOOD_TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source, encoding="utf-8")
    return tmp_path


def test_a_good_tree_is_accepted(good_tree: Path) -> None:
    assert broken_rules(Tree(good_tree)) == []


@pytest.mark.parametrize(
    ("name", "line", "rule"),
    [
        ("marft_envs/errors.py", "from marft_envs.flex_mg import FlexMG", "runs up"),
        ("marft_envs/grading/answers.py", "import marft_envs.flex_mg", "runs up"),
        (
            "marft_envs/flex_mg.py",
            "def f():\n    from marft_envs import catalog",
            "runs up",
        ),
        ("marft_envs/flex_mg.py", "from marft_envs import make", "imports its own package's __init__"),
        ("marft_envs/flex_mg.py", "import marft_envs", "imports its own package's __init__"),
        ("marft_envs/flex_mg.py", "from . import make", "imports its own package's __init__"),
        ("marft_envs/math/sums.py", "from .. import make", "imports its own package's __init__"),
        ("marft_envs/math/__init__.py", "from marft_envs import make", "imports its own package's __init__"),
        (
            "baselines/policies/team.py",
            "from baselines.policies import x",
            "imports its own package's __init__",
        ),
        ("marft_envs/catalog.py", "import baselines.errors", "marft_envs stands alone"),
        ("marft_envs/catalog.py", "import leaderboard", "marft_envs stands alone"),
        ("marft_envs/math/sums.py", "import torch.nn", "no torch and its like here"),
        ("marft_envs/math/sums.py", "def f():\n    from transformers import x", "no torch and its like here"),
        ("marft_envs/catalog.py", "importlib.import_module('peft')", "no torch and its like here"),
        ("leaderboard/schema.py", "import torch", "no torch and its like here"),
        ("leaderboard/schema.py", "from baselines.errors import X", "leaderboard does not know baselines"),
        (
            "marft_envs/math/source.py",
            "from .sums import Sums",
            "an environment does not import an environment",
        ),
        (
            "marft_envs/math/other.py",
            "from marft_envs.math.sums import Sums",
            "an environment does not import an environment",
        ),
        (
            "baselines/algorithms/two.py",
            "from baselines.algorithms import one",
            "an algorithm does not import an algorithm",
        ),
        ("baselines/policies/team.py", "import baselines.algorithms.one", "runs up"),
        ("baselines/rollouts/collect.py", "import baselines.algorithms.one", "runs up"),
        ("baselines/learning/losses.py", "import baselines.algorithms.one", "runs up"),
        ("baselines/learning/losses.py", "import marft_envs", "learning works on tensors only"),
        ("baselines/learning/losses.py", "import baselines.policies.team", "learning works on tensors only"),
        (
            "baselines/policies/team.py",
            "import marft_envs.flex_mg",
            "marft_envs is seen only through its face",
        ),
        ("baselines/cli.py", "from marft_envs import flex_mg", "marft_envs is seen only through its face"),
    ],
)
def test_a_planted_import_is_found(good_tree: Path, name: str, line: str, rule: str) -> None:
    path = good_tree / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    assert any(broken.endswith(f": {rule}") for broken in broken_rules(Tree(good_tree)))


def test_every_rule_is_planted_once() -> None:
    planted = {case[2] for mark in test_a_planted_import_is_found.pytestmark for case in mark.args[1]}
    assert planted == set(RULES)


def test_a_module_without_a_layer_is_found(good_tree: Path) -> None:
    (good_tree / "baselines" / "misc.py").write_text("", encoding="utf-8")
    with pytest.raises(LookupError, match=r"baselines\.misc has no layer"):
        layer_of(Tree(good_tree), "baselines.misc")


def test_no_module_of_marft_envs_loads_torch() -> None:
    program = (
        "import importlib, pkgutil, sys, marft_envs\n"
        "for found in pkgutil.walk_packages(marft_envs.__path__, 'marft_envs.'):\n"
        "    importlib.import_module(found.name)\n"
        f"print(sorted({HEAVY} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
