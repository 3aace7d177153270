"""Episodes played by Ray actors: each holds the same team and collects its share of an iteration's tasks.

What Ray does is left to Ray: starting and placing actors, sending objects, noticing that one is gone. Little is added.
An iteration's weights go into the object store once. A worker that was lost is counted, its share is played again by
another one, and a new worker takes its place once there is room.

What a reply draws depends on its own seed, and how tasks are shared out on their order and on the number of workers
that was asked for. So a batch is that of one process up to rounding, and to the last bit the same whether a worker was
lost or not.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, cast
from uuid import uuid4

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)
from safetensors.torch import load, save

from baselines.errors import ClusterError
from baselines.policies.team import Team
from baselines.ranks import Ranks
from baselines.rollouts.batch import Batch, BatchKind
from baselines.rollouts.cluster import connect
from baselines.rollouts.collect import Collector, Progress, Sampling, Task, Way
from baselines.rollouts.portions import portions
from baselines.rollouts.solo import seated
from baselines.rollouts.stage import Stage
from marft_envs import MarftError

_LOST = (RayActorError, WorkerCrashedError, NodeDiedError, ObjectLostError, OutOfMemoryError)
"""How Ray says that a worker, or what it made, is gone."""
_POLL_S = 0.5
"""How often workers are asked how far they are."""
_START_S = 900.0
"""How long workers may take to find room and to load their models."""
_END_S = 5.0
"""How long they may take to end before they are ended."""
_MOST_LOSSES = 3
"""Of one share: what is lost more often is lost for a reason."""

Reference: TypeAlias = Any
"""Of an object in the cluster. Ray's own type of it is generic, and its calls of actors are untyped."""
Handle: TypeAlias = Any
"""Of an actor."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost, and made up for."""

    workers: int = 0
    episodes: int = 0
    """Played again, by another worker."""


class _Actor:
    """A worker. What can fail is no part of its construction, so that a failure is told as what it is."""

    def __init__(self) -> None:
        self._num_done = 0
        self._stage_id = ""

    def begin(self, load_team: Callable[[], Team]) -> None:
        """Load the model."""
        self._team = load_team()

    def play(  # Ray looks for references among a call's arguments, and nowhere inside of them
        self,
        weights: bytes,
        stage: Stage,
        stage_id: str,
        num_collectors: int,
        way: Way[BatchKind],
        tasks: Sequence[Task],
        sampling: Sampling,
    ) -> BatchKind:
        """Collect under these weights. Environment copies are kept for the next call on the same stage."""
        self._team.take_weights(load(weights))
        if self._stage_id != stage_id:
            self._collector, self._stage_id = stage.collector(self._team, num_collectors), stage_id
        try:
            return way(self._collector, tasks, sampling, self._tell)
        finally:
            self._num_done = 0

    def end(self) -> None:
        """Give back what was begun beside the model."""
        self._team.close()

    @ray.method(concurrency_group="telling")
    def num_done(self) -> int:
        """Episodes of the present call that have ended; answered while it goes on."""
        return self._num_done

    def _tell(self, num_done: int) -> None:
        self._num_done = num_done


