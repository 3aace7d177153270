"""The judge of coding environments: what it runs, what it says, and what of it a replay need not run again.

Whether a program runs out of time depends on the machine. So that is measured once, where the episode is played, and
becomes part of it; a replay takes it as it stands, and gives everything else four times as long. Where running out of
time would do somebody good, a replay checks that it can be true: that of a mutant, which then nobody has to kill, and
that of a program on tests that are shown, for after them a team may try again, and after the hidden ones it may not.
"""

from collections.abc import Sequence

from marft_envs.coding.task import Task
from marft_envs.errors import ReplayMismatchError
from marft_envs.grading.failures import report
from marft_envs.grading.programs import Test, Verdict
from marft_envs.grading.running import Runner
from marft_envs.grading.verdicts import judge_all
from marft_envs.hooks import Hooks
from marft_envs.records import Measurement
from marft_envs.sandbox.runs import Limits

LIMITS = Limits(cpu_s=2.0, wall_s=20.0)
"""Of one run: all calls of a function, or one reading of standard input."""
QUICK = Limits(cpu_s=0.5, wall_s=20.0)
"""Of a mutant: nobody waits for one that does not end."""
REPLAY_FACTOR = 4.0
"""How much slower than the machine that played may the one be that replays; and where it checks, how much faster."""
SOLVED = "judge: The program is right."
FAILED = "judge: The program passes the tests shown, and fails others."


def told(task: Task, verdict: Verdict, shown: Sequence[Test] | None = None) -> str:
    """What a program did on tests that may be shown, the visible ones if not others, for agents to read."""
    visible = task.visible if shown is None else shown
    return f"judge: {report(verdict, task.entry_point, visible=visible, rules=task.rules)}"


def judged(
    env: Hooks,
    task: Task,
    tests: Sequence[Test],
    programs: Sequence[str],
    *,
    limits: Limits = LIMITS,
    trusts_log: bool = True,
    runner: Runner | None = None,
) -> list[Verdict]:
    """Runs each program on the same tests; what of it ran out of time is measured.

    `trusts_log`: whether a replay takes the word of a log that a program ran out of time. Else it gives it a quarter of
    the time once more. `runner`: what runs them, if not the default sandbox.

    Raises: ReplayMismatchError if a log has something else in this place, or what it must not be trusted in is untrue.
    """
    verdicts: list[Verdict] = []

    def measure(recorded: Measurement | None) -> Measurement:
        late = None if recorded is None else _checked(recorded, len(programs), len(tests))
        if late is not None and not trusts_log:
            _check_late(task, tests, programs, late, limits)
        given = limits.slower(1.0 if recorded is None else REPLAY_FACTOR)
        verdicts.extend(
            judge_all(programs, task.entry_point, tests, task.rules, sandbox=runner, limits=given, timed_out=late)
        )
        return tuple(verdict.timed_out for verdict in verdicts)

    env.measured(measure)
    return verdicts


def _checked(recorded: Measurement, num_programs: int, num_tests: int) -> list[tuple[int, ...]]:
    """Which tests of each program ran out of time, as a log tells it. Raises: ReplayMismatchError."""
    rows = recorded if isinstance(recorded, tuple) else ()
    late = [_places(row, num_tests) for row in rows]
    if len(late) != num_programs or None in late:
        raise ReplayMismatchError(
            f"the log should tell for {num_programs} programs which of {num_tests} tests ran out of time, and tells "
            f"{str(recorded)[:80]}; restore the log"
        )
    return [places for places in late if places is not None]


def _check_late(
    task: Task, tests: Sequence[Test], programs: Sequence[str], late: Sequence[tuple[int, ...]], limits: Limits
) -> None:
    """Raises: ReplayMismatchError if a program ends soon that ran out of time, as the log tells it."""
    claimed = [program for program, places in zip(programs, late, strict=True) if places]
    again = judge_all(claimed, task.entry_point, tests, task.rules, limits=limits.slower(1 / REPLAY_FACTOR))
    for program, verdict in zip(claimed, again, strict=True):
        if not verdict.timed_out:
            raise ReplayMismatchError(
                f"the log tells that a program ran out of time, and here it ends within {1 / REPLAY_FACTOR:.0%} of it; "
                f"restore the log; the program begins {program[:80]!r}"
            )


def _places(row: Measurement, num_tests: int) -> tuple[int, ...] | None:
    if not isinstance(row, tuple):
        return None
    places = tuple(place for place in row if type(place) is int and 0 <= place < num_tests)
    return places if len(places) == len(row) else None
