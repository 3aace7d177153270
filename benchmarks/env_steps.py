"""Environment steps per CPU-second: a FlexMG environment in the loop that PettingZoo's users write.

    python benchmarks/env_steps.py

Everything is played with short, constant actions, in one process, by turns: a slice of each, then the next repeat, so
that a busy spell of the machine meets all of them alike. A *step* is one `env.step(action)` of an agent that is alive.
Resets, and the steps with None that end an episode, cost time and are not counted. `time.process_time` counts the CPU
time of this process alone.

TextArena is optional (`pip install -e '.[bench]'`). Its loop is its own: `get_observation`, then `step`.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from gymnasium.spaces import Dict, Space
from pettingzoo import AECEnv
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper

import marft_envs
from marft_envs import ClockMG, FlexMG, LLMText, Outcome

RESULTS = Path(__file__).parent / "results" / "env_steps.json"
NUM_ROUNDS = 10
ACTION = "3 + 9 = 99"
"""Short, and never right, so that an episode of one-digit sums goes on for all its rounds."""

PlayEpisode = Callable[[], int]
"""Plays one episode, reset included, and returns how many steps it had."""


class TenRounds(FlexMG):
    """Two agents, the second reads the first. Every round has a view, a reward and a verdict."""

    metadata = {"name": "ten_rounds_v0"}  # noqa: RUF012  # PettingZoo declares it so

    def start(self, rng: object, options: object) -> None:
        """Nothing to draw."""

    def view(self, agent: str) -> str:
        """A line that asks for the next action."""
        return "What is 3 + 9?" if self.round == 0 else "Try again."

    def end_round(self) -> Outcome:
        """The same every round."""
        return Outcome(rewards=0.5, feedback="judge: The answer is incorrect.")


class OnTheClock(ClockMG):
    """Eight agents at eight paces. Every turn has a view and a reward, and all hear what everybody says."""

    metadata = {"name": "on_the_clock_v0"}  # noqa: RUF012  # PettingZoo declares it so

    def view(self, agent: str) -> str:
        """A line that asks for the next action."""
        return "Go on."

    def act(self, agent: str, action: str) -> Outcome:
        """The same every turn."""
        return Outcome(rewards={agent: 0.5})


class ZeroWork(AECEnv[str, dict[str, str], str]):
    """What the loop itself costs: two agents by turns, a constant observation, no reward, no checks."""

    metadata = {"name": "zero_work_v0"}  # noqa: RUF012  # PettingZoo declares it so

    def __init__(self) -> None:
        self.possible_agents = ["reasoner_0", "actor_0"]
        self._spaces = Dict({"text": LLMText()}), LLMText()
        self._observation = {"text": "What is 3 + 9?"}

    def observation_space(self, agent: str) -> Space[dict[str, str]]:
        """Text."""
        return self._spaces[0]

    def action_space(self, agent: str) -> Space[str]:
        """Text."""
        return self._spaces[1]

    def reset(self, seed: int | None = None, options: object = None) -> None:
        """Starts to count."""
        self.agents = self.possible_agents.copy()
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.num_steps = 0
        self.agent_selection = self.agents[0]

    def observe(self, agent: str) -> dict[str, str]:
        """Always the same."""
        return self._observation

    def step(self, action: str | None) -> None:
        """Counts."""
        if action is None:
            self._was_dead_step(action)
            return
        self.num_steps += 1
        self.agent_selection = self.possible_agents[self.num_steps % 2]
        if self.num_steps == 2 * NUM_ROUNDS:
            self.truncations = dict.fromkeys(self.agents, True)


def aec_player(env: AECEnv[str, dict[str, str], str]) -> PlayEpisode:
    """The plain AEC loop."""

    def play() -> int:
        num_steps = 0
        env.reset()
        for _ in env.agent_iter():
            _observation, _reward, terminated, truncated, _info = env.last()
            if terminated or truncated:
                env.step(None)
            else:
                env.step(ACTION)
                num_steps += 1
        return num_steps

    return play


def wrapped(env: AECEnv[str, dict[str, str], str]) -> AECEnv[str, dict[str, str], str]:
    """The same, in the wrappers by which PettingZoo's own environments check actions and order."""
    return OrderEnforcingWrapper(AssertOutOfBoundsWrapper(env))