class Workers:
    """Actors with a team each. Who made them closes them."""

    def __init__(
        self,
        load_team: Callable[[], Team],
        num_workers: int,
        *,
        threads: int = 1,
        gpus: float = 0.0,
        address: str | None = None,
    ) -> None:
        """Connects to a cluster, and waits until all workers have loaded their team.

        `load_team` is called in each of them; a path in it must lead to the same there. `threads` and `gpus` are what
        each takes of the cluster.

        Raises: `ClusterError`, and what `load_team` raises.
        """
        self.num_workers = num_workers
        self.losses = Losses()
        self._load_team = load_team
        self._needs = f"{threads} CPU{'s' * (threads > 1)}" + (f" and {gpus:g} GPU" if gpus else "")
        remote = cast("Callable[..., Any]", ray.remote)  # its annotation lacks options that only actors have
        self._kind = remote(num_cpus=threads, num_gpus=gpus, max_restarts=0, concurrency_groups={"telling": 1})(_Actor)
        self._alive: list[Handle] = []
        self._starting: dict[Reference, Handle] = {}
        self._is_ours = connect(address, num_workers * threads)
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    def run(self, call: Callable[[Handle, range], Reference], parts: Sequence[range], progress: Progress) -> list[Any]:
        """What the calls for all parts come to, in order; parts of workers that are lost are called again elsewhere.

        Raises: `ClusterError` if a part is lost again and again, or no worker is left; else what a call raises.
        """
        under_way: dict[Reference, tuple[Handle, range]] = {}
        found: dict[range, Any] = {}
        times_lost: Counter[range] = Counter()

        def hand_out(part: range) -> None:
            busy = Counter(handle for handle, _ in under_way.values())
            handle = min(self._present(), key=busy.__getitem__)
            under_way[call(handle, part)] = (handle, part)

        for part in parts:
            hand_out(part)
        while under_way:
            ready, _ = ray.wait(list(under_way), timeout=_POLL_S)
            for reference in ready:
                handle, part = under_way.pop(reference)
                try:
                    found[part] = _got(reference)
                except _LOST as error:
                    self._lose(handle, len(part))
                    times_lost[part] += 1
                    if times_lost[part] > _MOST_LOSSES:
                        _give_up(part, times_lost[part], error)
                    hand_out(part)
            if not ready:
                progress(sum(map(len, found)) + self._num_done({handle for handle, _ in under_way.values()}))
        progress(sum(map(len, found)))
        return [found[part] for part in parts]

    def close(self) -> None:
        """Stop the workers, and the cluster if it was started, or connected to, for them."""
        ended = [handle.end.remote() for handle in self._alive]
        if ended:
            ray.wait(ended, num_returns=len(ended), timeout=_END_S)
        for handle in (*self._alive, *self._starting.values()):
            ray.kill(handle)
        self._alive, self._starting = [], {}
        if self._is_ours:
            ray.shutdown()
            self._is_ours = False

    # ------------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        handle = self._kind.remote()
        self._starting[handle.begin.remote(self._load_team)] = handle

    def _start_all(self) -> None:
        """Raises: `ClusterError`, what loading a team raises."""
        for _ in range(self.num_workers):
            self._start()
        begun, _ = ray.wait(list(self._starting), num_returns=self.num_workers, timeout=_START_S)
        if len(begun) < self.num_workers:
            raise ClusterError(
                f"{len(begun)} of {self.num_workers} workers have begun within {_START_S:g} s. Each needs "
                f"{self._needs}; the cluster has {_resources()}. Ask for fewer workers, or for less for each"
            )
        for reference, handle in self._starting.items():  # in this order, whoever was ready first
            try:
                _got(reference)
            except _LOST as error:
                raise ClusterError(
                    f"a worker was lost while it loaded its model: {_first_line(error)} Is there memory for "
                    f"{self.num_workers} copies of it?"
                ) from error
            self._alive.append(handle)
        self._starting = {}

    def _present(self) -> list[Handle]:
        """The workers that there are, those that have begun lately among them.

        Raises: `ClusterError` if there are none and no new one finds room.
        """
        if self._starting:
            self._admit(0.0 if self._alive else _START_S)
        if not self._alive:
            raise ClusterError(
                f"all {self.num_workers} workers are lost, and no new one has begun within {_START_S:g} s; go on with "
                "--resume once the cluster has room"
            )
        return self._alive

    def _admit(self, timeout_s: float) -> None:
        ready, _ = ray.wait(list(self._starting), timeout=timeout_s)
        for reference in ready:
            handle = self._starting.pop(reference)
            try:
                _got(reference)
            except _LOST:
                self._count(Losses(workers=1))
                self._start()
            else:
                self._alive.append(handle)

    def _lose(self, handle: Handle, num_episodes: int) -> None:
        """Count a lost worker, once, and ask for another in its place."""
        is_news = handle in self._alive
        self._count(Losses(int(is_news), num_episodes))
        if is_news:
            self._alive.remove(handle)
            ray.kill(handle)  # one that cannot be reached any more may be alive all the same
            self._start()

    def _count(self, new: Losses) -> None:
        self.losses = Losses(self.losses.workers + new.workers, self.losses.episodes + new.episodes)

    def _num_done(self, busy: set[Handle]) -> int:
        asked = [handle.num_done.remote() for handle in busy]
        answered, _ = ray.wait(asked, num_returns=len(asked), timeout=_POLL_S)
        total = 0
        for reference in answered:
            with suppress(*_LOST):  # noticed where its share is waited for
                total += ray.get(reference)
        return total


class RemoteCollector:
    """Plays episodes of one environment with one team, by workers that hold the same team."""

    def __init__(self, stage: Stage, team: Team, workers: Workers) -> None:
        """Raises: `EnvironmentKindError`."""
        self.agents = seated(stage.make_env(), stage.scripts, stage.solo).agents
        self._team = team
        self._workers = workers
        self._stage, self._stage_id = ray.put(stage), uuid4().hex

    @property
    def ranks(self) -> Ranks:
        """The processes that train together; each has workers of its own, which play what it is given."""
        return self._team.ranks

    def collect(self, tasks: Sequence[Task], sampling: Sampling, progress: Progress = lambda num_done: None) -> Batch:
        """Play every task once; rollouts come back in the order of the tasks."""
        return self.collect_by(Collector.collect, tasks, sampling, progress)

    def collect_by(
        self,
        way: Way[BatchKind],
        tasks: Sequence[Task],
        sampling: Sampling,
        progress: Progress = lambda num_done: None,
    ) -> BatchKind:
        """Make a batch in a way of one's own, in shares that are put together.

        Raises: `ClusterError`, and what collecting raises.
        """
        weights, shipped = ray.put(save(self._team.weights())), ray.put(way)
        num_workers = self._workers.num_workers

        def call(handle: Handle, part: range) -> Reference:
            own = [tasks[number] for number in part]
            return handle.play.remote(weights, self._stage, self._stage_id, num_workers, shipped, own, sampling)

        parts: list[BatchKind] = self._workers.run(call, portions(tasks, num_workers), progress)
        return type(parts[0]).joined(parts)


def _got(reference: Reference) -> Any:
    """The object. A mistake of a person that a worker came upon is raised as it was there, without Ray's frame."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, MarftError):
            raise error.cause from error
        raise


def _resources() -> str:
    """What the cluster has in all, of what workers take."""
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # its annotation is lacking
    return ", ".join(f"{found.get(name, 0):g} {name}" for name in ("CPU", "GPU"))


def _first_line(error: Exception) -> str:
    """Of what Ray says, which goes on with identifiers."""
    return (str(error).strip().splitlines() or [repr(error)])[0]


def _give_up(part: range, num_times: int, error: Exception) -> NoReturn:
    raise ClusterError(
        f"the workers that played episodes {part.start} to {part.stop - 1} were lost {num_times} times, so it is no "
        f"accident: {_first_line(error)} If they ran out of memory, make --num-envs or --rollout-batch-size smaller"
    ) from error
