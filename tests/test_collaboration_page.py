"""docs/collaboration.md: its commands are understood, and what it says of routing is what was counted."""

import json
import re
import shlex

import marft_envs
from baselines.commands.train import parse
from tests.docs_scripts import ROOT, script

fences = script("fences")
make_routing = script("make_routing")
PAGE = (ROOT / "docs" / "collaboration.md").read_text(encoding="utf-8")


def test_its_commands_are_understood() -> None:
    blocks = [block.text for block in fences.blocks_of(PAGE) if block.language == "sh"]
    commands = [shlex.split(text.replace("\\\n", " ")) for text in blocks]
    assert [words[:2] for words in commands] == [["marft", "train"], ["marft", "train"], ["marft", "diagnose"]]
    for words in commands[:2]:
        settings = parse(words[2:]).config
        assert settings is not None
        settings.check()
        marft_envs.make(settings.env_id, level=settings.level, **settings.env_options)


def test_its_table_of_routing_is_what_was_counted() -> None:
    data = json.loads(make_routing.COUNTS.read_text(encoding="utf-8"))
    shares = {name: make_routing.share_right(data["knows"], calls) for name, calls in data["calls"].items()}
    routing = PAGE.partition("## What to say")[0]
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \[.*?\] \| \*\*([\d.]+)\*\*", routing, re.MULTILINE)
    assert {f"seed {seed}" for seed, _, _ in rows} == shares.keys() - {"untrained"}
    for seed, before, after in rows:
        assert float(before) == shares["untrained"]
        assert float(after) == shares[f"seed {seed}"]


def test_its_pictures_are_there() -> None:
    for name in re.findall(r'\]\(([\w.]+png)\)|src(?:set)?="([\w.]+)"', PAGE):
        assert (ROOT / "docs" / "".join(name)).is_file(), name
