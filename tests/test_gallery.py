"""docs/gallery.md and its pictures are what their script makes, and what they show is true."""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.docs_scripts import ROOT, script

make_gallery = script("make_gallery")
PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
IDS = make_gallery.our_ids()


def test_the_gallery_is_up_to_date_and_nothing_is_left_over() -> None:
    assert make_gallery.main(["--check"]) == 0, "run python docs/make_gallery.py"


@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_has_a_transcript_and_a_picture(env_id: str) -> None:
    assert f"### [`{env_id}`](environments/{env_id}.md)" in PAGE
    name = make_gallery._file_of(env_id)
    assert f"(gallery/{name})" in PAGE
    picture = ET.parse(ROOT / "docs" / "gallery" / name).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    shown = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    _, episode = make_gallery._play(env_id)
    assert {turn.agent for turn in episode.turns} <= shown


def test_the_table_has_every_level_of_everything_with_a_silent_play() -> None:
    rows = re.findall(r"^\| \[`(collab/[^`]+)`\]\([^)]*\) \| (\w+) \|", PAGE, re.MULTILINE)
    silent = [env_id for env_id in IDS if make_gallery.has_silent_play(env_id)]
    assert silent == [env_id for env_id in IDS if env_id.startswith("collab/")]
    assert rows == [(env_id, level) for env_id in silent for level in make_gallery._made(env_id).levels]


def test_what_silence_earned_is_what_the_docstring_expects() -> None:
    """Within four standard errors, or where there was no success, within what one in four plays of the table shows."""
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| [`collab/")]
    assert rows
    for _, level, _, silent, *_, exact, _ in rows:
        mean, _, half = silent.partition(" ± ")
        error = float(half or 0) / 1.96
        assert abs(float(mean) - float(exact)) <= 4 * error + 4 / make_gallery.NUM_EPISODES, (level, silent, exact)


def test_a_gallery_that_is_out_of_date_is_told(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(make_gallery, "GALLERY", tmp_path)
    monkeypatch.setattr(
        make_gallery, "wanted", lambda: {"gallery.md": lambda: "new", "gallery/a.svg": lambda: "<svg/>"}
    )
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "old.svg").write_text("<svg/>")
    (tmp_path / "gallery.md").write_text("old")
    assert make_gallery.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "docs/gallery.md is out of date" in told
    assert "docs/gallery/a.svg is missing" in told
    assert "docs/gallery/old.svg is of no environment that exists" in told
    assert make_gallery.main([]) == 0
    assert make_gallery.main(["--check"]) == 0
    assert not (tmp_path / "gallery" / "old.svg").exists()
