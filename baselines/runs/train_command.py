"""A training run's settings as the command that repeats it."""

import shlex
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any


def train_command(config: object) -> str:
    """`marft train ALGORITHM` with every option whose value is not the default; a shell can read it."""
    assert is_dataclass(config), config
    words = ["marft", "train", algorithm_of(config)]
    for setting in fields(config):
        value = getattr(config, setting.name)
        if value != _default(setting):
            words += _option(setting.name, value)
    return shlex.join(words)


def algorithm_of(config: object) -> str:
    """The algorithm's name: the module in which the class of its settings stands."""
    return type(config).__module__.rpartition(".")[2]


def _default(setting: "Field[Any]") -> object:
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


def _option(name: str, value: object) -> Iterator[str]:
    flag = name.replace("_", "-")
    match value:
        case bool():
            yield f"--{flag}" if value else f"--no-{flag}"
        case dict():
            yield f"--{flag}"
            yield from (str(part) for pair in value.items() for part in pair)
        case tuple() | list():
            yield f"--{flag}"
            yield from map(str, value)
        case _:
            yield f"--{flag}"
            yield str(value)
