"""Judging: which of its tests a program passes, found out without running any of it in this process."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from marft_envs.errors import OptionError
from marft_envs.grading.outputs import property_named, same_output, same_text
from marft_envs.grading.programs import CallTest, Reason, Rules, StdioTest, Test, TestResult, Verdict
from marft_envs.grading.running import Job, Runner, run_jobs
from marft_envs.sandbox.runs import DEFAULT_LIMITS, Calls, Limits, NotPlain, Outcome, Raised, Returned, Run, Script

_BY_ITSELF = ("finished", "exited")
"""How a run ends that no limit cut short. What a program raises when it runs into a limit is not what went wrong."""


def judge(
    source: str,
    entry_point: str,
    tests: Sequence[Test],
    rules: Rules,
    *,
    sandbox: Runner | None = None,
    limits: Limits = DEFAULT_LIMITS,
    timed_out: Collection[int] = (),
) -> Verdict:
    """Judges one program: all calls go to one process, one after the other, and each script has its own.

    A call that ends the process takes the calls behind it along: they are "not reached". `limits` holds for a process.

    `sandbox`: the default one unless given. `timed_out`: tests, by their place, that a log says ran into a time limit.
    They are not run again, and count as that; the calls behind the first of them are not reached, as they were not.
    Give a replay limits that are `slower`, so that nothing else runs into them.

    Raises: OptionError for a property that does not exist, calls without an entry point, or a place without a test.
    """
    verdicts = judge_all([source], entry_point, tests, rules, sandbox=sandbox, limits=limits, timed_out=[timed_out])
    return verdicts[0]


def judge_all(
    sources: Sequence[str],
    entry_point: str,
    tests: Sequence[Test],
    rules: Rules,
    *,
    sandbox: Runner | None = None,
    limits: Limits = DEFAULT_LIMITS,
    timed_out: Sequence[Collection[int]] | None = None,
) -> list[Verdict]:
    """Judges several programs by the same tests, all at once; `timed_out` has one entry for each program.

    Raises: OptionError, as `judge`.
    """
    late = [()] * len(sources) if timed_out is None else timed_out
    _check(entry_point, tests, rules, len(sources), late)
    runnable = [_runnable(tests, places) for places in late]
    jobs = [list(_jobs(source, entry_point, tests, run)) for source, run in zip(sources, runnable, strict=True)]
    runs = iter(run_jobs([job for of_program in jobs for job in of_program], sandbox, limits))
    return [
        _verdict(tests, rules, run, list(islice(runs, len(of_program))), places)
        for of_program, run, places in zip(jobs, runnable, late, strict=True)
    ]


def _check(
    entry_point: str, tests: Sequence[Test], rules: Rules, num_programs: int, late: Sequence[Collection[int]]
) -> None:
    if rules.property:
        property_named(rules.property)
    if not entry_point and any(isinstance(test, CallTest) for test in tests):
        raise OptionError("these tests call a function, and the entry point is empty; name the function")
    if len(late) != num_programs:
        raise OptionError(f"timed_out has {len(late)} entries for {num_programs} programs; give one for each")
    outside = sorted({place for places in late for place in places if not 0 <= place < len(tests)})
    if outside:
        raise OptionError(f"timed_out names test {outside[0]}, and there are {len(tests)}, numbered from 0")


def _runnable(tests: Sequence[Test], late: Collection[int]) -> frozenset[int]:
    """The tests to run: not those that were late, nor the calls that were in one process with a late one, behind it."""
    first_late = min((place for place in late if isinstance(tests[place], CallTest)), default=len(tests))
    return frozenset(
        place
        for place, test in enumerate(tests)
        if place not in late and not (isinstance(test, CallTest) and place > first_late)
    )


def _jobs(source: str, entry_point: str, tests: Sequence[Test], runnable: frozenset[int]) -> Iterator[Job]:
    """One job for all calls, if there are any, then one for each script."""
    calls = [test for _, test in _numbered(tests, runnable) if isinstance(test, CallTest)]
    if calls:
        yield calls_of(source, entry_point, calls)
    for _, test in _numbered(tests, runnable):
        if isinstance(test, StdioTest):
            yield Script(source, test.stdin)


def calls_of(source: str, entry_point: str, tests: Sequence[CallTest]) -> Calls:
    """What `judge_all` has run for these tests of a program."""
    return Calls(source, entry_point, tuple([test.arguments for test in tests]))


def _numbered(tests: Sequence[Test], runnable: frozenset[int]) -> Iterator[tuple[int, Test]]:
    return ((place, test) for place, test in enumerate(tests) if place in runnable)


def _verdict(
    tests: Sequence[Test], rules: Rules, runnable: frozenset[int], runs: list[Run], late: Collection[int]
) -> Verdict:
    results: dict[int, TestResult] = {}
    calls = [(place, test) for place, test in _numbered(tests, runnable) if isinstance(test, CallTest)]
    if calls:
        places, called = zip(*calls, strict=True)
        results.update(zip(places, _called(called, runs.pop(0), rules), strict=True))
    for place, test in _numbered(tests, runnable):
        if isinstance(test, StdioTest):
            results[place] = _ran(test, runs.pop(0), rules)
    for place, test in enumerate(tests):
        if place not in results:
            results[place] = TestResult(test, "time" if place in late else "not reached")
    return Verdict(tuple(results[place] for place in range(len(tests))))


def _called(tests: Sequence[CallTest], run: Run, rules: Rules) -> list[TestResult]:
    """What came of the calls of one process."""
    if run.ending == "lost":
        return [TestResult(test, "lost") for test in tests]
    if run.error and run.ending in _BY_ITSELF:
        return [TestResult(test, "raised", traceback=run.error) for test in tests]
    if len(run.outcomes) > len(tests):
        return [TestResult(test, "forged") for test in tests]
    came_back, others = tests[: len(run.outcomes)], tests[len(run.outcomes) :]
    results = [_came_back(test, outcome, rules) for test, outcome in zip(came_back, run.outcomes, strict=True)]
    first: Reason = "forged" if run.ending == "finished" else run.ending
    return results + [TestResult(test, "not reached" if place else first) for place, test in enumerate(others)]


def _came_back(test: CallTest, outcome: Outcome, rules: Rules) -> TestResult:
    match outcome:
        case Returned(value):
            return TestResult(test, "passed" if _is_right(test, value, rules) else "wrong", got=value)
        case Raised(traceback):
            return TestResult(test, "raised", traceback=traceback)
        case NotPlain(type_name):
            return TestResult(test, "not plain", got=type_name)


def _is_right(test: CallTest, value: object, rules: Rules) -> bool:
    if rules.property:
        return property_named(rules.property)(test.arguments, value)
    return same_output(value, test.expected, rules)


def _ran(test: StdioTest, run: Run, rules: Rules) -> TestResult:
    """What came of a script. Leaving by `sys.exit()` is a common way to end one, and only what is printed counts."""
    if run.ending == "lost":
        return TestResult(test, "lost")
    if run.error and run.ending in _BY_ITSELF:
        return TestResult(test, "raised", got=run.printed, traceback=run.error)
    if run.ending == "finished" or (run.ending == "exited" and run.exit_code == 0):
        reason: Reason = "passed" if same_text(run.printed, test.expected, rules) else "wrong"
        return TestResult(test, reason, got=run.printed)
    return TestResult(test, run.ending, got=run.printed)
