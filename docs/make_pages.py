"""Writes a page for every environment of the suite, docs/environments/<family>/<name>-vN.md, and their index.

python docs/make_pages.py            # rewrites the pages, and removes those of ids that no longer exist
python docs/make_pages.py --check    # only says, by exit status 1, which are out of date, missing or left over

Everything on a page comes from the code: docstring, signature, team files, and what comes out of playing.
"""

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from fences import fenced, span, table
from make_tables import docstring_of, our_ids

import marft_envs
from marft_envs import Episode, FlexMG, MarftError, Message, Profile
from marft_envs.golden import recorded_hashes

PAGES = Path(__file__).parent / "environments"
INDEX = "README.md"
SEED = 0
"""Of the sample, which `make` draws from the training split by default: no page shows an instance of a test."""
CLUELESS = "I do not know."
"""What everybody writes in the second play: text that most tasks pay nothing for."""
WRITTEN = "<!-- written by docs/make_pages.py -->"

_SECONDS = 1e-6


# ---- A page ----------------------------------------------------------------------------------------------------------


def page(env_id: str) -> str:
    """The page of an environment, in Markdown."""
    title, _, rest = docstring_of(env_id).partition("\n")
    sections = [
        f"{WRITTEN}\n# {span(env_id)}\n\n{title}\n\n{rest.strip()}",
        _options(env_id),
        _levels(env_id),
        _teams(env_id),
        _sample(env_id),
        _behaviour(env_id),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _made(env_id: str, **options: object) -> FlexMG:
    env = marft_envs.make(marft_envs.spec(env_id), **options)  # by its spec: an old version needs no warning here
    assert isinstance(env, FlexMG), f"{env_id} is no FlexMG environment"
    return env


def _options(env_id: str) -> str:
    """What `make` takes besides the id, with defaults: the options that `marft envs ID` prints."""
    spec = marft_envs.spec(env_id)
    creator = spec.entry_point if callable(spec.entry_point) else resolve_name(spec.entry_point)
    defaults = {**marft_envs.known_options(creator).defaults, **spec.kwargs}
    rows = [
        (span(name), "required" if default is inspect.Parameter.empty else span(repr(default)))
        for name, default in defaults.items()
    ]
    return f"## Options\n\n{table(('option', 'default'), rows)}"


def _levels(env_id: str) -> str:
    """The levels from easy to hard, and what the environment's module says of each, if it has a table `LEVELS`."""
    env = _made(env_id)
    if not env.levels:
        return ""
    described = getattr(sys.modules[type(env).__module__], "LEVELS", {})
    described = described if isinstance(described, Mapping) else {}
    facts: dict[str, Callable[[str], str]] = {
        "level": span,
        "what": lambda level: str(getattr(described.get(level), "summary", "")),
        "instances": lambda level: _grouped(getattr(described.get(level), "num_instances", None)),
        "splits": lambda level: ", ".join(split for split in ("train", "test") if _offers(env_id, level, split)),
        "texts to choose from": lambda level: _grouped(_most_choices(env_id, level)),
    }
    cells = {name: [fact(level) for level in env.levels] for name, fact in facts.items()}
    cells = {name: column for name, column in cells.items() if any(column)}
    return f"## Levels\n\nFrom easy to hard.\n\n{table(tuple(cells), list(zip(*cells.values(), strict=True)))}"


def _grouped(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) else ""


def _most_choices(env_id: str, level: str) -> int | None:
    """From how many texts an agent chooses that writes no language (`FlexMG.choices`), at most; None for none."""
    env = _made(env_id, level=level)
    env.reset(seed=SEED)
    most = 0
    while env.ready:
        agent = env.agent_selection
        try:
            most = max(most, len(env.choices(agent)))
        except NotImplementedError:
            return None
        env.step(env.reference_action(agent))
    return most


def _offers(env_id: str, level: str, split: str) -> bool:
    try:
        _made(env_id, level=level, split=split)
    except MarftError:
        return False
    return True


# ---- Teams -----------------------------------------------------------------------------------------------------------


def _teams(env_id: str) -> str:
    """Every team that comes with the environment, its default first, then from small to large."""
    env = _made(env_id)
    parts = ["## Teams", _team(env_id, env.default_team or "the default team", env.profiles, is_default=True)]
    others = {name: _profiles(env_id, name) for name in _team_names(env) if name != env.default_team}
    for name, profiles in sorted(others.items(), key=lambda item: (len(item[1]), item[0])):
        if profiles and _is_for(env_id, name, profiles):
            parts.append(_team(env_id, name, profiles, is_default=False))
    return "\n\n".join(parts)


def _is_for(env_id: str, team: str, profiles: Mapping[str, Profile]) -> bool:
    """Examples are of one environment, and its team begins with its name; all others are for whoever takes them."""
    name = env_id.partition("/")[2].rpartition("-v")[0]
    return team.startswith(name) or not any(profile.examples for profile in profiles.values())


def _team_names(env: FlexMG) -> list[str]:
    """The team files beside the environment. Its family shares them, so that some may not be for it."""
    folder = Path(inspect.getfile(type(env))).parent / "teams"
    return sorted(file.stem for file in folder.glob("*.yaml"))


def _profiles(env_id: str, team: str) -> Mapping[str, Profile]:
    """The team's agents; none if the environment refuses the team."""
    try:
        return _made(env_id, team=team).profiles
    except MarftError:
        return {}


def _team(env_id: str, name: str, profiles: Mapping[str, Profile], *, is_default: bool) -> str:
    facts: dict[str, Callable[[str], str]] = {
        "agent": span,
        "answers": lambda agent: "yes" if profiles[agent].answers else "",
        "most characters": lambda agent: f"{profiles[agent].max_action_chars:,}",
        "seconds per turn": lambda agent: f"{profiles[agent].base_us * _SECONDS:g}",
        "per character": lambda agent: f"{profiles[agent].per_char_us * _SECONDS:g}",
    }
    if any(profile.latency_us for profile in profiles.values()):
        facts["until it is heard"] = lambda agent: f"{profiles[agent].latency_us * _SECONDS:g}"
    rows = [tuple([told(agent) for told in facts.values()]) for agent in profiles]
    call = f"make({env_id!r})" if is_default else f"make({env_id!r}, team={name!r})"
    read_first = [*_systems(profiles), *_examples(profiles)]
    return "\n\n".join([f"### {name}\n\n{span(call)}", table(tuple(facts), rows), *read_first])


def _systems(profiles: Mapping[str, Profile]) -> list[str]:
    """The system messages; those who are told the same stand together."""
    readers: dict[str, list[str]] = {}
    for agent, profile in profiles.items():
        readers.setdefault(profile.system, []).append(span(agent))
    return [
        f"System message of {', '.join(agents)}:\n\n{fenced(system)}"
        if system
        else f"No system message: {', '.join(agents)}."
        for system, agents in readers.items()
    ]


def _examples(profiles: Mapping[str, Profile]) -> list[str]:
    """The turns that agents are shown before their first."""
    return [
        f"Examples of {span(agent)}:\n\n{fenced(_listed(replace(profile, system='').opening()), 'json')}"
        for agent, profile in profiles.items()
        if profile.examples
    ]


# ---- What comes out of playing ---------------------------------------------------------------------------------------


def _sample(env_id: str) -> str:
    """One instance: what the first to act is told, the reference play, and one in which nobody knows anything."""
    env = _made(env_id)
    env.reset(seed=SEED)
    first = env.agent_selection
    how = f"{span(f'env = make({env_id!r})')}, {span(f'env.reset(seed={SEED})')}"
    return "\n\n".join(
        [
            f"## Sample\n\n{how}. The first to act, {span(first)}, is told:",
            fenced(_listed(env.messages(first)), "json"),
            f"### Reference play\n\n{_played(env, env.reference_action)}",
            f"### Everybody writes “{CLUELESS}”\n\n{_played(env, lambda agent: CLUELESS)}",
        ]
    )


def _listed(messages: Sequence[Message]) -> str:
    """A message a line, exactly: JSON leaves nothing to guess."""
    lines = ",\n".join(f"  {json.dumps(message, ensure_ascii=False)}" for message in messages)
    return f"[\n{lines}\n]" if messages else "[]"


def _played(env: FlexMG, action_of: Callable[[str], str]) -> str:
    """The transcript of a play, and what came of it."""
    try:
        episode = marft_envs.play(env, lambda agent, messages: action_of(agent), seed=SEED)
    except NotImplementedError:
        return "The environment has none."
    return f"{fenced(str(env.render()))}\n\n{_result(episode, env.answer())}"


def _result(episode: Episode, answer: str | None) -> str:
    returns = ", ".join(f"{span(agent)} {value:g}" for agent, value in episode.returns.items())
    info = ", ".join(f"{span(name)} {value:g}" for name, value in episode.info.items())
    told = f"Returns: {returns}." + (f" Info: {info}." if info else "")
    if answer is None:
        return told
    return f"{told} The answer that a vote counts:\n\n{fenced(answer)}"


def _behaviour(env_id: str) -> str:
    recorded = recorded_hashes().get(env_id)
    told = span(recorded) if recorded else "not recorded yet; run `python -m marft_envs.golden --add`"
    return f"## Behaviour\n\nSHA-256 over fixed plays, which `python -m marft_envs.golden` recomputes:\n{told}"


# ---- The index and the files -----------------------------------------------------------------------------------------


def index() -> str:
    """The list of all pages, in Markdown."""
    rows = []
    for env_id in our_ids():
        env = _made(env_id)
        title = docstring_of(env_id).partition("\n")[0]
        agents = ", ".join(span(agent) for agent in env.possible_agents)
        rows.append((f"[{span(env_id)}]({env_id}.md)", title, agents, ", ".join(env.levels)))
    listed = table(("id", "task", "agents", "levels"), rows)
    about = (
        "A page for each: the task, its options, levels and teams, and one instance as it is played.\n"
        "[Flex-MG in code](../flex_mg.md) explains the words."
    )
    return f"{WRITTEN}\n# Environments\n\n{about}\n\n{listed}\n"


def pages() -> dict[str, str]:
    """Every page's text, by its path within the folder."""
    return {INDEX: index(), **{f"{env_id}.md": page(env_id) for env_id in our_ids()}}


def problems(wanted: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the folder, by the page's path."""
    found = {}
    for path, text in wanted.items():
        file = PAGES / path
        if not file.is_file():
            found[path] = "is missing"
        elif file.read_text(encoding="utf-8") != text:
            found[path] = "is out of date"
    there = {file.relative_to(PAGES).as_posix() for file in PAGES.rglob("*.md")}
    return found | dict.fromkeys(sorted(there - wanted.keys()), "is of no environment that exists")


def write(wanted: Mapping[str, str], paths: Sequence[str]) -> None:
    """Writes the pages of these paths, and removes those that nobody wants."""
    for path in paths:
        file = PAGES / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check."""
    wanted = pages()
    found = problems(wanted)
    if "--check" not in (sys.argv[1:] if arguments is None else arguments):
        write(wanted, list(found))
        return 0
    for path, problem in found.items():
        sys.stderr.write(f"docs/environments/{path} {problem}; run python docs/make_pages.py\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
