"""docs/make_results.py: the page says what was run and nothing else, in the figures of leaderboard/statistics.py."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from leaderboard.statistics import iqm, stratified_interval
from tests.docs_scripts import script

make_results = script("make_results")
FINALS = {"marft_action": {"math": [0.5, 0.7, 0.9], "collab": [0.2, 0.4]}, "mappo": {"math": [0.6]}, "ippo": {}}


def ended(algorithm: str, task: str, seed: int, final: float) -> dict[str, Any]:
    return {
        "task": task,
        "algorithm": algorithm,
        "seed": seed,
        "state": "done",
        "final": final,
        "iterations": 2,
        "while_training": final / 2,
        "tokens": 1_000,
        "cpu_s": 30.0,
        "is_whole": seed != 2,
        "curve": [[500.0, 0.1], [1000.0, final]],
        "command": f"marft train {algorithm} --seed {seed}",
    }


@pytest.fixture
def data() -> dict[str, Any]:
    """Of three algorithms one was run on both tasks, one on one of them, and one not at all."""
    tasks = {
        "math": {
            "env_id": "math/a-v0",
            "level": "l",
            "env_options": {"horizon": 1},
            "token_limit": 9,
            "is_split": False,
        },
        "collab": {"env_id": "collab/b-v0", "level": "l", "env_options": {}, "token_limit": 9, "is_split": True},
    }
    cells: list[dict[str, Any]] = []
    for algorithm, own in FINALS.items():
        for task in tasks:
            finals = own.get(task, [])
            cells += [ended(algorithm, task, seed, final) for seed, final in enumerate(finals, start=1)]
            cells += [
                {"task": task, "algorithm": algorithm, "seed": seed, "state": "not run"}
                for seed in range(len(finals) + 1, 4)
            ]
    cells[-1]["state"] = "unfinished"
    row = {"state": "done", "mean": 0.125, "low": 0.1, "high": 0.15, "num_instances": 200, "tokens_out": 1_500}
    rows = {
        "untrained": row,
        "vote": {"state": "not run"},
        "reference": {"state": "done", "mean": 1.0, "num_instances": 200},
    }
    moved = {"worst_drop": 0.25, "a_0/kl": 0.01, "a_0/predecessor_ess": 0.5, "a_0/predecessor_ess_least": 0.4}
    return {
        "about": {"settings": {"lr": 1}, "model_hash": "abc", "versions": {"python": "3"}, "processor": "abacus"},
        "tasks": tasks,
        "algorithms": list(FINALS),
        "seeds": [1, 2, 3],
        "cells": cells,
        "rows": dict.fromkeys(tasks, rows),
        "smollm2": {
            "state": "done",
            "settings": {"env_id": "math/a-v0", "level": "l", "token_limit": 24_000},
            "algorithms": ["marft_action", "dr_mas", "solo_blind"],
            "cells": [
                ended("marft_action", "smollm2", 1, 0.75),
                ended("solo_blind", "smollm2", 1, 0.25),
                {"task": "smollm2", "algorithm": "dr_mas", "seed": 1, "state": "not run"},
            ],
            "rows": rows,
        },
        "update_order": {
            "acting": [{**ended("acting", "collab", 1, 0.5), **moved}],
            "simultaneous": [{"seed": 1, "state": "not run"}],
        },
    }


def line_of(page: str, *cells: str) -> list[str]:
    """The cells of the first table row that begins with these."""
    lines = [line for line in page.splitlines() if line[:1] == "|"]
    rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    return next(row for row in rows if row[: len(cells)] == list(cells))


def test_the_page_counts_what_was_run(data: dict[str, Any]) -> None:
    page = make_results.page(data)
    assert "**Run so far: 6 of 18 cells** (3 algorithms × 2 tasks × 3 seeds)." in page.replace("\n", " ")


def test_a_row_is_of_the_seeds_that_are_there(data: dict[str, Any]) -> None:
    page = make_results.page(data)
    interval = stratified_interval({"math": [0.5, 0.7, 0.9]}, iqm)
    earned = stratified_interval({"math": [0.25, 0.35, 0.45]}, iqm)
    assert line_of(page, "`marft_action`", "3") == [
        "`marft_action`",
        "3",
        f"0.700 [{interval.low:.3f}, {interval.high:.3f}]",
        "0.500 – 0.900",
        f"0.350 [{earned.low:.3f}, {earned.high:.3f}]",
        "1,000",
        "≥ 30",  # of the second seed one attempt was killed unseen
    ]
    assert line_of(page, "`mappo`", "1")[2] == "0.600, one seed"


def test_a_run_that_does_not_play_earns_nothing_on_the_way(data: dict[str, Any]) -> None:
    for cell in data["cells"]:
        if cell["algorithm"] == "mappo" and cell["state"] == "done":
            cell["while_training"] = None
    assert line_of(make_results.page(data), "`mappo`", "1")[4] == "watches"


def test_cells_that_were_not_run_say_so_and_have_no_figure(data: dict[str, Any]) -> None:
    page = make_results.page(data)
    mathematics, collab = page.split("## `collab/b-v0`")
    assert line_of(mathematics, "`ippo`") == ["`ippo`", "0", "not run", "", "", "", ""]
    assert line_of(collab, "`ippo`") == ["`ippo`", "0", "unfinished", "", "", "", ""]
    assert line_of(page, "vote")[1] == "not run"
    assert line_of(page, "simultaneous")[:3] == ["simultaneous", "0", "not run"]
    assert line_of(collab, "single agent, informed")[2] == "not run"
    assert "single agent, informed" not in mathematics


def test_what_is_compared_over_tasks_was_run_on_all_of_them(data: dict[str, Any]) -> None:
    together = make_results.page(data).partition("## All tasks together")[2].partition("\n## ")[0]
    interval = stratified_interval(FINALS["marft_action"], iqm)
    assert line_of(together, "`marft_action`")[1:3] == [
        "3/2",
        f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]",
    ]
    assert "Left out, since not run on all tasks: `mappo`, `ippo`." in together.replace("\n", " ")


def test_without_any_run_there_is_nothing_to_put_together(data: dict[str, Any]) -> None:
    for cell in data["cells"]:
        cell["state"] = "not run"
    data["smollm2"] = {"state": "not run"}
    page = make_results.page(data)
    assert "**Run so far: 0 of 18 cells**" in page
    assert "there is nothing to put together" in page
    for path, drawn in make_results.files(data).items():
        if path.suffix == ".svg":
            assert "not run" in [element.text for element in ET.fromstring(drawn).iter()]


def test_a_real_model_has_its_section(data: dict[str, Any]) -> None:
    section = make_results.page(data).partition("## On a real model")[2].partition("\n## ")[0]
    assert line_of(section, "`marft_action`")[:3] == ["`marft_action`", "1", "0.750, one seed"]
    assert line_of(section, "`dr_mas`")[:3] == ["`dr_mas`", "0", "not run"]
    assert line_of(section, "single agent, by MARFT-A")[2] == "0.250, one seed"
    assert line_of(section, "untrained")[1] == "0.125 [0.100, 0.150]"


def test_a_real_model_that_was_not_run_has_no_figure(data: dict[str, Any]) -> None:
    data["smollm2"] = {"state": "not run"}
    section = make_results.page(data).partition("## On a real model")[2].partition("\n## ")[0]
    assert section.strip() == "Not run."
    assert not any("smollm2" in path.name for path in make_results.files(data))


def test_the_order_of_updates_has_its_table(data: dict[str, Any]) -> None:
    page = make_results.page(data)
    assert line_of(page, "acting") == ["acting", "1", "0.500, one seed", "0.250", "0.0100", "0.500 (0.400)"]


def test_curves_of_seeds_are_averaged_where_all_of_them_reach() -> None:
    runs = [[[0.0, 0.0], [100.0, 1.0]], [[50.0, 0.0], [90.0, 0.4], [150.0, 1.0]]]
    # Both reach from 50 to 100; of the first curve's points that leaves 100: (1 + (0.4 + 0.6 * 10 / 60)) / 2.
    assert make_results.averaged(runs) == [(100.0, pytest.approx(0.75))]


def test_the_pictures_name_every_algorithm_that_was_run(data: dict[str, Any]) -> None:
    files = {path.name: drawn for path, drawn in make_results.files(data).items()}
    names = {
        name: {element.text for element in ET.fromstring(drawn).iter()}
        for name, drawn in files.items()
        if name.endswith(".svg")
    }
    assert {"marft_action", "mappo"} <= names["results_math.svg"] & names["results_math_dark.svg"]
    assert "ippo" not in names["results_math.svg"]
    assert "mappo" not in names["results_profile.svg"]  # it was not run on all tasks
    assert {"marft_action", "dr_mas"} & names["results_smollm2.svg"] == {"marft_action"}
    assert len(files) == 1 + 2 * (2 + 1 + 1)


def test_the_page_and_pictures_are_what_the_record_says_and_without_one_there_is_no_page() -> None:
    if not make_results.DATA.exists():
        assert not make_results.PAGE.exists() and not list(make_results.HERE.glob("results_*"))
        return
    wanted = make_results.files(json.loads(make_results.DATA.read_text(encoding="utf-8")))
    for path, text in wanted.items():
        assert Path(path).read_text(encoding="utf-8") == text, f"{path.name} is stale; run python docs/make_results.py"
