"""docs/algorithms: every algorithm has its page, and what it says is what the code says."""

from pathlib import Path

import pytest

from baselines.commands.train import algorithms
from tests.docs_scripts import script

make_algorithms = script("make_algorithms")


def test_the_pages_are_what_the_code_says() -> None:
    assert make_algorithms.problems(make_algorithms.pages()) == {}, "run python docs/make_algorithms.py"


@pytest.mark.parametrize("name", algorithms())
def test_a_page_tells_where_an_algorithm_stands_whence_it_comes_and_where_it_deviates(name: str) -> None:
    page = make_algorithms.page(name)
    facts = make_algorithms.facts_in(page)
    assert set(make_algorithms.COLUMNS) <= facts.keys()
    assert "\nSource: " in page and "arXiv " in page
    assert "\nDeviates" in page
    assert "## What is logged" in page


def test_a_setting_that_is_written_again_is_told_as_it_was_written_last() -> None:
    magrpo = make_algorithms.module_of("magrpo").Config
    assert make_algorithms.documented(magrpo)["num_minibatches"].startswith("Optimiser steps per pass; after the first")


def test_pages_that_are_stale_missing_or_left_over_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_algorithms, "PAGES", tmp_path / "algorithms")
    assert make_algorithms.main([]) == 0
    assert make_algorithms.main(["--check"]) == 0
    (tmp_path / "algorithms" / "mappo.md").write_text("old")
    (tmp_path / "algorithms" / "ippo.md").unlink()
    (tmp_path / "algorithms" / "qmix.md").write_text("gone")
    assert make_algorithms.main(["--check"]) == 1
    told = capsys.readouterr().err
    for name, problem in (("mappo", "is out of date"), ("ippo", "is missing"), ("qmix", "is left over")):
        assert f"docs/algorithms/{name}.md {problem}" in told
    assert make_algorithms.main([]) == 0
    assert make_algorithms.main(["--check"]) == 0
