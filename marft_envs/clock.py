"""ClockMG: Flex-MG on a free-running clock, where agents act at their own pace.

Under `FlexMG` agents act in rounds. Here everybody has turns of their own: an agent's next turn opens when its last one
has ended, whatever the others do, and it reads everything that was said to it until then. What an agent writes takes
the time that its profile says, and has its consequences when that time is over. So who depends on whom follows from the
clock: D is a graph over turns, `Turn.parents`.

Everything happens at *instants*. At each of them, in this order:

    turns end        act of each agent whose turn ends, in the order of the agents
    words arrive     those that took a time to reach others: see `Profile.latency_us`
    events happen    happen, for everything that `at` had set for this time, in the order in which it was set
    turns open       hidden, then view of each agent whose turn opens, in the order of the agents

`ready` are all open turns. Their actions may be computed in one batch and submitted in any order: an instant is
committed when no open turn can end before it or at it, for which every turn has a least duration, its profile's
`base_us`. So a trainer's batches stay large, and the outcome is that of one agent at a time.

Waiting is an act. Who writes `wait` has its next turn when it is told something; who writes `wait for scout_0`, or
`wait for scout`, when it hears from such an agent, or none of them will have another turn. Nobody hears of it, and
`act` is not asked. If all who are left wait, and nothing else is to happen, all their turns open.
"""

from collections.abc import Iterable, Sequence
from typing import NoReturn, Unpack

from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TurnError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.history import Instant, Timed, told_time
from marft_envs.pace import Arrival, Pace, Resume, waited_for
from marft_envs.profiles import names_of
from marft_envs.records import SHORTENED, Cut, Outcome
from marft_envs.schedule import ClockSchedule, Slot
from marft_envs.seats import Part
from marft_envs.transcript import GAP

_US_PER_S = 1_000_000
_LATEST_US = 2**53
"""Of all times: more than 285 years, and exact in whatever reads JSON."""


