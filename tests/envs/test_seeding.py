"""Seeds, generators and splits: the same in any process, on any machine, whatever else is played.

The expected numbers come from hashlib, written out here once more: a change of them is a change of every episode.
"""

from hashlib import blake2b, shake_256
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs.errors import OptionError
from marft_envs.seeding import EpisodeSeeds, GeneratorState, HashedSeed, checked_seed, generator, set_state, split_of
from tests.envs.conftest import Lottery, written

SEEDS = st.integers(0, 2**64)


def play(env):
    """Plays an episode to its end."""
    while env.ready:
        env.step(written(env.agent_selection, env.messages(env.agent_selection)))
    return env.episode(), env.state()


# ---- Hashes ----------------------------------------------------------------------------------------------------------


def test_a_hashed_seed_gives_the_words_of_shake_256_over_its_seed_and_key():
    digest = shake_256(b"7(0, 3)").digest(16)
    expected = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    assert HashedSeed(7, (0, 3)).generate_state(4).tolist() == expected
    expected = [int.from_bytes(digest[i : i + 8], "little") for i in (0, 8)]
    assert HashedSeed(7, (0, 3)).generate_state(2, np.uint64).tolist() == expected


def test_its_first_words_are_pinned():
    # hashlib.shake_256(b"0()").hexdigest(8), read as little-endian.
    assert shake_256(b"0()").hexdigest(8) == "67c61e7e3765a8c9"
    assert HashedSeed(0).generate_state(1, np.uint64).tolist() == [0xC9A865377E1EC667]


def test_children_are_counted_on_and_have_keys_of_their_own():
    seed = HashedSeed(7, (4,))
    assert [child.key for child in seed.spawn(2)] == [(4, 0), (4, 1)]
    assert [child.key for child in seed.spawn(1)] == [(4, 2)]
    assert [child.seed for child in seed.spawn(1)] == [7]


def test_generators_of_children_differ_from_each_other_and_from_their_parent():
    parent = generator(7)
    drawn = [rng.integers(2**62) for rng in (*parent.spawn(3), parent)]
    assert len(set(drawn)) == 4
    assert generator(7).spawn(3)[2].integers(2**62) == drawn[2]


def test_neighbouring_seeds_are_unrelated():
    # 2,000 first coins of neighbouring seeds: the mean of fair ones has a standard deviation of 0.0112.
    coins = [int(generator(seed).integers(2)) for seed in range(2000)]
    assert abs(np.mean(coins) - 0.5) < 0.05
    agree = np.mean([one == other for one, other in pairwise(coins)])
    assert abs(agree - 0.5) < 0.05


# ---- Seeds of episodes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_bare_reset_follows_from_the_latest_seed_and_the_count(count):
    seeds = EpisodeSeeds()
    assert seeds.next(5) == 5
    derived = [seeds.next(None) for _ in range(count + 1)][count]
    word = int.from_bytes(shake_256(f"5({count},)".encode()).digest(8), "little")
    assert derived == word >> 11  # 53 bits of 64


def test_a_new_seed_starts_the_count_anew():
    seeds = EpisodeSeeds()
    seeds.next(5)
    first = [seeds.next(None), seeds.next(None)]
    seeds.next(6)
    seeds.next(None)
    seeds.next(5)
    assert [seeds.next(None), seeds.next(None)] == first


def test_without_any_seed_every_environment_plays_other_episodes():
    assert len({EpisodeSeeds().next(None) for _ in range(20)}) == 20


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint8(3)])
def test_a_seed_of_any_kind_of_integer_becomes_a_plain_one(seed):
    assert checked_seed(seed) == 3
    assert type(checked_seed(seed)) is int
    assert type(checked_seed(True)) is int


@pytest.mark.parametrize("seed", ["3", 3.0, [3]])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(OptionError, match="use a whole number, 0 or more, or None"):
        checked_seed(seed)


def test_a_negative_seed_is_refused():
    with pytest.raises(OptionError, match="seed is -1; use a whole number, 0 or more"):
        checked_seed(-1)


@given(SEEDS)
def test_the_same_seed_plays_the_same_episode(seed):
    env = Lottery()
    env.reset(seed=seed)
    first = play(env)
    env.reset()  # something else in between
    env.reset(seed=seed)
    assert play(env) == first
    other = Lottery()
    other.reset(seed=seed)
    assert play(other) == first


def test_a_derived_seed_given_to_reset_plays_that_episode_again():
    env = Lottery()
    env.reset(seed=1)
    env.reset()
    episode = play(env)
    env.reset(seed=env.episode_seed)
    assert play(env) == episode


def test_bare_resets_follow_from_the_root_whatever_was_played():
    played, skipped, drawn = Lottery(), Lottery(), Lottery()
    for env in (played, skipped, drawn):
        env.reset(seed=3)
    for _ in range(5):
        play(played)
        drawn.rng.random(100)
        for env in (played, skipped, drawn):
            env.reset()
        assert played.state() == skipped.state() == drawn.state()


