"""What a policy is made of, and who has which: bases of different families, whole weights, an agent's own manners.

1. Two bases in one team: each loaded once, each with its own tokens; every algorithm trains both.
2. A policy that is a whole copy of the weights.
3. A saved policy is PEFT's: it loads there, and says the same.
4. An agent's own temperature, last word and right to stay silent; the trainer knows of each.
5. What cannot be is told.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

from baselines.errors import CheckpointError, ConfigError
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Request
from baselines.policies.team import Team
from baselines.runs.records import read_records
from baselines.runs.resume_point import find_resume_point
from tests.baselines.conftest import byte_tokenizer, perturb
from tests.baselines.outcomes import outcome
from tests.baselines.test_algorithms import LEARNERS, collected, config, module_of
from tests.baselines.toy_envs import PAIR, ToldLetters
from tests.baselines.trees import Said

LoadTeam = Callable[..., Team]
AGENTS = ("writer_0", "editor_0")
QUESTION = [{"role": "user", "content": "Say anything."}]
TEMPERATURE = 0.8


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of another family: learnt biases, other names for its layers, another width, other control tokens."""
    folder = tmp_path_factory.mktemp("models") / "neox"
    tokenizer = byte_tokenizer(eos_token="<|endoftext|>", template=None)
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=len(tokenizer),
                hidden_size=48,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=4,
                initializer_range=0.1,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                tie_word_embeddings=False,
            )
        )
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def mixed(load_team: LoadTeam, other_model: Path) -> Team:
    return load_team(*AGENTS, model_of={"editor_0": str(other_model)})


def ask(team: Team, agent: str, **settings: Any) -> Request:
    prompt = team.conversation(agent).prompt(QUESTION)  # type: ignore[arg-type]
    return Request(team.adapter_of[agent], prompt, 12, 500, **settings)


def weights(team: Team, adapter: str) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in team.parameters(adapter)]


def tensors(team: Team) -> int:
    return len({parameter.data_ptr() for base in team.bases for parameter in base.model.parameters()})


# --- 1. Two bases ---


def test_each_base_is_loaded_once(load_team: LoadTeam, other_model: Path) -> None:
    agents = [f"expert_{number}" for number in range(6)]
    team = load_team(*agents, model_of=dict.fromkeys(agents[::2], str(other_model)))
    assert [type(base.model.get_base_model()).__name__ for base in team.bases] == [
        "GPTNeoXForCausalLM",
        "LlamaForCausalLM",
    ]
    alone = load_team(agents[1])
    others = load_team(agents[0], model_of={agents[0]: str(other_model)})
    one, another = (len(team.parameters(agent)) for agent in (agents[1], agents[0]))
    assert tensors(team) == tensors(alone) + 2 * one + tensors(others) + 2 * another


def test_agents_reply_in_the_order_in_which_they_were_asked(mixed: Team) -> None:
    asked = [ask(mixed, agent, seed=number) for number, agent in enumerate([*AGENTS, *AGENTS[::-1]])]
    together = mixed.act(asked, temperature=TEMPERATURE, batch_size=8)
    for request, reply in zip(asked, together, strict=True):
        (alone,) = mixed.act([request], temperature=TEMPERATURE, batch_size=8)
        assert reply.action_ids == alone.action_ids


def test_each_reads_the_words_of_others_in_tokens_of_its_own(mixed: Team) -> None:
    batch = collected(mixed, lambda: ToldLetters(team=PAIR, horizon=2))
    for turn in batch.turns():
        tokenizer = mixed.base_of(turn.agent).tokenizer
        text = tokenizer.decode(turn.prompt_ids)
        assert ("<|im_start|>" in text) == (turn.agent == "writer_0")
        spelt = turn.action_ids[:-1] if turn.action_ids[-1] == tokenizer.eos_token_id else turn.action_ids
        assert tokenizer.decode(spelt) == turn.text


def test_a_sampler_on_two_bases_is_the_policy_that_is_trained(mixed: Team) -> None:
    batch = collected(mixed, lambda: ToldLetters(team=PAIR, horizon=2))
    for agent in AGENTS:
        turns = [turn for turn in batch.turns() if turn.agent == agent]
        for turn, again in zip(turns, mixed.score_all(mixed.adapter_of[agent], turns, TEMPERATURE), strict=True):
            torch.testing.assert_close(again, torch.tensor(turn.logprobs), atol=1e-4, rtol=0)


