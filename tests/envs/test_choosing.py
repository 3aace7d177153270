"""What learners without language choose from: `FlexMG.choices`, and the view that makes numbers of it.

That lists know no more than their agents, and that no place gives the answer away, is what `check_env` looks for.

1. Whoever chooses well earns what the reference does.
2. Levels with too much to choose from say so.
3. By hand, where the sum can be seen.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import marft_envs
from marft_envs import DiscreteChoiceView, FlexMG, OptionError
from marft_envs.collab.worlds.taboo import forbidden_in
from marft_envs.collab.worlds.words import WORDS
from marft_envs.hooks import MOST_CHOICES, SILENCE, filled
from marft_envs.math.arithmetic import LEVELS, draw
from tests.envs.twins import Parcel

NUM_EPISODES = 10
LARGE = {("collab/maze_guide-v0", "standard"): {"horizon": 10}, ("collab/maze_guide-v0", "hard"): {"horizon": 16}}
"""Step by step the way takes more rounds than by default."""


def made(env_id: str, level: str) -> FlexMG:
    env = marft_envs.make(env_id, level=level, **LARGE.get((env_id, level), {}))
    assert isinstance(env, FlexMG)
    env.reset(seed=0)
    return env


def with_choices() -> Iterator[tuple[str, str]]:
    for env_id in marft_envs.registered_ids():
        for level in marft_envs.make(env_id).levels:
            try:
                env = made(env_id, level)
                env.choices(env.agent_selection)
            except NotImplementedError:
                continue
            yield env_id, level


CHOSEN = list(with_choices())


def well_chosen(env: Any, agent: str) -> str:
    """What the reference writes if it is offered, or else what is worth as much."""
    texts, reference = env.choices(agent), env.reference_action(agent)
    if reference in texts:
        return reference
    *_, command = reference.splitlines()  # a scout or a cook may also tell something before it
    by_name: dict[str, Callable[[], str]] = {
        "reason_act_v0": lambda: str(env.problem.answer),
        "pipeline_v0": lambda: env.task.boxed,
        "guess_word_v0": lambda: f"It is a kind of {env.secret.category}.",
        "commons_v0": lambda: f"My spring holds {env.springs.barrels[env.round // 2, place]} full barrels.",
        "maze_guide_v0": lambda: reference.partition(", ")[0],
        "search_party_v0": lambda: command if command in texts else texts[1],
        "kitchen_v0": lambda: command if command in texts else texts[1],
    }
    place = env.possible_agents.index(agent)
    return by_name[env.metadata["name"]]()


@pytest.mark.parametrize(("env_id", "level"), CHOSEN)
def test_whoever_chooses_well_earns_what_the_reference_earns(env_id: str, level: str) -> None:
    env, other = made(env_id, level), made(env_id, level)
    for seed in range(NUM_EPISODES):
        env.reset(seed=seed)
        while env.ready:
            agent = env.agent_selection
            text = well_chosen(env, agent)
            assert text in env.choices(agent)
            env.step(text)
        best = marft_envs.play(other, lambda agent, messages: other.reference_action(agent), seed=seed)
        assert env.episode().returns == pytest.approx(best.returns)


@pytest.mark.parametrize(("env_id", "level"), CHOSEN)
def test_there_are_no_more_than_can_be_tried(env_id: str, level: str) -> None:
    env = made(env_id, level)
    while env.ready:
        texts = env.choices(env.agent_selection)
        assert 1 <= len(texts) <= MOST_CHOICES
        env.step(texts[0])


def test_every_environment_but_those_for_programs_has_choices_at_its_easiest_level() -> None:
    found = dict(reversed(CHOSEN))
    ours = [env_id for env_id in marft_envs.registered_ids() if not env_id.startswith("coding/")]
    assert found == {env_id: marft_envs.make(env_id).levels[0] for env_id in ours}


@pytest.mark.parametrize(
    ("env_id", "options", "why"),
    [
        ("collab/sum_relay-v0", {"level": "hard"}, "holder_1 has 9,991 sums to choose from, and 1,000 are the most"),
        ("collab/jigsaw-v0", {"level": "hard"}, "there are 40,320 rows to choose from, and 1,000 are the most"),
        ("collab/guess_word-v0", {"level": "standard"}, "a hint has to tell words of one kind apart"),
        ("collab/trip-v0", {"level": "standard"}, "what can be said follows from what tools answer"),
        ("collab/search_party-v0", {"level": "hard"}, "there are 900 codes for every room to choose from"),
        ("collab/kitchen-v0", {"level": "hard"}, "cooks have to agree on what is chopped for which order"),
        ("coding/write_repair-v0", {}, "WriteRepair has no choices for 'coder_0'"),
    ],
)
def test_a_level_without_choices_says_so(env_id: str, options: dict[str, object], why: str) -> None:
    env = marft_envs.make(env_id, **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=0)
    with pytest.raises(NotImplementedError, match=why):
        env.choices(env.agent_selection)
    with pytest.raises(OptionError, match=f"has no choices: .*{why}"):
        marft_envs.own_choices(env, env.agent_selection)


def test_a_source_whose_answers_nobody_knows_has_no_choices(tmp_path: Any) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"question": "How many?", "answer": "3"}\n{"question": "How much?", "answer": "4"}\n')
    env = marft_envs.make("math/pipeline-v0", source="jsonl", data=str(path))
    assert isinstance(env, FlexMG)
    env.reset(seed=0)
    with pytest.raises(NotImplementedError, match="the source 'jsonl' does not say what all answers can be"):
        env.choices("reasoner_0")


# --- By hand ---


def test_a_view_chooses_from_the_environments_own_texts_by_default() -> None:
    view = DiscreteChoiceView(Parcel())
    view.reset(seed=1)
    assert view.texts("asker_0") == [view.flex_mg.number, "nothing"]
    assert [view.action_space(agent).n for agent in ("asker_0", "teller_0")] == [2, 3]
    view.step(0)
    view.step(2)
    assert [turn.action for turn in view.flex_mg.turns] == [view.flex_mg.number, "90000"]


def test_a_view_of_an_environment_without_choices_wants_texts() -> None:
    with pytest.raises(OptionError, match="has no choices of its own; give texts for its agents"):
        DiscreteChoiceView(marft_envs.make("coding/write_repair-v0"))
    assert DiscreteChoiceView(marft_envs.make("coding/write_repair-v0"), ["pass"]).action_space("coder_0").n == 1


def test_the_last_holder_chooses_its_own_sum_and_any_that_may_come_before() -> None:
    env: Any = made("collab/sum_relay-v0", "easy")
    (first,), (second,) = env.numbers.values()
    assert env.choices("holder_0") == [str(first), SILENCE]
    env.step(str(first))
    texts = env.choices("holder_1")
    # One of 10, 20, …, 9990 stands before it: 999 sums, and the k-th is its own number and 10 k.
    assert len(texts) == 999
    assert (texts[0], texts[-1], texts[first // 10 - 1]) == (str(second + 10), str(second + 9990), str(first + second))


def test_choices_that_are_fewer_now_are_filled_up_with_the_last() -> None:
    assert filled(["a", "b"], 4) == ["a", "b", "b", "b"]
    commons = made("collab/commons-v0", "easy")
    talk = commons.choices("villager_0")
    assert talk == [*(f"My spring holds {number} full barrels." for number in (0, 1, 2)), SILENCE]
    for _ in commons.possible_agents:
        commons.step(SILENCE)
    assert commons.choices("villager_0") == ["0", "1", "2", "2"]


def test_no_kind_of_thing_is_a_forbidden_word() -> None:
    for kind, words in WORDS.items():
        for each in words:
            assert forbidden_in(f"It is a kind of {kind}.", [each.word, *each.taboo]) is None, each.word


ENDS = {
    "one_digit": ("0 + 0", "9 + 9"),
    "add_digit": ("10 + 1", "99 + 9"),
    "add_digit_long": ("100 + 1", "999 + 9"),
    "two_digit": ("10 + 10", "99 + 99"),
    "signed": ("10 - 99", "99 + 99"),
    "three_terms": ("10 - 99 - 99", "99 + 99 + 99"),
    "expression": ("10 - (20 + 20) * 9", "(20 + 20) * 9 + 99"),
}


@pytest.mark.parametrize("level", LEVELS)
def test_the_answers_of_a_level_reach_from_the_least_to_the_greatest(level: str) -> None:
    answers = LEVELS[level].answers
    assert (answers[0], answers[-1]) == tuple(map(eval, ENDS[level]))
    rng = np.random.default_rng(0)
    assert all(draw(level, rng).answer in answers for _ in range(1_000))
