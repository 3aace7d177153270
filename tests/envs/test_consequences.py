"""Profiles with consequences: latency, whom an agent hears, what turns cost, and members who are drawn.

1. Words take their time: in rounds and on the clock.
2. An agent hears those alone whom its profile names, and waits for nobody else.
3. Turns cost what profiles say, and who pays follows from whether interests differ.
4. A member with variants is drawn by the episode's seed, and those of the test split are met in no training.
5. All that the base class promises holds with all of it together.
6. Examples are what an agent reads first; nobody else does, and they are no turns.
"""

from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marft_envs
from marft_envs import Dependencies, Example, Outcome, Profile
from marft_envs.errors import TeamFileError
from marft_envs.profiles import Variants
from tests.envs.conftest import Lottery, Scripted, registered, returns, say, scripted, text
from tests.envs.test_clock import FreeLottery, free, played, step, turns

S = 1_000_000


def team(*profiles: Profile) -> dict[str, object]:
    return {"team": profiles}


def timed(role: str, seconds: int = 1, **fields: object) -> Profile:
    """A profile whose turns take so many seconds, whatever it writes."""
    return Profile(role, base_us=seconds * S, per_char_us=0, **fields)


# ---- 1. Latency ------------------------------------------------------------------------------------------------------


def test_in_rounds_a_child_begins_when_the_words_of_its_last_parent_have_reached_it():
    env = scripted(base=team(timed("a", latency_us=5 * S), timed("b", 3), timed("c")), horizon=1)
    say(env, "one", "two", "three")
    # a acts from 0 to 1 and is heard at 6; b acts from 6 to 9; c has heard both at 9.
    assert turns(env) == [("a_0", 0, 1), ("b_0", 6, 9), ("c_0", 9, 10)]


def test_a_round_opens_when_all_that_was_said_in_the_one_before_has_been_heard():
    env = scripted(base=team(timed("a"), timed("b", latency_us=2 * S)), horizon=2, dependencies_for=_together)
    say(env, "one", "two", "three", "four")
    assert turns(env) == [("a_0", 0, 1), ("b_0", 0, 1), ("a_0", 3, 4), ("b_0", 3, 4)]


def test_what_a_round_pays_is_paid_as_its_last_turn_ends_not_when_that_is_heard():
    env = scripted(base=team(timed("a", latency_us=2 * S)), horizon=1, end_round=lambda _: Outcome(rewards=1.0))
    say(env, "one")
    assert [event.time_us for event in env.reward_events] == [S]


def _together(env, round):
    return Dependencies.together(env.possible_agents)


def test_on_the_clock_words_are_heard_in_the_first_turn_that_opens_after_their_latency():
    env = free(base=team(timed("a", latency_us=1_500_000), timed("b")))
    step(env, ("a_0", "late"), ("b_0", "quick"))
    assert "quick" in text(env, "a_0")
    for _ in range(2):  # those of b that open at 1 and 2 seconds; the words come at 2.5
        assert "late" not in text(env, "b_0")
        step(env, ("a_0", "more"), ("b_0", "quick"))
    assert "a_0:\n> late" in text(env, "b_0")
    assert env.turns[0].agent == "a_0"
    step(env, ("b_0", "heard"), ("a_0", "more"))
    (heard,) = [turn for turn in env.turns if turn.action == "heard"]
    assert heard.parents == (0,)


def test_who_waits_is_woken_when_the_words_arrive():
    env = free(base=team(timed("a", latency_us=4 * S), timed("b")))
    step(env, ("a_0", "late"), ("b_0", "wait for a_0"))
    while "b_0" not in env.ready:
        step(env, ("a_0", "wait"))
    step(env, ("b_0", "heard"))
    while env.ready:
        step(env, (env.ready[0], "wait"))
    assert ("b_0", 5, 6) in turns(env)


def test_words_that_are_on_their_way_at_the_end_reach_nobody():
    env = free(base=team(timed("a", latency_us=60 * S), timed("b")), horizon=2)
    while env.ready:
        step(env, (env.ready[0], "hm"))
    assert env.truncated
    assert "a_0" not in text(env, "b_0")


# ---- 2. Hearing ------------------------------------------------------------------------------------------------------


