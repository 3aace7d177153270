"""The matrix of results: what is run, and that it goes on where it was stopped.

1. All cells have the same settings, as far as an algorithm has them.
2. A job is done once; what was stopped goes on; what fails is told, and the others are done.
3. A folder holds results of one kind of settings.
4. What was not run is said to be not run.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.train import algorithms, parse
from baselines.runs.claim import FolderClaim
from baselines.runs.experiment import ExperimentConfig
from baselines.runs.records import read_records
from benchmarks import matrix, matrix_jobs, matrix_results, update_order
from benchmarks.matrix_jobs import Evaluation, Runner, Training, noted_beside
from benchmarks.tiny_tasks import TASKS
from tests.baselines.outcomes import outcome

SMALL = {"episodes_per_iteration": 4, "samples_per_instance": 2, "eval_instances": 2, "checkpoint_every": 1}


def config(algorithm: str, folder: Path = Path("run"), task: str = "collab", **more: object) -> Any:
    return matrix.run_config(algorithm, TASKS[task], Path("model"), 1, folder, **more)


# --- 1. Settings ---


@pytest.mark.parametrize("algorithm", sorted(algorithms()))
@pytest.mark.parametrize("task", TASKS)
def test_every_cell_is_a_command_that_marft_takes(algorithm: str, task: str) -> None:
    settings = config(algorithm, task=task)
    settings.check()
    job = Training("cell", settings)
    marft, train, *words = matrix_jobs.shlex.split(job.command)
    assert (marft, train) == ("marft", "train")
    assert parse(words).config == settings


def test_cells_differ_by_algorithm_alone() -> None:
    seen = [config(name) for name in algorithms()]
    for name, value in matrix.SHARED.items():
        others = {algorithm for algorithm, own in matrix.OWN.items() if name in own}
        for one in seen:
            algorithm = type(one).__module__.rpartition(".")[2]
            if algorithm not in others and hasattr(one, name):
                assert getattr(one, name) == value, (algorithm, name)


def test_an_algorithm_without_a_language_model_gets_the_settings_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Modest:
        env_id: str = ""
        seed: int = 0
        run_dir: Path | None = None

    monkeypatch.setattr(matrix, "config_class", lambda algorithm: Modest)
    assert config("modest") == Modest("collab/sum_relay-v0", 1, Path("run"))


def test_all_algorithms_come_to_their_first_seed_before_any_to_its_second(tmp_path: Path) -> None:
    jobs = matrix.runs(["math", "collab"], ["mappo", "ippo"], [1, 2], Path("model"), tmp_path)
    names = [job.name for job in jobs]
    assert [name for name in names if "solo" not in name][:4] == [
        *("math/mappo/1", "math/ippo/1"),
        *("collab/mappo/1", "collab/ippo/1"),
    ]
    assert [name[-1] for name in names] == sorted(name[-1] for name in names)


def test_single_agents_and_votes_are_run_once_marft_offers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the two this version offers: what is asked for follows from its settings."""
    has_solo = "solo" in {setting.name for setting in fields(ExperimentConfig)}
    assert matrix.solo_kinds(TASKS["collab"]) == (["blind", "informed"] if has_solo else [])

    @dataclass
    class Offers:
        samples: int = 1
        temperature: float = 1.0

    (tmp_path / "collab").mkdir()
    (tmp_path / "collab" / "untrained.json").write_text(json.dumps({"tokens_out": 4_000}))
    monkeypatch.setattr(matrix, "Evaluate", Offers)
    (vote,) = matrix.votes(["collab"], Path("model"), tmp_path)
    samples = vote.arguments[vote.arguments.index("--samples") + 1]
    assert int(samples) == round(TASKS["collab"].token_limit / 4_000)


# --- 2. Jobs ---


@dataclass
class Fake:
    """Does what a line of Python says, in a process of its own."""

    name: str
    folder: Path
    line: str
    is_taken: bool = False
    share_done: float = 0.0

    @property
    def is_done(self) -> bool:
        return (self.folder / self.name).is_file()

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def words(self) -> list[str]:
        return [self.line]

    def keep(self) -> None:
        (self.folder / self.name).write_text("done")


