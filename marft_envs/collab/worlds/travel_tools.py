"""What specialists of a trip do with a world: the tools that they use by their last line, and what they are told.

A tool is used by a line that begins with its name. Every reading is linear in the line's length.
"""

import re

from marft_envs.collab.worlds.travel import SIGHTS, Connection, Trip, World, listed
from marft_envs.grading.choices import named_choices, stated_choice

_COMMAND = re.compile(r"\W*(find|search|book)\b(.*)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_AROUND = " \t.!'\"`*>:"
"""What may stand around a command that is one word."""
WAY_TO_SEARCH = "Write: search, a city and a day."


def booked(world: World, line: str) -> Trip:
    """What a line of the ticket agent books: by numbers, or without tools by city and day. Empty if nothing."""
    if not world.level.has_tools:
        city, day = stated_choice(line, world.cities), stated_choice(line, world.days)
        return world.timetable.get((str(city), str(day)), ())
    name, words = _command(line)
    written = _NUMBER.findall(words) if name == "book" else []
    found = [world.connection(number) for number in written] if len(written) == world.num_legs else []
    return () if None in found else tuple(one for one in found if one is not None)


def searched(world: World, line: str) -> tuple[str, str] | None:
    """The city and the day that a line of the ticket agent searches; None if it does not."""
    name, words = _command(line)
    cities, days = named_choices(words, world.cities), named_choices(words, world.days)
    return (cities[0], days[0]) if name == "search" and len(cities) == len(days) == 1 else None


def answered(world: World, role: str, line: str, latest: tuple[str, str] | None) -> str | None:
    """What a tool answers to a line; None if this role has no such tool.

    Args:
        world: Where it looks things up.
        role: Whose line it is.
        line: The last one that its agent wrote.
        latest: The latest city and day that were searched, by this line or before; None for none.
    """
    if not world.level.has_tools:
        return None
    name, words = _command(line)
    answer = None
    match role, name:
        case "calendar", "free":
            answer = f"The traveller is free on {listed(world.free)}."
        case "location", "find":
            answer = _found(world, stated_choice(words, SIGHTS))
        case "ticket", "search":
            answer = _timetable(world, *latest) if latest and searched(world, line) else WAY_TO_SEARCH
        case "ticket", "book":
            answer = f"Write: book and {'two numbers' if world.num_legs > 1 else 'one number'} that you found."
        case "debug", "check":
            answer = _checked(world, *latest) if latest else "Nothing was searched yet."
    return answer


def _command(line: str) -> tuple[str, str]:
    """The name of a tool in lower case, and the words behind it; empty for none."""
    bare = line.strip(_AROUND).lower()
    if bare in ("free", "check"):
        return bare, ""
    found = _COMMAND.match(line)
    return (found[1].lower(), found[2]) if found else ("", "")


def _found(world: World, sight: str | None) -> str:
    if sight is None:
        return "Write: find and one sight."
    return " ".join(f"{city}: {listed(has)}." for city, has in world.sights.items() if sight in has) or "Nothing found."


def _timetable(world: World, city: str, day: str) -> str:
    lines = world.timetable[city, day]
    told = [f"{one.number} {_line(one)}." for one in lines]
    if not told:
        return f"{city} on {day}: nothing found."
    if world.num_legs == 1:
        return f"{city} on {day}: {' '.join(told)}"
    to_hub = sum(one.leg == 1 for one in lines)
    onward = f"From {world.hub} to {city}: {' '.join(told[to_hub:])}"
    return f"{city} on {day}. To {world.hub}: {' '.join(told[:to_hub])} {onward}"


def _line(one: Connection) -> str:
    if one.leg == 0:
        return f"leaves {one.leaves}:00{'' if one.returns else ', return sold out'}"
    return f"leaves {one.leaves}:00, arrives {one.arrives}:00, {one.price} euro"


def _checked(world: World, city: str, day: str) -> str:
    idle = [one.number for one in world.timetable[city, day] if not one.runs]
    if idle:
        return f"{city} on {day}: {listed(idle)} do not run."
    return f"{city} is sold out on {listed([day for day in world.days if world.kinds[city, day] == 'sold out'])}."


# ---- What agents are told

NAMES = "Who works next? Reply with call: and names"
LOOK = {
    "orchestrator": f"{NAMES}, and tell them what they need to know.",
    "calendar": "Reply with free to look into the calendar; or tell the others what you found.",
    "location": "Reply with find and a sight to look it up; or tell the others which city fits.",
    "ticket": "Reply with search, a city and a day; or with book and what you found; or tell the others.",
    "debug": "Reply with check to look into the latest search; or tell the others what you found.",
}
"""What agents with tools are asked for."""
ASK = {
    "orchestrator": f"{NAMES}.",
    "calendar": "Say on which day.",
    "location": "Say which city fits.",
    "ticket": "Book one trip: reply with the city and the day.",
    "debug": "Say so.",
}
"""What agents without tools are asked for."""


def request(world: World, role: str) -> str:
    """What an agent of this role is asked for at every turn."""
    return LOOK[role] if world.level.has_tools else ASK[role]


def briefing(world: World, role: str) -> str:
    """What an agent of this role is told of its part, and at easy of what it knows."""
    cities = listed(world.cities)
    if world.level.has_tools:
        return {
            "orchestrator": f"{wish(world)} calendar_0 looks up free days, location_0 looks up cities, ticket_0 "
            "searches for tickets and books, debug_0 looks up what is wrong with them.",
            "calendar": "You have the traveller's calendar.",
            "location": "You have a guide to the cities.",
            "ticket": f"You sell tickets to {cities}.",
            "debug": "You know which tickets can be used.",
        }[role]
    having = ", ".join(f"{city} has a {sights[0]}" for city, sights in world.sights.items())
    return {
        "orchestrator": "A trip is to be booked. calendar_0 knows the day, location_0 the city; then ticket_0 books.",
        "calendar": f"The traveller is free on {world.free[0]}.",
        "location": f"{wish(world)} {having}.",
        "ticket": f"There are trips to {cities}, on {listed(world.days)}.",
        "debug": "Nothing is wrong today.",
    }[role]


def wish(world: World) -> str:
    """What the traveller wants, in a sentence or two."""
    if world.num_legs == 1:
        return f"The traveller wants to see a {world.wishes[0]}."
    return (
        f"The traveller wants to see a {', a '.join(world.wishes)}; an earlier wish counts more than all later ones. "
        f"The budget is {world.budget} euro."
    )
