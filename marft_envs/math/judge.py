"""What the judge of a mathematical task says, and how it counts: one wording for the environments that have one."""

from collections.abc import Mapping

TRY_AGAIN = "Try again."
RIGHT = "judge: The answer is correct."
WRONG = "judge: The answer is incorrect."


def share(verdicts: Mapping[str, bool]) -> float:
    """The share of agents whose verdict is True, 0 to 1."""
    return sum(verdicts.values()) / len(verdicts)
