"""EnvSpec: what it takes to make an environment, as a value that can be kept, compared and sent as JSON."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from marft_envs.errors import RegistrationError, TeamFileError

EntryPoint = str | Callable[..., object]
"""`"package.module:Class"`, or anything to call with the options; a string keeps a spec picklable."""

_ID = re.compile(r"(?P<family>[A-Za-z0-9_.-]+)/(?P<name>[A-Za-z0-9_.-]+?)-v(?P<version>0|[1-9][0-9]*)")
_FIELDS = ("id", "entry_point", "kwargs")


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What it takes to make an environment: its id, where its class is, and with which options.

    An environment made by `make` carries its own, with all options given, as `env.spec`; `make(env.spec)`
    makes another one like it.

    Raises: RegistrationError for an id that is not `family/name-vN`, or an entry point of another form.
    """

    id: str
    entry_point: EntryPoint
    kwargs: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise RegistrationError(
                f"malformed environment id {self.id!r}; write 'family/name-vN' with letters, digits, '_', "
                "'.' and '-', such as 'math/reason_act-v0'"
            )
        if not callable(self.entry_point) and not re.fullmatch(r"[\w.]+:\w+", str(self.entry_point)):
            raise RegistrationError(
                f"{self.id}: malformed entry point {self.entry_point!r}; write 'package.module:Class'"
            )

    @property
    def family(self) -> str:
        """The part before the slash: what kind of task it is."""
        return self._part("family")

    @property
    def name(self) -> str:
        """The part between slash and version."""
        return self._part("name")

    @property
    def version(self) -> int:
        """Counts the changes of behaviour, from 0."""
        return int(self._part("version"))

    def _part(self, part: str) -> str:
        match = _ID.fullmatch(self.id)
        assert match is not None, "checked at construction"
        return match[part]

    def to_json(self) -> str:
        """The spec as one JSON object, the same text for equal specs; `from_json` reads it.

        Raises: RegistrationError if the entry point is no string, or an option is nothing that JSON has.
        """
        from marft_envs.action_log import plain_options  # the import of the package stays light

        if not isinstance(self.entry_point, str):
            raise RegistrationError(
                f"{self.id}: its entry point {self.entry_point!r} is an object of this process, which no text can "
                "name; register it by a string 'package.module:Class'"
            )
        record = {"id": self.id, "entry_point": self.entry_point, "kwargs": plain_options(self.kwargs)}
        try:
            return json.dumps(record, ensure_ascii=False, allow_nan=False, sort_keys=True, default=_plain)
        except (TypeError, ValueError) as error:
            raise RegistrationError(
                f"{self.id}: an option cannot be written as JSON ({error}); use numbers, text, lists and mappings"
            ) from error

    @classmethod
    def from_json(cls, text: str) -> "EnvSpec":
        """The spec that `to_json` wrote.

        Making the environment imports what the entry point names: read specs of people whose code you would run.

        Raises: RegistrationError for anything else.
        """
        from marft_envs.action_log import options_from_plain

        try:
            record = json.loads(text)
        except ValueError as error:
            raise RegistrationError(f"this is no spec: it is no JSON ({error}); write one with to_json") from error
        if not isinstance(record, dict) or sorted(record) != sorted(_FIELDS):
            raise RegistrationError(f"a spec is an object with {', '.join(_FIELDS)}; write one with to_json")
        options = record["kwargs"]
        if not isinstance(record["id"], str) or not isinstance(record["entry_point"], str):
            raise RegistrationError("id and entry_point of a spec are text; write one with to_json")
        if not isinstance(options, dict):
            raise RegistrationError(f"kwargs of a spec are {options!r:.60}, no object; write one with to_json")
        try:
            return cls(record["id"], record["entry_point"], options_from_plain(options))
        except (TypeError, TeamFileError) as error:
            raise RegistrationError(f"the team of a spec holds a broken profile ({error})") from error


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")
