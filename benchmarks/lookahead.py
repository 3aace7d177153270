"""How many turns of one episode can be asked for at once on the clock, against one agent at a time.

    python benchmarks/lookahead.py

On the clock an instant is committed as soon as nothing can come before it, for which every open turn has a least
duration. Until then all of them are ready, so a trainer asks for them in one batch. Here the reference plays both ways:
all that is ready at every tick, and only who is to act next. Both have the same outcome, which is compared. A batch
counts how many of its turns the episode kept: what comes after its end is not counted.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import marft_envs
from marft_envs import ClockMG, Episode

ENV_ID = "collab/search_party-v0"
RESULTS = Path(__file__).parent / "results" / "lookahead.json"


def play(env: ClockMG, seed: int, asked: Callable[[tuple[str, ...]], Sequence[str]]) -> tuple[Episode, int]:
    """An episode by the reference, and in how many batches; `asked` says which of the ready are in one."""
    env.reset(seed=seed)
    num_batches = 0
    while env.ready:
        num_batches += 1
        actions = {agent: env.reference_action(agent) for agent in asked(env.ready)}
        for agent, action in actions.items():
            if env.ready:
                env.select(agent)
                env.step(action)
    return env.episode(), num_batches


def mean_batches(env: ClockMG, seeds: Sequence[int]) -> tuple[float, float]:
    """Turns in a batch on average, of all that is ready and of one agent at a time.

    Raises: AssertionError if the two have another outcome.
    """
    many, one = [], []
    for seed in seeds:
        together, num_together = play(env, seed, lambda ready: ready)
        alone, num_alone = play(env, seed, lambda ready: ready[:1])
        assert together == alone, f"seed {seed}: asked for together, it is another episode"
        many.append(len(together.turns) / num_together)
        one.append(len(alone.turns) / num_alone)
    return fmean(many), fmean(one)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env-id", default=ENV_ID, help=f"an environment on the clock (default: {ENV_ID})")
    parser.add_argument("--teams", nargs="+", default=["search_party", "search_party_octet"], help="its teams")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    rows = []
    print(f"{'level':<12}{'team':<22}{'agents':>7}{'together':>10}{'alone':>8}{'ratio':>8}")
    for team in args.teams:
        levels = marft_envs.make(args.env_id).levels
        for level in levels:
            env = marft_envs.make(args.env_id, team=team, level=level)
            if not isinstance(env, ClockMG):
                raise SystemExit(f"{args.env_id} is not on the clock")
            many, one = mean_batches(env, range(args.episodes))
            rows.append({"level": level, "team": team, "together": many, "alone": one, "ratio": many / one})
            print(f"{level:<12}{team:<22}{len(env.possible_agents):>7}{many:>10.2f}{one:>8.2f}{many / one:>8.2f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"env_id": args.env_id, "episodes": args.episodes, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
