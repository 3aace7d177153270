"""leaderboard/tracks.py: the seeds of a season, and what of a submission is a task of a track."""

import hashlib
import json
import re

import pytest

from leaderboard import tracks
from leaderboard.behaviour import make
from leaderboard.errors import TrackError
from leaderboard.names import log_name, task_key, tokens_name
from leaderboard.replaying import prepared
from leaderboard.tracks import (
    NUM_INSTANCES,
    OPEN,
    SEASONS,
    TRACKS,
    Task,
    find_task,
    instances_of,
    require_season,
    seeds_of,
    tasks_of,
)
from marft_envs import OptionError
from tests.leaderboard.behaving import Same, env_id, in_another_process
from tests.leaderboard.submissions import SUM, TASKS

SMALL_SEEDS = {
    "math/reason_act-v0@add_digit_long": "9a8d8c4a00a5e4735f9b286043a41e0a2ac52a2ca312845d39ce49496545ce50",
    "math/solve_verify-v0@add_digit_long": "ab37145e83db9a13ee3543785fc1153d673db32788fc397acc0ea1103f5b70ea",
    "coding/write_repair-v0@line": "9f502c553fd7b7736f33631c2e4dcae078efbe7b40c77e67bd0cb310356c409f",
    "coding/write_test-v0@line": "d04e87ea80f4b2d265c92c803c24d8253704f6035719392f43b9ad292e0dc93f",
    "collab/sum_relay-v0@easy": "b0ac82a277b95691e4e8fce17b87c84c498f29f8419c6d7bd5c0f0736a67b1bd",
    "collab/guess_word-v0@easy": "647b8e2731c5fb60935cee45d13b69120b990278ccd150adf2459627e55a39c2",
    "collab/hidden_profile-v0@easy": "cb64af734bbf5140590052eaa8ed4d0be14fdb03dc2698accbfc964cc44b116b",
    "collab/meeting-v0@easy": "f36cb6d970d50a5f8a523fcaaa2605a86ba182e2d1194f66a75607598732524a",
    "collab/jigsaw-v0@easy": "a4eb95e9d6bf915aeb577248b9eefb0e5655d46da664b627eb6f29a29a11e422",
}
"""SHA-256 of the seeds of season 2026, as JSON. If one differs, instances are drawn otherwise than before: entries that
were played no longer hold, and whoever changed it has to register a new version of the environment."""


def digest(task: Task) -> str:
    return hashlib.sha256(json.dumps(seeds_of("2026", task)).encode()).hexdigest()


def test_the_seeds_of_the_small_track_are_those_that_were_published():
    assert {task.key: digest(task) for task in TRACKS["small"]} == SMALL_SEEDS


def test_seeds_are_of_as_many_different_instances_of_the_test_split():
    for task in (TRACKS["small"][0], TRACKS["small"][4]):
        seeds = seeds_of("2026", task)
        assert len(set(seeds)) == len(seeds) == NUM_INSTANCES == 200
        assert all(0 <= seed < 2**53 for seed in seeds)
        env = make(task.env_id, task.level, task.options)
        other = make(task.env_id, task.level, task.options, "train")
        keys = set()
        for seed in seeds:
            env.reset(seed=seed)
            other.reset(seed=seed)
            keys.add(env.instance_key())
            assert env.instance_key() != other.instance_key()
        assert len(keys) == NUM_INSTANCES


def test_seeds_are_the_same_in_another_process_whatever_texts_hash_to():
    code = (
        "import hashlib, json\nfrom leaderboard.tracks import TRACKS, seeds_of\n"
        "for task in (TRACKS['small'][0], TRACKS['small'][4], TRACKS['small'][7]):\n"
        "    print(hashlib.sha256(json.dumps(seeds_of('2026', task)).encode()).hexdigest())"
    )
    wanted = [digest(TRACKS["small"][place]) for place in (0, 4, 7)]
    assert in_another_process(code, "99").split() == wanted


def test_an_instance_is_drawn_at_once_from_where_its_draw_began():
    task = TRACKS["small"][0]
    env = make(task.env_id, task.level, task.options)
    for seed, draw_state in instances_of("2026", task):
        env.reset(seed=seed)
        told = env.instance_key(), env.state(), [env.messages(agent) for agent in env.possible_agents]
        env.reset(seed=seed, draw_state=draw_state)
        assert (env.instance_key(), env.state(), [env.messages(agent) for agent in env.possible_agents]) == told


