"""Validates what is hostile, each in a process of its own, and measures what that takes.

    python -m tests.leaderboard.refusing VALID < paths

The first process imports all that is needed and validates a valid submission; then it forks for every path that it is
given. A fork has two seconds of processor time; the system ends it when they are over.
"""

import json
import os
import resource
import sys
import traceback

from leaderboard import tracks
from leaderboard.validate import validate
from marft_envs import MarftError
from tests.leaderboard.submissions import TASKS

CPU_S = 2
ENDLESS = "endless"
"""In place of a path: to see that a process is ended."""


def _told(path: str) -> dict[str, object]:
    while path == ENDLESS:
        pass
    before = set(sys.modules)
    try:
        report = validate(path, num_processes=1)
        told = {"findings": [[one.rule, one.where, one.message] for one in report.findings], "valid": report.is_valid}
    except MarftError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    except BaseException:  # noqa: BLE001  # a crash is what is looked for
        told = {"crash": traceback.format_exc()}
    return {**told, "modules": sorted(set(sys.modules) - before)}


def _refused(path: str) -> dict[str, object]:
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
        os.write(writing, json.dumps(_told(path)).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = file.read()
    _, status, used = os.wait4(number, 0)
    found: dict[str, object] = json.loads(told) if told else {"crash": f"it ended with {status}"}
    return {**found, "peak_bytes": used.ru_maxrss * 1024, "cpu_s": used.ru_utime + used.ru_stime}


def main() -> None:
    tracks.TRACKS.update(TASKS)  # type: ignore[attr-defined]  # a dict
    tracks.NUM_INSTANCES = 2
    assert validate(sys.argv[1], num_processes=1).is_valid
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_refused(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
