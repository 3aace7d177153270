"""Solved examples for prompts: how much of a trained team's score a prompt alone can reach."""

from contextlib import suppress

from baselines.errors import ConfigError
from baselines.rollouts.batch import Turn
from baselines.rollouts.solo import Solo, seated
from marft_envs import FlexMG, Message


def few_shot_examples(
    env: FlexMG, level: str | None, num_examples: int, solo: Solo | None = None
) -> dict[str, list[Message]]:
    """What each agent would have read and written in a perfect first turn, on instances of the train split.

    For the untrained reference only. To one who plays blind, what the best silent team writes is shown, where that is
    known: the right answer would be a riddle.

    Raises: `ConfigError` if the environment does not say what a perfect agent would write.
    """
    game = seated(env, {}, solo)
    examples: dict[str, list[Message]] = {agent: [] for agent in env.possible_agents}
    for seed in range(num_examples):
        game.reset(seed, level)
        seen: set[str] = set()
        while not game.done:
            agent = game.ready()[0]
            action = _exemplary(env, agent, is_blind=solo is not None and solo.kind == "blind")
            if agent not in seen:
                asked = [message for message in game.messages(agent) if message["role"] == "user"]
                examples[agent] += [*asked, {"role": "assistant", "content": action}]
                seen.add(agent)
            game.submit(agent, Turn(agent, 0, [], [], [], action, "", ""))
    return examples


def _exemplary(env: FlexMG, agent: str, *, is_blind: bool) -> str:
    """Raises: `ConfigError`."""
    if is_blind:
        with suppress(NotImplementedError):
            return env.silent_action(agent)
    try:
        return env.reference_action(agent)
    except NotImplementedError as error:
        raise ConfigError(f"no examples can be shown: {error}; use --few-shot 0") from error
