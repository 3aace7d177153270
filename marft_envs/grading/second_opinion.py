"""What math-verify thinks of an answer, for reports: it never touches a reward.

math-verify (https://github.com/huggingface/Math-Verify, the extra `verify`) is what many published results were graded
with, so it is worth knowing where it judges otherwise. It can take minutes on one answer, and it parses with SymPy,
which may run text as code. So it is asked in a process of its own, with little of the environment, which is killed
when it takes too long; and text that looks like code is not sent there. That is caution, and no sandbox.
"""

import contextlib
import json
import re
import selectors
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from marft_envs.errors import OptionError

_WORKER = Path(__file__).with_name("second_opinion_worker.py")
_START_S = 60.0
"""For the first answer of a process: importing SymPy takes seconds on a busy machine."""
_MAX_CHARS = 2_000
_LIKE_CODE = re.compile(r"__|['\"`;@]|\.\s*[A-Za-z_]|\b(?:lambda|import|exec|eval|open)\b")


class SecondOpinion:
    """Asks math-verify; close it, or use it in a `with` statement.

    Raises: OptionError if math-verify is not installed.
    """

    def __init__(self, timeout_s: float = 10.0) -> None:
        """`timeout_s`: seconds until an answer counts as none, and the process is killed."""
        if find_spec("math_verify") is None:
            raise OptionError("a second opinion needs math-verify; pip install 'marft-envs[verify]'")
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._has_answered = False

    def same(self, given: str, wanted: str) -> bool | None:
        """Whether math-verify takes the answers for the same; None if it has no opinion, or is not asked."""
        if any(len(text) > _MAX_CHARS or _LIKE_CODE.search(text) for text in (given, wanted)):
            return None
        try:
            question = f"{json.dumps([given, wanted])}\n"
            process = self._running()
            assert process.stdin is not None, "a pipe"
            process.stdin.write(question)
            process.stdin.flush()
            answer = self._read_line(process)
        except OSError:  # the process died on an earlier question
            answer = ""
        if not answer:
            self.close()
            return None
        self._has_answered = True
        verdict = json.loads(answer)
        return verdict if isinstance(verdict, bool) else None

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._has_answered = False
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={},
            )
        return self._process

    def _read_line(self, process: "subprocess.Popen[str]") -> str:
        """The process' next line; empty if it says nothing in time, or has died."""
        assert process.stdout is not None, "a pipe"
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            ready = selector.select(self._timeout_s if self._has_answered else _START_S + self._timeout_s)
        return process.stdout.readline() if ready else ""

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(BrokenPipeError), self._process:  # closes its pipes and waits for it
                pass
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
