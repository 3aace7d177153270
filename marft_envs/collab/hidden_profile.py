"""Hidden profile: what all know speaks for the wrong candidate, what each knows alone speaks for the right one.

| | |
|---|---|
| id | `collab/hidden_profile-v0` |
| agents | `member_0`, `member_1`, `chair_0`; or any team of three to eight of whom the last alone `answers` |
| D | all members at once, in every round but the last; then the chair alone, who has heard all of it |
| observation | good and bad points of the candidates: those that everybody is told, and the agent's own |
| action | the chair: its last line names one candidate; the members: any text |
| reward | at the end, to the whole team: 0, or 1 for the best candidate |
| horizon | 2 rounds, an option: one more than the rounds of discussion; the best terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | candidates and their points drawn at random, after Stasser and Titus (1985) |
| silent | easy 0.333, standard 0.200, hard 0.111: the chair guesses any candidate but the favourite |
| info | `correct`: 1 if it is the best candidate; `favourite`: 1 if it is the one that the shared points favour |
| versions | v0: the first |

Why a team: with what each agent is told the favourite seems best, and with all points another one is. That one is drawn
from all others after the chair's points have been, and the members' points after it. So a chair that hears nothing can
rule out the favourite, and all others are as likely, whatever it knows of them: 1 of 3, of 5, of 9. In a team of three
the points of the chair and one member do not take the best past the favourite: it takes both members' words.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.profiles import MOST_AGENTS, NAMES, Profiles, Sizes, draw_profiles, sums, told
from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.choices import stated_choice
from marft_envs.hooks import SILENCE
from marft_envs.records import Outcome

LEVELS = {
    # Who is how far ahead, and how much one member can know, decides whether any best candidate can be hidden.
    "easy": Sizes(4, favourite=3, shared=range(1), chair=range(1), member=range(3)),
    "standard": Sizes(6, favourite=4, shared=range(2), chair=range(2), member=range(-2, 3)),
    "hard": Sizes(10, favourite=5, shared=range(3), chair=range(2), member=range(-2, 3), pair_share=0.5, num_copies=8),
}
LEAST_AGENTS, LEAST_ROUNDS = 3, 2
TELL = "Tell the others all that you know besides."
ANSWER = "Who has the most good points? Reply with only the name."
ANSWER_WITH_BAD = "Who has the most good points, less the bad ones, each counted once? Reply with only the name."


class HiddenProfile(FlexMG):
    """A group pools what it knows about candidates, and its chair chooses one."""

    metadata = {"name": "hidden_profile_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "hidden_profile"
    levels = tuple(LEVELS)
    recall = "team"
    reward_range = (0.0, 1.0)
    source = "hidden_profile"

    names: list[str]
    """The candidates, sorted."""
    drawn: Profiles
    """All points, and whom they speak for."""

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        if horizon < LEAST_ROUNDS:
            raise OptionError(f"horizon is {horizon}, and the chair chooses after the discussion; use 2 rounds or more")
        *self.members, self.chair = self.possible_agents
        answering = [agent for agent, profile in self.profiles.items() if profile.answers]
        if not LEAST_AGENTS <= len(self.profiles) <= MOST_AGENTS or answering != [self.chair]:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a group takes {LEAST_AGENTS} to {MOST_AGENTS} agents, of "
                "whom only the last 'answers: true'"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws candidates and points."""
        sizes = LEVELS[str(self.level)]
        self.names = sorted(NAMES[place] for place in rng.choice(len(NAMES), sizes.num_candidates, replace=False))
        self.drawn = draw_profiles(sizes, len(self.members), rng)
        self.best, self.favourite = self.names[self.drawn.best], self.names[self.drawn.favourite]
        self.private = dict(zip(self.possible_agents, self.drawn.private, strict=True))

    def dependencies_for(self, round: int) -> Dependencies:
        """The members discuss, and in the last round the chair chooses."""
        return Dependencies([self.chair] if round == self.horizon - 1 else self.members)

    def view(self, agent: str) -> str:
        """At its first turn the candidates and what it knows; always what it is asked for."""
        has_bad = LEVELS[str(self.level)].member.start < 0
        request = TELL if agent != self.chair else ANSWER_WITH_BAD if has_bad else ANSWER
        if agent != self.chair and self.round > 0:
            return request
        lines = [f"Candidates: {', '.join(self.names)}.", f"Everybody knows: {told(self.drawn.shared, self.names)}"]
        if self.private[agent]:
            lines.append(f"You know besides: {told(self.private[agent], self.names)}")
        return "\n".join([*lines, request])

    def act(self, agent: str, action: str) -> Outcome | None:
        """Judges the chair's choice; what the members write is only read."""
        if agent != self.chair:
            return None
        chosen = stated_choice(action, self.names)
        correct = chosen == self.best
        return Outcome(
            rewards=float(correct),
            terminated=correct,
            info={"correct": int(correct), "favourite": int(chosen == self.favourite)},
        )

    def hidden(self) -> str:
        """The best candidate."""
        return self.best

    def instance_key(self) -> str:
        """Every candidate with its points in numbers: shared ones, the chair's, and the members' in any order."""
        shared, *members, chair = [sums(points, len(self.names)) for points in (self.drawn.shared, *self.drawn.private)]
        return str([self.names, shared, chair, sorted(members)])

    def reference_action(self, agent: str) -> str:
        """A member tells what it knows besides; with that of all, the chair knows who is best."""
        return self.best if agent == self.chair else told(self.private[agent], self.names)

    def silent_action(self, agent: str) -> str:
        """The first candidate but the favourite. Proven: all of them are as likely, see above."""
        return next(name for name in self.names if name != self.favourite)

    def choices(self, agent: str) -> Sequence[str]:
        """A member tells what it knows besides, or says nothing; the chair names a candidate, in their order."""
        return self.names if agent == self.chair else (self.reference_action(agent), SILENCE)

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the chair names one candidate in its last line; what the members write is only read."""
        return stated_choice(action, self.names) is not None if agent == self.chair else None

    def answer(self) -> str | None:
        """The candidate whom the chair chose."""
        return stated_choice(self.last_words(self.chair) or "", self.names)
