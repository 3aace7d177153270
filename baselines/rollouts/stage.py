"""What is played, and by whom it is collected: here, or by workers that each hold the same team."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pettingzoo import AECEnv

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, BatchKind
from baselines.rollouts.collect import Collector, Progress, Sampling, Task, Way
from baselines.rollouts.scripted import Script
from marft_envs import FlexMG, Message


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything but the team that a collector is made of. It can be sent to another process."""

    make_env: Callable[[], FlexMG | AECEnv[str, object, object]]
    num_envs: int
    """Environment copies played at once, of all collectors of this stage together."""
    reads_final_prompts: bool = False
    examples: Mapping[str, Sequence[Message]] = field(default_factory=dict)
    scripts: Mapping[str, Script] = field(default_factory=dict)

    def collector(self, team: Team, num_collectors: int = 1) -> Collector:
        """One of so many that share the environment copies."""
        return Collector(
            self.make_env,
            team,
            num_envs=-(-self.num_envs // num_collectors),
            reads_final_prompts=self.reads_final_prompts,
            examples=self.examples,
            scripts=self.scripts,
        )


class Collecting(Protocol):
    """What training and evaluation ask for episodes, wherever these are played."""

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents of the environment."""

    def collect(self, tasks: Sequence[Task], sampling: Sampling, progress: Progress = ...) -> Batch:
        """Play every task once; rollouts come back in the order of the tasks."""

    def collect_by(
        self, way: Way[BatchKind], tasks: Sequence[Task], sampling: Sampling, progress: Progress = ...
    ) -> BatchKind:
        """The same in a way of one's own, such as trees. `way` is a function that a process can be sent."""
