"""A person at the seats of a team: shows what a seat is told, and reads what it answers.

A seat's part of the screen holds what the agent in that seat would read, and nothing else: no hidden state, nobody
else's view. `:state` shows everything, to those who ask.
"""

from collections.abc import Sequence

from rich.rule import Rule
from rich.text import Text

from baselines.commands.terminal import console, say, visible
from marft_envs import FlexMG, Message

_COMMANDS = {
    ":lines": "write an answer of several lines; a line that is a single . ends it",
    ":empty": "answer with nothing at all",
    ":told": "show again everything that this seat was told and has said",
    ":state": "show everything, what no seat is told included: the solution, and what the others were told",
    ":help": "show this",
    ":quit": "stop playing; so does the end of the input (Ctrl-D)",
}
HINT = "A line is an answer. :help shows what else can be typed, :quit stops."
_END_OF_LINES = "."


class Quit(Exception):  # noqa: N818  # no error: the person has had enough
    """The person wants to stop."""


class Person:
    """Answers for every seat that the person has taken. Make one for each episode."""

    def __init__(self, env: FlexMG) -> None:
        self._env = env
        self._num_shown: dict[str, int] = {}

    def __call__(self, agent: str, messages: Sequence[Message]) -> str:
        """The seat's action, after its news. Raises: Quit."""
        heading(f"{self._env.opened(agent)} · {agent}")
        self._show(messages[self._num_shown.get(agent, 0) :], own=False)
        self._num_shown[agent] = len(messages)
        while True:
            line = _read(f"{agent}> ")
            if not line:
                say("(an answer, or :empty for none; :help shows more)")
            elif line.startswith("::"):
                return line[1:]
            elif not line.startswith(":"):
                return line
            else:
                action = self._obey(line.strip(), messages)
                if action is not None:
                    return action

    def _obey(self, command: str, messages: Sequence[Message]) -> str | None:
        """Do what a command says; an answer if it leads to one."""
        match command:
            case ":quit":
                raise Quit
            case ":lines":
                return _read_lines()
            case ":empty":
                return ""
            case ":told":
                self._show(messages, own=True)
            case ":state":
                say("", visible(self._env.state()), "")
            case _:
                if command != ":help":
                    say(f"{visible(command)} is no command; write :: at the beginning of an answer that begins with :")
                say(*(f"  {name:<7} {meaning}" for name, meaning in _COMMANDS.items()))
        return None

    def _show(self, messages: Sequence[Message], *, own: bool) -> None:
        """Messages as the seat reads them; its own, which the person has just typed, only if asked for."""
        say("")
        for message in messages:
            if message["role"] == "system":
                console().print(Text(visible(message["content"]), style="dim italic"), soft_wrap=True)
            elif message["role"] == "assistant":
                if not own:
                    continue
                show_words("you", message["content"])
            elif "name" in message:
                show_words(message["name"], message["content"])
            else:
                say(visible(message["content"]))
            say("")


def heading(text: str) -> None:
    """A rule across the screen."""
    console().print()
    console().print(Rule(Text(text), align="left", style="dim"))


def show_words(author: str, words: str) -> None:
    """Somebody's words under their name, every row behind `> `, so that they can pass for nobody else's.

    Where a person looks, long lines are broken here: the terminal would go on at the left margin.
    """
    output = console()
    say(f"{author}:")
    for line in visible(words).splitlines() or [""]:
        rows = Text(line).wrap(output, output.width - 2) if output.is_terminal else [Text(line)]
        for row in rows or [Text()]:
            output.print(Text("> ", style="dim") + row, soft_wrap=True)


def _read(prompt: str) -> str:
    """A line that was typed. Raises: Quit at the end of the input."""
    try:
        line = input(prompt)
    except EOFError:
        say("")
        raise Quit from None
    if not console().is_terminal:
        say(visible(line))  # a file or a pipe shows nothing of what was typed
    return line


def _read_lines() -> str:
    lines = []
    while (line := _read("  ")) != _END_OF_LINES:
        lines.append(line)
    return "\n".join(lines)
