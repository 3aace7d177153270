"""What is measured belongs to the episode: a verdict does not depend on the speed of the machine that replays it.

1. A pass on a fast machine is a pass in the replay on a slow one; a recorded timeout stands on a fast one.
2. What was measured goes with the episode: through logs, forks and copies, in the order of the hooks.
3. A log may be forged: nothing crashes, nothing is believed, and what differs is named.
"""

import copy
import json
import pickle
from dataclasses import replace
from typing import ClassVar, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

import marft_envs
from marft_envs import FlexMG, Outcome, Profile, play, read_log, replay, write_log
from marft_envs.errors import LogError, OutcomeError, ReplayMismatchError, TurnError
from marft_envs.flex_mg import BaseOptions
from marft_envs.records import checked_measurement
from tests.envs.conftest import say, scripted

RUNNER = "test/runner-v0"
NAIVE = "test/naive-v0"
TEAM = (Profile("coder"), Profile("coder"))
LIMIT = 10
"""Units of time that a test may take, in a first play."""
REPLAYED = 4
"""Times the limit in a replay."""


class Machine:
    """The one that the tests run on: how slow it is, and what was run on it."""

    slowness = 1.0
    runs: ClassVar[list[tuple[int, float]]] = []


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of usual speed, that has run nothing."""
    monkeypatch.setattr(Machine, "slowness", 1.0)
    monkeypatch.setattr(Machine, "runs", [])
    return Machine


class Runner(FlexMG):
    """An action says how many units of work each test takes; the reward is the share that ends in time."""

    metadata: ClassVar = {"name": "runner_v0"}
    runtime = "python 3.11"

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        base.setdefault("team", TEAM)
        super().__init__(horizon=horizon, **base)

    def act(self, agent, action):
        works = [int(word) for word in action.split()]
        late = self.measured(lambda recorded: self.late(works, recorded))
        return Outcome(rewards={agent: 1.0 - len(late) / len(works)}, feedback=f"late: {late}")

    def late(self, works, recorded):
        """Places of the tests that run out of time; those that were recorded are not run."""
        places = range(len(works))
        known = recorded if isinstance(recorded, tuple) else ()
        limit = LIMIT if recorded is None else LIMIT * REPLAYED
        return tuple(place for place in places if place in known or not self.in_time(works[place], limit))

    def in_time(self, work, limit):
        Machine.runs.append((work, limit))
        return work * Machine.slowness <= limit


class Naive(Runner):
    """The same without the rule: it measures whatever was recorded."""

    def late(self, works, recorded):
        return super().late(works, None)


@pytest.fixture(autouse=True)
def _registered(small_ids):
    marft_envs.register(RUNNER, Runner)
    marft_envs.register(NAIVE, Naive)


def played(*actions, env_id=RUNNER, **options):
    """An episode in which the coders say this in turn."""
    words = iter(actions)
    return play(marft_envs.make(env_id, **options), lambda agent, messages: next(words), seed=0)


WORKS = ("1 9", "20 2", "3", "4 4 99")


# ---- The speed of the machine ----------------------------------------------------------------------------------------


def test_what_was_measured_is_part_of_the_episode_in_the_order_of_the_hooks():
    episode = played(*WORKS)
    assert episode.measurements == ((), (0,), (), (2,))
    assert episode.runtime == "python 3.11"
    assert episode.returns == {"coder_0": 2.0, "coder_1": pytest.approx(0.5 + 2 / 3)}


def test_an_environment_that_measures_nothing_has_no_measurements_and_no_runtime():
    episode = play(marft_envs.make("test/solo-v0"), lambda agent, messages: "x", seed=0)
    assert (episode.measurements, episode.runtime) == ((), "")


@pytest.mark.parametrize("slowness", [0.01, 1.0, 4.0])
def test_a_pass_and_a_timeout_are_the_same_on_slow_and_fast_machines(machine, slowness):
    episode = played(*WORKS)
    machine.slowness = slowness
    assert replay(episode) == episode


def test_without_the_rule_a_slower_machine_comes_to_another_verdict(machine):
    episode = played(*WORKS, env_id=NAIVE)
    assert replay(episode) == episode
    machine.slowness = 4.0
    with pytest.raises(ReplayMismatchError, match=r"seed 0: measurement 0: logged \(\), recomputed \(1,\)$"):
        replay(episode)


def test_a_machine_that_is_too_slow_for_the_rule_is_a_difference_and_no_other_score(machine):
    episode = played(*WORKS)
    machine.slowness = 5.0
    with pytest.raises(ReplayMismatchError, match=r"measurement 0: logged \(\), recomputed \(1,\)$"):
        replay(episode)


def test_a_recorded_timeout_is_not_run_again_and_all_others_are_with_more_time(machine):
    episode = played(*WORKS)
    assert machine.runs == [(work, LIMIT) for work in (1, 9, 20, 2, 3, 4, 4, 99)]
    machine.runs.clear()
    replay(episode)
    assert machine.runs == [(work, LIMIT * REPLAYED) for work in (1, 9, 2, 3, 4, 4)]


def test_a_reset_after_a_replay_measures_anew(machine):
    env = marft_envs.make(RUNNER)
    env.reset(seed=0, measurements=[(0,), (0,)])
    say(env, "1", "1")
    assert env.measurements == ((0,), (0,))
    env.reset(seed=0)
    assert env.measurements == ()
    say(env, "1", "1")
    assert env.measurements == ((), ())
    assert machine.runs == [(1, LIMIT)] * 2


@pytest.mark.parametrize("broken", [{"options": {"level": "none"}}, {"measurements": [(0,), None]}])
def test_a_reset_that_is_refused_leaves_the_episode_as_it_was(broken):
    env = marft_envs.make(RUNNER)
    env.reset(seed=0, measurements=[(), (0,)])
    say(env, "1")
    with pytest.raises(marft_envs.MarftError):
        env.reset(**{"measurements": [(0,), (0,)], **broken})
    say(env, "1")
    assert env.measurements == ((), (0,))


def test_an_unfinished_episode_is_replayed_and_may_go_on_from_there(machine):
    env = marft_envs.make(RUNNER)
    env.reset(seed=0)
    say(env, "1", "20", "5")
    begun = env.episode()
    assert begun.measurements == ((), (0,))  # of the second round nothing is committed yet
    machine.slowness = 0.1
    assert replay(begun) == begun
    env.reset(seed=0, measurements=begun.measurements)
    say(env, "1", "20", "30", "30")
    assert env.measurements == ((), (0,), (), ())
    assert machine.runs[-2:] == [(30, LIMIT)] * 2


# ---- Order -----------------------------------------------------------------------------------------------------------


def test_ready_agents_in_another_order_measure_in_the_same_order():
    orders = []
    for order in (("a_0", "b_0", "c_0"), ("c_0", "b_0", "a_0"), ("b_0", "a_0", "c_0")):
        env = scripted(
            "abc",
            dependencies_for=lambda env, round: marft_envs.Dependencies.together(env.possible_agents),
            start=lambda env, rng, options: env.measured(lambda recorded: "start"),
            view=lambda env, agent: env.measured(lambda recorded: f"view {agent} {env.round}"),
            act=lambda env, agent, action: env.measured(lambda recorded: f"act {agent} {action}") and None,
            end_round=lambda env: env.measured(lambda recorded: f"end {env.round}") and None,
        )
        for _ in range(3):
            for agent in order:
                env.select(agent)
                env.step(f"{agent}'s")
        orders.append(env.measurements)
    assert orders[0] == orders[1] == orders[2]
    acts = ("act a_0 a_0's", "act b_0 b_0's", "act c_0 c_0's")
    rounds = [
        (*(f"view {agent} {round}" for agent in ("a_0", "b_0", "c_0")), *acts, f"end {round}") for round in (0, 1)
    ]
    assert orders[0][:15] == ("start", *rounds[0], *rounds[1])
    assert orders[0][-3:] == ("view a_0 3", "view b_0 3", "view c_0 3")  # what follows a truncation is opened, too


def test_every_place_gets_what_was_recorded_there():
    seen = []

    def measure(recorded):
        seen.append(recorded)
        return "new"

    env = scripted("a", horizon=4, end_round=lambda env: env.measured(measure) and None)
    env.reset(seed=0, measurements=["one", (2, (True,))])
    say(env, "", "", "")
    assert seen == ["one", (2, (True,)), None]
    assert env.measurements == ("new", "new", "new")


# ---- Copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [FlexMG.fork, copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_measures_for_itself_and_goes_on_with_what_was_recorded(machine, copied):
    episode = played(*WORKS)
    env = marft_envs.make(RUNNER)
    env.reset(seed=0, measurements=episode.measurements)
    say(env, *WORKS[:2])
    other = copied(env)
    machine.slowness = 4.0
    say(other, *WORKS[2:])
    assert other.episode() == episode
    assert env.measurements == episode.measurements[:2]
    say(env, "2", "2 2 3")
    assert env.measurements == episode.measurements
    assert other.episode() == episode


# ---- Logs ------------------------------------------------------------------------------------------------------------

MEASUREMENTS = st.recursive(
    st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(exclude_categories=())),
    lambda parts: st.lists(parts, max_size=3).map(tuple),
    max_leaves=8,
)


def test_a_log_carries_what_was_measured_and_replays(tmp_path, machine):
    path = tmp_path / "log.jsonl"
    episodes = [played(*WORKS), play(marft_envs.make("test/solo-v0"), lambda agent, messages: "x", seed=0)]
    write_log(path, episodes)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["runtime"] == "python 3.11"
    assert lines[5]["measurements"] == [[], [0], [], [2]]
    assert "runtime" not in lines[6]
    assert "measurements" not in lines[8]
    machine.slowness = 4.0
    assert read_log(path) == episodes == [replay(one) for one in read_log(path)]


@given(measurements=st.lists(MEASUREMENTS, max_size=4))
def test_any_measurement_goes_through_a_log_unchanged(tmp_path_factory, measurements):
    path = tmp_path_factory.mktemp("logs") / "log.jsonl"
    checked = tuple(checked_measurement(one) for one in measurements)
    write_log(path, [replace(played(*WORKS), measurements=checked)])
    (episode,) = read_log(path)
    assert repr(episode.measurements) == repr(checked)  # not ==, which takes 1 for True


def edited(path, **fields):
    """Puts fields into the header or the end line of a log; returns the number of the line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 0 if "runtime" in fields else len(lines) - 1
    line = json.loads(lines[number])
    line.update(fields)
    lines[number] = json.dumps({name: value for name, value in line.items() if value != "gone"})
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture
def log(tmp_path):
    """A log with one episode."""
    path = tmp_path / "log.jsonl"
    write_log(path, [played(*WORKS)])
    return path


