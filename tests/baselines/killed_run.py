"""Trains in processes that kill themselves, or are killed, at given moments, until the run has ended.

    python -m tests.baselines.killed_run SETTINGS.json MOMENTS.json

A moment is a kind and a number n. `collect`, `update`, `disk`: SIGKILL just before the n-th call to the team, the n-th
step of an optimiser, or the n-th call that changes what is on the disk. `write`: when half of the n-th file of tensors
is written. `clock`: SIGKILL from outside after n seconds. Prints a line per process: how it ended.

Processes are forked from this one, which has imported everything and computed nothing, so that each is there at once.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch

from baselines.algorithms import marft_action
from baselines.commands.train import parse
from baselines.policies import critic, team
from baselines.runs import training_state


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Dies instead of the n-th of the calls that it is put in front of."""

    def __init__(self, number: int) -> None:
        self.number = number

    def before(self, owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: object, **options: object) -> object:
            self.number -= 1
            if self.number == 0:
                die()
            return real(*args, **options)

        setattr(owner, name, call)


def die_while_writing(number: int) -> None:
    """Leaves half of a file of tensors behind."""
    left = [number]

    def save_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
        content = safetensors.torch.save(tensors)
        left[0] -= 1
        if left[0] == 0:
            with Path(path).open("wb") as file:
                file.write(content[: len(content) // 2])
            die()
        Path(path).write_bytes(content)

    for module in (critic, training_state):
        module.save_file = save_file


def arm(kind: str, number: float) -> None:
    countdown = Countdown(int(number))
    match kind:
        case "collect":
            countdown.before(team.Team, "act")
        case "update":
            countdown.before(torch.optim.Adam, "step")
        case "disk":
            for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir"):
                countdown.before(os, name)
        case "write":
            die_while_writing(int(number))


def train(settings: dict[str, object]) -> None:
    """Begin or go on, as a person would who only looks whether there is a run."""
    torch.set_num_threads(1)
    folder = Path(str(settings["run_dir"]))
    if (folder / "config.json").is_file():
        command = parse(["--resume", str(folder)])
        assert command.config is not None
        if command.resume_from is None or not command.resume_from.is_finished:
            marft_action.train(command.config, resume_from=command.resume_from, quiet=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    marft_action.train(marft_action.Config(**settings | {"run_dir": folder}), quiet=True)


def in_a_process(work: Callable[[], None], seconds: float | None) -> int:
    """The exit status of `work`, negative for a signal; killed after so many seconds."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    settings, moments = (json.loads(Path(path).read_text()) for path in sys.argv[1:])
    assert threading.active_count() == 1, "a process with threads cannot be forked safely"
    for kind, number in [*moments, ("none", 0)]:

        def work(kind: str = kind, number: float = number) -> None:
            arm(kind, number)
            train(settings)

        status = in_a_process(work, number if kind == "clock" else None)
        sys.stdout.write(json.dumps([kind, number, status]) + "\n")
        sys.stdout.flush()
        if status > 0:
            sys.exit(status)


if __name__ == "__main__":
    main()
