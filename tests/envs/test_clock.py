"""The clock: agents act at their own pace, and the outcome follows from their actions alone.

1. An agent's next turn opens when its last one has ended, and holds all that had been said by then.
2. Ready agents may be asked in batches and submitted in any order, with the same outcome, told and booked alike.
3. Waiting, being busy, beginning late, being retired.
4. Events: when they come, what they pay, what they see.
5. The end: the horizon, turns that are left unfinished, what would have followed.
6. Liveness, forks, pickles, replay and logs.
7. Mistakes are typed errors.
"""

import json
import pickle
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from time import perf_counter
from typing import ClassVar, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marft_envs
from marft_envs import ClockMG, Outcome, Profile, check_env
from marft_envs.errors import LogError, OptionError, ReplayMismatchError, TurnError
from marft_envs.flex_mg import BaseOptions
from marft_envs.pace import waited_for
from tests.envs.conftest import registered

S = 1_000_000
SEEDS = st.integers(0, 2**32)


class Free(ClockMG):
    """A clock whose hooks are functions of (environment, the hook's own arguments).

    Turns take a second for each agent, two for the next, and so on; characters take no time.
    """

    metadata: ClassVar = {"name": "free_v0"}

    def __init__(self, roles="ab", *, horizon=10, hooks=None, **base: Unpack[BaseOptions]):
        team = tuple(Profile(role, base_us=place * S, per_char_us=0) for place, role in enumerate(roles, start=1))
        base.setdefault("team", team)
        super().__init__(horizon=horizon, **base)
        self.hooks = hooks or {}

    def _ask(self, hook, *arguments):
        return self.hooks[hook](self, *arguments) if hook in self.hooks else getattr(super(), hook)(*arguments)

    def start(self, rng, options):
        self._ask("start", rng, options)

    def begins_us(self, agent):
        return self._ask("begins_us", agent)

    def hidden(self):
        return self._ask("hidden")

    def view(self, agent):
        return self._ask("view", agent)

    def act(self, agent, action):
        return self._ask("act", agent, action)

    def happen(self, event):
        return self._ask("happen", event)


def free(roles="ab", *, horizon=10, base=None, **hooks):
    env = Free(roles, horizon=horizon, hooks=hooks, **(base or {}))
    env.reset(seed=0)
    return env


class FreeLottery(ClockMG):
    """Everything is drawn: paces, events, who is busy, retired or late, rewards, feedback, whether it is over."""

    metadata: ClassVar = {"name": "free_lottery_v0"}

    def __init__(self, *, horizon: int = 6, num_agents: int = 4, **base: Unpack[BaseOptions]):
        base.setdefault(
            "team",
            tuple(
                Profile("p" if k % 2 else "q", base_us=(k + 1) * 500_000, per_char_us=(7 * k) % 3 * 60_000)
                for k in range(num_agents)
            ),
        )
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.prize = int(rng.integers(1, 100))
        for _ in range(rng.integers(3)):
            self.at(int(rng.integers(1, 8 * S)), "bell")

    def begins_us(self, agent):
        return int(self.rng.choice([0, 0, 0, 500_000, 7 * S]))

    def hidden(self):
        return str(self.rng.integers(3))

    def view(self, agent):
        return f"{agent} drew {self.rng.integers(100)} at {self.now_us}" if self.rng.random() < 0.7 else ""

    def act(self, agent, action):
        drawn = self.rng.random()
        if drawn < 0.2:
            self.at(self.now_us + int(self.rng.choice([1, 250_000, 500_000])), f"after {agent}")
        elif drawn < 0.4:
            other = str(self.rng.choice(self.possible_agents))
            self.busy(other, int(self.rng.choice([1, 500_000, 3 * S])))
        elif drawn < 0.45:
            self.retire(agent)
        paid = int(self.rng.integers(-2, 3))
        told = f"{agent} wrote {len(action)} characters, drew {paid}" if self.rng.random() < 0.5 else None
        return Outcome(
            rewards={agent: paid / 4},
            feedback=told,
            info={"prize": self.prize + paid},
            terminated=bool(self.rng.random() < 0.05),
        )

    def happen(self, event):
        lucky = str(self.rng.choice(self.possible_agents))
        return Outcome(rewards={lucky: 0.25}, feedback={lucky: event}, terminated=bool(self.rng.random() < 0.05))


