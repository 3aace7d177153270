"""Verdicts about programs: which outputs are the same, and what each way of failing counts as. None is run here."""

import json
import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marft_envs.errors import OptionError
from marft_envs.grading.outputs import PROPERTIES, property_named, same_output, same_text
from marft_envs.grading.programs import CallTest, Rules, StdioTest
from marft_envs.grading.verdicts import judge, judge_all
from marft_envs.sandbox.jail.plain import MAX_DEPTH, NotPlainError, decode, encode
from marft_envs.sandbox.runs import Calls, Limits, NotPlain, Raised, Returned, Run, Script

EXACT = Rules()
CLOSE = Rules(tolerance=1e-6)
JSON = Rules(tuples_are_lists=True)

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(max_size=8)
)
KEYS = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
        | st.frozensets(KEYS, max_size=3)
    ),
    max_leaves=12,
)
RULES = st.sampled_from([EXACT, CLOSE, JSON])


def nested(depth, inner=0):
    for _ in range(depth):
        inner = [inner]
    return inner


# ---- values


@given(PLAIN, RULES)
@example({math.nan: 1, float("nan"): 2}, EXACT)
@example({(0,), (False,), "", None, ()}, CLOSE)
def test_whatever_comes_back_as_it_was_is_the_same(value, rules):
    assert same_output(value, value, rules)
    assert same_output(decode(encode(value)), value, rules)


@given(PLAIN, PLAIN, RULES)
def test_any_two_values_can_be_compared_in_either_order(one, other, rules):
    assert isinstance(same_output(one, other, rules), bool)
    if rules.tolerance == 0:
        assert same_output(one, other, rules) == same_output(other, one, rules)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (3.0, 3),
        (3, 3.0),
        (-0.0, 0),
        (math.nan, -math.nan),
        ([1.0, (2,)], [1, (2.0,)]),
        ({"a": {1}, 2.0: None}, {2: None, "a": {1.0}}),
        ({frozenset({(1, True)})}, {frozenset({(1.0, True)})}),
        (10**400, 10**400),
    ],
)
def test_these_are_the_same(got, expected):
    assert same_output(got, expected, EXACT)


@pytest.mark.parametrize("rules", [EXACT, CLOSE])
@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1),
        (0, False),
        (1.0, True),
        (None, 0),
        (3, 3 + 0j),
        ("3", 3),
        ("a", "a "),
        (b"a", "a"),
        ([1], (1,)),
        ((1,), [1]),
        ([1, 2], [1]),
        ([], None),
        ([True], [1]),
        ({True: "x"}, {1: "x"}),
        ({1: "x"}, {1: "y"}),
        ({1: "x"}, {2: "x"}),
        ({1}, {True}),
        ({(1,)}, {(True,)}),
        ({1}, frozenset({1})),
        ({frozenset({0})}, {frozenset({False})}),
        ({1, 2}, {1}),
        ([], {}),
        (set(), {}),
        (math.inf, -math.inf),
        (math.nan, 0.0),
        (10**400, math.inf),
        (10**400, 1e308),
    ],
)
def test_these_are_not_the_same(got, expected, rules):
    assert not same_output(got, expected, rules)


@pytest.mark.parametrize(
    ("got", "expected", "is_same"),
    [
        (1.0000009, 1.0, True),
        (1.0000011, 1.0, False),
        (9e-7, 0.0, True),  # absolutely
        (1.1e-6, 0, False),
        (1e9 + 900, 1e9, True),  # relative to 1e9: up to 1000
        (1e9 + 1100, 1e9, False),
        (3, 3.0000001, True),
        (10**9 + 1, 10**9, False),  # two ints are exact
        ([0.1 + 0.2, {"a": (0.3,)}], [0.3, {"a": (0.1 + 0.2,)}], True),
        ({0.1 + 0.2, 1.0}, {1.0, 0.3}, True),
        ({(0.1 + 0.2, "a")}, {(0.3, "a")}, True),
        ({(0.1 + 0.2, "a")}, {(0.3, "b")}, False),
        ({0.3, 0.4}, {0.3, 0.5}, False),
        (1 + 1e-7j, 1 + 0j, True),
        (1 + 1e-5j, 1 + 0j, False),
        (math.inf, 1e308, False),
        (math.nan, 1.0, False),
    ],
)
def test_a_tolerance_is_absolute_or_relative_reaches_inside_and_can_fail(got, expected, is_same):
    assert same_output(got, expected, CLOSE) is is_same