def mixed_config(algorithm: str, tiny_model: Path, other_model: Path, folder: Path, **settings: Any) -> Any:
    settings = {"model_by_role": {"editor": str(other_model)}, "eval_instances": 0, **settings}
    return config(algorithm, tiny_model, folder, **settings)


@pytest.mark.parametrize("algorithm", sorted(LEARNERS))
def test_every_algorithm_trains_agents_on_two_bases(
    algorithm: str, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    straight = mixed_config(algorithm, tiny_model, other_model, tmp_path / "straight")
    module_of(algorithm).train(straight, quiet=True)
    for record in read_records(tmp_path / "straight" / "metrics.jsonl"):
        assert record["writer_0/tokens_out"] > 0 and record["editor_0/tokens_out"] > 0
    stopped = mixed_config(algorithm, tiny_model, other_model, tmp_path / "stopped", num_iterations=2)
    module_of(algorithm).train(stopped, quiet=True)
    point = find_resume_point(tmp_path / "stopped")
    module_of(algorithm).train(replace(stopped, num_iterations=3), resume_from=point, quiet=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "straight")


@pytest.mark.parametrize("algorithm", ["marft_action", "marft_token", "ippo"])
def test_values_of_two_bases_each_have_a_head_that_is_fitted(
    algorithm: str, mixed: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixed, "_of_others", set())
    learner = LEARNERS[algorithm](module_of(algorithm).Config(temperature=TEMPERATURE, target_kl=None), mixed)
    assert [head.critic.normalise.normalized_shape for head in learner.values.heads] == [(64,), (48,)]
    before = [head.critic.out.weight.detach().clone() for head in learner.values.heads]
    own = {agent: weights(mixed, agent) for agent in AGENTS}
    learner.learn(collected(mixed, lambda: ToldLetters(team=PAIR, horizon=2)), iteration=0, status=lambda _: None)
    for head, weight in zip(learner.values.heads, before, strict=True):
        assert not torch.equal(head.critic.out.weight, weight)
    for agent in AGENTS:
        assert any(not torch.equal(one, two) for one, two in zip(weights(mixed, agent), own[agent], strict=True))


def test_agents_that_share_share_with_those_on_their_base(load_team: LoadTeam, other_model: Path) -> None:
    team = load_team("a_0", "b_0", "c_0", adapters="shared", model_of={"b_0": str(other_model)})
    assert team.blocks == {"team": ("a_0", "c_0"), "team_1": ("b_0",)}


def test_a_team_on_two_bases_comes_back_from_its_folder(
    mixed: Team, load_team: LoadTeam, other_model: Path, tmp_path: Path
) -> None:
    mixed.save_adapters(tmp_path)
    again = load_team(*AGENTS, fresh=True, model_of={"editor_0": str(other_model)}, checkpoint=tmp_path)
    for agent in AGENTS:
        assert all(map(torch.equal, weights(mixed, agent), weights(again, agent)))
    with pytest.raises(CheckpointError, match=r"was trained with other LoRA settings|does not fit the model"):
        load_team(*AGENTS, fresh=True, checkpoint=tmp_path)


def test_an_agent_of_a_base_of_its_own_can_act_untrained(mixed: Team, load_team: LoadTeam, other_model: Path) -> None:
    fresh = load_team(*AGENTS, fresh=True, model_of={"editor_0": str(other_model)})
    mixed.replace("editor_0", None)
    mixed.replace("writer_0", None)
    for agent in AGENTS:
        (told,), (expected,) = (team.act([ask(team, agent)], temperature=0.0, batch_size=1) for team in (mixed, fresh))
        assert told.action_ids == expected.action_ids


# --- 2. Whole weights ---


@pytest.fixture(params=["packed", "plain"])
def whole(load_team: LoadTeam, request: pytest.FixtureRequest) -> Team:
    return load_team(*AGENTS, tuning="full", scale=0.05, compute=Compute(request.param))


def test_a_whole_policy_is_every_weight_once(whole: Team) -> None:
    model = whole.base.model.get_base_model()
    for agent in AGENTS:
        assert sum(p.numel() for p in whole.parameters(agent)) == sum(p.numel() for p in whole.base_parameters())
    head, inputs = model.get_output_embeddings(), model.get_input_embeddings()
    for agent in AGENTS:  # tied in the model, and in each copy
        assert head.modules_to_save[agent].weight is inputs.modules_to_save[agent].weight


def test_whole_policies_act_each_as_it_does_alone(whole: Team) -> None:
    asked = [ask(whole, agent, seed=number) for number, agent in enumerate([*AGENTS, *AGENTS])]
    replies = whole.act(asked, temperature=TEMPERATURE, batch_size=8)
    said = [Said(request.prompt_ids, reply.action_ids) for request, reply in zip(asked, replies, strict=True)]
    for request, reply, one in zip(asked, replies, said, strict=True):
        (again,) = whole.score_all(request.adapter, [one], TEMPERATURE)
        torch.testing.assert_close(again, torch.tensor(reply.logprobs), atol=1e-4, rtol=0)
    assert replies[0].logprobs != replies[1].logprobs


def test_gradients_reach_one_whole_policy_and_no_other_tensor(whole: Team) -> None:
    one = ask(whole, "writer_0")
    (reply,) = whole.act([one], temperature=0.0, batch_size=1)
    whole.score("writer_0", [Said(one.prompt_ids, reply.action_ids)], 1.0).logprobs.sum().backward()
    assert all(parameter.grad is not None for parameter in whole.parameters("writer_0"))
    assert all(parameter.grad is None for parameter in [*whole.base_parameters(), *whole.parameters("editor_0")])


def test_beside_whole_policies_the_untrained_base_stays(whole: Team, load_team: LoadTeam) -> None:
    fresh = load_team(*AGENTS, fresh=True)
    torch.testing.assert_close(whole.base.features(["a text"]), fresh.base.features(["a text"]), atol=1e-5, rtol=0)
    said = [Said(ask(whole, "writer_0").prompt_ids, [65, 66, 67])]
    (untrained,), (expected,) = (
        whole.score_untrained("writer_0", said, 1.0),
        fresh.score_all("writer_0", said, 1.0),
    )
    torch.testing.assert_close(untrained, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("algorithm", sorted(LEARNERS))
def test_every_algorithm_trains_whole_weights(algorithm: str, tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tuning": "full", "lr": 1e-3, "eval_instances": 0}
    module_of(algorithm).train(config(algorithm, tiny_model, tmp_path / "straight", **settings), quiet=True)
    stopped = config(algorithm, tiny_model, tmp_path / "stopped", num_iterations=2, **settings)
    module_of(algorithm).train(stopped, quiet=True)
    point = find_resume_point(tmp_path / "stopped")
    module_of(algorithm).train(replace(stopped, num_iterations=3), resume_from=point, quiet=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "straight")


# --- 3. PEFT's own ---


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_saved_policy_loads_in_plain_peft_and_says_the_same(
    tuning: str, load_team: LoadTeam, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    team = perturb(load_team(*AGENTS, fresh=True, tuning=tuning, model_of={"editor_0": str(other_model)}), 0.05)
    team.save_adapters(tmp_path)
    for agent, folder in zip(AGENTS, (tiny_model, other_model), strict=True):
        prompt = ask(team, agent).prompt_ids
        action = [*AutoTokenizer.from_pretrained(folder)("AbC")["input_ids"]]
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        plain = PeftModel.from_pretrained(base, tmp_path / agent).eval()
        with torch.no_grad():
            logits = plain(torch.tensor([[*prompt, *action]])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1).gather(-1, torch.tensor(action)[:, None])[:, 0]
        (found,) = team.score_all(agent, [Said(prompt, action)], 1.0)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


# --- 4. An agent's own manners ---


def test_agents_are_trained_at_their_own_temperature(tiny_model: Path, tmp_path: Path) -> None:
    settings = config(
        "marft_action", tiny_model, tmp_path / "run", temperature_by_role={"editor": 0.3}, max_new_tokens=8
    )
    module_of("marft_action").train(settings, quiet=True)
    for record in read_records(tmp_path / "run" / "metrics.jsonl"):
        assert record["writer_0/drift_max"] < 1e-4 and record["editor_0/drift_max"] < 1e-4


def test_a_reply_is_drawn_at_the_temperature_that_it_names(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS)
    asked = [ask(team, "writer_0", seed=1, temperature=t) for t in (0.0, 0.4, 1.5)]
    greedy, cool, hot = team.act(asked, temperature=0.9, batch_size=8)
    assert greedy.logprobs == []
    for temperature, reply in ((0.4, cool), (1.5, hot)):
        (again,) = team.score_all("writer_0", [Said(asked[0].prompt_ids, reply.action_ids)], temperature)
        torch.testing.assert_close(again, torch.tensor(reply.logprobs), atol=1e-4, rtol=0)


def test_a_text_ends_a_reply_and_is_no_part_of_it(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS)
    (free,) = team.act([ask(team, "writer_0", seed=3)], temperature=1.0, batch_size=1)
    stop = free.text[4:6]
    place = free.text.index(stop)
    (stopped,) = team.act([ask(team, "writer_0", seed=3, stop=stop)], temperature=1.0, batch_size=1)
    assert stopped.text == free.text[:place]
    assert team.base.tokenizer.decode(stopped.action_ids) == free.text[: place + len(stop)]
    assert stopped.logprobs == free.logprobs[: len(stopped.action_ids)]


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_who_must_speak_never_begins_with_the_end(path: str, load_team: LoadTeam) -> None:
    silent = load_team(*AGENTS, compute=Compute(path))
    end = silent.base.tokenizer.eos_token_id
    team = load_team(*AGENTS, speaking=["writer_0"], compute=Compute(path))
    for one in (silent, team):  # a base that would end at once
        head = one.base.model.get_base_model().get_output_embeddings()
        head.register_forward_hook(
            lambda _m, _a, out: out.index_add(-1, torch.tensor([end]), 12 * torch.ones_like(out[..., :1]))
        )
    asked = [ask(team, agent, seed=number) for number, agent in enumerate(AGENTS * 3)]
    replies = team.act(asked, temperature=1.0, batch_size=8)
    for request, reply in zip(asked, replies, strict=True):
        assert (reply.action_ids == [end]) == (request.adapter == "editor_0")
    own = [number for number, request in enumerate(asked) if request.adapter == "writer_0"]
    said = [Said(asked[number].prompt_ids, replies[number].action_ids) for number in own]
    again = team.score_all("writer_0", said, 1.0)
    for number, found in zip(own, again, strict=True):
        torch.testing.assert_close(found, torch.tensor(replies[number].logprobs), atol=1e-4, rtol=0)
    scores = team.score("writer_0", said, 1.0)
    (scores.logprobs.sum() + scores.entropy.sum()).backward()
    assert all(
        bool(parameter.grad.isfinite().all()) for parameter in team.parameters("writer_0") if parameter.grad is not None
    )


def test_the_end_is_as_likely_as_ever_once_something_was_said(load_team: LoadTeam) -> None:
    speaking, silent = (load_team(*AGENTS, speaking=own) for own in (["writer_0"], []))
    said = [Said(ask(silent, "writer_0").prompt_ids, [65, silent.base.tokenizer.eos_token_id])]
    (one,), (other,) = (team.score_all("writer_0", said, 1.0) for team in (speaking, silent))
    assert one[0] > other[0]
    torch.testing.assert_close(one[1], other[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("algorithm", sorted(LEARNERS))
def test_every_algorithm_knows_an_agents_manners(algorithm: str, tiny_model: Path, tmp_path: Path) -> None:
    settings = config(
        algorithm,
        tiny_model,
        tmp_path / "run",
        temperature_by_role={"editor_0": 0.5},
        stop_by_role={"writer": "\\n"},
        must_speak=("editor",),
    )
    module_of(algorithm).train(settings, quiet=True)
    assert len(list(read_records(tmp_path / "run" / "metrics.jsonl"))) == 3


# --- 5. What cannot be ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tuning": "full", "dtype": "bfloat16"},
            "tuning is full and dtype bfloat16.*use dtype float32, or tuning lora",
        ),
        ({"must_speak": ("auditor",)}, "must_speak names 'auditor'; the agents are writer_0, editor_0"),
        ({"model_by_role": {"auditor": "x"}}, "model_by_role names 'auditor'"),
        ({"max_new_tokens_by_role": {"auditor": 3}}, "max_new_tokens_by_role names 'auditor'"),
        ({"max_new_tokens_by_role": {"editor": 0}}, "max_new_tokens_by_role gives editor 0"),
        ({"temperature_by_role": {"editor": 0.0}}, "temperature_by_role gives editor 0.0; it must be above 0"),
        ({"stop_by_role": {"editor": ""}}, "stop_by_role gives editor no text"),
        (
            {"temperature_by_role": {"editor": 0.2}, "adapters": "shared"},
            "share a policy, of which the temperature is a part.*--adapters per_agent",
        ),
        ({"must_speak": ("editor",), "adapters": "shared"}, "writer_0, critic_0 may be silent, but shares a policy"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], message: str, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        module_of("marft_action").train(config("marft_action", tiny_model, tmp_path / "run", **settings), quiet=True)
    assert not (tmp_path / "run").exists()
