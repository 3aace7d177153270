"""`marft probe`: what an untrained model makes of an environment, before anybody trains on it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tyro.conf import Positional

from baselines.commands.options import EnvOptions, Names, OptionalInt, OptionalText, shown
from baselines.commands.terminal import console, note, say, table, visible, working
from baselines.errors import ConfigError, extra_required

if TYPE_CHECKING:
    from baselines.commands.teams import Cast
    from baselines.policies.team import Team
    from baselines.probe import ProbedReply, ProbeReport, ProbeRow
    from baselines.runs.experiment import TextEnv

Numbers: TypeAlias = Annotated[tuple[float, ...], shown("NUMBER ...")]

_EARNINGS = ("profile", "others", "silent", "success", "95 % interval", "perfect")
_REPLIES = ("profile", "replies", "gradable", "empty", "cut", "tokens")
_UNKNOWN = "–"
_SUCCESS = "success: what the profile is paid in an episode, from 0, the least that there is, to 1, the most"
_RETURN = "success: the plain return, for the environment declares no finite reward_range"
_LEGEND = """\
silent, perfect: the same where the profile writes nothing, or what the environment's reference writes
others: perfect, the reference plays them; untrained, the model does, where perfect ones would not need this profile
gradable: share of what is graded that has the form of an answer; cut: share that a limit ended"""


@dataclass(frozen=True)
class Probe:
    """Measure an untrained model before training: is there a first signal, and which profile's wording loses it?

    To compare wordings, probe once for each team file: `--team one.yaml`, then `--team two.yaml`. The same seed asks
    both teams the same instances.
    """

    env_id: Positional[Annotated[str, shown("ENV_ID")]]
    """Environment; `marft envs` lists them. Your own: package.module:Class."""
    level: Names = ()
    """One level or several. Default: the environment's own."""
    temperature: Numbers = ()
    """One temperature or several; 0 takes the likeliest token each time. Default: that of training, for it is there
    that a first signal has to show."""
    instances: int = 64
    """Different instances for each level."""
    split: Literal["train", "test"] = "train"
    """Which instances are drawn. Wording chosen on the test split is tuned to it."""
    seed: int = 0
    """Of the instances and of the sampler."""
    team: OptionalText = None
    """Another team: a name, or the path of a team file."""
    env_options: Annotated[EnvOptions, shown("NAME VALUE ...")] = field(default_factory=dict)
    """Further options of the environment, e.g. `horizon 1`."""
    model: OptionalText = None
    """Base model: a name, a folder or a hub id. Default: as in training."""
    max_new_tokens: OptionalInt = None
    """Longest reply in tokens. Default: as in training."""
    show: int = 2
    """Replies of each profile to show as they are, with what was read before."""
    format: Literal["rich", "json"] = "rich"
    """rich: for people. json: one object for each level and temperature."""
    rollout_batch_size: OptionalInt = None
    """Most prompts in one generate call. Default: as in training."""
    device: OptionalText = None
    """cpu, cuda or cuda:N. Default: as in training."""
    dtype: OptionalText = None
    """Of the model: float32 or bfloat16. Default: as in training."""
    threads: OptionalInt = None
    """CPU threads of torch; 0 takes what torch chooses. Default: as in training."""

    def run(self) -> int:
        """Probe every level at every temperature; print each result as it comes, or all of them as JSON."""
        self._check()
        with working("loading torch"), extra_required("train", "`marft probe`"):
            from baselines.commands.teams import find_cast
        cast = find_cast(
            None,
            env_id=self.env_id,
            level=None,
            env_options=self.env_options | ({} if self.team is None else {"team": self.team}),
            given={
                "model": self.model,
                "max_new_tokens": self.max_new_tokens,
                "rollout_batch_size": self.rollout_batch_size,
                "device": self.device,
                "dtype": self.dtype,
                "threads": self.threads,
            },
        )
        envs = self._envs(cast)
        with working(f"loading {cast.title}"):
            team = cast.load(list(next(iter(envs.values())).possible_agents))
        temperatures = self.temperature or (cast.settings.temperature,)
        reports = []
        for level, env in envs.items():
            for temperature in temperatures:
                reports.append(self._probe(cast, team, env, level, temperature))
                if self.format == "rich":
                    self._print(cast, reports[-1])
        if self.format == "json":
            say(json.dumps([self._record(cast, report) for report in reports], indent=1, ensure_ascii=False))
        else:
            note(_SUCCESS if reports[-1].is_share else _RETURN)
            note(_LEGEND)
        return 0

    def _check(self) -> None:
        for name, value, least in (("instances", self.instances, 1), ("seed", self.seed, 0), ("show", self.show, 0)):
            if value < least:
                raise ConfigError(f"--{name} is {value}; it must be at least {least}")
        for temperature in self.temperature:
            if not 0 <= temperature < float("inf"):
                raise ConfigError(f"--temperature is {temperature}; it must be 0 (greedy) or above")

    def _envs(self, cast: "Cast") -> dict[str | None, "TextEnv"]:
        """An environment for each level; whatever cannot work is told before the model is loaded."""
        from baselines.rollouts.games import as_game
        from baselines.runs.experiment import make_env

        settings = cast.settings
        levels: Sequence[str | None] = self.level or (None,)
        envs = {level: make_env(settings.env_id, self.split, settings.env_options, level=level) for level in levels}
        for env in envs.values():
            as_game(env)  # refuses what no team of models can play
        return envs

    def _probe(
        self, cast: "Cast", team: "Team", env: "TextEnv", level: str | None, temperature: float
    ) -> "ProbeReport":
        from baselines.evaluate import distinct_tasks
        from baselines.probe import probe
        from baselines.runs.experiment import make_env, sampling_for

        settings = cast.settings
        where = f"temperature {temperature:g}" + (f", level {level}" if level else "")
        with working(f"probing at {where}") as show:
            return probe(
                lambda: make_env(settings.env_id, self.split, settings.env_options, level=level),
                team,
                distinct_tasks(env, level, self.instances, self.seed),
                sampling_for(settings, temperature),
                num_envs=settings.num_envs,
                seed=self.seed,
                num_examples=self.show,
                status=lambda text: show(f"probing at {where}: {text}"),
            )

    def _record(self, cast: "Cast", report: "ProbeReport") -> dict[str, object]:
        """What --format json prints of one level and temperature."""
        settings = cast.settings
        return {
            "env_id": settings.env_id,
            "split": self.split,
            "env_options": settings.env_options,
            "model": settings.model,
            "max_new_tokens": settings.max_new_tokens,
            "seed": self.seed,
            "has_signal": report.has_signal,
            **asdict(report),
        }

    def _print(self, cast: "Cast", report: "ProbeReport") -> None:
        level = f", level {report.level}" if report.level else ""
        say(
            f"{cast.settings.env_id}{level}, split {self.split}, {report.num_instances} instances",
            f"{cast.title}, temperature {report.temperature:g}, at most {cast.settings.max_new_tokens} tokens a reply",
        )
        rows = report.rows
        console().print(table(_EARNINGS, [_earnings(row) for row in rows], right=" ".join(_EARNINGS[2:])))
        console().print(table(_REPLIES, [_replies(row) for row in rows], right=" ".join(_REPLIES[1:])))
        for reply in (reply for row in rows for reply in row.examples):
            say(*_example(reply), "")
        if not report.has_signal:
            say(f"No first signal in {report.num_instances} episodes: the team earned no more than its silence.", "")
        if report.num_instances < self.instances:
            note(f"There are no more than {report.num_instances} instances{level}, split {self.split}.")


def _earnings(row: "ProbeRow") -> tuple[str, ...]:
    return (
        row.name,
        row.others or _UNKNOWN,
        _number(row.silent),
        _number(row.success.mean),
        f"{row.success.low:.3f}–{row.success.high:.3f}",
        _number(row.perfect),
    )


def _replies(row: "ProbeRow") -> tuple[str, ...]:
    shares = (row.gradable, row.empty, row.cut)
    tokens = _UNKNOWN if row.tokens is None else f"{row.tokens:.1f}"
    return (row.name, str(row.num_replies), *map(_number, shares), tokens)


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _example(reply: "ProbedReply") -> tuple[str, ...]:
    """What was read, what was written, and what became of it, set off from each other."""
    forms = {True: "gradable", False: "not gradable", None: "not graded"}
    length = f"{reply.num_tokens} tokens" + (", cut" if reply.is_cut else "")
    return (
        f"{reply.agent} read:",
        indent(visible(reply.observation), "    "),
        f"{reply.agent} wrote ({length}; {forms[reply.gradable]}; success of the episode {reply.success:.3f}):",
        indent(visible(reply.text), "    "),
    )
