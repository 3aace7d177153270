"""What README and CONTRIBUTING show must work: Python blocks run, commands exist, links lead somewhere.

A `python` block runs on its own, in an empty folder; `python notest REASON` is only compiled. Shell blocks
are read, not run: every command, make target, option, extra and environment id in them must exist.
"""

import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pettingzoo
import pytest

import marft_envs

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md")
FENCE = re.compile(r"^```(?P<language>\w*) *(?P<note>.*?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)(?P<target>[^)#\s]+)[^)]*\)")
ENVIRONMENT_ID = re.compile(r"\w+/\w+-v\d+")
SHELLS = ("sh", "bash", "shell", "console")
ORDINARY = {"cd", "echo", "export", "git", "source"}
"""Commands of everybody's machine, which are taken to be right."""


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    note: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found["language"], found["note"], found["text"])


def text_of(page: str) -> str:
    path = ROOT / page
    return path.read_text(encoding="utf-8") if path.exists() else ""


BLOCKS = [block for page in PAGES for block in blocks_of(page, text_of(page))]
RUN = [block for block in BLOCKS if block.language == "python" and not block.note]
SHOWN = [block for block in BLOCKS if block.language == "python" and block.note]
COMMANDS = [block for block in BLOCKS if block.language in SHELLS]


def commands_in(block: Block) -> Iterator[list[str]]:
    """The words of every command, without comments, prompts and output."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        for command in re.split(r"\s(?:&&|\|\||\||;)\s", line):
            words = shlex.split(command, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words = words[1:]
            if words:
                yield words


def makefile_names(pattern: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@functools.cache
def help_of(*command: str) -> str:
    """What `marft ... --help` prints, or nothing if there is no such command."""
    program = "import sys; from baselines.cli import main; sys.argv[0] = 'marft'; sys.exit(main())"
    wide = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    arguments = [sys.executable, "-c", program, *command, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, env=wide)
    # For an unknown command with --help, the help of `marft` itself is shown.
    found = done.returncode == 0 and done.stdout.startswith(" ".join(["usage: marft", *command, ""]))
    return done.stdout if found else ""


def marft_problem(words: list[str]) -> str | None:
    if not words or words[0].startswith("-"):
        return None
    described = help_of(words[0])
    if not described:
        return f"there is no command `marft {words[0]}`"
    for word in words[1:]:
        name = word.partition("=")[0]
        if name.startswith("--") and not re.search(rf"{re.escape(name)}(?![\w.-])", described):
            return f"`marft {words[0]}` has no option {name}"
        if ENVIRONMENT_ID.fullmatch(word) and word not in marft_envs.registered_ids():
            return f"there is no environment {word}"
    return None


def make_problem(words: list[str]) -> str | None:
    targets = [word for word in words if "=" not in word]
    unknown = set(targets) - makefile_names(r"^([a-z]+):")
    if unknown:
        return f"the Makefile has no target {unknown.pop()}"
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    unknown = set(settings) - makefile_names(r"^([A-Z_]+) \?=")
    if unknown:
        return f"the Makefile has no setting {unknown.pop()}"
    return marft_problem(["train", *shlex.split(settings.get("ARGS", ""))]) if targets == ["train"] else None


def pip_problem(words: list[str]) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words:
        if named := re.search(rf"^(?:\.|{project['name']})\[(.*)\]$", word):
            for extra in set(named[1].split(",")) - set(project["optional-dependencies"]):
                return f"there is no extra {extra}"
    return None


def python_problem(words: list[str]) -> str | None:
    match words:
        case ["-m", "pip", *rest]:
            return pip_problem(rest)
        case ["-m", module, *_]:
            return None if importlib.util.find_spec(module) else f"there is no module {module}"
        case [script, *_] if not script.startswith("-"):
            return None if (ROOT / script).is_file() else f"there is no file {script}"
    return None


CHECKS: dict[str, Callable[[list[str]], str | None]] = {
    "make": make_problem,
    "marft": marft_problem,
    "pip": pip_problem,
    "python": python_problem,
    "python3": python_problem,
    "bash": python_problem,
}


def problem_with(words: list[str]) -> str | None:
    name = Path(words[0]).name if words[0].startswith(".venv/bin/") else words[0]
    if name in CHECKS:
        return CHECKS[name](words[1:])
    if name in ORDINARY or shutil.which(name, path=str(Path(sys.executable).parent)) or (ROOT / name).is_file():
        return None
    return f"there is no command {name}"


def test_there_is_a_readme_with_something_to_run() -> None:
    assert [block for block in RUN if block.page == "README.md"]
    assert [block for block in COMMANDS if block.page == "README.md"]


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered within a test is registered for that test only."""
    monkeypatch.setattr("marft_envs.registry._specs", dict(sys.modules["marft_envs.registry"]._specs))
    before = dict(pettingzoo.aec_registry)
    yield
    pettingzoo.aec_registry.clear()
    pettingzoo.aec_registry.update(before)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The empty lines in front let a traceback name the line of the page.
    program = compile("\n" * block.line + block.text, str(ROOT / block.page), "exec")
    exec(program, {"__name__": "__main__"})


