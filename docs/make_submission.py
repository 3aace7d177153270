"""Writes docs/submission.md and docs/submission.schema.json from leaderboard/schema.py and the rules of validation.

python docs/make_submission.py            # rewrites both
python docs/make_submission.py --check    # only says, by exit status 1, what is out of date
"""

import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import checkout  # noqa: F401  # first: it says which checkout is meant
from fences import span, table

from leaderboard import schema
from leaderboard.report import RULES
from leaderboard.schema import Submission

FOLDER = Path(__file__).parent
PAGE, SCHEMA = FOLDER / "submission.md", FOLDER / "submission.schema.json"
WRITTEN = "<!-- written by docs/make_submission.py from leaderboard/schema.py and validate.py -->"


def page(described: dict[str, Any]) -> str:
    """docs/submission.md."""
    layout = inspect.cleandoc(schema.__doc__ or "")
    parts = [
        WRITTEN,
        "# What a submission is",
        layout,
        "The same as JSON schema: [submission.schema.json](submission.schema.json), or `marft leaderboard schema`.",
        *_tables(described),
        "## Rules",
        "What `marft leaderboard validate` checks. Whatever is wrong is told with the rule that it breaks, and where.",
        table(("rule", "what holds"), [(span(name), what) for name, what in RULES.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _tables(described: dict[str, Any]) -> Iterator[str]:
    """A table for every kind of object, from the outermost inwards."""
    waiting, told = ["Submission"], {"Submission"}
    while waiting:
        name = waiting.pop(0)
        found = described if name == "Submission" else described["$defs"][name]
        yield f"## {name}"
        if "description" in found:
            yield str(found["description"])
        required = set(found.get("required", ()))
        yield table(
            ("field", "type", "what"),
            [
                (span(field), _type(how) + ("" if field in required else ", optional"), _what(how))
                for field, how in found["properties"].items()
            ],
        )
        for other in _references(found["properties"]):
            if other not in told:
                told.add(other)
                waiting.append(other)


def _what(how: dict[str, Any]) -> str:
    return " ".join(str(how.get("description", "")).split())


def _type(how: dict[str, Any]) -> str:
    """A field's type in a few words."""
    if "$ref" in how:
        name = how["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    fixed = [how["const"]] if "const" in how else how.get("enum")
    choices = [*map(_type, how.get("anyOf", how.get("oneOf", []))), *(span(json.dumps(value)) for value in fixed or [])]
    if choices:
        return " or ".join(dict.fromkeys(choices))
    kind, values = str(how.get("type", "anything")), how.get("items", how.get("additionalProperties"))
    name = {"array": "list"}.get(kind, kind)
    return f"{name} of {_type(values)}" if isinstance(values, dict) else name


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def files() -> dict[Path, str]:
    """What each file should hold."""
    described = Submission.model_json_schema()
    return {PAGE: page(described), SCHEMA: json.dumps(described, indent=1, ensure_ascii=False) + "\n"}


def main(words: Sequence[str]) -> int:
    """Writes or checks."""
    stale = [
        path for path, wanted in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != wanted
    ]
    for path in stale:
        if "--check" in words:
            sys.stderr.write(
                f"{path.name} is not what leaderboard/schema.py says; run python docs/make_submission.py\n"
            )
        else:
            path.write_text(files()[path], encoding="utf-8")
    return int(bool(stale) and "--check" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
