"""`check_env`: a good environment keeps every promise, and every grader finds the one that breaks its promise.

1. Everything that is registered passes.
2. Every grader has twins: the same small game with one fault, which it finds and explains.
3. What cannot be checked is refused with the way out.
"""

import re
from collections.abc import Iterator

import pettingzoo
import pytest

import marft_envs
from marft_envs import FlexMG, OptionError, check_env, registry
from marft_envs.check import all_graders
from marft_envs.errors import RegistrationError
from tests.envs import twins
from tests.envs.twins import Parcel


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    """Registers what other processes have to make, for one test."""
    entry_points = {
        "twins/parcel-v0": "tests.envs.twins:Parcel",
        "twins/timed-v0": "tests.envs.twins:Timed",
        "twins/hashes-v0": "tests.envs.twins:FollowsTheHashSeed",
        "twins/otherwise-v0": "tests.envs.twins:make_otherwise_every_time",
    }
    for env_id, entry_point in entry_points.items():
        marft_envs.register(env_id, entry_point)
    yield
    for env_id in entry_points:
        del registry._specs[env_id]
        del pettingzoo.aec_registry[env_id]


OURS = marft_envs.registered_ids()


@pytest.mark.parametrize("env_id", OURS)
def test_everything_that_is_registered_keeps_every_promise(env_id: str) -> None:
    report = check_env(env_id)
    assert report.passed, report
    skipped = {result.name for result in report.results if result.status == "skipped"}
    expected = {"collab": set(), "math": {"talking pays"}, "coding": {"talking pays", "choices are the agent's own"}}
    assert skipped == expected[env_id.partition("/")[0]]


@pytest.mark.parametrize("env_id", ["twins/parcel-v0", "twins/timed-v0"])
def test_a_good_environment_keeps_every_promise(env_id: str) -> None:
    report = check_env(env_id)
    assert report.passed, report
    assert {result.status for result in report.results} == {"passed"}
    assert str(report) == f"{env_id}: all promises kept ({len(all_graders())})"


def test_refusing_a_forged_measurement_keeps_the_promise() -> None:
    report = check_env(twins.RefusesForgedLogs, only=["any measurement is legal"])
    assert report.passed, report


TWINS: list[tuple[str, type[FlexMG] | str, str]] = [
    ("seed control", twins.ForgetsTheSeed, "two plays of seed 0 differ"),
    ("seed control", twins.MeasuresOtherwiseEveryTime, "two plays of seed 0 differ"),
    ("seed control", twins.IgnoresTheSeed, "40 seeds all draw the instance '10001'"),
    ("draws apart", twins.CountsItsDraws, "seed [0-9] of (train|test) with and without the draws before it differ"),
    ("global generators", twins.MovesTheGlobalGenerator, "moved the global generator of `numpy.random`"),
    ("interleaving", twins.SharesWithOtherCopies, "alone and beside another copy differ"),
    ("reset hygiene", twins.RemembersTheLastEpisode, "before and after 1000 resets differ"),
    ("reset hygiene", twins.KeepsEveryEpisode, "500 resets left .* bytes behind"),
    ("order of ready agents", twins.CountsSteps, "ready agents in another order"),
    ("fork", twins.SharesWithItsForks, "goes on otherwise"),
    ("pickling", twins.HoldsAFunction, "pickle"),
    ("replay elsewhere", "twins/hashes-v0", "replay in another process, PYTHONHASHSEED=1: .*ReplayMismatchError"),
    ("PettingZoo api_test", twins.ObservesBareText, "AssertionError"),
    ("PettingZoo seed_test", twins.SpacesFollowNoSeed, "AssertionError"),
    ("PettingZoo render_test", twins.RendersAList, "AssertionError"),
    ("PettingZoo state_test", twins.StateIsNoText, "AssertionError"),
    ("disjoint splits", twins.HasFewInstances, "about [0-9]+ instances in the train split"),
    ("disjoint splits", twins.KeysWithoutMeaning, "the same seed has another instance_key"),
    ("disjoint splits", twins.SharesInstances, "are in both splits"),
    ("spec round trip", "twins/otherwise-v0", "made from its spec, it plays otherwise"),
    ("any text is legal", twins.Raises, "from teller_0 raised ValueError"),
    ("any measurement is legal", twins.TrustsItsLog, "measurement 0, forged as 'forged', raised TypeError"),
    ("liveness", twins.NeverAsksTheAsker, "asker_0 never acted"),
    ("reward range", twins.PaysTooMuch, r"asker_0 got 1.5, outside of reward_range \(0.0, 1.0\)"),
    ("reward range", twins.DeclaresNoRange, r"reward_range is \(0.0, inf\)"),
    ("the reference play is best", twins.ExpectsAnotherAnswer, r"reference play earned asker_0 0.0"),
    ("the reference play is best", twins.HasNoReference, "there is no reference_action"),
    ("the reference play is best", twins.PromisesMoreWelfare, "has the welfare 2.0, and best_welfare is 3.0"),
    ("instances are sound", twins.KnowsOfAFlaw, "seed 0: two of its tests disagree"),
    ("answers can be counted", twins.AnswersANumber, "answer returned [0-9]+; return a text, or None"),
    ("answers can be counted", twins.CountsQuestions, "equal plays have the answers '1' and '2' and '1'"),
    ("answers can be counted", twins.AnswersAndTells, "asking for the answer changed the episode"),
    ("answers can be counted", twins.HasNoRightAnswer, "the reference play has no answer"),
    ("nothing comes for free", twins.PaysForTakingPart, "nothing earns 0.800 on average .* at most 0.700"),
    ("talking pays", twins.TellsEverybodyEverything, "the silent play earns 1.000 and the reference 1.000"),
    ("talking pays", twins.KnowsWhatOthersKnow, "teller_0 was told the same, and its silent play writes"),
    ("bounded steps", twins.TakesLong, "from teller_0 took [0-9.]+ CPU-seconds"),
    ("bounded steps", twins.TakesRoom, "from teller_0 took 200 MiB"),
    ("purity of observing", twins.CountsLooks, "looking at it changed it"),
    ("purity of observing", twins.HandsOutItsOwn, "writing on what it returned, changed texts"),
    ("append-only messages", twins.RewritesHistory, "messages of .* were rewritten"),
    ("dependencies decide who sees what", twins.TellsOneWhatIsAnothers, "teller_0 sees the view of asker_0 in round 1"),
    (
        "dependencies decide who sees what",
        twins.RepeatsWordsToEverybody,
        "asker_0 sees the words of teller_0 in round 0",
    ),
    ("dependencies decide who sees what", twins.KeepsWordsFromOne, "asker_0 does not see the words of teller_0"),
    ("choices are the agent's own", twins.OffersMoreEveryRound, "asker_0 chooses from 3 texts, and from 2 before"),
    ("choices are the agent's own", twins.OffersNoList, "asker_0 chooses from 'yes or no', which is no list of texts"),
    ("choices are the agent's own", twins.OffersTheAnswer, "teller_0 was told and wrote the same, and where one list"),
    ("choices are the agent's own", twins.OffersTheAnswerFirst, "the text at place 0 at every turn earns 1.000"),
    ("choices are the agent's own", twins.OffersOneNothing, "teller_0 have no choices, and the others have some"),
    ("authorship", twins.RepeatsWordsUnquoted, "reads an agent's words as the environment's"),
]


