"""Beside CoMLRL, the one of them that trains teams.

1. What its MAGRPO makes of two agents' replies is what ours leaves in their adapters.
2. The benchmark beside it runs, and both sides do the work that was asked for.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from baselines.policies.team import Team
from benchmarks import beside_comlrl
from tests.baselines.gradients import caught
from tests.baselines.test_algorithms import collected, pay
from tests.baselines.toy_envs import PAIR, Letters
from tests.peers.conftest import RETURNS

pytest.importorskip("comlrl", reason="CoMLRL is not installed; `make peers` installs it")

from comlrl.trainers.reinforce import MAGRPOConfig, MAGRPOTrainer

AGENTS = ("writer_0", "editor_0")


def adapted(tiny_model: Path, team: Team, agent: str) -> torch.nn.Module:
    """A model for one agent, with the adapter that it has in the team; CoMLRL trains whatever it is handed."""
    settings = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), settings)
    with torch.no_grad():
        for own, other in zip(trained(model), team.parameters(agent), strict=True):
            own.copy_(other)
    return model


def trained(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def test_two_agents_that_act_together_learn_what_its_magrpo_has_them_learn(
    load_team: Callable[..., Team], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team(*AGENTS, scale=0.05)
    batch = collected(team, lambda: Letters(team=PAIR, horizon=1, shape="together"))
    for number, turn in enumerate(batch.turns()):
        turn.action_ids, turn.logprobs = turn.action_ids[: 4 - number % 3], turn.logprobs[: 4 - number % 3]
    pay(batch, *RETURNS)
    # It computes losses at temperature 1, whatever it has sampled at.
    found = caught("magrpo", team, batch, monkeypatch, temperature=1.0, old_logprobs="trainer")
    trainer = MAGRPOTrainer(
        agents=[adapted(tiny_model, team, agent) for agent in AGENTS],
        num_agents=len(AGENTS),
        tokenizer=AutoTokenizer.from_pretrained(tiny_model),
        reward_func=lambda *_: [0.0],
        args=MAGRPOConfig(num_generations=2, num_turns=1, advantage_normalization=False, agent_devices="cpu"),
    )
    rollouts = batch.rollouts
    for agent, model in zip(AGENTS, trainer.agents, strict=True):
        for first in range(0, len(rollouts), 2):  # two plays of each instance
            turns = [next(turn for turn in one.turns if turn.agent == agent) for one in rollouts[first : first + 2]]
            assert turns[0].prompt_ids == turns[1].prompt_ids
            said = {
                "prompt_input_ids": torch.tensor([turns[0].prompt_ids]),
                # Of a reply's log-probabilities it leaves the last out, so it is handed one token more.
                "completion_input_ids": [[torch.tensor([*turn.action_ids, 0]) for turn in turns]],
            }
            loss = trainer._compute_loss_with_gradients(model, said, list(RETURNS[first : first + 2]))
            (loss / 3).backward()  # of three instances
        theirs = torch.cat([parameter.grad.flatten() for parameter in trained(model)])
        assert float(theirs.norm()) > 1e-3
        assert float((found.gradients[agent] - theirs).norm()) < 2e-5 * float(theirs.norm())


def test_both_sides_do_the_work_that_was_asked_for(tiny_model: Path, tmp_path: Path) -> None:
    kept = tmp_path / "numbers.json"
    words = ["--model", str(tiny_model), "--quick", "--repeats", "2", "--memory-repeats", "0", "--json", str(kept)]
    beside_comlrl.main(words)
    record: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    (timed,) = record["results"]["times"]
    names = [beside_comlrl.OURS, beside_comlrl.FULLER, beside_comlrl.ADAPTED, beside_comlrl.THEIRS]
    assert [own["name"] for own in timed["times"]] == names
    assert all(len(own["cpu_s"]) == 2 for own in timed["times"])
    assert record["versions"]["comlrl"]
