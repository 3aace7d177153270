"""collab/budget-v0, played by hand."""

from collections import Counter
from statistics import fmean, stdev

import numpy as np
import pytest

import marft_envs
from marft_envs import Dependencies, FlexMG, Profile
from marft_envs.collab import budget
from marft_envs.collab.worlds.budget import (
    LEVELS,
    NEEDED,
    SILENT_SEEDS,
    TOTAL,
    Deal,
    Pool,
    best_deal,
    deals,
    game,
    listed,
    qualities,
    silent_rules,
    stated_claim,
)
from marft_envs.errors import OptionError, TeamFileError

KINDS = ("hat", "ball")
NUM_EPISODES = 600
ALL_POOLS = [pool for level in LEVELS.values() for pool in level.pools]


def reset(seed: int = 1, **options: object) -> FlexMG:
    env = marft_envs.make("collab/budget-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=seed)
    return env


def to_claims(env: FlexMG) -> FlexMG:
    while env.round < env.claims_at:
        env.step("Hm.")
    return env


def worth(env: FlexMG, agent: str, claim: tuple[int, ...]) -> int:
    return sum(count * value for count, value in zip(claim, env.values[agent], strict=True))


# ---- Plays


@pytest.mark.parametrize("level", LEVELS)
def test_both_get_what_their_parts_are_worth_to_them(level: str) -> None:
    env = to_claims(reset(level=level))
    deal = env.deals[0]
    for claim in deal.claims:
        env.step(f"So be it.\nI take {listed(claim, env.kinds)}.")
    assert env.terminated
    paid = {agent: worth(env, agent, claim) / 20 for agent, claim in zip(("red_0", "blue_0"), deal.claims, strict=True)}
    assert env.episode().returns == paid
    assert min(paid.values()) >= 0.6
    assert env.info["deal"] == 1


def test_claims_that_overlap_are_no_deal() -> None:
    env = to_claims(reset())
    for _ in range(2):
        env.step(listed(env.pool, env.kinds))
    assert env.terminated
    assert env.episode().returns == {"red_0": 0.0, "blue_0": 0.0}
    assert env.info == {"deal": 0}


def test_claims_that_leave_something_are_no_deal() -> None:
    env = to_claims(reset(level="standard"))
    made, spare = next(
        (deal, kind)
        for deal in env.deals
        for kind, count in enumerate(deal.claims[0])
        if count and deal.worths[0] - env.values["red_0"][kind] >= NEEDED
    )
    less = tuple(count - (kind == spare) for kind, count in enumerate(made.claims[0]))
    for claim in (less, made.claims[1]):
        env.step(listed(claim, env.kinds))
    assert env.info == {"deal": 0}


def test_a_part_that_is_worth_too_little_to_one_of_them_is_no_deal() -> None:
    env = to_claims(reset())
    env.step(listed(env.pool, env.kinds))
    env.step("nothing")
    assert env.episode().returns == {"red_0": 0.0, "blue_0": 0.0}


@pytest.mark.parametrize("words", ["", "I do not know.", "everything"])
def test_no_claim_is_no_deal(words: str) -> None:
    env = to_claims(reset())
    env.step(words)
    env.step(env.reference_action("blue_0"))
    assert env.terminated
    assert env.info == {"deal": 0}


@pytest.mark.parametrize(("level", "talks"), [("easy", 1), ("standard", 2), ("hard", 3)])
def test_they_talk_one_after_the_other_and_claim_at_once(level: str, talks: int) -> None:
    env = reset(level=level)
    for _ in range(talks):
        assert env.dependencies == Dependencies.sequence(["red_0", "blue_0"])
        env.step("I want the hat.")
        assert env.observe("blue_0")["text"].endswith("red_0:\n> I want the hat.")
        env.step("So do I.")
    assert env.dependencies == Dependencies.together(["red_0", "blue_0"])
    env.step("1 hat")
    assert "> 1 hat" not in env.observe("blue_0")["text"]
    assert "blue_0:\n> So do I." in env.observe("red_0")["text"]


def test_claims_made_while_they_talk_are_only_heard() -> None:
    env = reset()
    for claim in env.deals[0].claims:
        env.step(listed(claim, env.kinds))
    assert not env.terminated
    assert env.info == {}


def test_a_short_horizon_cuts_the_talk_and_not_the_claims() -> None:
    env = reset(level="hard", horizon=2)
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=1)
    assert len(episode.turns) == 4
    assert episode.terminated
    assert env.info["deal"] == 1


def test_each_is_told_its_own_values_alone() -> None:
    env = reset(3)
    for agent in ("red_0", "blue_0"):
        told = env.observe(agent)["text"]
        env.step("Hm.")
        assert listed(env.pool, env.kinds) in told
        for kind, value in zip(env.kinds, env.values[agent], strict=True):
            assert f"a {kind} is worth {value}" in told
    assert env.values["red_0"] != env.values["blue_0"]