def test_a_log_from_before_there_were_measurements_is_read_and_told_apart(log):
    edited(log, measurements="gone")
    edited(log, runtime="gone")
    (episode,) = read_log(log)
    assert (episode.measurements, episode.runtime) == ((), "")
    with pytest.raises(ReplayMismatchError, match="measurements: logged 0, and the environment makes more"):
        replay(episode)


@pytest.mark.parametrize("runtime", [None, 3.11, ["python"], {}])
def test_a_runtime_in_a_log_is_text(log, runtime):
    edited(log, runtime=runtime)
    with pytest.raises(LogError, match=r"jsonl:1: episode.runtime is .*, not of type str; take the broken episode out"):
        read_log(log)


@pytest.mark.parametrize("measurements", [None, "x", {}, 1])
def test_measurements_in_a_log_are_a_list(log, measurements):
    edited(log, measurements=measurements)
    with pytest.raises(
        LogError, match=r"jsonl:6: end.measurements is .*, not of type list; take the broken episode out"
    ):
        read_log(log)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, 0.5, {}, {"a": 1}, [None], [[1, [2.5]]], 2**63, -(2**63), 10**4000, nested(8), nested(400)],
    ids=lambda value: f"{value!r:.20}",
)
def test_a_broken_measurement_in_a_log_is_named_by_file_and_line(log, value):
    edited(log, measurements=[[], value])
    with pytest.raises(
        LogError, match=r"jsonl:6: end.measurements: a measurement holds .*; take the broken episode out"
    ):
        read_log(log)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "1" * 10_000])
