"""Graders of play: any text is legal, every episode ends, and rewards mean what is declared."""

import math
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from statistics import fmean

from marft_envs.check.grader import Violation, grader
from marft_envs.check.subject import VARIED, Style, Subject, at, echo, noise, nothing, play_out, reference, turns_of
from marft_envs.check.traces import moment, shortened
from marft_envs.clock import ClockMG
from marft_envs.episode import actions_again
from marft_envs.errors import ReplayMismatchError
from marft_envs.flex_mg import FlexMG
from marft_envs.hooks import Hooks
from marft_envs.records import Episode, Measurement

FLOOR = 0.3
"""Share of the reward range that empty, echoed and random play must stay below the maximum."""
NUM_FLOOR_EPISODES = 30
NUM_SOUND_INSTANCES = 50
MOST_CPU_S_PER_STEP = 1.0
"""A step takes microseconds; a second is no busy machine any more."""
MOST_BYTES_PER_STEP = 64 * 1024 * 1024
"""Besides 16 bytes for each character of the action."""

ODD_TEXTS = (
    "",
    " \t\n ",
    "\x00\x01\x07\x1b[31m\x7f",
    "\ud800 half \udfff",
    "\u202egnitirw \u2066isolated\u2069 \u200f",
    "Z\u0351\u036b\u0343a\u0340\u0301lgo \U0001f468\u200d\U0001f469\u200d\U0001f467 \ufdfa \u0661\u0662\u0663",
    "\u2028\u2029\x85\x0b\x0c",
    "<|im_end|><|im_start|>system\n</s><s>[INST]",
    "__import__('os').system('exit 1') {0.__class__} %s %n ${PATH} `id`",
    "9**9**9**9",
    "(" * 20_000,
    "\\frac{" * 5_000,
    "9" * 20_000,
    "-" * 20_000 + "1",
    "a " * 500_000,
)
"""Texts that a model might write and a person would not: control characters, lone surrogates, nests, a megabyte."""

FORGED: tuple[Measurement, ...] = (
    "forged",
    "9" * 5_000,
    -1,
    2**62,
    True,
    (),
    ("forged",),
    (-1, 2**62),
    ((((),),),),
)
"""What a log might hold in the place of a measurement: other types, other lengths, no places of anything."""


@grader(
    "any text is legal",
    why="a model writes anything; an exception loses the whole batch, and a reward for it teaches to crash",
    fix="let act return an Outcome, or None, for every str; parse with care, and never evaluate",
)
def any_text(subject: Subject) -> None:
    """Odd texts from every agent at every turn raise nothing, and the episode goes on to a proper end."""
    for text in ODD_TEXTS:
        env = subject.make()
        env.reset(seed=subject.seeds[0])
        for agent in turns_of(env):
            try:
                env.step(text)
            except Exception as error:
                raise Violation(f"{shortened(text)} from {agent} raised {type(error).__name__}: {error}") from error
        for agent in env.possible_agents:
            env.observe(agent)["text"].encode("utf-8")


@grader(
    "any measurement is legal",
    why="logs come from strangers: what one holds must neither crash a replay nor be taken on trust",
    fix="check the form of what measured hands you; measure as if there were none, or raise ReplayMismatchError",
)
def any_measurement(subject: Subject) -> None:
    """Forged measurements, one at a time, raise nothing but ReplayMismatchError in an episode played again."""
    for style in VARIED:
        episode = play_out(subject.make(), style, subject.seeds[0])
        recorded = episode.measurements
        for place in range(len(recorded)):
            for forged in FORGED:
                measurements = (*recorded[:place], forged, *recorded[place + 1 :])
                try:
                    _play_again(subject.make(), episode, measurements)
                except ReplayMismatchError:
                    continue
                except Exception as error:
                    what = f"measurement {place}, forged as {shortened(forged)}"
                    raise Violation(f"{what}, raised {type(error).__name__}: {error}") from error


def _play_again(env: FlexMG, episode: Episode, measurements: tuple[Measurement, ...]) -> None:
    """The actions of an episode with other measurements, as far as these leave the turns as they were."""
    env.reset(seed=episode.seed, options=episode.reset_options, measurements=measurements)
    for agent, action in actions_again(episode, env):
        env.select(agent)
        env.step(action)


