"""`marft play`: take seats in a team and play in the terminal, or watch a team play.

Nothing here loads torch unless a model plays.
"""

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional

import marft_envs
from baselines.commands.options import EnvOptions, Names, OptionalInt, OptionalText, shown
from baselines.commands.person import HINT, Person, Quit, heading
from baselines.commands.terminal import note, say, visible, working
from baselines.errors import ConfigError, EnvironmentKindError, extra_required
from marft_envs import ClockMG, FlexMG, Message

if TYPE_CHECKING:
    from baselines.commands.teams import Cast
    from baselines.rollouts.scripted import Script

Player = Callable[[str, Sequence[Message]], str]
"""Answers an agent's name and its messages so far with its action."""
PlayerMaker = Callable[[], Player]
"""Makes the player of one episode."""


@dataclass(frozen=True)
class Play:
    """Play in the terminal: take every seat of a team, some of them, or watch a trained team play."""

    env_id: Positional[Annotated[str, shown("ENV_ID")]]
    """Environment to play; `marft envs` lists them."""
    seat: Names = ()
    """Your seats, e.g. `actor_0`. Default: all of them, or none where a checkpoint or a model plays."""
    checkpoint: Annotated[Path | None, shown("FOLDER")] = None
    """A run's folder, or one of its checkpoints: its team plays the other seats."""
    model: OptionalText = None
    """Base model, for the untrained team or in place of the checkpoint's: a name, a folder or a hub id."""
    others: Literal["reference", "silent", "random", "echo"] = "reference"
    """Who plays the other seats where no model does: the reference, which knows the solution; the best team that does
    not talk; random words; or what each was told last."""
    replace: Annotated[dict[str, str], shown("AGENT WHO ...")] = field(default_factory=dict)
    """Who plays an agent, or all of a role, that is not yours: `openai:MODEL` for a model behind OPENAI_BASE_URL, a
    script (reference, silent, random or echo), `untrained`, or the same agent of a run or checkpoint, by its folder."""
    level: OptionalText = None
    """Difficulty. Default: the one that the checkpoint was trained for, or the environment's own."""
    team: OptionalText = None
    """Another team: a name, or the path of a team file."""
    split: Literal["train", "test"] = "train"
    """Which instances are drawn."""
    seed: OptionalInt = None
    """Seed of the first episode; the others follow from it. Default: another one each time."""
    env_options: Annotated[EnvOptions, shown("NAME VALUE ...")] = field(default_factory=dict)
    """Further options of the environment, e.g. `horizon 1`."""
    episodes: int = 1
    """How many to play."""
    log: Annotated[Path | None, shown("FILE")] = None
    """Add the episodes to this action log; `marft replay` verifies it."""
    temperature: float = 0.0
    """Of the models' replies; 0 takes the likeliest token each time."""
    max_new_tokens: OptionalInt = None
    """Longest reply of a model in tokens. Default: as in training."""
    device: OptionalText = None
    """Where the models run: cpu, cuda or cuda:N."""
    spectate: bool = False
    """Show all that happens, also what your seats are not told."""

    def run(self) -> int:
        """Play every episode; stop early if the person wants to."""
        self._check()
        cast = self._cast()
        env = self._env(cast)
        seats = self._seats(env, plays_all=cast is None)
        if seats and cast is not None and cast.settings.solo is not None:
            raise ConfigError(
                f"{cast.title}: it plays every seat that anybody plays, and none is left for you; leave out --seat to "
                "watch it"
            )
        if self.log is not None:
            marft_envs.write_log(self.log, ())  # no use finding out after the game that it cannot be kept
        others = _others(self, env, cast, seats)
        table = _Table(env, seats, others, shows_all=self.spectate or not seats)
        say(*_introduction(env, cast, seats, self))
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # from here on `input` has line editing and a history
        returns: list[float] = []
        try:
            for number in range(self.episodes):
                episode = table.play(self.seed if number == 0 else None)
                returns.append(fmean(episode.returns.values()))
                if self.log is not None:
                    marft_envs.write_log(self.log, [episode])
                    say(f"Added to {self.log}; `marft replay {self.log}` verifies it.")
        except Quit:
            say(
                "Stopped; the episode that had begun is not counted." + (" The log has the others." if self.log else "")
            )
        if len(returns) > 1:
            say(f"{len(returns)} episodes, mean return {fmean(returns):.3f}.")
        return 0

    def _check(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"--episodes is {self.episodes}; it must be at least 1")
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"--temperature is {self.temperature}; it must be 0 (greedy) or above")
        if self.others != "reference" and self.names_team:
            raise ConfigError(
                f"--others is {self.others}, and --checkpoint or --model names a team; choose one of the two"
            )

    @property
    def names_team(self) -> bool:
        """Whether models play all seats that nobody else was named for."""
        return self.checkpoint is not None or self.model is not None

    def _cast(self) -> "Cast | None":
        """The models that play, if any do."""
        if not self.names_team and not self.replace:
            return None
        with working("loading torch"), extra_required("train", "a team of models"):
            from baselines.commands.teams import find_cast
        return find_cast(
            self.checkpoint,
            env_id=marft_envs.spec(self.env_id).id,
            level=self.level,
            env_options=self._options(),
            given={"model": self.model, "max_new_tokens": self.max_new_tokens, "device": self.device},
            replaced=self.replace,
        )

    def _options(self) -> EnvOptions:
        return self.env_options | ({} if self.team is None else {"team": self.team})

    def _env(self, cast: "Cast | None") -> FlexMG:
        options: Mapping[str, object] = self._options() if cast is None else cast.settings.env_options
        level = self.level if cast is None else cast.settings.level
        given = {"split": self.split} if self.split != "train" else {}  # an environment of others may have no splits
        env = marft_envs.make(self.env_id, **options, **given, **({} if level is None else {"level": level}))
        if not isinstance(env, FlexMG):
            raise EnvironmentKindError(
                f"{self.env_id} is a {type(env).__name__}; `marft play` needs rounds, seats and texts, which only a "
                "subclass of marft_envs.FlexMG has"
            )
        return env

    def _seats(self, env: FlexMG, *, plays_all: bool) -> tuple[str, ...]:
        """The person's seats, in the team's order."""
        for seat in self.seat:
            if seat not in env.possible_agents:
                near = difflib.get_close_matches(seat, env.possible_agents, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigError(
                    f"there is no seat {visible(seat)!r}; {hint}The seats are {', '.join(env.possible_agents)}"
                )
        if not self.seat and plays_all:
            return tuple(env.possible_agents)
        return tuple(agent for agent in env.possible_agents if agent in self.seat)


class _Table:
    """Plays episodes, and shows of each what the person may see."""

    def __init__(self, env: FlexMG, seats: Sequence[str], others: PlayerMaker, *, shows_all: bool) -> None:
        self._env = env
        self._seats = seats
        self._others = others
        self._shows_all = shows_all

    def play(self, seed: int | None) -> marft_envs.Episode:
        """One episode. Raises: Quit."""
        env = self._env
        env.reset(seed=seed)
        say("", f"Episode of seed {env.episode_seed}" + (f", level {env.level}" if env.level else ""))
        person, others = Person(env), self._others()
        num_shown = self._show_record(0)
        while env.ready:
            agent, num_played, num_paid = env.agent_selection, env.num_rounds, len(env.reward_events)
            if agent in self._seats:
                env.step(person(agent, env.messages(agent)))
                _tell_shortened(env, agent)
            else:
                with working(f"{agent} is writing"):
                    action = others(agent, env.messages(agent))
                env.step(action)
            if env.num_rounds > num_played:
                num_shown = self._show_record(num_shown)
                if not self._shows_all:
                    say("", _paid(env, num_paid, self._seats))
        self._show_end()
        return env.episode()

    def _show_record(self, num_shown: int) -> int:
        """What has been added to the record of everything; returns how much of it has been shown."""
        if not self._shows_all:
            return 0
        record = self._env.render() or ""
        say("", visible(record[num_shown:].strip("\n")))
        return len(record)

    def _show_end(self) -> None:
        env = self._env
        ending = "was ended by the horizon" if env.truncated else "is over"
        heading(f"the episode {ending} after {env.elapsed}")
        if not self._shows_all:
            say(*{visible(text): None for seat in self._seats for text in env.feedback_to(seat)})
        returns = ", ".join(f"{agent} {amount:g}" for agent, amount in env.episode().returns.items())
        say(f"returns: {returns}")
        if env.info:
            say("info: " + ", ".join(f"{name} {value:g}" for name, value in env.info.items()))


def _others(command: Play, env: FlexMG, cast: "Cast | None", seats: Sequence[str]) -> PlayerMaker:
    """Makes the player of all seats that are not the person's."""
    agents = [agent for agent in env.possible_agents if agent not in seats]
    if cast is None or not agents:
        return lambda: _scripted(env, command.others)
    from baselines.rollouts.games import FlexGame
    from baselines.rollouts.player import ServedPlayer, TeamPlayer
    from baselines.rollouts.solo import find_solo, seated
    from baselines.rollouts.stage import server_for
    from baselines.runs.company import Company
    from baselines.runs.experiment import sampling_for

    settings = cast.settings
    sampling = sampling_for(settings, command.temperature)
    company = Company.named(settings.replace, list(env.possible_agents))
    served = {agent: model for agent, model in company.served.items() if agent in agents}
    server = server_for(served, settings.server_requests)
    solo = find_solo(settings.solo, settings.solo_agent, env.possible_agents)
    scripts = {**company.scripts, **(solo.scripts(env.possible_agents) if solo else {})}
    game = seated(env, {}, solo)
    assert isinstance(game, FlexGame), "so is every FlexMG environment"
    by_models = [
        agent
        for agent in company.leaves(agents)
        if agent not in scripts and (command.names_team or agent in company.models)
    ]
    team = None
    if by_models:
        with working(f"loading {cast.title}"):
            team = cast.load(by_models)

    def made() -> Player:
        players: dict[str, Player] = dict.fromkeys(agents, _scripted(env, command.others))
        if team is not None:
            players |= dict.fromkeys(by_models, TeamPlayer(team, env, sampling, game))
        if server is not None:
            players |= dict.fromkeys(served, ServedPlayer(server, env, sampling))
        players |= {agent: _by_script(script, env) for agent, script in scripts.items()}
        return lambda agent, messages: players[agent](agent, messages)

    return made


def _by_script(script: "Script", env: FlexMG) -> Player:
    return lambda agent, _: script(env, agent)


def _scripted(env: FlexMG, name: str) -> Player:
    """Plays as the environment says that a perfect agent would, or one that hears nothing; or without any sense."""
    style = marft_envs.SCRIPTED_PLAYS[name]

    def answer(agent: str, _: Sequence[Message]) -> str:
        try:
            return style(env, agent)
        except NotImplementedError as error:
            raise ConfigError(
                f"nobody plays {agent}: {error}; take every seat, choose --others random, or let a model play with "
                "--model or --checkpoint"
            ) from None

    return answer


_PLAYERS = {
    "reference": "the reference, which knows the solution",
    "silent": "the best team that does not talk",
    "random": "random words",
    "echo": "what each was told last",
}


def _introduction(env: FlexMG, cast: "Cast | None", seats: Sequence[str], command: Play) -> Iterator[str]:
    """Who plays what."""
    players = _PLAYERS[command.others] if cast is None or not command.names_team else cast.title
    played_by = {agent: players for agent in env.possible_agents if agent not in seats}
    for name, who in {} if cast is None else cast.settings.replace.items():
        played_by |= {agent: who for agent in played_by if name in (agent, agent.rpartition("_")[0])}
    name = env.spec.id if env.spec else type(env).__name__
    horizon = _count(env.horizon, "second" if isinstance(env, ClockMG) else "round")
    yield f"{name}, {horizon} at most."
    if seats:
        yield f"You play {_and(seats)}."
    for who in dict.fromkeys(played_by.values()):
        others = [agent for agent, player in played_by.items() if player == who]
        yield f"{_and(others)} {'is' if len(others) == 1 else 'are'} played by {who}."
    if seats:
        yield HINT


def _tell_shortened(env: FlexMG, agent: str) -> None:
    dropped = env.infos[agent]["shortened"]
    if dropped:
        limit = env.profiles[agent].max_action_chars
        note(f"The last {_count(dropped, 'character')} of it were dropped: an answer here has {limit} at most.")


def _paid(env: FlexMG, num_before: int, seats: Sequence[str]) -> str:
    """What the person's seats got for the latest round; on the clock, since the latest step."""
    totals = dict.fromkeys(seats, 0.0)
    for event in env.reward_events[num_before:]:
        if event.agent in totals:
            totals[event.agent] += event.amount
    what = f"rewards until {env.elapsed}" if isinstance(env, ClockMG) else f"reward of round {env.num_rounds}"
    return f"{what}: " + ", ".join(f"{agent} {total:+g}" for agent, total in totals.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