def test_there_is_no_game_without_talk() -> None:
    with pytest.raises(OptionError, match="horizon is 1"):
        reset(horizon=1)


@pytest.mark.parametrize("answers", [[True], [True, False], [True, True, True]])
def test_two_share_and_both_claim(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="two share"):
        reset(team=tuple(Profile("party", answers=each) for each in answers))


# ---- Claims


@pytest.mark.parametrize(
    ("reply", "claim"),
    [
        ("2 hats, 1 ball", (2, 1)),
        ("1 ball and 2 Hats.", (2, 1)),
        ("I want much.\nI take the hat.", (1, 0)),
        ("0 hats, 3 balls", (0, 3)),
        ("nothing", (0, 0)),
        ("*Nothing*.", (0, 0)),
        ("", None),
        ("2", None),
        ("2 hats\nfine?", None),
        ("1 hat, 1 hat", None),
        ("hat or hats", None),
        ("nothing but air", None),
        ("hatter, football", None),
        ("99999999999999999999 hats", (1000, 0)),
    ],
)
def test_a_claim_is_what_the_last_line_names(reply: str, claim: tuple[int, ...] | None) -> None:
    assert stated_claim(reply, KINDS) == claim


@pytest.mark.parametrize("claim", [(0, 0), (1, 0), (0, 3), (2, 2)])
def test_what_is_listed_is_read_again(claim: tuple[int, ...]) -> None:
    assert stated_claim(listed(claim, KINDS), KINDS) == claim


# ---- The world


@pytest.mark.parametrize("pool", ALL_POOLS)
def test_all_values_that_make_up_the_total_are_drawn_from_once(pool: Pool) -> None:
    values = game(pool).values
    assert (values @ pool == TOTAL).all()
    ways = [1, *[0] * TOTAL]  # the number of ways to make up a sum, kind by kind
    for count in pool:
        for total in range(count, TOTAL + 1):
            ways[total] += ways[total - count]
    assert len(values) == len({tuple(row) for row in values.tolist()}) == ways[TOTAL]


def test_deals_are_all_divisions_that_suit_both() -> None:
    env = reset(5, level="standard")
    found = {deal.claims: deal.worths for deal in env.deals}
    for claim in map(tuple, game(env.pool).claims.tolist()):
        rest = tuple(there - taken for there, taken in zip(env.pool, claim, strict=True))
        worths = worth(env, "red_0", claim), worth(env, "blue_0", rest)
        assert found.get((claim, rest)) == (worths if min(worths) >= NEEDED else None)


@pytest.mark.parametrize("pool", [(1, 1, 2), (1, 2, 3, 4)])
def test_values_may_meet_where_there_is_a_deal_and_nowhere_else(pool: Pool) -> None:
    pairs = game(pool).pairs
    drawn = np.random.default_rng(0)
    for one, other in drawn.integers(len(pairs), size=(300, 2)).tolist():
        assert pairs[one, other] == bool(deals(pool, (one, other)))


def deal(*worths: int) -> Deal:
    return Deal(((worths[0],), (worths[1],)), (worths[0], worths[1]))


def test_the_best_deal_has_the_greatest_sum_then_the_least_difference_then_comes_first() -> None:
    assert best_deal([deal(12, 12), deal(20, 13), deal(13, 20), deal(16, 17), deal(17, 16)]) == deal(16, 17)
    assert best_deal([deal(12, 20), deal(16, 15)]) == deal(12, 20)


def test_qualities_of_a_deal() -> None:
    among = [deal(12, 13), deal(12, 15), deal(18, 12)]
    assert qualities(among[0], among) == pytest.approx(
        {"efficient": 0, "nash": 156 / 216, "poorer": 12 / 25, "welfare": 25 / 30}
    )
    assert qualities(among[1], among)["efficient"] == 1
    assert qualities(among[2], among) == pytest.approx({"efficient": 1, "nash": 1, "poorer": 0.4, "welfare": 1})


def test_names_and_parties_do_not_matter_to_the_key() -> None:
    env = reset(2, level="easy")
    key = env.instance_key()
    env.values = dict(zip(("red_0", "blue_0"), [*env.values.values()][::-1], strict=True))
    assert env.instance_key() == key
    ones = [k for k, count in enumerate(env.pool) if count == 1][:2]
    for values in env.values.values():
        values[ones[0]], values[ones[1]] = values[ones[1]], values[ones[0]]
    assert env.instance_key() == key
    env.values["red_0"] = [20, 0, 0]
    env.values["blue_0"] = [0, 20, 0]
    assert env.instance_key() != key


