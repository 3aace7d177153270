"""collab/meeting-v0, played by hand."""

import re
from collections import Counter
from itertools import permutations
from statistics import fmean

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.check.subject import play_out
from marft_envs.check.teamwork import silent
from marft_envs.collab import meeting
from marft_envs.collab.meeting import LEVELS
from marft_envs.collab.worlds.calendars import DAYS, Hours, Zones, stated_time
from marft_envs.errors import TeamFileError

SILENT = {"easy": 1 / 4, "standard": 1 / 10, "hard": 1 / 20}
"""The booker's own times are 4 hours, 10 hours, or 4 half hours on each of 5 days."""


def reset(**options: object) -> FlexMG:
    env = marft_envs.make("collab/meeting-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def book(env: FlexMG, answer: str) -> FlexMG:
    for _ in env.possible_agents[:-1]:
        env.step("I would rather not say.")
    env.step(answer)
    return env


@pytest.mark.parametrize("level", LEVELS)
def test_the_time_that_suits_all_earns_everybody_1_and_ends_the_episode(level: str) -> None:
    env = reset(level=level)
    book(env, f"Let us see: 3 or 4.\nIt is {env.calendars.meeting}.")
    assert env.terminated
    assert set(env.episode().returns.values()) == {1.0}
    assert env.info == {"met": 1, "possible": 1}


def test_a_time_that_suits_only_the_booker_earns_nothing() -> None:
    env = reset()
    other = next(time for time in env.calendars.possible if time != env.calendars.meeting)
    book(env, other)
    assert env.truncated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"met": 0, "possible": 1}
    assert book(reset(), "3").info == {"met": 0, "possible": 0}


def test_an_hour_without_its_day_is_no_time_of_a_week() -> None:
    env = reset(level="standard")
    assert book(env, env.calendars.meeting.split()[1]).info["met"] == 0


def test_there_are_as_many_tries_as_rounds() -> None:
    env = reset(horizon=2)
    book(env, "all of them")
    assert "judge: That time does not suit everybody. Try again." in env.observe("member_0")["text"]
    book(env, env.calendars.meeting)
    assert env.terminated
    assert env.episode().returns["member_1"] == 1.0


def test_members_do_not_hear_each_other_before_they_have_spoken_and_the_booker_hears_both() -> None:
    env = reset()
    env.step("words of one")
    assert "words of one" not in env.observe("member_1")["text"]
    env.step("words of two")
    assert "member_0:\n> words of one\n\nmember_1:\n> words of two" in env.observe("booker_0")["text"]


@pytest.mark.parametrize(
    ("reply", "time"),
    [
        ("14", "14:00"),
        ("At 14:00.", "14:00"),
        ("Tue 14", "Tue 14:00"),
        ("Tuesday at 09:30 UTC", "Tue 9:30"),
        ("14:30 on Thursday", "Thu 14:30"),
        ("Thurs. 14:30", "Thu 14:30"),
        ("this month 14", "14:00"),
        ("Tue 14 or Tue 15", None),
        ("Tue or Wed 14", None),
        ("14 or 15", None),
        ("Tue 14 or 15", None),
        ("14\nor so", None),
        ("1.5", None),
        ("14:00:00", None),
        ("", None),
    ],
)
def test_a_stated_time_is_one_on_the_last_line(reply: str, time: str | None) -> None:
    assert stated_time(reply) == time


@pytest.mark.parametrize(
    "answers", [[False, True], [False] * 3, [True, False, True], [False, True, False], [False] * 7 + [True]]
)
def test_a_meeting_is_for_three_to_seven_of_whom_the_last_books(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="3 to 7 agents"):
        reset(team=tuple(Profile("member", answers=each) for each in answers))


def slots_in(told: str) -> set[str]:
    """All hours that a calendar lists."""
    groups = told.removeprefix("You are free at ").removesuffix(".").split("; ")
    days = [(re.match("[A-Z][a-z]+", group) or [""])[0] for group in groups]
    return {
        f"{day} {hour}".strip() for day, group in zip(days, groups, strict=True) for hour in re.findall(r"\d+", group)
    }


