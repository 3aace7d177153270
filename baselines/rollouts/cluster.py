"""Reaching a Ray cluster, quietly: one that runs already, or one of this process's own on this machine."""

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from baselines.errors import ClusterError

ADDRESS = "RAY_ADDRESS"
"""Environment variable that names the cluster where no setting does."""
_CONNECT_S = 10.0


def address_of(named: str | None) -> str | None:
    """Of the cluster that a setting or RAY_ADDRESS names; None where neither does."""
    return named or os.environ.get(ADDRESS)


def connect(address: str | None, num_cpus: int) -> bool:
    """Connect to the cluster at `address` or RAY_ADDRESS; without either, start one of so many CPUs on this machine.

    A process that is connected already stays so. Returns whether this call connected it, so that who asked knows
    whether to disconnect.

    Raises: `ClusterError` if nothing answers there.
    """
    if ray.is_initialized():
        return False
    there = address_of(address)
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of calls that nobody waits for after another one failed
    with _ours_kept():
        if there:
            _join(there)
        else:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or it would tell its makers that it was started
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    return True


def _join(there: str) -> None:
    """Raises: `ClusterError`."""
    try:
        _require_listener(there)
        ray.init(address=there, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[0].rstrip(".")
        raise ClusterError(
            f"no Ray cluster answers at {there!r}: {reason}. Start one with `ray start --head` and give the address it "
            f"tells, or leave out --ray-address and {ADDRESS} for workers on this machine"
        ) from error


def _require_listener(there: str) -> None:
    """Where an address names a port, somebody must listen there: Ray itself tries for minutes, and fills the screen.

    Raises: `OSError`.
    """
    host, _, port = there.rpartition(":")
    if host and port.isdecimal() and "://" not in there:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


@contextmanager
def _ours_kept() -> Iterator[None]:
    """What Ray takes while it connects, and has no setting for.

    It puts its own handler for SIGTERM in place of the process's, which would lose an iteration that was asked to end.
    And it starts a thread that prints to standard output, where results go, that a worker died: which we count, log and
    make up for. In place of that thread one is started that ends at once.
    """
    before = signal.getsignal(signal.SIGTERM)
    inside: Any = importlib.import_module("ray._private.worker")
    listen = inside.listen_error_messages
    inside.listen_error_messages = lambda *_: None
    try:
        yield
    finally:
        inside.listen_error_messages = listen
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