def test_a_measurement_that_python_cannot_read_is_named_by_file_and_line(log, text):
    edited(log, measurements=[42])
    log.write_text(log.read_text(encoding="utf-8").replace("[42]", f"[{text}]"), encoding="utf-8")
    with pytest.raises(LogError, match=r"jsonl:6: is no JSON"):
        read_log(log)


def test_nests_of_any_depth_are_a_typed_error(log):
    """Between what is refused here and what Python's parser refuses, recursion would end in an error of its own."""
    edited(log, measurements=[42])
    whole = log.read_text(encoding="utf-8")
    for depth in range(10, 1_100, 10):
        log.write_text(whole.replace("[42]", "[" * depth + "]" * depth), encoding="utf-8")
        with pytest.raises(LogError, match="jsonl:6: "):
            read_log(log)


# ---- Forged measurements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        (((), (), (), (2,)), "reward 1: amount: logged 0.5, recomputed 1.0"),  # 20 units are in time in a replay
        (((), (0,), (0,), (2,)), "rewards: logged 4, recomputed 3"),  # late by its own word, and paid by the log
        ((), "measurements: logged 0, and the environment makes more"),
        (((), (0,), ()), "measurements: logged 3, and the environment makes more"),
        (((), (0,), (), (2,), ()), "measurements: logged 5, and the environment makes 4"),
        (((), (0,), (), (2, 7)), r"measurement 3: logged \(2, 7\), recomputed \(2,\)"),
        (((), (0, 0), (), (2,)), r"measurement 1: logged \(0, 0\), recomputed \(0,\)"),
        (((), (False,), (), (2,)), r"measurement 1: logged \(False,\), recomputed \(0,\)"),
        ((0, (0,), (), (2,)), r"measurement 0: logged 0, recomputed \(\)"),
        (("x" * 10**6, (0,), (), (2,)), r"measurement 0: logged 'x{79}, recomputed \(\)$"),
        (((), (0,), "", (2,)), r"measurement 2: logged '', recomputed \(\)"),
        (((), (0,), ("()",), (2,)), r"measurement 2: logged \('\(\)',\), recomputed \(\)"),
    ],
)
def test_forged_measurements_are_named(forged, message):
    episode = played(*WORKS)
    with pytest.raises(ReplayMismatchError, match=f"^episode of test/runner-v0, seed 0: {message}"):
        replay(replace(episode, measurements=forged))


