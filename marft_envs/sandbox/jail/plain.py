"""Plain data as bytes: exact types, nothing executed on either side.

JSON holds None, bool, text, lists, and numbers as they are; everything else is an object with one key that names its
type: `{"t": […]}` is a tuple, `{"d": [[key, value], …]}` a dict. What comes out of `decode` has Python's own types, not
a subclass of them, whoever wrote the bytes: so no `__eq__` of a program's own decides anything.
"""

import json
from collections import Counter
from collections.abc import Iterable

MAX_DEPTH = 100
"""Deeper nests are refused by both sides: comparing them would be recursion on somebody else's word."""
_SAFE_INT = 2**53
"""Larger ones are written in hexadecimal: reading decimals of any length takes quadratic time."""

_MOST_DIGITS = len(str(-_SAFE_INT))
_MOST_EQUAL_HASHES = 100
"""More in one set or dict are refused: Python compares each with all others, and it is easy to write such numbers."""


class NotPlainError(ValueError):
    """A value, or bytes, that are no plain data; says which type is in the way."""


def encode(value: object) -> bytes:
    """Plain data as bytes. An object of a subclass counts as its base: what is written is what the base stores.

    Raises: NotPlainError for a type that is not among them, or a nest that is too deep.
    """
    return _ENCODER.encode(_to_json(value, 0)).encode("ascii")


def decode(data: bytes) -> object:
    """What `encode` wrote. Raises: NotPlainError for any other bytes."""
    try:
        return _from_json(_DECODER.decode(data.decode("ascii")), 0)
    except NotPlainError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise NotPlainError("these bytes are no plain data") from error


def _to_json(value: object, depth: int) -> object:  # noqa: C901, PLR0911  # one line for each type
    if depth > MAX_DEPTH:
        raise NotPlainError("deeper nests")
    inner = depth + 1
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value) if type(value) is str else str.__add__("", value)
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_SAFE_INT < number < _SAFE_INT else {"i": hex(number)}
    if isinstance(value, float):
        return {"f": float.hex(value)}
    if isinstance(value, complex):
        return {"c": [float.hex(value.real), float.hex(value.imag)]}
    if isinstance(value, bytes):
        return {"b": bytes.hex(value)}
    if isinstance(value, list):
        return [_to_json(item, inner) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"t": [_to_json(item, inner) for item in tuple.__iter__(value)]}
    if isinstance(value, set):
        return {"s": _in_order([_to_json(item, inner) for item in set.__iter__(value)])}
    if isinstance(value, frozenset):
        return {"z": _in_order([_to_json(item, inner) for item in frozenset.__iter__(value)])}
    if isinstance(value, dict):
        return {"d": [[_to_json(key, inner), _to_json(item, inner)] for key, item in dict.items(value)]}
    raise NotPlainError(type(value).__name__[:80])


def _in_order(items: list[object]) -> list[object]:
    """The items of a set in an order of their own: a set's goes by hashes, and is kept in part by one made from it."""
    return sorted(items, key=json.dumps)


def _from_json(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise NotPlainError("deeper nests")
    if isinstance(value, list):
        return [_from_json(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return _from_tagged(value, depth + 1)
    if isinstance(value, float):
        raise NotPlainError("a float in decimals")
    return value


def _from_tagged(tagged: dict[str, object], depth: int) -> object:  # noqa: C901, PLR0911  # one line for each tag
    if len(tagged) != 1:
        raise NotPlainError("an object without one tag")
    ((tag, body),) = tagged.items()
    if tag == "i" and isinstance(body, str):
        return int(body, 16)
    if tag == "f" and isinstance(body, str):
        return float.fromhex(body)
    if tag == "b" and isinstance(body, str):
        return bytes.fromhex(body)
    if not isinstance(body, list):
        raise NotPlainError(f"the tag {tag[:10]!r}")
    if tag == "c":
        real, imaginary = (float.fromhex(part) for part in body)
        return complex(real, imaginary)
    if tag == "d":
        pairs = [(_from_json(key, depth), _from_json(item, depth)) for key, item in body]
        _check_hashes(key for key, _ in pairs)
        return dict(pairs)
    items = [_from_json(item, depth) for item in body]
    if tag == "t":
        return tuple(items)
    if tag in ("s", "z"):
        _check_hashes(items)
    if tag == "s":
        return set(items)
    if tag == "z":
        return frozenset(items)
    raise NotPlainError(f"the tag {tag[:10]!r}")


def _check_hashes(keys: Iterable[object]) -> None:
    """Raises: NotPlainError for keys whose table would take quadratic time; TypeError for what has no hash."""
    if max(Counter(map(hash, keys)).values(), default=0) > _MOST_EQUAL_HASHES:
        raise NotPlainError("keys that were made to have one hash")


def _small(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise NotPlainError("a large number in decimals")
    return int(digits)


def _refuse(constant: str) -> object:
    raise NotPlainError(f"the number {constant}")


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_int=_small, parse_constant=_refuse)
"""Made once: `json.dumps` and `json.loads` make one for each call that has such options."""
