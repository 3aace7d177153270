"""A comment on a pull request, from a verdict that a stranger may have written.

The verdict comes out of a run that strangers can change. So it is read as their submissions are: bounded, strictly, and
shown as text that can neither link, mention, nor format. It decides nothing: who merges looks at the check itself.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from leaderboard.errors import MalformedError
from leaderboard.record import parsed_any

MAX_BYTES = 1_000_000
_MOST_FINDINGS = 20
_MOST_ENTRIES = 20
_MOST_CHARS = 300
_Text = Annotated[str, StringConstraints(max_length=100_000)]
NOTHING = (
    "The validation of this submission has left no verdict: it was stopped, or it failed before it came so far. Its "
    "log says more. `marft leaderboard validate` does the same on your machine."
)


class _Finding(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    rule: _Text
    where: _Text
    message: _Text


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    path: _Text
    valid: bool
    findings: Annotated[list[_Finding], Field(max_length=1_000)]


_VERDICT = TypeAdapter(list[_Entry])


def comment_on(content: bytes | None) -> str:
    """What to tell, in Markdown; of a verdict that is none, that there is none."""
    entries = None if content is None or len(content) > MAX_BYTES else _read(content)
    if not entries:
        return NOTHING + "\n"
    lines = []
    for entry in entries[:_MOST_ENTRIES]:
        lines.append(f"{'✅ valid' if entry.valid else '❌ not valid'}: {_code(entry.path)}")
        for finding in entry.findings[:_MOST_FINDINGS]:
            where = f" at {_code(finding.where)}" if finding.where else ""
            lines.append(f"- {_code(finding.rule)}{where}: {_code(finding.message)}")
        if len(entry.findings) > _MOST_FINDINGS:
            lines.append(f"- and {len(entry.findings) - _MOST_FINDINGS} more")
        lines.append("")
    if len(entries) > _MOST_ENTRIES:
        lines.append(f"and {len(entries) - _MOST_ENTRIES} more submissions")
    lines.append("Told by a run that this pull request could have changed; what counts is the check `submission`.")
    return "\n".join(lines) + "\n"


def _read(content: bytes) -> list[_Entry] | None:
    try:
        return _VERDICT.validate_python(parsed_any(content))
    except (MalformedError, ValidationError):
        return None


def _code(text: str) -> str:
    """As code on one line, which Markdown shows as it is: nothing in it is a link, a mention or a picture."""
    shown = re.sub(r"[^\x20-\x7e\xa1-\ud7ff]|[\u200b-\u200f\u2028-\u202e\u2060-\u206f]", "\ufffd", text)
    shown = shown.replace("`", "'")
    shown = shown if len(shown) <= _MOST_CHARS else shown[:_MOST_CHARS] + "…"
    return f"`{shown.strip() or ' '}`"
