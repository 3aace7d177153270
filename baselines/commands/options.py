"""What options of commands share: how they stand in the help, and how those of an environment are read."""

from typing import Annotated, TypeAlias

import tyro

EnvOptions: TypeAlias = dict[str, int | float | bool | str]
"""Options of an environment, by name."""
_TRUTH = {"true": True, "false": False}

REGISTRY = tyro.constructors.ConstructorRegistry()
"""How tyro reads types that it would read, or show in the help, in another way."""


def shown(metavar: str) -> object:
    """Shows an option's value in the help under this name, without a default: the option's own words tell it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


OptionalText: TypeAlias = Annotated[str | None, shown("NAME")]
OptionalInt: TypeAlias = Annotated[int | None, shown("INT")]
Names: TypeAlias = Annotated[tuple[str, ...], shown("NAME ...")]


@REGISTRY.primitive_rule
def _env_options(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> "tyro.constructors.PrimitiveConstructorSpec[EnvOptions] | None":
    """Names and values in turns, each value a number or a truth value if it reads like one, else text."""
    if info.type != EnvOptions:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[NAME VALUE ...]",
        instance_from_str=_pairs,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda options: [str(part) for pair in options.items() for part in pair],
    )


def _pairs(words: list[str]) -> EnvOptions:
    """Raises: ValueError, which tyro shows, if a name has no value."""
    if len(words) % 2:
        raise ValueError(f"names and values take turns, so {words[-1]!r} has no value")
    return {name: _value(word) for name, word in zip(words[::2], words[1::2], strict=True)}


def _value(word: str) -> int | float | bool | str:
    if word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word