def test_in_a_set_each_item_stands_for_one():
    assert not same_output({0.3 + 5e-10, 0.9}, {0.3, 0.3 + 1e-9}, CLOSE)
    assert same_output({1.5, 9.5}, {8, 1}, Rules(tolerance=1.0))  # 1.5 is for 1, although 8 would take it, too
    assert same_output({9.5, 1.5}, {1, 8}, Rules(tolerance=1.0))


def test_without_a_tolerance_floats_have_to_be_equal():
    assert not same_output(0.1 + 0.2, 0.3, EXACT)
    assert not same_output({0.1 + 0.2}, {0.3}, EXACT)
    assert not same_output(2**53 + 1, float(2**53), EXACT)  # converting the int would make them equal


def test_tuples_are_lists_only_where_the_rules_say_so():
    assert same_output([(1, (2,))], [[1, [2]]], JSON)
    assert not same_output([(1, (2,))], [[1, [2]]], EXACT)
    assert not same_output((1, 2), [1, 3], JSON)


def test_nests_are_compared_as_deep_as_they_can_come_back_and_deeper_ones_differ():
    assert same_output(nested(MAX_DEPTH), nested(MAX_DEPTH), EXACT)
    assert not same_output(nested(MAX_DEPTH, 1), nested(MAX_DEPTH, 2), CLOSE)
    assert not same_output(nested(100_000), nested(100_000), EXACT)


def test_large_outputs_are_compared_in_a_moment():
    deep = frozenset()
    for number in range(40):
        deep = frozenset({deep, (deep, number)}) if number < 8 else frozenset({deep})
    many = {(number / 7, number) for number in range(20_000)}
    began = time.process_time()
    assert not same_output({deep}, {frozenset({deep})}, CLOSE)
    assert not same_output(many, {(1.0, 2)}, CLOSE)
    assert same_output(many, set(many), CLOSE)
    assert time.process_time() - began < 3


def test_an_object_that_claims_to_be_equal_is_not():
    class Equal(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    assert not same_output(Equal(1), 1, EXACT)
    assert not same_output(Equal(1), Equal(1), EXACT)


WRITTEN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["0x1p9999", "f" * 9]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ifbctdszx"), inner, max_size=1),
    max_leaves=8,
)


@given(WRITTEN.map(lambda written: json.dumps(written).encode()) | st.binary())
@example(b'{"f":"0x1p100000"}')
@example(b'{"c":["0x1p100000","0"]}')
@example(b'{"t":' * 100_000)
@example(b"9" * 100_000)
def test_whatever_a_program_writes_is_plain_data_or_refused(written):
    try:
        value = decode(written)
    except NotPlainError:
        return
    assert same_output(value, value, EXACT)


# ---- text


@pytest.mark.parametrize(
    ("printed", "expected", "is_same"),
    [
        ("7\n", "7", True),
        ("7  \r\n8\t\n\n\n", "7\n8", True),
        ("", "\n", True),
        ("7", "8", False),
        ("7\n8", "7", False),
        ("7", "7\n8", False),
        ("7\n\n8", "7\n8", False),
        ("\n7", "7", False),
        (" 7", "7", False),
        ("7.0", "7", False),
        ("1  2", "1 2", False),
        ("7\x007", "7", False),
    ],
)
def test_text_is_compared_line_by_line_without_what_nobody_sees(printed, expected, is_same):
    assert same_text(printed, expected, EXACT) is is_same


