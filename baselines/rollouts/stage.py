"""What is played, and by whom it is collected: here, or by workers that each hold the same team."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pettingzoo import AECEnv

from baselines.errors import extra_required
from baselines.policies.engines.question import Answering
from baselines.policies.team import Team
from baselines.ranks import Ranks
from baselines.rollouts.batch import Batch, BatchKind
from baselines.rollouts.collect import Collector, Progress, Sampling, Task, Way
from baselines.rollouts.scripted import Script
from baselines.rollouts.solo import Solo
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
    served: Mapping[str, str] = field(default_factory=dict)
    """Agent -> what a server calls the model that plays it."""
    max_requests: int = 16
    """Most requests that are under way to it at once, of all collectors together."""
    solo: Solo | None = None
    """Who plays alone in place of the team."""
    reads_answers: bool = False

    def collector(self, team: Team | None, num_collectors: int = 1) -> Collector:
        """One of so many that share the environment copies."""
        return Collector(
            self.make_env,
            team,
            num_envs=-(-self.num_envs // num_collectors),
            reads_final_prompts=self.reads_final_prompts,
            examples=self.examples,
            scripts=self.scripts,
            server=server_for(self.served, -(-self.max_requests // num_collectors)),
            solo=self.solo,
            reads_answers=self.reads_answers,
        )


def server_for(served: Mapping[str, str], max_requests: int) -> Answering | None:
    """The server that plays these agents; None if it plays nobody.

    Raises: `MissingExtraError`, `ServerError` without a key.
    """
    if not served:
        return None
    with extra_required("openai", "an agent that openai:MODEL plays"):
        from baselines.policies.engines.server import Server
    return Server(served, max_requests=max_requests)


class Collecting(Protocol):
    """What training and evaluation ask for episodes, wherever these are played."""

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents of the environment."""

    @property
    def ranks(self) -> Ranks:
        """The processes that train together; what is collected here is one's own share."""

    def collect(self, tasks: Sequence[Task], sampling: Sampling, progress: Progress = ...) -> Batch:
        """Play every task once; rollouts come back in the order of the tasks."""

    def collect_by(
        self, way: Way[BatchKind], tasks: Sequence[Task], sampling: Sampling, progress: Progress = ...
    ) -> BatchKind:
        """The same in a way of one's own, such as trees. `way` is a function that a process can be sent."""
