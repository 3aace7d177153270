"""The process behind `marft_envs.grading.second_opinion`: a script of its own, which knows nothing of this package.

Writes a line `ready`; then reads lines `[number, "given", "wanted"]`, and for each writes a line `[number, verdict]`,
where the verdict is `true`, `false` or `null`. Standard output is kept for these: what a library prints goes to
standard error.
"""

import contextlib
import json
import os
import signal
import sys

MAX_BYTES = 4 * 2**30
"""Of address space; sympy can ask for any amount."""


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes; who asks decides
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")  # each line goes out as it ends
    os.dup2(2, 1)
    _limit_memory()
    from math_verify import parse, verify
    from math_verify.errors import TimeoutException

    answers.write("ready\n")
    for line in sys.stdin:
        number, given, wanted = json.loads(line)
        verdict: bool | None = None
        # Whatever goes wrong in there, there is no opinion; by default it would be a `false`. Its own time limit is no
        # Exception, so that SymPy does not catch it.
        with contextlib.suppress(Exception, TimeoutException):
            gold, target = (parse(f"\\boxed{{{text}}}", raise_on_error=True) for text in (wanted, given))
            verdict = bool(verify(gold, target, raise_on_error=True))
        answers.write(f"{json.dumps([number, verdict])}\n")


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


if __name__ == "__main__":
    main()
