"""`marft new` writes an environment that keeps every promise at once, and overwrites nothing.

1. In a checkout: an environment in rounds and one on the clock, with everything that the suite's own tests ask for.
2. In a package of its own: installed by pip, found, checked, tested.
3. Mistakes are typed errors, and nothing is written.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines.cli import main
from marft_envs.clock import ClockMG
from marft_envs.hooks import Hooks
from tests.docs_scripts import ROOT
from tests.test_contributing import names_of_files

KINDS: dict[str, list[str]] = {"in_rounds": [], "on_clock": ["--clock"]}
"""The names of the environments that are written, and the options that make them so."""
SUITE_FILES = ("marft_envs/puzzles/{}.py", "marft_envs/puzzles/teams/{}.yaml", "tests/envs/test_{}.py")


def run(folder: Path, path: list[Path], *words: str) -> str:
    """Python in a folder, with these on its path; it ends well, and this is what it printed."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs `marft new`, expects an exit status, and gives what it told: the result, or the mistake."""
    monkeypatch.setenv("COLUMNS", "120")

    def new(*words: object, status: int = 0) -> str:
        capsys.readouterr()
        found = main(["new", *map(str, words)])
        out, err = capsys.readouterr()
        assert found == status, out + err
        return " ".join((err if status else out).split())

    return new


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As much of a checkout as the command looks at, with the working directory somewhere in it."""
    folder = tmp_path / "checkout"
    for name in (
        "marft_envs/catalog.py",
        "marft_envs/clock.py",
        "marft_envs/math/__init__.py",
        "marft_envs/math/data.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "tests" / "envs").mkdir(parents=True)
    monkeypatch.chdir(folder / "tests")
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


# --- 1. In a checkout ---


def test_it_writes_an_environment_its_team_its_test_and_a_line_of_the_catalog(
    checkout: Path, told: Callable[..., str]
) -> None:
    before = contents(checkout)
    told("puzzles/half_codes")
    after = contents(checkout)
    new = {file.format("half_codes") for file in SUITE_FILES} | {"marft_envs/puzzles/__init__.py"}
    assert after.keys() - before.keys() == new
    line = 'register("puzzles/half_codes-v0", "marft_envs.puzzles.half_codes:HalfCodes")\n'
    before["marft_envs/catalog.py"] += line
    assert {name: after[name] for name in before} == before


def test_it_tells_every_file_and_what_comes_next(checkout: Path, told: Callable[..., str]) -> None:
    shown = told("puzzles/half_codes")
    assert f"puzzles/half_codes-v0 is written, in {checkout}" in shown
    for words in (
        *(file.format("half_codes") for file in SUITE_FILES),
        *("marft_envs/catalog.py one line more", "marft check puzzles/half_codes", "python -m marft_envs.golden --add"),
    ):
        assert words in shown


def test_a_family_that_is_there_keeps_its_docstring(checkout: Path, told: Callable[..., str]) -> None:
    before = contents(checkout)["marft_envs/math/__init__.py"]
    told("math/half_codes")
    assert contents(checkout)["marft_envs/math/__init__.py"] == before


def test_the_version_may_be_written_if_it_is_the_first(checkout: Path, told: Callable[..., str]) -> None:
    assert "puzzles/half_codes-v0 is written" in told("puzzles/half_codes-v0")


def test_a_catalog_without_an_end_of_line_gets_one(checkout: Path, told: Callable[..., str]) -> None:
    catalog = checkout / "marft_envs" / "catalog.py"
    catalog.write_text("a = 1", encoding="utf-8")
    told("puzzles/half_codes")
    assert catalog.read_text(encoding="utf-8").startswith("a = 1\nregister(")


@pytest.mark.parametrize("name", KINDS)
def test_every_hook_is_there_with_its_docstring(checkout: Path, told: Callable[..., str], name: str) -> None:
    told(f"puzzles/{name}", *KINDS[name])
    parsed = ast.parse((checkout / "marft_envs" / "puzzles" / f"{name}.py").read_text(encoding="utf-8"))
    written = {node.name for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)}
    hooks = {hook for hook, value in vars(Hooks).items() if callable(value) and not hook.startswith("_")} - {"measured"}
    of_rounds, of_clock = {"dependencies_for", "end_round"}, {"begins_us", "happen"}
    assert of_rounds < hooks
    assert of_clock < vars(ClockMG).keys()
    assert (hooks - of_rounds | of_clock if name == "on_clock" else hooks) - written == set()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout in which both kinds of environments have been written."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in names_of_files():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name, options in KINDS.items():
        run(folder, [folder], "-m", "baselines.cli", "new", f"puzzles/{name}", *options)
    return folder


@pytest.mark.slow
def test_what_is_written_keeps_every_promise(copy: Path) -> None:
    ids = [f"puzzles/{name}" for name in KINDS]
    shown = run(copy, [copy], "-m", "baselines.cli", "check", *ids)
    assert shown.count("all promises kept") == 2
    assert "there is no silent_action" not in shown


@pytest.mark.slow
def test_what_is_written_passes_its_own_test_and_those_of_all_environments(copy: Path) -> None:
    tests = [f"tests/envs/test_{name}.py" for name in KINDS]
    words = ["-q", "-p", "no:cacheprovider", *tests, "tests/test_layers.py", "-k", "test_in or test_on or the_layers"]
    assert " passed" in run(copy, [copy], "-m", "pytest", *words)
    words = ["-q", "-p", "no:cacheprovider", "tests/test_docs.py", "-k", "docstring and puzzles"]
    assert " passed" in run(copy, [copy], "-m", "pytest", *words)


@pytest.mark.slow
def test_what_is_written_is_in_the_house_format_and_passes_lint_and_types(copy: Path) -> None:
    if (ROOT / ".mypy_cache").is_dir():  # what mypy knows of numpy and the base class takes it 15 seconds to find out
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache")
    python = [file.format(name) for name in KINDS for file in SUITE_FILES if file.endswith(".py")]
    files = [*python, "marft_envs/puzzles/__init__.py", "marft_envs/catalog.py"]
    run(copy, [copy], "-m", "ruff", "format", "--check", *files)
    run(copy, [copy], "-m", "ruff", "check", *files)
    run(copy, [copy], "-m", "mypy", "marft_envs/puzzles")


# --- 2. In a package of its own ---


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package for each kind, each of another family."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, options in KINDS.items():
        words = ["-m", "baselines.cli", "new", f"{name}/half_codes", "--plugin", f"my {name}", *options]
        run(folder, [ROOT], *words)
    return folder


@pytest.fixture(scope="module")
def site(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the packages, without network."""
    folder = tmp_path_factory.mktemp("site")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    pip += ["--no-deps", "--no-build-isolation", "--target", str(folder)]
    for name in KINDS:
        built = shutil.copytree(plugins / f"my {name}", folder.parent / f"built {name}")
        run(folder, [ROOT], *pip, str(built))
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_package_consists_of_six_files(plugins: Path, name: str) -> None:
    assert sorted(contents(plugins / f"my {name}")) == [
        "README.md",
        f"marft_{name}/__init__.py",
        f"marft_{name}/half_codes.py",
        f"marft_{name}/teams/half_codes.yaml",
        "pyproject.toml",
        "tests/test_half_codes.py",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_an_installed_package_is_found_and_keeps_every_promise(site: Path, name: str) -> None:
    shown = run(site, [site, ROOT], "-m", "baselines.cli", "check", f"{name}/half_codes")
    assert "all promises kept" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_an_installed_package_passes_its_own_test(site: Path, plugins: Path, name: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    assert " passed" in run(plugins / f"my {name}", [site, ROOT], *words)


@pytest.mark.parametrize("name", KINDS)
def test_a_package_is_in_the_house_format_and_passes_lint(plugins: Path, name: str) -> None:
    folder = plugins / f"my {name}"
    run(ROOT, [ROOT], "-m", "ruff", "format", "--check", "--config", "pyproject.toml", str(folder))
    run(ROOT, [ROOT], "-m", "ruff", "check", "--config", "pyproject.toml", str(folder / f"marft_{name}"))


def test_a_package_is_told_how_to_install_with_its_path_quoted(tmp_path: Path, told: Callable[..., str]) -> None:
    folder = tmp_path / "my plug-in"
    shown = told("puzzles/half_codes", "--plugin", folder)
    assert f"pip install -e '{folder}'" in shown
    assert "marft check puzzles/half_codes" in shown
    assert "golden" not in shown


def test_writing_loads_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom baselines.cli import main\nmain(sys.argv[1:])\n"
        "print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    )
    shown = run(tmp_path, [ROOT], "-c", program, "new", "puzzles/half_codes", "--plugin", "here")
    assert shown.splitlines()[-1] == "set()"


# --- 3. Mistakes ---


@pytest.mark.parametrize("there", SUITE_FILES)
def test_nothing_is_overwritten_and_nothing_else_written(checkout: Path, told: Callable[..., str], there: str) -> None:
    path = checkout / there.format("half_codes")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine", encoding="utf-8")
    (checkout / "marft_envs" / "catalog.py").write_text('"marft_envs.puzzles.other:Other"\n', encoding="utf-8")
    before = contents(checkout)
    shown = told("puzzles/half_codes", status=2)
    assert f"nothing is overwritten, and there is already {path}; choose another name or folder" in shown
    assert contents(checkout) == before


def test_a_second_package_does_not_overwrite_the_first(tmp_path: Path, told: Callable[..., str]) -> None:
    told("puzzles/half_codes", "--plugin", tmp_path)
    before = contents(tmp_path)
    shown = told("riddles/other", "--plugin", tmp_path, status=2)
    assert f"there is already {tmp_path / 'pyproject.toml'}, {tmp_path / 'README.md'};" in shown
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("half_codes", "malformed environment id 'half_codes-v0'; write 'family/name-vN'"),
        ("a/b/c", "malformed environment id"),
        ("puzzles/half codes", "malformed environment id"),
        ("../half_codes", "'..' is to be the name of a Python module"),
        ("puzzles/half-codes", "'half-codes' is to be the name of a Python module"),
        ("puzzles/HalfCodes", "use small letters, digits and '_'"),
        ("puzzles/2codes", "a letter first"),
        ("puzzles/_codes", "a letter first"),
        ("puzzles/class", "none of Python's own words"),
        ("my.puzzles/half_codes", "'my.puzzles' is to be the name"),
        ("puzzles/half_codes-v1", "has version 1, and a new environment begins with 0"),
        ("math/pipeline", "there is an environment math/pipeline-v0 already; choose another name"),
        ("puzzles/outcome", "a class Outcome would hide another of that name; choose another name"),
        ("puzzles/exception", "a class Exception would hide"),
        ("puzzles/none", "a class None would hide"),
        (f"puzzles/{'long_' * 8}code", "is too long: a line would have"),
        ("clock/half_codes", "marft_envs has a module 'clock', which is no family; choose another family"),
        ("grading/half_codes", "marft_envs has a module 'grading', which is no family"),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(
    checkout: Path, told: Callable[..., str], name: str, mistake: str
) -> None:
    (checkout / "marft_envs" / "grading").mkdir()
    (checkout / "marft_envs" / "grading" / "answers.py").touch()
    before = contents(checkout)
    assert mistake in told(name, status=2)
    assert contents(checkout) == before


def test_outside_of_a_checkout_the_way_out_is_a_package(
    tmp_path: Path, told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path} is in no checkout of marft-envs; go into one, or write" in told("puzzles/codes", status=2)
    assert contents(tmp_path) == {}


def test_a_package_that_would_hide_an_installed_one_is_refused(tmp_path: Path, told: Callable[..., str]) -> None:
    shown = told("envs/half_codes", "--plugin", tmp_path / "new", status=2)
    assert "a package 'marft_envs' is installed already; choose another family" in shown
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, told: Callable[..., str]) -> None:
    (tmp_path / "file").touch()
    shown = told("puzzles/half_codes", "--plugin", tmp_path / "file", status=2)
    assert f"cannot write {tmp_path / 'file' / 'pyproject.toml'}" in shown
