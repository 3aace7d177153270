"""Every mistake about submissions that a person can make, as a type.

    SubmissionError             is also a
    ├─ UnsafeArchiveError       ValueError  a member, a link or a size that no submission has
    ├─ MalformedError           ValueError  a record that says something that none may say, or lacks what all say
    └─ TrackError               LookupError a track, season or task that does not exist

All are a `marft_envs.MarftError`. The message names the value, the rule and the way out.
"""

from marft_envs import MarftError


def visible(text: str, most: int) -> str:
    """At most so many characters of what strangers wrote; what a terminal would obey, or nobody would see, escaped."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class SubmissionError(MarftError):
    """A submission cannot be made, or read."""


class UnsafeArchiveError(SubmissionError, ValueError):
    """What was handed in is no folder or archive as submissions are; nothing more of it is read."""


class MalformedError(SubmissionError, ValueError):
    """A record is not what the schema asks for; `rule` names what it breaks, `field` where."""

    def __init__(self, message: str, *, field: str = "") -> None:
        """`field`: the path of what is wrong, such as `tasks.0.level`; empty for the record as a whole."""
        super().__init__(message)
        self.field = field


class TrackError(SubmissionError, LookupError):
    """A track, a season or a task that nobody has opened."""
