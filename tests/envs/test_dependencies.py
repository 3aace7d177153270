"""D_t as a value: what any acyclic graph promises, the usual shapes, and the mistakes it refuses."""

import copy
import pickle
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs import Dependencies, MarftError
from marft_envs.errors import DependencyError

TRIO = ("a_0", "b_0", "c_0")


@st.composite
def random_dags(draw: st.DrawFn) -> Dependencies:
    """Up to seven agents in any order; edges run along a hidden order, so that there is no cycle."""
    hidden = [f"agent_{k}" for k in range(draw(st.integers(1, 7)))]
    pairs = [(i, j) for place, j in enumerate(hidden) for i in hidden[:place]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Dependencies(draw(st.permutations(hidden)), edges)


@given(random_dags())
def test_order_holds_every_agent_once_and_after_all_its_parents(dependencies: Dependencies) -> None:
    place = {agent: i for i, agent in enumerate(dependencies.order)}
    assert sorted(dependencies.order) == sorted(dependencies.agents)
    assert all(place[i] < place[j] for i, j in dependencies.edges)


@given(random_dags())
def test_order_breaks_ties_by_the_order_of_agents(dependencies: Dependencies) -> None:
    done: set[str] = set()
    for agent in dependencies.order:
        free = set(dependencies.ready(done))
        assert agent == next(name for name in dependencies.agents if name in free)
        done.add(agent)


@given(random_dags())
def test_parents_and_children_are_the_edges_seen_from_both_ends(dependencies: Dependencies) -> None:
    order = dependencies.order
    down = [(i, j) for j in order for i in dependencies.parents(j)]
    up = [(i, j) for i in order for j in dependencies.children(i)]
    assert set(down) == set(up) == set(dependencies.edges)
    assert len(down) == len(up) == len(dependencies.edges)
    for agent in order:
        for relatives in (dependencies.parents(agent), dependencies.children(agent)):
            assert list(relatives) == sorted(relatives, key=order.index)


@given(random_dags())
def test_layers_are_as_early_as_the_parents_allow(dependencies: Dependencies) -> None:
    layers = dependencies.layers()
    depth = {agent: k for k, layer in enumerate(layers) for agent in layer}
    assert sorted(depth) == sorted(dependencies.agents)
    for agent in dependencies.agents:
        assert depth[agent] == max((depth[parent] + 1 for parent in dependencies.parents(agent)), default=0)


@given(random_dags())
def test_playing_the_ready_sets_round_by_round_gives_the_layers(dependencies: Dependencies) -> None:
    done: set[str] = set()
    played = []
    while len(done) < len(dependencies.agents):
        ready = dependencies.ready(done)
        played.append(ready)
        done |= set(ready)
    assert tuple(played) == dependencies.layers()
    assert dependencies.ready(done) == ()


@given(random_dags(), st.sets(st.sampled_from([f"agent_{k}" for k in range(7)])))
def test_ready_is_everybody_who_has_not_acted_and_waits_for_nobody(dependencies: Dependencies, done: set[str]) -> None:
    ready = dependencies.ready(done)
    for agent in dependencies.agents:
        waits = any(parent not in done for parent in dependencies.parents(agent))
        assert (agent in ready) == (agent not in done and not waits)
    assert list(ready) == sorted(ready, key=dependencies.order.index)


@given(random_dags())
def test_matrix_is_the_edges_and_nilpotent_so_it_has_no_cycle(dependencies: Dependencies) -> None:
    matrix = dependencies.matrix()
    agents = dependencies.agents
    assert matrix.dtype == np.bool_
    assert matrix.shape == (len(agents), len(agents))
    assert {(agents[i], agents[j]) for i, j in np.argwhere(matrix)} == set(dependencies.edges)
    assert not np.linalg.matrix_power(matrix.astype(int), len(agents)).any()


@given(random_dags(), st.randoms())
def test_equal_graphs_are_one_object_however_their_edges_were_written(
    dependencies: Dependencies, random: Random
) -> None:
    edges = list(dependencies.edges) * 2
    random.shuffle(edges)
    again = Dependencies(list(dependencies.agents), edges)
    assert again is dependencies
    assert hash(again) == hash(dependencies)
    assert eval(repr(dependencies)) is dependencies


@given(random_dags())
def test_a_copy_a_deep_copy_and_a_pickle_are_the_same_value(dependencies: Dependencies) -> None:
    assert copy.copy(dependencies) is dependencies
    assert copy.deepcopy(dependencies) is dependencies
    assert pickle.loads(pickle.dumps(dependencies)) == dependencies


def test_graphs_over_agents_in_another_order_differ() -> None:
    assert Dependencies(["a_0", "b_0"]) != Dependencies(["b_0", "a_0"])
    assert Dependencies(["a_0", "b_0"]) != (("a_0", "b_0"), ())


def test_sequence_makes_everybody_read_all_who_stand_before() -> None:
    sequence = Dependencies.sequence(TRIO)
    assert sequence.edges == (("a_0", "b_0"), ("a_0", "c_0"), ("b_0", "c_0"))
    assert sequence.layers() == (("a_0",), ("b_0",), ("c_0",))


def test_chain_makes_everybody_read_the_agent_just_before() -> None:
    assert Dependencies.chain(TRIO).edges == (("a_0", "b_0"), ("b_0", "c_0"))


def test_together_is_simultaneous_moves() -> None:
    together = Dependencies.together(TRIO)
    assert together.edges == ()
    assert together.ready(()) == TRIO
    assert not together.matrix().any()


def test_the_usual_shapes_are_made_once() -> None:
    for shape in (Dependencies.sequence, Dependencies.chain, Dependencies.together):
        assert shape(list(TRIO)) is shape(TRIO)


def test_an_edge_may_run_against_the_order_of_agents() -> None:
    # c reads nobody, a reads c, b reads a: the ties' order a, b, c gives way to the edges.
    routed = Dependencies(TRIO, [("c_0", "a_0"), ("a_0", "b_0")])
    assert routed.order == ("c_0", "a_0", "b_0")
    assert routed.parents("a_0") == ("c_0",)
    assert routed.children("a_0") == ("b_0",)


def test_the_matrix_is_a_fresh_array_every_time() -> None:
    chain = Dependencies.chain(TRIO)
    chain.matrix()[:] = True
    assert chain.matrix().sum() == 2


def test_nothing_about_it_can_be_changed() -> None:
    chain = Dependencies.chain(TRIO)
    with pytest.raises(AttributeError, match="immutable"):
        chain.agents = ()
    with pytest.raises(AttributeError, match="immutable"):
        del chain.edges
    with pytest.raises(AttributeError):
        chain.extra = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("agents", "edges", "message"),
    [
        (TRIO, [("a_0", "b_0"), ("b_0", "c_0"), ("c_0", "a_0")], r"cycle: b_0 → c_0 → a_0 → b_0"),
        (TRIO, [("c_0", "b_0"), ("b_0", "c_0")], r"cycle: (b_0 → c_0 → b_0|c_0 → b_0 → c_0);"),
        (TRIO, [("a_0", "a_0")], r"\('a_0', 'a_0'\) is a self-loop"),
        (
            TRIO,
            [("a_0", "d_0")],
            r"names 'd_0', who does not act in this round; its agents are a_0, b_0, c_0",
        ),
        (TRIO, [("a_0", "b_0", "c_0")], r"is no pair; write \(i, j\)"),
        (("a_0", "b_0", "a_0"), [], r"'a_0' is named twice"),
        ((), [], r"no agent acts in this round; name at least one"),
        (("a_0", 1), [], r"agent 1 is no text"),
        ("a_0", [], r"one name 'a_0'; pass a sequence"),
    ],
)
def test_a_graph_that_no_round_can_have_is_refused_with_the_way_out(agents, edges, message) -> None:
    with pytest.raises(DependencyError, match=message) as caught:
        Dependencies(agents, edges)
    assert isinstance(caught.value, MarftError)
    assert isinstance(caught.value, ValueError)


def test_a_drawn_cycle_really_is_one() -> None:
    edges = [("a_0", "b_0"), ("b_0", "c_0"), ("c_0", "b_0"), ("c_0", "a_0")]
    with pytest.raises(DependencyError) as caught:
        Dependencies(TRIO, edges)
    walk = str(caught.value).split(": ")[1].split(";")[0].split(" → ")
    assert walk[0] == walk[-1]
    assert all(step in edges for step in pairwise(walk))


def test_asking_about_an_agent_that_does_not_act_says_who_does() -> None:
    chain = Dependencies.chain(TRIO)
    for question in (chain.parents, chain.children):
        with pytest.raises(DependencyError, match=r"'d_0' does not act in this round; its agents are a_0, b_0, c_0"):
            question("d_0")
