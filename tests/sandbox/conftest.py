"""The sandbox is Linux's: elsewhere there is only its refusal to test, which `test_selftest` does."""

import sys

import pytest

if not sys.platform.startswith("linux"):
    collect_ignore = ["test_attacks.py", "test_healing.py", "test_hostile_results.py"]


@pytest.fixture(autouse=True)
def _no_other_platform():
    if not sys.platform.startswith("linux"):
        pytest.skip("programs are run on Linux only")
