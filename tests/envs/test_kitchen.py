"""collab/kitchen-v0, played by hand, and the bound for those who hear nothing."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from math import sqrt
from statistics import fmean

import pytest

import marft_envs
from marft_envs import Profile
from marft_envs.collab import kitchen
from marft_envs.collab.kitchen import Kitchen
from marft_envs.collab.worlds import kitchen_talk
from marft_envs.collab.worlds.cookery import LEVELS, Order, Station
from marft_envs.errors import TeamFileError
from tests.envs.conftest import run, to_the_end

S = 1_000_000


def reset(seed: int = 1, **options: object) -> Kitchen:
    env = marft_envs.make("collab/kitchen-v0", **options)
    assert isinstance(env, Kitchen)
    env.reset(seed=seed)
    return env


def told(env: Kitchen, agent: str) -> str:
    return "\n".join(message["content"] for message in env.messages(agent) if "name" not in message)


def orders_of(env: Kitchen, cook: str) -> list[Order]:
    return [order for order in env.shift.evening.orders if order.dish in env.shift.evening.stations[cook].dishes]


def starts(env: Kitchen, agent: str) -> Iterator[int]:
    return (turn.start_us for turn in env.turns if turn.agent == agent)


# ---- What happens ----------------------------------------------------------------------------------------------------


def test_an_order_that_is_served_pays_everybody_its_share_and_the_last_one_ends_the_episode() -> None:
    env = reset()
    first, second = orders_of(env, "cook_0") + orders_of(env, "cook_1")
    run(env, {"cook_0": [f"cook {first.dish}"], "cook_1": [f"cook {second.dish}"]})
    run(env, {"waiter_0": ["Patience."] * 12})
    run(env, {"waiter_0": [f"serve {first.table}", f"Now for the other!\nserve table {second.table}."]})
    assert env.terminated
    assert {event.amount for event in env.reward_events} == {0.5}
    assert env.episode().returns == {"waiter_0": 1.0, "cook_0": 1.0, "cook_1": 1.0}
    assert env.info == {"served": 1.0, "lost": 0.0}


def test_what_is_not_ready_cannot_be_served_and_the_way_there_takes_its_time() -> None:
    env = reset()
    order = orders_of(env, "cook_0")[0]
    run(env, {"waiter_0": [f"serve {order.table}", "Well."], "cook_0": [f"cook {order.dish}"]})
    assert f"Nothing for table {order.table} is ready." in told(env, "waiter_0")
    before, after = [turn for turn in env.turns if turn.agent == "waiter_0"][:2]
    assert after.start_us - before.finish_us == LEVELS["easy"].serve_us == 2 * S
    assert env.reward_events == []


def test_only_the_cook_is_told_that_a_dish_is_ready_and_it_has_no_turn_before() -> None:
    env = reset()
    dish = env.shift.evening.stations["cook_0"].dishes[0]
    run(env, {"cook_0": [f"cook {dish}", "Done."]})
    assert f"The {dish} is ready." in told(env, "cook_0")
    assert all(f"The {dish} is ready." not in told(env, other) for other in ("waiter_0", "cook_1"))
    first, second = [turn for turn in env.turns if turn.agent == "cook_0"][:2]
    assert second.start_us - first.finish_us == LEVELS["easy"].cook_us == 10 * S


def test_an_order_that_is_due_is_lost_and_the_last_lost_ends_the_episode() -> None:
    env = to_the_end(reset())
    assert env.terminated
    assert env.now_us == 36 * S
    assert env.info == {"served": 0.0, "lost": 1.0}
    env = reset(level="standard")
    run(env, {"cook_0": ["Hm."] * 44})
    early = [order for order in env.shift.evening.orders if order.due_us == 45 * S]
    assert all(f"Table {order.table} has left." in told(env, "waiter_0") for order in early)
    run(env, {"waiter_0": [f"serve {early[0].table}", "So?"]})
    assert "Name one table to serve." in told(env, "waiter_0")


def test_a_dish_that_is_served_as_the_order_is_due_is_in_time() -> None:
    for late_us in (0, 1):
        env = reset(team=(Profile("waiter", answers=True, base_us=36 * S + late_us, per_char_us=0), *COOKS))
        order = orders_of(env, "cook_0")[0]
        run(env, {"waiter_0": [f"serve {order.table}"], "cook_0": [f"cook {order.dish}"]})
        to_the_end(env)
        assert (env.info["served"] == 0.5) is (late_us == 0)


COOKS = (Profile("cook"), Profile("cook"))


def test_orders_come_when_it_is_time_and_are_told_to_the_waiter_alone() -> None:
    env = reset(level="standard")
    later = [order for order in env.shift.evening.orders if order.comes_us]
    assert {order.comes_us for order in later} == {12 * S}
    assert all(order.text not in told(env, "waiter_0") for order in later)
    run(env, {"cook_0": ["Hm."] * 13})
    assert all(order.text in told(env, "waiter_0") for order in later)
    assert 12 * S in starts(env, "waiter_0") or "waiter_0" in env.ready
    assert all("wants" not in told(env, cook) for cook in env.cooks)


# ---- What takes what -------------------------------------------------------------------------------------------------


def test_a_cook_has_food_for_as_many_dishes_as_are_ordered_from_it() -> None:
    env = reset()
    one, other = env.shift.evening.stations["cook_0"].dishes[:2]
    run(env, {"cook_0": [f"cook {one}", f"cook {other}", "Oh."]})
    assert "You have nothing left to cook." in told(env, "cook_0")
    assert env.shift.begun["cook_0"] == [f"cook {one}"]
    assert env.shift.done == {one}


def test_a_dish_is_cooked_once_another_cook_has_chopped_what_it_needs() -> None:
    env = reset(level="standard")
    dish = env.shift.evening.stations["cook_0"].dishes[0]
    thing = env.shift.evening.stations["cook_0"].needs[dish]
    run(env, {"cook_0": [f"cook {dish}", "Hm."] + ["Hm."] * 5, "cook_1": [f"chop {thing}", "Done."]})
    assert f"The {thing} are not chopped yet." in told(env, "cook_0")
    assert f"The {thing} are chopped." in told(env, "cook_1")
    assert f"The {thing} are chopped." not in told(env, "cook_0")
    run(env, {"cook_0": [f"cook {dish}", "Hm."]})
    assert dish in env.shift.done


def test_a_cook_can_chop_a_few_things_as_well_and_then_no_more() -> None:
    env = reset(level="standard")
    things = env.shift.evening.stations["cook_0"].things
    run(env, {"cook_0": [*(f"chop {thing}" for thing in things[:3]), "Hm."]})
    assert env.shift.begun["cook_0"] == [f"chop {thing}" for thing in things[:2]]
    assert "You have nothing left to chop." in told(env, "cook_0")


def test_what_is_out_of_stock_cannot_be_cooked() -> None:
    env = reset(level="hard")
    out = env.shift.evening.stations["cook_0"].out[0]
    run(env, {"cook_0": [f"cook {out}", "Hm."]})
    assert f"There is no {out}." in told(env, "cook_0")
    assert env.shift.begun["cook_0"] == []


def test_a_command_names_one_thing_that_its_agent_can_do_it_with() -> None:
    env = reset(level="standard")
    own, others = (env.shift.evening.stations[cook] for cook in env.cooks)
    wrong = [f"cook {others.dishes[0]}", f"chop {others.things[0]}", f"cook {own.dishes[0]} {own.dishes[1]}", "chop"]
    run(env, {"cook_0": [*wrong, f"serve {env.shift.open[0].table}", f"I cook {own.dishes[0]}", "Hm."]})
    assert told(env, "cook_0").count("Name one thing to cook.") == 2
    assert told(env, "cook_0").count("Name one thing to chop.") == 2
    assert env.shift.begun["cook_0"] == []
    assert [env.gradable("cook_0", text) for text in (*wrong, "serve 1", "Hm.")] == [False] * 4 + [None] * 2
    assert env.gradable("cook_0", f"Yes.\nchop the {own.things[0]}!") is True
    assert env.gradable("waiter_0", f"serve {env.shift.open[0].table}") is True
    assert env.gradable("waiter_0", "serve 99") is False
    assert env.gradable("waiter_0", f"cook {own.dishes[0]}") is None


def test_on_easy_nothing_is_chopped() -> None:
    env = reset()
    assert env.gradable("cook_0", "chop leeks") is None
    assert "chop" not in told(env, "cook_0")


# ---- What is drawn, and who is told what -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_every_cook_has_its_share_of_orders_all_for_different_dishes(level: str) -> None:
    for seed in range(30):
        env = reset(seed, level=level)
        evening = env.shift.evening
        for cook, station in evening.stations.items():
            orders = orders_of(env, cook)
            assert len(orders) == len({order.dish for order in orders}) == LEVELS[level].num_each
            assert not {order.dish for order in orders} & set(station.out)
            assert len(station.out) == LEVELS[level].num_out
        ordered = [dish for order in evening.orders for dish in order.choices]
        assert len(set(ordered)) == len(ordered)
        assert len({order.table for order in evening.orders}) == len(evening.orders)


@pytest.mark.parametrize("level", ["standard", "hard"])
def test_every_dish_needs_a_thing_of_its_own_that_the_other_cook_can_chop(level: str) -> None:
    env = reset(level=level)
    one, other = env.shift.evening.stations.values()
    for station, chopper in ((one, other), (other, one)):
        assert sorted(station.needs) == sorted(station.dishes)
        assert sorted(station.needs.values()) == sorted(chopper.things)


def test_the_second_choice_counts_where_the_first_is_out_of_stock_at_another_cooks() -> None:
    places = set()
    for seed in range(20):
        env = reset(seed, level="hard")
        out = {dish for station in env.shift.evening.stations.values() for dish in station.out}
        for order in env.shift.evening.orders:
            first, second = order.choices
            assert order.dish == (second if first in out else first)
            places.add(first in out)
            cooks = {cook for cook in env.cooks for dish in order.choices if dish in dishes_of(env, cook)}
            assert len(cooks) == 2
    assert places == {True, False}


def dishes_of(env: Kitchen, cook: str) -> Sequence[str]:
    return env.shift.evening.stations[cook].dishes


def test_a_cook_is_told_its_dishes_what_they_need_what_it_can_chop_and_what_is_out() -> None:
    env = reset(level="hard")
    station = env.shift.evening.stations["cook_0"]
    text = told(env, "cook_0")
    assert all(f"{dish} (needs {thing})" in text for dish, thing in station.needs.items())
    assert f"You can chop 3 of these: {', '.join(station.things)}." in text
    assert f"Out of stock today: {', '.join(station.out)}." in text
    assert "cook 3 of these" in text


@pytest.mark.parametrize(
    "team",
    [
        (Profile("waiter", answers=True), Profile("cook")),
        (Profile("waiter"), *COOKS),
        (Profile("waiter", answers=True), *COOKS, Profile("cook")),
        (Profile("waiter", answers=True), Profile("waiter", answers=True), *COOKS),
    ],
)
def test_a_kitchen_takes_a_waiter_and_two_cooks(team: tuple[Profile, ...]) -> None:
    with pytest.raises(TeamFileError, match="takes two cooks, and a waiter"):
        reset(team=team)


# ---- What plays earn -------------------------------------------------------------------------------------------------


def reference_return(env: Kitchen, seed: int) -> float:
    return marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=seed).returns["waiter_0"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_team_that_talks_serves_every_order(level: str) -> None:
    env = reset(level=level)
    assert min(reference_return(env, seed) for seed in range(60)) == pytest.approx(1.0)


def test_on_hard_who_takes_orders_as_they_come_loses_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kitchen_talk, "by_due", list)
    monkeypatch.setattr(
        Order, "text", property(lambda order: f"Table {order.table} wants {' or '.join(order.choices)}.")
    )
    monkeypatch.setattr(kitchen_talk, "told_needed", lambda thing, due_us: f"I need {thing} for 0 s.")
    env = reset(level="hard")
    assert fmean(reference_return(env, seed) for seed in range(60)) < 0.95


def test_the_long_winded_lose_orders_on_hard_and_not_on_easy() -> None:
    for level, loses in (("easy", False), ("hard", True)):
        env = reset(level=level)
        while env.ready:
            words = env.reference_action(env.agent_selection)
            env.step(words if words == "wait" else f"{'I would like to say something. ' * 4}\n{words}")
        assert (env.info["lost"] > 0) is loses


def test_whatever_others_say_the_reference_play_goes_on() -> None:
    env = reset(level="standard")
    odd = ["I need leeks for ever s.", "I need leeks for 9999999999 s.", "i need  for 5 s.", "The are chopped."]
    while env.ready:
        agent = env.agent_selection
        env.step(odd[len(env.turns) % len(odd)] if agent == "cook_1" else env.reference_action(agent))
    assert env.info["served"] < 1


def best_blind(num_dishes: int, num_out: int, num_each: int) -> Fraction:
    """The best chance of an order: over all that may be chopped, and whatever is cooked from it, in all kitchens."""
    best = Fraction(0)
    kitchens = list(permutations(range(num_dishes)))  # by dish, the thing that it needs; who chops does not know it
    stock = range(num_dishes - num_out)
    for chopped in combinations(range(num_dishes), num_each):
        hits = sum(
            max(
                sum(dish in cooked and needs[dish] in chopped for dish in stock) for cooked in combinations(stock, each)
            )
            for needs in kitchens
            for each in [min(num_each, len(stock))]
        )
        best = max(best, Fraction(hits, len(kitchens) * len(stock)))
    return best


@pytest.mark.parametrize(("num_dishes", "num_out", "num_each"), [(3, 0, 1), (4, 0, 2), (4, 1, 2), (5, 2, 2)])
def test_in_small_kitchens_the_best_of_all_blind_plans_serves_as_large_a_share_as_can_be_made(
    num_dishes: int, num_out: int, num_each: int
) -> None:
    assert best_blind(num_dishes, num_out, num_each) == Fraction(num_each, num_dishes)


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_that_share_as_the_docstring_says(level: str) -> None:
    row = LEVELS[level]
    bound = float(Fraction(row.num_each, row.num_dishes))
    assert f"{level} {bound:.2f}" in (kitchen.__doc__ or "")
    env = reset(level=level)
    earned = []
    for seed in range(400):
        episode = marft_envs.play(env, lambda agent, messages: env.silent_action(agent), seed=seed)
        earned.append(episode.returns["waiter_0"])
        made = {command.removeprefix("cook ") for begun in env.shift.begun.values() for command in begun}
        assert earned[-1] == pytest.approx(fmean(order.dish in made for order in env.shift.evening.orders))
    assert abs(fmean(earned) - bound) < 4 * sqrt(bound * (1 - bound) / (400 * len(env.shift.evening.orders)))


def test_a_blind_plan_uses_up_what_there_is() -> None:
    station = Station(("a", "b", "c"), {"a": "z", "b": "y", "c": "x"}, ("u", "v", "w"), ("b",))
    assert station.blind_plan(2) == ["chop u", "chop v", "cook c"]
    assert Station(("a", "b", "c"), {}, (), ()).blind_plan(1) == ["cook a"]
