"""collab/hidden_profile-v0, played by hand."""

import re
from collections import Counter

import numpy as np
import pytest

import marft_envs
from marft_envs import Profile
from marft_envs.collab import hidden_profile
from marft_envs.collab.hidden_profile import LEVELS, HiddenProfile
from marft_envs.collab.worlds.profiles import BAD, GOOD, Numbers, Point, sums, told
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.seeding import generator

SILENT = {level: 1 / (sizes.num_candidates - 1) for level, sizes in LEVELS.items()}


def reset(seed: int = 1, **options: object) -> HiddenProfile:
    env = marft_envs.make("collab/hidden_profile-v0", **options)
    assert isinstance(env, HiddenProfile)
    env.reset(seed=seed)
    return env


def group(size: int) -> tuple[Profile, ...]:
    return (*(Profile("member") for _ in range(size - 1)), Profile("chair", answers=True))


def points_told(text: str) -> set[tuple[str, str, bool]]:
    """Reads sentences again, by other means than those that wrote them: (candidate, word, whether it is good)."""
    points = set()
    for name, words in re.findall(r"(\w+) is ([^.]*)\.", text):
        for word in re.findall(r"\w+", words.replace("but", "").replace(" and ", " ")):
            assert (word in GOOD) != (word in BAD)
            points.add((name, word, word in GOOD))
    return points


def net_of(points: set[tuple[str, str, bool]]) -> Counter[str]:
    """Good points less bad ones, by candidate."""
    net: Counter[str] = Counter()
    for name, _, is_good in points:
        net[name] += 1 if is_good else -1
    return net


def views(env: HiddenProfile) -> dict[str, set[tuple[str, str, bool]]]:
    return {agent: points_told(env.view(agent).partition("Everybody")[2]) for agent in env.possible_agents}


# --- The play ---------------------------------------------------------------------------------------------------------


def test_the_best_candidate_earns_everybody_1_and_ends_the_episode() -> None:
    env = reset()
    for words in ("Hello.", "Hello.", f"Let us see.\nThat must be {env.best.lower()}."):
        env.step(words)
    assert env.terminated
    assert env.episode().returns == {"member_0": 1.0, "member_1": 1.0, "chair_0": 1.0}
    assert env.info == {"correct": 1, "favourite": 0}


def test_the_favourite_earns_nothing_and_there_is_no_second_choice() -> None:
    env = reset()
    for words in ("Hello.", "Hello.", env.favourite):
        env.step(words)
    assert env.truncated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"correct": 0, "favourite": 1}


@pytest.mark.parametrize("answer", ["{best} or {favourite}", "{best}\nI am sure.", "", "the best"])
def test_a_choice_names_one_candidate_in_its_last_line(answer: str) -> None:
    env = reset()
    env.step("")
    env.step("")
    written = answer.format(best=env.best, favourite=env.favourite)
    assert env.gradable("chair_0", written) is False
    env.step(written)
    assert env.info == {"correct": 0, "favourite": 0}


def test_members_are_not_graded() -> None:
    assert reset().gradable("member_0", "anything") is None


def test_members_speak_at_once_and_the_chair_hears_all_of_them() -> None:
    env = reset()
    env.step("first")
    assert "first" not in env.observe("member_1")["text"]
    env.step("second")
    text = env.observe("chair_0")["text"]
    assert "member_0:\n> first" in text
    assert "member_1:\n> second" in text


def test_in_a_longer_discussion_members_hear_each_other_before_the_chair_chooses() -> None:
    env = reset(horizon=3)
    env.step("first")
    env.step("second")
    assert env.ready == ("member_0", "member_1")
    assert "member_1:\n> second" in env.observe("member_0")["text"]
    env.step("")
    env.step("")
    env.step(env.best)
    assert env.terminated


def test_without_a_discussion_nobody_chooses() -> None:
    with pytest.raises(OptionError, match="2 rounds or more"):
        reset(horizon=1)


@pytest.mark.parametrize(
    "answers", [[False, True], [False] * 3, [True, False, True], [False, True, False], [False] * 8 + [True]]
)
def test_only_the_last_of_three_to_eight_chooses(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="only the last"):
        reset(team=tuple(Profile("member", answers=each) for each in answers))


# --- The profiles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 4, 8])
@pytest.mark.parametrize("level", LEVELS)
def test_to_everybody_alone_the_favourite_seems_best_and_in_all_another_one_is(level: str, size: int) -> None:
    for seed in range(20):
        env = reset(seed, level=level, team=group(size))
        told_to = views(env)
        for points in told_to.values():
            net = net_of(points)
            assert all(net[name] < net[env.favourite] for name in env.names if name != env.favourite)
        net = net_of(set().union(*told_to.values()))
        assert all(net[name] < net[env.best] for name in env.names if name != env.best)


