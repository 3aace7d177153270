"""Episodes as values: played, logged, read, replayed; and every way in which a log can be wrong.

1. What was played, and what is read back from its log, equals its replay: in this process and in any other.
2. Whatever was tampered with is named, by episode, turn and field.
3. A log keeps what it held, whatever happens while it is written.
"""

import errno
import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marft_envs
from marft_envs import Profile, log_lines, play, read_episodes, read_log, replay, write_log
from marft_envs.errors import LogError, OptionError, ReplayMismatchError, TeamFileError, TurnError
from marft_envs.flex_mg import BaseOptions
from marft_envs.records import RewardEvent
from tests.envs.conftest import SMALL, Router, Solo, say, scripted, team_of, written

ROOT = Path(__file__).parents[2]
LOTTERY = "test/lottery-v0"
READER = "test/reader-v0"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def made(env_id, seed, **options):
    """An episode of an environment made by its id."""
    return play(marft_envs.make(env_id, **options), written, seed=seed)


@pytest.fixture
def episode(small_ids):
    """An episode with everything in it: two rounds, rewards, feedback, info, text that was shortened."""
    team = team_of(["router", "worker", "worker", "worker"], max_action_chars=40)
    words = iter(["worker_1 and worker_0" + "!" * 30, "done", "later\u2028é", "", "done", "done", "done"])
    return play(marft_envs.make("test/router-v0", team=team), lambda agent, messages: next(words), seed=3)


@pytest.fixture
def log(tmp_path, episode):
    """A log with three episodes of that kind."""
    path = tmp_path / "log.jsonl"
    write_log(path, [episode, episode, episode])
    return path


# ---- Playing ---------------------------------------------------------------------------------------------------------


def test_an_episode_tells_all_that_happened(episode):
    assert episode.env_id == "test/router-v0"
    assert episode.seed == 3
    assert [(turn.agent, turn.round, turn.action, turn.shortened, turn.parents) for turn in episode.turns] == [
        ("router_0", 0, "worker_1 and worker_0!!!!!!!!!!!!!!!!!!!", 11, ()),
        ("worker_1", 1, "done", 0, ()),
        ("worker_0", 1, "later\u2028é", 0, (1,)),
        ("router_0", 2, "", 0, ()),
        ("worker_0", 3, "done", 0, ()),
        ("worker_1", 3, "done", 0, ()),
        ("worker_2", 3, "done", 0, ()),
    ]
    assert (episode.terminated, episode.truncated) == (True, False)
    assert episode.returns == {"router_0": 0.0, "worker_0": 0.5, "worker_1": 1.0, "worker_2": 0.5}
    assert episode.info == {"done": 4}
    assert str(episode) == "episode of test/router-v0, seed 3"


def test_times_follow_from_texts_profiles_and_d(episode):
    # 1000 µs a turn and 10 a character: 40, 4, 7 characters one after another, none, then three at once with 4.
    assert [(turn.start_us, turn.finish_us) for turn in episode.turns] == [
        (0, 1400), (1400, 2440), (2440, 3510), (3510, 4510), (4510, 5550), (4510, 5550), (4510, 5550),
    ]  # fmt: skip


def test_everybody_plays_by_its_own_policy():
    env = Router()
    policies = {agent: lambda agent, messages: f"I am {agent}" for agent in env.possible_agents}
    policies["router_0"] = lambda agent, messages: "worker_2, please"
    turns = play(env, policies, seed=0).turns
    assert [(turn.agent, turn.action) for turn in turns[:2]] == [
        ("router_0", "worker_2, please"), ("worker_2", "I am worker_2"),
    ]  # fmt: skip


def test_an_agent_without_a_policy_is_named_before_anything_is_played():
    with pytest.raises(TurnError, match="no policy for 'router_0'; give one for each of router_0, worker_0"):
        play(Router(), {"worker_0": written})


def test_play_hands_seed_and_options_to_reset():
    env = Solo()
    episode = play(env, written, seed=9, options={"unknown": [1]})
    assert (episode.seed, episode.reset_options) == (9, {"unknown": [1]})
    assert play(env, written).seed == env.episode_seed != 9


def test_what_happens_later_does_not_change_an_episode():
    env = scripted("ab")
    say(env, "", "")
    episode = env.episode()
    before = repr(episode)
    say(env, "", "")
    assert repr(episode) == before