def test_who_does_not_hear_another_neither_waits_for_it_nor_ever_reads_it():
    env = scripted(base=team(timed("a"), timed("b"), timed("c", hears=("b",))), horizon=2)
    assert env.dependencies.edges == (("a_0", "b_0"), ("b_0", "c_0"))
    say(env, "one", "two", "three", "four", "five", "six")
    assert "two" in text(env, "c_0")
    assert not any(word in text(env, "c_0") for word in ("one", "four"))
    assert "c_0:\n> three" in text(env, "a_0")  # and is heard itself


def test_hearing_nobody_is_acting_alone():
    env = scripted(base=team(timed("a"), timed("b", hears=())))
    assert env.ready == ("a_0", "b_0")
    say(env, "one", "two", "three")
    assert env.messages("b_0") == [{"role": "assistant", "content": "two"}]


def test_on_the_clock_too_words_reach_those_alone_who_hear_them():
    env = free("abc", base=team(timed("a"), timed("b", hears=["a_0"]), timed("c", hears=())))
    step(env, ("a_0", "of a"), ("b_0", "of b"), ("c_0", "of c"))
    assert [word in text(env, "b_0") for word in ("> of a", "> of b", "> of c")] == [True, True, False]
    assert env.messages("c_0") == [{"role": "assistant", "content": "of c"}]
    assert "b_0:\n> of b" in text(env, "a_0")


def test_what_nobody_could_hear_counts_as_unread():
    env = scripted(base=team(timed("a", hears=()), timed("b")), horizon=2)
    say(env, "one", "two", "three", "four")
    # b reads one and three; nobody reads two, and four is the last.
    assert marft_envs.timing(env.episode()).unread == (1, 3)
    assert env.episode().hears == {"a_0": ()}


def test_what_an_agent_could_never_hear_it_has_not_missed():
    env = free("abc", base=team(timed("a"), timed("b", 3, hears=("c",)), timed("c", 2)))
    step(env, ("a_0", "one"), ("b_0", "two"), ("c_0", "three"), ("a_0", "four"), ("a_0", "five"))
    step(env, ("c_0", "six"))
    assert turns(env)[-1] == ("b_0", 0, 3)  # while a ended turns at 1 and 2, and c at 2
    assert marft_envs.timing(env.episode()).agents["b_0"].missed == 1


def test_to_hear_somebody_who_is_not_on_the_team_is_refused():
    with pytest.raises(
        TeamFileError, match="profile 'a': it hears 'c', who is not on the team; its agents are a_0, b_0"
    ):
        Scripted(**team(Profile("a", hears=("c",)), Profile("b")))


@pytest.mark.parametrize("split", ["train", "test"])
def test_whom_a_variant_hears_is_checked_before_it_is_drawn(split):
    deaf = Profile("a", hears=("c",))
    train = (*[Profile("a")] * 50, *([deaf] if split == "train" else []))
    member = Variants(train=train, test=(deaf,) if split == "test" else ())
    with pytest.raises(TeamFileError, match="it hears 'c', who is not on the team; its agents are a_0, b_0"):
        Scripted(team=(member, Profile("b")))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"latency_us": -1}, "latency_us is -1; use a whole number, at least 0"),
        ({"hears": "b"}, "hears is 'b'; use a list of agents or roles"),
        ({"hears": ("",)}, r"hears is \(''\,\)"),
        ({"hears": (1,)}, r"hears is \(1,\)"),
        ({"cost_per_turn": -0.1}, "cost_per_turn is -0.1; use a finite number, at least 0"),
        ({"cost_per_char": float("nan")}, "cost_per_char is nan"),
        ({"cost_per_char": True}, "cost_per_char is True"),
        ({"cost_per_turn": float("inf")}, "cost_per_turn is inf"),
        (
            {"cost_per_char": 1e308},
            r"cost_per_char is 1e\+308; use a finite number, at least 0 and at most 1,000,000,000",
        ),
        ({"cost_per_turn": 10**5000}, "cost_per_turn is a value of type int"),
        ({"base_us": 10**400}, "base_us is 1000000.*; use at most 1,000,000,000,000 microseconds"),
        ({"per_char_us": 10**13}, "per_char_us is 10000000000000; use at most"),
        ({"latency_us": 10**5000}, "latency_us is a value of type int"),
    ],
)
def test_a_consequence_outside_its_range_is_refused_with_its_rule(fields, message):
    with pytest.raises(TeamFileError, match=message):
        Profile("a", **fields)


# ---- 3. Cost ---------------------------------------------------------------------------------------------------------


