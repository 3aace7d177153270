"""What things are called in a submission: tasks, and the files that tell of them."""

import hashlib
import json
import re
from collections.abc import Mapping

LOGS = "logs"
"""The folder of logs, below the submission's."""
_LONGEST_STEM = 100
"""Of a file's name, without what tells its kind."""


def task_key(env_id: str, level: str | None, options: Mapping[str, object]) -> str:
    """One task's name in files and tables: `math/reason_act-v0@add_digit`, and its options if there are any."""
    told = "".join(f",{name}={json.dumps(value).strip(chr(34))}" for name, value in sorted(options.items()))
    return env_id + ("" if level is None else f"@{level}") + told


def log_name(key: str) -> str:
    """Of a task's action log, below the submission's folder."""
    return f"{LOGS}/{_stem(key)}.jsonl.gz"


def tokens_name(key: str) -> str:
    """Of its record of tokens."""
    return f"{LOGS}/{_stem(key)}.tokens.jsonl.gz"


def _stem(key: str) -> str:
    """Only characters that every file system takes; long ones end in a hash."""
    stem = re.sub(r"[^a-z0-9_.=-]", "+", key.lower())
    if len(stem) <= _LONGEST_STEM:
        return stem
    return f"{stem[: _LONGEST_STEM - 17]}+{hashlib.sha256(key.encode()).hexdigest()[:16]}"
