"""One text for a program, however it is laid out: what plays are put to a vote by.

Programs that a model wrote are not even parsed in this process: a hostile nest of brackets crashes compilers. So that
is done where they are run.
"""

from collections.abc import Sequence
from pathlib import Path

from marft_envs.sandbox.pool import default_sandbox
from marft_envs.sandbox.runs import Calls, Limits, Returned, Run

LIMITS = Limits(cpu_s=2.0, wall_s=20.0)
"""Of one program, which takes some milliseconds."""
_NORMALISER = Path(__file__).with_name("normaliser.py").read_text(encoding="utf-8")


def canonical_programs(programs: Sequence[str]) -> list[str | None]:
    """Each program without comments, docstrings and a layout of its own; None for what is no Python.

    Names stay as they are: two programs that differ by them alone are different texts.

    Raises: SandboxUnavailableError.
    """
    jobs = [Calls(_NORMALISER, "normalised", ((program,),)) for program in programs]
    return [_returned(run) for run in default_sandbox().run_all(jobs, LIMITS)]


def _returned(run: Run) -> str | None:
    """What the normaliser gave; None if the program took it down."""
    outcome = run.outcomes[0] if run.outcomes else None
    return outcome.value if isinstance(outcome, Returned) and isinstance(outcome.value, str) else None
