"""What both pictures are made of.

Colours and fonts are in `picture.css`, by class, so that they follow light and dark.
"""

from marft_envs.drawing.markup import Html, element

NUM_COLOURS = 8
"""Agents in the order of the team; the ninth has the colour of the first."""
CHAR = 7.9
"""Width of a character of the fixed font, in the size of the pictures: 13."""
_MOST_CHARS = 22
_ROUGH_US = 100_000
"""Times from here on are told in hundredths of a second."""


def colour_of(place: int) -> str:
    """The class that gives the agent at this place of the team its colour."""
    return f"a{place % NUM_COLOURS}"


def brief(name: str) -> str:
    """A name as pictures show it: of a long one the beginning and the number."""
    return name if len(name) <= _MOST_CHARS else f"{name[: _MOST_CHARS - 7]}…{name[-6:]}"


def label(x: float, y: float, words: str, style: str, anchor: str = "start") -> Html:
    """One line of text."""
    return element("text", {"x": x, "y": y, "class": style, "text-anchor": anchor}, words)


def box(left: float, top: float, width: float, height: float, style: str) -> Html:
    """A rectangle with round corners."""
    radius = min(5.0, width / 3)
    return element("rect", {"x": left, "y": top, "width": width, "height": height, "rx": radius, "class": style})


def line(path: str, style: str) -> Html:
    """A path that is stroked."""
    return element("path", {"d": path, "class": style})


def dot(x: float, y: float, style: str) -> Html:
    """Where a reader's line joins a speaker's."""
    return element("circle", {"cx": x, "cy": y, "r": 2.5, "class": style})


def picture(width: float, height: float, style: str, title: str, description: str, *parts: Html) -> Html:
    """A whole picture, with the words for those who do not see it."""
    return element(
        "svg",
        {
            "class": style,
            "role": "img",
            "aria-label": f"{title}. {description}",
            "width": width,
            "height": height,
            "viewBox": f"0 0 {width:g} {height:g}",
        },
        element("title", {}, title),
        element("desc", {}, description),
        *parts,
    )


def seconds(us: float) -> str:
    """A time for people: `12.3 s`, and as exact as it is where it is short."""
    digits = 2 if us >= _ROUGH_US or not us else 6
    return f"{us / 1_000_000:,.{digits}f}".rstrip("0").rstrip(".") + " s"


def span(start_us: int, end_us: int) -> str:
    """From when to when: `1.6 – 3 s`."""
    return f"{seconds(start_us).removesuffix(' s')} – {seconds(end_us)}"