@grader(
    "liveness",
    why="an episode that nobody can act in, or that does not end, hangs a trainer",
    fix="let dependencies_for name somebody in every round; end by terminated=True or leave it to the horizon",
)
def liveness(subject: Subject) -> None:
    """Somebody is ready until the episode ends, it ends within the horizon, and everybody acts in some episode."""
    acted: set[str] = set()
    for where, env, style in _openings(subject):
        try:
            acted |= {turn.agent for turn in play_out(env, style).turns}
        except AssertionError as error:
            raise Violation(f"{where}: {error}") from error
        if env.terminated == env.truncated:
            raise Violation(f"{where}: nobody is ready, and the episode has not ended")
        if not isinstance(env, ClockMG) and env.num_rounds > env.horizon:
            raise Violation(f"{where}: {env.num_rounds} rounds, and the horizon is {env.horizon}")
    idle = [agent for agent in subject.make().possible_agents if agent not in acted]
    if idle:
        raise Violation(f"{', '.join(idle)} never acted, whatever was played")


@grader(
    "reward range",
    why="scores are compared as shares of the range; a return outside of it, or that is no number, ruins every average",
    fix="declare reward_range as the least and the greatest return of one episode, and keep to it",
)
def reward_range(subject: Subject) -> None:
    """Every return is finite and within the declared range, which is finite and not empty."""
    low, high = _range(subject.make())
    for where, env, style in _openings(subject):
        for agent, value in play_out(env, style).returns.items():
            if not math.isfinite(value) or not low - 1e-9 <= value <= high + 1e-9:
                raise Violation(f"{where}: {agent} got {value}, outside of reward_range ({low}, {high})")


@grader(
    "the reference play is best",
    why="if perfect play does not score the maximum, the task is wrong, or its grader is",
    fix="let reference_action write what a perfect agent would; override best_welfare where interests differ",
)
def reference_is_best(subject: Subject) -> None:
    """Reference play earns everybody the maximum; where interests differ, their sum is the best there is."""
    if not _has_reference(subject):
        raise Violation("there is no reference_action, so nobody knows whether the task can be solved")
    low, high = _range(subject.make())
    for level, split in subject.levels_and_splits():
        for seed in range(10):
            env = subject.make(split=split, **at(level))
            returns = play_out(env, reference, seed).returns
            where = f"level {level}, split {split}, seed {seed}: reference play"
            best = env.best_welfare()
            if best is not None:
                total = sum(returns.values())
                if not math.isclose(total, best, abs_tol=1e-9):
                    raise Violation(f"{where} has the welfare {total}, and best_welfare is {best}")
                continue
            for agent, value in returns.items():
                if not math.isclose(value, high, abs_tol=1e-9):
                    raise Violation(f"{where} earned {agent} {value}; the range is ({low}, {high})")


@grader(
    "instances are sound",
    why="a task that its own solution fails teaches nothing, and looks like a weak model",
    fix="mend or leave out what `flaw` names: the tests, the reference, or both",
)
def instances_are_sound(subject: Subject) -> None:
    """Of the first instances of every level and split, none has a flaw that the environment knows of."""
    for level, split in subject.levels_and_splits():
        env = subject.make(split=split, **at(level))
        for seed in range(NUM_SOUND_INSTANCES):
            env.reset(seed=seed)
            flaw = env.flaw()
            if flaw:
                raise Violation(f"level {level}, split {split}, seed {seed}: {flaw}")


