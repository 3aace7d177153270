"""How a record of a data set becomes a task: which fields hold the question, the answer and the level."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from types import MappingProxyType

from marft_envs.grading.answers import last_boxed
from marft_envs.records import whole_characters
from marft_envs.task_sources.places import Record

MAX_STEPS = 8
"""GSM8K's worked answers have up to 14 lines; those with 8 or more, few, are one level."""


@dataclass(frozen=True, slots=True)
class Format:
    """Where the parts of a task stand in a record."""

    question: Callable[[Record], object]
    answer: Callable[[Record], object]
    level: Callable[[Record], object]
    hub_id: str = ""
    """Where the data set lies on the Hugging Face Hub; empty for no place of its own."""
    configurations: tuple[str, ...] = ()
    """Those that make up the whole there."""


def as_text(value: object) -> str:
    """A field as text: numbers in full, nothing for what is neither, nor finite."""
    if isinstance(value, str):
        return whole_characters(value).strip()
    if isinstance(value, float) and isfinite(value):
        return format(Decimal(repr(value)), "f")  # 1e22 and 1e-7 are no mathematics as they stand
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def unboxed(answer: str) -> str:
    r"""What stands in the box where an answer is nothing but a box, `\boxed{5}` or `$\boxed 5$`; else the answer."""
    inside = last_boxed(answer)
    if inside is None:
        return answer
    outside = re.sub(r"\s", "", answer.strip("$. "))
    bare = re.sub(r"\s", "", inside)
    return inside if outside in (f"\\boxed{{{bare}}}", f"\\boxed{bare}") else answer


def _steps(record: Record) -> str:
    """How many lines the worked answer has before the answer itself."""
    lines = str(record.get("answer", "")).rpartition("####")[0].splitlines()
    return str(min(max(sum(1 for line in lines if line.strip()), 1), MAX_STEPS))


def _boxed(record: Record) -> object:
    return record.get("answer") or record.get("final_answer") or last_boxed(str(record.get("solution", "")))


def _numbered_level(record: Record) -> str:
    """`Level 3`, `3` or 3 as `3`; empty for the few of MATH that have `Level ?`."""
    found = re.search(r"[0-9]+", str(record.get("level", "")))
    return found[0] if found else ""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "gsm8k": Format(
            question=lambda record: record.get("question"),
            answer=lambda record: str(record.get("answer", "")).rpartition("####")[2],
            level=_steps,
            hub_id="openai/gsm8k",
            configurations=("main",),
        ),
        "math": Format(
            question=lambda record: record.get("problem"),
            answer=_boxed,
            level=_numbered_level,
            hub_id="EleutherAI/hendrycks_math",
            configurations=(
                "algebra",
                "counting_and_probability",
                "geometry",
                "intermediate_algebra",
                "number_theory",
                "prealgebra",
                "precalculus",
            ),
        ),
        "jsonl": Format(
            question=lambda record: record.get("question"),
            answer=lambda record: record.get("answer"),
            level=lambda record: record.get("level"),
        ),
    }
)
