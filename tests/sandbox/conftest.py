"""The sandbox is Linux's: elsewhere there is nothing to attack, and `marft_envs.sandbox.selftest` refuses."""

import sys

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_*.py"]