@grader(
    "answers can be counted",
    why="a vote counts plays whose answers are equal texts; one that differs between equal plays is worth nothing",
    fix="let answer return a text, or None, that follows from what agents wrote; it changes and draws nothing",
)
def answers_can_be_counted(subject: Subject) -> None:
    """What a finished episode arrived at is a text or None, whatever was written, and equal for equal plays."""
    texts: tuple[Style, ...] = tuple(partial(_says, text) for text in ODD_TEXTS)
    styles = (*VARIED, nothing, echo, *([reference] if _has_reference(subject) else []), *texts)
    for level in subject.levels():
        for style in styles if level == subject.levels()[0] else styles[: -len(texts)]:
            one, other = (subject.make(**at(level)) for _ in range(2))
            episode = play_out(one, style, subject.seeds[0])
            _play_again(other, episode, episode.measurements)
            before = moment(one), one.episode()
            answers = [_answer(one), _answer(one), _answer(other)]
            where = f"level {level}, seed {subject.seeds[0]}"
            if len(set(answers)) > 1:
                raise Violation(f"{where}: equal plays have the answers {' and '.join(map(shortened, answers))}")
            if (moment(one), one.episode()) != before:
                raise Violation(f"{where}: asking for the answer changed the episode")
            if style is reference and answers == [None] * 3 and type(one).answer is not Hooks.answer:
                raise Violation(f"{where}: the reference play has no answer; a vote could never choose it")


def _says(text: str, env: FlexMG, agent: str) -> str:  # noqa: ARG001  # a style, once the text is given
    return text


def _answer(env: FlexMG) -> str | None:
    try:
        answer = env.answer()
    except Exception as error:
        raise Violation(f"answer raised {type(error).__name__}: {error}") from error
    if answer is not None and not isinstance(answer, str):
        raise Violation(f"answer returned {shortened(answer)}; return a text, or None")
    return answer


@grader(
    "nothing comes for free",
    why="a task whose points come for nothing teaches nothing",
    fix="pay for what was achieved, not for taking part; make guessing unlikely to succeed",
)
def floor(subject: Subject) -> None:
    """Empty, echoed and random play stay at least 30 % of the range below the maximum, on average."""
    low, high = _range(subject.make())
    most = high - FLOOR * (high - low)
    for level in subject.levels():
        for style in (nothing, echo, noise):
            played = [play_out(subject.make(**at(level)), style, seed) for seed in range(NUM_FLOOR_EPISODES)]
            mean = fmean(fmean(episode.returns.values()) for episode in played)
            if mean > most + 1e-9:
                raise Violation(
                    f"level {level}: {style.__name__} earns {mean:.3f} on average of {len(played)} episodes; at most "
                    f"{most:.3f} of ({low}, {high}) may come so"
                )


@grader(
    "bounded steps",
    why="one reply that takes minutes to judge stops a whole batch, and models find such replies",
    fix="bound what you parse: lengths, depths, digits; use no regular expression that can backtrack",
)
def bounded_steps(subject: Subject) -> None:
    """No step takes more than a CPU-second or 64 MiB, whatever was written."""
    for text in (*ODD_TEXTS, "1+" * 50_000 + "1", "aaaa" * 50_000 + "!", "1," * 50_000):
        env = subject.make()
        env.reset(seed=subject.seeds[0])
        for agent in turns_of(env):
            tracemalloc.start()
            began = time.process_time()
            env.step(text)
            spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
            if spent > MOST_CPU_S_PER_STEP:
                raise Violation(f"{shortened(text)} from {agent} took {spent:.1f} CPU-seconds")
            if peak > MOST_BYTES_PER_STEP + 16 * len(text):
                raise Violation(f"{shortened(text)} from {agent} took {peak / 2**20:.0f} MiB")


def _range(env: FlexMG) -> tuple[float, float]:
    low, high = env.reward_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Violation(f"reward_range is ({low}, {high}); declare the least and the greatest return of an episode")
    return low, high


def _has_reference(subject: Subject) -> bool:
    env = subject.make()
    env.reset(seed=subject.seeds[0])
    try:
        env.reference_action(env.agent_selection)
    except NotImplementedError:
        return False
    return True


def _openings(subject: Subject) -> Iterator[tuple[str, FlexMG, Style]]:
    """Episodes that have just begun, at every level, with the style that goes on."""
    styles: tuple[Style, ...] = (*VARIED, nothing, echo, *([reference] if _has_reference(subject) else []))
    for level in subject.levels():
        for style in styles:
            for seed in subject.seeds:
                env = subject.make(**at(level))
                env.reset(seed=seed)
                yield f"level {level}, {style.__name__}, seed {seed}", env, style
