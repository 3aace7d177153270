"""Environments with one fault each, for every promise of the contract, and one without.

Registered by name in tests, so that other processes can make them.
"""

import random
import time
from itertools import count
from typing import ClassVar, Unpack

import numpy as np

from marft_envs import Dependencies, FlexMG, Outcome, Profile, ReplayMismatchError, quote
from marft_envs.flex_mg import BaseOptions

TEAM = (Profile("asker", system="Ask."), Profile("teller", system="Tell.", answers=True))


class Parcel(FlexMG):
    """A good environment, small: the asker is told a number, passes it on, and the teller writes it."""

    metadata: ClassVar = {"name": "parcel_v0"}
    reward_range = (0.0, 1.0)
    source = "parcel"

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        base.setdefault("team", TEAM)
        super().__init__(horizon=horizon, **base)

    def start(self, rng, options):
        self.number = str(rng.integers(10_000, 100_000))

    def view(self, agent):
        return f"The number is {self.number}." if agent == "asker_0" else "Which number is it?"

    def act(self, agent, action):
        if agent == "teller_0" and action == self.number:
            return Outcome(rewards=1.0, terminated=True, info={"correct": 1})
        return None

    def end_round(self):
        return Outcome(feedback="judge: incorrect", info={"correct": 0})

    def hidden(self):
        return self.number

    def instance_key(self):
        return self.number

    def reference_action(self, agent):
        return self.number

    def silent_action(self, agent):
        return "50000"

    def choices(self, agent):
        return [self.number, "nothing"] if agent == "asker_0" else ["10000", "50000", "90000"]


class Timed(Parcel):
    """Every reply is measured, and what was measured is told; a recorded number below 100 stands."""

    def act(self, agent, action):
        spent = self.measured(lambda recorded: self.spent(action, recorded))
        return super().act(agent, action) or Outcome(feedback=f"{spent} units.")

    def spent(self, action, recorded):
        return recorded if type(recorded) is int and 0 <= recorded < 100 else len(action) % 100


class RefusesForgedLogs(Timed):
    def spent(self, action, recorded):
        spent = len(action) % 100
        if recorded not in (None, spent):
            raise ReplayMismatchError(f"{recorded!r:.80} units were logged, and it takes {spent}")
        return spent


# The faulty ones.


class ForgetsTheSeed(Parcel):
    def start(self, rng, options):
        self.number = str(random.randrange(10_000, 100_000))


class IgnoresTheSeed(Parcel):
    def start(self, rng, options):
        self.number = "10001"


class CountsItsDraws(Parcel):
    """Tells how many instances were drawn for this one; a new episode begins at 0."""

    def start(self, rng, options):
        if getattr(self, "counted_for", None) is not rng:
            self.counted_for, self.num_draws = rng, 0
        self.num_draws += 1
        super().start(rng, options)

    def view(self, agent):
        return f"{super().view(agent)} This is draw {self.num_draws}."


class MovesTheGlobalGenerator(Parcel):
    def end_round(self):
        np.random.random()  # noqa: NPY002
        return super().end_round()


class SharesWithOtherCopies(Parcel):
    said: ClassVar[list[str]] = []

    def start(self, rng, options):
        super().start(rng, options)
        self.said.clear()

    def act(self, agent, action):
        self.said.append(action)
        return super().act(agent, action)

    def end_round(self):
        return Outcome(feedback=f"{len(self.said)} so far.")


class RemembersTheLastEpisode(Parcel):
    num_rounds_ever = 0

    def end_round(self):
        self.num_rounds_ever += 1
        return Outcome(feedback=f"{self.num_rounds_ever} rounds so far.")


class KeepsEveryEpisode(Parcel):
    """Its copies are alike, and the memory fills."""

    kept: ClassVar[list[bytearray]] = []

    def start(self, rng, options):
        super().start(rng, options)
        self.kept.append(bytearray(1000))


class CountsSteps(Parcel):
    """Both at once, and the one that is stepped first wins."""

    def dependencies_for(self, round):
        return Dependencies.together(self.possible_agents)

    def start(self, rng, options):
        super().start(rng, options)
        self.first = ""

    def step(self, action):
        self.first = self.first or self.agent_selection
        super().step(action)

    def end_round(self):
        return Outcome(feedback=f"{self.first} was first.")


class SharesWithItsForks(Parcel):
    def start(self, rng, options):
        super().start(rng, options)
        self.tally = Tally()

    def end_round(self):
        return Outcome(feedback=f"{self.tally.add()} rounds.")


class Tally:
    def __init__(self):
        self.value = 0

    def add(self):
        self.value += 1
        return self.value

    def __deepcopy__(self, memo):
        return self


class HoldsAFunction(Parcel):
    def start(self, rng, options):
        super().start(rng, options)
        self.counter = lambda: 1


class CountsLooks(Parcel):
    def start(self, rng, options):
        super().start(rng, options)
        self.num_looks = 0

    def observe(self, agent):
        self.num_looks += 1
        return super().observe(agent)

    def end_round(self):
        return Outcome(feedback=f"{self.num_looks} looks.")


class HandsOutItsOwn(Parcel):
    def start(self, rng, options):
        super().start(rng, options)
        self.given = {}

    def observe(self, agent):
        return self.given.setdefault((agent, len(self.messages(agent))), super().observe(agent))


class RewritesHistory(Parcel):
    def messages(self, agent):
        messages = super().messages(agent)
        return [*messages[:1], *messages[-2:]] if len(messages) > 3 else messages


class TellsOneWhatIsAnothers(Parcel):
    def view(self, agent):
        return self.view("asker_0") if agent == "teller_0" and self.round else super().view(agent)


