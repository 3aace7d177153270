"""Branches from one state: what is tried, what it comes to, and how the trunk goes on."""

from collections.abc import Callable, Sequence

import pytest

from baselines.algorithms import at_grpo
from baselines.errors import ConfigError, EnvironmentKindError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.tree import Tree, TreeCollector
from tests.baselines.toy_envs import PAIR, Letters, Paced
from tests.foreign_env import Echo

LoadTeam = Callable[..., Team]
SAMPLING = Sampling(0.9, 5, seed=3)


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    return load_team("writer_0", "editor_0")


def grown(
    team: Team,
    make: Callable[[], object],
    *,
    trees: int = 2,
    branches: int = 3,
    tasks: Sequence[Task] = (),
    agents: Sequence[str] = (),
    num_envs: int = 64,
) -> Tree:
    collector = Collector(make, team, num_envs=num_envs)  # type: ignore[arg-type]
    tree = TreeCollector(collector, branches, agents=agents or team.adapter_of)
    return tree.collect(tasks or [Task(seed) for seed in range(trees)], SAMPLING)


def test_every_turn_of_the_trunk_has_its_branches_from_one_state(team: Team) -> None:
    tree = grown(team, lambda: Letters(team=PAIR, horizon=2))
    # Two trees of two rounds of two turns, one after the other.
    assert [branches.turns[0].agent for branches in tree.branches] == ["writer_0", "editor_0"] * 4
    assert [branches.instance for branches in tree.branches] == [
        rollout.instance for rollout in (tree.rollouts[0], tree.rollouts[-1]) for _ in range(4)
    ]
    for branches in tree.branches:
        assert len(branches.turns) == len(branches.returns) == 3
        assert len({tuple(turn.prompt_ids) for turn in branches.turns}) == 1
    tried = [tuple(turn.action_ids) for branches in tree.branches for turn in branches.turns]
    assert len(set(tried)) > len(tree.branches)  # each draws by itself


def test_a_branch_comes_to_what_its_whole_episode_pays(team: Team) -> None:
    tree = grown(team, lambda: Letters(team=PAIR, horizon=1))
    writers, editors = tree.branches[::2], tree.branches[1::2]
    for seed, (writer, editor) in enumerate(zip(writers, editors, strict=True)):
        said = writer.turns[writer.returns.index(max(writer.returns))]  # the trunk went on with the writer's best
        for turn, amount in zip(editor.turns, editor.returns, strict=True):
            env = Letters(team=PAIR, horizon=1)
            env.reset(seed=seed)
            env.step(said.text)
            assert env.observe("editor_0")["text"] == turn.observation
            env.step(turn.text)
            assert amount == pytest.approx(env.episode().returns["editor_0"])
    assert [rollout.returns["writer_0"] for rollout in tree.rollouts] == [
        amount for branches in writers for amount in branches.returns
    ]
    assert all(len(rollout.turns) == 2 for rollout in tree.rollouts)


def test_the_same_seed_grows_the_same_tree_whatever_grows_beside_it(team: Team) -> None:
    def make() -> Letters:
        return Letters(team=PAIR, horizon=2)

    both, alone = grown(team, make), grown(team, make, trees=1)
    mine = [branches for branches in both.branches if branches.instance == alone.branches[0].instance]
    assert [[turn.text for turn in branches.turns] for branches in mine] == [
        [turn.text for turn in branches.turns] for branches in alone.branches
    ]


def test_two_trees_of_one_instance_are_two_trees(team: Team) -> None:
    tree = grown(team, lambda: Letters(team=PAIR, horizon=1), tasks=[Task(5, sample=0), Task(5, sample=1)])
    one, other = tree.branches[::2]  # the writers
    assert one.instance == other.instance
    assert [turn.text for turn in one.turns] != [turn.text for turn in other.turns]


def test_how_many_grow_at_once_changes_nothing(team: Team) -> None:
    def texts(num_envs: int) -> list[list[str]]:
        tree = grown(team, lambda: Letters(team=PAIR, horizon=2), trees=3, num_envs=num_envs)
        return [[branches.instance, *(turn.text for turn in branches.turns)] for branches in tree.branches]

    assert texts(1) == texts(64)


def test_turns_of_agents_that_nobody_trains_do_not_branch(team: Team) -> None:
    tree = grown(team, lambda: Letters(team=PAIR, horizon=2), agents=["editor_0"])
    assert {branches.turns[0].agent for branches in tree.branches} == {"editor_0"}
    assert len(tree.branches) == 2 * 2
    assert len(tree.rollouts) == 2 * 3 and all(len(rollout.turns) == 4 for rollout in tree.rollouts)


def test_trees_grow_on_the_clock(load_team: LoadTeam) -> None:
    tree = grown(load_team("quick_0", "slow_0"), Paced)
    assert {branches.turns[0].agent for branches in tree.branches} == {"quick_0", "slow_0"}
    assert len(tree.rollouts) == 2 * 3


def test_an_environment_that_cannot_be_copied_is_told(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Echo, memo: object) -> object:
        raise TypeError("it holds a socket")

    monkeypatch.setattr(Echo, "__deepcopy__", refuse, raising=False)
    team = load_team(*Echo().possible_agents)
    with pytest.raises(EnvironmentKindError, match=r"cannot be copied in the middle of an episode .*socket"):
        grown(team, Echo)


def test_at_grpo_divides_by_what_the_branches_of_a_turn_came_to(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = grown(team, lambda: Letters(team=PAIR, horizon=1), trees=1)
    writer, editor = tree.branches
    writer.returns[:], editor.returns[:] = [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]
    learner = at_grpo.AtGrpo(at_grpo.Config(), team)
    seen: list[tuple[Batch, list[float]]] = []
    monkeypatch.setattr(
        learner.policies, "update", lambda batch, advantages, **_: seen.append((batch, advantages.tolist())) or {}
    )
    metrics = learner.learn(tree, iteration=0, status=lambda _: None)
    ((batch, advantages),) = seen
    # Mean 2, deviation √(2/3): -1.2247, 0, 1.2247. The editor's came to the same, whatever it did.
    assert advantages == pytest.approx([-1.2247, 0.0, 1.2247, 0.0, 0.0, 0.0], abs=1e-3)
    assert [turn.text for turn in batch.turns()] == [turn.text for turn in (*writer.turns, *editor.turns)]
    assert metrics == {"groups": 2, "groups_flat": 1, "plays": 6}
    with pytest.raises(ConfigError, match="learns from branches"):
        learner.learn(Batch(tree.rollouts), iteration=0, status=lambda _: None)