def test_environments_played_in_turns_are_as_if_each_were_alone():
    def alone(seed):
        env = Lottery()
        env.reset(seed=seed)
        return play(env)

    envs = [Lottery(), Lottery()]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    while any(env.ready for env in envs):
        for env in envs:
            if env.ready:
                env.step(written(env.agent_selection, env.messages(env.agent_selection)))
    assert [(env.episode(), env.state()) for env in envs] == [alone(0), alone(1)]


# ---- Splits ----------------------------------------------------------------------------------------------------------


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_split_is_a_salted_hash_of_the_key(key, source):
    salt = blake2b(source.encode(), digest_size=16).digest()
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest()
    assert split_of(source, key) == ("test" if int.from_bytes(digest, "big") / 2**64 < 0.2 else "train")


def test_the_split_of_a_few_keys_is_pinned():
    # By the formula of the test above: of the keys 0 to 29, these three.
    assert [key for key in range(30) if split_of("arithmetic", str(key)) == "test"] == [6, 23, 25]


def test_a_fifth_of_all_instances_is_for_testing():
    # 10,000 keys, each with probability 0.2: 2,000 ± 40 are for testing.
    tests = [split_of("some data", str(key)) for key in range(10_000)].count("test")
    assert abs(tests - 2000) < 200


def test_sources_split_the_same_keys_independently():
    # Were they alike, 10,000 would agree; independently, 0.2² + 0.8² = 68 % do, give or take 0.5 %.
    agree = sum(split_of("one", str(key)) == split_of("other", str(key)) for key in range(10_000))
    assert abs(agree - 6800) < 250


# ---- Drawing an instance again ---------------------------------------------------------------------------------------


class Split(Lottery):
    """As many instances as there are prizes, and two splits of them."""

    def start(self, rng, options):
        super().start(rng, options)
        self.prize += 100 * int(rng.integers(1_000, dtype=np.uint32))

    def instance_key(self):
        return str(self.prize)


@given(SEEDS, st.lists(st.sampled_from(["bits", "half", "normal", "spawn"]), max_size=12))
def test_a_generator_goes_on_from_where_another_of_its_seed_stood(seed, drawn):
    one, other = generator(seed), generator(seed)
    for kind in drawn:
        if kind == "spawn":
            one.spawn(1)
        else:
            {"bits": one.random, "half": lambda: one.integers(10, dtype=np.uint32), "normal": one.normal}[kind]()
    set_state(other, str(GeneratorState.of(one)))
    assert str(GeneratorState.of(other)) == str(GeneratorState.of(one))
    assert [int(child.integers(2**60)) for child in one.spawn(2)] == [
        int(child.integers(2**60)) for child in other.spawn(2)
    ]
    # Halves of numbers first: one may be left over.
    assert (
        one.integers(2**31, size=3, dtype=np.uint32).tolist() == other.integers(2**31, size=3, dtype=np.uint32).tolist()
    )
    assert one.random() == other.random()


def test_states_are_written_as_short_as_they_can_be():
    rng = generator(5)
    own = f"{rng.bit_generator.state['state']['state']:x}"
    assert str(GeneratorState.of(rng)) == own
    rng.spawn(17)
    assert str(GeneratorState.of(rng)) == f"{own}+11"
    rng.integers(10, dtype=np.uint32)
    state = rng.bit_generator.state
    assert str(GeneratorState.of(rng)) == f"{state['state']['state']:x}.{state['uinteger']:x}+11"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("split", ["train", "test"])
def test_an_instance_is_drawn_again_without_the_draws_before_it(seed, split):
    env, again = Split(split=split), Split(split=split)
    env.reset(seed=seed)
    starts = []
    again.start = lambda *given: (starts.append(1), Split.start(again, *given))
    again.reset(seed=seed, draw_state=env.draw_state)
    assert len(starts) == 1 and again.draw_state == env.draw_state and again.instance_key() == env.instance_key()
    assert play(again) == play(env)
    again.reset(seed=seed)
    assert again.instance_key() == env.instance_key()


def test_some_instances_are_drawn_after_others():
    env = Split(split="test")
    begins = []
    for seed in range(12):
        env.reset(seed=seed)
        begins.append(env.draw_state == str(GeneratorState.of(generator(seed))))
    assert set(begins) == {True, False}


@pytest.mark.parametrize("written", ["x", "-1", "f" * 33, "12.", "1.123456789", "1+", "1\n", "1+2.3"])
def test_a_state_that_none_has_is_refused(written):
    with pytest.raises(OptionError, match="use the draw_state of another reset of this seed"):
        Split().reset(seed=0, draw_state=written)


def test_what_is_drawn_elsewhere_and_of_the_other_split_is_refused():
    env, other = Split(split="test"), Split(split="train")
    assert env.draw_state == ""
    other.reset(seed=3)
    with pytest.raises(OptionError, match="where seed 3 draws nothing of split 'test'"):
        env.reset(seed=3, draw_state=other.draw_state)
    env.reset(seed=3)
