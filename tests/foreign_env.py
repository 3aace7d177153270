"""An environment as somebody else would write it: plain PettingZoo and Gymnasium, nothing of ours.

A caller says a word, an echoer repeats it. The caller leaves early, the echoer goes on alone.
"""

import string

from gymnasium.spaces import Dict, Discrete, Space, Text
from pettingzoo import AECEnv

CHARS = string.printable


def letters(text: str) -> float:
    """The share of ASCII letters."""
    return sum(character in string.ascii_letters for character in text) / max(len(text), 1)


class Echo(AECEnv):
    """Once answered, the caller earns the share of letters in its word; the echoer a quarter of that in its reply."""

    metadata = {"name": "echo_v0", "render_modes": [], "is_parallelizable": False}  # noqa: RUF012  # PettingZoo declares it so

    def __init__(self, calls: int = 2, replies: int = 3, *, cut: bool = True, dict_observations: bool = False) -> None:
        self.calls = calls
        self.replies = replies
        self.cut = cut
        self.dict_observations = dict_observations
        self.possible_agents = ["caller", "echoer"]
        self.action_spaces = {agent: Text(40, min_length=0, charset=CHARS) for agent in self.possible_agents}
        self.observation_spaces = {}
        for agent in self.possible_agents:
            text = Text(200, min_length=0, charset=CHARS)
            self.observation_spaces[agent] = Dict({"text": text, "turn": Discrete(100)}) if dict_observations else text

    def observation_space(self, agent: str) -> Space:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict | None = None) -> None:
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.turns = dict.fromkeys(self.agents, 0)
        self.word = ""
        self.start = 0 if seed is None else seed % 1000
        self.agent_selection = "caller"

    def observe(self, agent: str) -> object:
        text = f"Say word {self.start + self.turns['caller']}." if agent == "caller" else f"Repeat: {self.word}"
        return {"text": text, "turn": self.turns[agent]} if self.dict_observations else text

    def step(self, action: str | None) -> None:
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self.turns[agent] += 1
        if agent == "caller":
            self.word = action or ""
            self.agent_selection = "echoer"
        else:
            self._answer(action or "")
        self._accumulate_rewards()
        self._deads_step_first()

    def _answer(self, action: str) -> None:
        self.rewards["echoer"] = letters(action) / 4
        if "caller" in self.agents:
            self.rewards["caller"] = letters(self.word)
            self.agent_selection = "caller"
            self.terminations["caller"] = self.turns["caller"] == self.calls
        if self.turns["echoer"] == self.replies:
            (self.truncations if self.cut else self.terminations)["echoer"] = True
        if self.terminations.get("caller", True):
            self.agent_selection = "echoer"
