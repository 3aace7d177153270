"""Dispatch: an orchestrator learns which expert knows what, and calls the one that a question needs.

| | |
|---|---|
| id | `collab/dispatch-v0` |
| agents | `orchestrator_0`, `ada_0`, `bob_0`, `cleo_0`, `dan_0`; or any team of two to eight experts behind the first |
| D | by turns: the orchestrator alone; then those whom it called, together |
| observation | orchestrator: whom it can call, and a question; expert: what it knows, when it is called |
| action | orchestrator: `call: ada`, and what the expert needs; expert: its last line names the one answer |
| reward | to the whole team, 0 to 1: the share of questions answered, each worth half less per expert called besides |
| horizon | 24 rounds, an option; the last question terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | facts about people's belongings, drawn at random |
| silent | easy 0.5, standard 0.0625, hard 0.0208: the expert guesses which of its facts is asked for |
| info | shares of questions: `routed` to one expert alone, who knew; `answered`; and how many it `called` for each |
| versions | v0: the first |

D depends on an action: `marft_envs.calling` reads whom the orchestrator calls. A reply that names nobody loses the
question, and its author is told. An expert knows one kind of fact (hard: two), such as colours, about every item. Its
name does not tell which: at easy it is always the same, to be learnt by trying; at the others every episode draws it.

Why a team: only the orchestrator is told the question, and only the right expert the answer. Facts are drawn, so nobody
else can know them, and what another expert guesses does not count. Questions are independent draws, so being called
says nothing about which of its facts is asked for: somebody has to say it. Without words the right expert is called
with probability 1 (easy) or 1/4, and hits one of 2, 4 or 12 facts; to call more costs what it brings. That is exact.

The reference knows who knows what. Whoever has to learn it from the experts' words earns 5/6 at the level standard and
11/12 at hard, at best (dynamic programming over how many have not been heard): it gives up the first to hear three.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.calling import Call, called
from marft_envs.collab.worlds.dispatch import KINDS, LEVELS, drawn_world, facts_in, plain_question
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.choices import named_choices, stated_choice
from marft_envs.records import Outcome

COST = 0.5
"""Of a question's worth, for each expert called besides the first: to call two of four brings no more than one."""
EACH_KNOWS = "Each of them knows {count} of these: {kinds}."
ANSWER = "Reply with only the {kind}."
ANSWER_OR_TELL = "If you do not know it, say what you know. Otherwise reply with only the answer."
ONLY = "I only know the {kinds}."
LOST = "judge: You called nobody, so that question is lost."


