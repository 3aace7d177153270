"""What fields of a submission may hold: bounded, and such that a page or a terminal shows it as it is.

Nothing here is a path, and no text has characters that nobody sees: with them one name could pass for another, and one
line of a report for several.
"""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_COUNT = 2**53 - 1
"""Of whole numbers: every reader of JSON holds them exactly."""
_UNSEEN = r"\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
"""Control characters above those of ASCII, marks of writing direction, and what has neither width nor ink."""

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Line: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^[^\x00-\x1f{_UNSEEN}]*$", max_length=200)]
"""Text on a line."""
Text: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^[^\x00-\x08\x0b-\x1f{_UNSEEN}]*$", max_length=8_000)]
"""Text on several lines, with tabs."""
Name: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*( [A-Za-z0-9._+-]+)*$", max_length=80)
]
"""Of a team, as the table shows it: letters that look like others would let one team pass for another, and so would
blanks that nobody sees."""
Agent: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
ModelId: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$")
]
"""A hub id `org/name`, or a name; never a path."""
EnvId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}/[a-z0-9_]{1,60}-v[0-9]{1,4}$")]
"""An id of the catalogue, with its version; `module:id` is none, so that nothing is imported."""
Word: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Scalar: TypeAlias = bool | Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)] | Number | Line | None


class Part(BaseModel):
    """Of a submission: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