def textarena_player(env_id: str, actions: Sequence[str]) -> PlayEpisode:
    """TextArena's loop, with actions that fill a whole game."""
    import textarena

    env = textarena.make(env_id)
    observing = env
    while "full_observations" not in vars(observing):
        observing = observing.env

    def play() -> int:
        observing.full_observations = {}  # TextArena 0.7 carries them over a reset, which would only slow it down
        env.reset(num_players=2)
        for num_steps, action in enumerate(actions, start=1):
            env.get_observation()
            done, _ = env.step(action)
            if done:
                env.close()
                return num_steps
        raise RuntimeError(f"{env_id} goes on after {len(actions)} actions; give it enough of them")

    return play


def contestants() -> dict[str, PlayEpisode]:
    """Everything that is played, by the name that the table gives it."""
    made = {
        "zero work, bare": aec_player(ZeroWork()),
        "zero work, stock wrappers": aec_player(wrapped(ZeroWork())),
        "FlexMG, chain of two": aec_player(_ten_rounds()),
        "FlexMG, chain of two, stock wrappers": aec_player(wrapped(_ten_rounds())),
        "ClockMG, eight agents": aec_player(_on_the_clock()),
        "math/reason_act-v0": aec_player(marft_envs.make("math/reason_act-v0", horizon=NUM_ROUNDS)),
    }
    if find_spec("textarena"):
        made["TextArena TicTacToe-v0"] = textarena_player(
            "TicTacToe-v0", [f"[{cell}]" for cell in (0, 1, 2, 4, 3, 5, 7, 6, 8)]
        )
        made["TextArena IteratedPrisonersDilemma-v0"] = textarena_player(
            "IteratedPrisonersDilemma-v0", ["We both gain.", "We both gain.", "[Cooperate]", "[Cooperate]"] * 10
        )
    return made


def _ten_rounds() -> TenRounds:
    team = (
        marft_envs.Profile("reasoner", system="Think."),
        marft_envs.Profile("actor", system="Answer.", answers=True),
    )
    return TenRounds(horizon=NUM_ROUNDS, team=team)


def _on_the_clock() -> OnTheClock:
    paces_us = [500_000 + 250_000 * place for place in range(8)]
    return OnTheClock(horizon=NUM_ROUNDS, team=[marft_envs.Profile("p", base_us=base_us) for base_us in paces_us])


@dataclass(frozen=True)
class Rates:
    """Steps per CPU-second of one contestant, one number per repeat."""

    name: str
    steps_per_cpu_s: tuple[float, ...]
    steps_per_episode: int

    def row(self) -> str:
        """A line of the table."""
        rates = self.steps_per_cpu_s
        columns = f"{median(rates):>10,.0f}{min(rates):>11,.0f}{max(rates):>11,.0f}{self.steps_per_episode:>10}"
        return f"{self.name:<40}{columns}"


def measure(play: PlayEpisode, cpu_s: float) -> float:
    """Steps per CPU-second over so many CPU-seconds, rounded up to whole episodes."""
    num_steps = 0
    began = process_time()
    while True:
        num_steps += play()
        spent = process_time() - began
        if spent >= cpu_s:
            return num_steps / spent


def compare(players: dict[str, PlayEpisode], repeats: int, cpu_s: float) -> list[Rates]:
    """Warm everything up, then let all of them run by turns."""
    lengths = {name: play() for name, play in players.items()}
    for play in players.values():
        measure(play, cpu_s)
    rates: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(repeats):
        for name, play in players.items():
            rates[name].append(measure(play, cpu_s))
    return [Rates(name, tuple(rates[name]), lengths[name]) for name in players]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    parser = argparse.ArgumentParser(description="Environment steps per CPU-second.")
    parser.add_argument("--repeats", type=int, default=9, help="slices per environment (default: 9)")
    parser.add_argument("--cpu-s", type=float, default=0.5, help="CPU-seconds per slice (default: 0.5)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file for the numbers")
    options = parser.parse_args(arguments)
    results = compare(contestants(), options.repeats, options.cpu_s)
    print(f"{'steps per CPU-second':<40}{'median':>10}{'lowest':>11}{'highest':>11}{'episode':>10}")
    for result in results:
        print(result.row())
    if not find_spec("textarena"):
        print("TextArena is not installed, so it was not measured: pip install -e '.[bench]'")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    record = _record(results, options.repeats, options.cpu_s)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"The numbers are in {options.out}")


def _record(results: Sequence[Rates], repeats: int, cpu_s: float) -> dict[str, object]:
    packages = ("pettingzoo", "gymnasium", "numpy", "textarena")
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "num_cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "versions": {name: metadata.version(name) for name in packages if find_spec(name)}
        | {"marft-envs": marft_envs.__version__},
        "repeats": repeats,
        "cpu_s_per_slice": cpu_s,
        "results": [asdict(result) for result in results],
    }


if __name__ == "__main__":
    main()
