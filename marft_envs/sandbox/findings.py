"""Findings of a self-test: what both sandboxes look for, whatever the attempts are that they are put to."""

import socket
from collections.abc import Callable
from pathlib import Path

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.backend import Worker, WorkerLostError
from marft_envs.sandbox.refusal import NOT_HERE
from marft_envs.sandbox.runs import Calls, Limits, Raised, Returned, Run, Script

HOARD = "def f(size): return len(bytearray(size))"
"""A program that takes so many bytes of memory at once."""


def refuse_if_any(worker: Worker, look: Callable[[], list[str]], to_report: str) -> None:
    """Looks, with this worker, which is closed then. Raises: SandboxUnavailableError if anything was found."""
    try:
        found = look()
    except WorkerLostError as error:
        raise SandboxUnavailableError(f"{NOT_HERE}: the sandbox's self-test could not be run ({error})") from error
    except OSError as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: the sandbox's self-test could not be prepared ({error}); it needs a folder for temporary "
            "files (TMPDIR), sockets, and a few open files"
        ) from error
    finally:
        worker.close()
    if found:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: in the sandbox's self-test {'; '.join(found)}. Do not run programs here; please report it "
            f"with {to_report}"
        )


def ran(worker: Worker, job: Calls | Script, limits: Limits) -> Run:
    """What came of it. Raises: WorkerLostError."""
    worker.begin(job, limits)
    return worker.finish()


def succeeded(attempts: Run) -> list[str]:
    """Which attempts succeeded, as the program that made them tells it."""
    match attempts.outcomes:
        case (Returned(list(escaped)),):
            return [str(line) for line in escaped]
    told = attempts.error or attempts.outcomes
    return [f"the attempts did not come to their end ({attempts.ending}, {told})"]


def changed(secret: Path, target: Path) -> list[str]:
    """What is otherwise about a file that was to be left alone, and one that was not to be written."""
    found = [f"{target.name} has changed"] if target.exists() else []
    return found if secret.exists() else [*found, "a file is gone"]


def arrived(*servers: socket.socket) -> list[str]:
    """A line for each listening socket that a connection has reached."""
    found = []
    for server in servers:
        server.setblocking(False)
        try:
            server.accept()[0].close()
        except BlockingIOError:
            continue
        found.append("a connection arrived")
    return found


def ended_otherwise(**runs: tuple[Run, str]) -> list[str]:
    """Which runs did not end as they should have; by what should have ended them, with `_` for a space."""
    return [
        f"{what.replace('_', ' ')} did not end a program ({run.ending})"
        for what, (run, ending) in runs.items()
        if run.ending != ending
    ]


def too_much(spins: Run, cpu_s: float, most_cpu_s: float) -> list[str]:
    """Whether an endless loop had more CPU seconds than it may."""
    return [f"{spins.cpu_s:.1f} CPU seconds were to be had, not {cpu_s}"] if spins.cpu_s > most_cpu_s else []


def flooded(floods: Run, most_bytes: int) -> list[str]:
    """Whether a program that tells how much it could write could write more than it may."""
    match floods.outcomes:
        case (Returned(int(written)),) if written <= most_bytes and floods.ending == "output":
            return []
    return [f"output has no limit ({floods.ending}, {floods.outcomes!r:.100})"]


def hoarded(hoards: Run) -> list[str]:
    """Whether a program got more memory than it may."""
    ran_out = hoards.outcomes and isinstance(hoards.outcomes[0], Raised)
    return [] if ran_out else [f"memory did not run out ({hoards.ending})"]
