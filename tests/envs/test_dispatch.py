"""collab/dispatch-v0, played by hand."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from statistics import fmean

import pytest

import marft_envs
from marft_envs import Dependencies, FlexMG, Profile
from marft_envs.collab import dispatch
from marft_envs.collab.dispatch import COST
from marft_envs.collab.worlds.dispatch import KINDS, LEVELS, OWNERS, THINGS
from marft_envs.errors import TeamFileError
from marft_envs.grading.choices import named_choices

EXPERTS = ("ada_0", "bob_0", "cleo_0", "dan_0")
NUM_EPISODES = 400


def reset(seed: int = 1, **options: object) -> FlexMG:
    env = marft_envs.make("collab/dispatch-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=seed)
    return env


def knows(env: FlexMG) -> str:
    """The role of whoever knows what is asked for."""
    return next(expert for expert in EXPERTS if env.question.kind in env.world.books[expert]).partition("_")[0]


def answer(env: FlexMG) -> str:
    return next(
        books[env.question.kind][env.question.item] for books in env.world.books.values() if env.question.kind in books
    )


def others(env: FlexMG) -> list[str]:
    return [expert.partition("_")[0] for expert in EXPERTS if not expert.startswith(knows(env))]


def test_the_right_expert_s_right_answer_earns_everybody_1() -> None:
    env = reset()
    env.step(f"call: {knows(env)}")
    env.step(f"Let me see.\nIt is {answer(env)}.")
    assert env.terminated
    assert set(env.episode().returns.values()) == {1.0}
    assert env.info == {"routed": 1.0, "answered": 1.0, "called": 1.0}


def test_whom_the_orchestrator_calls_acts_next_and_nobody_else_does() -> None:
    env = reset()
    assert env.dependencies == Dependencies(["orchestrator_0"])
    env.step("call: dan, bob")
    assert env.dependencies == Dependencies.together(["bob_0", "dan_0"])
    assert set(env.ready) == {"bob_0", "dan_0"}


def test_a_called_expert_hears_the_orchestrator_and_is_told_what_it_knows_and_not_the_question() -> None:
    env = reset()
    env.step("call: bob, what about the lamp?")
    told = env.observe("bob_0")["text"]
    assert "orchestrator_0:\n> call: bob, what about the lamp?" in told
    assert env.question.text not in told
    assert all(f"{item} costs" in told for item in env.world.items)


def test_a_wrong_answer_earns_nothing() -> None:
    env = reset()
    env.step(f"call: {knows(env)}")
    env.step(next(value for value in KINDS[env.question.kind].values if value != answer(env)))
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"routed": 1.0, "answered": 0.0, "called": 1.0}


def test_an_answer_that_names_several_values_states_none() -> None:
    env = reset()
    env.step(f"call: {knows(env)}")
    env.step(" or ".join(KINDS[env.question.kind].values))
    assert set(env.episode().returns.values()) == {0.0}


def test_what_another_expert_guesses_does_not_count() -> None:
    env = reset()
    env.step(f"call: {others(env)[0]}")
    env.step(answer(env))
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"routed": 0.0, "answered": 0.0, "called": 1.0}


@pytest.mark.parametrize(("num_others", "earned"), [(1, 0.5), (2, 0.0), (3, 0.0)])
def test_every_expert_called_besides_costs_half(num_others: int, earned: float) -> None:
    env = reset()
    env.step(f"call: {', '.join([knows(env), *others(env)[:num_others]])}")
    while env.ready:
        env.step(answer(env))
    assert set(env.episode().returns.values()) == {earned}
    assert env.info == {"routed": 0.0, "answered": 1.0, "called": num_others + 1.0}


@pytest.mark.parametrize("words", ["", "What?", "done", "call: nobody", "call: done"])
def test_a_call_to_nobody_loses_the_question_and_only_its_author_is_told(words: str) -> None:
    env = reset(level="standard")
    first = env.question
    env.step(words)
    assert env.dependencies == Dependencies(["orchestrator_0"])
    assert env.question is env.world.questions[1] is not first
    told = env.observe("orchestrator_0")["text"]
    assert "judge: You called nobody, so that question is lost." in told
    assert env.question.text in told
    env.step("call: ada")
    assert "judge" not in env.observe("ada_0")["text"]


def test_an_orchestrator_that_never_calls_ends_the_episode_with_nothing() -> None:
    env = reset(level="standard")
    for _ in range(6):
        env.step("I do not know.")
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"routed": 0.0, "answered": 0.0, "called": 0.0}


def test_each_question_pays_its_part_and_the_answer_to_one_is_none_to_the_next() -> None:
    env = reset(level="standard")
    env.step(env.reference_action("orchestrator_0"))
    env.step(answer(env))
    for _ in range(5):
        env.step(f"call: {knows(env)}")
        env.step("I do not know.")
    assert env.episode().returns["ada_0"] == pytest.approx(1 / 6)
    assert env.info == pytest.approx({"routed": 1.0, "answered": 1 / 6, "called": 1.0})


def test_an_expert_is_told_what_it_knows_once() -> None:
    env = reset(level="standard")
    for _ in range(2):
        env.step("call: ada")
        env.step("Hm.")
    told = env.observe("ada_0")["text"]
    assert told.count(env.world.items[0]) == 1
    assert told.count("Otherwise reply with only the answer.") == 2


def test_easy_has_the_same_experts_in_every_episode_and_the_others_do_not() -> None:
    dealt = {
        level: {str({e: [*reset(seed, level=level).world.books[e]] for e in EXPERTS}) for seed in range(20)}
        for level in LEVELS
    }
    assert len(dealt["easy"]) == 1
    assert len(dealt["standard"]) > 10
    assert len(dealt["hard"]) > 10


@pytest.mark.parametrize(("level", "num_kinds"), [("easy", 4), ("standard", 4), ("hard", 8)])
def test_every_kind_is_known_to_one_of_four_experts(level: str, num_kinds: int) -> None:
    env = reset(level=level)
    assert sorted(kind for books in env.world.books.values() for kind in books) == sorted([*KINDS][:num_kinds])


def test_hard_questions_do_not_name_what_they_ask_for_and_name_the_item() -> None:
    for seed in range(30):
        for question in reset(seed, level="hard").world.questions:
            assert named_choices(question.text, [*KINDS]) == []
            assert question.item in question.text


@pytest.mark.parametrize("level", LEVELS)
def test_no_two_facts_of_a_kind_have_one_value(level: str) -> None:
    for seed in range(20):
        for books in reset(seed, level=level).world.books.values():
            for book in books.values():
                assert len(book) == len(set(book.values())) == LEVELS[level].num_items


def test_there_are_enough_questions_for_a_split() -> None:
    assert len(set(OWNERS)) * len(set(THINGS)) * 4 == 12_000


def test_one_question_has_one_key_whatever_the_answer_and_whoever_knows() -> None:
    assert reset(level="easy").instance_key() == f"{reset().question.kind} of {reset().question.item}"
    env = reset(level="standard")
    assert env.instance_key().split(" | ") == sorted(f"{q.kind} of {q.item}" for q in env.world.questions)


def test_a_reference_expert_answers_only_what_it_was_asked() -> None:
    env = reset(level="standard")
    env.step(f"call: {knows(env)}")  # and no word about the question
    expert = env.agent_selection
    assert env.reference_action(expert) == env.world.books[expert][env.question.kind][env.world.items[0]]
    env = reset(level="standard")
    env.step(f"call: {others(env)[0]}\n{env.question.text}")
    expert = env.agent_selection
    assert env.reference_action(expert) == f"I only know the {next(iter(env.world.books[expert]))}."


def test_teams_of_eight_experts_share_kinds_at_hard() -> None:
    team = (Profile("orchestrator"), *(Profile(f"expert{name}", answers=True) for name in "abcdefgh"))
    env = reset(team=team, level="hard")
    known = [kind for books in env.world.books.values() for kind in books]
    assert sorted(known) == sorted([*KINDS] * 2)
    assert all(len(books) == 2 for books in env.world.books.values())
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=3)
    assert episode.returns["orchestrator_0"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "team",
    [
        [Profile("boss"), Profile("ada", answers=True)],
        [Profile("boss"), Profile("ada", answers=True), Profile("ada", answers=True)],
        [Profile("boss"), *(Profile(role, answers=True) for role in ("ada", "ada", "bob"))],
        [Profile("boss"), Profile("ada", answers=True), Profile("bob")],
        [Profile("boss", answers=True), Profile("ada", answers=True), Profile("bob", answers=True)],
        [Profile("boss"), *(Profile(f"e{number}", answers=True) for number in range(9))],
    ],
)
def test_other_teams_are_refused(team: list[Profile]) -> None:
    with pytest.raises(TeamFileError, match="two to 8 experts"):
        reset(team=tuple(team))


# ---- What silence earns, and what finding out does


SILENT = {"easy": Fraction(1, 2), "standard": Fraction(1, 16), "hard": Fraction(1, 48)}


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_bound_is_exact(level: str) -> None:
    """Who is called follows from the question, a silent expert's answer from its own book: all such pairs are tried.

    Expert i knows the kinds `dealt[i]`. For symmetry one expert's guess (a kind it knows, an item) stands for all.
    """
    row = LEVELS[level]
    num_facts = row.num_known * row.num_items
    best = Fraction(0)
    for num_called in range(1, 5):
        worth = max(1 - Fraction(COST) * (num_called - 1), Fraction(0))
        among = 4 if row.is_drawn else 1  # as likely to know; at easy it is known who does, and the others add nothing
        best = max(best, worth * Fraction(min(num_called, among), among) / num_facts)
    assert best == SILENT[level]
    assert f"{level} {round(float(best), 4):g}" in (dispatch.__doc__ or "")


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_the_bound(level: str) -> None:
    env = reset(level=level)
    earned = [
        marft_envs.play(env, lambda agent, messages: env.silent_action(agent), seed=seed).returns["ada_0"]
        for seed in range(NUM_EPISODES)
    ]
    bound = float(SILENT[level])
    error = (bound * (1 - bound) / (NUM_EPISODES * LEVELS[level].num_questions)) ** 0.5
    assert fmean(earned) == pytest.approx(bound, abs=4 * error)


@cache
def best_without_knowing(unheard: int, left: int) -> Fraction:
    """What the best orchestrator earns with the next questions, having heard from all experts but so many.

    Each of 4 experts is as likely to know the next question, and who has been heard is known. Any number is called:
    one who knows if there is one, and any of those who have not been heard, of whom each is as good as another.
    """
    if left == 0 or unheard <= 1:  # the last one is known without being heard
        return Fraction(left)
    worth = [max(1 - Fraction(COST) * besides, Fraction(0)) for besides in range(5)]
    known = max(worth[more] + best_without_knowing(unheard - more, left - 1) for more in range(unheard + 1))
    unknown = max(
        Fraction(more, unheard) * worth[max(more - 1, 0)] + best_without_knowing(unheard - more, left - 1)
        for more in range(unheard + 1)
    )
    return Fraction(4 - unheard, 4) * known + Fraction(unheard, 4) * unknown


@pytest.mark.parametrize(("level", "told"), [("standard", "5/6"), ("hard", "11/12")])
def test_the_docstring_tells_what_finding_out_earns(level: str, told: str) -> None:
    num_questions = LEVELS[level].num_questions
    assert best_without_knowing(4, num_questions) / num_questions == Fraction(told)
    assert f"{told} at the level {level}" in (dispatch.__doc__ or "").replace("\n", " ").replace(
        "at hard", "at the level hard"
    )


def explorer() -> Callable[[FlexMG, str], str]:
    """Calls who has said that it knows, else three who have not been heard; knows nothing but what was said."""
    heard: dict[str, str] = {}

    def play(env: FlexMG, agent: str) -> str:
        if agent != "orchestrator_0":
            kind = next(iter(env.world.books[agent]))
            asked = f"{kind} of" in env.observe(agent)["text"].rpartition("> call:")[2]
            heard[kind] = agent
            return env.reference_action(agent) if asked else f"I only know the {kind}."
        kind = env.question.text.split()[3]
        free = [expert for expert in EXPERTS if expert not in heard.values()]
        return f"call: {heard.get(kind) or ', '.join(free[:3])}\n{env.question.text}"

    return play


def test_finding_out_by_words_earns_what_the_best_can() -> None:
    env = reset(level="standard")
    for seed in range(50):
        style = explorer()
        env.reset(seed=seed)
        while env.ready:
            env.step(style(env, env.agent_selection))
        assert env.episode().returns["ada_0"] == pytest.approx(5 / 6)


def test_who_names_one_fact_of_each_kind_that_it_knows_answers_nothing() -> None:
    env = reset(level="hard")
    book = env.world.books[f"{knows(env)}_0"]
    env.step(f"call: {knows(env)}")
    others = [next(iter(facts.values())) for kind, facts in book.items() if kind != env.question.kind]
    guess = f"{answer(env)} {others[0]}"
    assert not env.gradable(env.agent_selection, guess)
    env.step(guess)
    assert env.info["answered"] == 0
