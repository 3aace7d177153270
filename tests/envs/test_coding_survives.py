"""Fork servers that are killed while a team plays lose no episode: programs are run again on fresh ones."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

import marft_envs
from marft_envs import FlexMG
from marft_envs.sandbox import pool
from marft_envs.sandbox.pool import default_sandbox

SLOW = "\nfor _ in range(300_000):\n    pass\n"
"""Makes a program run for some milliseconds before it is called."""


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The servers that a thread kills, one after the other, whatever they are doing."""
    monkeypatch.setattr(pool, "MOST_TRIES", 1_000)  # on a busy machine one program may meet many of the kills
    victims: list[int] = []
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(0.03):
            for pid in default_sandbox().pids():
                victims.append(pid)
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.12)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    yield victims
    is_over.set()
    thread.join()


def episodes(env: FlexMG, count: int) -> list[marft_envs.Episode]:
    def perfect(agent: str, messages: list[marft_envs.Message]) -> str:
        return env.reference_action(agent) + SLOW

    return [marft_envs.play(env, perfect, seed=seed) for seed in range(count)]


@pytest.mark.filterwarnings("error")  # a program that is given up is a SandboxWarning
def test_every_episode_is_what_it_would_have_been(killed: list[int]) -> None:
    env = marft_envs.make("coding/write_repair-v0", level="line")
    assert isinstance(env, FlexMG)
    played = episodes(env, 25)
    assert len(set(killed)) >= 3, "too few were killed to show anything"
    assert [episode.returns["coder_0"] for episode in played] == [1.0] * 25
    assert [episode.measurements for episode in played] == [(((),), ((),))] * 25
