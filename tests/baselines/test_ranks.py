"""Two processes train as one does.

1. What is whose, and what travels.
2. Every algorithm: the numbers that are logged, and the weights in the end, are those of one process up to rounding.
3. A run goes on with another number of processes, also after one was killed; asked to stop, all stop together.
4. What one process meets holds for all.
"""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from baselines.algorithms import mappo
from baselines.cli import main
from baselines.commands.train import parse
from baselines.errors import ConfigError
from baselines.ranks import ALONE, Ranks, joined
from baselines.runs.circumstances import differences
from baselines.runs.experiment import require_enough_instances
from baselines.runs.records import read_records
from baselines.runs.resume_point import find_resume_point
from benchmarks import ranks as benchmark
from tests.baselines.test_algorithms import LEARNERS

ROOT = Path(__file__).parents[2]
ALGORITHMS = sorted(LEARNERS)
RELATIVE, ABSOLUTE = 3e-4, 2e-5
"""Of a number that is logged. A tenth of it was seen."""
MOVED = 3e-3
"""Of what training has moved weights by. A seventh of it was seen, since Adam blows up what rounding leaves of
gradients that are nearly none; and 0.65 or more where the second process's gradients were left out."""


def settings(tiny_model: Path, **changed: object) -> dict[str, Any]:
    return {
        "env_id": "tests.baselines.toy_envs:ToldLetters",
        "model": str(tiny_model),
        "num_iterations": 2,
        "episodes_per_iteration": 6,
        "samples_per_instance": 2,
        "eval_instances": 3,
        "few_shot": 0,
        "max_new_tokens": 3,
        "num_envs": 4,
        "lora_targets": ("q_proj", "v_proj"),
        "lr": 0.01,
        **changed,
    }


SPECIAL: Mapping[str, Mapping[str, object]] = {
    # Beside what each does by default: a critic of what agents see, the end of a cut episode, small passes of either
    # kind, a bound that ends updates, an order that is drawn.
    "ippo": {"bootstrap_truncated": True, "update_path": "plain", "update_batch_size": 2},
    "marft_action": {"update_order": "random", "update_epochs": 2, "old_logprobs": "trainer", "reference_kl_coef": 0.1},
    "marft_token": {"bootstrap_truncated": True, "max_packed_tokens": 200, "env_options": {"horizon": 1}},
    "mappo": {"target_kl": 0.001, "update_epochs": 3},
    "at_grpo": {"episodes_per_iteration": 3, "samples_per_instance": 1, "num_branches": 2},
}


