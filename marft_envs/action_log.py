"""Action logs: JSON lines from which every episode can be replayed, on any machine.

An episode is a header line, a line per turn, and an end line:

    {"kind": "episode", "format": 1, "env": "math/reason_act-v0", "options": {}, "seed": 5, "reset_options": {}}
    {"kind": "turn", "index": 0, "agent": "actor_0", "round": 0, "action": "8", "shortened": 0, "parents": [],
     "start_us": 0, "finish_us": 1020000, "rewards": [["actor_0", 1.0, 1020000]]}
    {"kind": "end", "terminated": true, "truncated": false, "returns": {"actor_0": 1.0}, "info": {"correct": 1}}

(Here the turn is broken into two lines; in a file it is one.) `rewards` holds what was paid at the commit of that
turn: agent, amount, time; and the instant, where an event of the clock paid it after the turn's own. Where an option
names data, `data_fingerprint` in the header says which they were. There if there are any: in the header `runtime`,
`recall` if it is not the team's, `on_clock`, and `hears`, whom those hear who do not hear everybody; in the end line
`measurements`, where tuples are lists; and on the clock `cuts`, turns that the end left unfinished (agent, start,
action or null), and `early`, what was paid before a commit.
Lines end with a line feed and nothing else; UTF-8, with every character as it is.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, BinaryIO

from marft_envs.errors import LogError, OutcomeError, TeamFileError
from marft_envs.profiles import Member, Profile, Variants
from marft_envs.records import (
    DEEPEST_MEASUREMENT,
    Cut,
    Episode,
    Measurement,
    RewardEvent,
    Turn,
    checked_measurement,
    shown,
)

FORMAT = 1
"""Raised whenever an old reader would misread a new file."""
_HEADER = b'{"kind": "episode"'
"""How every log begins."""
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "episode": {"format": int, "env": str, "options": dict, "seed": int, "reset_options": dict},
    "turn": {
        "index": int,
        "agent": str,
        "round": int,
        "action": str,
        "shortened": int,
        "parents": list,
        "start_us": int,
        "finish_us": int,
        "rewards": list,
    },
    "end": {"terminated": bool, "truncated": bool, "returns": dict, "info": dict},
}
"""The kinds of lines, and the type of each of their fields."""
_OPTIONAL: Mapping[str, Mapping[str, type]] = {
    "episode": {"data_fingerprint": str, "runtime": str, "recall": str, "on_clock": bool, "hears": dict},
    "turn": {},
    "end": {"measurements": list, "cuts": list, "early": list},
}
"""Fields that are left out where they are empty; logs from before there were any have none."""
_OF_TURN = tuple([name for name in _FIELDS["turn"] if name != "rewards"])
"""The fields of a turn itself."""
_MOST = sys.float_info.max
"""Of a reward: JSON has no bound for its whole numbers, and NaN is no number."""
_MOST_CHARS = 2**53 - 1
"""Dropped from an action: every reader of JSON holds so many exactly."""


def env_id_missing(what: str) -> str:
    """The message for an episode of an environment that nobody else can make."""
    return (
        f"the episode was played in an environment that was constructed directly, so it cannot be {what}; "
        "register the class and create it by marft_envs.make(id)"
    )


# ------------------------------------------------------------------------------------------------------- writing


def write_log(path: str | Path, episodes: Iterable[Episode]) -> None:
    """Adds episodes to the end of a log, and creates it and its folder if need be.

    An episode is written whole or not at all, and what the file held stays. Half an episode at its end, left by a
    process that was killed, moves to `<path>.unfinished`. One writer at a time.

    Raises: LogError if the file is no log, an episode cannot be logged, or the disk takes no more; the episodes
    before it are kept.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            _set_unfinished_aside(path, file)
            for episode in episodes:
                _append(file, "".join(log_lines(episode)).encode("utf-8"))
            os.fsync(file.fileno())
    except OSError as error:
        raise LogError(
            f"{path}: cannot be written ({error.strerror}); all complete episodes in it are kept: "
            "free some space or choose another path, and write the rest again"
        ) from error