# ---- Replaying -------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(seed=st.integers(0, 2**53), recall=st.sampled_from(["team", "parents"]))
@pytest.mark.usefixtures("small_ids")
def test_a_replay_equals_what_was_played(seed, recall):
    episode = made(LOTTERY, seed, recall=recall, num_agents=3)
    assert replay(episode) == episode


@pytest.mark.parametrize("num_steps", range(8))
def test_an_unfinished_episode_is_replayed_as_far_as_its_rounds_were_complete(small_ids, num_steps):
    env = marft_envs.make("test/secrets-v0", shape="sequence")
    env.reset(seed=0)
    say(env, *["word"] * num_steps)
    episode = env.episode()
    assert len(episode.turns) == num_steps // 3 * 3
    assert (episode.terminated, episode.truncated) == (False, False)
    assert replay(episode) == episode


def test_an_episode_that_was_truncated_is_replayed(small_ids):
    episode = made("test/secrets-v0", 4)
    assert episode.truncated
    assert replay(episode) == episode


def test_a_replay_passes_on_the_level_that_reset_got():
    env = marft_envs.make("math/reason_act-v0", level="one_digit")
    episode = play(env, lambda agent, messages: env.reference_action(agent), seed=1, options={"level": "expression"})
    assert episode.options == {"level": "one_digit"}
    assert replay(episode) == episode
    with pytest.raises(ReplayMismatchError, match="reward"):
        replay(replace(episode, reset_options={}))


def test_replays_can_share_an_environment_that_was_made_for_them():
    episodes = [made("math/reason_act-v0", seed, level="add_digit") for seed in range(3)]
    env = marft_envs.make("math/reason_act-v0", level="add_digit")
    assert [replay(episode, env) for episode in episodes] == episodes


@pytest.mark.parametrize(
    ("env_id", "options"),
    [("math/reason_act-v0", {"level": "signed"}), ("math/debate-v0", {"level": "add_digit"})],
)
def test_an_environment_that_was_made_for_others_replays_nothing(env_id, options):
    episode = made("math/reason_act-v0", 0, level="add_digit")
    with pytest.raises(ReplayMismatchError, match=r"'level': 'add_digit'.* was to be replayed in math/"):
        replay(episode, marft_envs.make(env_id, **options))


def test_whoever_watched_is_not_part_of_an_episode(capsys):
    env = marft_envs.make("math/reason_act-v0", render_mode="human")
    episode = play(env, written, seed=0)
    assert "render_mode" not in episode.options
    assert capsys.readouterr().out
    replay(episode)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", [str, Path])
def test_the_log_of_a_team_from_a_file_needs_the_file_no_more(tmp_path, small_ids, kind):
    file = tmp_path / "mine.yaml"
    file.write_text("agents: [{role: chef, system: Cook., base_us: 5}, {role: p}]", encoding="utf-8")
    path = tmp_path / "log.jsonl"
    write_log(path, [made(LOTTERY, 0, team=kind(file))])
    file.unlink()
    (episode,) = read_log(path)
    assert episode.options["team"] == (Profile("chef", system="Cook.", base_us=5), Profile("p"))
    assert replay(episode) == episode


def test_a_team_that_comes_with_the_environment_is_logged_by_its_name():
    assert made("math/reason_act-v0", 0, team="duo").options == {"team": "duo"}


def test_an_environment_that_was_constructed_directly_can_be_played_and_neither_logged_nor_replayed(tmp_path):
    episode = play(Solo(), written, seed=0)
    assert str(episode) == "episode of an environment that is not registered, seed 0"
    with pytest.raises(LogError, match=r"so it cannot be replayed; register the class"):
        replay(episode)
    with pytest.raises(LogError, match="so it cannot be logged; register the class"):
        write_log(tmp_path / "log.jsonl", [episode])


def test_the_lines_of_an_episode_are_those_that_are_written_and_read(log):
    lines = log.read_bytes().splitlines(keepends=True)
    episodes = list(read_episodes(lines, "mine"))
    assert episodes == read_log(log)
    assert [line.encode() for episode in episodes for line in log_lines(episode)] == lines


IN_ANOTHER_PROCESS = """
import sys
import marft_envs
from tests.envs.conftest import SMALL
for env_id, environment in SMALL.items():
    marft_envs.register(env_id, environment)
episodes = marft_envs.read_log(sys.argv[1])
assert [marft_envs.replay(episode) for episode in episodes] == episodes
print(len(episodes), hash("a"))
"""


