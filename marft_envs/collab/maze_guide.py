"""Maze guide: one sees the way between the pits, and the other walks it without seeing anything.

| | |
|---|---|
| id | `collab/maze_guide-v0` |
| agents | `guide_0`, `walker_0`; or any team of two of whom only the second `answers` |
| D | sequence: the walker reads the guide |
| observation | guide: the next step in words, or a map, anew in every round; walker: what it may write |
| action | guide: any text; walker: its last line is a direction, or a list of them and of nothing else |
| reward | as it is walked, to the whole team: the share of the way that is new; 0 to 1 in all |
| horizon | 4 rounds, an option, of which easy needs 3; the goal terminates, and so does a pit; the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | ways drawn at random, all that fit into the square equally likely |
| silent | easy 0.131, standard 0.042, hard 0.026: the walker goes the way that shares most with all others |
| info | `reached`: 1 at the goal; `share` of the way that was walked; `fell`: 1 in a pit |
| versions | v0: the first |

Why a team: every cell beside the way is a pit, and the walker learns from the judge only that it did not fall, which
it counts on anyway. So a walker without a guide can do no better than to fix its steps before it begins. Enumerating
all ways, by how many begin with the same steps, gives the best such walk and what it earns. Steps back earn nothing,
and because no way comes beside itself, there are no short cuts. At the hard level the walker goes forward, right, back
or left as it faces, and starts facing any side of the map; the square is symmetric, so the bound is as without that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.safe_ways import COMPASS, drawn_map, drawn_way, named, place_after, stated_moves
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.records import Outcome

SIDES = ("forward", "right", "back", "left")
"""Directions as the walker faces, by the quarter turns from it."""


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    size: int
    num_steps: int
    names: tuple[str, ...]
    """What the walker may write; of `COMPASS`, unless it goes as it faces."""
    silent: str
    """The best walk without a guide, in initials of `names`: found, and proven, by enumerating all ways."""
    most: int = 100
    """Steps in one action."""

    @property
    def turns(self) -> bool:
        """Whether the walker goes as it faces."""
        return self.names is SIDES


LEVELS = {
    "easy": Level("a step a round, 3 to the goal; the guide is told the next", 20, 3, COMPASS, "NNE", most=1),
    "standard": Level("a map of 9 by 9, 10 steps to the goal", 9, 10, COMPASS, "NNNEEESSSW"),
    "hard": Level("a map of 12 by 12, 16 steps, each as the walker faces", 12, 16, SIDES, "FFFFRFFFFRFFFRFF"),
}
HOW = " It goes forward, right, back or left as it faces, and then faces where it went."
PIT, GOAL, SAFE = "judge: A pit!", "judge: The goal!", "judge: The walker stands on safe ground."
UNREAD = "judge: Nobody moved. Write directions and nothing else."


class MazeGuide(FlexMG):
    """A guide has `horizon` rounds to bring a walker to the goal."""

    metadata = {"name": "maze_guide_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "maze_guide"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "maze_guide"

    def __init__(self, *, horizon: int = 4, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        if [profile.answers for profile in self.profiles.values()] != [False, True]:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; one guides and one walks, and only the second 'answers: true'"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the way, and where the walker faces."""
        self.setting = LEVELS[str(self.level)]
        self.way = drawn_way(rng, self.setting.size, self.setting.num_steps)
        self.faced = self.facing = int(rng.integers(4)) if self.setting.turns else 0
        self.place = self.furthest = 0

    def view(self, agent: str) -> str:
        """The guide's map as it is now; the walker is told nothing of it."""
        if self.profiles[agent].answers:
            names = f"{', '.join(self.setting.names[:-1])} or {self.setting.names[-1]}"
            if self.setting.most == 1:
                return f"Which way do you go? Reply with one word: {names}."
            seen = ", as you face, and then you face where you went" if self.setting.turns else ""
            return f"Walk on. Reply with only your steps, in one line, each of them {names}{seen}."
        here, after = self.way.cells[self.place : self.place + 2]
        if self.setting.most == 1:
            way = COMPASS[self.way.directions[self.place]]
            return f"The walker is at {named(here)}. The way goes {way}, to {named(after)}.\nTell the walker the way."
        shown = drawn_map(self.way, self.setting.size, self.place, self.facing if self.setting.turns else None)
        walker = f"the arrow (^, >, v or <), which faces {COMPASS[self.facing]}" if self.setting.turns else "W"
        about = f"Map, north is up: # is a pit, . is safe, G is the goal, and the walker is {walker}."
        return f"{about}{HOW if self.setting.turns else ''}\n{shown}\nTell the walker the way to the goal."

    def act(self, agent: str, action: str) -> Outcome | None:
        """Walks; what the guide writes is only read."""
        if not self.profiles[agent].answers:
            return None
        moves = stated_moves(action, self.setting.names, self.setting.most)
        before, fell = self.furthest, not self._walk(moves)
        self.furthest = max(self.furthest, self.place)
        reached = self.place == self.setting.num_steps
        return Outcome(
            rewards=(self.furthest - before) / self.setting.num_steps,
            terminated=reached or fell,
            feedback=PIT if fell else GOAL if reached else SAFE if moves else UNREAD,
            info={"reached": int(reached), "share": self.furthest / self.setting.num_steps, "fell": int(fell)},
        )

    def _walk(self, moves: Sequence[str]) -> bool:
        """Takes these steps up to the goal; whether there was ground under all of them."""
        for move in moves:
            if self.place == self.setting.num_steps:
                break
            self.facing = (self.setting.names.index(move) + self.facing * self.setting.turns) % 4
            place = place_after(self.way, self.place, self.facing)
            if place is None:
                return False
            self.place = place
        return True

    def hidden(self) -> str:
        """How far along the way the walker is."""
        return f"{self.place} of {self.setting.num_steps} steps"

    def instance_key(self) -> str:
        """Where it starts, where it faces there, and the way."""
        start = named(self.way.cells[0])
        return f"{start} {COMPASS[self.faced]} {' '.join(COMPASS[each] for each in self.way.directions)}"

    def reference_action(self, agent: str) -> str:
        """The rest of the way, or as much of it as one may walk in a round: told by the guide, walked by the other."""
        facing, steps = self.facing, []
        for direction in self.way.directions[self.place :][: self.setting.most]:
            steps.append(self.setting.names[(direction - facing) % 4 if self.setting.turns else direction])
            facing = direction
        return ", ".join(steps)

    def silent_action(self, agent: str) -> str:
        """The rest of the best walk that is fixed beforehand. Proven, by enumeration: see `Level.silent`."""
        rest = self.setting.silent[self.place :][: self.setting.most] if self.profiles[agent].answers else ""
        return ", ".join(next(name for name in self.setting.names if name[0].upper() == initial) for initial in rest)

    def choices(self, agent: str) -> Sequence[str]:
        """One step in any direction, told and walked: with so many steps to go, the way takes as many rounds."""
        return self.setting.names

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the walker states steps; what the guide writes is only read."""
        moves = stated_moves(action, self.setting.names, self.setting.most)
        return bool(moves) if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """All steps that the walker stated."""
        walked = [turn.action for turn in self.turns if self.profiles[turn.agent].answers]
        moves = [move for words in walked for move in stated_moves(words, self.setting.names, self.setting.most)]
        return ", ".join(moves) or None
