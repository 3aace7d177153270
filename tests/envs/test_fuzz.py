"""Episodes of every environment with text that nobody would write; the long run is benchmarks/fuzz_episodes.py."""

import importlib.util
import sys
from pathlib import Path

import pytest

import marft_envs
from marft_envs import FlexMG

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_episodes.py"


@pytest.fixture(scope="module")
def fuzzing():
    spec = importlib.util.spec_from_file_location("fuzz_episodes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their own annotations up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arena(fuzzing, tmp_path):
    return fuzzing.Arena(0, tmp_path)


def test_fuzzed_episodes_of_every_environment_end_as_they_should(fuzzing):
    seen = fuzzing.fuzz(2_000)
    assert seen["episodes"] == 2_000
    assert 0 < seen["terminated"] < 2_000


def test_the_texts_are_many_and_odd(fuzzing):
    for source in (fuzzing.by_hypothesis, fuzzing.random_bytes):
        texts = {text for said in source(300) for text in said}
        assert len(texts) > 200
        assert any("\ud800" <= character <= "\udfff" for text in texts for character in text)


def test_every_source_that_needs_no_network_comes_up(fuzzing, arena):
    seen = {arena._made().spec.kwargs.get("source", "its own") for _ in range(1_000)}
    assert seen == {"its own", "jsonl", *(f"reasoning_gym:{name}" for name in fuzzing._GENERATORS)}


def test_no_task_of_the_data_set_is_left_out(fuzzing, tmp_path):
    options = fuzzing._data_set(tmp_path)
    for split in ("train", "test"):
        env = marft_envs.make("math/pipeline-v0", split=split, **options)  # a warning would be an error here
        questions = set()
        for seed in range(200):
            env.reset(seed=seed)
            questions.add(env.task.question)
        assert len(questions) == len(fuzzing._ANSWERS) / 2


# Each promise that is checked can be broken.


def test_objects_that_are_kept_are_found(fuzzing, monkeypatch):
    kept, reset = [], FlexMG.reset

    def leak(env, **arguments):
        reset(env, **arguments)
        kept.append(env.fork())

    monkeypatch.setattr(FlexMG, "reset", leak)
    with pytest.raises(AssertionError, match="objects after the first fifth"):
        fuzzing.fuzz(300)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell how much memory is used")
def test_texts_that_are_kept_are_found(fuzzing, monkeypatch):
    kept, state = [], FlexMG.state

    def leak(env):
        kept.append("x" * 500_000)  # more in all than a process may have free from before
        return state(env)

    monkeypatch.setattr(FlexMG, "state", leak)
    with pytest.raises(AssertionError, match="bytes after the first fifth"):
        fuzzing.fuzz(400)


def test_an_exception_is_found(fuzzing, arena, monkeypatch):
    monkeypatch.setattr(FlexMG, "step", lambda env, action: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        arena.play(["x"], fuzzing.Fuzzed())


def test_a_leak_is_found(fuzzing, arena, monkeypatch):
    monkeypatch.setattr(FlexMG, "observe", lambda env, agent: {"text": env.state()})
    with pytest.raises(AssertionError, match="was told what is hidden"):
        arena.play(["x"], fuzzing.Fuzzed())


def test_a_rewritten_text_is_found(fuzzing, arena, monkeypatch):
    monkeypatch.setattr(FlexMG, "observe", lambda env, agent: {"text": str(len(env.messages(agent)))})
    with pytest.raises(AssertionError, match="was rewritten"):
        arena.play(["x"], fuzzing.Fuzzed())


def test_a_return_outside_of_the_range_is_found(fuzzing, arena, monkeypatch):
    for env_id in marft_envs.registered_ids():
        monkeypatch.setattr(type(marft_envs.make(env_id)), "reward_range", (2.0, 3.0))
    with pytest.raises(AssertionError, match="a return of"):
        arena.play(["x"], fuzzing.Fuzzed())


def test_an_episode_that_never_ends_is_found(fuzzing, arena, monkeypatch):
    def go_on(env, terminated):
        env.round += 1
        env._open_round()

    monkeypatch.setattr(FlexMG, "_go_on", go_on)
    arena._ids = ("math/reason_act-v0",)  # in rounds
    with pytest.raises(AssertionError, match="it goes on behind its horizon"):
        arena.play(["x"], fuzzing.Fuzzed())