def test_a_log_is_replayed_in_other_processes_where_hashes_differ(tmp_path, small_ids):
    path = tmp_path / "log.jsonl"
    episodes = [made(env_id, seed) for env_id in (*SMALL, *marft_envs.registered_ids()) for seed in range(3)]
    write_log(path, episodes)
    outputs = set()
    for hash_seed in ("1", "2"):
        process = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS, str(path)],
            cwd=ROOT, env={"PYTHONHASHSEED": hash_seed, "PATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        outputs.add(process.stdout)
        assert process.stdout.startswith(f"{len(episodes)} ")
    assert len(outputs) == 2  # hashes did differ


# ---- Data that an option names ---------------------------------------------------------------------------------------


class Reader(Solo):
    """Its option names a file, and what is asked stands in there."""

    metadata: ClassVar = {"name": "reader_v0"}

    def __init__(self, *, data: str | Path, **base: Unpack[BaseOptions]) -> None:
        self.question = Path(data).read_text(encoding="utf-8")
        self.data_fingerprint = f"question {self.question}"
        super().__init__(**base)

    def view(self, agent):
        return self.question


@pytest.fixture
def data(tmp_path, small_ids):
    """A file with a question, and somebody registered who asks it."""
    marft_envs.register(READER, Reader)
    path = tmp_path / "data.txt"
    path.write_text("Why?", encoding="utf-8")
    return path


def test_the_data_that_were_played_are_part_of_the_episode_and_its_log(data, tmp_path):
    episode = made(READER, 0, data=str(data))
    assert episode.data_fingerprint == "question Why?"
    write_log(tmp_path / "log.jsonl", [episode])
    header = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").partition("\n")[0])
    assert header["data_fingerprint"] == "question Why?"
    assert read_log(tmp_path / "log.jsonl") == [episode]
    assert replay(episode) == episode


def test_other_data_are_refused_before_the_first_turn(data):
    episode = made(READER, 0, data=str(data))
    data.write_text("How?", encoding="utf-8")
    with pytest.raises(
        ReplayMismatchError,
        match=r"episode of test/reader-v0, seed 0: the data are not those that were played: logged 'question Why\?', "
        r"found 'question How\?'; replay it where its options \(data='.*data.txt'\) lead to the same data",
    ):
        replay(episode)


def test_an_episode_that_does_not_tell_its_data_proves_nothing(data):
    episode = replace(made(READER, 0, data=str(data)), data_fingerprint="")
    with pytest.raises(ReplayMismatchError, match="logged '', found 'question Why"):
        replay(episode)


@pytest.mark.parametrize("fingerprint", [0, None, ["x"]])
def test_a_fingerprint_in_a_log_is_text(log, fingerprint):
    header, *lines = log.read_text(encoding="utf-8").split("\n")
    spoilt = json.dumps({**json.loads(header), "data_fingerprint": fingerprint})
    log.write_text("\n".join([spoilt, *lines]), encoding="utf-8")
    with pytest.raises(LogError, match=r":1: episode.data_fingerprint is .*, not of type str"):
        read_log(log)


def test_a_path_is_kept_as_text(data, tmp_path):
    env = marft_envs.make(READER, data=data)
    episode = play(env, written, seed=0)
    assert episode.options["data"] == str(data)
    write_log(tmp_path / "log.jsonl", [episode])
    assert read_log(tmp_path / "log.jsonl") == [episode] == [replay(episode)]


# ---- Tampering -------------------------------------------------------------------------------------------------------


def tampered_turn(number, **changes):
    def tamper(episode):
        turns = [replace(turn, **changes) if turn.index == number else turn for turn in episode.turns]
        return replace(episode, turns=tuple(turns))

    return tamper


def tampered_reward(number, **changes):
    def tamper(episode):
        events = list(episode.reward_events)
        events[number] = replace(events[number], **changes)
        return replace(episode, reward_events=tuple(events))

    return tamper


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (tampered_turn(2, agent="worker_2"), "turn 2: agent: logged 'worker_2', ready are worker_0"),
        (tampered_turn(6, agent="nobody_0"), "turn 6: agent: logged 'nobody_0', ready are worker_2"),
        (tampered_turn(4, agent="worker_1"), "turn 5: agent: logged 'worker_1', ready are worker_0, worker_2"),
        (tampered_turn(1, action="done!"), "turn 1: finish_us: logged 2440, recomputed 2450"),
        (tampered_turn(3, action="x" * 41), "turn 3: action: logged 'x+', recomputed 'x+'"),
        (tampered_turn(3, action="\ud800"), "turn 3: action: logged '.ud800', recomputed"),
        (tampered_turn(1, index=5), "turn 1: index: logged 5, recomputed 1"),
        (tampered_turn(1, round=0), "turn 1: round: logged 0, recomputed 1"),
        (tampered_turn(1, shortened=7), "turn 1: shortened: logged 7, but 4 of 40 characters were kept"),
        (tampered_turn(2, parents=()), r"turn 2: parents: logged \(\), recomputed \(1,\)"),
        (tampered_turn(2, start_us=0), "turn 2: start_us: logged 0, recomputed 2440"),
        (tampered_turn(2, finish_us=3511), "turn 2: finish_us: logged 3511, recomputed 3510"),
        (tampered_reward(0, agent="worker_0"), "reward 0: agent: logged 'worker_0', recomputed 'worker_1'"),
        (tampered_reward(0, amount=0.75), "reward 0: amount: logged 0.75, recomputed 0.5"),
        (tampered_reward(0, turn=2), "reward 0: turn: logged 2, recomputed 1"),
        (tampered_reward(0, round=2), "reward 0: round: logged 2, recomputed 1"),
        (tampered_reward(0, time_us=0), "reward 0: time_us: logged 0, recomputed 2440"),
        (lambda it: replace(it, reward_events=it.reward_events[1:]), "rewards: logged 3, recomputed 4"),
        (
            lambda it: replace(it, reward_events=(*it.reward_events, RewardEvent(6, 3, 5550, "router_0", 9.0))),
            "rewards: logged 5, recomputed 4",
        ),
        (lambda it: replace(it, turns=it.turns[:3]), "rewards: logged 4, recomputed 1"),
        (lambda it: replace(it, turns=it.turns[:2]), "turns: logged 2, recomputed 1"),
        (lambda it: replace(it, turns=(*it.turns, it.turns[-1])), "turn 6: agent: .*none: the episode is over"),
        (lambda it: replace(it, terminated=False), "terminated: logged False, recomputed True"),
        (lambda it: replace(it, truncated=True), "truncated: logged True, recomputed False"),
        (lambda it: replace(it, returns={**it.returns, "router_0": 1.0}), "returns: logged .*'router_0': 1.0"),
        (lambda it: replace(it, info={"done": 5}), "info: logged {'done': 5}, recomputed {'done': 4}"),
        (lambda it: replace(it, info={}), "info: logged {}"),
        (lambda it: replace(it, options={**it.options, "horizon": 3}), "turn 4: agent: .*none: the episode is over"),
    ],
)  # fmt: skip
def test_whatever_was_tampered_with_is_named(episode, tamper, message):
    with pytest.raises(ReplayMismatchError, match=f"episode of test/router-v0, seed 3: .*({message})"):
        replay(tamper(episode))


