"""Whatever is changed in a submission is found, or stands in the list of what replay cannot see.

1. Without new digests every edit is found.
2. With all digests made anew, every edit of a field that follows from what was played is found, and its place named.
3. Edits of what nothing follows from are valid; they change the score, or are told in leaderboard/README.md.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leaderboard.behaviour import make
from leaderboard.report import Report
from leaderboard.submit import PlayedTask, add_task
from leaderboard.tracks import Task, seeds_of
from marft_envs import SCRIPTED_PLAYS, FlexMG, play
from tests.leaderboard.conftest import check
from tests.leaderboard.forgeries import EDITS, InapplicableError
from tests.leaderboard.submissions import PARTY, REPAIR, SEASON, SUM, WORD, Opened, entrant, mixed, played, tokens_of

README = Path(__file__).parents[2] / "leaderboard/README.md"
RANDOMS = st.randoms(use_true_random=False)


def changed(folder: Path, name: str, random: Random) -> tuple[Opened, str] | None:
    """A submission after an edit, and where that has to be found; None where it does not apply to what it picked."""
    opened = Opened.of(folder)
    before = repr(opened)
    try:
        where = EDITS[name].apply(opened, random)
    except InapplicableError:
        return None
    return (opened, where) if repr(opened) != before or "write_record" in vars(opened) else None


def checked(opened: Opened, *, sealed: bool) -> Report:
    with TemporaryDirectory() as folder:
        return check(opened.write(Path(folder), sealed=sealed))


def test_what_is_put_together_unchanged_is_valid(tiny, timed, coded):
    for folder in (tiny, timed, coded):
        assert checked(Opened.of(folder), sealed=False).is_valid
        assert checked(Opened.of(folder), sealed=True).is_valid


@given(name=st.sampled_from(sorted(EDITS)), random=RANDOMS)
@settings(max_examples=200)
def test_without_new_digests_every_edit_is_found(tiny, name, random):
    edited = changed(tiny, name, random)
    assume(edited is not None)
    report = checked(edited[0], sealed=False)
    assert not report.is_valid
    assert {one.rule for one in report.findings} <= {"digest", "record", "archive"}


def is_found(folder: Path, name: str, random: Random) -> bool:
    """Whether an edit is found and its place named; False where it does not apply to what it picked."""
    edited = changed(folder, name, random)
    if edited is None:
        return False
    opened, where = edited
    report = checked(opened, sealed=True)
    assert not report.is_valid
    named = [one for one in report.findings if one.rule in EDITS[name].rules and one.where.startswith(where)]
    assert named, (EDITS[name].rules, where, report.findings)
    return True


@given(name=st.sampled_from(sorted(EDITS)), random=RANDOMS)
@settings(max_examples=400)
def test_with_new_digests_every_edit_of_what_follows_is_found_and_named(tiny, name, random):
    assume(is_found(tiny, name, random))


@pytest.mark.parametrize("name", sorted(EDITS))
def test_every_kind_of_edit_is_found(tiny, name):
    assert any(is_found(tiny, name, Random(seed)) for seed in range(50))


ON_THE_CLOCK = sorted(
    set(EDITS) - {"a_task_that_is_left_out", "logs_of_one_another", "an_episode_in_place_of_another", "another_seed"}
)


@given(name=st.sampled_from(ON_THE_CLOCK), random=RANDOMS)
@settings(max_examples=60)
def test_the_same_holds_on_the_clock(timed, name, random):
    assume(is_found(timed, name, random))


# ---- What nothing follows from ---------------------------------------------------------------------------------------

Forge = Callable[[Path], tuple[float, float]]
"""Forges a submission in a folder that is valid all the same; the scores before and after."""
UNSEEN: dict[str, list[Forge]] = {}
"""What replay cannot see, in the words of the documentation."""


def unseen(told: str) -> Callable[[Forge], Forge]:
    def kept(forge: Forge) -> Forge:
        UNSEEN.setdefault(told, []).append(forge)
        return forge

    return kept


def entered(folder: Path, task: PlayedTask, track: str = "tiny") -> float:
    return add_task(folder, entrant(track), task).scores.score


def resealed(folder: Path, opened: Opened) -> None:
    assert check(opened.write(folder, sealed=True)).is_valid


def unseen_edit(told: str) -> Callable[[Callable[[Opened], None]], Forge]:
    """A forgery that edits what a submission says, and none of its episodes."""

    def kept(edit: Callable[[Opened], None]) -> Forge:
        @wraps(edit)
        def forge(folder: Path) -> tuple[float, float]:
            before = entered(folder, played(SUM))
            opened = Opened.of(folder)
            edit(opened)
            resealed(folder, opened)
            return before, opened.results[SUM.key]["scores"]["score"]

        return unseen(told)(forge)

    return kept


@unseen("Who wrote the words")
def the_words_of_another(folder):
    before = entered(folder, played(SUM))
    return before, entered(folder, played(SUM, lambda env, agent, _: env.reference_action(agent)))


@unseen("Who wrote the words")
def another_word_somewhere(folder):
    before = entered(folder, played(WORD))
    said = iter(range(10**6))

    def nearly(env: FlexMG, agent: str, _: int) -> str:
        return mixed(env, agent) if next(said) != 7 else "a word that was never said"

    return before, entered(folder, played(WORD, nearly))


@unseen("How often it was played")
def the_best_of_five(folder):
    before = entered(folder, played(WORD))
    tries = [played(WORD, lambda env, agent, _, number=number: mixed(env, agent, number)) for number in range(5)]
    by_instance = zip(*(one.episodes for one in tries), strict=True)
    best = [max(ones, key=lambda one: sum(one.returns.values())) for ones in by_instance]
    return before, entered(folder, replace(tries[0], episodes=best, tokens=[tokens_of(one) for one in best]))


@unseen("How often it was played")
def one_play_handed_in_twice(folder):
    once = played(WORD)
    before = entered(folder, once)
    twice = [one for one in once.episodes for _ in range(2)]
    return before, entered(folder, replace(once, episodes=twice, tokens=[tokens_of(one) for one in twice], plays=2))


@unseen_edit("Who is said to play")
def another_model(opened):
    for player in opened.results[SUM.key]["players"].values():
        player |= {"model": "big/model-70b", "revision": "main", "adapter": None, "weights": "sha256:" + "1" * 64}
        player["sampling"] |= {"temperature": 0.0, "max_new_tokens": None, "stop": ["\n"]}


@unseen_edit("What a model was told besides")
def examples_and_one_agent_for_all(opened):
    opened.results[SUM.key] |= {"few_shot": 9, "solo": "blind"}


@unseen_edit("Tokens")
def fewer_tokens(opened):
    for counts in opened.tokens[SUM.key]:
        counts |= {name: [1] * len(values) for name, values in counts.items()}
    turns = opened.results[SUM.key]["scores"]["turns"]
    opened.results[SUM.key]["scores"] |= {"tokens_in": turns, "tokens_out": turns}


@unseen_edit("Training")
def another_training(opened):
    opened.results[SUM.key]["training"] = {"algorithm": "none that exists", "config": {"x": [1, "y"]}, "tokens": 1}


@unseen_edit("Who enters, when and on what")
def another_entrant(opened):
    said = {"name": "Others", "contact": "", "licence": "MIT", "url": "https://e.org/", "created": "2020-02-29"}
    opened.record |= {**said, "hardware": "a phone", "notes": "none", "suite_version": "9.9"}


@unseen("For which track")
def an_entry_of_a_track_on_the_open_one(folder):
    before = entered(folder, played(PARTY), "timed")
    opened = Opened.of(folder)
    opened.record["track"] = "open"
    resealed(folder, opened)
    return before, opened.results[PARTY.key]["scores"]["score"]


@unseen("What was cut off")
def fewer_characters_dropped(folder):
    before = entered(folder, played(SUM, lambda env, agent, _: "x" * 3000))
    opened = Opened.of(folder)
    for episode in opened.logs[SUM.key]:
        for turn in episode[1:-1]:
            assert turn["shortened"] == 952  # 3,000 - 2,048
            turn["shortened"] = 1
    resealed(folder, opened)
    return before, opened.results[SUM.key]["scores"]["score"]


@unseen("The order of an instance's plays")
def the_right_answer_first(folder):
    """Of two plays of each instance one is right and one is wrong: a tie."""
    both = played(SUM, lambda env, agent, number: env.reference_action(agent) if number else "0", plays=2, vote=True)
    before = entered(folder, both)
    pairs = range(0, len(both.episodes), 2)
    turned = [both.episodes[place + other] for place in pairs for other in (1, 0)]
    return before, entered(folder, replace(both, episodes=turned, tokens=[tokens_of(one) for one in turned]))


KITCHEN = Task("collab/kitchen-v0", "standard", {}, 2)


@unseen("Words that nobody heard")
def other_words_in_a_turn_that_was_cut(folder):
    before = entered(folder, played(KITCHEN, lambda env, agent, _: SCRIPTED_PLAYS["random"](env, agent)), "open")
    opened = Opened.of(folder)
    cuts = [cut for episode in opened.logs[KITCHEN.key] for cut in episode[-1].get("cuts", []) if cut[2]]
    assert cuts
    for cut in cuts:
        cut[2] = cut[2].upper()
    resealed(folder, opened)
    return before, opened.results[KITCHEN.key]["scores"]["score"]


@unseen("Time limits of programs")
def a_wrong_program_that_ran_out_of_time(folder):
    before = entered(folder, played(REPAIR, lambda env, agent, _: "x = 1"), "coded")
    opened = Opened.of(folder)
    for episode in opened.logs[REPAIR.key]:
        assert episode[-1]["measurements"][-1] == [[]]  # on the hidden tests, after the last round
        episode[-1]["measurements"][-1] = [[0]]
        episode[0]["runtime"] = "python 9.9"
    resealed(folder, opened)
    return before, opened.results[REPAIR.key]["scores"]["score"]


MAY_GAIN = ("Who wrote the words", "How often it was played", "The order of an instance's plays")
"""Where a forgery can raise the score: by other words, or by choosing among plays."""


@pytest.mark.parametrize("told", UNSEEN)
def test_a_forgery_that_is_told_of_is_valid_and_gains_nothing_but_by_words_and_their_choice(tmp_path, told):
    gains = []
    for forge in UNSEEN[told]:
        before, after = forge(tmp_path / forge.__name__)
        assert check(tmp_path / forge.__name__).is_valid
        gains.append(after - before)
    assert max(gains) > 0 if told in MAY_GAIN else gains == [0.0] * len(gains)


def test_what_replay_cannot_see_is_what_the_documentation_says():
    _, _, section = README.read_text(encoding="utf-8").partition("## What replay cannot see\n")
    assert re.findall(r"^- \*\*(.+?)\.\*\*", section.partition("\n## ")[0], re.MULTILINE) == list(UNSEEN)


@given(random=RANDOMS)
@settings(max_examples=60)
def test_an_action_that_is_played_again_changes_the_score_or_is_one_that_nobody_can_see(tiny, random):
    """Somebody else's words at one turn, with all that follows from them: valid, and worth what they are worth."""
    task = random.choice((SUM, WORD))
    seeds = seeds_of(SEASON, task)
    place, turn = random.randrange(len(seeds)), random.randrange(2)
    words = random.choice(("", "7", "wait", "x" * 40, "The answer is 12", "\u202e[2J"))
    env = make(task.env_id, task.level, task.options)
    own = played(task)
    said = iter(range(100))
    forged = play(env, lambda agent, _: words if next(said) == turn else mixed(env, agent), seed=seeds[place])
    episodes = [*own.episodes[:place], forged, *own.episodes[place + 1 :]]
    with TemporaryDirectory() as folder:
        before = entered(Path(folder), own)
        after = entered(Path(folder), replace(own, episodes=episodes, tokens=[tokens_of(one) for one in episodes]))
        assert check(Path(folder)).is_valid
    worth = [sum(one.returns.values()) / len(one.returns) for one in (own.episodes[place], forged)]
    assert after - before == pytest.approx((worth[1] - worth[0]) / len(seeds), abs=1e-12)
