"""What follows from an episode's turns: how long it took, who held it up, who read what.

1. Rounds and the clock, by hand.
2. What is read, against what agents were told.
3. No schedule is shorter than the critical path, and none longer than one at a time.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marft_envs import Dependencies, Profile, timing
from marft_envs.course import reads
from tests.envs.conftest import Lottery, scripted
from tests.envs.test_clock import FreeLottery, free, step

S = 1_000_000
SEEDS = st.integers(0, 2**32)


# ---- 1. By hand ------------------------------------------------------------------------------------------------------


def test_a_round_in_which_one_reads_two_takes_as_long_as_the_slower_of_them_and_the_reader():
    team = [Profile("a", base_us=2 * S, per_char_us=0), Profile("b", base_us=5 * S, per_char_us=0)]
    team.append(Profile("c", base_us=S, per_char_us=0))
    env = scripted(
        "abc",
        horizon=1,
        base={"team": team},
        dependencies_for=lambda env, round: Dependencies(env.possible_agents, [("a_0", "c_0"), ("b_0", "c_0")]),
    )
    for words in ("aa", "bbbbb", "c"):
        env.step(words)
    found = timing(env.episode())
    assert (found.makespan_us, found.work_us) == (6 * S, 8 * S)
    assert found.speed_up == pytest.approx(8 / 6)
    assert (found.critical_path, found.critical_path_us) == ((1, 2), 6 * S)
    assert found.unread == (2,)
    by_agent = {agent: (one.turns, one.chars, one.working_us // S) for agent, one in found.agents.items()}
    assert by_agent == {"a_0": (1, 2, 2), "b_0": (1, 5, 5), "c_0": (1, 1, 1)}
    spare = {agent: (one.waiting_us // S, one.idle_us // S) for agent, one in found.agents.items()}
    assert spare == {"a_0": (0, 4), "b_0": (0, 1), "c_0": (5, 0)}
    assert found.agents["c_0"].staleness_us == (3 + 0) / 2 * S


def test_what_is_recalled_in_a_later_round_is_read_once():
    env = scripted("abc", horizon=3, dependencies_for=lambda env, round: Dependencies.chain(env.possible_agents))
    while env.ready:
        env.step("hm")
    read = reads(env.episode())
    assert read[:6] == [(), (0,), (1,), (1, 2), (2, 3), (0, 4)]


def test_what_nobody_recalls_is_not_read():
    env = scripted(
        "ab", horizon=2, recall="parents", dependencies_for=lambda env, round: Dependencies.together(["a_0", "b_0"])
    )
    while env.ready:
        env.step("hm")
    found = timing(env.episode())
    assert found.unread == (0, 1, 2, 3)
    assert found.critical_path_us == 2 * 1020


def test_on_the_clock_waiting_is_no_message_and_what_comes_while_an_agent_acts_is_missed():
    env = free("abc", horizon=4)
    step(env, ("a_0", "wait for b"), ("b_0", "news"), ("c_0", "later"))
    while env.ready:
        env.step("on")
    episode = env.episode()
    found = timing(episode)
    assert [turn.action for turn in episode.turns][:4] == ["wait for b", "news", "on", "later"]
    assert 0 not in found.unread
    assert found.agents["a_0"].waiting_us == 1 * S  # from 1 to 2
    assert found.agents["c_0"].missed == 3  # b at 2 while its first turn lasted; a at 4 and b at 4 in its second
    assert found.agents["b_0"].staleness_us == 0


def test_an_episode_without_turns_has_figures_too():
    env = free("ab")
    found = timing(env.episode())
    assert (found.makespan_us, found.work_us, found.critical_path, found.unread) == (0, 0, (), ())
    assert found.speed_up == 1
    assert found.agents["a_0"].turns == 0


# ---- 2. and 3. Whatever is played ------------------------------------------------------------------------------------


@given(SEEDS, st.sampled_from(["rounds", "clock", "parents"]))
@settings(max_examples=90)
def test_a_turn_has_read_what_its_agent_was_told_since_its_turn_before(seed, kind):
    env = FreeLottery() if kind == "clock" else Lottery(recall="parents" if kind == "parents" else "team")
    env.reset(seed=seed)
    told: dict[str, list[set[str]]] = {agent: [] for agent in env.possible_agents}
    known: dict[str, int] = dict.fromkeys(env.possible_agents, 0)
    count = 0
    while env.ready:
        agent = env.agent_selection
        messages = env.messages(agent)
        told[agent].append({message["content"] for message in messages[known[agent] :] if "name" in message})
        known[agent] = len(messages)
        env.step(f"word {count}")
        count += 1
    episode = env.episode()
    numbers = dict.fromkeys(env.possible_agents, 0)
    for turn, read in zip(episode.turns, reads(episode), strict=True):
        assert {episode.turns[other].action for other in read} == told[turn.agent][numbers[turn.agent]]
        assert len(set(read)) == len(read)
        numbers[turn.agent] += 1


@given(SEEDS, st.booleans())
@settings(max_examples=90)
def test_the_makespan_lies_between_the_critical_path_and_one_at_a_time(seed, on_clock):
    env = FreeLottery() if on_clock else Lottery()
    env.reset(seed=seed)
    while env.ready:
        env.step("x" * (seed % 7))
    episode = env.episode()
    found = timing(episode)
    durations = [turn.finish_us - turn.start_us for turn in episode.turns]
    assert found.critical_path_us == sum(durations[index] for index in found.critical_path)
    assert found.critical_path_us <= found.makespan_us
    assert found.work_us == sum(one.working_us for one in found.agents.values())
    for one in found.agents.values():
        assert one.working_us + one.waiting_us + one.idle_us == found.makespan_us
        assert min(one.working_us, one.waiting_us, one.idle_us) >= 0
    for earlier, later in zip(found.critical_path, found.critical_path[1:], strict=False):
        assert episode.turns[earlier].finish_us <= episode.turns[later].start_us
    if not on_clock:
        assert found.makespan_us <= found.work_us