def test_options_that_no_environment_has_are_typed_errors_of_their_own(episode):
    with pytest.raises(OptionError, match="no option 'horizn'"):
        replay(replace(episode, options={"horizn": 3}))
    with pytest.raises(TeamFileError):
        replay(replace(episode, options={"team": ()}))


def test_another_seed_is_another_episode(small_ids):
    episode = made(LOTTERY, 1)
    with pytest.raises(ReplayMismatchError, match="seed 2"):
        replay(replace(episode, seed=2))


# ---- Writing and reading ---------------------------------------------------------------------------------------------


def test_what_is_read_equals_what_was_written(log, episode):
    assert read_log(log) == [episode, episode, episode]
    assert [replay(one) for one in read_log(log)] == [episode] * 3


@pytest.mark.usefixtures("small_ids")
@settings(max_examples=40)
@given(actions=st.lists(ANY_TEXT, min_size=9, max_size=9))
def test_any_text_goes_through_a_log_unchanged(actions, tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "log.jsonl"
    words = iter(actions)
    episode = play(marft_envs.make("test/secrets-v0"), lambda agent, messages: next(words), seed=0)
    write_log(path, [episode])
    assert read_log(path) == [episode]
    assert replay(read_log(path)[0]) == episode
    assert path.read_bytes().count(b"\n") == 11


def test_a_log_is_json_lines_as_documented(log, episode):
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]]
    assert len(lines) == 3 * (1 + 7 + 1)
    assert lines[0] == {
        "kind": "episode",
        "format": 1,
        "env": "test/router-v0",
        "options": {"team": [{**asdict(profile), "examples": []} for profile in episode.options["team"]]},
        "seed": 3,
        "reset_options": {},
    }
    assert lines[2] == {
        "kind": "turn", "index": 1, "agent": "worker_1", "round": 1, "action": "done", "shortened": 0, "parents": [],
        "start_us": 1400, "finish_us": 2440, "rewards": [["worker_1", 0.5, 2440]],
    }  # fmt: skip
    assert lines[8] == {
        "kind": "end", "terminated": True, "truncated": False, "info": {"done": 4},
        "returns": {"router_0": 0.0, "worker_0": 0.5, "worker_1": 1.0, "worker_2": 0.5},
    }  # fmt: skip
    assert "\u2028é" in log.read_text(encoding="utf-8")


