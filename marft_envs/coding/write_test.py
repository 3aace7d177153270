"""Write and test: a coder writes a program, a tester writes tests for it, and neither knows what the other does.

| | |
|---|---|
| id | `coding/write_test-v0` |
| agents | `coder_0`, `tester_0`; or any team of two, of whom one `answers`, which is the coder |
| D | round 0: none, both work at the same time; later the coder alone, as long as one of the tests fails |
| observation | the task and the visible tests; later, to the coder, what its program did on the tester's tests |
| action | coder: a program; tester: up to 5 tests, one a line, such as `assert f(3) == 7` |
| reward | to each its own, 0 to 1: the coder by the hidden tests, at the end; the tester by reference and mutants |
| horizon | 2 rounds, an option; after the last round the program is judged as it is |
| recall | team |
| levels | one_step, line, parentheses, arithmetic, two_steps, numbers, strings, lists, mixed |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: synthetic, humaneval, mbpp, jsonl, or another with functions and reference programs (`data`) |
| info | `solved`: 1 if all hidden tests pass; `share` of them; `valid`: share of tests; `killed`: share of mutants |
| versions | v0: the first |

A test of an input that is shown, or has a test already, does not count, in whatever form: `f((3, 1))` says what
`f([3, 1])` said, and who writes two answers to one question has guessed. A test is valid if the reference program
passes it. A mutant is the reference program with one small change that the hidden tests find; a valid test kills it if
the mutant fails. The tester earns the share of mutants that its tests kill, times the share of its tests that are
valid. So it earns by what is right, and nothing that the coder writes changes it. The coder earns by the hidden tests
alone; good tests help it to repair its program, and wrong ones earn it nothing. With `rewards="team"` both get the
mean, for trainers that share one reward.
Tasks with many right outputs of one input are passed over: there a test says nothing by what it expects.
A mutant that runs out of time on the hidden tests is left out: that is a matter of the machine. One that does so on the
tester's tests is not killed by that.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import fmean
from typing import Any, Literal, Unpack

import numpy as np

from marft_envs.coding.canonical import canonical_programs
from marft_envs.coding.judge import QUICK, judged, told
from marft_envs.coding.mutants import Mutants, keeps_to_itself
from marft_envs.coding.replies import tests_in
from marft_envs.coding.setting import REPAIR, WITH_CODE, CodingOptions, Programming, asked, writers
from marft_envs.coding.telling import distinct, fails, telling, written
from marft_envs.dependencies import Dependencies
from marft_envs.errors import DataError, OptionError, TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.programs import CallTest, Verdict
from marft_envs.grading.together import Together
from marft_envs.grading.verdicts import calls_of, judge_all
from marft_envs.records import Outcome

MAX_TESTS = 5
"""Further ones are not read: who may write any number need not choose."""
NUM_MUTANTS = 5
"""No more than tests, so that each can be killed by a test of its own."""
NUM_CANDIDATES = 10
"""Some of which no hidden test tells from the reference."""
_MOST_READ = 20
"""Lines with tests, those that do not count included."""
_MOST_DRAWS = 200
_REWARDS = ("own", "team")


class WriteTest(Programming, FlexMG):
    """A coder is paid for a program that is right, a tester for tests that tell right programs from wrong ones."""

    metadata = {"name": "write_test_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "write_test"

    def __init__(
        self, *, horizon: int = 2, rewards: Literal["own", "team"] = "own", **options: Unpack[CodingOptions]
    ) -> None:
        """Raises: OptionError, TeamFileError, DataError.

        Args:
            horizon: Rounds after which the program is judged as it is.
            rewards: "own": each agent gets what it earned; "team": both get the mean, at the end.
        """
        if rewards not in _REWARDS:
            raise OptionError(f"rewards is {rewards!r}; use 'own' (each what it earned) or 'team' (both the mean)")
        self.rewards_go_to = rewards
        super().__init__(horizon=horizon, **options)
        (self.coder, *more), testers = writers(self.profiles), [*self.profiles]
        testers.remove(self.coder)
        if more or len(testers) != 1:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; it takes two, a coder who 'answers: true' and a tester who "
                "does not"
            )
        (self.tester,) = testers

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a task of the level: a function that tests can be written of, with a program to make mutants of."""
        self._program = ""
        self._earned = dict.fromkeys(self.possible_agents, 0.0)
        for _ in range(_MOST_DRAWS):
            super().start(rng, options)
            self._finders = telling(self.task)
            if self._finders and self.task.reference and not self.task.rules.property:
                with suppress(DataError):  # a program for another version of Python
                    self._mutants = Mutants.drawn(self.task.reference, self.task.entry_point, rng)
                    return
        raise OptionError(
            f"source is {self._source.name!r}, and none of {_MOST_DRAWS} of its tasks has a function with a reference "
            "program, which mutants are made of, and hidden tests that can be written on a line; use another source"
        )

    def dependencies_for(self, round: int) -> Dependencies:
        """Both at once, and then the coder alone."""
        return Dependencies(self.possible_agents) if round == 0 else Dependencies([self.coder])

    def view(self, agent: str) -> str:
        """The task and what to write; then the request to repair."""
        if self.round > 0:
            return REPAIR
        if agent == self.coder:
            return f"{asked(self.task)}\n{WITH_CODE}"
        example = written(self.task, self.task.visible[0]) if self.task.visible else ""
        form = f", such as: {example}" if example else ""
        return f"{asked(self.task)}\nWrite up to {MAX_TESTS} other tests, one a line{form}"

    def act(self, agent: str, action: str) -> Outcome | None:
        """Keeps the program, or judges the tests."""
        if agent == self.coder:
            self._program = self.program(action)
            return None
        self._tests = distinct(tests_in(action, self.task.entry_point, _MOST_READ), self.task.visible)[:MAX_TESTS]
        valid, killed = self._worth(self._tests)
        self._earned[agent] = valid * killed
        own = {agent: valid * killed} if self.rewards_go_to == "own" else 0.0
        return Outcome(rewards=own, info={"valid": valid, "killed": killed})

    def _worth(self, tests: list[CallTest]) -> tuple[float, float]:
        """The share of these tests that the reference passes, and the share of mutants that those kill."""
        candidates = self._mutants.first(NUM_CANDIDATES)
        runner = self._runner
        if runner is not None:
            wanted = [(self.task.reference, tests)]
            wanted += [(program, some) for program in candidates for some in (self._finders, tests)]
            runner.foresee([calls_of(program, self.task.entry_point, some) for program, some in wanted], QUICK)
        (reference,) = judged(self, self.task, tests, [self.task.reference], runner=runner)
        found = judged(self, self.task, self._finders, candidates, limits=QUICK, trusts_log=False, runner=runner)
        mutants_of_it = [program for program, _ in self._found_out(candidates, found)]
        verdicts = judged(self, self.task, tests, mutants_of_it, limits=QUICK, runner=runner)
        valid = [place for place, result in enumerate(reference.results) if result.passed]
        killed = [fails(verdict, valid) for verdict in verdicts]
        return reference.share, fmean(killed) if killed else 1.0

    @property
    def _runner(self) -> Together | None:
        """One process for the reference and all mutants, where they can share it."""
        return Together() if keeps_to_itself(self.task.reference) else None

    def _found_out(self, candidates: Sequence[str], verdicts: Sequence[Verdict]) -> list[tuple[str, int]]:
        """The mutants among the candidates, and for each the first hidden test that finds it out."""
        return [
            (program, next(place for place in range(len(self._finders)) if fails(verdict, [place])))
            for program, verdict in zip(candidates, verdicts, strict=True)
            if fails(verdict, range(len(self._finders))) and not verdict.timed_out
        ][:NUM_MUTANTS]

    def end_round(self) -> Outcome:
        """Shows the coder what its program did on the tester's tests; at the end, judges it by the hidden ones."""
        (shown,) = judged(self, self.task, self._tests, [self._program], trusts_log=False)
        if shown.failures and self.round + 1 < self.horizon:
            return Outcome(feedback={self.coder: told(self.task, shown, self._tests)})
        (hidden,) = judged(self, self.task, self.task.hidden, [self._program])
        self._earned[self.coder] = float(hidden.passed) if self.reward == "all" else hidden.share
        own = {self.coder: self._earned[self.coder]}
        return Outcome(
            rewards=own if self.rewards_go_to == "own" else fmean(self._earned.values()),
            terminated=True,
            info={"solved": int(hidden.passed), "share": hidden.share},
        )

    def reference_action(self, agent: str) -> str:
        """The reference program; hidden tests, one for each mutant."""
        if agent == self.coder:
            return self.task.reference
        candidates = self._mutants.first(NUM_CANDIDATES)
        found = judge_all(
            candidates, self.task.entry_point, self._finders, self.task.rules, sandbox=self._runner, limits=QUICK
        )
        chosen = dict.fromkeys(place for _, place in self._found_out(candidates, found))
        return "\n".join(written(self.task, self._finders[place]) for place in chosen or [0])

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether there is a program, or a test, in it."""
        if agent == self.coder:
            return self.has_program(action)
        return bool(tests_in(action, self.task.entry_point, 1))

    def answer(self) -> str | None:
        """The program. Tests are no part of it: what they earn is the tester's own."""
        return canonical_programs([self._program])[0]