def _append(file: BinaryIO, data: bytes) -> None:
    """All of the data, or, if that fails, none of it."""
    size = file.seek(0, os.SEEK_END)
    try:
        written = 0
        while written < len(data):
            written += file.write(data[written:])
    except BaseException:  # an interrupt, too, must not leave half an episode
        file.truncate(size)
        raise


def log_lines(episode: Episode) -> Iterator[str]:
    """The lines of an episode, each with its line feed: the same for equal episodes, on every machine.

    Raises: LogError if it cannot be logged.
    """
    if episode.env_id is None:
        raise LogError(env_id_missing("logged"))
    yield _line(
        kind="episode",
        format=FORMAT,
        env=episode.env_id,
        options=plain_options(episode.options),
        seed=episode.seed,
        reset_options=dict(episode.reset_options),
        **_filled(
            data_fingerprint=episode.data_fingerprint,
            runtime=episode.runtime,
            recall="" if episode.recall == "team" else episode.recall,
            on_clock=episode.on_clock,
            hears={agent: list(others) for agent, others in episode.hears.items()},
        ),
    )
    rewards: dict[int, list[Sequence[object]]] = {}
    for event in episode.reward_events:
        paid = (event.agent, event.amount, event.time_us)
        is_late = event.turn < 0 or event.round != episode.turns[event.turn].round
        rewards.setdefault(event.turn, []).append((*paid, event.round) if is_late else paid)
    for turn in episode.turns:
        values = {name: getattr(turn, name) for name in _OF_TURN}  # not asdict, which copies texts deeply, slowly
        yield _line(kind="turn", **values, rewards=rewards.get(turn.index, []))
    yield _line(
        kind="end",
        terminated=episode.terminated,
        truncated=episode.truncated,
        returns=dict(episode.returns),
        info=dict(episode.info),
        **_filled(
            measurements=episode.measurements, cuts=[astuple(cut) for cut in episode.cuts], early=rewards.get(-1, [])
        ),
    )


def _filled(**values: object) -> dict[str, object]:
    """The fields that are not empty."""
    return {name: value for name, value in values.items() if value}


def _line(**values: object) -> str:
    try:
        line = _ENCODER.encode(values) + "\n"
        line.encode("utf-8")
    except (TypeError, ValueError) as error:
        raise LogError(
            f"an option of make or reset cannot be logged as JSON ({error}); use numbers, text, lists and mappings"
        ) from error
    return line


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an environment as JSON can hold them: profiles as mappings; a team's name stays as it is."""
    team = options.get("team")
    if isinstance(team, tuple):
        return {**options, "team": [asdict(member) for member in team]}
    return dict(options)


def _set_unfinished_aside(path: Path, file: BinaryIO) -> None:
    """Moves what stands behind the last complete episode into a file of its own."""
    size = file.seek(0, os.SEEK_END)
    complete = _end_of_last_episode(file, size)
    if complete == size:
        return
    file.seek(complete)
    if complete == 0 and not file.read(len(_HEADER)).startswith(_HEADER[:size]):
        raise LogError(f"{path}: is no action log, and is left as it is; choose another path")
    file.seek(complete)
    with path.with_name(path.name + ".unfinished").open("ab") as aside:
        aside.write(file.read(size - complete))
    file.truncate(complete)


def _end_of_last_episode(file: BinaryIO, size: int) -> int:
    """Where the last end line stops. Reads backwards, so that a long log costs no more than a short one."""
    tail = b""
    start = size
    while start > 0:
        step = min(start, 1 << 16)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
        whole_lines = tail.rfind(b"\n") + 1
        at = tail.rfind(b'{"kind": "end"', 0, whole_lines)
        while at >= 0:
            if start + at == 0 or (at > 0 and tail[at - 1 : at] == b"\n"):
                return start + tail.index(b"\n", at) + 1
            at = tail.rfind(b'{"kind": "end"', 0, at)
    return 0


# ------------------------------------------------------------------------------------------------------- reading


