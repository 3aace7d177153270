"""Whatever D, durations and texts: the promises of the base class, over drawn games and over everything registered.

1. The actions of ready agents, asked for in batches and submitted in any order, have the outcome of one at a time.
2. Nobody sees more than D, its profile and the clock let through, and never what is hidden.
3. Somebody is ready until it ends, and it ends.
4. A log replays in another process, where hashes differ.

The drawn games are `Lottery` in rounds and `FreeLottery` on the clock, with teams of every consequence; what single
promises mean for each of them is tested beside them.
"""

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marft_envs
from marft_envs import Episode, FlexMG
from marft_envs.check.subject import noise, sometimes_right
from tests.envs.conftest import Lottery, registered
from tests.envs.test_clock import FreeLottery
from tests.envs.test_consequences import mixed_team

ROOT = Path(__file__).parents[2]
SEEDS = st.integers(0, 2**32)
OURS = [env_id for env_id in marft_envs.registered_ids() if not env_id.startswith("coding/")]
"""Programs take milliseconds each; `check_env` plays the coding environments in the same ways, less often."""
HIDDEN = "what-nobody-is-told;"


def said(env: FlexMG, agent: str, texts: Sequence[str]) -> str:
    """The right thing, noise or one of the texts; the same for the same question."""
    drawn = random.Random(f"{env.episode_seed} {agent} {env.observe(agent)['text']}")
    if drawn.random() < 0.5:
        return drawn.choice(texts)
    return sometimes_right(env, agent) if drawn.getrandbits(1) else noise(env, agent)


def played(env: FlexMG, texts: Sequence[str], order: Callable[[Sequence[str]], Sequence[str]]) -> tuple[object, ...]:
    """An episode, in batches: `order` says who of the ready is asked at once, and how they are submitted."""
    most = env.most_turns
    while env.ready:
        actions = {agent: said(env, agent, texts) for agent in order(env.ready)}
        for agent, action in actions.items():
            if agent in env.ready:
                env.select(agent)
                env.step(action)
        most -= 1
        assert most >= 0, "it goes on behind its horizon"
    assert env.terminated != env.truncated
    observed = {agent: (env.observe(agent), env.messages(agent), env.infos[agent]) for agent in env.possible_agents}
    assert HIDDEN in env.state()
    assert HIDDEN not in env.joint_observation()
    assert not any(HIDDEN in observation["text"] for observation, _, _ in observed.values())
    return observed, env.state(), env.episode(), env.render()


def fresh(env_id: str, seed: int, **options: object) -> FlexMG:
    env = marft_envs.make(env_id, **options)
    assert isinstance(env, FlexMG)
    hidden = env.hidden
    env.hidden = lambda: f"{hidden()}\n{HIDDEN}"
    env.reset(seed=seed)
    return env


ANY_TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=5)


@pytest.mark.parametrize("env_id", OURS)
@given(seed=SEEDS, texts=ANY_TEXTS, drawn=st.randoms(use_true_random=False), place=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_batches_in_any_order_have_the_outcome_of_one_at_a_time(env_id, seed, texts, drawn, place):
    levels = marft_envs.make(env_id).levels
    options = {"level": levels[place % len(levels)]} if levels else {}
    expected = played(fresh(env_id, seed, **options), texts, lambda ready: ready[:1])
    for order in (
        lambda ready: ready,
        lambda ready: ready[::-1],
        lambda ready: drawn.sample(ready, drawn.randint(1, len(ready))),
    ):
        assert played(fresh(env_id, seed, **options), texts, order) == expected


REPLAYS = """
import sys
import marft_envs
from tests.envs.conftest import Lottery
from tests.envs.test_clock import FreeLottery
marft_envs.register("test/promised-v0", Lottery)
marft_envs.register("test/promised_clock-v0", FreeLottery)
episodes = marft_envs.read_log(sys.argv[1])
for episode in episodes:
    assert marft_envs.replay(episode) == episode, episode
print(len(episodes), hash("a"))
"""


def test_what_was_drawn_replays_in_another_process_where_hashes_differ(tmp_path: Path, promised: tuple[str, str]):
    episodes: list[Episode] = []

    @given(st.data(), SEEDS, st.integers(1, 5), ANY_TEXTS, st.randoms(use_true_random=False))
    @settings(max_examples=40, deadline=None, database=None)
    def play(data, seed, size, texts, drawn):
        for env_id in promised:
            env = fresh(env_id, seed, team=mixed_team(data.draw, size))
            texts = [*texts, "wait", "wait for p"]
            episodes.append(played(env, texts, lambda ready: drawn.sample(ready, drawn.randint(1, len(ready))))[2])

    @given(SEEDS, ANY_TEXTS, st.sampled_from(OURS))
    @settings(max_examples=60, deadline=None, database=None)
    def play_ours(seed, texts, env_id):
        episodes.append(played(fresh(env_id, seed), texts, lambda ready: ready)[2])

    play()
    play_ours()
    marft_envs.write_log(tmp_path / "log.jsonl", episodes)
    hashes = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", REPLAYS, str(tmp_path / "log.jsonl")],
            cwd=ROOT, env={"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        count, hashed = done.stdout.split()
        assert int(count) == len(episodes)
        hashes.add(hashed)
    assert len(hashes) == 2


@pytest.fixture
def promised():
    with registered("test/promised-v0", Lottery) as rounds, registered("test/promised_clock-v0", FreeLottery) as clock:
        yield rounds, clock
