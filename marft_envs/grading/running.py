"""What judges have programs run by."""

from collections.abc import Sequence
from typing import Protocol

from marft_envs.sandbox.runs import Calls, Limits, Run, Script

Job = Calls | Script


class Runner(Protocol):
    """What runs programs: a `marft_envs.sandbox.pool.Sandbox`, or a stand-in for it."""

    def run_all(self, jobs: Sequence[Job], limits: Limits = ..., /) -> list[Run]:
        """What came of each job, in their order."""
        ...


def run_jobs(jobs: Sequence[Job], runner: Runner | None, limits: Limits) -> list[Run]:
    """What came of each job, by the default sandbox unless another runner is given."""
    if not jobs:
        return []
    if runner is None:
        from marft_envs.sandbox.pool import default_sandbox

        runner = default_sandbox()
    runs = runner.run_all(jobs, limits)
    assert len(runs) == len(jobs), "a runner tells what came of every job"
    return runs
