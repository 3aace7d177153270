"""What a cheat can change in a submission: each edit knows which rules see it, and where.

Edits are of *derived* fields, which follow from what was played; those of *primary* inputs stand in test_tampering.py.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from random import Random
from typing import Any

from leaderboard import tracks
from tests.leaderboard.submissions import Line, Opened

Apply = Callable[[Opened, Random], str]
"""Changes a submission, and returns where this has to be found: the beginning of a finding's place."""


class InapplicableError(Exception):
    """There is nothing of the kind in what was picked."""


@dataclass(frozen=True)
class Edit:
    name: str
    rules: Set[str]
    """One of them has to be named."""
    apply: Apply


EDITS: dict[str, Edit] = {}


def seen_by(*rules: str) -> Callable[[Apply], Apply]:
    def kept(apply: Apply) -> Apply:
        EDITS[apply.__name__] = Edit(apply.__name__, frozenset(rules), apply)
        return apply

    return kept


@dataclass(frozen=True)
class Picked:
    """An episode."""

    key: str
    number: int
    lines: list[Line]

    @property
    def where(self) -> str:
        return f"{self.key}, episode {self.number}"

    @property
    def header(self) -> Line:
        return self.lines[0]

    @property
    def end(self) -> Line:
        return self.lines[-1]

    def turn(self, random: Random) -> Line:
        return random.choice(self.lines[1:-1])


def pick(opened: Opened, random: Random) -> Picked:
    key = random.choice(opened.keys)
    number = random.randrange(len(opened.logs[key]))
    return Picked(key, number, opened.logs[key][number])


def agents_of(lines: list[Line]) -> list[str]:
    return list(lines[-1]["returns"])


