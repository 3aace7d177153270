"""The benchmark of matrix products measures every setting by turns, and leaves torch as it was."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import matmul_precision as benchmark


def test_every_setting_is_measured_and_torch_is_left_as_it_was(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = torch.get_float32_matmul_precision(), tmp_path / "results" / "out.json"
    words = ["--model", str(tiny_model), "--replies", "3", "--batch", "2", "--repeats", "2", "--out", str(out)]
    benchmark.main(words)
    assert torch.get_float32_matmul_precision() == before
    printed = capsys.readouterr().out
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert [(row["matmul_precision"], row["attn_implementation"]) for row in results] == list(benchmark.SETTINGS)
    for row in results:
        assert len(row["rollout_cpu_s"]) == len(row["update_cpu_s"]) == 2
        assert min(row["rollout_cpu_s"] + row["update_cpu_s"]) > 0
        assert f"{row['matmul_precision']}, {row['attn_implementation']}" in printed
    assert results[0]["shift"] == 0.0
    assert results[0]["drift"] < 1e-4
    assert results[0]["product_error"] < 1e-3


def test_ratios_are_to_the_first_setting() -> None:
    first = benchmark.Costs("highest", "sdpa", (2.0, 4.0, 3.0), (10.0, 10.0, 10.0), 0.0, 0.0, 0.0)
    other = benchmark.Costs("medium", "eager", (1.5, 1.5, 9.0), (5.0, 4.0, 5.0), 0.0, 0.0, 0.0)
    assert other.row(first).split()[2:6] == ["1.50", "0.50", "5.00", "0.50"]  # medians 1.5 of 3 and 5 of 10
