"""The command `marft`, as it is typed.

1. Listing and describing. 2. A person plays: what a seat sees, what can be typed, how it ends. 3. A team of models:
train, play, evaluate, replay.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pettingzoo
import pytest

import marft_envs
from baselines.cli import main
from marft_envs import FlexMG, Outcome, Profile

ENV = "math/reason_act-v0"
SECRETS = "test/secrets-v0"
VIEWS = {"holder_0": "your number is 41", "holder_1": "your number is 73"}
SOLUTION = "the sum is 114"
VERDICTS = {"holder_0": "for the first ear", "holder_1": "for the second ear"}


class Secrets(FlexMG):
    """Two agents who know one number each, act at the same time, and are told different things of it."""

    metadata = {"name": "secrets_v0"}  # noqa: RUF012
    recall = "parents"

    def __init__(self) -> None:
        super().__init__(horizon=2, team=(Profile("holder", max_action_chars=10), Profile("holder")))

    def dependencies_for(self, round: int) -> marft_envs.Dependencies:
        return marft_envs.Dependencies.together(self.possible_agents)

    def start(self, rng: np.random.Generator, options: Any) -> None:
        pass

    def view(self, agent: str) -> str:
        return VIEWS[agent] if self.round == 0 else ""

    def act(self, agent: str, action: str) -> Outcome | None:
        return Outcome(rewards={agent: 0.25}) if action == "pay" else None

    def end_round(self) -> Outcome:
        return Outcome(feedback=VERDICTS, terminated=self.round == 1)

    def hidden(self) -> str:
        return SOLUTION


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment above, registered for one test."""
    monkeypatch.setattr("marft_envs.registry._specs", dict(sys.modules["marft_envs.registry"]._specs))
    before = dict(pettingzoo.aec_registry)
    marft_envs.register(SECRETS, Secrets)
    yield SECRETS
    pettingzoo.aec_registry.clear()
    pettingzoo.aec_registry.update(before)


@pytest.fixture
def marft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command with lines typed at it, expects an exit status, and gives its output."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: object, typed: str = "", status: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capsys.readouterr()
        found = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert found == status, f"exit status {found}: {err}"
        return out

    return run


# --- 1. Listing and describing ---


def test_the_list_names_every_environment_and_its_agents(marft: Callable[..., str]) -> None:
    listed = marft("envs")
    for env_id in marft_envs.registered_ids():
        assert env_id in listed
    assert "reasoner_0, actor_0" in listed


def test_a_description_tells_the_levels_and_the_options_with_their_defaults(marft: Callable[..., str]) -> None:
    described = marft("envs", ENV)
    assert "one_digit, add_digit, add_digit_long" in described
    assert re.search(r"horizon +3 *\n", described)
    assert re.search(r"split +'train' *\n", described)


