"""docs/comparisons.md: its commands are understood, and what it says of environments is so."""

import re
import shlex

import marft_envs
from baselines.cli import _command
from baselines.commands.evaluate import Evaluate
from baselines.commands.train import Train
from marft_envs.hooks import Hooks
from tests.docs_scripts import ROOT, script

fences = script("fences")
PAGE = (ROOT / "docs" / "comparisons.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = [block.text.replace("\\\n", " ") for block in fences.blocks_of(PAGE) if block.language == "sh"]
    return [shlex.split(line) for text in blocks for line in text.splitlines()]


def test_its_commands_are_understood() -> None:
    found = commands()
    assert found
    for words in found:
        assert words[0] == "marft"
        command = _command(words[1:])
        if isinstance(command, Evaluate):
            command._check()
            env_id = command.env_id
        else:
            assert isinstance(command, Train)
            assert command.config is not None
            command.config.check()
            env_id = command.config.env_id
        assert env_id in marft_envs.registered_ids()


def test_the_environments_without_a_vote_are_those_that_it_names() -> None:
    said = PAGE[PAGE.index("In `collab/kitchen-v0`") :].partition("agents act in a world")[0]
    classes = {env_id: type(marft_envs.make(env_id)) for env_id in marft_envs.registered_ids()}
    assert set(re.findall(r"`([\w/]+-v0)`", said)) == {
        env_id for env_id, kind in classes.items() if kind.answer is Hooks.answer
    }


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
