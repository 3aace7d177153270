"""Stopping when a person or a scheduler asks: the first signal asks, the second insists."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal, TypeAlias

Request: TypeAlias = Literal["interrupted", "terminated"]
"""Ctrl-C, or SIGTERM, which is what `kill` and batch schedulers send."""

_SIGNAL_STATUS = 128
"""What shells add to a signal's number."""
_REQUESTS: dict[int, Request] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class StopSignals:
    """Listens for SIGINT and SIGTERM between `install` and `restore`.

    The first is kept in `request`, for the loop to look at when it suits; the second raises KeyboardInterrupt where the
    program stands. Outside the main thread Python allows no handlers; both signals keep their usual meaning.
    """

    def __init__(self, on_request: Callable[[], None]):
        self.request: Request | None = None
        self._on_request = on_request
        self._former: dict[int, Any] = {}  # whatever signal.signal returned: a callable, a number or None

    def install(self) -> None:
        """Take the two signals over. One that is ignored stays so: shells protect background jobs that way."""
        if threading.current_thread() is threading.main_thread():
            for number in _REQUESTS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back to whoever had them before; a second call does nothing."""
        while self._former:
            number, former = self._former.popitem()
            # None: that handler was not installed from Python, and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if former is None else former)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.request is not None:
            raise KeyboardInterrupt
        self.request = _REQUESTS[number]
        self._on_request()


class TerminationIsExit:
    """Lets SIGTERM end the program as `sys.exit` would, between `install` and `restore`.

    Files are closed, and a person is told how to go on; by default the process would be gone without a word.
    """

    def __init__(self) -> None:
        self._former: Any = None  # whatever signal.signal returned

    def install(self) -> None:
        """Take the signal over, unless somebody else has."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._former = signal.signal(signal.SIGTERM, _exit)

    def restore(self) -> None:
        """Give the signal back; a second call does nothing."""
        if self._former is not None:
            signal.signal(signal.SIGTERM, self._former)
            self._former = None


def _exit(number: int, _frame: FrameType | None) -> None:
    """Raises: SystemExit with the status that a shell gives a process that this signal has ended."""
    raise SystemExit(_SIGNAL_STATUS + number)