def test_a_difference_in_measuring_is_told_before_what_follows_from_it():
    episode = played(*WORKS)
    with pytest.raises(ReplayMismatchError, match="measurements: logged 1, and the environment makes more"):
        replay(replace(episode, measurements=((),), reward_events=()))


@pytest.mark.parametrize("broken", [None, 1.5, [0], {"a": 1}, (None,), nested(1)])
def test_an_episode_that_no_log_can_hold_is_refused_and_never_taken_for_a_first_play(broken):
    episode = replace(played(*WORKS), measurements=((), broken))
    with pytest.raises(OutcomeError, match="a measurement holds"):
        replay(episode)


def test_an_environment_may_refuse_what_it_is_handed(monkeypatch):
    def late(env, works, recorded):
        if recorded is not None:
            raise ReplayMismatchError(f"late tests are {recorded!r}; use places")
        return ()

    episode = played(*WORKS)
    monkeypatch.setattr(Runner, "late", late)
    with pytest.raises(
        ReplayMismatchError, match=r"^episode of test/runner-v0, seed 0: late tests are \(\); use places"
    ):
        replay(episode)


# ---- The runtime -----------------------------------------------------------------------------------------------------


def test_another_runtime_is_not_refused_and_the_logged_one_is_kept(monkeypatch):
    episode = played(*WORKS)
    monkeypatch.setattr(Runner, "runtime", "python 3.13")
    assert replay(episode) == episode
    assert played(*WORKS).runtime == "python 3.13"


