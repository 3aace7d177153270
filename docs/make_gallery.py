"""Writes docs/gallery.md and its pictures: every environment as its reference plays it, and what talking is worth.

python docs/make_gallery.py            # rewrites the gallery, and removes pictures of ids that no longer exist
python docs/make_gallery.py --check    # only says, by exit status 1, what is out of date, missing or left over

Everything in it comes from playing: fixed seeds, so that a run on any machine finds the same numbers.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from fences import fenced, span, table
from make_tables import docstring_of, facts_in, our_ids

import marft_envs
from marft_envs import Episode, FlexMG
from marft_envs.check.subject import SCRIPTED_PLAYS, Style, play_out, reference

GALLERY = Path(__file__).parent
PAGE, PICTURES = "gallery.md", "gallery"
SEED = 0
"""Of the plays that are shown."""
NUM_EPISODES = 200
"""For every number: episodes of the test split, the same for all who play them."""
WRITTEN = "<!-- written by docs/make_gallery.py -->"
_Z = 1.96
_HALF_A_DIGIT = 0.0005
ABOUT = f"""# Gallery

Every environment as its reference plays it: the instance of seed {SEED} at the first level, and who reads whom. Each
name leads to its page, which has options, levels, teams and rules. [Flex-MG in code](flex_mg.md) explains the words.
[Learning to work together](collaboration.md) tells what a small model learns of two of them.

- [What talking is worth](#what-talking-is-worth)
{{families}}
"""
TALKING = f"""## What talking is worth

Mean returns per agent over {NUM_EPISODES} episodes of the test split, with 95 % intervals where plays differ.

- **Reference**: the maximum; where interests differ ({{mixed}}), the greatest welfare that there is.
- **Silent**: the best play of a team whose members hear nothing of each other, and may have agreed on everything before
  the episode. *Exact* is its expected return; the environment's docstring says how it was found, and whether it is
  proven to be the best, and tests derive it in another way.
- **Random**: words of what the agent sees, and some that environments like to read. **Echo**: what it was told last.

`marft check` holds every environment of this family to a gap: the silent play stays 30 % of the range of returns below
the reference at every level, and writes nothing that only others were told.
"""


def _made(env_id: str, **options: object) -> FlexMG:
    env = marft_envs.make(marft_envs.spec(env_id), **options)
    assert isinstance(env, FlexMG)
    return env


# ---- What talking is worth -------------------------------------------------------------------------------------------


def has_silent_play(env_id: str) -> bool:
    """Whether the environment says how the best play without words goes."""
    return type(_made(env_id)).silent_action is not FlexMG.silent_action


def worth(env_id: str, level: str, style: Style) -> list[float]:
    """The mean return per agent of every episode."""
    env = _made(env_id, level=level, split="test")
    return [fmean(play_out(env, style, seed).returns.values()) for seed in range(NUM_EPISODES)]


def _told(values: Sequence[float]) -> str:
    mean, half = fmean(values), _Z * stdev(values) / len(values) ** 0.5
    return f"{mean:.3f}" + (f" ± {half:.3f}" if half > _HALF_A_DIGIT else "")


def talking(env_ids: Sequence[str]) -> str:
    """The table, a row for every environment and level."""
    rows = []
    for env_id in env_ids:
        facts = facts_in(docstring_of(env_id))
        exact, _, how = facts["silent"].partition(": ")
        for level in _made(env_id).levels:
            (expected,) = re.findall(rf"\b{level} (\d\.\d+)", exact)
            numbers = [_told(worth(env_id, level, style)) for style in SCRIPTED_PLAYS.values()]
            rows.append((_link(env_id), level, *numbers, expected, how))
            how = ""
    mixed = ", ".join(span(env_id) for env_id in env_ids if _made(env_id).mixed_motives)
    columns = ("environment", "level", *SCRIPTED_PLAYS, "silent, exact", "the silent play")
    return TALKING.replace("{mixed}", mixed) + "\n" + table(columns, rows)


def _link(env_id: str) -> str:
    return f"[{span(env_id)}](environments/{env_id}.md)"


# ---- Plays -----------------------------------------------------------------------------------------------------------


def _play(env_id: str) -> tuple[FlexMG, Episode]:
    env = _made(env_id)
    return env, play_out(env, reference, SEED)


def picture_of(env_id: str) -> str:
    """The file that shows D in the reference play."""
    env, episode = _play(env_id)
    return marft_envs.still_svg(marft_envs.record_of(env, episode))


def section(env_id: str) -> str:
    """One environment: its title, its picture, its transcript."""
    env, episode = _play(env_id)
    title = docstring_of(env_id).partition("\n")[0]
    what = "Who worked when" if env.on_clock else "Who reads whom"
    picture = f"![{what} in the reference play of {env_id}]({PICTURES}/{_file_of(env_id)})"
    timing = marft_envs.timing(episode)
    facts = f"{env.elapsed}, {len(episode.turns)} turns; {timing.speed_up:.2f} times as fast as one agent at a time."
    return f"### {_link(env_id)}\n\n{title}\n\n{picture}\n\n{facts}\n\n{fenced(str(env.render()))}"


def _file_of(env_id: str) -> str:
    return f"{env_id.replace('/', '_')}.svg"


def gallery() -> str:
    """The page, in Markdown."""
    env_ids = our_ids()
    families = list(dict.fromkeys(env_id.partition("/")[0] for env_id in env_ids))
    listed = "\n".join(f"- [{family.capitalize()}](#{family})" for family in families)
    parts = [f"{WRITTEN}\n{ABOUT.replace('{families}', listed)}", talking([*filter(has_silent_play, env_ids)])]
    for family in families:
        parts.append(f"## {family.capitalize()}")
        parts += [section(env_id) for env_id in env_ids if env_id.startswith(f"{family}/")]
    return "\n\n".join(part.strip() for part in parts) + "\n"


# ---- Files -----------------------------------------------------------------------------------------------------------


def wanted() -> dict[str, Callable[[], str]]:
    """What every file should hold, by its path."""
    pictures = {f"{PICTURES}/{_file_of(env_id)}": partial(picture_of, env_id) for env_id in our_ids()}
    return {PAGE: gallery, **pictures}


def problems(files: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the files, by path."""
    found = {}
    for path, text in files.items():
        file = GALLERY / path
        if not file.is_file():
            found[path] = "is missing"
        elif file.read_text(encoding="utf-8") != text:
            found[path] = "is out of date"
    there = {file.relative_to(GALLERY).as_posix() for file in (GALLERY / PICTURES).glob("*.svg")}
    return found | dict.fromkeys(sorted(there - files.keys()), "is of no environment that exists")


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check."""
    files = {path: text() for path, text in wanted().items()}
    found = problems(files)
    is_check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    for path, problem in found.items():
        if is_check:
            sys.stderr.write(f"docs/{path} {problem}; run python docs/make_gallery.py\n")
        elif path in files:
            (GALLERY / path).parent.mkdir(parents=True, exist_ok=True)
            (GALLERY / path).write_text(files[path], encoding="utf-8")
        else:
            (GALLERY / path).unlink()
    return int(is_check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
