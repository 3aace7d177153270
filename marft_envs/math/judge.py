"""What the judge of a mathematical task says, and how it counts: one wording for the environments that have one."""

from collections.abc import Mapping

from marft_envs.errors import TeamFileError
from marft_envs.profiles import Profile

TRY_AGAIN = "Try again."
RIGHT = "judge: The answer is correct."
WRONG = "judge: The answer is incorrect."


def check_somebody_answers(profiles: Mapping[str, Profile]) -> None:
    """Raises: TeamFileError for a team without anybody to judge."""
    if not any(profile.answers for profile in profiles.values()):
        raise TeamFileError(
            f"nobody in the team ({', '.join(profiles)}) answers, so there is nothing to judge; "
            "write 'answers: true' in at least one profile"
        )


def share(verdicts: Mapping[str, bool]) -> float:
    """The share of agents whose verdict is True, 0 to 1."""
    return sum(verdicts.values()) / len(verdicts)
