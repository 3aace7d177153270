"""A run that goes on gives what the undisturbed one gives, bit for bit; what cannot go on is told with the way out.

1. Equal to the undisturbed run, whatever is trained and wherever it was stopped.
2. Every part of the state is needed: left out, the result differs.
3. Which checkpoint it goes on from, and what is said of the others.
4. Settings and circumstances that have changed.
5. A full disk, two processes, and what a person is told.
"""

import errno
import inspect
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.algorithms.marft_action import Config, MarftAction, train
from baselines.cli import main
from baselines.commands.train import _load, algorithms, parse
from baselines.errors import CheckpointError, ConfigError, DiskFullError
from baselines.policies.critic import Critic
from baselines.policies.team import Team
from baselines.rollouts.curriculum import Curriculum
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.checkpoints import complete_checkpoints, half_written_checkpoints
from baselines.runs.circumstances import weights_hash
from baselines.runs.experiment import Experiment
from baselines.runs.resume_point import ResumePoint, find_resume_point
from baselines.runs.resuming import require_same_results, resumed_settings
from baselines.runs.run import Run
from baselines.runs.training_state import (
    load_generators,
    load_optimizers,
    save_generators,
    save_optimizers,
)
from tests.baselines.outcomes import Outcome, outcome

CPU = torch.device("cpu")


class PulledPlugError(Exception):
    """What stops a run in these tests, in the middle of whatever it does. Real kills are in test_killed_runs."""


def settings(tiny_model: Path, folder: Path, **given: object) -> Config:
    chosen = {
        "env_id": "tests.baselines.toy_envs:Letters",
        "model": str(tiny_model),
        "run_dir": folder,
        "env_options": {"horizon": 1},
        "lora_targets": ("q_proj", "v_proj"),
        "num_iterations": 3,
        "episodes_per_iteration": 3,
        "max_new_tokens": 3,
        "eval_instances": 2,
        "few_shot": 0,
        "lr": 0.02,
        "level": "fancy",
        "curriculum_threshold": 0.0,  # climbs after the first iteration
        "curriculum_preview": 0.1,
        "update_epochs": 2,
        "target_kl": None,
        **given,
    }
    return Config(**chosen)


def stop_in_iteration(
    number: int, monkeypatch: pytest.MonkeyPatch, config: Config, resume_from: ResumePoint | None = None
) -> None:
    """Train, and stop after the updates of an iteration, counted from 0, before anything of it is recorded."""
    learn = MarftAction.learn
    calls: list[int] = []

    def learn_or_stop(self: MarftAction, *args: object, **options: object) -> object:
        metrics = learn(self, *args, **options)
        calls.append(1)
        if len(calls) > number:
            raise PulledPlugError
        return metrics

    with monkeypatch.context() as patch:
        patch.setattr(MarftAction, "learn", learn_or_stop)
        with pytest.raises(PulledPlugError):
            train(config, resume_from=resume_from, quiet=True)


def go_on(folder: Path, **changes: object) -> None:
    """What `marft train --resume FOLDER` does, quietly."""
    command = parse(["--resume", str(folder)])
    torch.manual_seed(77)  # whatever another process would have drawn
    assert command.config is not None
    train(replace(command.config, **changes), resume_from=command.resume_from, quiet=True)


@pytest.fixture(scope="module")
def undisturbed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    train(settings(tiny_model, folder), quiet=True)
    return outcome(folder)