class RepeatsWordsToEverybody(Parcel):
    recall = "parents"

    def end_round(self):
        words = self.turns[-1].action
        return Outcome(feedback=quote("teller_0", words))


class KeepsWordsFromOne(Parcel):
    def observe(self, agent):
        text = super().observe(agent)["text"]
        return {"text": text.replace("teller_0:", "").replace("canary-act-teller_0-0;", "")}


class RepeatsWordsUnquoted(Parcel):
    def end_round(self):
        return Outcome(feedback=f"The last word was {self.turns[-1].action}")


class Raises(Parcel):
    def act(self, agent, action):
        if agent == "teller_0" and action.startswith("((("):
            float(action)
        return super().act(agent, action)


class TrustsItsLog(Timed):
    def spent(self, action, recorded):
        return range(100)[len(action) % 100 if recorded is None else recorded]


class MeasuresOtherwiseEveryTime(Timed):
    spells = count()

    def spent(self, action, recorded):
        return next(self.spells)


class KnowsOfAFlaw(Parcel):
    def flaw(self):
        return "two of its tests disagree"


class NeverAsksTheAsker(Parcel):
    def dependencies_for(self, round):
        return Dependencies(["teller_0"])


class PaysTooMuch(Parcel):
    """With a horizon of 1 it would not."""

    def act(self, agent, action):
        return None

    def end_round(self):
        return Outcome(rewards=0.75, feedback="judge: incorrect")


class DeclaresNoRange(Parcel):
    reward_range = (0.0, float("inf"))


class ExpectsAnotherAnswer(Parcel):
    def reference_action(self, agent):
        return f"It is {self.number}."


class HasNoReference(Parcel):
    reference_action = FlexMG.reference_action


class PromisesMoreWelfare(Parcel):
    def best_welfare(self):
        return 3.0


class AnswersANumber(Parcel):
    def answer(self):
        return len(self.turns)


class CountsQuestions(Parcel):
    def start(self, rng, options):
        super().start(rng, options)
        self.num_questions = 0

    def answer(self):
        self.num_questions += 1
        return str(self.num_questions)


class AnswersAndTells(Parcel):
    def answer(self):
        self.infos["asker_0"] = {"shortened": 0, "answered": 1}
        return self.last_words("teller_0")


class HasNoRightAnswer(Parcel):
    def answer(self):
        return None


class PaysForTakingPart(Parcel):
    def act(self, agent, action):
        outcome = super().act(agent, action)
        return outcome or Outcome(rewards=0.8 if agent == "teller_0" else 0.0)

    def end_round(self):
        return Outcome(terminated=True)


class TakesLong(Parcel):
    def act(self, agent, action):
        if action.startswith("((("):
            began = time.process_time()
            while time.process_time() - began < 1.1:
                pass
        return super().act(agent, action)


class TakesRoom(Parcel):
    def act(self, agent, action):
        if action.startswith("((("):
            bytearray(200 * 2**20)
        return super().act(agent, action)


class KeysWithoutMeaning(Parcel):
    keys = count()

    def instance_key(self):
        return f"{self.number} {next(self.keys)}"


class HasFewInstances(Parcel):
    def start(self, rng, options):
        self.number = str(rng.integers(10_000, 10_200))


class SharesInstances(Parcel):
    """What it draws for a split does not follow from the key."""

    def instance_key(self):
        return f"{self.number} {self.split}" if self._is_drawing else self.number

    def _draw(self, options, draw_state):
        self._is_drawing = True
        super()._draw(options, draw_state)
        self._is_drawing = False


class TellsEverybodyEverything(Parcel):
    """So that nobody needs to talk."""

    def view(self, agent):
        return f"The number is {self.number}."

    def silent_action(self, agent):
        return self.number


class KnowsWhatOthersKnow(Parcel):
    def silent_action(self, agent):
        return self.number[:2]


class ObservesBareText(Parcel):
    def observe(self, agent):
        return super().observe(agent)["text"]


class SpacesFollowNoSeed(Parcel):
    def observe(self, agent):
        return {"text": f"{super().observe(agent)['text']} {random.SystemRandom().random()}"}


class RendersAList(Parcel):
    def render(self):
        return ["a", "list"]


class StateIsNoText(Parcel):
    def state(self):
        return super().state().encode()


class FollowsTheHashSeed(Parcel):
    """Text has another hash in every process."""

    def act(self, agent, action):
        return Outcome(rewards=hash(self.number) % 1000 / 1000, terminated=True)


_made = count()


def make_otherwise_every_time(*, horizon: int = 2) -> Parcel:
    """An entry point whose environments differ although they were made alike."""
    return Parcel(horizon=horizon + next(_made) % 2)


class OffersMoreEveryRound(Parcel):
    def choices(self, agent):
        return [str(number) for number in range(2 + self.round)]


class OffersNoList(Parcel):
    def choices(self, agent):
        return "yes or no"


class OffersTheAnswer(Parcel):
    """Among others, in an order that gives nothing away."""

    def choices(self, agent):
        return sorted([self.number, "50000"])


class OffersTheAnswerFirst(Parcel):
    """It may: the teller is told both, and which of them is right is all that the asker knows."""

    def view(self, agent):
        return f"It is {self.number} or 50000." if agent == "teller_0" else super().view(agent)

    def choices(self, agent):
        return [self.number, "50000"]


class OffersOneNothing(Parcel):
    def choices(self, agent):
        if agent == "teller_0":
            raise NotImplementedError("the teller knows what to say")
        return super().choices(agent)