@pytest.mark.parametrize(
    ("printed", "expected", "is_same"),
    [
        ("x 0.3000000001", "x  0.3", True),
        ("0.31", "0.3", False),
        ("y 0.3", "x 0.3", False),
        ("3", "3.0", True),
        ("1000000001", "1000000000", False),  # two whole numbers are exact
        ("1_0.0", "10.0", False),
        ("٣.0", "3.0", False),
        ("nan", "0.5", False),
        ("inf", "1e308", False),
        ("1 2", "1", False),
        ("9" * 250_000, "9.5", False),
    ],
)
def test_with_a_tolerance_words_are_compared_as_numbers_where_both_are(printed, expected, is_same):
    assert same_text(printed, expected, CLOSE) is is_same


@given(st.text(), st.text(), RULES)
def test_any_text_can_be_compared(one, other, rules):
    assert same_text(one, one, rules)
    assert same_text(one, other, rules) == same_text(other, one, rules) or rules.tolerance > 0


# ---- properties


def test_a_zero_of_a_polynomial_is_one_that_makes_it_almost_zero():
    find_zero = PROPERTIES["find_zero"]
    assert find_zero(([-6, 11, -6, 1],), 3)  # -6 + 33 - 54 + 27 = 0
    assert find_zero(([-6, 11, -6, 1],), 1.00001)  # 2 * 0.00001, about
    assert not find_zero(([-6, 11, -6, 1],), 1.001)  # 2 * 0.001, about
    assert not find_zero(([-6, 11, -6, 1],), 4)


@given(st.lists(PLAIN, max_size=2).map(tuple), PLAIN)
@example(([0],), math.nan)
@example(([0],), math.inf)
@example(([0, 0],), True)
@example(([1, 1],), 10**400)
@example(([1, 1, 1],), 1e308)
@example(([10**400],), 1.0)
def test_a_property_of_anything_is_true_or_false(arguments, got):
    for holds in PROPERTIES.values():
        assert isinstance(holds(arguments, got), bool)
        if type(got) is bool or (isinstance(got, float) and not math.isfinite(got)):
            assert not holds(arguments, got)


def test_an_unknown_property_is_named_with_those_there_are():
    with pytest.raises(OptionError, match=r"'find_one'.*find_zero"):
        property_named("find_one")
    with pytest.raises(OptionError, match="find_one"):
        judge("", "f", [CallTest((1,), 1)], Rules(property="find_one"), sandbox=Played([]))


# ---- verdicts, of runs made by hand


class Played:
    """Stands in for the sandbox: has its runs ready, and keeps the jobs."""

    def __init__(self, runs):
        self.runs = list(runs)
        self.jobs = []
        self.limits = []

    def run_all(self, jobs, limits):
        self.jobs += jobs
        self.limits.append(limits)
        return [self.runs.pop(0) for _ in jobs]


DOUBLE = [CallTest((number,), 2 * number) for number in (1, 2, 3)]
ECHO = [StdioTest("1\n", "1\n"), StdioTest("2\n", "2\n")]


def values(*got):
    return tuple(Returned(value) for value in got)


def reasons(verdict):
    return [result.reason for result in verdict.results]


def of_run(run, tests=DOUBLE, rules=EXACT, **kwargs):
    return judge("def f(n): …", "f", tests, rules, sandbox=Played([run]), **kwargs)


def test_all_calls_are_one_job_and_every_script_is_its_own():
    sandbox = Played([Run("finished", values(2, 4)), Run("finished", printed="1"), Run("finished", printed="2")])
    tests = [ECHO[0], DOUBLE[0], ECHO[1], DOUBLE[1]]
    limits = Limits(cpu_s=7)
    verdict = judge("…", "f", tests, EXACT, sandbox=sandbox, limits=limits)
    assert sandbox.jobs == [Calls("…", "f", ((1,), (2,))), Script("…", "1\n"), Script("…", "2\n")]
    assert sandbox.limits == [limits]
    assert verdict.passed
    assert [result.test for result in verdict.results] == tests