def writes(env, agent):
    """What an agent writes in the lottery: it follows from what the agent can read."""
    drawn = random.Random(f"{env.episode_seed} {agent} {env.observe(agent)['text']}")
    acts = ["wait", "Wait for p.", "wait for q_0", "wait for nobody", "", "x" * drawn.randrange(20), "y" * 3000]
    return drawn.choice(acts)


def lottery(seed, **options):
    env = FreeLottery(**options)
    env.reset(seed=seed)
    return env


def played(env, order):
    """Plays; `order` says who of the ready is asked in one batch, and in which order they are submitted.

    Returns what each agent had been told in each of its turns that counts, and everything in the end.
    """
    told = {agent: [] for agent in env.possible_agents}
    while env.ready:
        asked = {agent: (env.observe(agent)["text"], writes(env, agent)) for agent in order(env.ready)}
        for agent, (text, action) in asked.items():
            if agent in env.ready:
                told[agent].append(text)
                env.select(agent)
                env.step(action)
    counts = Counter(turn.agent for turn in env.turns)
    return (
        {agent: texts[: counts[agent]] for agent, texts in told.items()},
        {agent: (env.observe(agent), env.messages(agent), env.infos[agent]) for agent in env.possible_agents},
        env.state(),
        env.episode(),
        env.render(),
    )


def first(ready):
    return ready[:1]


def turns(env):
    """(agent, start, finish) in seconds, in the order of commits."""
    return [(turn.agent, turn.start_us / S, turn.finish_us / S) for turn in env.turns]


def step(env, *actions):
    for agent, action in actions:
        env.select(agent)
        env.step(action)


# ---- 1. Turns and what they hold -------------------------------------------------------------------------------------


def test_a_turn_opens_when_the_last_one_has_ended_whatever_the_others_do():
    env = free("ab", horizon=4)
    while env.ready:
        env.step("hm")
    assert turns(env) == [
        ("a_0", 0, 1),
        ("a_0", 1, 2),
        ("b_0", 0, 2),
        ("a_0", 2, 3),
        ("a_0", 3, 4),
        ("b_0", 2, 4),
    ]
    assert [turn.round for turn in env.turns] == [0, 1, 1, 2, 3, 3]  # turns that end at once share an instant


def test_a_turn_holds_what_was_said_before_it_opened_and_not_what_is_said_meanwhile():
    env = free("ab", horizon=4, view=lambda env, agent: f"{agent}, it is {env.now_us / S:g}")
    step(env, ("a_0", "one"), ("a_0", "two"))  # b may still say anything
    assert env.observe("b_0")["text"] == "b_0, it is 0"
    assert env.observe("a_0")["text"] == "a_0, it is 0\n\nyou:\n> one\n\na_0, it is 1\n\nyou:\n> two"
    step(env, ("b_0", "long"))
    assert env.now_us == 2 * S
    text = "b_0, it is 0\n\nyou:\n> long\n\na_0:\n> one\n\na_0:\n> two\n\nb_0, it is 2"
    assert env.observe("b_0")["text"] == text
    assert env.observe("a_0")["text"].endswith("> two\n\nb_0:\n> long\n\na_0, it is 2")


