"""How a trip is played: by the plan, and as well as can be without hearing anybody."""

from collections.abc import Collection, Sequence

from marft_envs.collab.worlds.travel import World, listed, numbers, price
from marft_envs.collab.worlds.travel_tools import wish

Search = tuple[str, str]
"""City and day."""


def planned_leader(world: World, heard: Collection[str]) -> str:
    """Whom the orchestrator calls by the plan, having heard these agents."""
    if "calendar_0" not in heard:
        return (
            f"call: calendar_0, location_0\n{wish(world)}" if world.level.has_tools else "call: calendar_0, location_0"
        )
    must_check = world.level.is_hard and "ticket_0" in heard and "debug_0" not in heard
    return "call: debug_0" if must_check else "call: ticket_0"


def planned(world: World, role: str, result: str | None) -> str:
    """What the calendar, location or debug agent writes by the plan: looks up what it was asked for, and tells it.

    `result` is what its tool answered last; None for nothing yet.
    """
    if world.level.has_tools and result is None:
        return {"calendar": "free", "location": f"find {world.wishes[0]}", "debug": "check"}[role]
    return {
        "calendar": f"Free on {listed(world.free)}.",
        "location": f"{world.city} fits.",
        "debug": result or "Nothing is wrong.",
    }[role]


def planned_ticket(world: World, searches: Sequence[Search], *, is_checked: bool) -> str:
    """What the ticket agent writes by the plan: searches the free days in order, asks at hard what runs, and books."""
    day = next(day for day in world.free if world.right_trip(day))
    if not world.level.has_tools:
        return f"{world.city} {day}"
    if (world.city, day) not in searches:
        return f"search {world.city} {next(day for day in world.free if (world.city, day) not in searches)}"
    if world.level.is_hard and not is_checked:
        return f"{world.city} on {day} is within the budget. Which connections run?"
    return f"book {numbers(world.right_trip(day))}"


def guessed_ticket(world: World, searches: Sequence[Search]) -> str:
    """What the ticket agent writes that hears nobody: see `Trip.silent_action`."""
    if not world.level.has_tools:
        return f"{world.cities[0]} {world.days[0]}"
    trips = [trip for search in searches for trip in world.trips(*search)]
    if len(searches) < len(world.days) and (world.level.is_hard or not trips):
        return f"search {world.cities[0]} {world.days[len(searches)]}"
    return f"book {numbers(min(trips, key=price))}"
