"""A contributor's whole path in one file: write an environment, play it, check it, log and replay it.

    python examples/write_an_env.py

`marft new family/name` writes an environment with every hook, its team file and its test; this one is as small as they
get. What the hooks are for: marft_envs/hooks.py.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pettingzoo

import marft_envs
from marft_envs import FlexMG, Message, Outcome, Profile
from marft_envs.flex_mg import BaseOptions

ENV_ID = "examples/treasure-v0"
SIZE = 100
"""Rows and columns of the island: 10,000 places."""
TEAM = (
    Profile("scout", system="A treasure is hidden in one of 100 rows and 100 columns."),
    Profile("digger", system="A treasure is hidden in one of 100 rows and 100 columns.", answers=True),
)


# 1. The environment: what differs from task to task are the hooks, and FlexMG does the rest.


class Treasure(FlexMG):
    """The scout knows the row of a treasure, the digger the column, and only the digger digs."""

    metadata = {"name": "treasure_v0"}
    reward_range = (0.0, 1.0)
    source = "treasure"

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        base.setdefault("team", TEAM)
        super().__init__(horizon=horizon, **base)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Hides the treasure."""
        self.row, self.column = rng.integers(SIZE, size=2).tolist()

    def view(self, agent: str) -> str:
        """Half of the place for each. That the digger reads the scout, too, the base class sees to."""
        if self.round > 0:
            return "Try again."
        if not self.profiles[agent].answers:
            return f"It is in row {self.row}. Tell the digger."
        return f"It is in column {self.column}. Dig: reply with the numbers of row and column."

    def act(self, agent: str, action: str) -> Outcome | None:
        """Digs where the digger says, if those are two numbers and nothing is left open."""
        if not self.profiles[agent].answers:
            return None
        found = re.findall("[0-9]+", action) == [str(self.row), str(self.column)]
        return Outcome(rewards=float(found), terminated=found, feedback=None if found else "There is nothing here.")

    def hidden(self) -> str:
        """The place, for central critics."""
        return f"{self.row} {self.column}"

    def instance_key(self) -> str:
        """The place; a hash of it decides whether it is for training or for tests."""
        return f"{self.row} {self.column}"

    def reference_action(self, agent: str) -> str:
        """What perfect agents write."""
        return f"{self.row} {self.column}" if self.profiles[agent].answers else f"Row {self.row}."

    def silent_action(self, agent: str) -> str:
        """The best without a word from the scout: another row in every round, for all are as likely."""
        return f"{self.round} {self.column}" if self.profiles[agent].answers else ""


# 2. A policy, from the text that an agent reads to the text that it writes: here a function, in training a model.


def answer(agent: str, text: str) -> str:
    """The scout tells the row; the digger puts the row that it has read before the column that it was told."""
    row = re.findall("row (?:is )?([0-9]+)", text)
    column = re.findall("column ([0-9]+)", text)
    return f"The row is {row[0]}." if agent == "scout_0" else f"{row[0]} {column[0]}"


def policy(agent: str, messages: list[Message]) -> str:
    """The same for `marft_envs.play`, which hands over what a chat model would read."""
    return answer(agent, marft_envs.flatten_messages(messages))


def main() -> None:
    """Goes the whole path, and tells about it."""
    # 3. Registered by a string, so that other processes can make it as well; a package does it in its pyproject.toml.
    marft_envs.register(ENV_ID, "write_an_env:Treasure")

    # 4. Played by the function, and shown.
    env = marft_envs.make(ENV_ID, split="test")
    episode = marft_envs.play(env, policy, seed=1)
    print(env.render())

    # 5. Checked: every promise that environments keep.
    print(f"\n{marft_envs.check_env(ENV_ID)}\n")

    # 6. In PettingZoo's own loop: whoever knows AEC environments can use it.
    aec = pettingzoo.make("aec", ENV_ID, split="test")
    aec.reset(seed=1)
    returns = dict.fromkeys(aec.possible_agents, 0.0)
    for agent in aec.agent_iter():
        observation, reward, terminated, truncated, _ = aec.last()
        returns[agent] += reward
        aec.step(None if terminated or truncated else answer(agent, observation["text"]))
    print(f"PettingZoo's loop comes to the same: {returns == dict(episode.returns)}")

    # 7. Logged and replayed: the log holds the actions, and everything else is computed again.
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "episodes.jsonl"
        marft_envs.write_log(log, [episode])
        (logged,) = marft_envs.read_log(log)
        print(f"The replay comes out as logged: {marft_envs.replay(logged) == episode}")
        log.write_text(log.read_text(encoding="utf-8").replace("The row is", "The row was"), encoding="utf-8")
        (forged,) = marft_envs.read_log(log)
        try:
            marft_envs.replay(forged)
        except marft_envs.ReplayMismatchError as error:
            print(f"A log that was altered does not: {error}")


if __name__ == "__main__":
    main()
