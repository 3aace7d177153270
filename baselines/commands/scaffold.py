"""What `marft new` writes: the files in `templates`, with names put in."""

import builtins
import importlib.util
import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import marft_envs
from baselines.errors import ConfigError

Kind = Literal["rounds", "clock"]

CATALOG = Path("marft_envs", "catalog.py")
TESTS = Path("tests", "envs")
_TEMPLATES = Path(__file__).with_name("templates")
_PART = re.compile(r"[a-z][a-z0-9_]*")
_MOST_COLUMNS = 120
"""Of a line, as everywhere in this repository."""
_ENDING = """from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import {base}
from marft_envs.grading.answers import stated_integer"""
_IMPORTS = {
    ("rounds", "suite"): (
        "from marft_envs.dependencies import Dependencies\n"
        f"{_ENDING.format(base='BaseOptions, FlexMG')}\nfrom marft_envs.records import Outcome"
    ),
    ("clock", "suite"): (
        "from marft_envs.clock import ClockMG\n"
        f"{_ENDING.format(base='BaseOptions')}\nfrom marft_envs.records import Outcome"
    ),
    ("rounds", "plugin"): f"from marft_envs import Dependencies, FlexMG, Outcome\n{_ENDING.format(base='BaseOptions')}",
    ("clock", "plugin"): f"from marft_envs import ClockMG, Outcome\n{_ENDING.format(base='BaseOptions')}",
}
"""Nothing in the suite imports the package that it lies in; everybody else does."""


@dataclass(frozen=True)
class File:
    """One file to be written."""

    path: Path
    text: str
    what: str
    """What it is, in a few words."""


@dataclass(frozen=True)
class Names:
    """What an environment and its parts are called."""

    family: str
    name: str

    @property
    def env_id(self) -> str:
        """Its id; every environment begins with version 0."""
        return f"{self.unversioned}-v0"

    @property
    def unversioned(self) -> str:
        """Its id as people type it."""
        return f"{self.family}/{self.name}"

    @property
    def class_name(self) -> str:
        """`reason_act` is `ReasonAct`."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def package(self) -> str:
        """The package of a plug-in."""
        return f"marft_{self.family}"

    def filled(self, template: str, imports: str = "") -> str:
        """A template with the names in it."""
        text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
        return Template(text).substitute(
            family=self.family,
            name=self.name,
            env_id=self.env_id,
            class_name=self.class_name,
            title=self.name.replace("_", " ").strip().capitalize(),
            package=self.package,
            project=self.package.replace("_", "-").strip("-"),
            imports=imports,
        )


def names_of(wanted: str) -> Names:
    """The names that follow from `family/name`, with its version or without.

    Raises: RegistrationError for what could be no id; ConfigError for what could be no module, or is there already.
    """
    spec = marft_envs.EnvSpec(wanted if re.search("-v[0-9]+$", wanted) else f"{wanted}-v0", "package.module:Class")
    names = Names(spec.family, spec.name)
    if spec.version != 0:
        raise ConfigError(f"{wanted!r} has version {spec.version}, and a new environment begins with 0; leave it out")
    for part in (names.family, names.name):
        if not _PART.fullmatch(part) or keyword.iskeyword(part):
            raise ConfigError(
                f"{part!r} is to be the name of a Python module; use small letters, digits and '_', a letter first, "
                "and none of Python's own words"
            )
    taken = [known for known in marft_envs.registered_ids() if known.rpartition("-v")[0] == names.unversioned]
    if taken:
        raise ConfigError(f"there is an environment {taken[-1]} already; choose another name")
    return names


def for_suite(names: Names, kind: Kind, root: Path) -> list[File]:
    """What a new environment of the suite consists of, besides its line in the catalog. Raises: ConfigError."""
    folder = Path("marft_envs", names.family)
    is_family = f'"marft_envs.{names.family}.' in (root / CATALOG).read_text(encoding="utf-8")
    is_other = any(path.name != "__init__.py" for path in (root / folder).glob("*.py")) and not is_family
    if is_other or (root / folder).with_suffix(".py").exists():
        raise ConfigError(f"marft_envs has a module {names.family!r}, which is no family; choose another family")
    first = _family(names, folder)
    module = File(folder / f"{names.name}.py", names.filled(f"{kind}.py", _IMPORTS[kind, "suite"]), "the environment")
    return _checked(
        names,
        module,
        [
            *([] if (root / first.path).exists() else [first]),
            module,
            File(folder / "teams" / f"{names.name}.yaml", names.filled(f"{kind}_team.yaml"), "its team"),
            File(TESTS / f"test_{names.name}.py", names.filled(f"{kind}_test.py"), "its test"),
        ],
    )


def for_plugin(names: Names, kind: Kind) -> list[File]:
    """What a package with one environment consists of. Raises: ConfigError."""
    if importlib.util.find_spec(names.package) is not None:
        raise ConfigError(
            f"a package {names.package!r} is installed already; choose another family than {names.family!r}"
        )
    folder = Path(names.package)
    module = File(folder / f"{names.name}.py", names.filled(f"{kind}.py", _IMPORTS[kind, "plugin"]), "the environment")
    test = names.filled(f"{kind}_test.py") + names.filled("promises.py")
    return _checked(
        names,
        module,
        [
            File(Path("pyproject.toml"), names.filled("pyproject.toml"), "the package, and what it registers"),
            File(Path("README.md"), names.filled("README.md"), "how it is used"),
            _family(names, folder),
            module,
            File(folder / "teams" / f"{names.name}.yaml", names.filled(f"{kind}_team.yaml"), "its team"),
            File(Path("tests", f"test_{names.name}.py"), test, "its test"),
        ],
    )


def _family(names: Names, folder: Path) -> File:
    return File(folder / "__init__.py", f'"""Environments of the family {names.family}."""\n', "the family")


def catalog_line(names: Names) -> str:
    """What registers an environment of the suite."""
    return f'register("{names.env_id}", "marft_envs.{names.family}.{names.name}:{names.class_name}")\n'


def _checked(names: Names, module: File, files: list[File]) -> list[File]:
    """The files, if the names do in them. Raises: ConfigError."""
    imported = re.findall(r"\w+", " ".join(re.findall(r"^from .* import (.*)$", module.text, re.MULTILINE)))
    if names.class_name in imported or hasattr(builtins, names.class_name):
        raise ConfigError(f"a class {names.class_name} would hide another of that name; choose another name")
    lines = [line for file in files for line in file.text.splitlines()] + [catalog_line(names).rstrip()]
    longest = max(map(len, lines))
    if longest > _MOST_COLUMNS:
        raise ConfigError(
            f"{names.unversioned} is too long: a line would have {longest} characters, and {_MOST_COLUMNS} is "
            "the most; choose shorter names"
        )
    return files