def other(value: Any, random: Random) -> Any:
    """Another value of the kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + random.choice((-3, -1, 1, 2, 10**6))
        case float():
            return value + random.choice((-1.0, 1e-9, 0.5, 1.0))
        case str():
            return value + random.choice(("x", " ", "\u202e", "\n"))
        case list():
            return [*value, random.choice((0, "x", None))]
        case dict():
            return {**value, random.choice(("x", "split")): random.choice((0, "x", None))}
    raise InapplicableError


# ---- Turns -----------------------------------------------------------------------------------------------------------


def _of_turn(field: str, *rules: str) -> None:
    def apply(opened: Opened, random: Random) -> str:
        picked = pick(opened, random)
        turn = picked.turn(random)
        turn[field] = other(turn[field], random)
        return picked.where

    apply.__name__ = f"turn_{field}"
    seen_by(*rules)(apply)


for _field in ("round", "start_us", "finish_us"):
    _of_turn(_field, "replay", "log")
for _field in ("index", "parents", "rewards", "agent"):
    _of_turn(_field, "replay", "log", "action length")


@seen_by("replay", "log")
def a_longer_action(opened, random):
    """Takes more time."""
    picked = pick(opened, random)
    picked.turn(random)["action"] += "x"
    return picked.where


@seen_by("replay", "log")
def characters_that_were_not_dropped(opened, random):
    picked = pick(opened, random)
    picked.turn(random)["shortened"] = random.choice((-1, 1, 5, 10**6))
    return picked.where


@seen_by("replay", "log", "action length")
def swapped_agents(opened, random):
    picked = pick(opened, random)
    turns = picked.lines[1:-1]
    agents = {turn["agent"] for turn in turns}
    if len(agents) < 2:
        raise InapplicableError
    one, another, *_ = random.sample(sorted(agents), len(agents))
    for turn in turns:
        turn["agent"] = {one: another, another: one}.get(turn["agent"], turn["agent"])
    return picked.where


@seen_by("replay", "log")
def another_parent(opened, random):
    picked = pick(opened, random)
    turn = picked.turn(random)
    others = [place for place in range(turn["index"]) if place not in turn["parents"]]
    if turn["parents"] and random.random() < 0.5:
        turn["parents"].pop()
    elif others:
        turn["parents"] = sorted([*turn["parents"], random.choice(others)])
    else:
        raise InapplicableError
    return picked.where


@seen_by("replay", "log")
def a_turn_that_is_left_out(opened, random):
    picked = pick(opened, random)
    del picked.lines[random.randrange(1, len(picked.lines) - 1)]
    return picked.where


@seen_by("replay", "log")
def a_turn_that_is_there_twice(opened, random):
    picked = pick(opened, random)
    place = random.randrange(1, len(picked.lines) - 1)
    picked.lines.insert(place, dict(picked.lines[place]))
    return picked.where


@seen_by("replay", "log")
def a_turn_in_another_place(opened, random):
    picked = pick(opened, random)
    if len(picked.lines) < 4:
        raise InapplicableError
    one, another = random.sample(range(1, len(picked.lines) - 1), 2)
    picked.lines[one], picked.lines[another] = picked.lines[another], picked.lines[one]
    if random.random() < 0.5:
        for index, turn in enumerate(picked.lines[1:-1]):
            turn["index"] = index
    return picked.where


@seen_by("replay")
def more_turns_than_there_can_be(opened, random):
    picked = pick(opened, random)
    last = picked.lines[-2]
    picked.lines.insert(-1, {**last, "index": last["index"] + 1, "parents": [], "rewards": []})
    return picked.where


# ---- Rewards and the end ---------------------------------------------------------------------------------------------


def _rewarded(opened: Opened, random: Random) -> tuple[Picked, list[Any]]:
    for _ in range(50):
        picked = pick(opened, random)
        paid = [reward for turn in picked.lines[1:-1] for reward in turn["rewards"]]
        if paid:
            return picked, random.choice(paid)
    raise InapplicableError


@seen_by("replay", "log")
def another_reward(opened, random):
    picked, reward = _rewarded(opened, random)
    place = random.randrange(3)
    reward[place] = random.choice(agents_of(picked.lines)) + "0" if place == 0 else other(reward[place], random)
    return picked.where


@seen_by("replay", "log")
def a_reward_as_a_truth_value(opened, random):
    picked, reward = _rewarded(opened, random)
    reward[1] = True
    return picked.where


@seen_by("replay")
def a_reward_out_of_nothing(opened, random):
    picked = pick(opened, random)
    turn = picked.turn(random)
    turn["rewards"].append([random.choice(agents_of(picked.lines)), 1.0, turn["finish_us"]])
    if random.random() < 0.5:
        for reward in turn["rewards"][-1:]:
            picked.end["returns"][reward[0]] += reward[1]
    return picked.where


@seen_by("replay")
def a_reward_that_is_left_out(opened, random):
    picked, reward = _rewarded(opened, random)
    for turn in picked.lines[1:-1]:
        turn["rewards"] = [one for one in turn["rewards"] if one is not reward]
    return picked.where


@seen_by("replay", "log")
def other_returns(opened, random):
    picked = pick(opened, random)
    agent = random.choice(agents_of(picked.lines))
    picked.end["returns"][agent] = random.choice((1.0, 0.5, -1.0, True, 10**30)) + picked.end["returns"][agent]
    return picked.where


@seen_by("replay", "log")
def returns_of_somebody_else(opened, random):
    picked = pick(opened, random)
    returns = picked.end["returns"]
    if random.random() < 0.5:
        returns["coach_0"] = 1.0
    else:
        del returns[random.choice(list(returns))]
    return picked.where


@seen_by("replay", "log")
def other_info(opened, random):
    picked = pick(opened, random)
    info = picked.end["info"]
    if info and random.random() < 0.7:
        name = random.choice(list(info))
        info[name] = other(info[name], random)
    else:
        info["solved"] = 1
    return picked.where


@seen_by("replay", "unfinished episode")
def another_end(opened, random):
    picked = pick(opened, random)
    now = picked.end["terminated"], picked.end["truncated"]
    picked.end["terminated"], picked.end["truncated"] = random.choice(
        [ends for ends in ((True, True), (True, False), (False, True), (False, False)) if ends != now]
    )
    return picked.where


@seen_by("replay", "log")
def measurements_out_of_nothing(opened, random):
    picked = pick(opened, random)
    picked.end["measurements"] = [
        *picked.end.get("measurements", []),
        random.choice(([], [[0]], 1, "x", True, {}, None)),
    ]
    return picked.where


@seen_by("replay", "log")
def cuts_out_of_nothing(opened, random):
    picked = pick(opened, random)
    agent = random.choice(agents_of(picked.lines))
    picked.end["cuts"] = [*picked.end.get("cuts", []), [agent, random.choice((0, 5)), random.choice((None, "x"))]]
    return picked.where


@seen_by("replay", "log")
def early_rewards(opened, random):
    picked = pick(opened, random)
    picked.end["early"] = [[random.choice(agents_of(picked.lines)), 1.0, 0, 0]]
    return picked.where


# ---- Headers ---------------------------------------------------------------------------------------------------------


@seen_by("task", "log")
def another_environment(opened, random):
    picked = pick(opened, random)
    picked.header["env"] = random.choice(
        ("math/reason_act-v0", "os:math/x-v0", "../../x", "", picked.header["env"] + "0", "collab/sum_relay")
    )
    return picked.where


@seen_by("task", "log")
def other_options(opened, random):
    picked = pick(opened, random)
    options = picked.header["options"]
    change = random.choice(("level", "split", "more", "fewer", "team"))
    match change:
        case "level" | "split":
            options[change] = random.choice(("train", "hard", "", 1, None, True, [], {}))
        case "more":
            options[random.choice(("horizon", "data", "source", "recall", "x"))] = random.choice((1, "../x", None))
        case "fewer":
            del options[random.choice(list(options))]
        case "team":
            options["team"] = random.choice(
                ("../x.yaml", "solo", [], [{"role": "x"}], [{"role": 1}], [{"train": 1}], {})
            )
    return picked.where


@seen_by("task", "log")
def reset_with_options(opened, random):
    picked = pick(opened, random)
    picked.header["reset_options"] = random.choice(({"level": "easy"}, {"x": 1}, {"level": "hard", "y": [{}]}, [], 5))
    return picked.where


@seen_by("seed", "missing episode", "duplicate episode")
def another_seed(opened, random):
    key = pick(opened, random).key
    one, another = random.sample(opened.logs[key], 2)
    one[0]["seed"] = random.choice(
        (another[0]["seed"], 0, 1, -1, 2**70, str(one[0]["seed"]), True, None, one[0]["seed"] + 1)
    )
    return key


@seen_by("replay", "log")
def what_a_header_says_besides(opened, random):
    picked = pick(opened, random)
    agents = agents_of(picked.lines)
    field, value = random.choice(
        (
            ("recall", "parents"),
            ("recall", "nobody"),
            ("recall", "team"),
            ("on_clock", not picked.header.get("on_clock", False)),
            ("hears", {agents[0]: agents[1:]}),
            ("hears", {}),
            ("hears", {"coach_0": []}),
            ("data_fingerprint", "x"),
            ("data_fingerprint", ""),
            ("runtime", "python 3.11"),
            ("runtime", ""),
            ("format", 0),
            ("format", 1.0),
        )
    )
    picked.header[field] = value
    return picked.where


@seen_by("log")
def a_field_more(opened, random):
    picked = pick(opened, random)
    random.choice(picked.lines)[random.choice(("note", "Action", "score", ""))] = random.choice((0, None, "x", []))
    return picked.where


@seen_by("log", "replay", "seed", "missing episode")
def a_field_fewer(opened, random):
    picked = pick(opened, random)
    line = random.choice(picked.lines)
    field = random.choice([field for field in line if field != "kind"])
    del line[field]
    return picked.key if field == "seed" else picked.where


# ---- Episodes --------------------------------------------------------------------------------------------------------


@seen_by("missing episode")
def an_episode_fewer(opened, random):
    picked = pick(opened, random)
    del opened.logs[picked.key][picked.number]
    if random.random() < 0.5:
        del opened.tokens[picked.key][picked.number]
    return picked.key


@seen_by("duplicate episode")
def an_episode_more(opened, random):
    picked = pick(opened, random)
    opened.logs[picked.key].insert(random.randrange(7), picked.lines)
    return picked.key


@seen_by("missing episode")
def an_episode_in_place_of_another(opened, random):
    key = pick(opened, random).key
    one, another = random.sample(range(len(opened.logs[key])), 2)
    opened.logs[key][one] = opened.logs[key][another]
    return key


@seen_by("seed")
def episodes_in_another_order(opened, random):
    key = pick(opened, random).key
    before = list(opened.logs[key])
    random.shuffle(opened.logs[key])
    if [id(one) for one in before] == [id(one) for one in opened.logs[key]]:
        raise InapplicableError
    return key


@seen_by("seed", "missing episode", "duplicate episode")
def logs_of_one_another(opened, random):
    one, another = opened.keys
    opened.logs[one], opened.logs[another] = opened.logs[another], opened.logs[one]
    return random.choice((one, another))


@seen_by("missing episode", "seed")
def no_episodes_at_all(opened, random):
    key = pick(opened, random).key
    opened.logs[key] = []
    return key


# ---- The record ------------------------------------------------------------------------------------------------------


def _place(opened: Opened, key: str) -> str:
    return f"tasks.{opened.keys.index(key)}"


@seen_by("scores", "record")
def other_scores(opened, random):
    key = random.choice(opened.keys)
    scores = opened.results[key]["scores"]
    name = random.choice(list(scores))
    if isinstance(scores[name], dict):
        if not scores[name]:
            raise InapplicableError
        agent = random.choice(list(scores[name]))
        if random.random() < 0.3:
            del scores[name][agent]
        else:
            scores[name][agent] += random.choice((1e-12, -0.5, 1))
    else:
        scores[name] += (
            random.choice((1, 10**6)) if isinstance(scores[name], int) else random.choice((1e-12, -0.5, 1.0))
        )
    return f"{_place(opened, key)}.scores.{name}"


@seen_by("behaviour", "record")
def another_behaviour(opened, random):
    key = random.choice(opened.keys)
    opened.results[key]["behaviour"] = random.choice(("sha256:" + "0" * 64, opened.results[key]["log"], ""))
    return f"{_place(opened, key)}.behaviour"


@seen_by("missing episode", "record")
def more_plays(opened, random):
    key = random.choice(opened.keys)
    opened.results[key]["plays"] = random.choice((2, 64, 0, 65))
    return _place(opened, key) if opened.results[key]["plays"] in (0, 65) else key


@seen_by("task", "record", "archive")
def another_task(opened, random):
    key = random.choice(opened.keys)
    field, value = random.choice(
        (
            ("level", "standard"),
            ("level", None),
            ("env_id", "collab/trip-v0"),
            ("env_id", "os:x/y-v0"),
            ("options", {"horizon": 1}),
            ("options", {"team": "../x"}),
        )
    )
    opened.results[key][field] = value
    return ""


@seen_by("players", "record", "tokens", "script")
def other_players(opened, random):
    key = random.choice(opened.keys)
    players = opened.results[key]["players"]
    agent = random.choice(list(players))
    match random.randrange(3):
        case 0:
            del players[agent]
        case 1:
            players["coach_0"] = players[agent]
        case 2:
            players[agent] = {"kind": "script", "script": random.choice(("random", "echo", "reference", "silent"))}
            return ""
    return f"{_place(opened, key)}.players"


@seen_by("digest")
def another_digest_of_a_file(opened, random):
    key = random.choice(opened.keys)
    kind = random.choice(("log", "tokens"))
    own, seal = opened.results[key], opened.write_record

    def write_record(folder, *, sealed):
        own[kind] = random.choice(("sha256:" + "0" * 64, own["behaviour"], opened.results[opened.keys[0]]["behaviour"]))
        return seal(folder, sealed=sealed)

    opened.write_record = write_record
    return f"{_place(opened, key)}.{kind}"


@seen_by("season", "task", "record", "missing episode", "seed")
def another_season_or_track(opened, random):
    field, value = random.choice(
        (
            ("season", "2027"),
            ("season", "x"),
            ("track", "small"),
            ("track", "open"),
            ("track", "x"),
            ("schema_version", 2),
        )
    )
    own = tracks.tasks_of(opened.record["track"])
    if value == tracks.OPEN and all(task.num_instances == tracks.OPEN_INSTANCES for task in own):
        raise InapplicableError  # it is an entry of the open track as well
    opened.record[field] = value
    return ""


@seen_by("record")
def a_field_that_the_schema_does_not_have(opened, random):
    place = random.choice((opened.record, opened.record["tasks"][0], opened.record["tasks"][0]["scores"]))
    place[random.choice(("rank", "note", "Score"))] = random.choice((1, "x", None))
    return ""


@seen_by("archive")
def a_task_that_is_left_out(opened, random):
    del opened.record["tasks"][random.randrange(2)]
    return "logs/"


# ---- Tokens ----------------------------------------------------------------------------------------------------------


@seen_by("tokens", "scores")
def other_tokens(opened, random):
    key = random.choice(opened.keys)
    number = random.randrange(len(opened.tokens[key]))
    line = opened.tokens[key][number]
    counts = line[random.choice(("read", "wrote"))]
    match random.randrange(6):
        case 0:
            counts.append(1)
        case 1:
            counts.pop()
        case 2:
            counts[random.randrange(len(counts))] = random.choice((-1, 10**8, 1.5, True, None, "1"))
        case 3:
            line["more"] = []
        case 4:
            line["read"] = [0] * len(line["read"])
        case 5:
            counts[random.randrange(len(counts))] += 1  # without the sum in the record
    return _place(opened, key)


@seen_by("tokens")
def tokens_of_other_episodes(opened, random):
    key = random.choice(opened.keys)
    if random.random() < 0.5:
        opened.tokens[key].pop(random.randrange(len(opened.tokens[key])))
    else:
        opened.tokens[key].insert(random.randrange(7), random.choice(opened.tokens[key]))
    return f"{_place(opened, key)}.tokens"
