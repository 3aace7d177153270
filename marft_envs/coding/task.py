"""Task: what a coding team is asked for, and the tests that decide whether it got there."""

from dataclasses import dataclass

from marft_envs.grading.programs import Rules, Test


@dataclass(frozen=True, slots=True)
class Task:
    """One program to write."""

    description: str
    """As the agents read it: what the program does, and the function's name, or how it reads and prints. It holds the
    visible tests only where the source's own text does; environments add them."""
    entry_point: str
    """The function that is called: `f`, or `Solution.f` for a method; empty if the program reads standard input."""
    reference: str
    """A program that passes every test; empty where the data have none."""
    visible: tuple[Test, ...]
    """Tests that agents may see, and are told the failures of."""
    hidden: tuple[Test, ...]
    """Tests that decide, and that no agent ever sees: none has the input of a visible one."""
    rules: Rules
    """How outputs are compared."""
    key: str
    """The same for tasks that teach the same."""
    split: str | None = None
    """"train" or "test" where the source knows; None: a hash of the key decides."""
