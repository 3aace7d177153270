"""leaderboard/replaying.py: an episode comes out as its log says, byte for byte, or the rule it breaks is named."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.behaviour import make
from leaderboard.players import CHOICES
from leaderboard.replaying import Part, agents_of, can_vote, environment, replayed
from leaderboard.tracks import Task, instances_of, seeds_of
from marft_envs import SCRIPTED_PLAYS, Episode, FlexMG, Profile, Variants, log_lines, play
from tests.leaderboard.submissions import PARTY, REPAIR, SEASON, SUM, WORD, mixed

Lines = tuple[bytes, ...]


def lines_of(episode: Episode) -> Lines:
    return tuple(line.encode() for line in log_lines(episode))


def part_of(task: Task, episodes: Sequence[Lines], **more: Any) -> Part:
    instances = instances_of(SEASON, task)[: len(episodes)]
    given = {"prompts": {}, "first": 0, "answers": False, **more}
    return Part(task=task, instances=instances, episodes=tuple(episodes), **given)


@pytest.fixture(scope="module")
def episodes() -> list[Lines]:
    env = make(SUM.env_id, SUM.level, SUM.options)
    return [lines_of(play(env, lambda agent, _: mixed(env, agent), seed=seed)) for seed in seeds_of(SEASON, SUM)]


def broken(lines: Lines, task: Task = SUM, **more: Any) -> tuple[str, str]:
    """The rule that the only episode breaks, and how."""
    found = replayed(part_of(task, [lines], **more))
    (finding,) = found.findings
    assert (finding.where, found.plays) == (f"{task.key}, episode 0", ())
    return finding.rule, finding.message


def edited(lines: Lines, place: int, **fields: object) -> Lines:
    value = {**json.loads(lines[place]), **fields}
    return replaced(lines, place, (json.dumps(value, ensure_ascii=False) + "\n").encode())


def replaced(lines: Lines, place: int, line: bytes) -> Lines:
    changed = list(lines)
    changed[place] = line
    return tuple(changed)


def test_a_part_comes_to_what_was_played(episodes):
    found = replayed(part_of(SUM, episodes, answers=True))
    assert found.findings == () and [one.seed for one in found.plays] == list(seeds_of(SEASON, SUM))
    assert [sum(chars for _, chars in turns) for turns in found.turns] == [one.chars for one in found.plays]
    assert {agent for turns in found.turns for agent, _ in turns} == set(agents_of(SUM))
    assert any(one.answer is not None for one in found.plays)


def test_a_part_ends_at_the_first_episode_that_is_wrong_and_says_where(episodes):
    wrong = edited(episodes[3], -1, info={})
    found = replayed(part_of(SUM, [*episodes[:3], wrong, *episodes[4:]], first=40))
    assert len(found.plays) == 3
    assert [(one.rule, one.where) for one in found.findings] == [("replay", f"{SUM.key}, episode 43")]


REWRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "blanks": lambda line: line.replace(b": ", b":"),
    "order": lambda line: json.dumps(dict(reversed(json.loads(line).items()))).encode() + b"\n",
    "escapes": lambda line: line.replace(b"holder", b"h\\u006flder"),
    "exponents": lambda line: line.replace(b"1.0", b"1e0"),
    "carriage return": lambda line: line.replace(b"\n", b"\r\n"),
    "no line feed": lambda line: line.rstrip(b"\n"),
    "minus zero": lambda line: line.replace(b"0.0", b"-0.0"),
    "a number as true": lambda line: line.replace(b'"correct": 1', b'"correct": true'),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_line_that_says_the_same_otherwise_is_refused(episodes, name):
    tried = 0
    for lines in (episodes[0], next(lines for lines in episodes if b'"correct": 1' in lines[-1])):
        for place, line in enumerate(lines):
            changed = REWRITTEN[name](line)
            if changed != line:
                tried += 1
                rule, message = broken(replaced(lines, place, changed))
                assert rule == "log", message
    assert tried


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        (1, "rewards", [["holder_0", True, 5]]),
        (1, "rewards", [["holder_0", 1.0, True]]),
        (1, "rewards", [["holder_0", 10**400, 5]]),
        (1, "shortened", -1),
        (1, "shortened", 10**300),
        (1, "parents", [False]),
        (1, "index", True),
        (-1, "returns", {"holder_0": True}),
        (-1, "measurements", [1.5]),
        (-1, "cuts", [["holder_0", True, None]]),
        (0, "hears", {"holder_0": "x"}),
        (0, "format", 2),
        (0, "seed", 5.0),
    ],
)
def test_a_value_of_another_kind_is_no_log(episodes, place, field, value):
    assert broken(edited(episodes[0], place, **{field: value}))[0] == "log"


def test_a_message_holds_little_of_what_stands_in_a_log(episodes):
    for place, field, value in ((0, "env", "x" * 10**6), (0, "options", {"x" * 10**6: 1}), (1, "agent", "y" * 10**6)):
        rule, message = broken(edited(episodes[0], place, **{field: value}))
        assert len(message) < 1000, rule


def test_deep_values_are_refused_however_deep(episodes):
    for depth in (5, 200, 900, 985, 990, 995, 100_000):
        nested = (
            b'{"kind": "episode", "format": 1, "env": "x", "options": {"a": ' + b"[" * depth + b"]" * depth + b"}, "
        )
        lines = (nested + b'"seed": 5, "reset_options": {}}\n', *episodes[0][1:])
        assert broken(lines)[0] in ("log", "task")


def test_another_episode_within_an_episode_is_refused(episodes):
    inner = tuple(line.replace(b'{"kind": ', b'{"kind":') for line in episodes[0])
    rule, message = broken((*episodes[0], *inner))
    assert (rule, message) == ("log", "another episode begins within it")


def test_a_log_leads_to_no_other_environment_and_no_file(episodes, tmp_path, monkeypatch):
    monkeypatch.setattr("marft_envs.episode.make", None)
    for field, value in (
        ("env", "os:collab/sum_relay-v0"),
        ("env", WORD.env_id),
        ("options", {"level": "easy", "split": "test", "team": str(tmp_path / "x.yaml")}),
        ("options", {"level": "easy", "split": "train"}),
        ("options", {"level": "easy", "split": "test", "data": "/etc/passwd"}),
        ("options", {"level": "easy", "split": True}),
    ):
        rule, message = broken(edited(episodes[0], 0, **{field: value}))
        assert rule == "task", message
    rule, _ = broken(edited(episodes[0], 0, options={"team": [{"role": 5}]}))
    assert rule == "log"


# ---- Scripts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [SUM, PARTY, REPAIR], ids=lambda task: task.key)
def test_what_a_script_wrote_is_compared_with_what_it_writes(task):
    env = make(task.env_id, task.level, task.options)
    seed = seeds_of(SEASON, task)[0]
    first, *others = agents_of(task)
    own = by_scripts(env, {first: "random"}, others="reference")
    lines = lines_of(play(env, own, seed=seed))
    assert replayed(part_of(task, [lines], scripts={first: "random"})).findings == ()
    for scripts in ({first: "echo"}, {first: "random", others[-1]: "random"}):
        rule, message = broken(lines, task, scripts=scripts)
        assert rule == "script" and "is said to be played by" in message


def by_scripts(env: FlexMG, scripts: dict[str, str], others: str) -> Callable[[str, object], str]:
    return lambda agent, _: SCRIPTED_PLAYS[scripts.get(agent, others)](env, agent)


def test_a_script_that_has_no_play_here_is_named():
    env = make(REPAIR.env_id, REPAIR.level, REPAIR.options)
    lines = lines_of(play(env, lambda *_: "x", seed=seeds_of(SEASON, REPAIR)[0]))
    rule, message = broken(lines, REPAIR, scripts={"coder_0": "silent"})
    assert rule == "script" and "has no silent play" in message


def test_who_chooses_wrote_one_of_the_texts_to_choose_from():
    env = make(PARTY.env_id, PARTY.level, PARTY.options)
    seed = seeds_of(SEASON, PARTY)[0]
    first, *_ = agents_of(PARTY)
    chosen = lines_of(play(env, lambda agent, _: env.choices(agent)[len(env.messages(agent)) % 3], seed=seed))
    everybody = dict.fromkeys(agents_of(PARTY), CHOICES)
    assert replayed(part_of(PARTY, [chosen], scripts=everybody)).findings == ()
    free = lines_of(play(env, lambda agent, _: "hello" if agent == first else env.choices(agent)[0], seed=seed))
    others = {agent: CHOICES for agent in everybody if agent != first}
    assert replayed(part_of(PARTY, [free], scripts=others)).findings == ()
    rule, message = broken(free, PARTY, scripts=everybody)
    assert rule == "script" and message.endswith("is offered, and wrote 'hello'")


def test_a_script_drops_as_many_characters_as_it_would(episodes):
    env = make(SUM.env_id, SUM.level, SUM.options)
    first, *_ = agents_of(SUM)
    long = "x" * 3000
    lines = lines_of(play(env, lambda *_: long, seed=seeds_of(SEASON, SUM)[0]))
    assert b'"shortened": 952' in lines[1]  # 3,000 - 2,048
    assert broken(lines, scripts={first: "random"})[0] == "script"


# ---- Programs --------------------------------------------------------------------------------------------------------


def test_a_program_that_ends_soon_did_not_run_out_of_time_where_a_team_may_try_again():
    """A program that passes what is shown and nothing else ends the episode, and a forged time-out goes on with it."""
    env = environment(REPAIR)
    seed = seeds_of(SEASON, REPAIR)[0]
    env.reset(seed=seed)
    shown = {repr(test.arguments[0]): test.expected for test in env.task.visible}
    cheat = f"def {env.task.entry_point}(n):\n    return {shown}.get(repr(n))"
    honest = play(env, lambda agent, _: cheat, seed=seed)
    assert (len(honest.turns), honest.returns["coder_0"]) == (1, 0.0)
    forged = _played_with_forged_time_out(env, seed, [cheat, env.task.reference])
    assert (len(forged.turns), forged.returns["coder_0"]) == (2, 1.0)
    rule, message = broken(lines_of(forged), REPAIR)
    assert rule == "replay" and "here it ends within 25% of it" in message


def _played_with_forged_time_out(env: FlexMG, seed: int, programs: list[str]) -> Episode:
    """As a cheat's own copy of the suite would play it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marft_envs.coding.judge._check_late", lambda *_: None)
        env.reset(seed=seed, measurements=[((0,),), ((),), ((),)])
        for program in programs:
            env.step(program)
        return env.episode()


