"""Golden behaviour: one hash per environment id, so that behaviour cannot change without a new version.

    python -m marft_envs.golden            # compares every registered environment with golden.json
    python -m marft_envs.golden --add      # adds the ids that are missing; never changes one that is there

The hash is over what can be seen of fixed plays: every agent's messages, the state, rewards, times, ends. What was
measured is left out, for it belongs to the machine. Source text may change as it likes. Leaderboards pin an environment
by id and hash.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from marft_envs.check.subject import Style, Subject, at, noise, nothing, play_out, reference, sometimes_right
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Episode
from marft_envs.registry import make, registered_ids, spec

GOLDEN = Path(__file__).with_name("golden.json")
NUM_SEEDS = 8
STYLES: tuple[Style, ...] = (sometimes_right, noise, nothing, reference)
"""They are part of what is hashed: what they write must never change."""


def behaviour_hash(env_id: str) -> str:
    """SHA-256 over fixed plays of an environment, at every level and split; 64 hexadecimal digits."""
    found = spec(env_id)
    subject = Subject(found.id, lambda **options: _flex_mg(make(found, **options)))
    digest = sha256()
    for play in _plays(subject):
        digest.update(json.dumps(play, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii"))
    return digest.hexdigest()


def recorded_hashes() -> dict[str, str]:
    """Id -> hash, as golden.json holds them."""
    recorded: dict[str, str] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return recorded


def _flex_mg(env: object) -> FlexMG:
    assert isinstance(env, FlexMG), env
    return env


def _plays(subject: Subject) -> Iterator[object]:
    for level, split in subject.levels_and_splits():
        for style in STYLES:
            env = subject.make(split=split, **at(level))
            for seed in range(NUM_SEEDS):
                episode = play_out(env, style, seed)
                messages = {agent: env.messages(agent) for agent in env.possible_agents}
                yield [level, split, style.__name__, env.instance_key(), env.state(), messages, _plain(episode)]


def _plain(episode: Episode) -> object:
    turns = [asdict(turn) for turn in episode.turns]
    rewards = [asdict(event) for event in episode.reward_events]
    ends = [episode.terminated, episode.truncated, dict(episode.returns), dict(episode.info)]
    return [episode.seed, turns, rewards, ends]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare all, or add what is missing and look at nothing else; 0 if everything is as recorded."""
    parser = argparse.ArgumentParser(prog="python -m marft_envs.golden", description=__doc__.partition("\n")[0])
    parser.add_argument("--add", action="store_true", help="record the ids that are missing, and compare none")
    add = parser.parse_args(arguments).add
    recorded = recorded_hashes()
    ours = [env_id for env_id in registered_ids() if is_ours(env_id)]
    found = {env_id: behaviour_hash(env_id) for env_id in ours if not (add and env_id in recorded)}
    differing = [env_id for env_id in found if recorded.get(env_id, found[env_id]) != found[env_id]]
    missing = [env_id for env_id in found if env_id not in recorded]
    if add and missing:
        recorded |= {env_id: found[env_id] for env_id in missing}
        GOLDEN.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        missing = []
    for env_id in differing:
        sys.stderr.write(f"{env_id} behaves otherwise than recorded: {WAY_OUT}\n")
    for env_id in missing:
        sys.stderr.write(f"{env_id} is not recorded yet: python -m marft_envs.golden --add\n")
    return 1 if differing or missing else 0


WAY_OUT = (
    "register the changed environment under the next version, keep the old one runnable, and tell the change in the "
    "docstring's version history"
)


def is_ours(env_id: str) -> bool:
    """Whether the environment belongs to this package: those of plug-ins are recorded by their own authors."""
    return str(spec(env_id).entry_point).startswith("marft_envs.")


if __name__ == "__main__":
    sys.exit(main())
