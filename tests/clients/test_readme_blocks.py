"""The README's blocks that need these libraries, which `make test` only compiles, run here.

They are those whose note says `notest run by make clients`.
"""

from pathlib import Path

import pytest

from tests.test_readme import ROOT, SHOWN, Block

BLOCKS = [block for block in SHOWN if block.note == "notest run by make clients"]


def test_the_readme_shows_each_library() -> None:
    shown = "".join(block.text for block in BLOCKS)
    assert [name for name in ("tianshou", "ray.rllib", "torchrl") if name not in shown] == []


@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using version == 1.24.3")
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")  # stands for the copy that the block tells its reader to make
    exec(compile("\n" * block.line + block.text, str(ROOT / block.page), "exec"), {"__name__": "__main__"})