def half_hours_in(told: str) -> set[int]:
    """All half hours of UTC that a calendar's intervals hold, from Monday on."""
    shift = int((re.search(r"UTC([+-]\d+)", told) or [""])[1])

    def at(day: str, hour: str, minutes: str) -> int:
        return 48 * DAYS.index(day) + 2 * (int(hour) - shift) + (minutes == "30")

    clock = r"([A-Z][a-z]{2}) (\d+):(\d\d)"
    free: set[int] = set()
    for found in re.finditer(f"from {clock} to {clock}", told):
        begin, end = at(*found.groups()[:3]), at(*found.groups()[3:])
        free |= {half_hour % 336 for half_hour in range(begin, end + 336 * (end < begin))}
    return free


def team_of(size: int) -> tuple[Profile, ...]:
    return tuple(Profile("member", answers=place == size - 1) for place in range(size))


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("level", LEVELS)
def test_exactly_one_time_suits_all_and_with_hours_more_suit_all_but_any_one(level: str, size: int) -> None:
    env = reset(level=level, team=team_of(size))
    for seed in range(30):
        env.reset(seed=seed)
        told = env.calendars.told
        if level == "hard":
            free = set.intersection(*map(half_hours_in, told))
            begins = [begin for begin in free if all((begin + later) % 336 in free for later in range(4))]
            day, clock = divmod(begins[0], 48)
            assert len(begins) == 1
            assert stated_time(env.calendars.meeting) == f"{DAYS[day]} {clock // 2}:{clock % 2 * 30:02}"
            continue
        slots = [slots_in(each) for each in told]
        assert set.intersection(*slots) == {env.calendars.meeting}
        assert {len(each) for each in slots} == {LEVELS[level].calendars.num_free(size)}
        for place in range(size):
            others = set.intersection(*slots[:place], *slots[place + 1 :])
            assert len(others) == 1 + LEVELS[level].calendars.traps


# --- The silent bound -------------------------------------------------------------------------------------------------


class Deal:
    """A generator that draws this permutation and nothing else."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = np.array(order)

    def choice(self, among: int, size: int, replace: bool) -> np.ndarray:
        assert (among, size, replace) == (len(self.order), len(self.order), False)
        return self.order


def test_of_all_deals_of_seven_hours_every_hour_of_the_bookers_is_as_often_the_meeting() -> None:
    hours = Hours(("",), range(7), traps=1, own=1)
    dealt: Counter[tuple[str, str]] = Counter()
    for order in permutations(range(7)):
        drawn = hours.draw(Deal(order), 3)  # type: ignore[arg-type]
        dealt[drawn.told[-1], drawn.meeting] += 1
    # 35 sets of four hours, each with four that may be the meeting: 5040 / 140 deals.
    assert len(dealt) == 140
    assert set(dealt.values()) == {36}


def test_in_intervals_every_place_is_as_often_the_meeting_wherever_they_begin() -> None:
    zones = Zones(("Mon", "Tue"), range(16, 18), slack=1, offsets=range(3))
    rng = np.random.default_rng(0)
    drawn: Counter[tuple[tuple[str, ...], str]] = Counter()
    for _ in range(6400):
        calendars = zones.draw(rng, 3)
        drawn[calendars.possible, calendars.meeting] += 1
    # Four pairs of beginnings, each with four places: 400 of each, a standard deviation of 19.4.
    assert len(drawn) == 16
    assert all(abs(count - 400) < 4 * 19.4 for count in drawn.values())


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_what_the_docstring_tells(level: str) -> None:
    assert f"{level} {SILENT[level]:.3f}" in (meeting.__doc__ or "")
    assert len(set(reset(level=level).calendars.possible)) == 1 / SILENT[level]
    env = reset(level=level)
    returns = [play_out(env, silent, seed).returns["booker_0"] for seed in range(1500)]
    assert fmean(returns) == pytest.approx(SILENT[level], abs=4 * (SILENT[level] / 1500) ** 0.5)


def test_two_rounds_give_the_silent_booker_two_guesses() -> None:
    env = reset(horizon=2)
    returns = [play_out(env, silent, seed).returns["booker_0"] for seed in range(600)]
    assert fmean(returns) == pytest.approx(0.5, abs=4 * 0.5 / 600**0.5)


def test_the_booker_is_told_its_own_calendar_alone() -> None:
    env = reset()
    for _ in range(2):
        env.step("I would rather not say.")
    told = env.calendars.told
    assert [each in env.observe("booker_0")["text"] for each in told] == [False, False, True]