def test_a_python_block_that_is_not_run_says_why() -> None:
    for block in SHOWN:
        assert re.fullmatch(r"notest \S.*", block.note), f"{block}: a reason must follow `notest`"
        compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_the_commands_of_a_shell_block_exist(block: Block) -> None:
    problems = {" ".join(words): problem_with(words) for words in commands_in(block)}
    assert {command: problem for command, problem in problems.items() if problem} == {}


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(page: str) -> None:
    missing = [link["target"] for link in LINK.finditer(text_of(page)) if not (ROOT / link["target"]).exists()]
    assert missing == []


# --- The checks themselves ------------------------------------------------------------------------------

PAGE = """
```python
print(1)
```

```python notest needs a GPU
print(2)
```

```sh
cd here   # a comment
CUDA_VISIBLE_DEVICES= make train ARGS="--seed 1" && make \\
  test
```

```console
$ marft envs
math/reason_act-v0
```
"""


def test_blocks_are_found_with_language_note_and_line() -> None:
    found = [(block.line, block.language, block.note) for block in blocks_of("page", PAGE)]
    shown = (6, "python", "notest needs a GPU")
    assert found == [(2, "python", ""), shown, (10, "sh", ""), (16, "console", "")]


def test_commands_are_read_without_comments_settings_and_output() -> None:
    shells = [block for block in blocks_of("page", PAGE) if block.language in SHELLS]
    found = [command for block in shells for command in commands_in(block)]
    assert found == [["cd", "here"], ["make", "train", "ARGS=--seed 1"], ["make", "test"], ["marft", "envs"]]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make trian", "no target trian"),
        ("make train TORHC=x", "no setting TORHC"),
        ("make train ARGS='--no-such-option 1'", "`marft train` has no option --no-such-option"),
        ("marft trian", "no command `marft trian`"),
        ("marft train --no-such-option", "has no option --no-such-option"),
        ("marft play math/no_such-v0", "no environment math/no_such-v0"),
        ("pip install '.[trian]'", "no extra trian"),
        ("python -m pip install 'marft-envs[trian]'", "no extra trian"),
        ("python -m no_such_module", "no module no_such_module"),
        ("python examples/no_such_file.py", "no file examples/no_such_file.py"),
        ("no_such_command --help", "no command no_such_command"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, problem: str) -> None:
    found = problem_with(shlex.split(command))
    assert found is not None
    assert problem in found


@pytest.mark.parametrize(
    "command",
    [
        "make train ARGS='--seed 1'",
        "make test TORCH_INDEX=https://download.pytorch.org/whl/cpu",
        "marft envs",
        "pip install -e '.[train,dev]'",
        "python -m baselines.policies.models",
        "bash .ci/run",
        "pytest -n 2",
        "git clone https://example.org/somewhere",
    ],
)
def test_a_command_that_exists_is_accepted(command: str) -> None:
    assert problem_with(shlex.split(command)) is None