class Paid(Scripted):
    """Everybody wants the same."""


class Bargain(Scripted):
    """Interests differ."""

    mixed_motives = True


COSTLY = team(timed("a", cost_per_turn=0.5), timed("b", cost_per_char=0.125), timed("c"))


def test_a_turns_cost_is_taken_off_everybodys_reward():
    env = Paid(horizon=1, hooks={"end_round": lambda _: Outcome(rewards=2.0)}, **COSTLY)
    env.reset(seed=0)
    say(env, "one", "four", "no matter")
    # 2 - 0.5 for the turn of a - 4 * 0.125 for the characters of b
    assert returns(env) == {"a_0": 1.0, "b_0": 1.0, "c_0": 1.0}
    assert [(event.turn, event.amount) for event in env.reward_events if event.agent == "c_0"] == [
        (0, -0.5),
        (1, -0.5),
        (2, 2.0),
    ]


def test_where_interests_differ_everybody_pays_for_its_own_turns():
    env = Bargain(horizon=1, hooks={"end_round": lambda _: Outcome(rewards=2.0)}, **COSTLY)
    env.reset(seed=0)
    say(env, "one", "four", "no matter")
    assert returns(env) == {"a_0": 1.5, "b_0": 1.5, "c_0": 2.0}


def test_what_was_dropped_costs_nothing():
    env = scripted(base=team(timed("a", cost_per_char=0.5, max_action_chars=2)), horizon=1)
    say(env, "a long speech")
    assert returns(env) == {"a_0": -1.0}


def test_on_the_clock_waiting_is_a_turn_that_costs_too():
    env = free(base=team(timed("a", cost_per_turn=0.25), timed("b", 5)), horizon=4)
    step(env, ("a_0", "hm"), ("a_0", "wait"), ("b_0", "hm"))
    assert returns(env) == {"a_0": -0.5, "b_0": -0.5}


# ---- 4. Variants -----------------------------------------------------------------------------------------------------

SCOUTS = Variants(train=(timed("scout", 1), timed("scout", 2)), test=(timed("scout", 3), timed("scout", 4)))


class Crowd(Scripted):
    """A team with members who are drawn; the instance is a number."""

    metadata: ClassVar = {"name": "crowd_v0"}

    def __init__(self, *, horizon: int = 1, **base):
        base.setdefault("team", (SCOUTS, timed("guide"), SCOUTS))
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.number = int(rng.integers(10**6))

    def instance_key(self):
        return str(self.number)


