"""Plays the example of docs/flex_mg.md, writes what it prints into the page, and draws the episode that was played.

python docs/make_example.py            # rewrites the page's outputs and the pictures
python docs/make_example.py --check    # only says, by exit status 1, what is out of date

The pictures show the variable `episode` that the page's blocks leave behind.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from make_flex_mg import THEMES
from pictures import rounds_picture, timeline_picture
from play_page import play_page

from marft_envs import Episode

FOLDER = Path(__file__).parent
PAGE = FOLDER / "flex_mg.md"


def files() -> dict[Path, str]:
    """Every file's text as it should be, by its path."""
    played = play_page(PAGE.read_text(encoding="utf-8"), str(PAGE))
    episode = played.namespace["episode"]
    assert isinstance(episode, Episode), episode
    wanted = {PAGE: played.page}
    for name, theme in THEMES.items():
        suffix = name.removeprefix("flex_mg")
        wanted[FOLDER / f"flex_mg_rounds{suffix}"] = rounds_picture(theme, episode)
        wanted[FOLDER / f"flex_mg_timeline{suffix}"] = timeline_picture(theme, episode)
    return wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check."""
    is_check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    stale = 0
    for path, wanted in files().items():
        if path.is_file() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale = 1
        if is_check:
            sys.stderr.write(f"{path.name} is out of date; run python docs/make_example.py\n")
        else:
            path.write_text(wanted, encoding="utf-8")
    return stale if is_check else 0


if __name__ == "__main__":
    sys.exit(main())
