"""The exception tree is the one that its module draws, and its two helpers hide nothing."""

import errno
import inspect
import pickle
import re
from pathlib import Path

import pytest

from baselines import errors
from baselines.errors import BaselinesError, CheckpointError, DiskFullError, MissingExtraError
from marft_envs import MarftError

TYPES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaselinesError) and kind is not BaselinesError
]


def test_the_drawing_names_every_type_with_its_built_in() -> None:
    drawn = dict(re.findall(r"[├└]─ (\w+) +\((\w+)\)", errors.__doc__ or ""))
    built_in = {kind.__name__: kind.__bases__[-1].__name__ for kind in TYPES}
    assert drawn == built_in


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_a_marft_error_that_survives_a_process_border(kind: type[BaselinesError]) -> None:
    error = pickle.loads(pickle.dumps(kind("a message: with a way out")))
    assert isinstance(error, MarftError)
    assert type(error) is kind
    assert str(error) == "a message: with a way out"


def test_a_missing_package_of_an_extra_is_named_with_the_line_that_installs_it() -> None:
    with (
        pytest.raises(MissingExtraError, match=r"training needs the package 'torch'.*'marft-envs\[train\]'"),
        errors.extra_required("train", "training"),
    ):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")


@pytest.mark.parametrize("error", [ModuleNotFoundError("x", name="our_typo"), ImportError("broken"), KeyError("x")])
def test_any_other_failing_import_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, errors.extra_required("train", "training"):
        raise error
    assert caught.value is error


def test_a_full_disk_is_found_below_other_errors() -> None:
    outer = RuntimeError("writing failed")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(DiskFullError, match="while writing some/where; buy a disk"),
        errors.disk_full_explained(Path("some/where"), "buy a disk"),
    ):
        raise outer


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no"), CheckpointError("other"), ValueError("x")])
def test_any_other_error_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, errors.disk_full_explained(Path("some/where"), "buy a disk"):
        raise error
    assert caught.value is error


def test_a_disk_full_that_was_explained_is_not_explained_again() -> None:
    first = DiskFullError("no room left: the inner way out")
    with (
        pytest.raises(DiskFullError) as caught,
        errors.disk_full_explained(Path("outer"), "the outer way out"),
    ):
        raise first
    assert caught.value is first