def paces(split, seeds=range(60), **options):
    env = Crowd(split=split, **options)
    drawn = set()
    for seed in seeds:
        env.reset(seed=seed)
        assert env.profiles["guide_0"] == timed("guide")
        drawn.add(tuple([env.profiles[agent].base_us // S for agent in ("scout_0", "scout_1")]))
    return drawn


def test_every_episode_draws_its_members_and_those_of_the_test_split_are_others():
    assert paces("train") == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert paces("test") == {(3, 3), (3, 4), (4, 3), (4, 4)}


def test_without_others_for_the_test_the_same_play():
    member = Variants(train=SCOUTS.train)
    assert paces("test", team=(member, timed("guide"), member)) == paces("train")


def test_the_seed_decides_whatever_was_played_before():
    env, other = Crowd(), Crowd()
    other.reset(seed=3)
    for seed in (5, 3, 5):
        env.reset(seed=seed)
        other.reset(seed=seed)
        assert env.profiles == other.profiles


def test_the_instance_is_the_same_whoever_plays_it():
    drawn, fixed = Crowd(), Crowd(team=(timed("scout"), timed("guide"), timed("scout")))
    for seed in range(20):
        drawn.reset(seed=seed)
        fixed.reset(seed=seed)
        assert drawn.number == fixed.number


def test_the_state_tells_who_plays_and_agents_are_told_nothing_of_it():
    env = Crowd()
    env.reset(seed=0)
    assert f"scout_1: {env.profiles['scout_1']}" in env.state()
    assert env.messages("guide_0") == []


def test_turns_take_as_long_as_the_drawn_members_take():
    env = Crowd(split="test")
    env.reset(seed=1)
    say(env, "one", "two", "three")
    assert [turn.finish_us - turn.start_us for turn in env.turns] == [
        env.profiles[agent].base_us for agent in ("scout_0", "guide_0", "scout_1")
    ]


def test_whom_an_agent_hears_can_be_drawn_too():
    deaf = Variants(train=(timed("b"), timed("b", hears=())))
    env = Crowd(team=(timed("a"), deaf))
    edges = set()
    for seed in range(20):
        env.reset(seed=seed)
        edges.add(env.dependencies.edges)
    assert edges == {(), (("a_0", "b_0"),)}


def test_episodes_with_drawn_members_replay_from_their_log(tmp_path):
    with registered("test/crowd-v0", Crowd) as env_id:
        members = (SCOUTS, timed("guide"), SCOUTS)
        env = marft_envs.make(env_id, split="test", team=members)
        episodes = []
        for seed in range(4):
            env.reset(seed=seed)
            say(env, "one", "two", "three")
            episodes.append(env.episode())
        marft_envs.write_log(tmp_path / "log.jsonl", episodes)
        back = list(marft_envs.read_log(tmp_path / "log.jsonl"))
        assert back == episodes
        for episode in back:
            assert marft_envs.replay(episode) == episode
            assert episode.options["team"] == members


def test_a_spec_holds_variants():
    with registered("test/crowd-v0", Crowd) as env_id:
        env = marft_envs.make(env_id, team=(SCOUTS, timed("guide", hears=("scout",))))
        text = marft_envs.EnvSpec("test/crowd-v0", "tests.envs.test_consequences:Crowd", env.spec.kwargs).to_json()
        assert marft_envs.EnvSpec.from_json(text).kwargs["team"] == (SCOUTS, timed("guide", hears=("scout",)))


def test_a_team_file_can_hold_variants(tmp_path):
    path = tmp_path / "crowd.yaml"
    path.write_text(
        """
agents:
  - role: scout
    per_char_us: 0
    variants:
      train: [{base_us: 1000000}, {base_us: 2000000}]
      test:
        - base_us: 3000000
        - base_us: 4000000
  - {role: guide, base_us: 1000000, per_char_us: 0, hears: [scout], cost_per_turn: 0.5}
"""
    )
    env = Crowd(team=path, split="test")
    env.reset(seed=0)
    assert env.profiles["scout_0"] in SCOUTS.test
    assert env.profiles["guide_0"] == timed("guide", hears=("scout",), cost_per_turn=0.5)


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("[]", r"agent 1: variants is \[\]; write a mapping with 'train'"),
        ("{}", "agent 1: variants has no profile under 'train'"),
        ("{test: [{base_us: 1}]}", "variants has no profile under 'train'"),
        ("{trian: [{base_us: 1}]}", "agent 1, variants: unknown field 'trian'; did you mean 'train'"),
        ("{train: {base_us: 1}}", "agent 1, variants, train: is .*; write a list of mappings"),
        ("{train: [{base_us: 1}, {base_us: 0}]}", "agent 1, variants, train 2: profile 'a': base_us is 0"),
        ("{train: [{role: b}, {base_us: 2}]}", "the variants of 'b' differ in role or answers"),
        ("{train: [{}], test: [{answers: true}]}", "differ in role or answers"),
    ],
)
def test_a_mistake_in_variants_names_agent_and_rule(tmp_path, variants, message):
    path = tmp_path / "team.yaml"
    path.write_text(f"agents: [{{role: a, variants: {variants}}}]")
    with pytest.raises(TeamFileError, match=rf"team\.yaml: .*{message}"):
        Scripted(team=path)


# ---- 5. All of it together -------------------------------------------------------------------------------------------


def mixed_team(draw, size):
    """Profiles with every consequence that there is."""
    names = [f"p_{k}" for k in range(size)]
    hears = st.none() | st.lists(st.sampled_from([*names, "p"]), max_size=size).map(tuple)
    profile = st.builds(
        Profile,
        st.just("p"),
        base_us=st.integers(1, 4).map(lambda halves: halves * 500_000),
        per_char_us=st.sampled_from([0, 60_000]),
        latency_us=st.sampled_from([0, 0, 1, 500_000, 2_000_000]),
        hears=hears,
        cost_per_turn=st.sampled_from([0.0, 0.25]),
        cost_per_char=st.sampled_from([0.0, 0.125]),
    )
    fixed = [draw(profile) for _ in range(size - 1)]
    return (*fixed, Variants(train=(draw(profile), draw(profile))))


@given(st.data(), st.integers(0, 2**32), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("environment", [Lottery, FreeLottery])
def test_with_all_of_it_batches_and_any_order_have_one_outcome_which_replays(environment, data, seed, size, drawn):
    profiles = mixed_team(data.draw, size)

    def fresh():
        env = environment(team=profiles)
        env.reset(seed=seed)
        return env

    expected = played(fresh(), lambda ready: ready[:1])
    assert played(fresh(), lambda ready: ready) == expected
    assert played(fresh(), lambda ready: drawn.sample(ready, drawn.randint(1, len(ready)))) == expected
    with registered("test/mixed-v0", environment) as env_id:
        env = marft_envs.make(env_id, team=profiles)
        env.reset(seed=seed)
        episode = played(env, lambda ready: ready[::-1])[3]
        assert marft_envs.replay(episode) == episode


@given(st.data(), st.integers(0, 2**32), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_on_the_clock_a_turn_holds_exactly_what_has_reached_its_agent_by_its_start(data, seed, size):
    env = FreeLottery(team=mixed_team(data.draw, size))
    env.reset(seed=seed)
    count = 0
    heard = {agent: [] for agent in env.possible_agents}
    while env.ready:
        agent = env.agent_selection
        heard[agent].append(text(env, agent))
        env.step(f"word-{count};")
        count += 1
    numbered = {agent: iter(texts) for agent, texts in heard.items()}
    for turn in sorted(env.turns, key=lambda turn: turn.start_us):
        read = next(numbered[turn.agent])
        hears = env.profiles[turn.agent].hears
        for other in env.turns:
            reaches = hears is None or other.agent in hears or "p" in hears
            is_known = other.finish_us + env.profiles[other.agent].latency_us <= turn.start_us and reaches
            if other.agent != turn.agent:
                assert (other.action in read) == is_known, (turn, other)
                assert (other.index in turn.parents) <= is_known


def test_the_conformance_suite_knows_all_of_it():
    names = ["dependencies decide who sees what", "order of ready agents", "liveness", "replay elsewhere", "fork"]
    profiles = (
        Profile("a", latency_us=300_000),
        Profile("b", base_us=3 * S, hears=("a",), latency_us=2 * S),
        Profile("c", hears=(), cost_per_turn=0.125),
    )
    with registered("test/free-game-v0", "tests.envs.test_clock:FreeGame") as env_id:
        report = marft_envs.check_env(env_id, only=names, options={"team": profiles})
    assert report.passed, report
    roles = tuple(Profile("p", hears=("p_0",), latency_us=k) for k in range(3))
    with registered("test/lottery-v0", Lottery) as env_id:
        report = marft_envs.check_env(env_id, only=names, options={"team": roles})
    assert report.passed, report


# ---- 6. Examples -----------------------------------------------------------------------------------------------------


def test_examples_stand_behind_the_system_text_as_turns_of_the_agent_s_own():
    shown = [Example("One?", "two"), Example("Two?", "three")]
    env = scripted(
        base=team(timed("a", system="Count.", examples=shown), timed("b")),
        view=lambda env, agent: "Three?" * (agent == "a_0"),
    )
    assert env.messages("a_0") == [
        {"role": "system", "content": "Count."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "three"},
        {"role": "user", "content": "Three?"},
    ]
    assert text(env, "a_0") == "Count.\n\nOne?\n\nyou:\n> two\n\nTwo?\n\nyou:\n> three\n\nThree?"
    assert text(env, "b_0") == "" and env.messages("b_0") == []  # they are one agent's, and no turns
    say(env, "four", "five")
    assert {"role": "assistant", "content": "four"} in env.messages("a_0")
    assert not any(word in text(env, "b_0") for word in ("One?", "three"))
    assert [turn.action for turn in env.episode().turns] == ["four", "five"]


def test_an_episode_is_replayed_with_its_examples(tmp_path):
    shown = Profile("a", examples=(Example("Hm?", "1"),))
    two = (shown, Profile("b", answers=True))
    env = marft_envs.make("collab/sum_relay-v0", team=two)
    episode = marft_envs.play(env, lambda agent, messages: messages[1]["content"] if len(messages) > 2 else "0")
    marft_envs.write_log(tmp_path / "log.jsonl", [episode])
    (read,) = marft_envs.read_log(tmp_path / "log.jsonl")
    assert read == episode
    assert read.options["team"] == two
    assert marft_envs.replay(read) == episode
