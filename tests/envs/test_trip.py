"""collab/trip-v0, played by hand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, islice
from statistics import fmean

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.collab import trip
from marft_envs.collab.worlds.travel import LEVELS, World, numbers, price
from marft_envs.collab.worlds.travel_drawing import draw
from marft_envs.collab.worlds.travel_tools import answered, booked, searched
from marft_envs.errors import TeamFileError
from tests.envs.conftest import said

SILENT = {"easy": Fraction(1, 9), "standard": Fraction(3, 56), "hard": Fraction(15, 744)}
"""As the docstring tells, exactly."""
ROLES = ("orchestrator", "calendar", "location", "ticket", "debug")


def reset(level: str = "easy", seed: int = 1, **options: object) -> FlexMG:
    env = marft_envs.make("collab/trip-v0", level=level, **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=seed)
    return env


def right(env: FlexMG) -> str:
    return f"{env.world.city} {env.world.free[0]}"


def worlds(level: str, count: int = 60) -> Iterator[World]:
    rng = np.random.Generator(np.random.PCG64(7))
    return (draw(LEVELS[level], rng) for _ in range(count))


# ---- who works


def test_those_called_together_work_in_one_round_and_a_right_booking_earns_everybody_1() -> None:
    env = reset()
    acted = said(env, "call: calendar_0, location_0", "Then.", "There.", "call: ticket_0", right(env))
    assert acted == ["orchestrator_0", "calendar_0", "location_0", "orchestrator_0", "ticket_0"]
    assert env.terminated
    assert [turn.round for turn in env.turns] == [0, 1, 1, 2, 3]
    assert env.episode().returns == dict.fromkeys(env.possible_agents, 1.0)
    assert env.info == {"booked": 1, "superfluous": 0}


def test_calling_one_after_the_other_costs_two_rounds() -> None:
    env = reset()
    said(env, "call: calendar_0", "Then.", "call: location_0", "There.", "call: ticket_0", right(env))
    assert env.info == {"booked": 1, "superfluous": 2}
    assert env.episode().returns["debug_0"] == pytest.approx(0.9)


def test_every_turn_of_a_specialist_beyond_the_plan_costs_as_much_as_a_round() -> None:
    env = reset()
    said(env, "call: calendar_0, location_0, ticket_0, debug_0", "Then.", "There.", "Where?", "Well.")
    said(env, "call: ticket_0, debug_0", right(env), "Well.")
    assert env.info == {"booked": 1, "superfluous": 3}
    assert env.episode().returns["ticket_0"] == pytest.approx(0.85)


def test_the_price_never_makes_a_right_trip_a_loss() -> None:
    env = reset(horizon=60)
    said(env, *["I do not know."] * 40, "call: ticket_0", right(env))
    assert env.info == {"booked": 1, "superfluous": 38}
    assert env.episode().returns["ticket_0"] == 0.0


def test_words_that_call_nobody_lose_a_round_and_are_told_so() -> None:
    env = reset()
    assert said(env, "Let us begin.", "call: calendar_0") == ["orchestrator_0", "orchestrator_0"]
    assert "judge: Nobody was called." in env.observe("orchestrator_0")["text"]
    assert env.dependencies.agents == ("calendar_0",)


def test_who_used_a_tool_reads_its_result_and_goes_on_without_the_others() -> None:
    env = reset("standard")
    acted = said(env, "call: calendar_0, location_0", "free", "I wait.", "Thank you.", "call: debug_0")
    assert acted == ["orchestrator_0", "calendar_0", "location_0", "calendar_0", "orchestrator_0"]


def test_what_a_tool_answers_its_user_alone_is_told() -> None:
    env = reset("standard")
    said(env, "call: calendar_0, location_0", "free", "I wait.", "I say nothing.", "call: location_0")
    told = f"The traveller is free on {', '.join(env.world.free[:2])} and {env.world.free[2]}."
    assert told in env.observe("calendar_0")["text"]
    assert not any(told in env.observe(other)["text"] for other in env.possible_agents if other != "calendar_0")


def test_everybody_hears_in_its_next_turn_what_was_said() -> None:
    env = reset()
    said(env, "call: calendar_0, location_0", "Then.", "There.", "call: ticket_0")
    assert "calendar_0:\n> Then." in env.observe("ticket_0")["text"]


def test_done_ends_the_episode_and_earns_nothing() -> None:
    env = reset()
    said(env, "done")
    assert env.terminated
    assert env.episode().returns["orchestrator_0"] == 0.0


def test_a_wrong_booking_is_final() -> None:
    env = reset()
    wrong = next(city for city in env.world.cities if city != env.world.city)
    said(env, "call: ticket_0", f"{wrong} {env.world.free[0]}")
    assert env.terminated
    assert env.info["booked"] == 0
    assert env.feedback_to("ticket_0") == ["judge: Another city would fit better."]


def test_a_trip_that_nobody_books_earns_nothing() -> None:
    env = reset(horizon=3)
    said(env, "call: ticket_0", "Well.", "call: ticket_0")
    assert env.truncated
    assert env.episode().returns["ticket_0"] == 0.0


@pytest.mark.parametrize("roles", [ROLES[:4], (*ROLES, "ticket"), ("leader", *ROLES[1:])])
def test_a_team_has_one_agent_of_each_role(roles: tuple[str, ...]) -> None:
    with pytest.raises(TeamFileError, match="one agent of each of the roles"):
        reset(team=tuple(Profile(role) for role in roles))


# ---- the words


@pytest.mark.parametrize(
    ("words", "books"),
    [("{city} {day}", True), ("We go to {city} on {day}.", True), ("{city}", False), ("{day}", False), ("", False)],
)
def test_without_tools_one_city_and_one_day_on_the_last_line_are_a_booking(words: str, books: bool) -> None:
    for world in worlds("easy", 5):
        assert bool(booked(world, words.format(city=world.cities[1], day=world.days[2]).upper())) is books
        assert not booked(world, f"{' '.join(world.cities)} {world.days[0]}")


def test_the_last_line_alone_books() -> None:
    env = reset()
    said(
        env, "call: ticket_0", f"{right(env)}\nBut I am not sure.", "call: ticket_0", f"I am sure now:\n{right(env)}\n"
    )
    assert env.info["booked"] == 1


def test_with_tools_a_booking_names_as_many_numbers_as_there_are_legs() -> None:
    for level, legs in (("standard", 1), ("hard", 2)):
        for world in worlds(level, 5):
            found = [one for lines in world.timetable.values() for one in lines][:3]
            assert booked(world, f" Book {numbers(tuple(found[:legs]))}!") == tuple(found[:legs])
            for count in {0, 1, 2, 3} - {legs}:
                assert not booked(world, f"book {numbers(tuple(found[:count]))}")
            unknown = next(str(number) for number in range(100, 1000) if not world.connection(str(number)))
            assert not booked(world, "book" + f" {unknown}" * legs)
            assert not booked(world, f"I book {numbers(tuple(found[:legs]))}")
            assert not booked(world, "book " + "9" * 10_000)


@pytest.mark.parametrize("line", ["free", "Free.", "`free`", "> FREE!"])
def test_one_word_is_a_tool_and_a_sentence_is_none(line: str) -> None:
    (world,) = worlds("standard", 1)
    assert str(answered(world, "calendar", line, None)).startswith("The traveller is free on")
    assert answered(world, "calendar", "Free on Monday.", None) is None
    assert answered(world, "ticket", line, None) is None
    assert answered(next(worlds("easy")), "calendar", line, None) is None


def test_the_city_that_a_sight_is_in_is_found() -> None:
    for world in worlds("standard", 5):
        wish = world.wishes[0]
        assert answered(world, "location", f"find a {wish}", None) == f"{world.city}: {wish}."
        missing = next(sight for sight in ("beach", "zoo", "lake", "castle", "museum", "garden", "market", "harbour",
                       "theatre", "volcano") if (sight,) not in world.sights.values())  # fmt: skip
        assert answered(world, "location", f"find {missing}", None) == "Nothing found."
        assert answered(world, "location", "find happiness", None) == "Write: find and one sight."


def test_a_search_shows_what_is_sold_out_and_a_check_tells_all_such_days() -> None:
    for world in worlds("standard", 5):
        for (city, day), kind in islice(world.kinds.items(), 14):
            told = str(answered(world, "ticket", f"search {city} on {day}", (city, day)))
            assert told.count("leaves") == 2
            assert told.count("return sold out") == (2 if kind == "sold out" else 1)
            check = str(answered(world, "debug", "check", (city, day)))
            assert (day in check) is (kind == "sold out")


@pytest.mark.parametrize("words", ["search", "search {0}", "search {2}", "search {0} {1} {2}", "search {0} {2} {3}"])
def test_a_search_names_one_city_and_one_day(words: str) -> None:
    (world,) = worlds("standard", 1)
    line = words.format(*world.cities[:2], *world.days[:2])
    assert searched(world, line) is None
    assert answered(world, "ticket", line, ("Rome", "Monday")) == "Write: search, a city and a day."


def test_debug_tells_of_the_latest_search_which_connections_do_not_run() -> None:
    env = reset("hard", seed=4)
    day = next(day for day in env.world.free if env.world.right_trip(day))
    said(env, "call: debug_0", "check")
    assert "Nothing was searched yet." in env.observe("debug_0")["text"]
    other = next(city for city in env.world.cities if city != env.world.city)
    said(env, "Well.", "call: ticket_0", f"search {other} {day}", f"search {env.world.city} {day}", "Well.")
    said(env, "call: debug_0", "check")
    idle = [one.number for one in env.world.timetable[env.world.city, day] if not one.runs]
    assert f"{env.world.city} on {day}: {idle[0]} and {idle[1]} do not run." in env.observe("debug_0")["text"]


# ---- the worlds


@pytest.mark.parametrize("level", LEVELS)
def test_the_city_is_the_best_by_the_first_wish_that_makes_a_difference(level: str) -> None:
    for world in worlds(level):
        ranks = {city: [wish in sights for wish in world.wishes] for city, sights in world.sights.items()}
        best = max(ranks.values())
        assert [city for city, rank in ranks.items() if rank == best] == [world.city]
        assert not all(best) or level != "hard", "no city grants all"


@pytest.mark.parametrize("level", LEVELS)
def test_every_city_has_as_many_days_of_each_kind(level: str) -> None:
    wanted = {
        "easy": {"open": 3},
        "standard": {"open": 5, "sold out": 2},
        "hard": {"open": 3, "sold out": 2, "dear": 2},
    }
    for world in worlds(level, 20):
        for city in world.cities:
            assert Counter(world.kinds[city, day] for day in world.days) == wanted[level]
        assert any(world.kinds[world.city, day] == "open" for day in world.free)


def test_on_open_days_three_trips_look_alike_and_one_runs_and_on_dear_days_none_is_within_the_budget() -> None:
    for world in worlds("hard", 20):
        for (city, day), kind in world.kinds.items():
            trips = world.trips(city, day)
            assert len(trips) == (0 if kind == "sold out" else 3)
            assert all((price(trip) <= world.budget) is (kind == "open") for trip in trips)
            assert not trips or sum(all(one.runs for one in trip) for trip in trips) == 1
            assert len({trip[0] for trip in trips}) <= 1, "the cheap first leg comes too late"


def test_what_is_wrong_with_a_trip_is_told() -> None:
    for world in worlds("hard", 20):
        day = next(day for day in world.free if world.kinds[world.city, day] == "open")
        first, late, early, *onward = world.timetable[world.city, day]
        running = next(one for one in onward if one.runs)
        assert world.fault((first, running)) == ""
        assert world.fault((late, running)) == "It cannot be travelled."
        assert world.fault((first, early)) == "It cannot be travelled."
        assert world.fault((running, first)) == "It cannot be travelled."
        assert world.fault((first, next(one for one in onward if not one.runs))) == "It does not run."
        assert world.fault((first, replace(running, day="Someday"))) == "It cannot be travelled."
        others = {
            kind: [day for day in world.days if world.kinds[world.city, day] == kind] for kind in ("dear", "open")
        }
        for kind, fault in (("open", "The traveller is not free then."), ("dear", "It is above the budget.")):
            for day in others[kind]:
                trip = next(one for one in world.trips(world.city, day) if all(each.runs for each in one))
                if (day in world.free) is (kind == "dear"):
                    assert world.fault(trip) == fault
        city = next(city for city in world.cities if city != world.city)
        day = next(day for day in world.days if world.kinds[city, day] == "open")
        assert world.fault(world.trips(city, day)[0]) == "Another city would fit better."


def test_the_key_tells_neither_orders_nor_times() -> None:
    for world in worlds("hard", 5):
        turned = {city: sights[::-1] for city, sights in reversed(world.sights.items())}
        assert replace(world, sights=turned, timetable={}, budget=1, hub="Bern").key == world.key
        assert replace(world, free=world.days[:2]).key != world.key


# ---- the plays


@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_takes_as_many_rounds_and_turns_as_the_plan(level: str) -> None:
    env = reset(level)
    lengths = set()
    for seed in range(40):
        episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=seed)
        worked = sum(turn.agent != "orchestrator_0" for turn in episode.turns)
        assert (env.round + 1, worked) == env.world.plan
        assert set(episode.returns.values()) == {1.0}
        lengths.add(env.round + 1)
    assert lengths == {"easy": {4}, "standard": {6, 7, 8}, "hard": {11, 12, 13}}[level]


def best_guess(level: str) -> Fraction:
    """The probability of the best city, day and trip, by going through all sets of free days that leave a trip."""
    days = range(LEVELS[level].num_days)
    num_open = len(days) - LEVELS[level].num_sold_out - LEVELS[level].num_dear
    possible = [free for free in combinations(days, LEVELS[level].num_free) if free[0] < num_open]
    chances = [Fraction(sum(day in free for free in possible), len(possible)) for day in days[:num_open]]
    return max(chances) / LEVELS[level].num_cities / (3 if level == "hard" else 1)


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_what_the_best_guess_does_and_the_docstring_tells_it(level: str) -> None:
    assert best_guess(level) == SILENT[level]
    told = {"easy": "easy 0.111", "standard": "standard 0.0536", "hard": "hard 0.0202"}[level]
    assert float(told.split()[1]) == pytest.approx(float(SILENT[level]), rel=5e-3)
    assert told in (trip.__doc__ or "")
    env, chance = reset(level), float(SILENT[level])
    count = 1200
    earned = [
        marft_envs.play(env, lambda agent, messages: env.silent_action(agent), seed=seed).returns["ticket_0"]
        for seed in range(count)
    ]
    assert set(earned) <= {0.0, 1.0}, "a guess is never late"
    assert fmean(earned) == pytest.approx(chance, abs=4 * (chance * (1 - chance) / count) ** 0.5)


def test_the_silent_play_books_at_hard_a_trip_that_is_within_the_budget() -> None:
    env = reset("hard")
    for seed in range(20):
        episode = marft_envs.play(env, lambda agent, messages: env.silent_action(agent), seed=seed)
        assert price(booked(env.world, episode.turns[-1].action)) <= env.world.budget


@pytest.mark.parametrize("level", LEVELS)
def test_where_the_city_stands_tells_nothing(level: str) -> None:
    places = Counter(world.cities.index(world.city) for world in worlds(level, 800))
    chance = 1 / LEVELS[level].num_cities
    assert set(places) == set(range(LEVELS[level].num_cities))
    assert max(places.values()) / 800 < chance + 4.5 * (chance * (1 - chance) / 800) ** 0.5
