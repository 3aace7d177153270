"""`marft new`: a small environment that works, to be made into one's own."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.text import Text
from tyro.conf import Positional

from baselines.commands.options import shown
from baselines.commands.scaffold import (
    CATALOG,
    TESTS,
    File,
    Kind,
    Names,
    catalog_line,
    for_plugin,
    for_suite,
    names_of,
)
from baselines.commands.terminal import console, table
from baselines.errors import ConfigError


@dataclass(frozen=True)
class New:
    """Write a new environment, a small one that works: every hook, its team, its test."""

    name: Positional[Annotated[str, shown("FAMILY/NAME")]]
    """What it is called: its id without the version."""
    plugin: Annotated[Path | None, shown("DIR")] = None
    """Write a package of its own into this folder. Default: into the checkout of marft-envs that you are in."""
    clock: bool = False
    """Agents act at their own pace, on the clock, instead of in rounds."""

    def run(self) -> int:
        """Write the files, and say what they are and what comes next; nothing that is there is overwritten."""
        names = names_of(self.name)
        kind: Kind = "clock" if self.clock else "rounds"
        if self.plugin is not None:
            files = for_plugin(names, kind)
            _write(self.plugin, files)
            _tell(names, self.plugin, files, _after_plugin(names, self.plugin))
            return 0
        root = _checkout()
        files = for_suite(names, kind, root)
        _write(root, files)
        _append(root / CATALOG, catalog_line(names))
        _tell(names, root, [*files, File(CATALOG, "", "one line more")], _after_suite(names, files[-1]))
        return 0


def _checkout() -> Path:
    """The root of the checkout in which the command was given. Raises: ConfigError outside of any."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / CATALOG).is_file() and (folder / TESTS).is_dir():
            return folder
    raise ConfigError(
        f"{here} is in no checkout of marft-envs; go into one, or write a package of its own with --plugin DIR"
    )


def _write(root: Path, files: Sequence[File]) -> None:
    """Raises: ConfigError if one of them is there, before anything is written, or if it cannot be written."""
    there = [str(root / file.path) for file in files if (root / file.path).exists()]
    if there:
        raise ConfigError(
            f"nothing is overwritten, and there is already {', '.join(there)}; choose another name or folder, or move "
            "that out of the way"
        )
    for file in files:
        path = root / file.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write {path} ({error.strerror}); choose another folder, or mend that") from error


def _append(catalog: Path, line: str) -> None:
    """Raises: ConfigError if it cannot be written."""
    try:
        is_ended = catalog.read_text(encoding="utf-8").endswith("\n")
        with catalog.open("a", encoding="utf-8") as end:
            end.write(line if is_ended else f"\n{line}")
    except OSError as error:
        raise ConfigError(f"cannot write {catalog} ({error.strerror}); add this line to it: {line.strip()}") from error


def _tell(names: Names, root: Path, files: Sequence[File], steps: Sequence[tuple[str, str]]) -> None:
    console().print(Text(f"{names.env_id} is written, in {root}", style="bold green"), soft_wrap=True)
    rows = [(str(file.path), file.what) for file in files]
    for drawn in (table(("file", ""), rows), table(("what comes next", ""), steps)):
        drawn.columns[0].no_wrap = True  # to be copied
        console().print(drawn)


def _after_suite(names: Names, test: File) -> list[tuple[str, str]]:
    """Commands, and what each is for."""
    return [
        *_checks(names, str(test.path)),
        ("python -m marft_envs.golden --add", "once it is as you want it: records its behaviour"),
        ("python docs/make_tables.py", "writes its row in the README"),
        ("python docs/make_pages.py", "writes its page; CONTRIBUTING.md tells the rest"),
    ]


def _after_plugin(names: Names, root: Path) -> list[tuple[str, str]]:
    """Commands, and what each is for."""
    where = shlex.quote(str(root))
    return [(f"pip install -e {where}", "lets it be found"), *_checks(names, where)]


def _checks(names: Names, test: str) -> list[tuple[str, str]]:
    return [
        (f"marft check {names.unversioned}", "does it keep every promise?"),
        (f"pytest {test}", "its own test"),
        (f"marft play {names.unversioned}", "play it yourself, then make it yours"),
    ]
