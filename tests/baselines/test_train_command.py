"""The command that repeats a run."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.algorithms.marft_action import Config
from baselines.commands.train import parse
from baselines.runs.train_command import train_command

EVERY_KIND = Config(
    env_id="math/reason_act-v0",
    level="two_digit",
    curriculum=False,
    curriculum_levels=("one_digit", "two_digit"),
    env_options={"horizon": 1, "name": "two words", "flag": True, "share": 0.5},
    max_new_tokens_by_role={"actor": 8},
    target_kl=None,
    normalise_advantages=False,
    time_limit_s=90.0,
    run_dir=Path("runs/it's here"),
    lr=1e-4,
)


@pytest.mark.parametrize(
    "config", [Config(), replace(Config(), seed=7), EVERY_KIND], ids=["defaults", "a seed", "every kind of setting"]
)
def test_the_command_line_takes_its_own_command(config: Config) -> None:
    marft, train, *arguments = shlex.split(train_command(config))
    assert (marft, train) == ("marft", "train")
    assert parse(arguments).config == config


def test_what_is_default_goes_without_saying() -> None:
    assert train_command(replace(Config(), seed=2)) == "marft train marft_action --seed 2"
