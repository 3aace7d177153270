"""What an untrained model makes of an environment, measured with models whose replies are known.

1. Success: exactly the share that was right, on the scale of the reward range, over distinct instances.
2. Company: only the subject's text varies; the others are perfect where that tells anything.
3. Replies: what could be graded, what was empty, what was cut, how long.
4. The same seed, the same figures; every play once.
5. Environments that tell less: without reference, without range, of others.
6. The command.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

import marft_envs
from baselines.cli import main
from baselines.evaluate import distinct_tasks
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.team import Team
from baselines.probe import TEAM, ProbeReport, ProbeRow, probe
from baselines.rollouts.collect import Sampling
from baselines.runs.experiment import TextEnv
from marft_envs import FlexMG, Profile
from tests.baselines.toy_envs import Halting, Letters, Uppercase
from tests.foreign_env import Echo

ENV = "math/reason_act-v0"
LoadTeam = Callable[..., Team]
Speaker = Callable[[str, str], str]
"""Answers an agent and all that it has read with its reply."""
GREEDY = Sampling(0.0, 16)


class Praise(Uppercase):
    """`Uppercase` with a perfect play: capitals."""

    reward_range = (0.0, 1.0)

    def reference_action(self, agent: str) -> str:
        return "AA"


class Judged(Praise):
    """Pays from -1 to 1, and asks for letters."""

    reward_range = (-1.0, 1.0)

    def end_round(self) -> marft_envs.Outcome:
        return marft_envs.Outcome(rewards=2.0 * self.shares["writer_0"] - 1.0, terminated=True)

    def gradable(self, agent: str, action: str) -> bool | None:
        assert agent in self.ready, "asked with its turn open"
        return action.isalpha() if agent == "writer_0" else None


@pytest.fixture
def speaking(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Team]:
    """A team whose model says what a function says; a reply that ends in "…" is cut there."""

    def make(speak: Speaker, *agents: str) -> Team:
        team = load_team(*agents, fresh=True)

        def act(requests: Sequence[Request], **settings: object) -> list[Reply]:
            return [reply(request) for request in requests]

        def reply(request: Request) -> Reply:
            text = speak(request.adapter, team.base.tokenizer.decode(request.prompt_ids))
            ids = list(team.base.tokenizer(text.removesuffix("…"))["input_ids"])
            return Reply(
                ids if text.endswith("…") else [*ids, team.base.tokenizer.eos_token_id], [], text.removesuffix("…")
            )

        monkeypatch.setattr(team, "act", act)
        return team

    return make


def probed(make_env: Callable[[], TextEnv], team: Team, num_instances: int = 8, **settings: object) -> ProbeReport:
    tasks = distinct_tasks(make_env(), None, num_instances, 0)
    return probe(make_env, team, tasks, GREEDY, **settings)


def rows(report: ProbeReport) -> dict[str, ProbeRow]:
    return {row.name: row for row in report.rows}


def one_try(**options: object) -> FlexMG:
    return marft_envs.make(ENV, level="add_digit_long", **{"horizon": 1, **options})


def solutions(num_instances: int) -> dict[str, str]:
    """The instances that `probed` asks, in its order, with their answers."""
    env = one_try()
    solved = {}
    for task in distinct_tasks(env, None, num_instances, 0):
        env.reset(seed=task.seed)
        solved[env.problem.text] = env.reference_action("actor_0")
    return solved


def question_in(read: str) -> str:
    return read.rpartition("What is ")[2].partition("?")[0]


# Success.


def test_a_model_that_is_right_k_of_n_times_has_exactly_that_success(speaking: Callable[..., Team]) -> None:
    solved = solutions(8)
    known = dict(list(solved.items())[:3])
    report = probed(one_try, speaking(lambda agent, read: known.get(question_in(read), "1")))
    assert report.num_instances == 8
    for name in ("actor_0", TEAM):
        row = rows(report)[name]
        assert (row.silent, row.success.mean, row.perfect) == (0.0, 3 / 8, 1.0)
        assert row.success.low < 3 / 8 < row.success.high
        assert row.success.num_instances == 8
    assert report.has_signal


def test_a_model_that_is_never_right_gives_no_signal(speaking: Callable[..., Team]) -> None:
    report = probed(one_try, speaking(lambda agent, read: "no idea"))
    assert {row.success.mean for row in report.rows} == {0.0}
    assert not report.has_signal


def test_success_is_the_place_in_the_reward_range(speaking: Callable[..., Team]) -> None:
    # A writer of "Ab" is paid 2 · 1/2 - 1 = 0, half way from -1 to 1; silence is paid -1, the reference 1.
    writer = rows(probed(Judged, speaking(lambda agent, read: "Ab", "writer_0", "editor_0")))["writer_0"]
    assert (writer.silent, writer.success.mean, writer.perfect) == (0.0, 0.5, 1.0)


def test_an_agent_that_is_paid_for_itself_has_its_own_success(speaking: Callable[..., Team]) -> None:
    words = {"writer_0": "a", "editor_0": "bb", "critic_0": "ccc"}
    report = probed(lambda: Letters(selfish=True), speaking(lambda agent, read: words[agent], *words))
    paid = [row.success.mean for row in report.rows]
    assert paid == pytest.approx([0.02, 0.04, 0.06, 0.04])  # a hundredth a letter, two rounds; the team: their mean


# Company.


def test_the_profile_that_loses_the_signal_is_told_from_the_one_that_keeps_it(speaking: Callable[..., Team]) -> None:
    words = {"writer_0": "AA", "editor_0": "Ab"}
    report = probed(Praise, speaking(lambda agent, read: words[agent], *words))
    found = {row.name: (row.others, row.silent, row.success.mean, row.perfect) for row in report.rows}
    assert found == {
        "writer_0": ("perfect", 0.0, 1.0, 1.0),  # 2/2 capitals, times the perfect editor's 1
        "editor_0": ("perfect", 0.0, 0.5, 1.0),  # 1/2, times 1
        TEAM: (None, 0.0, 0.5, 1.0),  # 1 · 1/2
    }


def test_a_wrong_word_of_the_others_does_not_count_against_a_profile(speaking: Callable[..., Team]) -> None:
    words = {"writer_0": "", "editor_0": "AA"}
    found = rows(probed(Praise, speaking(lambda agent, read: words[agent], *words)))
    assert (found["editor_0"].success.mean, found[TEAM].success.mean) == (1.0, 0.0)


def test_a_profile_that_perfect_others_do_not_need_is_measured_among_untrained_ones(
    speaking: Callable[..., Team],
) -> None:
    def repeats(agent: str, read: str) -> str:
        """The actor repeats what the reasoner said last, if anything; the reasoner has no idea."""
        return read.rpartition(" = ")[2].partition("<")[0] if agent == "actor_0" and " = " in read else "hm"

    reasoner, actor, team = probed(one_try, speaking(repeats)).rows
    assert (reasoner.others, reasoner.silent, reasoner.success.mean, reasoner.perfect) == ("untrained", 0.0, 0.0, 1.0)
    assert (actor.others, actor.success.mean) == ("perfect", 1.0)
    assert team.success.mean == 0.0


def test_a_team_of_one_has_no_others(speaking: Callable[..., Team]) -> None:
    solo = (Profile("solver", answers=True),)
    solver, team = probed(lambda: one_try(team=solo), speaking(lambda agent, read: "1", "solver_0")).rows
    assert (solver.others, team.others) == (None, None)
    assert solver.success == team.success


# Replies.


def test_replies_are_counted_by_form_by_emptiness_by_end_and_by_length(speaking: Callable[..., Team]) -> None:
    said = dict(zip(solutions(4), ["1", "so 1 2", " ", "12…"], strict=True))
    actor = rows(probed(one_try, speaking(lambda agent, read: said[question_in(read)]), 4, num_examples=9))["actor_0"]
    assert actor.num_replies == 4
    assert actor.gradable == 2 / 4  # "1" and "12"
    assert actor.empty == 1 / 4  # " "
    assert actor.cut == 1 / 4  # "12…"
    assert actor.tokens == (2 + 7 + 2 + 2) / 4  # a token a byte, and one for the end unless it was cut
    assert [reply.text for reply in actor.examples] == ["1", "so 1 2", " ", "12"]
    assert [(reply.gradable, reply.is_cut) for reply in actor.examples] == [
        (True, False),
        (False, False),
        (False, False),
        (True, True),
    ]
    assert f"What is {next(iter(said))}?" in actor.examples[0].observation


def test_replies_are_judged_in_the_episode_that_was_measured(speaking: Callable[..., Team]) -> None:
    """Measured anew, it would end in another round, and the turns that were played would not fit."""
    agents = ("writer_0", "editor_0", "critic_0")
    report = probed(Halting, speaking(lambda agent, read: "a", *agents), 6)
    assert rows(report)["writer_0"].num_replies > 6


def test_replies_that_are_only_read_are_not_counted_as_ungradable(speaking: Callable[..., Team]) -> None:
    reasoner, actor, team = probed(one_try, speaking(lambda agent, read: "1" if agent == "actor_0" else "hm")).rows
    assert (reasoner.gradable, actor.gradable, team.gradable) == (None, 1.0, 1.0)
    assert (reasoner.num_replies, actor.num_replies, team.num_replies) == (8, 8, 16)


def test_the_form_is_asked_while_the_turn_is_open(speaking: Callable[..., Team]) -> None:
    writer, editor, _ = probed(Judged, speaking(lambda agent, read: "Ab1", "writer_0", "editor_0")).rows
    assert (writer.gradable, editor.gradable) == (0.0, None)


def test_every_round_is_a_reply_and_examples_are_first_replies(speaking: Callable[..., Team]) -> None:
    team = speaking(lambda agent, read: f"so {read.count('Try again')}")
    actor = rows(probed(lambda: one_try(horizon=3), team, 4, num_examples=2))["actor_0"]
    assert actor.num_replies == 4 * 3
    assert [reply.text for reply in actor.examples] == ["so 0", "so 0"]


# The same seed, the same figures.


def test_a_seed_gives_the_same_report_and_leaves_torchs_generator_alone(load_team: LoadTeam) -> None:
    team = load_team()
    tasks = distinct_tasks(one_try(), None, 6, 0)
    before = torch.get_rng_state()
    first, again, other = (
        probe(one_try, team, tasks, Sampling(1.0, 6), seed=seed, num_examples=6) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_one_seed_asks_every_team_the_same_distinct_instances() -> None:
    solo = (Profile("solver", answers=True),)
    env = one_try()
    tasks = distinct_tasks(env, None, 20, 3)
    keys = set()
    for task in tasks:
        env.reset(seed=task.seed)
        keys.add(env.instance_key())
    assert len(keys) == 20
    assert distinct_tasks(one_try(team=solo), None, 20, 3) == tasks != distinct_tasks(env, None, 20, 4)


def test_no_company_is_played_twice(speaking: Callable[..., Team], monkeypatch: pytest.MonkeyPatch) -> None:
    team = speaking(lambda agent, read: "1")
    asked: list[set[str]] = []
    act = team.act

    def listen(requests: Sequence[Request], **settings: object) -> list[Reply]:
        if requests:
            asked.append({request.adapter for request in requests})
        return act(requests, **settings)

    monkeypatch.setattr(team, "act", listen)
    probed(one_try, team)
    # The team; the actor after a silent reasoner, after a perfect one.
    assert sorted(asked, key=sorted) == [{"actor_0"}] * 3 + [{"reasoner_0"}]


def test_progress_tells_who_plays_and_how_far(speaking: Callable[..., Team]) -> None:
    told: list[str] = []
    probed(one_try, speaking(lambda agent, read: "1"), 4, status=told.append)
    assert "actor_0: 4/4" in told
    assert "reasoner_0, actor_0: 4/4" in told


# Environments that tell less.


def test_without_reference_and_range_there_are_plain_returns_of_the_untrained_team(
    speaking: Callable[..., Team],
) -> None:
    report = probed(Letters, speaking(lambda agent, read: "ab", "writer_0", "editor_0", "critic_0"))
    assert not report.is_share
    for row in report.rows[:-1]:
        assert (row.others, row.perfect, row.gradable) == ("untrained", None, None)
        assert row.success.mean == pytest.approx(2 * (3 * 0.02 + 1))  # two rounds of three replies of two letters
        assert row.silent == pytest.approx(2 * (2 * 0.02 + 1))
    assert report.level == "plain"


def test_an_environment_of_others_is_probed_as_far_as_it_can_be(speaking: Callable[..., Team]) -> None:
    report = probed(Echo, speaking(lambda agent, read: "a1", "caller", "echoer"), 3)
    caller, echoer, team = report.rows
    assert (caller.success.mean, echoer.success.mean) == (2 * 0.5, 3 * 0.5 / 4)  # calls and replies that are paid
    assert (caller.num_replies, echoer.num_replies, team.num_replies) == (3 * 2, 3 * 3, 3 * 5)
    for row in report.rows:
        assert (row.silent, row.perfect, row.gradable) == (None, None, None)
    assert report.level is None


# The command.


@pytest.fixture
def words(tiny_model: Path) -> list[str]:
    """A probe as short as can be."""
    return ["probe", ENV, "--model", str(tiny_model), "--instances", "3", "--max-new-tokens", "3"]


def test_the_command_prints_a_table_of_success_one_of_replies_and_some_of_them(
    words: list[str], tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--show", "1", "--env-options", "horizon", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(
        f"{ENV}, level one_digit, split train, 3 instances\n{tiny_model}, untrained, temperature 0.7, at most 3 tokens"
    )
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["profile", "others", "silent", "success", "95", "%", "interval", "perfect"] in lines
    assert ["actor_0", "perfect", "0.000", "0.000", "0.000–0.000", "1.000"] in lines
    assert ["profile", "replies", "gradable", "empty", "cut", "tokens"] in lines
    assert [line[:3] for line in lines if line[:2] == ["reasoner_0", "3"]] == [["reasoner_0", "3", "–"]]
    assert shown.out.count("actor_0 read:\n    You are an expert in math.") == 1
    assert "No first signal" in shown.out
    assert shown.err.startswith("success: what the profile is paid")


def test_json_holds_one_object_for_each_level_and_temperature(
    words: list[str], tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = ["--level", "one_digit", "add_digit", "--temperature", "0", "1", "--show", "1", "--seed", "5"]
    assert main([*words, *several, "--format", "json", "--env-options", "horizon", "1"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [(record["level"], record["temperature"]) for record in records] == [
        ("one_digit", 0.0),
        ("one_digit", 1.0),
        ("add_digit", 0.0),
        ("add_digit", 1.0),
    ]
    for record in records:
        assert {name: record[name] for name in ("env_id", "split", "model", "seed", "num_instances", "has_signal")} == {
            "env_id": ENV,
            "split": "train",
            "model": str(tiny_model),
            "seed": 5,
            "num_instances": 3,
            "has_signal": False,
        }
        assert [row["name"] for row in record["rows"]] == ["reasoner_0", "actor_0", TEAM]
        assert set(record["rows"][0]) == {
            *("name", "others", "success", "silent", "perfect", "num_replies"),
            *("gradable", "empty", "cut", "tokens", "examples"),
        }
        assert set(record["rows"][0]["success"]) == {"mean", "low", "high", "num_instances"}
        (example,) = record["rows"][1]["examples"]
        assert set(example) == {"agent", "observation", "text", "gradable", "is_cut", "num_tokens", "success"}


def test_another_team_is_a_path(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    team = tmp_path / "brief.yaml"
    team.write_text("agents:\n  - role: solver\n    system: A number, please.\n    answers: true\n", encoding="utf-8")
    assert main([*words, "--team", str(team), "--show", "1"]) == 0
    assert "solver_0 read:\n    A number, please.\n" in capsys.readouterr().out


def test_a_level_with_fewer_instances_says_how_many(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words[words.index("--instances") + 1] = "60"
    assert main([*words, "--show", "0", "--env-options", "horizon", "1"]) == 0
    assert "There are no more than 45 instances, level one_digit, split train." in capsys.readouterr().err


def test_replies_cannot_steer_the_terminal() -> None:
    from baselines.commands.probe import _example
    from baselines.probe import ProbedReply

    lines = _example(
        ProbedReply("actor_0", "What?", "\x1b[2J12", gradable=False, is_cut=True, num_tokens=3, success=0.5)
    )
    assert lines[1:] == (
        "    What?",
        "actor_0 wrote (3 tokens, cut; not gradable; success of the episode 0.500):",
        "    \ufffd[2J12",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["math/reson_act-v0"], "did you mean 'math/reason_act-v0'"),
        ([ENV, "--level", "hard"], "level is 'hard'"),
        ([ENV, "--split", "test", "--level", "one_digit"], "too few to hold some out"),
        ([ENV, "--instances", "0"], "--instances is 0; it must be at least 1"),
        ([ENV, "--seed", "-1"], "--seed is -1; it must be at least 0"),
        ([ENV, "--show", "-1"], "--show is -1; it must be at least 0"),
        ([ENV, "--temperature", "0", "-0.5"], "--temperature is -0.5; it must be 0 (greedy) or above"),
        ([ENV, "--temperature", "inf"], "--temperature is inf; it must be"),
        ([ENV, "--max-new-tokens", "0"], "max_new_tokens is 0; it must be at least 1"),
        ([ENV, "--team", "no_such_team"], "no_such_team"),
        ([ENV, "--dtype", "int3"], "unknown dtype 'int3'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["probe", *given, "--model", str(tiny_model)]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err


def test_ctrl_c_leaves_one_word(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **settings: object) -> list[Reply]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["baselines.policies.team"].Team, "act", interrupted)
    assert main(words) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