@pytest.fixture(scope="module")
def template(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped in its third iteration, with two whole checkpoints."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_in_iteration(2, monkeypatch, settings(tiny_model, folder))
    return folder


@pytest.fixture
def stopped(template: Path, tmp_path: Path) -> Path:
    """A copy of it, at another place."""
    return Path(shutil.copytree(template, tmp_path / "moved"))


# --- 1. Equal to the undisturbed run ---


KINDS: dict[str, dict[str, object]] = {
    "agents one after another": {},
    "one adapter for the team": {"adapters": "shared", "num_minibatches": 3},
    "agents in random order, an iteration lost": {
        "update_order": "random",
        "critic_warmup": 1,
        "checkpoint_every": 2,
        "num_iterations": 4,
        "lora_targets": ("all-linear",),
    },
    "evaluations on the way, no curriculum": {"eval_every": 2, "curriculum": False, "env_options": {"horizon": 2}},
    "all from one snapshot, each with its own critic's view, beyond the horizon": {
        "update": "simultaneous",
        "critic_input": "observation",
        "bootstrap_truncated": True,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_stopped_ends_as_the_undisturbed_one(
    kind: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = KINDS[kind]
    train(settings(tiny_model, tmp_path / "undisturbed", **given), quiet=True)
    config = settings(tiny_model, tmp_path / "run", **given)
    stop_in_iteration(config.num_iterations - 1, monkeypatch, config)
    assert find_resume_point(tmp_path / "run").num_done == 2
    go_on(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "undisturbed")


def test_a_run_that_is_stopped_again_and_again_ends_so_too(
    undisturbed: Outcome, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    stop_in_iteration(0, monkeypatch, settings(tiny_model, folder))
    for _ in range(2):
        command = parse(["--resume", str(folder)])
        stop_in_iteration(1, monkeypatch, command.config, command.resume_from)
    go_on(folder)
    assert outcome(folder) == undisturbed
    described = json.loads((folder / "run.json").read_text())
    assert [one["num_iterations_done"] for one in described["resumed"]] == [0, 1, 2]


def test_a_run_of_more_iterations_is_what_it_would_have_been_from_the_start(
    undisturbed: Outcome, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    train(settings(tiny_model, folder, num_iterations=2), quiet=True)
    go_on(folder, num_iterations=3)
    found = outcome(folder)
    assert (found.metrics, found.files) == (undisturbed.metrics, undisturbed.files)
    assert [record["iteration"] for record in found.evaluations] == [0, 2, 3]  # the end of two was an end


def test_what_was_evaluated_before_training_is_not_evaluated_again(
    undisturbed: Outcome, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    stop_in_iteration(0, monkeypatch, settings(tiny_model, folder))
    before = (folder / "evaluations.jsonl").read_text()
    assert len(before.splitlines()) == 1
    go_on(folder)
    assert (folder / "evaluations.jsonl").read_text().startswith(before)  # its times too
    assert outcome(folder) == undisturbed


def test_a_run_that_was_stopped_in_its_last_evaluation_only_evaluates(
    undisturbed: Outcome, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def stop(*args: object) -> None:
        raise PulledPlugError

    with monkeypatch.context() as patch:
        patch.setattr("baselines.evaluate.Evaluator.trained", stop)
        with pytest.raises(PulledPlugError):
            train(settings(tiny_model, folder), quiet=True)
    assert not find_resume_point(folder).is_finished
    monkeypatch.setattr(MarftAction, "learn", stop)
    go_on(folder)
    assert outcome(folder) == undisturbed


def test_environments_bring_no_state_from_one_iteration_to_the_next(tiny_model: Path, tmp_path: Path) -> None:
    """Therefore a checkpoint has none of them."""
    used, fresh = (Experiment.prepare(settings(tiny_model, tmp_path / "run")) for _ in range(2))
    for iteration in range(2):
        used.collect(iteration, print)
    batches = []
    for experiment in (used, fresh):
        torch.manual_seed(5)
        batches.append(experiment.collect(2, print))
    assert batches[0] == batches[1]


@pytest.mark.parametrize("algorithm", algorithms())
def test_every_algorithm_can_go_on(algorithm: str) -> None:
    assert "resume_from" in inspect.signature(_load(algorithm).train).parameters


# --- 2. Every part of the state is needed ---


def only(part: str) -> Callable[..., None]:
    """Loads the optimisers whose name begins so."""

    def load(folder: Path, optimizers: dict[str, torch.optim.Optimizer]) -> None:
        spare = {name: torch.optim.Adam(one.param_groups[0]["params"]) for name, one in optimizers.items()}
        load_optimizers(
            folder, {name: one if name.startswith(part) else spare[name] for name, one in optimizers.items()}
        )

    return load


def only_torch(folder: Path, generators: dict[str, np.random.Generator], device: torch.device) -> None:
    load_generators(folder, {name: np.random.default_rng(0) for name in generators}, device)


LOSSES: dict[str, tuple[object, str, object]] = {
    "the adapters": (Team, "load_adapters", lambda self, folder: None),
    "the critic": (Critic, "load", lambda self, folder, name: None),
    "the adapters' optimisers": ("baselines.updates.learner", "load_optimizers", only("critic")),
    "the critic's optimiser": ("baselines.updates.learner", "load_optimizers", only("adapter")),
    "the generator of the updates": ("baselines.updates.learner", "load_generators", only_torch),
    "the level that was reached": (Curriculum, "restore", lambda self, position: None),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_without_this_part_the_result_would_differ(
    lost: str, undisturbed: Outcome, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name, replacement = LOSSES[lost]
    monkeypatch.setattr(sys.modules[where] if isinstance(where, str) else where, name, replacement)
    go_on(stopped)
    found = outcome(stopped)
    assert found.metrics[:2] == undisturbed.metrics[:2]
    assert found.metrics[2:] != undisturbed.metrics[2:]
    assert found.files != undisturbed.files


def test_with_all_parts_it_does_not(undisturbed: Outcome, stopped: Path) -> None:
    go_on(stopped)
    assert outcome(stopped) == undisturbed


def test_torchs_own_generator_goes_on_where_it_stood(tmp_path: Path) -> None:
    torch.manual_seed(8)
    torch.randn(3)  # leaves half of a pair behind, which is part of the state
    save_generators(tmp_path, {}, CPU)
    expected = torch.randn(5)
    torch.manual_seed(9)
    load_generators(tmp_path, {}, CPU)
    assert torch.equal(torch.randn(5), expected)


def test_a_generator_of_numpy_goes_on_where_it_stood(tmp_path: Path) -> None:
    generator = np.random.default_rng(np.random.SeedSequence([1, 2]))
    generator.integers(10, size=3, dtype=np.uint32)  # leaves half of a draw behind, which is part of the state
    save_generators(tmp_path, {"one": generator}, CPU)
    expected = generator.integers(2**32, size=5, dtype=np.uint32)
    loaded = np.random.default_rng(3)
    load_generators(tmp_path, {"one": loaded}, CPU)
    assert np.array_equal(loaded.integers(2**32, size=5, dtype=np.uint32), expected)


def stepped(*sizes: int) -> torch.optim.Adam:
    parameters = [torch.nn.Parameter(torch.full((size,), 0.1)) for size in sizes]
    optimizer = torch.optim.Adam(parameters, lr=0.3)
    for number in range(3):
        for parameter in parameters[number % 2 :]:  # not everybody has a gradient every time
            parameter.grad = torch.linspace(-1, 1, parameter.numel()) / 3**number
        optimizer.step()
        optimizer.zero_grad()
    return optimizer


def test_every_tensor_of_an_optimiser_comes_back_with_its_type(tmp_path: Path) -> None:
    saved = stepped(4, 7)
    save_optimizers(tmp_path, {"a": saved, "idle": torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])})
    loaded = torch.optim.Adam([torch.nn.Parameter(torch.ones(size)) for size in (4, 7)], lr=0.3)
    idle = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    load_optimizers(tmp_path, {"a": loaded, "idle": idle})
    before, after = (one.state_dict()["state"] for one in (saved, loaded))
    assert [float(state["step"]) for state in after.values()] == [2.0, 3.0]
    for position, parts in before.items():
        assert parts.keys() == after[position].keys()
        for part, value in parts.items():
            assert torch.equal(value, after[position][part]) and value.dtype == after[position][part].dtype
    assert idle.state_dict()["state"] == {}


@pytest.mark.parametrize(
    ("optimizers", "message"),
    [
        ({"a": (4, 8)}, r"tensor 1 of 'a' has shape \[\(7,\)\]"),
        ({"a": (4,)}, r"tensor 1 of 'a' has shape"),
        ({"b": (4, 7)}, r"the state of an optimiser 'a'; this run has \['b'\]"),
    ],
)
def test_the_state_of_other_optimisers_is_refused(
    tmp_path: Path, optimizers: dict[str, tuple[int, ...]], message: str
) -> None:
    save_optimizers(tmp_path, {"a": stepped(4, 7)})
    with pytest.raises(CheckpointError, match=message):
        load_optimizers(tmp_path, {name: stepped(*sizes) for name, sizes in optimizers.items()})


# --- 3. Which checkpoint ---


def test_it_goes_on_from_the_newest_and_says_so(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert f"Going on from {stopped}/checkpoints/iteration-2: 2 of 3 iterations are done.\n" in said
    assert "Finished after 3 of 3 iterations" in said
    assert "Warning" not in said
    assert "untrained" in said.partition("Finished")[2] and "untrained" not in said.partition("Finished")[0]


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "optimizers.safetensors").read_bytes())
    content[-5] ^= 4
    (folder / "optimizers.safetensors").write_bytes(bytes(content))


def cut_short(folder: Path) -> None:
    weights = folder / "writer_0" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:99])


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def be_half_written(folder: Path) -> None:
    lose_the_manifest(folder)
    folder.rename(folder.with_name(folder.name + ".partial"))
    (folder.parent / "latest").write_text("iteration-1\n")


def garble_the_state(folder: Path) -> None:
    (folder / "state.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip_a_bit, "Left out: iteration-2 is damaged: .*iteration-2/optimizers.safetensors is not what was saved"),
        (cut_short, "Left out: iteration-2 is damaged: .*adapter_model.safetensors is not what was saved"),
        (lose_the_manifest, "Left out: iteration-2 was not written to the end.\n"),
        (be_half_written, "Left out: iteration-2.partial was not written to the end.\n"),
        (garble_the_state, "Left out: iteration-2 is damaged: .*state.json is not what was saved"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_last_good_one_taken(
    undisturbed: Outcome,
    stopped: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damage(stopped / "checkpoints" / "iteration-2")
    assert find_resume_point(stopped).num_done == 1
    assert main(["train", "--resume", str(stopped)]) == 0
    shown = capsys.readouterr().out
    assert re.search(said, shown)
    assert f"Going on from {stopped}/checkpoints/iteration-1: 1 of 3" in shown
    assert outcome(stopped) == undisturbed


def test_where_no_checkpoint_is_whole_the_run_is_not_begun_again_in_silence(stopped: Path) -> None:
    for name in ("iteration-1", "iteration-2"):
        flip_a_bit(stopped / "checkpoints" / name)
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .* is whole: iteration-2 is .*; iteration-1 is .*remove"
    ):
        find_resume_point(stopped)
    lose_the_manifest(stopped / "checkpoints" / "iteration-1")
    lose_the_manifest(stopped / "checkpoints" / "iteration-2")
    with pytest.raises(CheckpointError, match="is whole: iteration-1 was not written to the end"):
        find_resume_point(stopped)


def test_a_run_without_a_checkpoint_begins_again_and_says_so(
    undisturbed: Outcome, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(stopped / "checkpoints" / "iteration-1")
    (stopped / "checkpoints" / "latest").unlink()
    be_half_written(stopped / "checkpoints" / "iteration-2")
    (stopped / "checkpoints" / "latest").unlink()
    assert main(["train", "--resume", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert "Left out: iteration-2.partial was not written to the end.\n" in said
    assert "was complete yet: it begins again at the first iteration.\n" in said
    assert outcome(stopped) == undisturbed
    assert not half_written_checkpoints(stopped / "checkpoints")


@pytest.mark.parametrize("path", [".", "checkpoints", "checkpoints/latest", "checkpoints/iteration-2"])
def test_a_run_is_found_by_its_folder_and_by_what_lies_in_it(stopped: Path, path: str) -> None:
    point = find_resume_point(stopped / path)
    assert (point.folder.resolve(), point.num_done, point.later) == (stopped.resolve(), 2, ())


def test_a_path_may_be_relative(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stopped / "checkpoints")
    assert find_resume_point(Path("iteration-1")).num_done == 1
    assert find_resume_point(Path()).num_done == 2
    monkeypatch.chdir(stopped)
    assert find_resume_point(Path()).num_done == 2


def test_an_older_checkpoint_is_gone_back_to_and_what_came_later_is_dropped(
    undisturbed: Outcome, stopped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = stopped / "checkpoints" / "iteration-1"
    command = parse(["--resume", str(chosen)])
    monkeypatch.setattr(MarftAction, "learn", lambda *args, **options: (_ for _ in ()).throw(PulledPlugError))
    with pytest.raises(PulledPlugError):
        train(command.config, resume_from=command.resume_from)
    assert "Dropped, since they came later: iteration-2.\n" in capsys.readouterr().out
    assert complete_checkpoints(stopped / "checkpoints") == ("iteration-1",)
    assert load_checkpoint(stopped).name == "iteration-1"
    assert [json.loads(line)["iteration"] for line in (stopped / "metrics.jsonl").read_text().splitlines()] == [0]
    monkeypatch.undo()
    go_on(stopped)
    assert outcome(stopped) == undisturbed


def test_a_damaged_checkpoint_that_was_asked_for_is_not_replaced_by_another_one(stopped: Path) -> None:
    flip_a_bit(stopped / "checkpoints" / "iteration-2")
    with pytest.raises(CheckpointError, match=r"not what was saved.*load another one from .*: iteration-1"):
        find_resume_point(stopped / "checkpoints" / "iteration-2")


@pytest.mark.parametrize("path", ["nowhere", ".", "checkpoints"])
def test_only_a_run_can_go_on(tmp_path: Path, path: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(CheckpointError, match=r"no run to go on with at .*Give the folder that `marft train` named"):
        find_resume_point(tmp_path / path)


def reseal(folder: Path) -> None:
    from baselines.runs.checkpoints import _seal

    (folder / "manifest.json").unlink()
    _seal(folder)


def test_a_checkpoint_of_an_earlier_version_is_refused_with_what_it_lacks(stopped: Path) -> None:
    folder = stopped / "checkpoints" / "iteration-2"
    for name in ("optimizers.safetensors", "generators.json"):
        (folder / name).unlink()
    state = json.loads((folder / "state.json").read_text())
    for name in ("num_iterations_done", "circumstances"):
        del state[name]
    (folder / "state.json").write_text(json.dumps(state))
    reseal(folder)
    shutil.rmtree(stopped / "checkpoints" / "iteration-1")
    message = (
        r"iteration-2 can be evaluated and played, but not resumed: it lacks optimizers.safetensors, generators.json, "
        r"num_iterations_done, circumstances, which earlier versions did not save"
    )
    with pytest.raises(CheckpointError, match=message):
        find_resume_point(stopped)


def test_a_run_of_an_earlier_version_is_refused(stopped: Path) -> None:
    config = json.loads((stopped / "config.json").read_text())
    del config["algorithm"]
    (stopped / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not name the algorithm, so the run comes from an earlier version"):
        find_resume_point(stopped)


def test_only_the_newest_checkpoints_are_kept(tiny_model: Path, tmp_path: Path) -> None:
    train(settings(tiny_model, tmp_path / "two", eval_instances=0), quiet=True)
    assert complete_checkpoints(tmp_path / "two" / "checkpoints") == ("iteration-2", "final")
    train(settings(tiny_model, tmp_path / "all", eval_instances=0, num_checkpoints=0), quiet=True)
    assert complete_checkpoints(tmp_path / "all" / "checkpoints") == ("iteration-1", "iteration-2", "final")
    for folder in ("two", "all"):
        assert {path.name for path in (tmp_path / folder / "checkpoints").iterdir()} == {
            "latest",
            *complete_checkpoints(tmp_path / folder / "checkpoints"),
        }


# --- 4. Settings and circumstances ---


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--lr", "0.1"], "--lr cannot change"),
        (["--seed", "2", "--no-curriculum"], "--curriculum, --seed cannot change"),
        (["--env-options", "horizon", "2"], "--env-options cannot change"),
        (["--eval-instances", "7"], "--eval-instances cannot change"),
        (["--run-dir", "elsewhere"], "--run-dir cannot change"),
        (["--num-iterations", "1"], "--num-iterations is 1, but 2 are done"),
    ],
    ids=" ".join,
)
def test_an_option_that_would_change_the_result_is_refused_and_nothing_is_touched(
    stopped: Path, options: list[str], named: str
) -> None:
    before = (stopped / "config.json").read_bytes(), (stopped / "metrics.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=named):
        parse(["--resume", str(stopped), *options])
    assert ((stopped / "config.json").read_bytes(), (stopped / "metrics.jsonl").read_bytes()) == before


def test_options_that_are_as_they_were_or_change_nothing_are_taken_and_remembered(stopped: Path) -> None:
    free = ["--num-iterations", "6", "--time-limit-s", "9", "--eval-every", "3", "--checkpoint-every", "2"]
    command = parse(["--lr", "0.02", f"--resume={stopped}", *free, "--num-checkpoints", "1"])
    assert command.config is not None
    assert (command.config.lr, command.config.num_iterations, command.config.eval_every) == (0.02, 6, 3)
    go_on(stopped, num_iterations=3, eval_every=3)
    kept = json.loads((stopped / "config.json").read_text())
    assert (kept["num_iterations"], kept["eval_every"], kept["seed"]) == (3, 3, 1)
    assert find_resume_point(stopped).is_finished


def test_a_run_that_ran_out_of_memory_can_go_on_in_smaller_parts(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smaller = ["--max-packed-tokens", "64", "--gradient-checkpointing", "--max-history-tokens", "0"]
    assert main(["train", "--resume", str(stopped), *smaller]) == 0
    told = capsys.readouterr().out.replace("\n", " ")
    for change in (
        "gradient_checkpointing was False and is True",
        "max_packed_tokens was 1024 and is 64",
        "max_history_tokens was 8192 and is 0",
    ):
        assert change in told
    kept = json.loads((stopped / "config.json").read_text())
    assert (kept["max_packed_tokens"], kept["gradient_checkpointing"], kept["max_history_tokens"]) == (64, True, 0)


def test_another_algorithm_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.commands.train._known", lambda word: word)
    monkeypatch.setattr("baselines.commands.train._description", lambda word: word)
    with pytest.raises(ConfigError, match="was trained by marft_action, not by another; leave the algorithm out"):
        parse(["another", "--resume", str(stopped)])
    assert parse(["marft_action", "--resume", str(stopped)]).algorithm == "marft_action"


def test_settings_that_were_edited_between_are_told(stopped: Path) -> None:
    config = json.loads((stopped / "config.json").read_text())
    (stopped / "config.json").write_text(json.dumps(config | {"lr": 0.5}))
    with pytest.raises(CheckpointError, match=r"config.json has other settings than .*: lr was 0.02. Put them back"):
        resumed_settings(find_resume_point(stopped), Config)


def test_every_setting_comes_back_as_it_was(tiny_model: Path, tmp_path: Path) -> None:
    given = settings(
        tiny_model,
        tmp_path / "run",
        huber_delta=float("inf"),
        clip_coef_high=float("inf"),
        env_options={"horizon": 1, "shape": "together"},
        max_new_tokens_by_role={"editor": 2},
        time_limit_s=9,
    )
    record = Experiment.prepare(given).config_record()
    Run.create(tmp_path / "run", record, title="t", quiet=True).close()
    point = find_resume_point(tmp_path / "run")
    assert resumed_settings(point, Config) == given
    require_same_results(given, given, point)


def test_what_has_changed_around_the_run_is_told_and_is_no_error(
    stopped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(stopped / "checkpoints" / "iteration-1")
    folder = stopped / "checkpoints" / "iteration-2"
    state = json.loads((folder / "state.json").read_text())
    state["circumstances"] |= {"torch": "1.0", "threads": "64", "environment": "0123", "processor": "abacus"}
    (folder / "state.json").write_text(json.dumps(state))
    reseal(folder)
    assert main(["train", "--resume", str(stopped)]) == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning")]
    assert "Warning: not to the last bit what the undisturbed run would give, since torch was 1.0 and is " in warning
    for told in (
        "processor was abacus and",
        "threads was 64 and is 1; --threads 64 computes as before",
        "environment was",
    ):
        assert told in warning
    assert "transformers" not in warning and "model was" not in warning


def test_settings_that_only_one_version_knows_are_told(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((stopped / "config.json").read_text()) | {"warp_drive": 9}
    del config["huber_delta"]
    (stopped / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert "the setting huber_delta is new and is 10.0; this version has no setting warp_drive." in said


def test_an_environment_that_behaves_otherwise_is_noticed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted() -> dict[str, str]:
        return Experiment.prepare(settings(tiny_model, tmp_path / "run")).circumstances

    before = noted()
    assert noted() == before
    monkeypatch.setattr("tests.baselines.toy_envs.Letters.hidden", lambda self: f"number {self.number}")
    after = noted()
    assert [name for name in before if before[name] != after[name]] == ["environment"]


def test_another_base_model_is_noticed() -> None:
    weights = [torch.linspace(-1, 1, 24).reshape(4, 6), torch.ones(3, dtype=torch.bfloat16)]
    before = weights_hash(weights)
    assert weights_hash([tensor.clone() for tensor in weights]) == before
    weights[0][1, 2] = torch.nextafter(weights[0][1, 2], torch.tensor(9.0))
    assert weights_hash(weights) != before


# --- 5. A full disk, two processes, and what a person is told ---


def no_room(*args: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WRITERS = {
    "adapters": ("baselines.policies.team.Team", "save_adapters"),
    "optimisers": ("baselines.updates.learner", "save_optimizers"),
    "generators": ("baselines.updates.learner", "save_generators"),
    "manifest": ("baselines.runs.checkpoints", "write_atomically"),
    "what reaches the disk": ("baselines.runs.checkpoints", "sync_file"),
    "records": ("baselines.runs.records", "append_whole"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_fills_up_in_a_checkpoint_loses_nothing_that_was_saved(
    writer: str,
    undisturbed: Outcome,
    stopped: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = {path: path.read_bytes() for path in (stopped / "checkpoints").rglob("*") if path.is_file()}
    where, name = WRITERS[writer]
    command = parse(["--resume", str(stopped)])
    learn = MarftAction.learn
    with monkeypatch.context() as patch:

        def learn_then_fill(self: MarftAction, *args: object, **options: object) -> object:
            metrics = learn(self, *args, **options)
            patch.setattr(f"{where}.{name}", no_room)
            return metrics

        patch.setattr(MarftAction, "learn", learn_then_fill)
        with pytest.raises(DiskFullError, match=r"no room.*iteration-2"):
            train(command.config, resume_from=command.resume_from)
    assert f"Go on with: marft train --resume {stopped}\n" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in saved} == saved
    go_on(stopped)
    assert outcome(stopped) == undisturbed


def test_two_processes_cannot_train_in_one_folder(stopped: Path) -> None:
    with Run.resume(stopped, start=2, quiet=True):
        before = (stopped / "run.json").read_bytes()
        with pytest.raises(ConfigError, match=r"another process is training in .*; wait until it has ended, or end it"):
            go_on(stopped)
        assert (stopped / "run.json").read_bytes() == before
    Run.resume(stopped, start=2, quiet=True).close()


def test_a_run_that_has_finished_says_so_and_stays_as_it_is(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go_on(stopped)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    assert main(["train", "--resume", str(stopped)]) == 0
    said = capsys.readouterr().out
    assert "This run has finished: all of its 3 iterations are done. For more of them give --num-iterations" in said
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_who_stops_a_run_is_told_how_to_go_on(
    number: int,
    status: int,
    undisturbed: Outcome,
    stopped: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    learn = MarftAction.learn

    def learn_and_stop(self: MarftAction, *args: object, **options: object) -> object:
        os.kill(os.getpid(), number)
        return learn(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MarftAction, "learn", learn_and_stop)
        assert main(["train", "--resume", str(stopped / "checkpoints" / "iteration-1")]) == status
    advice = f"marft train --resume {stopped}    # go on where it stopped"
    assert f"Try next:\n  {advice}\n" in capsys.readouterr().out
    assert json.loads((stopped / "summary.json").read_text())["next_steps"][0] == advice
    assert find_resume_point(stopped).num_done == 2
    go_on(stopped)
    found = outcome(stopped)
    assert (found.metrics, found.files) == (undisturbed.metrics, undisturbed.files)


@pytest.fixture
def default_termination() -> Iterator[None]:
    former = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.mark.usefixtures("default_termination")
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["Ctrl-C", "SIGTERM"]
)
def test_so_is_who_stops_it_outside_the_iterations(
    number: int, error: type[BaseException], stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        with Run.resume(stopped, start=2):
            os.kill(os.getpid(), number)

    with pytest.raises(error) as ended:
        stop()
    if number == signal.SIGTERM:
        assert ended.value.code == 143
    assert f"Go on with: marft train --resume {stopped}\n" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_help_tells_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "--resume RUN" in shown and "Go on with the run in this folder" in shown
