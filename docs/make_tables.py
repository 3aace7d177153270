"""Writes the README's table of environments from the table in every environment's docstring.

python docs/make_tables.py            # rewrites the table
python docs/make_tables.py --check    # only says, by exit status 1, that it is out of date
"""

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import checkout  # noqa: F401  # first: it says which marft_envs is meant

import marft_envs
from marft_envs.golden import is_ours

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- environments: written by docs/make_tables.py from the docstrings -->"
END = "<!-- /environments -->"
COLUMNS = ("agents", "D", "reward")
"""Rows of a docstring's table that become columns here, behind the id and the title."""

_ROW = re.compile(r"\| *(?P<key>[\w ]+?) *\| *(?P<value>.*?) *\|")


def our_ids() -> list[str]:
    """The ids of the suite: no page here tells of a plug-in that happens to be installed."""
    return [env_id for env_id in marft_envs.registered_ids() if is_ours(env_id)]


def docstring_of(env_id: str) -> str:
    """The page of an environment: the docstring of its class' module."""
    env = marft_envs.make(marft_envs.spec(env_id))  # by its spec: an old version needs no warning here
    return inspect.cleandoc(sys.modules[type(env).__module__].__doc__ or "")


def facts_in(docstring: str) -> dict[str, str]:
    """The rows of a docstring's table."""
    return {row["key"]: row["value"] for line in docstring.splitlines() if (row := _ROW.fullmatch(line))}


def table() -> str:
    """The table of every registered environment of the suite, in Markdown."""
    lines = [f"| id | task | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for env_id in our_ids():
        docstring = docstring_of(env_id)
        facts = facts_in(docstring)
        title = docstring.partition("\n")[0]
        lines.append(f"| `{env_id}` | {title} | {' | '.join(facts[column] for column in COLUMNS)} |")
    return "\n".join(lines)


def with_table(readme: str) -> str:
    """The page with the table as it should be. Raises: ValueError if the page has no place for it."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no place for the table; put {BEGIN!r} and {END!r} where it belongs")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check."""
    readme = README.read_text(encoding="utf-8")
    wanted = with_table(readme)
    if "--check" in (sys.argv[1:] if arguments is None else arguments):
        if readme != wanted:
            sys.stderr.write("the README's table of environments is out of date; run python docs/make_tables.py\n")
        return int(readme != wanted)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
