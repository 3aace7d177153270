"""collab/search_party-v0, played by hand, and the bound for those who hear nothing."""

from fractions import Fraction
from itertools import product
from math import sqrt
from statistics import fmean

import pytest

import marft_envs
from marft_envs import Profile
from marft_envs.collab import search_party
from marft_envs.collab.search_party import SearchParty
from marft_envs.collab.worlds.building import CODES, COLOURS, LEVELS, PLACES
from marft_envs.collab.worlds.commands import commanded, one_number
from marft_envs.errors import TeamFileError
from tests.envs.conftest import run, to_the_end

S = 1_000_000
SILENT = {"easy": Fraction(2, 6), "standard": Fraction(2, 12), "hard": (Fraction(2, 20) + Fraction(2, 20 * 900)) / 2}
"""As the docstring tells, exactly."""


def reset(seed: int = 1, **options: object) -> SearchParty:
    env = marft_envs.make("collab/search_party-v0", **options)
    assert isinstance(env, SearchParty)
    env.reset(seed=seed)
    return env


def right(env: SearchParty, agent: str) -> str:
    place, code = env.building.wings[agent].place, env.building.codes.get(agent)
    return f"search {place}" if code is None else f"search {place} {code}"


def wrong_rooms(env: SearchParty, agent: str) -> list[str]:
    wing = env.building.wings[agent]
    return [room for room in wing.rooms if room != wing.place]


def told(env: SearchParty, agent: str) -> str:
    return "\n".join(message["content"] for message in env.messages(agent) if "name" not in message)


# ---- What happens ----------------------------------------------------------------------------------------------------


def test_a_thing_that_is_found_pays_everybody_its_share_and_the_last_one_ends_the_episode() -> None:
    env = reset()
    run(env, {agent: [right(env, agent)] for agent in env.possible_agents})
    to_the_end(env)
    assert env.terminated
    assert env.info == {"found": 1.0, "searches": 4}
    events = env.reward_events
    assert {(event.agent, event.amount) for event in events} == {(agent, 0.25) for agent in env.possible_agents}
    assert set(env.episode().returns.values()) == {1.0}


def test_only_the_scout_who_searched_is_told_what_came_of_it() -> None:
    env = reset()
    wrong = wrong_rooms(env, "scout_0")[0]
    to_the_end(run(env, {"scout_0": [f"search {wrong}", right(env, "scout_0")]}))
    thing = env.building.wings["scout_0"].thing
    assert f"The {thing} is not in the {wrong}." in told(env, "scout_0")
    assert f"You have found the {thing}." in told(env, "scout_0")
    assert all("found" not in told(env, other) for other in ("scout_1", "scout_2", "scout_3"))
    assert env.truncated
    assert env.info == {"found": 0.25, "searches": 2}


def test_a_scout_has_no_turn_while_it_searches() -> None:
    env = reset()
    wrong = wrong_rooms(env, "scout_0")[0]
    to_the_end(run(env, {"scout_0": [f"search {wrong}", "Not there."], "scout_1": ["Hello."] * 9}))
    first, second = [turn for turn in env.turns if turn.agent == "scout_0"][:2]
    assert second.start_us - first.finish_us == LEVELS["easy"].search_us == 16 * S


def test_a_search_that_would_end_with_the_horizon_or_later_does_not_count() -> None:
    env = reset(horizon=17)  # 1 s and 20 ms a character, then 16 s
    to_the_end(run(env, {"scout_0": [right(env, "scout_0")]}))
    assert env.reward_events == []
    assert env.info["searches"] == 1
    env = reset(horizon=18)
    to_the_end(run(env, {"scout_0": [right(env, "scout_0")]}))
    assert len(env.reward_events) == 4


def test_who_has_found_its_thing_searches_no_more() -> None:
    env = reset()
    run(env, {"scout_0": [right(env, "scout_0"), right(env, "scout_0"), "Well."]})
    assert env.info == {"found": 0.25, "searches": 1}


def test_words_reach_the_others_half_a_second_after_they_were_said() -> None:
    env = reset()
    run(env, {"scout_0": ["Hello."], "scout_1": ["wait", "Hello, too."]})
    to_the_end(env)
    hello = next(turn for turn in env.turns if turn.action == "Hello.")
    reply = next(turn for turn in env.turns if turn.action == "Hello, too.")
    assert reply.start_us == hello.finish_us + S // 2
    assert hello.index in reply.parents


# ---- What counts as a command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["search {}", "SEARCH the {}.", "> **search** {}", "I think I know.\n\nSearch: {}\n", "search {}, the {}!"]
)
def test_the_last_line_is_a_command_if_it_begins_with_one(form: str) -> None:
    env = reset()
    place = env.building.wings["scout_0"].place
    run(env, {"scout_0": [form.format(place, place)], "scout_1": ["a", "b"]})
    assert env.attempts["scout_0"] == [(place, None)]
    assert env.gradable("scout_0", form.format(place, place)) is True


