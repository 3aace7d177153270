"""Which level the next episode plays: easy ones first, harder ones when the team is ready."""

from collections.abc import Mapping, Sequence

import numpy as np

from baselines.errors import ConfigError


class Curriculum:
    """Climbs an environment's levels, from the first to the last of `levels`.

    When the mean training return at the current level reaches `threshold`, the next level becomes the current one. A
    share of the episodes, `review`, is drawn from the levels already passed, so that what was learnt there is kept;
    another, `preview`, from those to come, so that nothing is learnt that holds on easy levels only. With one level
    this is training without a curriculum.
    """

    def __init__(self, levels: Sequence[str | None], *, threshold: float, review: float, preview: float = 0.0) -> None:
        assert levels, "a curriculum needs a level; [None] for environments without"
        for name, share in (("review", review), ("preview", preview)):
            if not 0 <= share < 1:
                raise ConfigError(f"curriculum_{name} is {share}; it is a share of episodes, at least 0 and below 1")
        if review + preview >= 1:
            raise ConfigError(
                f"curriculum_review {review} and curriculum_preview {preview} leave no episodes for the current level; "
                "together they must stay below 1"
            )
        self.levels = tuple(levels)
        self.threshold = threshold
        self.review = review
        self.preview = preview
        self.position = 0

    @property
    def level(self) -> str | None:
        """The current level."""
        return self.levels[self.position]

    def restore(self, position: int) -> None:
        """Go to a level that was reached before.

        Raises: `IndexError` if there is none at that position.
        """
        if not 0 <= position < len(self.levels):
            raise IndexError(position)
        self.position = position

    def draw(self, rng: np.random.Generator) -> str | None:
        """The level of one episode."""
        passed, ahead = self.levels[: self.position], self.levels[self.position + 1 :]
        draw = rng.random()
        if passed and draw < self.review:
            return passed[int(rng.integers(len(passed)))]
        if ahead and draw >= 1 - self.preview:
            return ahead[int(rng.integers(len(ahead)))]
        return self.level

    def update(self, mean_return_by_level: Mapping[str, float]) -> None:
        """Climb if the current level's return allows it."""
        reached = mean_return_by_level.get(self.level, -np.inf) if self.level is not None else -np.inf
        if reached >= self.threshold and self.position < len(self.levels) - 1:
            self.position += 1


def curriculum_levels(
    known: Sequence[str], target: str | None, *, climb: bool, chosen: Sequence[str] = ()
) -> tuple[str | None, ...]:
    """The levels to climb: `chosen`, or all known ones up to `target`; only `target` if `climb` is False.

    Raises: `ConfigError` for a level that the environment lacks, or a curriculum for an environment without levels.
    """
    for level in (*chosen, *([target] if target is not None else [])):
        if level not in known:
            raise ConfigError(
                f"unknown level {level!r}; this environment has {', '.join(known) if known else 'no levels'}"
            )
    if not known:
        return (None,)
    goal = target if target is not None else known[-1]
    if not climb:
        return (goal,)
    climbed = tuple(chosen) or tuple(known[: known.index(goal) + 1])
    return climbed if climbed[-1] == goal else (*climbed, goal)