@pytest.mark.parametrize("level", LEVELS)
def test_what_one_member_and_the_chair_know_does_not_take_the_best_past_the_favourite(level: str) -> None:
    for seed in range(40):
        env = reset(seed, level=level)
        told_to = views(env)
        for member in env.members:
            net = net_of(told_to[member] | told_to["chair_0"])
            assert net[env.best] <= net[env.favourite]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_told_is_every_point_once(level: str) -> None:
    for seed in range(20):
        env = reset(seed, level=level)
        for agent, points in views(env).items():
            meant = [*env.drawn.shared, *env.private[agent]]
            assert points == {(env.names[point.candidate], point.word, point.is_good) for point in meant}
            assert len(points) == len(meant)


def test_only_at_the_hard_level_two_members_are_told_the_same() -> None:
    shares = {}
    for level in LEVELS:
        envs = [reset(seed, level=level) for seed in range(20)]
        shares[level] = np.mean([len({*env.private["member_0"]} & {*env.private["member_1"]}) for env in envs])
        assert not any({*env.private["chair_0"]} & {*env.private["member_0"]} for env in envs)
    assert shares["easy"] == shares["standard"] == 0
    assert 4 < shares["hard"] <= LEVELS["hard"].num_copies


def test_a_candidate_is_told_of_in_one_sentence_good_points_first() -> None:
    points = [Point(0, "kind", True), Point(1, "lazy", False), Point(0, "vain", False), Point(0, "wise", True)]
    assert told([*points, Point(0, "fit", True)], ["Ada", "Bob", "Dan"]) == (
        "Ada is kind, wise and fit, but vain. Bob is lazy."
    )
    assert sums(points, 3) == [1, -1, 0]


def test_the_key_tells_instances_apart_and_knows_no_order_of_the_members() -> None:
    env = reset(level="standard")
    key = env.instance_key()
    drawn = env.drawn
    (one, other, chair), shared = drawn.private, drawn.shared
    env.drawn = type(drawn)(drawn.favourite, drawn.best, shared, (other, one, chair))
    assert env.instance_key() == key
    for changed in ((shared, (one, other[1:], chair)), (shared, (one, other, chair[1:])), (shared[1:], drawn.private)):
        env.drawn = type(drawn)(drawn.favourite, drawn.best, *changed)
        assert env.instance_key() != key


# --- Without messages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_what_the_docstring_tells(level: str) -> None:
    assert f"{level} {SILENT[level]:.3f}" in (hidden_profile.__doc__ or "")
    env = reset(level=level)
    num_plays = 1_000
    right = 0
    for seed in range(num_plays):
        env.reset(seed=seed)
        chosen = env.silent_action("chair_0")
        assert chosen != env.favourite
        right += chosen == env.best
    expected = SILENT[level]
    assert right / num_plays == pytest.approx(expected, abs=4 * (expected * (1 - expected) / num_plays) ** 0.5)


@pytest.mark.parametrize("level", ["standard", "hard"])
def test_nothing_that_the_chair_is_told_of_a_candidate_makes_it_likelier_to_be_the_best(level: str) -> None:
    """For each count of points that the chair knows of one, it is the best as often as chance has it."""
    env = reset(level=level)
    seen: Counter[tuple[int, int]] = Counter()
    best: Counter[tuple[int, int]] = Counter()
    for seed in range(1_500):
        env.reset(seed=seed)
        shared, own = (sums(points, len(env.names)) for points in (env.drawn.shared, env.private["chair_0"]))
        for place, told_of in enumerate(zip(shared, own, strict=True)):
            if place != env.drawn.favourite:
                seen[told_of] += 1
                best[told_of] += place == env.drawn.best
    chance = SILENT[level]
    for told_of, times in seen.items():
        assert best[told_of] / times == pytest.approx(chance, abs=4 * (chance * (1 - chance) / times) ** 0.5)


@pytest.mark.parametrize("level", LEVELS)
def test_the_chairs_part_is_drawn_before_the_best_and_no_draw_of_it_is_refused(level: str) -> None:
    """The premise of the proof: with any shared points and any of the chair's, any other candidate can be the best.

    So the members' points are drawn until they fit, and nothing else is. It is enough to look at the candidate itself:
    a member can know `most` more of it than of the favourite, and less than the favourite's lead over it.
    """
    sizes = LEVELS[level]
    most = sizes.member[-1] - sizes.member[0]
    for shared in sizes.shared:
        for chair in sizes.chair:
            lead = sizes.favourite - shared
            assert 2 * min(lead - 1, most) + chair > lead
            assert chair < lead


@pytest.mark.parametrize("values", [range(2), range(-2, 3)])
@pytest.mark.parametrize("counts", [[], [1], [4, 3, 4], [3] * 200])
def test_numbers_that_are_drawn_at_once_are_those_that_would_be_drawn_one_after_another(
    values: range, counts: list[int]
) -> None:
    at_once, one_by_one = generator(5), generator(5)
    for rng in (at_once, one_by_one):
        rng.integers(3)  # leaves half a number over
    with Numbers(values, at_once) as numbers:
        taken = [numbers.take(count) for count in counts]
    assert taken == [one_by_one.integers(values.start, values.stop, count).tolist() for count in counts]
    assert at_once.random(3).tolist() == one_by_one.random(3).tolist()
    assert at_once.integers(3, size=5).tolist() == one_by_one.integers(3, size=5).tolist()
