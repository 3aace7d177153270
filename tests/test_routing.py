"""docs/make_routing.py: what it counts is who acted, and its pictures are drawn from what was counted."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import marft_envs
from marft_envs.collab.dispatch import Dispatch
from tests.docs_scripts import script

make_routing = script("make_routing")
ASKED = ("colour", "price", "place", "material")


def played(*called: str) -> list[marft_envs.Episode]:
    """An episode for each; its orchestrator writes this, with `RIGHT` for the name of who knows."""
    episodes = []
    for seed, words in enumerate(called):
        env = marft_envs.make("collab/dispatch-v0")
        assert isinstance(env, Dispatch)
        env.reset(seed=seed)
        right = env.reference_action("orchestrator_0").splitlines()[0]
        env.step(words.replace("RIGHT", right))
        while env.ready:
            env.step("no answer")
        episodes.append(env.episode())
    return episodes


def asked(seed: int) -> str:
    env = marft_envs.make("collab/dispatch-v0")
    assert isinstance(env, Dispatch)
    env.reset(seed=seed)
    return env.question.kind


def test_calls_are_counted_by_what_was_asked_and_who_acted_next() -> None:
    calls = make_routing.calls_in(played("call: ada", "call: dan, bob", "nobody"))
    expected: dict[str, dict[str, int]] = {}
    for seed, who in enumerate(("ada_0", "bob_0 dan_0", "")):
        expected.setdefault(asked(seed), {})[who] = 1
    assert {kind: dict(counts) for kind, counts in calls.items()} == expected


def test_right_is_a_call_of_the_one_who_knows_alone() -> None:
    episodes = played("RIGHT", "RIGHT, ada, bob, cleo, dan", "nobody", "RIGHT")
    knows = make_routing.experts_of(episodes[0])
    assert knows == dict(zip(ASKED, ("ada_0", "bob_0", "cleo_0", "dan_0"), strict=True))
    assert make_routing.share_right(knows, make_routing.calls_in(episodes)) == 0.5


def test_the_pictures_show_every_run_that_was_counted_with_its_share() -> None:
    data = json.loads(make_routing.COUNTS.read_text(encoding="utf-8"))
    for path, drawn in make_routing.pictures().items():
        assert path.read_text(encoding="utf-8") == drawn, f"{path.name} is stale; run python docs/make_routing.py"
        texts = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]
        for name, calls in data["calls"].items():
            assert name in texts
            assert f"{make_routing.share_right(data['knows'], calls):.3f} right" in texts


def test_logs_become_counts(tmp_path: Path) -> None:
    marft_envs.write_log(tmp_path / "log.jsonl", played("RIGHT", "nobody"))
    data = make_routing.counted({"before": tmp_path / "log.jsonl"})
    assert list(data["calls"]) == ["before"]
    assert sum(sum(counts.values()) for counts in data["calls"]["before"].values()) == 2