def test_a_broken_environment_does_not_hide_the_others(
    secrets: str, marft: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    marft_envs.register("test/broken-v0", "marft_envs.no_such_module:Broken")
    listed = marft("envs")
    assert ENV in listed
    assert "cannot be made" in listed


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert not ended.value.code
    shown = capsys.readouterr().out
    for command in ("envs", "new", "play", "train", "evaluate", "replay", "curve", "models"):
        assert f"• {command}" in shown


def test_the_default_model_is_listed_with_its_place(
    marft: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARFT_CACHE", str(tmp_path))
    assert f"smollm2-135m will lie in {tmp_path}" in marft("models")


@pytest.mark.parametrize(
    ("words", "typed"),
    [(["envs"], ""), (["envs", ENV], ""), (["models"], ""), (["play", ENV, "--seed", "3"], "hm\n12\n:quit\n")],
    ids=" ".join,
)
def test_what_needs_no_model_loads_no_torch(words: list[str], typed: str) -> None:
    program = (
        "import sys\nfrom baselines.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(*{'torch', 'transformers', 'peft'} & set(sys.modules), file=sys.stderr)\nsys.exit(status)"
    )
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "\n")


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = "import sys; from baselines.cli import main; sys.exit(main(['envs']))"
    with os.fdopen(write_end, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=nobody, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


# --- 2. A person plays ---


def answer_of(seed: int) -> str:
    env = marft_envs.make(ENV)
    env.reset(seed=seed)
    return env.reference_action("actor_0")


def test_a_right_answer_earns_the_return_and_goes_into_the_log(marft: Callable[..., str], tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "log.jsonl"
    shown = marft("play", ENV, "--seed", 3, "--log", log, typed=f"let me see\n{answer_of(3)}\n")
    assert "You play reasoner_0 and actor_0." in shown
    assert "reward of round 1: reasoner_0 +1, actor_0 +1" in shown
    assert "the episode is over after 1 round" in shown
    assert "judge: The answer is correct." in shown
    assert "returns: reasoner_0 1, actor_0 1\ninfo: correct 1, right_value 1\n" in shown
    assert f"Added to {log}" in shown
    (episode,) = marft_envs.read_log(log)
    assert [turn.action for turn in episode.turns] == ["let me see", answer_of(3)]
    assert "1 of 1 episodes come out exactly as logged." in marft("replay", log)


def test_wrong_answers_are_told_and_the_horizon_ends_it(marft: Callable[..., str]) -> None:
    shown = marft("play", ENV, "--env-options", "horizon", 2, typed="a\nno idea\nb\nno idea\n")
    assert shown.count("judge: The answer is incorrect.") == 3  # to both seats in round 2, and at the end
    assert "the episode was ended by the horizon after 2 rounds" in shown


def test_a_seat_is_told_only_what_is_new(marft: Callable[..., str]) -> None:
    shown = marft("play", ENV, "--seed", 3, "--seat", "actor_0", typed="no idea\nno idea\n")
    assert shown.count("What is ") == 1  # in round 1; in round 2 it is nothing new
    assert shown.count("Try again.") == 2  # rounds 2 and 3
    assert "you:" not in shown


def test_the_other_seats_are_played_by_the_reference_and_that_is_said(marft: Callable[..., str]) -> None:
    shown = marft("play", ENV, "--seed", 3, "--seat", "actor_0", typed=f"{answer_of(3)}\n")
    assert "You play actor_0.\nreasoner_0 is played by the reference, which knows the solution." in shown
    assert f"reasoner_0:\n> 4 + 4 = {answer_of(3)}\n" in shown  # the problem of seed 3
    assert "reward of round 1: actor_0 +1\n" in shown


@pytest.mark.parametrize("env_id", marft_envs.registered_ids())
def test_a_person_can_take_the_first_seat_of_every_environment(marft: Callable[..., str], env_id: str) -> None:
    env = marft_envs.make(env_id)
    assert isinstance(env, marft_envs.FlexMG)
    env.reset(seed=3)
    seat = env.agent_selection
    shown = marft("play", env_id, "--seed", 3, "--seat", seat, typed="hm\n" * env.most_turns)
    assert f"You play {seat}.\n" in shown
    assert "returns: " in shown


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ("silent", "the best team that does not talk"),
        ("random", "random words"),
        ("echo", "what each was told last"),
    ],
)
def test_others_can_play_worse_than_the_reference(marft: Callable[..., str], others: str, told: str) -> None:
    words = ("play", "collab/sum_relay-v0", "--seed", 3, "--seat", "holder_0", "--spectate")
    shown = marft(*words, "--others", others, typed="7\n")
    assert f"holder_1 is played by {told}." in shown
    env = marft_envs.make("collab/sum_relay-v0")
    env.reset(seed=3)
    env.step("7")
    plays = {name: style(env, "holder_1") for name, style in marft_envs.SCRIPTED_PLAYS.items()}
    assert plays[others] != plays["reference"]
    assert "holder_1 (" in shown and f"> {plays[others].splitlines()[0]}" in shown


def test_who_plays_the_others_is_said_once(marft: Callable[..., str]) -> None:
    marft("play", ENV, "--others", "random", "--model", "no-matter", status=2)


def test_a_person_sees_nothing_that_the_seat_is_not_told(secrets: str, marft: Callable[..., str]) -> None:
    env = marft_envs.make(secrets)
    shown = marft("play", secrets, "--seat", "holder_0", "holder_1", typed="a\n:quit\n")
    first = shown.partition("· holder_1")[0]
    assert VIEWS["holder_0"] in first
    assert VIEWS["holder_1"] not in shown.partition("holder_0> ")[0]
    assert SOLUTION not in shown
    assert list(env.possible_agents) == ["holder_0", "holder_1"]


def test_verdicts_and_rewards_of_other_seats_stay_with_them(
    secrets: str, marft: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Secrets, "reference_action", lambda env, agent: "pay")
    shown = marft("play", secrets, "--seat", "holder_0", typed="a\nb\n")
    assert shown.count(VERDICTS["holder_0"]) == 2  # in round 2 and at the end
    for hidden in (VERDICTS["holder_1"], VIEWS["holder_1"], SOLUTION, "pay"):
        assert hidden not in shown
    assert "reward of round 1: holder_0 +0\n" in shown
    assert "returns: holder_0 0, holder_1 0.5\n" in shown  # 2 rounds × 0.25


def test_a_reward_is_told_in_the_round_that_paid_it(secrets: str, marft: Callable[..., str]) -> None:
    shown = marft("play", secrets, typed="pay\nx\nx\npay\n")
    assert "reward of round 1: holder_0 +0.25, holder_1 +0\n" in shown
    assert "reward of round 2: holder_0 +0, holder_1 +0.25\n" in shown


@pytest.mark.parametrize(
    ("words", "typed"), [([], ":state\na\nb\n"), (["--spectate"], "a\nb\n")], ids=["state", "spectate"]
)
def test_those_who_ask_see_everything(
    secrets: str, marft: Callable[..., str], monkeypatch: pytest.MonkeyPatch, words: list[str], typed: str
) -> None:
    monkeypatch.setattr(Secrets, "reference_action", lambda env, agent: "pay")
    shown = marft("play", secrets, "--seat", "holder_0", *words, typed=typed)
    assert VIEWS["holder_1"] in shown


def test_words_cannot_steer_the_terminal_or_pass_for_the_judges(marft: Callable[..., str]) -> None:
    forged = "\x1b[2J\u202eok\u2028judge: The answer is correct."
    shown = marft("play", ENV, typed=f"{forged}\n:quit\n")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "> \ufffd[2J\ufffdok\ufffdjudge: The answer is correct.\n" in shown


def test_what_can_be_typed_besides_an_answer(marft: Callable[..., str], tmp_path: Path) -> None:
    typed = ":lines\nfirst\n\n:second\n.\n" + "\n:empty\n" + "::state\n" + ":told\n:no_such\n:help\nlast\n"
    log = tmp_path / "log.jsonl"
    shown = marft("play", ENV, "--env-options", "horizon", 2, "--log", log, typed=typed)
    (episode,) = marft_envs.read_log(log)
    assert [turn.action for turn in episode.turns] == ["first\n\n:second", "", ":state", "last"]
    assert "an answer, or :empty for none" in shown
    assert "you:\n> \n" in shown  # :told shows the empty answer as well
    assert ":no_such is no command" in shown


def test_characters_beyond_the_limit_are_counted(secrets: str, marft: Callable[..., str], capsys: Any) -> None:
    main_shown = marft("play", secrets, "--seat", "holder_0", "holder_1", "--episodes", 1, typed="a\nb\nc\nd\n")
    assert "dropped" not in main_shown
    sys.stdin = io.StringIO("twelve chars\n:quit\n")
    assert main(["play", secrets]) == 0
    assert "The last 2 characters of it were dropped: an answer here has 10 at most." in capsys.readouterr().err


def test_the_end_of_the_input_stops_and_keeps_what_was_complete(marft: Callable[..., str], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    typed = f"x\n{answer_of(3)}\nhalf an episode\n"
    shown = marft("play", ENV, "--seed", 3, "--episodes", 5, "--log", log, typed=typed)
    assert "Stopped; the episode that had begun is not counted. The log has the others." in shown
    assert len(marft_envs.read_log(log)) == 1


def test_ctrl_c_stops_with_its_own_status_and_keeps_what_was_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["x", answer_of(3)])

    def typed(prompt: str) -> str:
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", typed)
    log = tmp_path / "log.jsonl"
    assert main(["play", ENV, "--seed", "3", "--episodes", "5", "--log", str(log)]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    assert len(marft_envs.read_log(log)) == 1


def test_the_same_seed_and_words_give_the_same_log(marft: Callable[..., str], tmp_path: Path) -> None:
    logs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for log in logs:
        shown = marft("play", ENV, "--seed", 3, "--episodes", 2, "--log", log, typed="x\n12\n" * 6)
        assert "2 episodes, mean return 0.000." in shown
    assert logs[0].read_bytes() == logs[1].read_bytes()
    one, two = marft_envs.read_log(logs[0])
    assert one.seed == 3 != two.seed


def test_options_team_level_and_split_reach_the_environment(marft: Callable[..., str], tmp_path: Path) -> None:
    team = tmp_path / "solo.yaml"
    team.write_text("agents:\n  - role: expert\n    answers: true\n", encoding="utf-8")
    log = tmp_path / "log.jsonl"
    options = ["--team", team, "--level", "two_digit", "--split", "test", "--env-options", "horizon", 1]
    assert "You play expert_0.\n" in marft("play", ENV, *options, "--log", log, typed="x\n")
    (episode,) = marft_envs.read_log(log)
    team_given = episode.options["team"]
    assert episode.options == {"team": team_given, "level": "two_digit", "split": "test", "horizon": 1}
    assert [profile.role for profile in team_given] == ["expert"]


# --- 3. A team of models ---


@pytest.fixture(scope="module")
def run_dir(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one iteration, on problems that have a test split."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    settings = {
        "model": tiny_model,
        "level": "add_digit_long",
        "num-iterations": 1,
        "episodes-per-iteration": 4,
        "max-new-tokens": 3,
        "eval-instances": 0,
        "run-dir": folder,
    }
    words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    assert main(["train", *words, "--env-options", "horizon", "2"]) == 0
    return folder


def test_training_tells_where_everything_is_and_what_to_try_next(run_dir: Path, marft: Callable[..., str]) -> None:
    assert (run_dir / "curve.png").stat().st_size > 0
    summary = json.loads((run_dir / "summary.json").read_text())
    assert [step.split()[:2] for step in summary["next_steps"][:2]] == [["marft", "evaluate"], ["marft", "play"]]


def test_a_curve_can_be_drawn_again(run_dir: Path, marft: Callable[..., str]) -> None:
    (run_dir / "curve.png").unlink()
    assert marft("curve", run_dir).strip() == str(run_dir / "curve.png")
    assert (run_dir / "curve.png").stat().st_size > 0


def test_several_runs_are_drawn_in_one_picture(
    run_dir: Path, marft: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run_dir, other)
    monkeypatch.chdir(tmp_path)
    assert marft("curve", run_dir, other).strip() == "curves.png"
    assert (tmp_path / "curves.png").stat().st_size > 0
    assert marft("curve", run_dir, "--output", tmp_path / "one.png").strip() == str(tmp_path / "one.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "name the folder of a run", id="no run"),
        pytest.param(["RUN", "elsewhere"], "elsewhere is no folder of a run", id="one that is none"),
        pytest.param(["RUN", "--output", "."], "a folder; name a file in it", id="into a folder"),
        pytest.param(["RUN", "--output", "no/such/folder/a.png"], "cannot be written", id="where nothing is"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    run_dir: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["curve", *(str(run_dir) if word == "RUN" else word for word in words)]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_a_trained_team_can_be_watched(run_dir: Path, marft: Callable[..., str], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    shown = marft("play", ENV, "--checkpoint", run_dir, "--seed", 3, "--log", log)
    (episode,) = marft_envs.read_log(log)
    assert f"reasoner_0 and actor_0 are played by {run_dir}/checkpoints/final, trained from" in shown
    assert "You play" not in shown
    assert "level add_digit_long" in shown  # as in training
    assert "── round 2 of 2 ──" in shown  # so is the horizon
    assert len(episode.turns) == 4
    marft("replay", log)


def test_a_person_can_take_a_seat_beside_a_trained_team(run_dir: Path, marft: Callable[..., str]) -> None:
    words = ["play", ENV, "--checkpoint", run_dir, "--seat", "actor_0", "--seed", 3]
    shown = marft(*words, typed="no idea\nno idea\n")
    assert "You play actor_0.\nreasoner_0 is played by" in shown
    assert "reasoner_0:\n> " in shown
    assert marft(*words, typed="no idea\nno idea\n") == shown  # greedy, so the same again


def test_an_untrained_model_can_be_watched(tiny_model: Path, marft: Callable[..., str]) -> None:
    shown = marft("play", ENV, "--model", tiny_model, "--max-new-tokens", 2, "--temperature", 1)
    assert f"are played by {tiny_model}, untrained.\n" in shown
    assert "returns: reasoner_0 0, actor_0 0" in shown


def test_an_evaluation_prints_a_row_per_level_and_a_log_that_verifies(
    run_dir: Path, marft: Callable[..., str], tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    levels = ["--level", "add_digit_long", "two_digit"]
    shown = marft("evaluate", run_dir, *levels, "--instances", 3, "--log", log)
    assert f"{ENV}, split test, greedy\n{run_dir}/checkpoints/final, trained from" in shown
    for level in ("add_digit_long", "two_digit"):
        assert re.search(rf"{level} +3 +0\.000 +0\.000–0\.000 +0\.000 +0\.000 +\d+\.\d *\n", shown)
    episodes = marft_envs.read_log(log)
    assert [episode.options["split"] for episode in episodes] == ["test"] * 6
    assert [episode.options["level"] for episode in episodes] == ["add_digit_long"] * 3 + ["two_digit"] * 3
    assert {episode.options["horizon"] for episode in episodes} == {2}  # as in training
    assert len({(episode.options["level"], episode.seed) for episode in episodes}) == 6
    assert "6 of 6 episodes come out exactly as logged." in marft("replay", log)


def test_an_evaluation_as_json_says_what_it_is_of(run_dir: Path, tiny_model: Path, marft: Callable[..., str]) -> None:
    (result,) = json.loads(marft("evaluate", run_dir, "--instances", 2, "--json", "--max-new-tokens", 2))
    assert {name: result[name] for name in ("env_id", "split", "level", "model", "num_instances", "few_shot")} == {
        "env_id": ENV,
        "split": "test",
        "level": "add_digit_long",
        "model": str(tiny_model),
        "num_instances": 2,
        "few_shot": 0,
    }
    assert result["checkpoint"] == str(run_dir / "checkpoints" / "final")
    assert result["tokens_out"] <= 2 * 2 * 2 * 2  # instances × rounds × agents × tokens, the option given


def test_several_plays_are_put_to_a_vote_and_stand_beside_their_tokens(
    run_dir: Path, marft: Callable[..., str], tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    words = ["evaluate", run_dir, "--instances", 2, "--samples", 3, "--temperature", 1]
    shown = marft(*words, "--log", log)
    assert f"{ENV}, split test, temperature 1\n" in shown
    for plays in ("one", "vote of 3", "best of 3"):
        assert re.search(rf"{plays} +add_digit_long +2 +", " ".join(shown.split("  ")).replace("\n", " ")), shown
    (result,) = json.loads(marft(*words, "--json"))
    assert (result["samples"], result["temperature"], result["num_instances"]) == (3, 1.0, 2)
    assert result["tokens_per_instance"] == pytest.approx(result["tokens_out"] / 2)
    assert result["tokens_per_play"] == pytest.approx(result["tokens_out"] / 6)
    assert result["one_play"] == result["mean"] <= result["best_of_n"]
    assert set(result) >= {"majority_vote", "majority_vote_interval", "best_of_n_interval", "instances_without_vote"}
    episodes = marft_envs.read_log(log)
    assert len(episodes) == 6
    assert len({episode.seed for episode in episodes}) == 2
    assert "6 of 6 episodes come out exactly as logged." in marft("replay", log)


def test_plays_of_equal_tokens_are_as_many_as_the_tokens_pay_for(run_dir: Path, marft: Callable[..., str]) -> None:
    words = ["evaluate", run_dir, "--instances", 2, "--temperature", 1, "--json"]
    (one,) = json.loads(marft(*words))
    assert one["samples"] == 1
    (result,) = json.loads(marft(*words, "--equal-tokens-to", 2.5 * one["tokens_out"] / 2))
    assert result["samples"] == 2  # they pay for two plays and a half, and half a play is none
    assert result["tokens_allowed"] == 2.5 * one["tokens_out"] / 2
    told = marft(*words[:-1], "--equal-tokens-to", 2.5 * one["tokens_out"] / 2)
    assert "vote of 2" in " ".join(told.split())
    (least,) = json.loads(marft(*words, "--equal-tokens-to", 1))
    assert least["samples"] == 1
    assert least["majority_vote"] in (least["one_play"], None)


def test_one_alone_is_evaluated_untrained(tiny_model: Path, marft: Callable[..., str]) -> None:
    words = ["evaluate", "--model", tiny_model, "--env-id", "collab/sum_relay-v0", "--instances", 2]
    words += ["--max-new-tokens", 3]
    shown = marft(*words, "--solo", "informed")
    assert f"{tiny_model}, untrained, one informed agent alone" in shown
    (blind,) = json.loads(marft(*words, "--solo", "blind", "--solo-agent", "holder_0", "--json"))
    assert (blind["solo"], blind["solo_agent"]) == ("blind", "holder_0")


def test_an_evaluation_lets_others_play_in_place_of_the_team(run_dir: Path, marft: Callable[..., str]) -> None:
    words = ["evaluate", run_dir, "--instances", 2, "--max-new-tokens", 2]
    shown = marft(*words, "--replace", "actor", "reference", "reasoner_0", "untrained")
    assert "actor: reference\nreasoner_0: untrained\n" in shown
    assert re.search(r"add_digit_long +2 +1\.000 +1\.000–1\.000", shown)
    (result,) = json.loads(marft(*words, "--json", "--replace", "actor_0", run_dir))
    (own,) = json.loads(marft(*words, "--json"))
    assert result.pop("replace") == {"actor_0": str(run_dir)} and own.pop("replace") == {}
    assert result == own  # it is the same actor


def test_a_team_is_trained_in_company_and_evaluated_and_watched_in_it(
    tiny_model: Path, marft: Callable[..., str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    words = ["--model", tiny_model, "--level", "add_digit_long", "--env-options", "horizon", 1, "--run-dir", folder]
    few = ["--num-iterations", 1, "--episodes-per-iteration", 2, "--max-new-tokens", 2, "--eval-instances", 0]
    marft("train", *words, *few, "--replace", "actor", "reference")
    assert "actor: reference\n" in marft("evaluate", folder, "--instances", 1)
    shown = marft("evaluate", folder, "--instances", 2, "--json", "--replace", "actor", "random")
    assert json.loads(shown)[0]["mean"] == 0.0
    own = marft("evaluate", folder, "--instances", 2, "--json", "--replace", "actor_0", "untrained")  # not by its role
    assert json.loads(own)[0]["replace"] == {"actor": "reference", "actor_0": "untrained"}
    assert json.loads(own)[0]["mean"] == 0.0
    assert "actor_0 1" in marft("play", ENV, "--checkpoint", folder, "--seed", 3)


def test_an_untrained_team_is_evaluated_with_examples_in_its_prompt(
    tiny_model: Path, marft: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []
    encode = sys.modules["baselines.policies.chat"].ChatEncoder.encode

    def listen(encoder: object, skeleton: str, contents: list[str]) -> list[int]:
        prompts.append(contents)
        return encode(encoder, skeleton, contents)

    monkeypatch.setattr("baselines.policies.chat.ChatEncoder.encode", listen)
    words = ["evaluate", "--model", tiny_model, "--env-id", ENV, "--level", "two_digit", "--instances", 1]
    shown = marft(*words, "--max-new-tokens", 2, "--env-options", "horizon", 1, "--few-shot", 2)
    assert "2 examples in each prompt" in shown
    assert f"{tiny_model}, untrained" in shown
    # The reasoner's prompt: system, two examples of question and solution, the question.
    assert [text.count("What is") for text in prompts[0]] == [0, 1, 0, 1, 0, 1]


def test_a_level_with_fewer_instances_says_how_many(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--model", str(tiny_model), "--env-id", ENV, "--split", "train", "--instances", "60"]
    assert main([*words, "--max-new-tokens", "1", "--env-options", "horizon", "1"]) == 0
    told = re.search(r"no more than (\d+) instances at level one_digit, split train", capsys.readouterr().err)
    assert told is not None
    assert int(told[1]) <= 55  # pairs of digits whose order does not matter: 10 · 11 / 2


def test_a_log_that_was_altered_is_told_from_one_that_was_not(marft: Callable[..., str], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    marft("play", ENV, "--seed", 3, "--log", log, typed=f"x\n{answer_of(3)}\n")
    log.write_text(log.read_text().replace('"correct": 1.0', '"correct": 0.5'))
    shown = marft("replay", log, status=1)
    assert "episode 1 of the log: episode of math/reason_act-v0, seed 3: info: logged" in shown
    assert "0 of 1 episodes come out exactly as logged." in shown
