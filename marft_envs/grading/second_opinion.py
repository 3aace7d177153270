"""What math-verify thinks of an answer, for reports: it never touches a reward.

math-verify (https://github.com/huggingface/Math-Verify, the extra `verify`) is what many published results were graded
with, so it is worth knowing where it judges otherwise. It can take minutes on one answer, and it parses with SymPy,
which may run text as code. So it is asked in a process of its own, with little of the environment, which is killed
when it takes too long; and text that looks like code is not sent there. That is caution, and no sandbox.

A verdict belongs to its question: both carry its number, and a process that was interrupted, was late, or said anything
else is never asked again. The next question starts another one.
"""

import itertools
import json
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from marft_envs.errors import OptionError, SecondOpinionError
from marft_envs.grading.second_opinion_process import LineProcess

WORKER = Path(__file__).with_name("second_opinion_worker.py")
_START_S = 60.0
"""Until a process is ready: importing SymPy takes seconds on a busy machine."""
_MAX_CHARS = 2_000
_LIKE_CODE = re.compile(r"__|['\"`;@]|\.\s*[A-Za-z_]|\b(?:lambda|import|exec|eval|open)\b")


class SecondOpinion:
    """Asks math-verify, from any thread; close it, or use it in a `with` statement.

    A process that was forked off asks a worker of its own, and leaves its parent's alone.

    Raises: OptionError if math-verify is not installed.
    """

    def __init__(self, timeout_s: float = 10.0, worker: Path = WORKER) -> None:
        """Starts nothing yet.

        `timeout_s`: seconds from a question until its answer counts as none, and the process is killed; what a process
        takes to start comes on top. `worker`: the script that answers, as second_opinion_worker.py does.
        """
        if worker == WORKER and find_spec("math_verify") is None:
            raise OptionError("a second opinion needs math-verify; pip install 'marft-envs[verify]'")
        self._worker = _Worker(worker, timeout_s)

    def same(self, given: str, wanted: str) -> bool | None:
        """Whether math-verify takes the answers for the same; None if it has no opinion, or is not asked.

        Raises: SecondOpinionError if no process can be started that answers.
        """
        if any(len(text) > _MAX_CHARS or _LIKE_CODE.search(text) for text in (given, wanted)):
            return None
        return self._here().verdict(given, wanted)

    def _here(self) -> "_Worker":
        """This process' worker. If two threads replace the parent's at once, each asks its own, and one stays."""
        worker = self._worker
        if worker.owner != os.getpid():
            worker = self._worker = _Worker(worker.script, worker.timeout_s)
        return worker

    def close(self) -> None:
        """Ends the process; another question would start one."""
        self._here().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Worker:
    """A process that is started when it is needed, asked by one thread at a time, and replaced when it failed."""

    def __init__(self, script: Path, timeout_s: float) -> None:
        self.script = script
        self.timeout_s = timeout_s
        self.owner = os.getpid()
        self._lock = Lock()
        self._numbers = itertools.count()
        self._process: LineProcess | None = None

    def verdict(self, given: str, wanted: str) -> bool | None:
        with self._lock:
            is_in_step = False
            try:
                process = self._ready()
                number = next(self._numbers)
                deadline = time.monotonic() + self.timeout_s
                process.write_line(json.dumps([number, given, wanted]), deadline)
                verdicts: dict[str | None, bool | None] = {
                    json.dumps([number, verdict]): verdict for verdict in (True, False, None)
                }
                answer = process.read_line(deadline)
                is_in_step = answer in verdicts
                return verdicts.get(answer)
            finally:  # also when a signal, such as Ctrl-C, raised on the way
                if not is_in_step:
                    self._end()

    def _ready(self) -> LineProcess:
        if self._process is not None and not self._process.is_running:
            self._end()
        if self._process is None:
            self._process = LineProcess(self.script)
            greeting = self._process.read_line(time.monotonic() + _START_S)
            if greeting != "ready":
                said = f"said {greeting!r}" if greeting is not None else f"ended, or took more than {_START_S:.0f} s"
                raise SecondOpinionError(
                    f"a process for second opinions should say 'ready', and {said}; "
                    f"run `python -P {self.script}` without environment variables to see why"
                )
        return self._process

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
