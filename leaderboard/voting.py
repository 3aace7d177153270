"""What several plays of one instance come to by a majority vote. Trainers vote by it, too."""

from collections import Counter
from collections.abc import Iterable


def majority(answers: Iterable[str | None]) -> str | None:
    """The answer that most plays arrived at; of several, the one that was arrived at first. None if nobody votes.

    A play that arrived at nothing has None, and does not vote.

    Source: self-consistency, Wang et al., arXiv 2203.11171.
    """
    counts = Counter(answer for answer in answers if answer is not None)
    return max(counts, key=counts.__getitem__) if counts else None  # of equals the first, and a Counter keeps the order