def test_a_program_that_does_not_end_ran_out_of_time():
    env = make(REPAIR.env_id, REPAIR.level, REPAIR.options)
    seed = seeds_of(SEASON, REPAIR)[0]
    env.reset(seed=seed)
    said = iter([f"def {env.task.entry_point}(n):\n    while True:\n        pass", "x", "y"])
    episode = play(env, lambda *_: next(said), seed=seed)
    assert episode.measurements[0] != ((),)
    assert replayed(part_of(REPAIR, [lines_of(episode)])).findings == ()
    rule, message = broken(lines_of(episode), REPAIR, scripts={"coder_0": "reference"})
    assert rule == "script" and "the log tells that a program ran out of time" in message


# ---- Teams -----------------------------------------------------------------------------------------------------------


def test_another_system_message_leaves_a_drawn_team_drawn():
    task = Task("collab/search_party-v0", "easy", {"team": "search_party_strangers"}, 2)
    first, second, *_ = agents_of(task)
    env = environment(task, ((first, "Be quick."), (second, "Be slow.")))
    own = environment(task)
    assert [isinstance(member, Variants) for member in env.team_members] == [False, True, True, True]
    for member, other, system in zip(env.team_members, own.team_members, ("Be quick.", "Be slow."), strict=False):
        if isinstance(member, Profile):
            assert member == replace(other, system=system)
        else:
            assert member.test == tuple(replace(one, system=system) for one in other.test)
    assert env.team_members[2:] == own.team_members[2:]


def test_environments_are_made_once_and_votes_are_for_those_with_answers():
    assert environment(SUM) is environment(SUM)
    assert [can_vote(task) for task in (SUM, WORD, REPAIR, PARTY)] == [True, True, True, False]