@pytest.mark.parametrize(("name", "faulty", "found"), TWINS, ids=[f"{name}: {twin}" for name, twin, _ in TWINS])
def test_every_grader_finds_its_faulty_twin(name: str, faulty: type[FlexMG] | str, found: str) -> None:
    (result,) = check_env(faulty, only=[name]).results
    assert result.status == "failed"
    assert re.search(found, result.message), result.message


def test_no_grader_is_without_a_twin() -> None:
    assert {name for name, _, _ in TWINS} == {one.name for one in all_graders()}


def test_every_grader_says_why_and_what_to_do() -> None:
    for one in all_graders():
        assert one.why, one.name
        assert one.fix, one.name
        assert one.run.__doc__, one.name


def test_a_report_tells_every_broken_promise_with_its_way_out() -> None:
    report = check_env(twins.PaysTooMuch, only=["reward range", "liveness"])
    assert not report.passed
    (failure,) = report.failures
    first, *lines = str(report).splitlines()
    assert first == "PaysTooMuch: 1 of 2 promises broken"
    assert lines == [
        f"- reward range: {failure.message}",
        f"  why: {failure.why}",
        f"  way out: {failure.fix}",
    ]


def test_an_environment_can_be_named_in_four_ways() -> None:
    made = marft_envs.make("twins/parcel-v0")
    for named in ("twins/parcel-v0", made, made.spec, "tests.envs.twins:Parcel", Parcel):
        assert check_env(named, only=["liveness"]).passed


@pytest.mark.parametrize(
    ("env", "arguments", "error", "message"),
    [
        ("twins/parcl-v0", {}, LookupError, "did you mean 'twins/parcel-v0'"),
        ("twins/parcel-v0", {"only": ["livenes"]}, OptionError, "no grader 'livenes'; there are: seed control, "),
        ("twins/parcel-v0", {"options": {"horizn": 1}}, OptionError, "no option 'horizn'; did you mean 'horizon'"),
        (Parcel(), {}, RegistrationError, "made by calling its class.*give check_env the class"),
        ("tests.foreign_env:Echo", {}, RegistrationError, "is no FlexMG class"),
        ("tests.no_such_module:Echo", {}, RegistrationError, "cannot import 'tests.no_such_module:Echo'"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_the_way_out(
    env: object, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_env(env, **arguments)
