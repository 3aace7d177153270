"""Submissions in the format of Every Eval Ever: its required fields, our team in an extension, nothing unverified."""

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.export import every_eval_ever
from leaderboard.scripted import scripted_play
from leaderboard.submit import Entrant, add_task
from leaderboard.tracks import SEASONS, find_task
from leaderboard.validate import Report, validate

REQUIRED = (
    *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library"),
    "evaluation_results",
)
OPTIONAL = ("evaluation_timestamp", "detailed_evaluation_results")
TASK = find_task("small", "collab/sum_relay-v0", "easy", {})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("entry") / "reference"
    entrant = Entrant("small", "script reference", "us", "CC0-1.0", "no model")
    add_task(folder, entrant, scripted_play(TASK, SEASONS[-1], "reference"))
    return validate(folder, num_processes=1)


def texts_only(record: Any) -> bool:
    """Whether every `additional_details` and `details` holds text alone, as the format wants."""
    if isinstance(record, list):
        return all(map(texts_only, record))
    if not isinstance(record, dict):
        return True
    told = [record[name] for name in ("additional_details", "details") if name in record]
    return all(isinstance(value, str) for one in told for value in one.values()) and all(
        map(texts_only, record.values())
    )


def test_the_record_has_what_the_format_requires_and_nothing_that_it_does_not_know(report: Report) -> None:
    record = every_eval_ever(report)
    assert set(REQUIRED) <= set(record) <= {*REQUIRED, *OPTIONAL}
    assert texts_only(record)
    (result,) = record["evaluation_results"]
    assert set(result["source_data"]) >= {"dataset_name", "source_type"}
    assert result["source_data"]["source_type"] == "other"
    assert result["score_details"]["score"] == 1.0
    metric = result["metric_config"]
    assert metric["lower_is_better"] is False
    assert metric["min_score"] <= result["score_details"]["score"] <= metric["max_score"]
    assert "generation_config" not in result  # nobody drew anything


def test_the_team_stands_in_an_extension_as_json(report: Report) -> None:
    told = json.loads(every_eval_ever(report)["model_info"]["additional_details"]["marft.team"])
    assert told[TASK.key]["division"] == "scripted"
    assert told[TASK.key]["players"]["holder_0"] == {"kind": "script", "script": "reference"}


def test_the_same_submission_gives_the_same_record_and_what_is_not_valid_gives_none(
    report: Report, tmp_path: Path
) -> None:
    assert json.dumps(every_eval_ever(report)) == json.dumps(every_eval_ever(report))
    (tmp_path / "submission.json").write_text("{}")
    with pytest.raises(ValueError, match="is not valid"):
        every_eval_ever(validate(tmp_path, num_processes=1))