def test_what_is_expected_does_not_go_into_the_sandbox():
    sandbox = Played([Run("finished", values(1)), Run("finished")])
    judge("…", "f", [CallTest((1,), "a secret"), StdioTest("1", "a secret")], EXACT, sandbox=sandbox)
    assert "a secret" not in repr(sandbox.jobs)


def test_a_program_passes_if_it_passes_every_test():
    verdict = of_run(Run("finished", values(2, 4, 6)))
    assert verdict.passed
    assert verdict.share == 1.0
    assert verdict.failures == ()
    assert reasons(verdict) == ["passed"] * 3


def test_each_outcome_counts_as_what_it_is():
    verdict = of_run(Run("finished", (Returned(3), Raised("ValueError"), NotPlain("generator"))))
    assert reasons(verdict) == ["wrong", "raised", "not plain"]
    assert [(result.got, result.traceback) for result in verdict.results] == [
        (3, ""),
        (None, "ValueError"),
        ("generator", ""),
    ]
    assert verdict.share == 0.0
    assert len(verdict.failures) == 3


def test_the_share_is_that_of_the_tests_that_passed():
    assert of_run(Run("finished", values(2, 0, 6))).share == 2 / 3


@pytest.mark.parametrize("ending", ["exited", "time", "memory", "output", "crashed"])
def test_a_call_that_ends_the_process_fails_and_those_behind_it_are_not_reached(ending):
    verdict = of_run(Run(ending, values(2)))
    assert reasons(verdict) == ["passed", ending, "not reached"]
    assert verdict.timed_out == ((1,) if ending == "time" else ())


def test_calls_that_came_back_count_even_if_the_process_ended_badly_afterwards():
    assert of_run(Run("time", values(2, 4, 6))).passed


def test_a_run_that_the_sandbox_lost_says_nothing_about_any_call():
    verdict = of_run(Run("lost", values(2, 4, 6)))
    assert reasons(verdict) == ["lost"] * 3
    assert verdict.lost == 3
    assert not verdict.passed


def test_a_program_that_cannot_be_loaded_fails_every_test_with_its_traceback():
    verdict = of_run(Run("finished", error="SyntaxError: invalid syntax"))
    assert {(result.reason, result.traceback) for result in verdict.results} == {
        ("raised", "SyntaxError: invalid syntax")
    }
    assert reasons(of_run(Run("finished", values(2, 4, 6), error="x"))) == ["raised"] * 3


def test_what_a_program_raises_because_of_a_limit_is_not_what_it_failed_for():
    assert reasons(of_run(Run("output", error="OSError: File too large"))) == ["output", "not reached", "not reached"]


def test_more_results_than_calls_are_a_forgery_of_all():
    verdict = of_run(Run("finished", values(2, 4, 6, 8)))
    assert reasons(verdict) == ["forged"] * 3
    assert verdict.share == 0.0


def test_results_that_are_missing_though_nothing_ended_the_program_fail():
    assert reasons(of_run(Run("finished", values(2)))) == ["passed", "forged", "not reached"]


def test_without_tests_nothing_is_passed():
    verdict = judge("…", "f", [], EXACT, sandbox=Played([]))
    assert not verdict.passed
    assert verdict.share == 0.0


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run("finished", printed="1"), "passed"),
        (Run("exited", printed="1", exit_code=0), "passed"),
        (Run("exited", printed="1", exit_code=1), "exited"),
        (Run("finished", printed="1", error="ValueError"), "raised"),
        (Run("finished", printed="2"), "wrong"),
        (Run("finished", values("1\n")), "wrong"),
        (Run("time", printed="1"), "time"),
        (Run("output", printed="1"), "output"),
        (Run("output", printed="1", error="OSError: File too large"), "output"),
        (Run("exited", printed="1", error="ValueError"), "raised"),
        (Run("memory", printed="1"), "memory"),
        (Run("crashed", printed="1"), "crashed"),
        (Run("lost", printed="1"), "lost"),
    ],
)
def test_a_script_passes_by_what_it_prints_if_it_ends_well(run, reason):
    assert reasons(of_run(run, ECHO[:1])) == [reason]