def read_log(path: str | Path) -> list[Episode]:
    """All episodes of a log, in their order.

    Raises: LogError, naming file and line, for a line that is no part of a log, another version, or half an episode.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return list(read_episodes(file, str(path)))
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); check the path of the log") from error


def read_episodes(lines: Iterable[bytes], name: str = "log") -> Iterator[Episode]:
    """The episodes of a log that lies elsewhere than in a file of its own, one after another.

    What no line has is not read. To see that there is nothing of the kind, compare the lines with `log_lines`.

    Args:
        lines: Of the log, each with or without its line feed.
        name: Of the log, for messages.

    Raises: LogError as `read_log`; whatever `lines` raises.
    """
    parsed = _parsed_lines(name, lines)
    for where, header in parsed:
        yield _read_episode(where, header, parsed)


Line = tuple[str, dict[str, Any]]
"""(file:line, what it holds)."""


def _parsed_lines(name: str, lines: Iterable[bytes]) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        try:
            value = _DECODER.decode(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise LogError(f"{where}: is no JSON in UTF-8 ({error}); {_WAY_OUT}") from error
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in _FIELDS:
            raise LogError(f"{where}: is no episode, turn or end; {_WAY_OUT}")
        if kind == "episode" and value.get("format") != FORMAT:
            raise LogError(
                f"{where}: has format {value.get('format')!r:.60}, this version reads {FORMAT}; "
                "read it with the version of marft-envs that wrote it"
            )
        for field, wanted in _FIELDS[kind].items():
            if type(value.get(field)) is not wanted:
                raise _of_another_type(where, value, field, wanted)
        for field, wanted in _OPTIONAL[kind].items():
            if field in value and type(value[field]) is not wanted:
                raise _of_another_type(where, value, field, wanted)
        yield where, value


def _of_another_type(where: str, value: dict[str, Any], field: str, wanted: type) -> LogError:
    told = f"{value['kind']}.{field} is {value.get(field)!r:.60}, not of type {wanted.__name__}"
    return LogError(f"{where}: {told}; {_WAY_OUT}")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


# Made once: `json.loads` and `json.dumps` make one for every line.
_DECODER = json.JSONDecoder(parse_constant=_refuse)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

_WAY_OUT = "take the broken episode out, from its header to its end line, or restore the file"


def _read_episode(where: str, header: dict[str, Any], lines: Iterator[Line]) -> Episode:
    if header["kind"] != "episode":
        raise LogError(f"{where}: a {header['kind']} line stands outside of an episode; {_WAY_OUT}")
    turns: list[Turn] = []
    events: list[RewardEvent] = []
    for at, line in lines:
        if line["kind"] == "end":
            _require_returns(at, line["returns"], turns)
            return Episode(
                env_id=header["env"],
                options=_with_profiles(where, header["options"]),
                seed=header["seed"],
                reset_options=header["reset_options"],
                turns=tuple(turns),
                reward_events=(*_rewards(at, line.get("early", []), -1, -1), *events),
                terminated=line["terminated"],
                truncated=line["truncated"],
                returns=line["returns"],
                info=line["info"],
                data_fingerprint=header.get("data_fingerprint", ""),
                measurements=_measurements(at, line),
                runtime=header.get("runtime", ""),
                cuts=tuple(_cuts(at, line)),
                recall=header.get("recall", "team"),
                on_clock=header.get("on_clock", False),
                hears=_hears(where, header),
            )
        if line["kind"] != "turn" or line["index"] != len(turns):
            raise LogError(f"{at}: turn {len(turns)} or the end of the episode is missing; {_WAY_OUT}")
        turns.append(_turn(at, line))
        events += _rewards(at, line["rewards"], line["index"], line["round"])
    raise LogError(f"{where}: the file ends within the episode that begins here; {_WAY_OUT}")


def _hears(where: str, header: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    hears = {}
    for agent, others in header.get("hears", {}).items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise LogError(f"{where}: episode.hears[{agent!r}] is {others!r:.60}, no list of agents; {_WAY_OUT}")
        hears[agent] = tuple(others)
    return hears


def _turn(where: str, line: dict[str, Any]) -> Turn:
    values = {name: line[name] for name in _OF_TURN}
    if not 0 <= line["shortened"] <= _MOST_CHARS:
        raise LogError(f"{where}: turn.shortened is {shown(line['shortened'])}, no number of characters; {_WAY_OUT}")
    if not all(type(parent) is int and 0 <= parent < line["index"] for parent in line["parents"]):
        raise LogError(f"{where}: turn.parents is {line['parents']!r:.60}, no list of earlier turns; {_WAY_OUT}")
    return Turn(**{**values, "parents": tuple(line["parents"])})


def _require_returns(where: str, returns: dict[str, Any], turns: Iterable[Turn]) -> None:
    """A number for everybody who has acted, so that figures can be read from a log before it is replayed."""
    if not all(type(amount) in (int, float) for amount in returns.values()):
        raise LogError(f"{where}: end.returns is {returns!r:.60}, no mapping to numbers; {_WAY_OUT}")
    for turn in turns:
        if turn.agent not in returns:
            raise LogError(f"{where}: end.returns lacks {turn.agent!r:.60}, who has acted; {_WAY_OUT}")


def _rewards(where: str, rewards: list[object], turn: int, round: int) -> Iterator[RewardEvent]:
    for reward in rewards:
        if isinstance(reward, list) and bool in map(type, reward):  # which is an int to `case`
            raise LogError(f"{where}: reward {reward!r:.60} holds true or false for a number; {_WAY_OUT}")
        match reward:
            case [str(agent), int() | float() as amount, int(time_us)] if round >= 0 and abs(amount) <= _MOST:
                yield RewardEvent(turn, round, time_us, agent, float(amount))
            case [str(agent), int() | float() as amount, int(time_us), int(instant)] if abs(amount) <= _MOST:
                yield RewardEvent(turn, instant, time_us, agent, float(amount))
            case _:
                raise LogError(f"{where}: reward {reward!r:.60} is not [agent, amount, time]; {_WAY_OUT}")


def _cuts(where: str, line: dict[str, Any]) -> Iterator[Cut]:
    for cut in line.get("cuts", ()):
        match cut:
            case [str(agent), int(start_us), (str() | None) as action] if type(start_us) is int:
                yield Cut(agent, start_us, action)
            case _:
                raise LogError(f"{where}: cut {cut!r:.60} is not [agent, start, action or null]; {_WAY_OUT}")


def _measurements(where: str, line: dict[str, Any]) -> tuple[Measurement, ...]:
    try:
        return tuple([checked_measurement(_frozen(value)) for value in line.get("measurements", ())])
    except OutcomeError as error:
        raise LogError(f"{where}: end.measurements: {error}; {_WAY_OUT}") from error


def _frozen(value: object, depth: int = 0) -> object:
    """A value of JSON with tuples for its lists, as far as a measurement may have any."""
    if type(value) is list and depth < DEEPEST_MEASUREMENT:
        return tuple([_frozen(part, depth + 1) for part in value])
    return value


def _with_profiles(where: str, options: dict[str, Any]) -> dict[str, Any]:
    if "id" in options:  # `make` calls the environment's name so, and could not pass it on
        raise LogError(f"{where}: options holds 'id', which no environment can have; {_WAY_OUT}")
    try:
        return options_from_plain(options)
    except (TypeError, TeamFileError) as error:
        raise LogError(f"{where}: the team holds a broken profile ({error}); {_WAY_OUT}") from error


def options_from_plain(options: dict[str, Any]) -> dict[str, Any]:
    """What `plain_options` was made from: a team of mappings turned back into profiles.

    Raises: TypeError, TeamFileError for a mapping that is no profile.
    """
    team = options.get("team")
    if not isinstance(team, list):
        return options
    return {**options, "team": tuple(map(_member, team))}


def _member(plain: object) -> Member:
    if not isinstance(plain, dict):
        raise TypeError(f"a member is {plain!r:.60}, no mapping")
    if "train" not in plain:
        return Profile(**plain)
    return Variants(**{split: tuple([Profile(**profile) for profile in profiles]) for split, profiles in plain.items()})
