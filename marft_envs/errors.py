"""Every mistake that a person can make, as a type.

    MarftError                  is also a
    ├─ UnknownEnvironmentError  LookupError   the id is not registered
    ├─ RegistrationError        ValueError    a malformed or taken id, an entry point that cannot be loaded
    ├─ OptionError              ValueError    an unknown or wrong option of `make` or `reset`
    ├─ TeamFileError            ValueError    an unknown team, a broken team file, a profile's wrong field
    ├─ DependencyError          ValueError    a cycle, a self-loop, an unknown agent in a round's dependencies
    ├─ TurnError                RuntimeError  a call out of order: before reset, or not this agent's turn
    ├─ ActionTypeError          TypeError     an action that is not text
    ├─ OutcomeError             ValueError    an environment author's mistake in what `act` or a hook returns
    ├─ DataError                ValueError    tasks that cannot be read from a file, a folder or a hub
    ├─ LogError                 ValueError    an action log that cannot be read
    ├─ ReplayMismatchError      ValueError    a log and its replay differ
    ├─ SandboxUnavailableError  RuntimeError  programs cannot be locked up on this machine, so none is run
    └─ SecondOpinionError       RuntimeError  a process for second opinions does not start

Three warnings are no mistakes: `OutdatedEnvironmentWarning` (an old version was asked for, and is made),
`SkippedRecordsWarning` (records of a data set cannot be tasks, and are left out) and `SandboxWarning` (a program was
given up, since the processes that should run it kept ending).

Each message names the value, the rule and the way out. What a *model* writes is never an error: text of any
kind is a legal action.
"""


class MarftError(Exception):
    """Root of the tree: `except MarftError` catches every mistake that this package can name."""


class UnknownEnvironmentError(MarftError, LookupError):
    """The id is not registered; the message suggests the nearest ones."""


class RegistrationError(MarftError, ValueError):
    """An id is malformed or taken, or an entry point does not lead to an AEC environment."""


class OutdatedEnvironmentWarning(UserWarning):
    """An id names an old version of an environment; it is made all the same."""


class SkippedRecordsWarning(UserWarning):
    """Some records of a data set cannot be tasks, or are in train and in test; they are left out, and counted."""


class OptionError(MarftError, ValueError):
    """An option of `make` or `reset` is unknown or outside its set; the message lists what there is."""


class TeamFileError(MarftError, ValueError):
    """A team cannot be made: its name is unknown, its file is broken, or a profile has a wrong field."""


class DependencyError(MarftError, ValueError):
    """A round's dependencies are no acyclic graph over its agents."""


class TurnError(MarftError, RuntimeError):
    """A call came out of order, or named an agent that cannot act now."""


class ActionTypeError(MarftError, TypeError):
    """An action is not a `str` (or not None, for an agent whose episode is over)."""


class OutcomeError(MarftError, ValueError):
    """An environment returned what no episode can hold: a reward that is not finite, an unknown agent."""


class DataError(MarftError, ValueError):
    """Tasks cannot be read; the message names the file and the line, or what the hub said."""


class LogError(MarftError, ValueError):
    """An action log cannot be read; the message names file and line."""


class ReplayMismatchError(MarftError, ValueError):
    """A replay differs from its log; the message names the episode, the turn, the field and both values."""


class SandboxUnavailableError(MarftError, RuntimeError):
    """Programs cannot be locked up on this machine, so none is run; the message says why and what to do."""


class SandboxWarning(UserWarning):
    """A program was given up: the processes that should run it kept ending. It counts as failed, and is `lost`."""


class SecondOpinionError(MarftError, RuntimeError):
    """No process can be started that gives second opinions; the message says what it said, and how to see why."""