def num_keys(pool: Pool) -> float:
    """At least so many: pairs, over the renamings that leave the pool as it is, and the exchange of the parties."""
    alike = np.prod([np.prod(range(1, number + 1)) for number in Counter(pool).values()])
    return float(game(pool).pairs.sum() / alike / 2)


@pytest.mark.parametrize(("level", "least"), [("easy", 4_000), ("standard", 100_000), ("hard", 10_000)])
def test_there_are_enough_instances(level: str, least: int) -> None:
    assert sum(num_keys(pool) for pool in LEVELS[level].pools) >= least


# ---- Silence, and talk


def bounds(pool: Pool) -> dict[str, float]:
    """What both earn on average over all values: the best deal; the silent rules; silence of the first alone.

    In the last, the second party knows both values and what is claimed, and takes the rest. So for each of its own
    values the first has a best claim: no play in which its claim follows from its own values earns more.
    """
    about = game(pool)
    first, second = about.worth, about.worth[:, ::-1]
    best = np.zeros_like(about.pairs)
    one_sided = []
    for claim in range(len(about.claims)):
        both = (first[:, claim, None] > 0) & (second[None, :, claim] > 0)
        earned = both * (first[:, claim, None] + second[None, :, claim])
        best = np.maximum(best, earned)
        one_sided.append((about.pairs * earned).sum(axis=1))
    scale = 2 * TOTAL * about.pairs.sum()
    return {
        "talk": float((about.pairs * best).sum() / scale),
        "silent": silent_rules(pool)[2] / (2 * TOTAL),
        "bound": float(np.max(one_sided, axis=0).sum() / scale),
    }


def told(level: str) -> dict[str, float]:
    """The same for a level, whose pools are as likely each."""
    found = [bounds(pool) for pool in LEVELS[level].pools]
    return {name: fmean(each[name] for each in found) for name in found[0]}


def test_the_docstring_tells_what_silence_and_talk_earn() -> None:
    found = {level: told(level) for level in LEVELS}
    text = " ".join((budget.__doc__ or "").split())
    silent = ", ".join(f"{level} {each['silent']:.3f}" for level, each in found.items())
    for name in ("talk", "bound"):
        assert ", ".join(f"{each[name]:.3f}" for each in found.values()) in text, found
    assert silent in text
    for each in found.values():
        assert each["silent"] < each["bound"] < each["talk"]
        assert each["silent"] < each["talk"] - 0.3


@pytest.mark.parametrize("pool", [(1, 1, 1), (1, 2, 2, 3)])
def test_neither_party_gains_by_another_silent_rule(pool: Pool) -> None:
    about = game(pool)
    first, second, earned = silent_rules(pool)
    expected = 0
    for one in range(len(about.values)):
        for other in range(len(about.values)):
            claims = about.claims[first[one]] + about.claims[second[other]]
            worths = about.worth[one, first[one]], about.worth[other, second[other]]
            if about.pairs[one, other] and tuple(claims.tolist()) == pool and min(worths) > 0:
                expected += sum(worths)
    assert earned == pytest.approx(expected / about.pairs.sum())
    assert about.best_reply(second)[1] == pytest.approx(expected)
    assert about.best_reply(first)[1] == pytest.approx(expected)


def test_no_other_of_a_hundred_starts_leads_farther() -> None:
    pool = (1, 1, 2)
    about = game(pool)
    for seed in range(100):
        start = np.random.default_rng(seed).integers(len(about.claims), size=len(about.values))
        assert about.improved(start)[2] <= silent_rules(pool)[2] + 1e-9


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("play", ["silent", "talk"])
def test_plays_earn_what_is_told(level: str, play: str) -> None:
    env = reset(level=level)
    style = env.silent_action if play == "silent" else env.reference_action
    earned = [
        fmean(marft_envs.play(env, lambda agent, messages: style(agent), seed=seed).returns.values())
        for seed in range(NUM_EPISODES)
    ]
    assert fmean(earned) == pytest.approx(told(level)[play], abs=4 * stdev(earned) / NUM_EPISODES**0.5)


def test_every_pool_has_its_start() -> None:
    assert set(SILENT_SEEDS) == set(ALL_POOLS)


@pytest.mark.parametrize("level", LEVELS)
def test_each_party_claims_by_its_own_rule_when_it_is_silent(level: str) -> None:
    for seed in range(100):
        env = to_claims(reset(seed, level=level))
        about = game(env.pool)
        for agent, rule in zip(("red_0", "blue_0"), silent_rules(env.pool), strict=False):
            place = about.values.tolist().index(env.values[agent])
            assert env.silent_action(agent) == listed(about.claims[rule[place]].tolist(), env.kinds)