def test_parents_are_the_turns_whose_words_are_new_in_a_turn():
    env = free("ab", horizon=4)
    while env.ready:
        env.step("hm")
    indices = {(turn.agent, turn.start_us // S): turn.index for turn in env.turns}
    parents = {(turn.agent, turn.start_us // S): turn.parents for turn in env.turns}
    assert parents == {
        ("a_0", 0): (),
        ("a_0", 1): (),
        ("b_0", 0): (),
        ("b_0", 2): (indices["a_0", 0], indices["a_0", 1]),
        ("a_0", 2): (indices["b_0", 0],),
        ("a_0", 3): (),
    }


@given(SEEDS)
@settings(max_examples=60)
def test_everybody_has_heard_all_that_had_been_said_by_the_start_of_its_turn_and_nothing_else(seed):
    env = lottery(seed)
    count = 0
    heard = []
    while env.ready:
        agent = env.agent_selection
        heard.append((agent, len(env.messages(agent)), env.observe(agent)["text"]))
        env.step(f"word-{count};")
        count += 1
    by_agent = {agent: iter([text for other, _, text in heard if other == agent]) for agent in env.possible_agents}
    for turn in sorted(env.turns, key=lambda turn: turn.start_us):
        text = next(by_agent[turn.agent])
        for other in env.turns:
            is_known = other.finish_us <= turn.start_us
            assert (other.action in text) == is_known, (turn, other)
            if other.agent != turn.agent:
                assert (other.index in turn.parents) <= is_known


def test_time_passes_by_the_characters_that_were_recorded():
    team = [Profile("a", base_us=10, per_char_us=3, max_action_chars=4)]
    env = free(base={"team": team})
    step(env, ("a_0", "abcdefgh"), ("a_0", "ab"))
    assert [(turn.start_us, turn.finish_us, turn.shortened) for turn in env.turns] == [(0, 22, 4), (22, 38, 0)]


# ---- 2. Any order ----------------------------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 6), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_batches_and_any_order_of_submission_have_the_outcome_of_one_at_a_time(seed, num_agents, drawn):
    expected = played(lottery(seed, num_agents=num_agents), first)
    for order in (
        lambda ready: ready,
        lambda ready: ready[::-1],
        lambda ready: drawn.sample(ready, len(ready)),
        lambda ready: drawn.sample(ready, drawn.randint(1, len(ready))),
    ):
        assert played(lottery(seed, num_agents=num_agents), order) == expected


def test_an_instant_waits_for_whoever_could_still_end_before_it_or_at_it():
    env = free("ab")
    step(env, ("a_0", "first"))
    assert [turn.agent for turn in env.turns] == ["a_0"]  # b cannot end before 2
    assert env.ready == ("b_0", "a_0")
    step(env, ("a_0", "second"))
    assert len(env.turns) == 1  # at 2 b could end, too
    assert env.ready == ("b_0",)
    assert "not heard before 2 s, a_0:\n> second" in env.state()
    step(env, ("b_0", "other"))
    assert [(turn.agent, turn.round) for turn in env.turns] == [("a_0", 0), ("a_0", 1), ("b_0", 1)]
    assert "not heard" not in env.state()


# ---- 3. Waiting and the like -----------------------------------------------------------------------------------------


def test_who_waits_has_its_next_turn_when_it_is_told_something_and_nobody_hears_of_it():
    acted = []
    env = free("abc", act=lambda env, agent, action: acted.append((agent, action)))
    step(env, ("a_0", "wait"), ("b_0", "news"), ("c_0", "news"))
    assert turns(env)[:2] == [("a_0", 0, 1), ("b_0", 0, 2)]
    assert acted == [("b_0", "news")]
    assert env.ready == ("a_0", "b_0")  # a since 2
    step(env, ("a_0", "go"), ("b_0", "go"))
    assert turns(env)[3] == ("c_0", 0, 3) or turns(env)[2] == ("a_0", 2, 3)
    assert "wait" not in env.observe("b_0")["text"]
    assert env.turns[0].action == "wait"


@pytest.mark.parametrize("text", ["wait for c_0", "  Wait  for C_0.", "WAIT FOR c!", "wait for c"])
def test_who_waits_for_somebody_is_not_woken_by_others(text):
    env = free("abc", act=lambda env, agent, action: Outcome(feedback="Somebody spoke."))
    step(env, ("a_0", text), ("b_0", "hm"), ("c_0", "at last"))
    assert turns(env)[:3] == [("a_0", 0, 1), ("b_0", 0, 2), ("c_0", 0, 3)]
    assert env.ready == ("b_0", "a_0", "c_0")
    assert env.observe("a_0")["text"].endswith("b_0:\n> hm\n\nSomebody spoke.\n\nc_0:\n> at last\n\nSomebody spoke.")


@pytest.mark.parametrize("text", ["wait for", "wait for a_0", "wait for d", "wait, please", "waiting", "wait for c b"])
def test_what_is_not_quite_waiting_is_an_action_like_any_other(text):
    acted = []
    env = free("abc", act=lambda env, agent, action: acted.append(action))
    step(env, ("a_0", text))
    assert acted == [text]
    assert "a_0" in env.ready


@pytest.mark.parametrize("start", ["wait", "wait for", "wait for c", ""])
def test_a_megabyte_of_space_is_read_at_once(start):
    started = perf_counter()
    assert waited_for("a_0", start + " " * 1_000_000 + "x.y", {}) is None
    assert perf_counter() - started < 5


def test_what_was_said_while_an_agent_wrote_that_it_waits_ends_the_waiting():
    env = free("ba")  # b is quick
    step(env, ("b_0", "early"), ("a_0", "wait"))
    assert turns(env) == [("b_0", 0, 1)]
    step(env, ("b_0", "late"))
    assert env.ready == ("b_0", "a_0")
    assert turns(env)[2] == ("a_0", 0, 2)


def test_if_everybody_waits_for_everybody_all_go_on():
    env = free("ab", horizon=7)
    step(env, ("a_0", "wait for b"), ("b_0", "wait for a"))
    assert env.ready == ("a_0", "b_0")
    assert env.now_us == 2 * S
    while env.ready:
        env.step("wait")
    assert env.truncated
    assert len(env.turns) == 8


def test_who_waits_for_an_agent_that_will_say_nothing_more_goes_on():
    env = free("ab", act=lambda env, agent, action: env.retire(agent) if action == "bye" else None)
    step(env, ("a_0", "bye"))
    step(env, ("b_0", "wait for a"))
    assert turns(env) == [("a_0", 0, 1), ("b_0", 0, 2)]
    assert env.ready == ("b_0",)
    step(env, ("b_0", "bye"))
    assert env.truncated  # nobody is left
    assert not env.cuts


def test_a_busy_agent_begins_its_next_turn_later_and_hears_more_in_it():
    env = free("ab", act=lambda env, agent, action: env.busy(agent, 2 * S) if action == "chop" else None)
    step(env, ("a_0", "chop"))
    assert env.ready == ("b_0",)
    step(env, ("b_0", "hm"))
    assert env.ready == ("b_0", "a_0")
    step(env, ("a_0", "chopped"), ("b_0", "hm"))
    assert turns(env)[:3] == [("a_0", 0, 1), ("b_0", 0, 2), ("a_0", 3, 4)]
    assert env.turns[2].parents == (1,)


def test_what_start_says_of_first_turns_holds():
    env = free("abc", start=lambda env, rng, options: (env.busy("b_0", 2 * S), env.retire("c_0")))
    assert env.ready == ("a_0",)
    while "b_0" not in env.ready:
        step(env, ("a_0", "hm"))
    assert env.now_us == 2 * S
    while env.ready:
        step(env, (env.ready[0], ""))
    assert {turn.agent for turn in env.turns} == {"a_0", "b_0"}


def test_an_episode_in_which_nobody_ever_has_a_turn_is_over_at_once():
    env = free("ab", start=lambda env, rng, options: [env.retire(agent) for agent in ("a_0", "b_0")])
    assert env.truncated
    assert env.ready == ()


def test_an_agent_may_join_late_or_never():
    env = free("abc", horizon=5, begins_us=lambda env, agent: {"a_0": 0, "b_0": 2 * S, "c_0": 5 * S}[agent])
    while env.ready:
        env.step("hm")
    assert [(agent, start) for agent, start, _ in turns(env) if agent != "a_0"] == [("b_0", 2), ("b_0", 4)]
    assert env.turns[-1].finish_us == 6 * S  # what has begun is brought to its end


# ---- 4. Events -------------------------------------------------------------------------------------------------------


def test_events_come_after_the_turns_that_end_at_their_time_and_before_those_that_open():
    seen = []

    def happen(env, event):
        seen.append((env.now_us / S, event, len(env.turns)))
        return Outcome(feedback=f"{event} rings")

    def start(env, rng, options):
        for time_us, event in ((2 * S, "late"), (S, "early"), (2 * S, "later")):
            env.at(time_us, event)

    env = free("a", horizon=3, start=start, happen=happen)
    step(env, ("a_0", "hm"))
    assert env.messages("a_0")[-1]["content"] == "early rings"
    step(env, ("a_0", "hm"), ("a_0", "hm"))
    assert seen == [(1, "early", 1), (2, "late", 2), (2, "later", 2)]


def test_an_event_is_paid_at_its_own_time_and_logged_with_the_turn_before_it(tmp_path):
    with registered("test/free-v0", FreePayments) as env_id:
        env = marft_envs.make(env_id)
        env.reset(seed=0)
        while env.ready:
            env.step("hm")
        events = [(event.turn, event.round, event.time_us / S, event.amount) for event in env.reward_events]
        assert events == [(-1, 0, 0.5, -1.0), (0, 1, 1, 1.0), (0, 2, 1.5, -2.0), (1, 3, 2, 1.0)]
        assert env.episode().returns == {"a_0": -1.0}
        path = tmp_path / "log.jsonl"
        marft_envs.write_log(path, [env.episode()])
        (back,) = marft_envs.read_log(path)
        assert replace(back, options={}) == replace(env.episode(), options={})
        assert marft_envs.replay(back) == back


class FreePayments(ClockMG):
    """Pays for turns, and takes for events."""

    metadata: ClassVar = {"name": "free_payments_v0"}

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]):
        base.setdefault("team", (Profile("a", base_us=S, per_char_us=0),))
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.at(S // 2, "1")
        self.at(S + S // 2, "2")

    def act(self, agent, action):
        return Outcome(rewards=1.0)

    def happen(self, event):
        return Outcome(rewards=-float(event))


@given(SEEDS)
@settings(max_examples=30)
def test_rewards_are_the_same_by_events_and_by_last(seed):
    env = lottery(seed)
    collected = dict.fromkeys(env.possible_agents, 0.0)
    for agent in env.agent_iter():
        _, reward, terminated, truncated, _ = env.last()
        collected[agent] += reward
        env.step(None if terminated or truncated else writes(env, agent))
    assert collected == pytest.approx(env.episode().returns)


# ---- 5. The end ------------------------------------------------------------------------------------------------------


def test_no_turn_opens_at_the_horizon_and_what_has_begun_is_brought_to_its_end():
    env = free("ab", horizon=3, view=lambda env, agent: f"it is {env.now_us / S:g}")
    while env.ready:
        env.step("hm")
    assert turns(env) == [("a_0", 0, 1), ("a_0", 1, 2), ("b_0", 0, 2), ("a_0", 2, 3), ("b_0", 2, 4)]
    assert env.truncated
    assert not env.cuts
    for agent in env.possible_agents:  # what would have followed is there for critics
        assert env.observe(agent)["text"].endswith("it is 4")


def test_a_turn_that_could_have_ended_before_the_end_is_logged_with_its_words_and_others_without():
    def act(env, agent, action):
        return Outcome(terminated=action == "stop", rewards=1.0)

    for order in (("a_0", "b_0", "c_0"), ("c_0", "b_0", "a_0"), ("b_0", "a_0", "c_0")):
        team = [Profile("a", base_us=2 * S), Profile("b", base_us=S, per_char_us=S), Profile("c", base_us=5 * S)]
        env = free(base={"team": team}, act=act)
        actions = {"a_0": "stop", "b_0": "xxxxx", "c_0": "far"}
        for agent in order:
            if agent in env.ready:
                step(env, (agent, actions[agent]))
        assert env.terminated
        assert [(cut.agent, cut.start_us, cut.action) for cut in env.cuts] == [("b_0", 0, "xxxxx"), ("c_0", 0, None)]
        assert env.observe("b_0")["text"] == "you:\n> xxxxx"
        assert env.observe("c_0")["text"] == ""
        assert [turn.agent for turn in env.turns] == ["a_0"]


def test_rendering_grows_instant_by_instant():
    env = free("ab", horizon=2, base={"render_mode": "ansi"}, act=lambda env, agent, action: Outcome(rewards=0.5))
    shown = [env.render()]
    while env.ready:
        env.step("hm")
        shown.append(env.render())
        assert shown[-1].startswith(shown[-2])
    assert "── 1 s ──\n\na_0 (0.000 to 1.000 s):\n> hm\n\nrewards: a_0 +0.5, b_0 +0.5" in shown[-1]
    assert shown[-1].endswith("── truncated ──")


# ---- 6. Liveness, forks, replay --------------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 5))
@settings(max_examples=60)
def test_somebody_is_ready_until_it_ends_and_it_ends(seed, num_agents):
    env = lottery(seed, num_agents=num_agents)
    count = 0
    while env.ready:
        assert env.agent_selection == env.ready[0]
        env.step(writes(env, env.agent_selection))
        count += 1
    assert env.terminated != env.truncated
    assert len(env.turns) <= env.most_turns
    assert count <= env.most_turns + len(env.possible_agents)
    assert all(turn.start_us < env.horizon_us for turn in env.turns)
    assert [turn.index for turn in env.turns] == list(range(len(env.turns)))
    for agent in env.possible_agents:
        own = [turn for turn in env.turns if turn.agent == agent]
        assert all(one.finish_us <= other.start_us for one, other in pairwise(own))


@given(SEEDS, st.integers(0, 12))
@settings(max_examples=40)
def test_a_fork_and_a_pickle_go_on_as_the_original_does(seed, num_steps):
    with registered("test/free-lottery-v0", FreeLottery) as env_id:
        whole = played(_made(env_id, seed), first)
        env = _made(env_id, seed)
        for _ in range(num_steps):
            if env.ready:
                env.step(writes(env, env.agent_selection))
        for copied in (env.fork(), pickle.loads(pickle.dumps(env)), env):
            assert played(copied, first)[1:] == whole[1:]


def _made(env_id, seed):
    env = marft_envs.make(env_id)
    env.reset(seed=seed)
    return env


@given(st.lists(SEEDS, min_size=1, max_size=4))
@settings(max_examples=30)
def test_episodes_replay_from_their_log(tmp_path_factory, seeds):
    with registered("test/free-lottery-v0", FreeLottery) as env_id:
        episodes = [played(_made(env_id, seed), lambda ready: ready[::-1])[3] for seed in seeds]
        path = tmp_path_factory.mktemp("log") / "log.jsonl"
        marft_envs.write_log(path, episodes)
        for episode, back in zip(episodes, marft_envs.read_log(path), strict=True):
            assert replace(back, options={}) == replace(episode, options={})
            assert marft_envs.replay(back) == back


@pytest.mark.parametrize("seed", range(1, 12))
def test_a_forged_log_does_not_replay(seed):
    with registered("test/free-lottery-v0", FreeLottery) as env_id:
        episode = played(_made(env_id, seed), first)[3]
        turns = list(episode.turns)
        place = seed % len(turns)
        forged = [
            replace(episode, turns=(*turns[:place], replace(turns[place], agent="nobody"), *turns[place + 1 :])),
            replace(episode, turns=(*turns[:place], replace(turns[place], start_us=1), *turns[place + 1 :])),
            replace(episode, turns=tuple(turns[:-1])),
            replace(episode, cuts=(*episode.cuts, marft_envs.Cut("q_0", 1, "more"))),
            replace(episode, terminated=not episode.terminated),
        ]
        for one in forged:
            with pytest.raises(ReplayMismatchError):
                marft_envs.replay(one)


@pytest.mark.parametrize(
    ("field", "value"), [("cuts", [["a_0", 1]]), ("cuts", [[1, 1, None]]), ("early", [["a_0", 1.0, 5]])]
)
def test_a_log_with_a_broken_field_is_refused(tmp_path, field, value):
    path = tmp_path / "log.jsonl"
    with registered("test/free-payments-v0", FreePayments) as env_id:
        env = _made(env_id, 0)
        while env.ready:
            env.step("hm")
        marft_envs.write_log(path, [env.episode()])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1][field] = value
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(LogError, match=r"log\.jsonl:"):
        marft_envs.read_log(path)


def test_the_conformance_suite_knows_the_clock():
    with registered("test/free-game-v0", "tests.envs.test_clock:FreeGame") as env_id:
        report = check_env(env_id)
    assert report.passed, report


class FreeGame(ClockMG):
    """A word that one knows and another has to say."""

    metadata: ClassVar = {"name": "free_game_v0"}
    reward_range = (0.0, 1.0)

    def __init__(self, *, horizon: int = 12, **base: Unpack[BaseOptions]):
        base.setdefault("team", (Profile("a"), Profile("b", base_us=3 * S), Profile("c", base_us=S + S // 2)))
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.word = f"{rng.integers(10**6):06d}"
        self.at(2 * S + S // 2, "bell")

    def instance_key(self):
        return self.word

    def begins_us(self, agent):
        return 700_000 if agent == "b_0" else 0

    def view(self, agent):
        return f"Its first half is {self.word[:3]}." if agent == "a_0" else f"Its second half is {self.word[3:]}."

    def happen(self, event):
        return Outcome(feedback="The bell rings.")

    def act(self, agent, action):
        if len(action) % 5 == 1:
            self.busy(agent, 900_001)
        if agent == "c_0" and action.strip() == self.word:
            return Outcome(rewards=1.0, terminated=True)
        return None

    def reference_action(self, agent):
        return {"a_0": self.word[:3], "b_0": "wait", "c_0": self.word}[agent]


# ---- 7. Mistakes -----------------------------------------------------------------------------------------------------


def test_another_recall_is_refused():
    class Parents(Free):
        recall = "parents"

    with pytest.raises(OptionError, match="use 'team'"):
        Parents()


@pytest.mark.parametrize("time_us", [0, S, -1, 1.5 * S, 2**60, True])
def test_a_time_that_is_not_to_come_is_refused(time_us):
    env = free("a", act=lambda env, agent, action: env.at(time_us, "too late"))
    with pytest.raises(TurnError, match="use a later one"):
        env.step("hm")
    assert env.ready == ()
    with pytest.raises(TurnError, match="call reset"):
        env.step("hm")
    env.reset(seed=0)
    assert env.ready == ("a_0",)


@pytest.mark.parametrize(
    "call", [lambda env: env.at(5 * S, "x"), lambda env: env.busy("a_0", 5), lambda env: env.retire("a_0")]
)
def test_hooks_alone_change_what_will_happen(call):
    env = free("a")
    with pytest.raises(TurnError, match="call it in start, act or happen"):
        call(env)
    assert env.ready == ("a_0",)


def test_nobody_is_asked_for_dependencies():
    with pytest.raises(TurnError, match=r"Turn\.parents"):
        free("a").dependencies_for(0)
