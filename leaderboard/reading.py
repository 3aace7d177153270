"""The episodes of a submission that was found valid, as values."""

from collections.abc import Sequence
from pathlib import Path

from leaderboard.archive import open_files
from leaderboard.files import MAX_PACKED_BYTES
from leaderboard.names import log_name, tokens_name
from leaderboard.scores import Tokens
from leaderboard.token_counts import read_tokens
from leaderboard.unpacking import unpacked_lines
from marft_envs import Episode, read_episodes


def logged_episodes(path: str | Path, key: str) -> tuple[Sequence[Episode], Sequence[Tokens]]:
    """The episodes of a task, by its key, and the tokens that were reported of each.

    Raises: UnsafeArchiveError, MalformedError, LogError for a submission that `validate` does not take.
    """
    with open_files(path) as files:
        log, tokens = (files.read(name(key), MAX_PACKED_BYTES) for name in (log_name, tokens_name))
    episodes = list(read_episodes(unpacked_lines(log, log_name(key)), log_name(key)))
    return episodes, list(read_tokens(unpacked_lines(tokens, tokens_name(key)), tokens_name(key)))