class Dispatch(FlexMG):
    """One agent reads questions and calls those who answer them."""

    metadata = {"name": "dispatch_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "dispatch"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "dispatch"

    def __init__(self, *, horizon: int = 24, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        self.orchestrator, *self.experts = self.possible_agents
        first, *others = self.profiles.values()
        names = {profile.role for profile in others if profile.answers}
        if first.answers or not 1 < len(names) == len(others) <= len(KINDS):
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; it takes an orchestrator, and behind it two to "
                f"{len(KINDS)} experts, each with a role of its own and 'answers: true'"
            )
        *calls, last = [f"'call: {profile.role}'" for profile in others]
        self._request = f"Reply {', '.join(calls)} or {last}, and repeat the question."

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws who knows what, and the questions."""
        self.world = drawn_world(rng, LEVELS[str(self.level)], self.experts)
        self.question = self.world.questions[0]
        self._called: tuple[str, ...] = ()
        self._words = ""
        self._is_answered = False
        self._sums = {"routed": 0, "answered": 0, "called": 0}
        self._asked = 0
        self._answers: list[set[str]] = [set()]

    def dependencies_for(self, round: int) -> Dependencies:
        """Those whom the orchestrator has called, together; else the orchestrator alone."""
        return Dependencies.together(self._called or (self.orchestrator,))

    def view(self, agent: str) -> str:
        """How to call, and the question; or what the expert knows, told at its first turn, and how to answer."""
        level = LEVELS[str(self.level)]
        if agent == self.orchestrator:
            each_knows = EACH_KNOWS.format(count=level.num_known, kinds=", ".join(self.world.kinds))
            return "\n".join([*[each_knows] * (level.is_drawn and self.round == 0), self._request, self.question.text])
        book = self.world.books[agent]
        facts = [] if self.has_acted(agent) else facts_in(book)
        return "\n".join([*facts, ANSWER_OR_TELL if level.is_drawn else ANSWER.format(kind=" and ".join(book))])

    def act(self, agent: str, action: str) -> Outcome | None:
        """Reads whom the orchestrator calls; or an answer, which counts if the expert knows."""
        if agent == self.orchestrator:
            self._words, self._called = action, (called(action, self.experts) or Call(())).agents
            return None if self._called else self._closed()
        book = self.world.books[agent].get(self.question.kind, {})
        said = self._stated(action)
        self._is_answered |= said is not None and said == book.get(self.question.item)
        if said is not None:
            self._answers[-1].add(said)
        return None

    def _stated(self, reply: str) -> str | None:
        """The one fact that it states, of whatever kind: who names one of each has only guessed."""
        return stated_choice(reply, [value for kind in self.world.kinds for value in KINDS[kind].values])

    def end_round(self) -> Outcome | None:
        """Pays for the question, once those have spoken who were called."""
        return self._closed() if self._called and self.orchestrator not in self.dependencies.agents else None

    def _closed(self) -> Outcome:
        """What the question was worth. The next one follows."""
        calls, self._called = self._called, ()
        worth = max(1.0 - COST * (len(calls) - 1), 0.0) if self._is_answered else 0.0
        self._sums["routed"] += len(calls) == 1 and self.question.kind in self.world.books[calls[0]]
        self._sums["answered"] += self._is_answered
        self._sums["called"] += len(calls)
        self._is_answered = False
        self._asked += 1
        self._answers.append(set())
        num_questions = len(self.world.questions)
        self.question = self.world.questions[self._asked % num_questions]
        return Outcome(
            rewards=worth / num_questions,
            terminated=self._asked == num_questions,
            feedback=None if calls else {self.orchestrator: LOST},
            info={name: total / self._asked for name, total in self._sums.items()},
        )

    def hidden(self) -> str:
        """Who knows the answer, and what it is."""
        kind, item = self.question.kind, self.question.item
        return "\n".join(f"{expert}: {book[kind][item]}" for expert, book in self.world.books.items() if kind in book)

    def instance_key(self) -> str:
        """What is asked for, in any order: whoever knows it, and whatever the answer is."""
        return " | ".join(sorted(f"{question.kind} of {question.item}" for question in self.world.questions))

    def reference_action(self, agent: str) -> str:
        """Calls who knows, as the environment does, in plain words; an expert answers what these ask for."""
        if agent == self.orchestrator:
            knows = next(expert for expert in self.experts if self.question.kind in self.world.books[expert])
            return f"call: {self.profiles[knows].role}\n{plain_question(self.question.kind, self.question.item)}"
        books = self.world.books[agent]
        kinds, items = named_choices(self._words, self.world.kinds), named_choices(self._words, self.world.items)
        if kinds and kinds[0] not in books:
            return ONLY.format(kinds=" and ".join(books))
        return books[kinds[0] if kinds else next(iter(books))][items[0] if items else self.world.items[0]]

    def silent_action(self, agent: str) -> str:
        """Calls who knows (easy), else always the first; that one names its first fact. Proven, as the module says."""
        if agent != self.orchestrator:
            return next(iter(self.world.books[agent].values()))[self.world.items[0]]
        if LEVELS[str(self.level)].is_drawn:
            return f"call: {self.profiles[self.experts[0]].role}"
        return self.reference_action(agent).splitlines()[0]

    def choices(self, agent: str) -> Sequence[str]:
        """Who is called, with the question as it came; at hard with a plain one, of any kind, about the same thing.

        An expert names one of its facts, in the order in which it was told them, or says what it knows about.
        """
        level = LEVELS[str(self.level)]
        if agent == self.orchestrator:
            item = self.question.item
            plain = [plain_question(kind, item) for kind in self.world.kinds]
            questions = plain if level.is_disguised else [self.question.text]
            return [f"call: {self.profiles[expert].role}\n{text}" for expert in self.experts for text in questions]
        book = self.world.books[agent]
        return [
            *(value for values in book.values() for value in values.values()),
            ONLY.format(kinds=" and ".join(book)),
        ]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether an orchestrator calls somebody, and an expert who knows states an answer."""
        if agent == self.orchestrator:
            return bool((called(action, self.experts) or Call(())).agents)
        knows = self.question.kind in self.world.books[agent]
        return self._stated(action) is not None if knows else None

    def answer(self) -> str | None:
        """What was answered to each question, in their order: all that those who were called stated."""
        told = [", ".join(sorted(stated)) or "nothing" for stated in self._answers[: self._asked]]
        return "; ".join(told) if any(self._answers) else None
