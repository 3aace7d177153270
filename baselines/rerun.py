"""Plays an entry of the leaderboard again with the adapters that it names: do they write what its logs say?

Every logged turn is asked for again, from the prompt that the log led to, and the log goes on with what it says. Of
each turn it is seen whether the team writes the same text, in as many tokens as were reported, and how likely the
logged text is to it and to its base. Then the team plays seeds that nobody knew when it was entered.

Text that was drawn at a temperature above 0 is drawn again by the same numbers, and differs all the same where anything
was computed elsewhere; there the log-probabilities tell. A trained team to which its own words are no likelier than to
its base is not the one that wrote them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch

from baselines.entered import Cast
from baselines.entry import Played, played_task
from baselines.errors import ConfigError
from baselines.evaluate import evaluate_team
from baselines.policies.team import Team
from baselines.rollouts.batch import Turn
from baselines.rollouts.collect import Collector, Sampling, Seat
from baselines.rollouts.collect import Task as Play
from baselines.runs.experiment import Status
from leaderboard.scores import Played as PlayedEpisode
from leaderboard.scores import Tokens, instance_scores, played
from leaderboard.tracks import seeds_of
from marft_envs import Episode

Logged = Mapping[str, Sequence[tuple[str, int]]]
"""Agent -> what it wrote in its turns, in their order, and in how many tokens as reported."""


@dataclass(frozen=True)
class Asked:
    """One logged turn, asked for again."""

    agent: str
    prompt_ids: list[int]
    action_ids: list[int]
    """Of the logged text: as the team drew it, or as its tokeniser writes it."""
    has_same_text: bool
    has_same_tokens: bool
    """Whether it is the same in as many tokens as were reported."""


class Prompter(Collector):
    """Lets a team act at every turn of logged episodes, and then goes on with what the log says."""

    _logged: Mapping[Play, Logged]
    _asked: list[Asked]

    def ask_again(self, logged: Mapping[Play, Logged], sampling: Sampling, status: Status) -> list[Asked]:
        """Every turn of these plays that a model had."""
        self._logged, self._asked = logged, []
        self.collect(list(logged), sampling, lambda done: status(f"asking again {done}/{len(logged)}"))
        return self._asked

    def submit(self, seat: Seat, agent: str, turn: Turn) -> None:
        """What the log says, in place of what the team does."""
        said = self._logged[seat.task].get(agent, ())
        number = seat.num_turns[agent]
        if number >= len(said):  # asked for, and cut by the end: nothing depends on it
            super().submit(seat, agent, turn)
            return
        text, num_tokens = said[number]
        is_same = turn.text[: seat.game.max_chars(agent)] == text
        ids = turn.action_ids if is_same else self.team.base_of(agent).encoder.reply_ids(text)
        self._asked.append(Asked(agent, turn.prompt_ids, ids, is_same, is_same and len(ids) == num_tokens))
        if not is_same:
            seat.histories.pop(agent, None)  # it holds the team's words
            turn = replace(turn, text=text, action_ids=ids, logprobs=[])
        super().submit(seat, agent, turn)


@dataclass(frozen=True)
class Agreement:
    """How far a team says what its logs say, over all turns that a model had."""

    turns: int
    same_text: float
    """Share of turns in which it writes the logged text from the logged prompt."""
    same_tokens: float
    """Share of turns in which it does so in as many tokens as were reported."""
    logprob: float
    """Mean over turns of the logged text's log-probability to the team, in nats per token, at temperature 1."""
    base_logprob: float
    """The same to the bases alone."""


def agreement(
    cast: Cast, team: Team, episodes: Sequence[Episode], tokens: Sequence[Tokens], status: Status = lambda text: None
) -> Agreement:
    """Asks for every logged turn again. `tokens` are those reported of the episodes, in their order.

    Raises: ConfigError if no turn was a model's.
    """
    plays = cast.plays(list(dict.fromkeys(episode.seed for episode in episodes)))
    logged = {play: _said(*pair) for play, pair in zip(plays, zip(episodes, tokens, strict=True), strict=True)}
    stage = cast.stage(len(plays))
    prompter = Prompter(
        stage.make_env,
        team,
        num_envs=stage.num_envs,
        examples=stage.examples,
        scripts=stage.scripts,
        solo=stage.solo,
    )
    asked = prompter.ask_again(logged, cast.sampling, status)
    if not asked:
        raise ConfigError(f"{cast.result.key} has no turn of a model, so there is nothing to compare")
    status("scoring what was logged")
    own, bases = _logprobs(team, asked)
    return Agreement(
        turns=len(asked),
        same_text=fmean(one.has_same_text for one in asked),
        same_tokens=fmean(one.has_same_tokens for one in asked),
        logprob=own,
        base_logprob=bases,
    )


def _said(episode: Episode, tokens: Tokens) -> Logged:
    found: dict[str, list[tuple[str, int]]] = {}
    for turn, wrote in zip(episode.turns, tokens.wrote, strict=True):
        found.setdefault(turn.agent, []).append((turn.action, wrote))
    for cut in episode.cuts:
        if cut.action is not None:
            found.setdefault(cut.agent, []).append((cut.action, -1))  # what was cut was not counted
    return found


@torch.no_grad()
def _logprobs(team: Team, asked: Sequence[Asked]) -> tuple[float, float]:
    """Mean over turns of nats per token: to the team, and to its bases."""
    own: list[float] = []
    bases: list[float] = []
    for adapter in dict.fromkeys(team.adapter_of[one.agent] for one in asked):
        turns = [one for one in asked if team.adapter_of[one.agent] == adapter and one.action_ids]
        own += [float(found.mean()) for found in team.score_all(adapter, turns, 1.0)]
        bases += [float(found.mean()) for found in team.score_untrained(adapter, turns, 1.0)]
    return fmean(own), fmean(bases)


def scores_anew(cast: Cast, team: Team, season: str, status: Status = lambda text: None) -> dict[int, float]:
    """Seed -> what the team comes to on a season's instances.

    Raises: TrackError if the season has none.
    """
    seeds = seeds_of(season, cast.task)
    plays = cast.plays(seeds)
    stage = cast.stage(len(plays))
    evaluation = evaluate_team(stage.collector(team), plays, cast.sampling, status)
    how = Played(cast.settings, None, cast.sampling, cast.result.plays, cast.result.vote)
    again = played_task(cast.task, seeds, cast.make(), how, evaluation.rollouts)
    answers = [rollout.answer for rollout in sorted(evaluation.rollouts, key=lambda one: seeds.index(one.seed))]
    episodes: list[PlayedEpisode] = [played(*pair) for pair in zip(again.episodes, answers, strict=True)]
    return instance_scores(episodes, vote=cast.result.vote)
