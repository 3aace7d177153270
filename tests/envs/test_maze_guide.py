"""collab/maze_guide-v0, played by hand."""

from collections import Counter
from statistics import fmean

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.check.subject import play_out, reference
from marft_envs.check.teamwork import silent
from marft_envs.collab import maze_guide
from marft_envs.collab.maze_guide import LEVELS
from marft_envs.collab.worlds.safe_ways import COMPASS, SafeWay, drawn_map, drawn_way, stated_moves
from marft_envs.errors import TeamFileError

STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))
BENT = SafeWay(((1, 2), (1, 1), (1, 0), (2, 0)), (0, 0, 1))
"""North, north, east."""


def reset(way: SafeWay = BENT, **options: object) -> FlexMG:
    """With that way instead of the one that was drawn, from the first act on."""
    env = marft_envs.make("collab/maze_guide-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    env.way = way
    env.setting = maze_guide.Level("by hand", 4, len(way.directions), env.setting.names, "", env.setting.most)
    return env


def walk(env: FlexMG, *actions: str) -> FlexMG:
    for action in actions:
        env.step("I say nothing.")
        env.step(action)
    return env


def test_a_step_a_round_brings_the_walker_to_the_goal_and_each_is_paid_as_it_is_walked() -> None:
    env = walk(reset(), "north", "Go North.", "east")
    assert env.terminated
    assert [event.amount for event in env.reward_events if event.agent == "walker_0"] == [1 / 3] * 3
    assert env.info == {"reached": 1, "share": 1.0, "fell": 0}


def test_a_pit_ends_the_episode_and_leaves_what_was_walked() -> None:
    env = walk(reset(), "north", "east")
    assert env.terminated
    assert env.episode().returns == {"guide_0": 1 / 3, "walker_0": 1 / 3}
    assert env.info == {"reached": 0, "share": 1 / 3, "fell": 1}


def test_a_step_back_is_safe_and_no_part_of_the_way_is_paid_twice() -> None:
    env = walk(reset(), "north", "south", "north", "north")
    assert env.truncated
    assert env.episode().returns["walker_0"] == pytest.approx(2 / 3)


def test_before_the_start_and_behind_it_is_a_pit() -> None:
    assert walk(reset(), "south").info["fell"] == 1


@pytest.mark.parametrize("action", ["", "north or east", "north, east", "north north", "up", "north\nI think"])
def test_one_step_a_round_is_one_direction_and_anything_else_loses_the_round(action: str) -> None:
    env = walk(reset(), action)
    assert not env.terminated
    assert env.info == {"reached": 0, "share": 0.0, "fell": 0}
    assert "Nobody moved" in env.observe("guide_0")["text"]


def test_a_list_of_steps_is_walked_in_one_round_and_what_follows_the_goal_is_not() -> None:
    env = walk(reset(level="standard"), "Thinking: south.\nNorth, north, east, east, west.")
    assert env.info == {"reached": 1, "share": 1.0, "fell": 0}


def test_a_list_stops_at_the_first_pit() -> None:
    assert walk(reset(level="standard"), "north, west, north").info == {"reached": 0, "share": 1 / 3, "fell": 1}


def test_a_walker_that_goes_as_it_faces_turns_with_every_step() -> None:
    env = reset(level="hard")
    env.facing = 1  # east: north is on the left
    assert walk(env, "left, forward, right").info["reached"] == 1


@pytest.mark.parametrize(
    ("reply", "moves"),
    [
        ("north", ["north"]),
        ("I go NORTH now.", ["north"]),
        ("north east", ["north", "east"]),
        ("north, east.", ["north", "east"]),
        ("first north, then east", []),
        ("north " * 101, []),
        ("north, east\nor so", []),
        ("", []),
    ],
)
def test_steps_are_one_direction_or_a_list_of_them_and_of_nothing_else(reply: str, moves: list[str]) -> None:
    assert stated_moves(reply, COMPASS, 100) == moves


def test_the_map_shows_the_way_as_it_lies() -> None:
    assert drawn_map(BENT, 4, 1, None) == "#.G#\n#W##\n#.##\n####"
    assert drawn_map(BENT, 4, 0, 3) == "#.G#\n#.##\n#<##\n####"


def test_only_the_guide_is_told_of_the_way() -> None:
    env = marft_envs.make("collab/maze_guide-v0", level="standard")
    assert isinstance(env, FlexMG)
    told = set()
    for seed in range(20):
        env.reset(seed=seed)
        assert "#" in env.observe("guide_0")["text"]
        env.step("I say nothing.")
        told.add(env.observe("walker_0")["text"])
    assert len(told) == 1


def test_the_guide_sees_where_the_walker_has_come_to() -> None:
    env = walk(reset(level="standard"), "north")
    assert "#.G#\n#W##\n#.##\n####" in env.observe("guide_0")["text"]


@pytest.mark.parametrize("answers", [[True], [False, False], [True, False], [False, False, True]])
def test_one_guides_and_one_walks(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="only the second"):
        reset(team=tuple(Profile("walker", answers=each) for each in answers))


def test_the_key_stays_the_same_while_the_walker_turns() -> None:
    env = reset(level="hard")
    env.faced = env.facing = 1
    before = env.instance_key()
    walk(env, "left")
    assert env.facing == 0
    assert env.instance_key() == before


# --- The silent bound -------------------------------------------------------------------------------------------------


def all_ways(size: int, num_steps: int) -> Counter[str]:
    """How many ways begin with these steps, of every length, by where they fit; the first step is north.

    By enumeration: no step goes beside a cell that was there before the last one. Of ways that are mirror images of
    each other, whose first bend is to the east or to the west, only the former are looked at, and count twice.
    """
    begun: Counter[str] = Counter()

    def go_on(cells: list[tuple[int, int]], steps: str) -> int:
        xs, ys = zip(*cells, strict=True)
        room = (size - (max(xs) - min(xs))) * (size - (max(ys) - min(ys)))
        if max(xs) - min(xs) >= size or max(ys) - min(ys) >= size:
            return 0
        num = room if len(steps) == num_steps else 0
        for name, (dx, dy) in zip("NESW", STEPS, strict=True) if len(steps) < num_steps else ():
            cell = (cells[-1][0] + dx, cells[-1][1] + dy)
            straight = "E" not in steps
            if (not steps and name != "N") or (straight and name == "W"):
                continue
            if all(abs(cell[0] - x) + abs(cell[1] - y) >= 2 for x, y in cells[:-1]):
                num += go_on([*cells, cell], steps + name) * (1 + (straight and name == "E"))
        if num:
            begun[steps] += num
        return num

    go_on([(0, 0)], "")
    return begun


def best_walk(begun: Counter[str]) -> float:
    """The greatest sum, over the beginnings of a walk, of how many ways share them."""
    best: Counter[str] = Counter()
    for steps in sorted(begun, key=len, reverse=True):
        if steps:
            best[steps[:-1]] = max(best[steps[:-1]], best[steps] + begun[steps])
    return best[""]


def as_compass(level: maze_guide.Level) -> str:
    """The silent walk of a level in initials of the compass, for a walker that faces north at first."""
    facing, steps = 0, ""
    for initial in level.silent:
        turn = [name[0].upper() for name in level.names].index(initial)
        facing = (facing * level.turns + turn) % 4
        steps += "NESW"[facing]
    return steps


def test_ways_are_enumerated_right_where_they_can_be_counted_by_hand() -> None:
    # In a square of 3 by 3, two steps, north first: NN fits 3 times; NE and NW fit 2 * 2 times each.
    assert all_ways(3, 2) == {"": 11, "N": 11, "NN": 3, "NE": 4}


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_walk_shares_most_with_all_ways_and_the_docstring_tells_what_it_earns(level: str) -> None:
    setting = LEVELS[level]
    begun = all_ways(setting.size, setting.num_steps)
    steps = as_compass(setting)
    shared = sum(begun[steps[: place + 1]] for place in range(setting.num_steps))
    assert shared == best_walk(begun)
    earned = shared / (4 * begun[""]) / setting.num_steps  # the first step has four sides, all alike in a square
    assert f"{level} {earned:.3f}" in (maze_guide.__doc__ or "")


@pytest.mark.parametrize(("level", "earns"), [("easy", 0.131), ("standard", 0.0418), ("hard", 0.0261)])
def test_the_silent_play_earns_what_was_derived(level: str, earns: float) -> None:
    env = marft_envs.make("collab/maze_guide-v0", level=level)
    assert isinstance(env, FlexMG)
    returns = [play_out(env, silent, seed).returns["walker_0"] for seed in range(600)]
    assert fmean(returns) == pytest.approx(earns, abs=4 * float(np.std(returns)) / 600**0.5)


def test_ways_are_drawn_alike() -> None:
    # As many ways of three steps in a square of 3 by 3 as are enumerated, each 200 times, 14 up or down.
    num = 4 * all_ways(3, 3)[""]
    rng = np.random.default_rng(0)
    drawn = Counter(drawn_way(rng, 3, 3) for _ in range(num * 200))
    assert len(drawn) == num
    assert all(abs(count - 200) < 4 * 14.2 for count in drawn.values())


@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_reaches_the_goal_even_if_it_takes_over_after_a_step(level: str) -> None:
    env = marft_envs.make("collab/maze_guide-v0", level=level)
    assert isinstance(env, FlexMG)
    env.reset(seed=5)
    walk(env, env.reference_action("walker_0").split(",")[0])
    assert play_out(env, reference).returns == pytest.approx({"guide_0": 1.0, "walker_0": 1.0})