def launched(folder: Path, jobs: Sequence[tuple[str, str, str, Mapping[str, object]]]) -> subprocess.CompletedProcess:
    """Two processes that do these jobs, as `torchrun` starts them: kind, folder, algorithm, settings."""
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps([(kind, str(folder / name), *rest) for kind, name, *rest in jobs]))
    return subprocess.run(
        [*LAUNCH, "-m", "tests.baselines.ranked_run", str(folder / "jobs.json")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def train(algorithm: str, folder: Path, chosen: Mapping[str, object], *, goes_on: bool = False) -> None:
    """By this process alone."""
    module = importlib.import_module(f"baselines.algorithms.{algorithm}")
    point = find_resume_point(folder) if goes_on else None
    module.train(module.Config(**{**chosen, "run_dir": folder}), resume_from=point, quiet=True)


def assert_same_run(found: Path, expected: Path) -> None:
    """Numbers and weights, up to the order of summation."""
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        wanted = read_records(expected / name)
        ends = {(record["iteration"], record.get("name")) for record in wanted}  # one that stopped has another
        records = [one for one in read_records(found / name) if (one["iteration"], one.get("name")) in ends]
        assert len(records) == len(wanted)
        for record, other in zip(records, wanted, strict=True):
            assert record.keys() == other.keys()
            for key, value in other.items():
                if key in ("wall_s", "cpu_s") or key.startswith("time/"):
                    continue
                if key.endswith(("/drift_max", "/drift_mean")):
                    assert record[key] == pytest.approx(value, abs=1e-4)  # itself what rounding leaves
                elif isinstance(value, float):
                    assert record[key] == pytest.approx(value, rel=RELATIVE, abs=ABSOLUTE), (key, record["iteration"])
                elif key.endswith("/stop_reason") and value is not None:  # with a figure of three decimals
                    assert re.sub(r"\d+\.\d+", "", str(record[key])) == re.sub(r"\d+\.\d+", "", str(value))
                else:
                    assert record[key] == value, (key, record["iteration"])
    assert_same_weights(found / "checkpoints" / "final", expected / "checkpoints" / "final")


def assert_same_weights(found: Path, expected: Path) -> None:
    files = [path.relative_to(expected) for path in expected.rglob("*.safetensors")]
    assert len(files) > 3  # of three agents and the optimisers; there may be a critic
    for path in files:
        one, other = load_file(found / path), load_file(expected / path)
        assert one.keys() == other.keys()
        for name, tensor in other.items():
            if "lora_B" in name:  # they begin at 0
                assert float((one[name] - tensor).norm()) <= MOVED * float(tensor.norm()), (path, name)
            else:
                torch.testing.assert_close(one[name], tensor, rtol=1e-3, atol=5e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def together(folder: Path, tiny_model: Path) -> Path:
    """Where two processes have done everything that ends well, or with a message."""
    chosen = settings(tiny_model)
    train("mappo", folder / "one_then_two", chosen | {"num_iterations": 1})
    spoilt = chosen | {"eval_instances": 0, "num_iterations": 1}
    done = launched(
        folder,
        [
            *(("train", name, name, settings(tiny_model, **SPECIAL.get(name, {}))) for name in ALGORITHMS),
            ("train", "one_then_two", "mappo", chosen),
            ("train", "two_then_one", "mappo", chosen | {"num_iterations": 1}),
            ("train", "bfloat16", "dr_mas", spoilt | {"dtype": "bfloat16", "num_minibatches": 1}),
            ("exchange", "exchange", "", {}),
            ("nan", "nan", "dr_mas", spoilt),
            ("refuse", "refuse", "dr_mas", spoilt),
            ("move", "move", "dr_mas", spoilt),
            ("ask", "ask", "dr_mas", spoilt | {"num_iterations": 9}),
            ("train", "many", "dr_mas", spoilt | {"episodes_per_iteration": 2}),
        ],
    )
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


# --- 1. What is whose, and what travels ---


@given(weights=st.lists(st.integers(0, 1000), max_size=40), size=st.integers(1, 9))
def test_every_item_is_one_ranks_own(weights: list[int], size: int) -> None:
    shares = [Ranks(rank, size).share(weights) for rank in range(size)]
    assert [place for share in shares for place in share] == list(range(len(weights)))


@given(number=st.integers(0, 60), weight=st.integers(1, 1000), size=st.integers(1, 9))
def test_items_of_equal_weight_are_shared_evenly(number: int, weight: int, size: int) -> None:
    lengths = [len(Ranks(rank, size).share([weight] * number)) for rank in range(size)]
    assert max(lengths) - min(lengths) <= 1


def test_shares_are_of_about_equal_work() -> None:
    # Middles: 2, 5, 7, 10, 15.5 of 18. Below 6 the first, below 12 the second.
    assert [list(Ranks(rank, 3).share([4, 2, 2, 4, 7 - 1])) for rank in range(3)] == [[0, 1], [2, 3], [4]]


def test_a_process_that_nobody_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert joined("cpu") == ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert joined("cpu") == ALONE


def test_a_launcher_that_tells_half_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match=r"WORLD_SIZE is 4, .* RANK, MASTER_ADDR, MASTER_PORT is not set; .*torchrun"):
        joined("cpu")


def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [Ranks(rank, 4, local_rank=rank % 2).device("cuda") for rank in range(4)] == ["cuda:0", "cuda:1"] * 2
    assert ALONE.device("cuda:1") == "cuda:1" and Ranks(1, 2, 1).device("cpu") == "cpu"
    with pytest.raises(ConfigError, match=r"device is 'cuda:1', but each of several processes .*; give cuda"):
        Ranks(1, 2, 1).device("cuda:1")
    with pytest.raises(ConfigError, match="process 3 of this machine has no GPU: torch sees 2; start as many"):
        Ranks(2, 4, 2).device("cuda")


def test_more_processes_than_instances_are_refused() -> None:
    config = mappo.Config(episodes_per_iteration=8, samples_per_instance=4)
    require_enough_instances(config, Ranks(0, 2))
    with pytest.raises(ConfigError, match=r"there are 3 processes, but an iteration has 2 instances .* give more"):
        require_enough_instances(config, Ranks(0, 3))


def test_commands_that_share_nothing_are_not_started_several_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(["envs"]) == 0  # whoever sets these names, nobody has started it twice
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert main(["envs"]) == 2
    assert "error: (process 1) `marft envs` was started 2 times" in capsys.readouterr().err


def test_the_benchmark_starts_whom_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[int, int]] = []

    def run_fresh(words: Sequence[str], environment: Mapping[str, str], log: Path) -> tuple[float, float]:
        processes = int(words[words.index("--nproc-per-node") + 1]) if "--nproc-per-node" in words else 1
        started.append((processes, int(environment["OMP_NUM_THREADS"])))
        assert parse(words[words.index("train") + 1 :]).config is not None
        (log.parent / "run").mkdir()
        lines = [{"time/collect_s": 9.0 / (n + 1), "time/learn_s": 1.0, "cpu_s": 2.0 * n} for n in range(3)]
        (log.parent / "run" / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return 0.0, 0.0

    monkeypatch.setattr(benchmark, "run_fresh", run_fresh)
    benchmark.main(["--quick", "--repeats", "1", "--json", str(tmp_path / "numbers.json")])
    assert started == [(1, 1), (2, 1), (1, 2)]
    results = json.loads((tmp_path / "numbers.json").read_text())["results"]
    assert [(one["wall_s"], one["cpu_s"]) for one in results] == [([5.5, 4.0], [2.0, 2.0])] * 3  # the first left out


def test_what_travels_is_the_same_in_every_process(together: Path) -> None:
    one, other = (json.loads((together / f"exchange.rank{rank}.txt").read_text()) for rank in range(2))
    assert one == other
    assert one == {
        "gather": [0, 10],
        "together": [1, 2],
        "first": "said by 0",
        "sum": [[3.0, 30.0], [5.0], [0.0]],  # 1 + 2, 10 + 20; 5 and none; none
        "merge": {"0": [[1.0, 2.0]], "3": [], "7": [[1.0, 1.0], [1.0, 1.0]]},
        "merge_empty": {"1": [4]},
    }


# --- 2. Every algorithm ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_processes_train_as_one_does(algorithm: str, together: Path, tiny_model: Path, tmp_path: Path) -> None:
    train(algorithm, tmp_path / "alone", settings(tiny_model, **SPECIAL.get(algorithm, {})))
    assert_same_run(together / algorithm, tmp_path / "alone")


def test_ratios_begin_at_one_where_old_log_probabilities_are_computed_again(together: Path) -> None:
    (record,) = read_records(together / "bfloat16" / "metrics.jsonl")
    assert record["writer_0/drift_max"] > 1e-3  # bfloat16 rounds differently in every pass
    assert abs(record["writer_0/kl"]) < 1e-12  # but each process scores in the very passes that it learns from


def test_the_bound_on_an_update_was_reached_in_what_is_compared(together: Path) -> None:
    assert any(record["writer_0/stop_reason"] for record in read_records(together / "mappo" / "metrics.jsonl"))


def test_the_first_process_writes_and_shows_all_there_is(together: Path) -> None:
    output = (together / "output.txt").read_text()
    assert output.count("MAPPO on tests.baselines.toy_envs:ToldLetters") == 3  # three runs, each told once
    state = json.loads((together / "mappo" / "checkpoints" / "final" / "state.json").read_text())
    assert state["circumstances"]["processes"] == "2"


@pytest.mark.slow
def test_two_processes_with_workers_of_their_own_train_as_one_does(tiny_model: Path, tmp_path: Path) -> None:
    chosen = settings(tiny_model)
    done = launched(tmp_path, [("train", "with", "mappo", chosen | {"workers": 1})])
    assert done.returncode == 0, done.stderr
    lost = ("train/lost_workers", "train/replayed_episodes")
    path = tmp_path / "with" / "metrics.jsonl"
    records = read_records(path)
    assert [[record.pop(name) for name in lost] for record in records] == [[0, 0]] * 2
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    train("mappo", tmp_path / "without", chosen)
    assert_same_run(tmp_path / "with", tmp_path / "without")


# --- 3. Going on ---


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tiny_model: Path) -> Path:
    train("mappo", folder / "undisturbed", settings(tiny_model))
    return folder / "undisturbed"


def test_two_processes_go_on_where_one_stopped(together: Path, undisturbed: Path) -> None:
    assert "processes was 1 and is 2" in (together / "output.txt").read_text()
    assert_same_run(together / "one_then_two", undisturbed)


def test_one_process_goes_on_where_two_stopped(together: Path, undisturbed: Path, tiny_model: Path) -> None:
    train("mappo", together / "two_then_one", settings(tiny_model), goes_on=True)
    assert_same_run(together / "two_then_one", undisturbed)


def test_a_run_of_which_one_process_was_killed_goes_on(undisturbed: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = launched(tmp_path, [("die", "run", "mappo", settings(tiny_model))])
    assert done.returncode != 0
    assert len(read_records(tmp_path / "run" / "metrics.jsonl")) == 1
    train("mappo", tmp_path / "run", settings(tiny_model), goes_on=True)
    assert_same_run(tmp_path / "run", undisturbed)


# --- 4. What one process meets holds for all ---


def test_a_number_that_is_none_in_one_process_stops_all(together: Path) -> None:
    one, other = ((together / f"nan.rank{rank}.txt").read_text() for rank in range(2))
    assert one == other
    assert one.startswith("DivergedError: the loss of ") and "became nan" in one
    assert (together / "nan" / "diverged.jsonl").is_file()


def test_a_mistake_that_one_process_meets_is_told_by_all(together: Path) -> None:
    for rank in range(2):
        assert (together / f"refuse.rank{rank}.txt").read_text() == "ConfigError: this process cannot play"


def test_processes_that_have_come_to_hold_different_weights_stop(together: Path) -> None:
    one, other = ((together / f"move.rank{rank}.txt").read_text() for rank in range(2))
    assert one == other and one.startswith("OutOfStepError: the hash of all weights is '")
    assert not (together / "move" / "checkpoints").exists()


def test_a_run_from_before_processes_were_counted_had_one() -> None:
    assert differences({}, {"processes": "1"}) == []
    (told,) = differences({"processes": "2"}, {"processes": "1"})
    assert told == "processes was 2 and is 1; torchrun --nproc-per-node says how many"


def test_too_many_processes_are_refused_before_anything_is_written(together: Path) -> None:
    assert "there are 2 processes, but an iteration has 1 instances" in (together / "many.rank1.txt").read_text()
    assert not (together / "many").exists()


def test_a_signal_to_one_process_stops_all(together: Path) -> None:
    summary = json.loads((together / "ask" / "summary.json").read_text())
    assert (summary["stop_reason"], summary["num_iterations"]) == ("terminated", 1)


def test_asked_to_stop_all_processes_end_after_the_same_iteration(tiny_model: Path, tmp_path: Path) -> None:
    options = {"model": tiny_model, "env-id": "tests.baselines.toy_envs:Letters", "run-dir": tmp_path / "run"}
    sizes = {"num-iterations": 5000, "episodes-per-iteration": 4, "max-new-tokens": 1, "eval-instances": 0}
    chosen = {**options, **sizes, "samples-per-instance": 2}
    words = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    process = subprocess.Popen(
        [*LAUNCH, "-m", "baselines.cli", "train", "dr_mas", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    try:
        while len(read_records(tmp_path / "run" / "metrics.jsonl")) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["stop_reason"] == "terminated", errors
    assert summary["num_iterations"] == len(read_records(tmp_path / "run" / "metrics.jsonl"))
    assert (tmp_path / "run" / "checkpoints" / "final" / "manifest.json").is_file()