def test_a_line_that_does_not_begin_with_the_verb_or_is_not_the_last_is_talk() -> None:
    env = reset()
    place = env.building.wings["scout_0"].place
    talk = ["", "searching", f"I search {place}", f"search {place}\nor so", f"research {place}", f"searched {place}"]
    run(env, {"scout_0": talk})
    assert env.attempts["scout_0"] == []
    assert "name one of your rooms" not in told(env, "scout_0")
    assert [env.gradable("scout_0", text) for text in talk] == [None] * len(talk)


def test_a_command_that_names_no_room_of_ones_own_or_several_does_nothing() -> None:
    env = reset()
    mine = env.building.wings["scout_0"].rooms
    other = next(room for room in PLACES if room not in mine)
    commands = ["search", f"search {other}", f"search {mine[0]} {mine[1]}", "search " + " ".join(mine)]
    run(env, {"scout_0": [*commands, "So what?"]})
    assert env.attempts["scout_0"] == []
    assert told(env, "scout_0").count("To search, name one of your rooms.") == len(commands)
    assert [env.gradable("scout_0", command) for command in commands] == [False] * len(commands)


def test_commands_and_numbers_are_read_off_any_text() -> None:
    assert commanded("hm\n- Serve table 4", ("cook", "serve")) == ("serve", " table 4")
    assert commanded("serve4", ("cook", "serve")) is None
    assert commanded(" \n", ("cook",)) is None
    assert commanded("." * 100_000, ("cook",)) is None
    assert [one_number(text) for text in ("417", "the code: 417.", "4 17", "a417", "", "9" * 5_000)] == [
        417,
        417,
        None,
        None,
        None,
        None,
    ]


# ---- What is drawn, and who is told what -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("team", ["search_party", "search_party_octet", (Profile("scout"),) * 3])
def test_all_clues_about_a_thing_leave_one_room_and_no_scout_holds_one_about_its_own(level: str, team: object) -> None:
    for seed in range(20):
        env = reset(seed, level=level, team=team)
        building = env.building
        for scout, wing in building.wings.items():
            others = " ".join(" ".join(known) for other, known in building.knows.items() if other != scout)
            assert all(clue.text in others for clue in wing.clues)
            assert frozenset.intersection(*(clue.leaves for clue in wing.clues)) == {wing.place}
            if len(wing.clues) > 1:  # none could be left out
                for left_out in wing.clues:
                    assert len(frozenset.intersection(*(c.leaves for c in wing.clues if c is not left_out))) > 1
            assert wing.thing not in " ".join(building.knows[scout])
        assert len({wing.thing for wing in building.wings.values()}) == len(building.wings)


def test_what_a_clue_says_is_what_it_leaves() -> None:
    for seed in range(20):
        for wing in reset(seed, level="hard").building.wings.values():
            for clue in wing.clues:
                excluded = {word for word in clue.text.strip(".").split() if word in {*COLOURS, *PLACES}}
                assert clue.leaves == {room for room in wing.rooms if not excluded & set(room.split())}
        for wing in reset(seed, level="standard").building.wings.values():
            colour = wing.place.split()[0]
            assert wing.clues[1].text == f"The {wing.thing} is in a {colour} room."
            assert wing.clues[1].leaves == {room for room in wing.rooms if colour in room.split()}


def test_a_view_tells_the_rooms_and_the_clues_and_nothing_about_where_the_own_thing_is() -> None:
    env = reset()
    for scout, wing in env.building.wings.items():
        text = told(env, scout)
        assert f"Find the {wing.thing}. Your rooms: {', '.join(wing.rooms)}." in text
        assert all(clue in text for clue in env.building.knows[scout])
        assert text.count(f"The {wing.thing} is") == 0


# ---- Locked rooms ----------------------------------------------------------------------------------------------------


def test_on_hard_every_other_scout_needs_a_code_that_stands_on_what_an_unlocked_one_finds() -> None:
    for seed in range(10):
        env = reset(seed, level="hard")
        building = env.building
        assert len(building.codes) == len(building.notes) == 2
        assert not building.codes.keys() & building.notes.keys()
        for scout, code in building.codes.items():
            note = f"The code for the {building.wings[scout].thing} is {code}."
            assert note in building.notes.values()
            assert str(code) not in "".join(told(env, agent) for agent in env.possible_agents)


def test_a_note_is_told_to_the_one_who_finds_it() -> None:
    env = reset(level="hard")
    finder, note = next(iter(env.building.notes.items()))
    to_the_end(run(env, {finder: [right(env, finder), "Aha."]}))
    assert f"On it stands: {note}" in told(env, finder)


def test_a_wrong_code_and_a_wrong_room_look_the_same_and_take_as_long() -> None:
    answers = []
    for is_code_wrong in (True, False):
        env = reset(level="hard")
        scout, code = next(iter(env.building.codes.items()))
        place = env.building.wings[scout].place
        other = next(room for room in wrong_rooms(env, scout) if len(room) == len(place))
        command = f"search {place} {(code - 99) % 900 + 100}" if is_code_wrong else f"search {other} {code}"
        to_the_end(run(env, {scout: [command, "Hm."]}))
        assert env.reward_events == []
        assert f"is not in the {place if is_code_wrong else other}, or the code is wrong." in told(env, scout)
        answers.append([turn.start_us for turn in env.turns if turn.agent == scout][1])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("codes", ["", "100 101"])