@pytest.fixture
def plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = os.posix_spawn

    def spawned(path: str, words: list[str], *rest: Any, **more: Any) -> int:
        return spawn(path, [path, "-c", words[-1]], *rest, **more)

    monkeypatch.setattr(os, "posix_spawn", spawned)


@pytest.mark.usefixtures("plain_python")
def test_what_is_done_is_not_done_again_and_what_fails_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [
        Fake("good", tmp_path, "print('well')"),
        Fake("bad", tmp_path, "raise SystemExit('this went wrong')"),
        Fake("old", tmp_path, "raise SystemExit('done before')"),
    ]
    jobs[2].keep()
    runner = Runner(2)
    runner.run(jobs, "jobs")
    assert [job.is_done for job in jobs] == [True, False, True]
    assert list(runner.failed) == ["bad"]
    assert runner.tell() == 1
    assert "this went wrong" in capsys.readouterr().out
    ended = read_records(noted_beside(jobs[0].log))[-1]
    assert ended["exit"] == 0 and float(str(ended["cpu_s"])) > 0
    assert not noted_beside(jobs[2].log).exists()


@pytest.mark.usefixtures("plain_python")
def test_no_more_jobs_run_at_once_than_there_are_workers(tmp_path: Path) -> None:
    line = "import time; print(time.time()); time.sleep(0.4); print(time.time())"
    jobs = [Fake(name, tmp_path, line) for name in "abc"]
    Runner(2).run(jobs, "jobs")
    spans = [tuple(map(float, job.log.read_text().split())) for job in jobs]
    for begin, _ in spans:
        assert sum(other <= begin < end for other, end in spans) <= 2


