"""What an agent is worth to a team, on teams whose worth is known.

1. Who plays in place of whom, and that the team acts as before afterwards.
2. What a change costs, instance by instance.
3. The command, its page, and what it refuses.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines.algorithms import marft_action
from baselines.cli import main
from baselines.diagnose import AS_TRAINED, diagnose, shares, variants
from baselines.errors import ConfigError
from baselines.policies.team import Team
from baselines.runs.diagnosis_page import Bar, Table, diagnosis_page
from baselines.runs.experiment import ExperimentConfig
from marft_envs import Outcome
from tests.baselines.test_algorithms import config
from tests.baselines.toy_envs import PAIR, Letters, ToldLetters

LoadTeam = Callable[..., Team]
ENV = "tests.baselines.toy_envs:ToldLetters"


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    return load_team("writer_0", "editor_0", "critic_0")


@pytest.fixture(scope="module")
def run_dir(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diagnosed") / "run"
    marft_action.train(config("marft_action", tiny_model, folder, num_iterations=2, lr=0.05), quiet=True)
    return folder


# --- 1. Who plays ---


def test_every_agent_is_untrained_mute_the_reference_and_swapped_with_every_other(team: Team) -> None:
    before = dict(team.adapter_of)
    found = variants(team, ToldLetters())
    assert team.adapter_of == before
    assert set(team.blocks) == set(before)
    each = [f"{agent} {who}" for agent in before for who in ("untrained", "says nothing", "reference")]
    swaps = ["writer_0 and editor_0", "writer_0 and critic_0", "editor_0 and critic_0"]
    assert [variant.name for variant in found] == [AS_TRAINED, *each, *(f"{pair} swapped" for pair in swaps)]
    swapped = next(variant for variant in found if variant.name.startswith("writer_0 and editor_0"))
    assert swapped.adapters == {"writer_0": "editor_0", "editor_0": "writer_0"}


def test_where_no_reference_is_told_or_nobody_else_would_play_there_is_no_such_row(
    team: Team, load_team: LoadTeam
) -> None:
    assert not any("reference" in variant.name for variant in variants(team, Letters()))
    alone = variants(load_team("writer_0"), ToldLetters(team=PAIR[:1]))
    assert [variant.name for variant in alone] == [AS_TRAINED, "writer_0 untrained"]
    shared = variants(load_team("writer_0", "editor_0", adapters="shared"), ToldLetters(team=PAIR))
    assert not any("swapped" in variant.name for variant in shared)


# --- 2. What it costs ---


def test_a_mute_agent_costs_what_its_characters_were_paid(team: Team) -> None:
    # The team is paid a hundredth per character and 1 a round, and nobody's words depend on what is compared below.
    settings = ExperimentConfig(env_id=ENV, max_new_tokens=4, env_options={"horizon": 1})
    chosen = [
        v
        for v in variants(team, ToldLetters())
        if v.name in (AS_TRAINED, "critic_0 says nothing", "critic_0 reference")
    ]
    own, mute, reference = diagnose(settings, team, chosen, num_instances=5)
    assert own.drop.mean == 0.0 and not own.is_felt
    # The critic is the last, so others say the same; the reference writes two letters.
    assert reference.value.mean - mute.value.mean == pytest.approx(0.02)
    assert mute.drop.mean == pytest.approx(0.04) and mute.is_felt  # four tokens, of a byte each
    assert own.value.mean == pytest.approx(mute.value.mean + 0.04)


def test_what_the_environment_reports_may_be_compared(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ExperimentConfig(env_id=ENV, max_new_tokens=2, env_options={"horizon": 1})
    own_only = variants(team, ToldLetters())[:1]
    monkeypatch.setattr(ToldLetters, "end_round", lambda env: Outcome(rewards=1.0, info={"luck": 0.25}))
    (own,) = diagnose(settings, team, own_only, num_instances=3, metric="luck")
    assert own.value.mean == 0.25
    with pytest.raises(ConfigError, match="reports no 'lock' at the end of an episode; it reports luck"):
        diagnose(settings, team, own_only, num_instances=3, metric="lock")


def test_shares_are_those_of_the_last_quarter() -> None:
    records = [
        {"iteration": k, "a_0/updates": 2, "a_0/tokens_out": 30, "a_0/grad_share": 0.9, "b_0/updates": 2}
        | {"b_0/tokens_out": 10 if k >= 6 else 1000, "b_0/grad_share": 0.1, "b_0/kl": "nan"}
        for k in range(8)
    ]
    one, other = shares(records)
    assert (one.adapter, other.adapter) == ("a_0", "b_0")
    assert (one.token_share, other.token_share) == (0.75, 0.25)
    assert other.figures == {"grad_share": pytest.approx(0.1), "tokens_out": 10.0}
    assert shares([]) == []


def test_an_agent_that_seldom_acts_has_written_little() -> None:
    records = [{"iteration": k, "a_0/updates": 1, "a_0/tokens_out": 100} for k in range(12)]
    records[11] |= {"b_0/updates": 1, "b_0/tokens_out": 100}
    _, other = shares([{"iteration": 0}] * 36 + records)
    assert other.token_share == pytest.approx(1 / 13)


# --- 3. The command ---


def test_the_command_prints_a_table_and_writes_a_page(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", str(run_dir), str(run_dir), "--instances", "3", "--output", str(tmp_path / "p.html")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "as trained" in shown and "writer_0 says nothing" in shown and f"editor_0 of {run_dir.name} " in shown
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "writer_0 and editor_0 swapped" in page and "gradient" in page
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_the_same_as_json_and_a_partner_that_is_the_team_itself_changes_nothing(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = run_dir / "checkpoints" / "final"
    assert main(["diagnose", str(run_dir), str(run_dir), str(same), "--instances", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["instances"] == 3
    assert (run_dir / "diagnosis.html").is_file()
    partners = [row for row in told["variants"] if row["kind"] in ("run", "final")]
    assert len(partners) == 6 and all(row["drop"] == 0.0 for row in partners)
    assert np.isclose(sum(row["token_share"] for row in told["training"]), 1.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["RUN", "--instances", "0"], "--instances is 0; it must be at least 1", id="no instance"),
        pytest.param(["nowhere"], "nowhere", id="no run"),
        pytest.param(["RUN", "nowhere"], "nowhere", id="no partner"),
        pytest.param(["RUN", "--output", "."], "a folder; name a file in it", id="into a folder"),
        pytest.param(["RUN", "--output", "no/such/p.html"], "there is no folder no/such", id="where nothing is"),
        pytest.param(["RUN", "RUN", "RUN"], "named twice", id="a partner twice"),
    ],
)
def test_what_cannot_be_diagnosed_is_told(
    run_dir: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", *(str(run_dir) if word == "RUN" else word for word in words)]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_the_page_escapes_what_it_is_told_and_draws_values_below_zero() -> None:
    bars = [
        Bar("<script>alert(1)</script>", 0.5, 0.4, 0.6, is_own=True),
        Bar("b", -0.25, -0.5, 0.0, note=("0.750", "0.5–1")),
    ]
    page = diagnosis_page("T & <b>", ["<i>told</i>"], "return", bars, Table(("adapter",), []))
    assert "<script" not in page and "<i>" not in page and "T &amp; &lt;b&gt;" in page
    assert page.count("<rect") == 2
