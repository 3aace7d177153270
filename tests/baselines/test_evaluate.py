"""What is said of a team before and after training."""

from types import SimpleNamespace

import pytest

from baselines.algorithms.marft_action import Config
from baselines.errors import ConfigError
from baselines.evaluate import Evaluator
from baselines.runs.summary import evaluation_row


def test_a_level_without_held_out_instances_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ConfigError, match=r"'one_digit' has only 55 problems.*--eval-instances 0"):
        Evaluator(Config(), SimpleNamespace(level="one_digit"))  # type: ignore[arg-type]


def test_without_evaluation_every_level_can_be_trained() -> None:
    Evaluator(Config(eval_instances=0), SimpleNamespace(level="one_digit"))  # type: ignore[arg-type]


def test_the_right_value_in_any_format_is_a_row_of_its_own() -> None:
    record = {"iteration": 0, "name": "untrained_few_shot", "level": "two_digit", "mean": 0.1, "low": 0.05, "high": 0.2}
    record |= {"num_instances": 200, "right_value": 0.3, "right_value_interval": [0.24, 0.36]}
    first, second = evaluation_row(record).split("\n")
    assert first.split() == ["untrained", "few", "shot", "0", "two_digit", "0.100", "[0.050,", "0.200]", "200"]
    assert second.split() == ["right", "value,", "any", "format", "0.300", "[0.240,", "0.360]"]
    assert first.index("0.100") == second.index("0.300")