def test_a_property_decides_instead_of_what_is_expected():
    tests = [CallTest(([-4, 0, 1],), None)] * 3  # x² - 4
    verdict = of_run(Run("finished", values(2, -2.0, None)), tests, Rules(property="find_zero"))
    assert reasons(verdict) == ["passed", "passed", "wrong"]


def test_rules_reach_calls_and_scripts():
    assert of_run(Run("finished", values(2.0000001, 4, 6)), rules=CLOSE).passed
    assert of_run(Run("finished", printed="1.0000001"), ECHO[:1], rules=CLOSE).passed


# ---- replays


def test_a_verdict_replayed_with_what_timed_out_is_the_same_and_does_not_time_anything_again():
    tests = [ECHO[0], *DOUBLE, ECHO[1]]
    runs = [Run("time", values(2)), Run("time"), Run("finished", printed="2")]
    verdict = judge("…", "f", tests, EXACT, sandbox=Played(runs))
    assert reasons(verdict) == ["time", "passed", "time", "not reached", "passed"]
    assert verdict.timed_out == (0, 2)
    sandbox = Played([Run("finished", values(2)), Run("finished", printed="2")])
    again = judge("…", "f", tests, EXACT, sandbox=sandbox, timed_out=verdict.timed_out)
    assert again == verdict or reasons(again) == reasons(verdict)
    assert sandbox.jobs == [Calls("…", "f", ((1,),)), Script("…", "2\n")]


def test_a_program_that_timed_out_before_its_first_call_is_not_run_again():
    sandbox = Played([])
    verdict = judge("…", "f", DOUBLE, EXACT, sandbox=sandbox, timed_out=[0])
    assert reasons(verdict) == ["time", "not reached", "not reached"]
    assert sandbox.jobs == []


def test_several_programs_are_judged_in_one_go_each_with_its_own_late_tests():
    sandbox = Played([Run("finished", values(2, 4, 6)), Run("finished", values(2)), Run("finished", values(1, 1, 1))])
    verdicts = judge_all(["a", "b", "c"], "f", DOUBLE, EXACT, sandbox=sandbox, timed_out=[(), (1,), ()])
    assert [job.source for job in sandbox.jobs] == ["a", "b", "c"]
    assert len(sandbox.limits) == 1
    assert [verdict.share for verdict in verdicts] == [1.0, 1 / 3, 0.0]
    assert reasons(verdicts[1]) == ["passed", "time", "not reached"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("", DOUBLE), {}, "entry point"),
        (("f", DOUBLE), {"timed_out": [3]}, "names test 3, and there are 3"),
        (("f", DOUBLE), {"timed_out": [-1]}, "names test -1"),
    ],
)
def test_a_mistake_of_the_caller_is_named(arguments, options, message):
    with pytest.raises(OptionError, match=message):
        judge("…", *arguments, EXACT, sandbox=Played([]), **options)
    with pytest.raises(OptionError, match="1 entries for 2 programs"):
        judge_all(["a", "b"], "f", DOUBLE, EXACT, sandbox=Played([]), timed_out=[()])


@settings(max_examples=50)
@given(st.lists(PLAIN.map(Returned) | st.text().map(Raised), max_size=5), st.sampled_from(["finished", "time", "lost"]))
def test_every_run_gives_one_result_for_each_test(outcomes, ending):
    verdict = of_run(Run(ending, tuple(outcomes)))
    assert [result.test for result in verdict.results] == DOUBLE
    assert verdict.passed == (verdict.share == 1.0)