def test_writing_again_appends_and_creates_folders(tmp_path, episode, log):
    write_log(log, [episode])
    assert read_log(log) == [episode] * 4
    new = tmp_path / "some" / "folder" / "log.jsonl"
    write_log(str(new), iter([episode]))
    assert read_log(str(new)) == [episode]
    write_log(new, [])
    assert read_log(new) == [episode]


@pytest.mark.parametrize("num_bytes", [1, 5, 30, 300, 900])
def test_half_an_episode_at_the_end_is_set_aside_before_more_is_written(log, episode, num_bytes):
    whole = log.read_bytes()
    half = whole[: len(whole) // 3][:num_bytes]
    log.write_bytes(whole + half)
    write_log(log, [episode])
    assert read_log(log) == [episode] * 4
    assert log.with_name("log.jsonl.unfinished").read_bytes() == half


def test_half_of_the_only_episode_is_set_aside_too(log, episode):
    whole = log.read_bytes()
    for size in (3, 200, len(whole) // 3 - 2):  # within the header's first word, in a turn, in the end line
        log.write_bytes(whole[:size])
        write_log(log, [episode])
        assert read_log(log) == [episode]
    assert log.with_name("log.jsonl.unfinished").stat().st_size == 3 + 200 + len(whole) // 3 - 2


def test_an_action_that_looks_like_an_end_line_ends_nothing(log, small_ids):
    fake = '\n{"kind": "end", "terminated": true}\n'
    episode = play(marft_envs.make("test/solo-v0"), lambda agent, messages: fake, seed=0)
    write_log(log, [episode])
    whole = log.read_bytes()
    log.write_bytes(whole[:-5])
    write_log(log, [episode])
    assert read_log(log)[3:] == [episode]
    assert log.read_bytes() == whole


def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path, episode):
    path = tmp_path / "team.yaml"
    path.write_text("agents: [{role: actor}]")
    with pytest.raises(LogError, match=r"team.yaml: is no action log, and is left as it is; choose another path"):
        write_log(path, [episode])
    assert path.read_text() == "agents: [{role: actor}]"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("num_left", [0, 1, 700, 2000])
def test_when_the_disk_is_full_whole_episodes_are_kept_and_no_half_one(monkeypatch, log, episode, num_left):
    before = log.read_bytes()
    size = len(before) // 3
    limit = len(before) + num_left
    real_open = Path.open

    class Full:
        """A file on a disk that takes `limit` bytes; a write that does not fit is done in part, then refused."""

        def __init__(self, file):
            self.file = file

        def write(self, data):
            room = limit - self.file.seek(0, 2)
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(data[:room])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

    monkeypatch.setattr(Path, "open", lambda path, *rest, **kwargs: Full(real_open(path, *rest, **kwargs)))
    with pytest.raises(LogError, match=r"No space left on device.*all complete episodes in it are kept"):
        write_log(log, [episode] * 5)
    monkeypatch.undo()
    fits = num_left // size
    assert log.read_bytes() == before + before[:size] * fits
    assert read_log(log) == [episode] * (3 + fits)


def test_an_interrupt_while_writing_leaves_no_half_episode(log, episode):
    def interrupted():
        yield episode
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_log(log, interrupted())
    assert read_log(log) == [episode] * 4


@pytest.mark.parametrize("place", ["a folder", "under a file"])
def test_a_path_that_no_file_can_have_is_a_typed_error(tmp_path, episode, place):
    (tmp_path / "file").write_text("")
    path = tmp_path if place == "a folder" else tmp_path / "file" / "log.jsonl"
    with pytest.raises(LogError, match="cannot be written"):
        write_log(path, [episode])
    with pytest.raises(LogError, match="cannot be read"):
        read_log(path)


def test_an_option_that_is_no_json_is_named_and_what_was_written_before_is_kept(log, episode):
    with pytest.raises(LogError, match=r"an option of make or reset cannot be logged as JSON"):
        write_log(log, [episode, replace(episode, reset_options={"thing": object()}), episode])
    assert read_log(log) == [episode] * 4


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (1, lambda line: b"", r":1: a turn line stands outside of an episode"),
        (2, lambda line: b"not json\n", r":2: is no JSON in UTF-8"),
        (2, lambda line: b"\xff\xfe\n", r":2: is no JSON in UTF-8"),
        (2, lambda line: b"\n", r":2: is no JSON in UTF-8"),
        (2, lambda line: b"[1, 2]\n", r":2: is no episode, turn or end"),
        (2, lambda line: line.replace(b'"turn"', b'"move"'), r":2: is no episode, turn or end"),
        (2, lambda line: line.replace(b'"kind": "turn"', b'"kind": ["turn"]'), r":2: is no episode, turn or end"),
        (1, lambda line: line.replace(b'"format": 1', b'"format": 2'), r":1: has format 2, this version reads 1"),
        (1, lambda line: line.replace(b'"format": 1, ', b""), r":1: has format None"),
        (1, lambda line: line.replace(b'"seed": 3', b'"seed": "3"'), r":1: episode.seed is '3', not of type int"),
        (2, lambda line: line.replace(b'"round": 0', b'"round": false'), r":2: turn.round is False, not of type int"),
        (2, lambda line: line.replace(b', "parents": []', b""), r":2: turn.parents is None, not of type list"),
        (3, lambda line: b"", r":3: turn 1 or the end of the episode is missing"),
        (3, lambda line: line + line, r":4: turn 2 or the end of the episode is missing"),
        (9, lambda line: b"", r":9: turn 7 or the end of the episode is missing"),
        (27, lambda line: b"", r":19: the file ends within the episode that begins here"),
        (27, lambda line: line[:-9], r":27: is no JSON in UTF-8"),
        (3, lambda line: line.replace(b'"worker_1", 0.5', b'"worker_1", "0"'), r":3: reward \['worker_1', '0',"),
        (3, lambda line: line.replace(b'"worker_1", 0.5', b'"worker_1", 1' + b"0" * 400), r":3: reward \['worker_1',"),
        (3, lambda line: line.replace(b'"worker_1", 0.5', b'"worker_1", NaN'), r":3: .*NaN is no number"),
        (2, lambda line: line.replace(b'"parents": []', b'"parents": ["0"]'), r":2: turn.parents is \['0'\]"),
        (2, lambda line: line.replace(b'"parents": []', b'"parents": [-1]'), r":2: turn.parents is \[-1\]"),
        (3, lambda line: re.sub(rb'"parents": \[.*?\]', b'"parents": [1]', line), r":3: turn.parents is \[1\]"),
        (3, lambda line: re.sub(rb'"parents": \[.*?\]', b'"parents": [true]', line), r":3: turn.parents is \[True\]"),
        (9, lambda line: re.sub(rb'"returns": {.*?}', b'"returns": {}', line), r":9: end.returns lacks 'router_0'"),
        (9, lambda line: re.sub(rb'"returns": {.*?}', b'"returns": {"a": "1"}', line), r":9: end.returns is {'a': "),
        (1, lambda line: re.sub(rb'"team": \[{.*?}', b'"team": [["train"]', line), r":1: .*a member is \['train'\]"),
        (1, lambda line: line.replace(b'"role": "router"', b'"role": "a b"'), r":1: the team holds a broken profile"),
        (1, lambda line: line.replace(b'"role"', b'"part"'), r":1: the team holds a broken profile"),
        (1, lambda line: line.replace(b'"team":', b'"id": 3, "team":'), r":1: options holds 'id', which no"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_by_file_and_number(log, number, change, message):
    lines = log.read_bytes().splitlines(keepends=True)
    changed = change(lines[number - 1])
    assert changed != lines[number - 1]
    lines[number - 1] = changed
    log.write_bytes(b"".join(lines))
    with pytest.raises(LogError, match=rf"log\.jsonl{message}"):
        read_log(log)


def test_a_log_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(LogError, match=r"none.jsonl: cannot be read \(No such file or directory\); check the path"):
        read_log(tmp_path / "none.jsonl")


def test_an_environment_of_another_kind_cannot_be_replayed(monkeypatch, episode):
    monkeypatch.setattr(sys.modules["marft_envs.episode"], "make", lambda *_, **__: object())
    with pytest.raises(LogError, match="is no FlexMG environment"):
        replay(episode)
