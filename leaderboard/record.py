"""Reads and writes `submission.json` so that everybody reads the same in it.

JSON leaves open what a name means that stands there twice, and Python reads numbers that JSON does not have. Here both
are refused, as are numbers too long for other readers and lists too deep.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from leaderboard.errors import MalformedError, visible
from leaderboard.schema import Submission, digest_of

_LONGEST_NUMBER = 32
_MOST_VALUES = 20_000
"""Of a record: what is wrong with each is found before the first is told, and a record of 30 tasks has some 6,000."""
_MOST_TOLD = 200


def read_record(content: bytes) -> Submission:
    """What a submission's record says.

    Raises: MalformedError, naming the field and the rule, at the first thing that is wrong, be it the digest.
    """
    record = parsed(content)
    _require_short(record)
    try:
        found = Submission.model_validate_json(json.dumps(record, allow_nan=False))
    except ValidationError as error:
        raise said_wrong(error) from error
    digest = digest_of(record)
    if record["digest"] != digest:
        raise MalformedError(
            f"digest is {found.digest}, and the record's is {digest}: something was changed after it was written",
            field="digest",
        )
    return found


def said_wrong(error: ValidationError) -> MalformedError:
    """The first thing that the schema does not allow."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = visible(".".join(map(str, first["loc"])), _MOST_TOLD)
    return MalformedError(f"{field or 'the record'}: {visible(first['msg'], _MOST_TOLD)}", field=field)


def parsed(content: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 in which nothing is said twice.

    Raises: MalformedError.
    """
    record = parsed_any(content)
    if not isinstance(record, dict):
        raise MalformedError(f"the record is a {type(record).__name__}, and not an object")
    return record


def parsed_any(content: bytes) -> object:
    """Any JSON in UTF-8 in which nothing is said twice.

    Raises: MalformedError.
    """
    try:
        record = json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse,
            parse_int=_short_int,
            parse_float=_short_float,
            object_pairs_hook=_once,
        )
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf-8")  # no lone surrogates
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the record is no JSON object in UTF-8 as submissions have it ({error})") from error
    found: object = record
    return found


def _require_short(record: object) -> None:
    """Raises: MalformedError for more values than records have."""
    waiting, count = [record], 0
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += len(inner)
        if count > _MOST_VALUES:
            raise MalformedError(f"the record has more than {_MOST_VALUES:,} values; no submission needs so many")
        waiting.extend(inner)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _short_int(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number has {len(text)} digits; {_LONGEST_NUMBER} are enough")
    return int(text)


def _short_float(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number has {len(text)} characters; {_LONGEST_NUMBER} are enough")
    return float(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return found


def written(record: Mapping[str, Any]) -> bytes:
    """A record with its digest, as a file holds it; the same bytes for the same record."""
    whole = {**record, "digest": digest_of(record)}
    return (json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
