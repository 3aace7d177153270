"""A short hash of how an environment behaves, so that a change of it is noticed, whoever wrote it."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

from baselines.rollouts.batch import Turn
from baselines.rollouts.games import Game

_SEEDS = (1, 2)
_MOST_TURNS = 64
"""Of one play: an environment that never ends with such answers is known well enough by then."""
_ACTION = "The answer is 7."
"""What everybody says. Fixed for ever: it is part of what is hashed."""
_DIGITS = 16


def behaviour(game: Game, levels: Sequence[str | None]) -> str:
    """What every agent reads and is paid in a few fixed plays of each level, as 16 hexadecimal digits."""
    digest = sha256()
    for level in levels:
        for seed in _SEEDS:
            for seen in _play(game, seed, level):
                digest.update(json.dumps(seen, sort_keys=True).encode())
    return digest.hexdigest()[:_DIGITS]


def _play(game: Game, seed: int, level: str | None) -> Iterator[object]:
    game.reset(seed, level)
    num_turns = 0
    while not game.done:
        agent = game.ready()[0]
        yield [agent, list(game.messages(agent)), game.state(agent)]
        if num_turns == _MOST_TURNS:
            return
        game.submit(agent, Turn(agent, 0, [], [], [], _ACTION, "", ""))
        num_turns += 1
    rollout = game.rollout()
    yield [rollout.terminated, rollout.returns, dict(rollout.info), rollout.instance]