class ClockMG(FlexMG):
    """A Flex-MG whose agents run freely. Subclass it as you would `FlexMG`; `dependencies_for` is not asked.

    `horizon` is in seconds of simulated time: no turn opens then or later, and what has begun is brought to its end.
    `round` counts the instants.
    """

    on_clock = True

    def __init__(self, *, horizon: int = 60, **base: Unpack[BaseOptions]) -> None:
        super().__init__(horizon=horizon, **base)
        if self.recall != "team":
            raise OptionError(
                f"recall is {self.recall!r}, but on the clock there is no other D than what agents are told; use 'team'"
            )
        self.horizon_us = self.horizon * _US_PER_S
        self._named = names_of(self.profiles)

    # ---- For environments to override --------------------------------------------------------------------------

    def begins_us(self, agent: str) -> int:  # a hook
        """When the agent's first turn opens, in simulated microseconds; asked after `start`. By default at once."""
        return 0

    def happen(self, event: str) -> Outcome | None:  # a hook
        """What follows from an event whose time has come; None for nothing."""
        return None

    # ---- For hooks to call -------------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """The simulated time, in microseconds since the episode began: of the instant that is being decided."""
        return self._clock.now_us if self._has_reset else 0

    def at(self, time_us: int, event: str) -> None:
        """Lets `happen` be asked for an event at a time to come. To be called by `start`, `act` and `happen`.

        Raises: TurnError for a time that is not to come, or from anywhere else.
        """
        self._require_deciding("at")
        self._clock.set_alarm(self._later(time_us), event)

    def busy(self, agent: str, duration_us: int) -> None:
        """Keeps the agent's next turn from opening before so much time has passed from now. Call it as `at`."""
        self._require_deciding("busy")
        pace = self._paces[agent]
        pace.resumes_us = max(pace.resumes_us, self._later(self._clock.now_us + duration_us))

    def retire(self, agent: str) -> None:
        """Lets the agent have no more turns; one that is open is brought to its end. Call it as `at`."""
        self._require_deciding("retire")
        self._paces[agent].is_retired = True

    def _require_deciding(self, what: str) -> None:
        if not self._is_deciding:
            raise TurnError(f"{type(self).__name__} calls {what} between two instants; call it in start, act or happen")

    def _later(self, time_us: int) -> int:
        if type(time_us) is not int or not self._clock.now_us < time_us <= _LATEST_US:
            raise TurnError(
                f"{type(self).__name__} asks for the time {time_us!r}, and it is {self._clock.now_us} now; use a later "
                "one, a whole number of microseconds"
            )
        return time_us

    # ---- An episode --------------------------------------------------------------------------------------------

    @property
    def ready(self) -> tuple[str, ...]:
        """All whose turn is open and who have not acted in it, by the starts of their turns; nobody once it is over."""
        if not self._has_reset or self._is_deciding or self.terminated or self.truncated:
            return ()
        return self._clock.ready

    @property
    def most_turns(self) -> int:
        """No episode has more turns."""
        return sum(-(-self.horizon_us // profile.base_us) for profile in self.profiles.values())

    def dependencies_for(self, round: int) -> NoReturn:
        raise TurnError("on the clock D follows from what agents are told: see Turn.parents")

    def _forget(self) -> None:
        """Sets the clock back to 0, with nothing to happen."""
        self._clock = ClockSchedule(self.possible_agents)
        self._paces = {agent: Pace() for agent in self.possible_agents}
        self._waiting: set[str] = set()
        self._cuts: tuple[Cut, ...] = ()
        self._num_turns = 0
        self._decides = True

    def _begin(self) -> None:
        for agent in self.possible_agents:
            begins_us = self.begins_us(agent)
            if begins_us != 0:
                pace = self._paces[agent]
                pace.resumes_us = max(pace.resumes_us, self._later(begins_us))
        self._go_on_at(0, self.possible_agents)
        self._run()

    def _submit(self, agent: str, words: Part, dropped: int) -> None:
        pace = self._paces[agent]
        pace.words, pace.dropped = words, dropped
        self._clock.submit(agent, pace.start_us + self.profiles[agent].duration_us(len(words[1])))
        self._run()

    def _run(self) -> None:
        """Commits every instant that is due, and then lets somebody act."""
        clock = self._clock
        while not (self.terminated or self.truncated):
            time_us = clock.next_us
            if time_us is None:
                self.agent_selection = clock.ready[0]
                break
            self._decides = True
            self._commit_instant(time_us)
        self._decides = False
        if self._were_rewarded:
            for agent, reward in self.rewards.items():
                self._cumulative_rewards[agent] += reward
        if self.render_mode == "human" and self.round:
            self.render()

    def _commit_instant(self, time_us: int) -> None:
        """All that happens at this time. If a hook raises, only `reset` leads out."""
        ended, alarms = self._clock.advance(time_us)
        instant = self._playing
        assert isinstance(instant, Instant)
        instant.time_us = time_us
        instant.order = ended
        for agent in ended:
            self._end_turn(instant, agent)
        instant.is_committed = True
        terminated = self._act_out(instant)
        acting = [(place, agent) for place, agent in enumerate(ended) if agent not in self._waiting]
        resuming = ended
        for alarm in alarms:
            if isinstance(alarm, Resume):
                resuming = [*resuming, alarm.agent]
            elif isinstance(alarm, Arrival):
                self._deliver(alarm)
            elif (outcome := self.happen(str(alarm))) is not None:
                terminated = self._apply(outcome, None) or terminated
        self._tell(acting, instant)
        instant.is_closed = True
        self._num_turns += len(ended)
        self.round += 1
        if terminated:
            self._cut(time_us)
            self._end(terminated=True)
        else:
            self._go_on_at(time_us, resuming)

    def _act_out(self, instant: Instant) -> bool:
        """What follows from the turns that end; returns whether they end the episode."""
        terminated = False
        for place, agent in enumerate(instant.order):
            if self._has_costs:
                self._charge(agent, place)
            if agent not in self._waiting:
                outcome = self.act(agent, instant.words[agent][1])
                if outcome is not None:
                    terminated = self._apply(outcome, place) or terminated
        return terminated

    def _end_turn(self, instant: Instant, agent: str) -> None:
        """Books a turn that ends at this instant, and whether it was an act or a wait."""
        pace = self._paces[agent]
        assert pace.words is not None
        instant.words[agent] = pace.words
        instant.turns += (Timed(Slot(agent, pace.start_us, instant.time_us), pace.parents),)
        if pace.dropped:
            instant.dropped += ((agent, pace.dropped),)
        pace.is_acting = False
        pace.waits_for = waited_for(agent, pace.words[1], self._named)
        pace.was_dropped = pace.dropped
        if pace.waits_for is not None:
            self._waiting.add(agent)

    def _tell(self, acting: Iterable[tuple[int, str]], instant: Instant) -> None:
        """Keeps for everybody's next turn what was said at this instant, and then the feedback."""
        for place, speaker in acting:
            arrival = Arrival(instant.words[speaker], self._num_turns + place)
            latency_us = self.profiles[speaker].latency_us
            if latency_us:
                self._clock.set_alarm(instant.time_us + latency_us, arrival)
            else:
                self._deliver(arrival)
        for feedback in instant.feedback:
            for agent, text in feedback.items():
                self._paces[agent].inbox.append(("", text, text))

    def _deliver(self, arrival: Arrival) -> None:
        for listener in self._hearers[arrival.words[0]]:
            pace = self._paces[listener]
            pace.inbox.append(arrival.words)
            pace.heard.append(arrival.turn)

    # ---- Whose turn opens --------------------------------------------------------------------------------------

    def _go_on_at(self, time_us: int, resuming: Sequence[str]) -> None:
        """Opens turns at this instant, or ends the episode where nobody will have another."""
        opening: list[str] = []
        if time_us < self.horizon_us:
            if len(resuming) > 1 or self._waiting:
                resuming = [agent for agent in self.possible_agents if agent in resuming or agent in self._waiting]
            opening = [agent for agent in resuming if self._resumes(agent)]
            if not opening and not self._will_go_on:  # all who are left wait for each other
                for agent in self._waiting:
                    self._paces[agent].waits_for = None
                opening = [agent for agent in self.possible_agents if agent in self._waiting and self._resumes(agent)]
        if opening or self._will_go_on:
            self._open(opening)
        else:
            self._compose_what_would_follow()
            self._end(terminated=False)

    def _resumes(self, agent: str) -> bool:
        """Whether the next turn of an agent that could have one opens now; sets the alarm if it has to be later."""
        pace = self._paces[agent]
        if pace.is_acting or pace.is_retired or (pace.waits_for is not None and not self._is_told(pace)):
            return False
        pace.waits_for = None
        self._waiting.discard(agent)
        if pace.resumes_us <= self._clock.now_us:
            return True
        self._clock.set_alarm(pace.resumes_us, Resume(agent))
        return False

    def _is_told(self, pace: Pace) -> bool:
        """Whether an agent need not wait any longer."""
        if not pace.waits_for:
            return bool(pace.inbox)
        if any(author in pace.waits_for for author, _, _ in pace.inbox):
            return True
        others = [self._paces[other] for other in pace.waits_for]
        return all(other.is_retired and not other.is_acting for other in others)

    @property
    def _will_go_on(self) -> bool:
        """Whether something happens before the horizon, or after it a turn that has begun ends."""
        return self._clock.has_turns or self._clock.first_alarm_us < self.horizon_us

    def _open(self, agents: list[str]) -> None:
        """Fixes what these agents are told before they act: what was said to them since, and then their views."""
        clock = self._clock
        for agent in agents:
            pace, seat = self._paces[agent], self._seats[agent]
            seat.parts += pace.inbox
            pace.parents = tuple(pace.heard)
            pace.inbox, pace.heard = [], []
        self._playing = Instant(self._told_hidden(), self._told_views(agents))
        self._history.rounds.append(self._playing)
        for agent in agents:
            pace, seat = self._paces[agent], self._seats[agent]
            seat.num_known = len(seat.parts)
            seat.is_open = pace.is_acting = True
            pace.words = None
            pace.start_us = clock.now_us
            pace.first_end_us = clock.now_us + seat.profile.base_us
            clock.open(agent, seat.profile.base_us)
        acting = [agent for agent, pace in self._paces.items() if pace.is_acting]
        if acting:
            self.dependencies = Dependencies.together(acting)

    # ---- The end -----------------------------------------------------------------------------------------------

    def _compose_what_would_follow(self) -> None:
        """Tells everybody what its next turn would have told it, for the state that trainers can bootstrap from."""
        agents = [agent for agent, pace in self._paces.items() if not pace.is_retired]
        for agent in agents:
            self._seats[agent].parts += self._paces[agent].inbox
        self._playing = Instant(self._told_hidden(), self._told_views(agents))
        self._history.rounds.append(self._playing)
        for agent in agents:
            self._seats[agent].num_known = len(self._seats[agent].parts)

    def _cut(self, time_us: int) -> None:
        """Books the turns that the end leaves unfinished, with the words of those that could have ended before it.

        These were needed to know that they do not. The words of others may have been submitted or not, which nothing
        else tells, so they are taken back.
        """
        for agent, pace in self._paces.items():
            if not pace.is_acting:
                continue
            if pace.first_end_us > time_us and pace.words is not None:
                self._seats[agent].retract()
                self.infos[agent] = {**self.infos[agent], SHORTENED: pace.was_dropped}
                pace.words = None
            self._cuts += (Cut(agent, pace.start_us, None if pace.words is None else pace.words[1]),)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return self._cuts if self._has_reset else ()

    # ---- Looking at it -----------------------------------------------------------------------------------------

    @property
    def _is_deciding(self) -> bool:
        return self._decides

    @property
    def _of_all(self) -> str:
        return ""

    def opened(self, agent: str) -> str:
        return f"{told_time(self._paces[agent].start_us).removesuffix(' s')} of {self.horizon} s"

    @property
    def elapsed(self) -> str:
        return told_time(self.now_us)

    def state(self) -> str:  # type: ignore[override]  # as in FlexMG
        """Everything already decided, as text; what was submitted and has not been heard yet stands at its end."""
        return GAP.join([super().state(), *self._unheard()])

    def joint_observation(self) -> str:
        """As in `FlexMG`; what was submitted and has not been heard yet stands at its end."""
        return GAP.join([super().joint_observation(), *self._unheard()])

    def _unheard(self) -> list[str]:
        return [
            f"not heard before {told_time(pace.first_end_us)}, {pace.words[2]}"
            for pace in self._paces.values()
            if pace.is_acting and pace.words is not None
        ]
