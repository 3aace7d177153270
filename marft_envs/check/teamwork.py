"""The grader of what a team is for: what talking earns that silence does not."""

from statistics import fmean

from marft_envs.check.grader import NotApplicable, Violation, grader
from marft_envs.check.subject import Style, Subject, at, play_out, reference, silent, turns_of
from marft_envs.hooks import Hooks

GAP = 0.3
"""Share of the reward range by which the reference play is better than the best without messages, at least."""
NUM_GAP_EPISODES = 100
NUM_TOLD_EPISODES = 300
"""Episodes searched for two in which an agent was told the same."""


@grader(
    "talking pays",
    why="a task that silent agents do as well teaches nobody to work together, whatever its score says",
    fix="give agents knowledge that the others need; let silent_action follow from nothing but what its agent was told",
)
def talking_pays(subject: Subject) -> None:
    """Where there is a silent play, it stays 30 % of the range below the reference, and sees nobody else's secrets."""
    if type(subject.make()).silent_action is Hooks.silent_action:
        raise NotApplicable("there is no silent_action")
    low, high = subject.make().reward_range
    for level in subject.levels():
        best = _mean(subject, reference, level)
        alone = _mean(subject, silent, level)
        if alone > best - GAP * (high - low) + 1e-9:
            raise Violation(
                f"level {level}: the silent play earns {alone:.3f} and the reference {best:.3f}, on average of "
                f"{NUM_GAP_EPISODES} episodes; the range is ({low}, {high})"
            )
        _require_ignorance(subject, level)


def _mean(subject: Subject, style: Style, level: str | None) -> float:
    env = subject.make(**at(level))
    return fmean(fmean(play_out(env, style, seed).returns.values()) for seed in range(NUM_GAP_EPISODES))


def _require_ignorance(subject: Subject, level: str | None) -> None:
    """Who was told the same writes the same: over many instances, of which some differ in others' secrets alone."""
    wrote: dict[tuple[str, str], tuple[str, int]] = {}
    env = subject.make(**at(level))
    for seed in range(NUM_TOLD_EPISODES):
        env.reset(seed=seed)
        for agent in turns_of(env):
            told = repr([message["content"] for message in env.messages(agent) if "name" not in message])
            action = env.silent_action(agent)
            before, other = wrote.setdefault((agent, told), (action, seed))
            if before != action:
                raise Violation(
                    f"level {level}, seeds {other} and {seed}: {agent} was told the same, and its silent play writes "
                    f"{before!r:.60} and {action!r:.60}; so it knows what the environment has told others alone"
                )
            env.step(action)