@pytest.mark.usefixtures("plain_python")
def test_ctrl_c_tells_each_job_once_and_starts_nothing_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(143)); print(1, flush=True); time.sleep(60)"
    )
    jobs = [Fake("first", tmp_path, line), Fake("second", tmp_path, "print('never')")]

    def press() -> None:
        while not (jobs[0].log.is_file() and jobs[0].log.read_text()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    runner = Runner(1)
    runner.run(jobs, "jobs")
    thread.join()
    assert runner.tell() == 130
    assert not runner.failed and not jobs[1].log.exists()
    assert read_records(noted_beside(jobs[0].log))[-1]["exit"] == 143


@pytest.mark.usefixtures("plain_python")
def test_a_job_that_another_process_is_at_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Fake("held", tmp_path, "pass", is_taken=True)
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        job.is_taken = len(waited) < 3

    with monkeypatch.context() as patch:
        patch.setattr(matrix_jobs.time, "sleep", sleep)
        Runner(1).run([job], "jobs")
    assert job.is_done and len(waited) >= 3


def test_a_run_in_a_folder_that_is_held_is_taken(tmp_path: Path) -> None:
    job = Training("cell", config("mappo", tmp_path / "run"))
    assert not job.is_taken
    job.folder.mkdir()
    claim = FolderClaim(job.folder)
    assert job.is_taken
    claim.release()
    assert not job.is_taken


def test_what_evaluate_prints_is_kept_with_its_command(tmp_path: Path) -> None:
    job = Evaluation("row", tmp_path / "row.json", ["--model", "m"])
    assert job.words() == ["evaluate", "--model", "m", "--json"]
    job.log.write_text('A warning [1]\n[\n {\n  "mean": 0.25\n }\n]\nAnother\n')
    job.keep()
    assert job.is_done
    assert json.loads(job.out.read_text()) == {"command": "marft evaluate --model m --json", "mean": 0.25}


LIMIT = 500
PROGRAM = f"""
import sys
from dataclasses import replace
from benchmarks import matrix
matrix.SHARED = {{**matrix.SHARED, **{SMALL!r}}}
matrix.TASKS = {{name: replace(task, token_limit={LIMIT}) for name, task in matrix.TASKS.items()}}
sys.exit(matrix.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_matrix_that_was_killed_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--tasks", "collab", "--algorithms", "mappo", "--seeds", "1", "--model", str(tiny_model), "--workers", "1"]
    command = [sys.executable, "-c", PROGRAM, *words, "--out", str(out)]
    folder = out / "collab" / "mappo" / "seed-1"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=matrix_jobs.ROOT) as process:
        while not list(folder.glob("checkpoints/iteration-*")):
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    # Its run goes on by itself, so the matrix that is begun now has to wait for it.
    again = subprocess.run(command, cwd=matrix_jobs.ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    record: Any = matrix_results.cell(folder, "collab", "mappo", 1)
    assert record["state"] == "done"
    assert record["tokens"] >= LIMIT
    found: Any = matrix_results.collected(out)
    done = [(cell["algorithm"], cell["seed"]) for cell in found["cells"] if cell["state"] == "done"]
    assert done == [("mappo", 1), ("solo_blind", 1), ("solo_informed", 1)]
    assert found["rows"]["collab"]["reference play"]["mean"] == 1.0
    assert found["rows"]["collab"]["untrained"]["num_instances"] == SMALL["eval_instances"]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_comes_to_the_same(tiny_model: Path, tmp_path: Path) -> None:
    more = {**SMALL, "token_limit": LIMIT, "model": str(tiny_model)}
    whole, killed = (Training(name, replace(config("mappo", tmp_path / name), **more)) for name in ("whole", "killed"))
    Runner(1).run([whole], "whole")
    pid = matrix_jobs._spawned(killed)
    while not list(killed.folder.glob("checkpoints/iteration-*")):
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not killed.is_done and not killed.is_taken
    assert killed.words()[:2] == ["train", "--resume"]
    Runner(1).run([killed], "killed")
    assert killed.is_done
    assert outcome(killed.folder).metrics == outcome(whole.folder).metrics
    assert outcome(killed.folder).evaluations == outcome(whole.folder).evaluations
    assert matrix_results.run_record(killed.folder)["is_whole"] is False


# --- 3. Folders ---


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    matrix.require_same(tmp_path, {"lr": 1})
    matrix.require_same(tmp_path, {"lr": 1})
    with pytest.raises(SystemExit, match=r"holds results of other settings: lr was 1 and is 2"):
        matrix.require_same(tmp_path, {"lr": 2})


# --- 4. What is reported ---


def test_a_cell_that_was_not_run_says_so(tmp_path: Path) -> None:
    (tmp_path / matrix.SETTINGS).write_text(json.dumps({"tasks": {"collab": {}}, "shared": {}, "model_hash": "h"}))
    found: Any = matrix_results.collected(tmp_path)
    assert {cell["state"] for cell in found["cells"]} == {"not run"}
    assert {row["state"].partition(":")[0] for row in found["rows"]["collab"].values()} == {"not run"}
    assert {run["state"] for own in found["update_order"].values() for run in own} == {"not run"}


def a_run(folder: Path, *, is_done: bool) -> None:
    """The files of a run of one iteration."""
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"iteration": 0, "train/return": 0.5, "train/tokens_out": 10}\n')
    if is_done:
        (folder / "summary.json").write_text('{"stop_reason": "token_limit"}')
        (folder / "config.json").write_text('{"algorithm": "mappo"}')
        (folder / "run.json").write_text('{"command": ["/somewhere/marft", "train", "mappo"]}')
        trained = {"name": "trained", "mean": 0.25, "low": 0.0, "high": 0.5, "num_instances": 4}
        (folder / "evaluations.jsonl").write_text(json.dumps(trained) + "\n")


def a_matrix(folder: Path, *seeds: int, unfinished: Sequence[int] = (), **settings: object) -> Path:
    folder.mkdir()
    known = {"tasks": {"collab": {}}, "shared": {"lr": 1}, "model_hash": "h", **settings}
    (folder / matrix.SETTINGS).write_text(json.dumps(known))
    for seed in (*seeds, *unfinished):
        a_run(folder / "collab" / "mappo" / f"seed-{seed}", is_done=seed in seeds)
    return folder


def states(record: Any, algorithm: str = "mappo") -> list[str]:
    return [cell["state"] for cell in record["cells"] if cell["algorithm"] == algorithm]


def test_what_was_run_later_is_added_to_a_record_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    before = matrix_results.collected(a_matrix(tmp_path / "first", 1, 2, unfinished=[3]))
    assert states(before) == ["done", "done", "unfinished", "not run", "not run"]
    later = a_matrix(tmp_path / "second", 3, unfinished=[2, 4])
    found: Any = matrix_results.added(before, later)
    assert states(found) == ["done", "done", "done", "unfinished", "not run"]
    assert states(found, "ippo") == ["not run"] * 5
    alone: Any = matrix_results.collected(later)
    assert [cell for cell in found["cells"] if cell["seed"] == 3] == [c for c in alone["cells"] if c["seed"] == 3]
    assert {name: found[name] for name in ("about", "tasks", "rows", "smollm2")} == {
        name: before[name] for name in ("about", "tasks", "rows", "smollm2")
    }


def test_seeds_of_the_real_model_are_added_alone(tmp_path: Path) -> None:
    def real(folder: Path, seed: int, **more: object) -> Path:
        settings = {"settings": {"lr": 2, **more}, "algorithms": ["mappo"]}
        (folder / "smollm2").mkdir(parents=True)
        (folder / "smollm2" / matrix.SETTINGS).write_text(json.dumps(settings))
        a_run(folder / "smollm2" / "mappo" / f"seed-{seed}", is_done=True)
        return folder

    nothing = matrix_results.collected(a_matrix(tmp_path / "matrix", 1))
    first = matrix_results.added(nothing, real(tmp_path / "first", 1))
    both: Any = matrix_results.added(first, real(tmp_path / "second", 2))
    assert states(both["smollm2"]) == ["done", "done", "not run", "not run", "not run"]
    assert both["cells"] == nothing["cells"]
    with pytest.raises(SystemExit, match=r"the real model is not that of the record: settings was .* --anew"):
        matrix_results.added(first, real(tmp_path / "third", 2, gamma=0.5))


@pytest.mark.parametrize("changed", [{"shared": {"lr": 3}}, {"model_hash": "other"}, {"tasks": {"math": {}}}])
def test_what_was_run_otherwise_is_not_added(tmp_path: Path, changed: dict[str, object]) -> None:
    before = matrix_results.collected(a_matrix(tmp_path / "first", 1))
    with pytest.raises(SystemExit, match=r"is not that of the record: .* --anew"):
        matrix_results.added(before, a_matrix(tmp_path / "second", 2, **changed))


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    before = matrix_results.collected(a_matrix(tmp_path / "first", 1))
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "mistyped"):
        with pytest.raises(SystemExit, match=f"there are no results in .*{folder}"):
            matrix_results.added(before, tmp_path / folder)


def test_what_was_run_elsewhere_is_not_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = matrix_results.collected(a_matrix(tmp_path / "first", 1))
    monkeypatch.setattr(matrix_results, "processor", lambda: "another one")
    with pytest.raises(SystemExit, match=r"this machine is not that of the record: processor was .* 'another one'"):
        matrix_results.added(before, a_matrix(tmp_path / "second", 2))


@pytest.mark.parametrize("has_vote", [True, False])
def test_rows_of_several_plays_tell_what_came_of_them_and_not_what_a_play_earns(tmp_path: Path, has_vote: bool) -> None:
    evaluated = {"command": "marft evaluate", "mean": 0.1, "low": 0.0, "high": 0.2, "num_instances": 5, "tokens_out": 9}
    vote = {"majority_vote": 0.3, "majority_vote_interval": [0.2, 0.4]} if has_vote else {"majority_vote": None}
    best = {"best_of_n": 0.6, "best_of_n_interval": [0.5, 0.7]}
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "untrained.json").write_text(json.dumps(evaluated))
    (tmp_path / "task" / "majority_vote.json").write_text(json.dumps({**evaluated, **vote, **best}))
    told = {
        title: (row.get("mean"), row.get("low"), row.get("high"), row["state"])
        for title, row in matrix_results.rows(tmp_path, "task").items()
    }
    assert told == {
        "untrained": (0.1, 0.0, 0.2, "done"),
        "untrained, four examples in each prompt": (None, None, None, "not run"),
        "untrained, majority vote at equal tokens": (0.3, 0.2, 0.4, "done")
        if has_vote
        else (None, None, None, "no answers to vote on"),
        "untrained, the best of these plays": (0.6, 0.5, 0.7, "done"),
        "reference play": (None, None, None, "not run"),
    }


def test_a_run_that_was_stopped_is_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "seed-1"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"iteration": 0, "train/return": 0.5, "train/tokens_out": 10}\n')
    assert matrix_results.cell(folder, "collab", "mappo", 1)["state"] == "unfinished"
    (folder / "summary.json").write_text('{"stop_reason": "interrupted"}')
    assert matrix_results.cell(folder, "collab", "mappo", 1)["state"] == "unfinished"


def test_what_attempts_took_is_summed_and_what_was_not_seen_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "seed-1"
    noted = noted_beside(tmp_path / "seed-1.log")
    noted.write_text('{"began": 1}\n{"exit": 130, "cpu_s": 2.5}\n{"began": 2}\n{"exit": 0, "cpu_s": 4.0}\n')
    assert matrix_results.took(folder) == {"cpu_s": 6.5, "is_whole": True}
    noted.write_text('{"began": 1}\n{"began": 2}\n{"exit": 0, "cpu_s": 4.0}\n')
    assert matrix_results.took(folder) == {"cpu_s": 4.0, "is_whole": False}


def test_a_curve_is_thinned_by_averaging_neighbours() -> None:
    records = [{"train/return": float(number % 2), "train/tokens_out": 10} for number in range(80)]
    points = matrix_results.curve(records)
    assert len(points) == matrix_results.NUM_POINTS
    assert points[0] == [20.0, 0.5] and points[-1] == [800.0, 0.5]


def test_the_worst_drop_is_between_neighbours() -> None:
    returns = [0.1, 0.5, 0.4, 0.6, 0.2, 0.9]
    assert update_order.worst_drop([{"train/return": value} for value in returns]) == pytest.approx(0.4)
    assert update_order.worst_drop([{"train/return": 0.5}]) == 0.0


def test_the_table_of_update_orders_is_of_the_runs_that_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "seed-1"
    folder.mkdir()
    records = [
        {"train/return": 0.5, "a_0/kl": 0.1, "a_0/predecessor_ess": 1.0},
        {"train/return": 0.25, "a_0/kl": 0.3, "a_0/predecessor_ess": 0.5},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "evaluations.jsonl").write_text('{"name": "untrained", "mean": 0.1}\n{"name": "trained", "mean": 0.75}\n')
    assert update_order.movement(folder) == {
        "worst_drop": 0.25,
        "a_0/kl": pytest.approx(0.2),
        "a_0/predecessor_ess": 0.75,
        "a_0/predecessor_ess_least": 0.5,
    }
    update_order.show({"acting": [folder], "reverse": []})
    printed = capsys.readouterr().out
    assert "0.750" in printed and "not run" in printed


def test_orders_of_updates_differ_in_nothing_else(tmp_path: Path) -> None:
    jobs = update_order.runs(list(update_order.VARIANTS), [1], Path("model"), tmp_path)
    settings = [{setting.name: getattr(job.config, setting.name) for setting in fields(job.config)} for job in jobs]
    different = {name for name in settings[0] if len({str(own[name]) for own in settings}) > 1}
    assert different == {"update", "update_order", "run_dir"}
    plain = config("marft_action")  # the matrix's own run
    assert all(value == getattr(plain, name) for name, value in settings[0].items() if name != "run_dir")