@pytest.mark.parametrize(
    "tamper",
    [
        lambda it: replace(it, info={"x": 1}),
        lambda it: replace(it, measurements=()),
        lambda it: replace(it, reward_events=()),
        lambda it: replace(it, turns=it.turns[::-1]),
    ],
)
def test_another_runtime_is_told_as_the_likely_reason_of_a_difference(monkeypatch, tamper):
    episode = tamper(played(*WORKS))
    monkeypatch.setattr(Runner, "runtime", "python 3.13")
    reason = "; the likely reason: it was played with 'python 3.11', and this is 'python 3.13'$"
    with pytest.raises(ReplayMismatchError, match=reason):
        replay(episode)


def test_the_same_runtime_is_no_reason():
    with pytest.raises(ReplayMismatchError, match=r"recomputed \{\}$"):
        replay(replace(played(*WORKS), info={"x": 1}))


# ---- An author's mistakes --------------------------------------------------------------------------------------------


class Label(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [None, 0.5, [1], {1}, (1, None), 2**63, Label("x"), 10**5000],
    ids=["None", "float", "list", "set", "None within", "65 bits", "a kind of str", "many digits"],
)
def test_what_is_no_measurement_is_an_authors_mistake(value):
    env = scripted("a", act=lambda env, agent, action: env.measured(lambda recorded: value))
    with pytest.raises(
        OutcomeError, match=r"a measurement holds .*; use bool, int of at most 64 bits, str, and tuples"
    ):
        env.step("")


def test_tuples_are_eight_deep_at_most(tmp_path):
    deepest = ((((((((),),),),),),),)
    assert checked_measurement(deepest) == deepest
    with pytest.raises(OutcomeError, match="and tuples of these, at most 8 deep"):
        checked_measurement((deepest,))
    write_log(tmp_path / "log.jsonl", [replace(played(*WORKS), measurements=(deepest,))])
    assert read_log(tmp_path / "log.jsonl")[0].measurements == (deepest,)


def test_text_is_kept_in_whole_characters():
    env = scripted("a", act=lambda env, agent, action: env.measured(lambda recorded: ("\ud800é",)) and None)
    env.step("")
    assert env.measurements == (("\ufffdé",),)


def test_the_hook_gets_what_is_recorded():
    got = []
    env = scripted("a", act=lambda env, agent, action: got.append(env.measured(lambda recorded: "\ud800")))
    env.step("")
    assert got == ["\ufffd"]


def test_measuring_between_rounds_is_refused_for_no_replay_would_repeat_it():
    env = scripted("ab", horizon=1)
    with pytest.raises(TurnError, match="measures while no round begins or ends"):
        env.measured(lambda recorded: 1)
    env.step("")
    with pytest.raises(TurnError, match="call measured in start, act or end_round"):
        env.measured(lambda recorded: 1)
    env.step("")
    assert env.truncated
    with pytest.raises(TurnError, match="Scripted measures while"):
        env.measured(lambda recorded: 1)
    with pytest.raises(TurnError, match="Runner measures while"):
        Runner().measured(lambda recorded: 1)


def test_measuring_within_a_measurement_is_refused():
    env = scripted("a", act=lambda env, agent, action: env.measured(lambda _: env.measured(lambda _: 1)))
    with pytest.raises(OutcomeError, match="measures within a measurement; call measured once for both"):
        env.step("")


def test_before_the_first_reset_nothing_was_measured():
    assert Runner().measurements == ()