def test_every_season_and_every_task_has_seeds_of_its_own():
    first, second = TASKS["tiny"]
    assert not set(seeds_of("2026", first)) & set(seeds_of("2027", first))
    assert not set(seeds_of("2026", first)) & set(seeds_of("2026", second))


def test_too_few_instances_are_an_error(behaving_ids):
    task = Task(env_id(Same), "easy", num_instances=2)
    with pytest.raises(TrackError, match="has only 1 different instances in 40 draws, and 2 are played"):
        seeds_of("2026", task)


def test_a_task_without_a_test_split_is_an_error():
    with pytest.raises(OptionError, match="split"):
        seeds_of("2026", Task("math/reason_act-v0", "one_digit"))


def test_no_track_has_a_task_twice_and_all_names_of_files_differ():
    for name, tasks in TRACKS.items():
        keys = [task.key for task in tasks]
        assert len(set(keys)) == len(keys), name
        files = [write(key) for key in keys for write in (log_name, tokens_name)]
        assert len(set(files)) == len(files)


def test_a_task_is_found_by_what_a_record_says_and_nothing_else():
    assert find_task("tiny", SUM.env_id, "easy", {}) is SUM
    for level, options in (("standard", {}), (None, {}), ("easy", {"horizon": 1})):
        with pytest.raises(TrackError, match="track tiny has no task collab/sum_relay-v0"):
            find_task("tiny", SUM.env_id, level, options)


def test_the_open_track_takes_words_and_numbers_for_a_few_options():
    found = find_task(OPEN, "collab/kitchen-v0", "easy", {"horizon": 30, "team": "duo"})
    assert found.key == "collab/kitchen-v0@easy,horizon=30,team=duo"
    for name in ("data", "source", "level", "split", "render_mode"):
        with pytest.raises(TrackError, match=f"option '{name}' may not be set"):
            find_task(OPEN, "collab/kitchen-v0", "easy", {name: "x"})


def test_unknown_tracks_and_seasons_are_errors():
    assert "2026" in SEASONS
    with pytest.raises(TrackError, match="unknown season '2025'"):
        require_season("2025")
    with pytest.raises(TrackError, match="unknown track 'huge'; tracks are small, standard, open"):
        tasks_of("huge")


@pytest.mark.parametrize(
    ("env_id", "level", "options", "message"),
    [
        ("collab/kitchen-v0", "easy", {"horizon": 1_000_000}, r"may have [0-9,]+ turns; 2,000 are the most"),
        ("math/debate-v0", "expression", {"horizon": 1_000_000}, r"may have 4,000,000 turns"),
        ("collab/kitchen-v0", None, {}, r"level is null, and collab/kitchen-v0 has levels; name one of easy"),
        ("collab/kitchen-v0", "easy", {"team": "strangers"}, "unknown team 'strangers'"),
        ("collab/kitchen-v0", "easy", {"team": 3}, "team is 3"),
        ("collab/kitchen-v0", "easy", {"horizon": True}, "horizon is True"),
        ("collab/kitchen-v0", "easy", {"reward": "share"}, "reward"),
        ("collab/kitchen-v0", "easy", {"recall": "parents"}, "recall"),
        ("collab/gone-v0", None, {}, "unknown environment 'collab/gone-v0'"),
        ("collab/sum_relay-v7", "easy", {}, "its versions are collab/sum_relay-v0"),
    ],
)
def test_an_open_task_that_cannot_be_played_says_why(env_id, level, options, message):
    problem = prepared("2026", Task(env_id, level, options, 2)).problem
    assert re.search(message, problem), problem


def test_a_key_tells_tasks_apart():
    assert task_key("a/b-v0", None, {}) == "a/b-v0"
    assert task_key("a/b-v0", "easy", {"z": True, "c": "word", "d": 3}) == "a/b-v0@easy,c=word,d=3,z=true"
    long = task_key("a/" + "b" * 60 + "-v0", "x" * 40, {"horizon": 3})
    assert len(log_name(long)) <= 5 + 100 + len(".jsonl.gz")
    assert log_name(long) != log_name(long.replace("=3", "=4"))
    assert tracks.MAX_TURNS == 2_000
