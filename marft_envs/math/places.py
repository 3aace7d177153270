"""Where data sets lie: files, folders and the Hugging Face Hub, read into records by their own split."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from marft_envs.errors import DataError
from marft_envs.seeding import SPLITS

Record = Mapping[str, object]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")
_SUFFIXES = (".jsonl", ".json")


def read_parts(place: str, configurations: tuple[str, ...] = ()) -> dict[str, list[Record]]:
    """The records of a data set, by the parts that it has: "train", "test", or both.

    Args:
        place: A file of JSON lines or with one JSON list, which is one part, "train"; a folder with `train` and `test`
            (files of that kind, or folders of files with one JSON object each); or an id on the hub or a local folder
            for `datasets.load_dataset`, perhaps with `:configuration`.
        configurations: For `datasets`, where the place names none: those that make up the whole.

    Raises: DataError.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return {"train": list(_read_file(path))}
    parts = {split: part for split in SPLITS if (part := _part_of(path, split)) is not None} if path.is_dir() else {}
    if parts:
        return {split: list(_read_part(part)) for split, part in parts.items()}
    folder = Path(place.partition(":")[0]).expanduser()
    if not folder.exists() and (path.suffix in _SUFFIXES or not _HUB_ID.fullmatch(place)):
        raise DataError(f"{place}: no such file or folder, and no id on the hub (owner/name); check the path")
    return _load(place, configurations)


def _part_of(folder: Path, split: str) -> Path | None:
    """The file or folder that holds a split."""
    candidates = (*(folder / f"{split}{suffix}" for suffix in _SUFFIXES), folder / split)
    found = (path for path in candidates if path.is_file() or next(path.rglob("*.json"), None) is not None)
    return next(found, None)


def _read_part(part: Path) -> Iterator[Record]:
    if part.is_file():
        yield from _read_file(part)
    else:
        for path in sorted(part.rglob("*.json")):
            yield from _read_file(path)


def _read_file(path: Path) -> Iterator[Record]:
    """The objects of a file: one to a line, or all in one JSON list, or only one."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    if path.suffix == ".json":
        whole = _parsed(text, f"{path}")
        yield from _objects(whole if isinstance(whole, list) else [whole], f"{path}: record")
    else:
        lines = ((number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
        for number, line in lines:
            yield from _objects([_parsed(line, f"{path}, line {number}")], f"{path}, line {number}: record")


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON ({error}); write one JSON object per line") from error


def _objects(values: Iterable[object], where: str) -> Iterator[Record]:
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise DataError(f"{where} {number} is {value!r:.60}; write JSON objects")
        yield value


def _load(place: str, configurations: tuple[str, ...]) -> dict[str, list[Record]]:
    """What `datasets` finds under an id or in a folder."""
    try:
        import datasets  # imported here: it takes seconds, and few need it
    except ImportError as error:
        raise DataError(f"{place}: reading it needs the package datasets; pip install 'marft-envs[data]'") from error
    name, colon, configuration = place.partition(":")
    parts: dict[str, list[Record]] = {}
    for one in ((configuration,) if colon else configurations) or (None,):
        try:
            loaded = datasets.load_dataset(name, one)
        except Exception as error:  # whatever went wrong there, its words say what
            raise DataError(f"{place}: datasets cannot load it ({' '.join(str(error).split())})") from error
        for split in SPLITS:
            if split in loaded:
                parts.setdefault(split, []).extend(loaded[split])
    if not parts:
        raise DataError(f"{place}: has neither a part 'train' nor a part 'test'; name a data set that has one of them")
    return parts
