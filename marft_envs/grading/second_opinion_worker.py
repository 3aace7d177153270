"""The process behind `marft_envs.grading.second_opinion`: a script of its own, which knows nothing of this package.

Reads lines `["given", "wanted"]` and writes lines `true`, `false` or `null`. Standard output is kept for these: what a
library prints goes to standard error.
"""

import json
import os
import sys

MAX_BYTES = 4 * 2**30
"""Of address space; sympy can ask for any amount."""


def main() -> None:
    """Answer until the input ends."""
    verdicts = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _limit_memory()
    from math_verify import parse, verify

    for line in sys.stdin:
        given, wanted = json.loads(line)
        try:
            verdict: bool | None = bool(verify(parse(f"\\boxed{{{wanted}}}"), parse(f"\\boxed{{{given}}}")))
        except Exception:  # noqa: BLE001  # whatever goes wrong in there, there is no opinion
            verdict = None
        verdicts.write(f"{json.dumps(verdict)}\n")
        verdicts.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


if __name__ == "__main__":
    main()