def test_locked_rooms_do_not_open_without_one_code(codes: str) -> None:
    env = reset(level="hard")
    scout = next(iter(env.building.codes))
    run(env, {scout: [f"search {env.building.wings[scout].place} {codes}", "Hm."]})
    assert env.attempts[scout][0][1] is None
    assert env.reward_events == []


# ---- What plays earn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("team", ["search_party", "search_party_octet"])
def test_scouts_who_tell_each_other_find_everything(level: str, team: str) -> None:
    for seed in range(30):
        env = reset(seed, level=level, team=team)
        episode = marft_envs.play(env, lambda agent, messages, env=env: env.reference_action(agent), seed=seed)
        assert min(episode.returns.values()) == pytest.approx(1.0)
        assert env.info["searches"] == len(env.possible_agents)  # nobody tries before it knows


def test_the_long_winded_are_too_late_on_hard_and_not_on_easy() -> None:
    for level, is_in_time in (("easy", True), ("hard", False)):
        env = reset(level=level)
        while env.ready:
            words = env.reference_action(env.agent_selection)
            env.step(words if words == "wait" else f"{'I would like to say something. ' * 8}\n{words}")
        assert env.terminated is is_in_time


def test_who_is_told_nothing_while_all_wait_guesses_among_what_is_left() -> None:
    env = reset(level="standard")
    scout, wing = next(iter(env.building.wings.items()))
    spoken = wing.clues[0]
    holder = next(agent for agent, known in env.building.knows.items() if spoken.text in known)
    has_spoken = False
    while env.ready and not env.attempts[scout]:
        agent = env.agent_selection
        if agent == scout:
            env.step(env.reference_action(agent))
        else:
            env.step(spoken.text if agent == holder and not has_spoken else "wait")
            has_spoken = has_spoken or agent == holder
    assert env.attempts[scout][0][0] in spoken.leaves


def test_eight_scouts_have_eight_open_turns() -> None:
    assert len(reset(team="search_party_octet").ready) == 8


def test_nobody_can_search_alone() -> None:
    with pytest.raises(TeamFileError, match="of 2 to"):
        reset(team=(Profile("scout"),))


@pytest.mark.parametrize("level", LEVELS)
def test_in_the_time_there_is_every_scout_can_search_twice_whatever_its_rooms_are_called(level: str) -> None:
    row, profile = LEVELS[level], next(iter(reset().profiles.values()))
    names = [f"{c} {p}" for c, p in product(COLOURS, PLACES)] if row.num_colours else PLACES
    lengths = [len(f"search {name}") for name in names]
    shortest, longest = min(lengths), max(lengths) + len(" 100") * row.is_locked
    assert 2 * (profile.duration_us(longest) + row.search_us) < 40 * S
    assert 3 * (profile.duration_us(shortest) + row.search_us) >= 40 * S


def best_of_guesses(num_equal: int, num_tries: int) -> Fraction:
    """The chance to hit one of so many equally likely cases, if a miss tells nothing but that it was one."""
    if num_tries == 0 or num_equal == 0:
        return Fraction(0)
    hit = Fraction(1, num_equal)
    return hit + (1 - hit) * best_of_guesses(num_equal - 1, num_tries - 1)


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_the_best_of_two_guesses_as_the_docstring_says(level: str) -> None:
    row = LEVELS[level]
    rooms = row.num_kinds * max(row.num_colours, 1)
    free, locked = best_of_guesses(rooms, 2), best_of_guesses(rooms * len(CODES), 2)
    bound = (free + locked) / 2 if row.is_locked else free
    assert bound == SILENT[level]
    digits = 4 if level == "hard" else 3
    assert f"{level} {float(bound):.{digits}f}" in (search_party.__doc__ or "")
    earned = []
    for seed in range(400):
        env = reset(seed, level=level)
        episode = marft_envs.play(env, lambda agent, messages, env=env: env.silent_action(agent), seed=seed)
        earned.append(episode.returns["scout_0"])
    error = sqrt(float(bound) * (1 - float(bound)) / (400 * 4))  # each scout's luck is its own
    assert abs(fmean(earned) - float(bound)) < 4 * error


# ---- Strangers -------------------------------------------------------------------------------------------------------


def test_a_team_of_strangers_draws_others_for_the_test_split_and_talking_still_pays() -> None:
    met: dict[str, set[Profile]] = {}
    for split in ("train", "test"):
        env = reset(team="search_party_strangers", split=split)
        earned: dict[str, list[float]] = {"reference": [], "silent": []}
        for seed in range(30):
            for name, returns in earned.items():
                play = marft_envs.SCRIPTED_PLAYS[name]
                episode = marft_envs.play(env, lambda agent, _, env=env, play=play: play(env, agent), seed=seed)
                returns.append(episode.returns["scout_0"])
            met.setdefault(split, set()).update(list(env.profiles.values())[1:])
        assert fmean(earned["reference"]) >= fmean(earned["silent"]) + 0.3
    assert (len(met["train"]), len(met["test"])) == (3, 2)
    assert not met["train"] & met["test"]
