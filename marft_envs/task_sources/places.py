"""Where data sets lie: files, folders and the Hugging Face Hub, read into records by their own split.

A part that exists is read or refused, never passed over: who has a `test.csv` beside a `train.jsonl` believes that it
is held out.
"""

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
        place: A file, `.jsonl` with an object per line or `.json` with one list or object, which is one part, "train";
            a folder with `train` and `test` (files of that kind, or folders of them); or an id on the hub or a local
            folder for `datasets.load_dataset`, perhaps with `:configuration`.
        configurations: For `datasets`, where the place names none: those that make up the whole.

    Raises: DataError.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return {"train": list(_read_file(path))}
    parts = _files_by_part(path) if path.is_dir() else {}
    if parts:
        return {split: [record for file in files for record in _read_file(file)] for split, files in parts.items()}
    folder = Path(place.partition(":")[0]).expanduser()
    if not folder.exists() and (path.suffix in _SUFFIXES or not _HUB_ID.fullmatch(place)):
        raise DataError(f"{place}: no such file or folder, and no id on the hub (owner/name); check the path")
    return _load(place, configurations)


def _files_by_part(folder: Path) -> dict[str, list[Path]]:
    """The files of each part of a folder; nothing if no part is of a kind that is read here.

    Raises: DataError for a part of another kind beside one that is read, or one that stands there twice.
    """
    entries = sorted(_visible(folder.iterdir(), folder))
    found = {split: [entry for entry in entries if _is_part(entry, split)] for split in SPLITS}
    first = next((entry for holders in found.values() for entry in holders), None)
    if first is None:
        return {}
    for split, holders in found.items():
        read = holders[:1]
        for entry in entries:
            if entry not in read and _could_be(entry, split, is_there=bool(read)):
                raise DataError(
                    f"{folder}: {entry.name} could be the part {split!r}, and is not read beside "
                    f"{(read or [first])[0].name}; write the part as {split}.jsonl, or give that another name"
                )
    return {split: _files_of(holders[0]) for split, holders in found.items() if holders}


def _is_part(entry: Path, split: str) -> bool:
    """Whether this is a part of a kind that is read here."""
    if entry.is_dir():
        return entry.name == split and any(_is_read(path) for path in _visible(entry.rglob("*"), entry))
    return entry.stem == split and _is_read(entry)


def _could_be(entry: Path, split: str, *, is_there: bool) -> bool:
    """Whether a name says that this is the part: `test.csv`, `test-0.parquet`; `test_b.jsonl` if there is no other."""
    pattern = rf"{split}(?![a-z_])" if is_there else rf"{split}(?![a-z])"
    return re.match(pattern, entry.name, re.IGNORECASE) is not None


def _files_of(part: Path) -> list[Path]:
    if part.is_file():
        return [part]
    files = sorted(path for path in _visible(part.rglob("*"), part) if path.is_file())
    for path in files:
        if not _is_read(path):
            raise DataError(f"{path} is not read; in {part.name}/ keep files that end in {' or '.join(_SUFFIXES)}")
    return files


def _is_read(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def _visible(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    """Those that are not hidden, nor in a hidden folder."""
    return (path for path in paths if not any(name.startswith(".") for name in path.relative_to(folder).parts))


def _read_file(path: Path) -> Iterator[Record]:
    """The objects of a file: one to a line, or all in one JSON list, or only one."""
    if not _is_read(path):
        raise DataError(
            f"{path}: of single files, {' and '.join(_SUFFIXES)} are read; others are read by datasets, from a folder "
            f"in which they are called train and test"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    if path.suffix.lower() == ".json":
        whole = _parsed(text, f"{path}", "write one JSON list, or name it .jsonl")
        yield from _objects(whole if isinstance(whole, list) else [whole], f"{path}: record")
    else:  # not splitlines: U+2028 and its like may stand in a question
        lines = ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
        for number, line in lines:
            where = f"{path}, line {number}"
            yield from _objects([_parsed(line, where, "write one JSON object per line")], f"{where}: record")


def _parsed(text: str, where: str, way_out: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON ({error}); {way_out}") from error


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
