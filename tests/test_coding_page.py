"""docs/coding.md: its code runs, and its numbers are those of the tests that it speaks of."""

import re

from tests.docs_scripts import ROOT, script
from tests.envs.reward_hacks import HACKS, SCRIPT_HACKS
from tests.sandbox.attacks import ATTACKS

fences = script("fences")
PAGE = (ROOT / "docs" / "coding.md").read_text(encoding="utf-8")


def test_its_python_blocks_run() -> None:
    blocks = [block for block in fences.blocks_of(PAGE) if block.language == "python"]
    assert blocks
    for block in blocks:
        exec(compile("\n" * block.line + block.text, "docs/coding.md", "exec"), {})


def test_it_counts_hacks_and_attacks_as_they_are() -> None:
    assert re.findall(r"(\d+) reward hacks for functions and (\d+) for scripts", PAGE) == [
        (str(len(HACKS)), str(len(SCRIPT_HACKS)))
    ]
    assert re.findall(r"(\d+) attacks are tried", PAGE) == [str(len(ATTACKS))]
