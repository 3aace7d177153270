"""Many agents on one base model: who acts with which adapter, and that the sampler is the policy that is trained.

1. One base, an adapter per agent; adapters mixed in one call act as each does alone.
2. What a reply is: ids, log-probabilities and text that belong together, whatever ends it.
3. The trainer's log-probabilities are the sampler's; padding changes nothing; EOS counts, padding does not.
4. Gradients reach one adapter, and no other.
5. Features are the base model's, whatever was trained.
6. Adapters can be saved and read back, and stay trainable.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from baselines.errors import CheckpointError, ConfigError
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.loading import Lora
from baselines.policies.team import SHARED, Team
from tests.baselines.trees import Said

LoadTeam = Callable[..., Team]
AGENTS = ("reasoner_0", "actor_0")
QUESTIONS = ("What is 1 + 1?", "Say anything at all, as long as it is short.", "?")


@pytest.fixture(params=["packed", "plain"])
def load_team(load_team: LoadTeam, request: pytest.FixtureRequest) -> LoadTeam:
    """Loads a team whose log-probabilities are computed one way or the other."""
    return partial(load_team, compute=Compute(request.param))


def prompt(team: Team, text: str) -> list[int]:
    return team.conversation(next(iter(team.adapter_of))).prompt([{"role": "user", "content": text}])


def requests(team: Team, adapters: Sequence[str], *, tokens: int = 12, chars: int = 500) -> list[Request]:
    """One request per adapter named, each with a question of another length."""
    return [
        Request(adapter, prompt(team, QUESTIONS[number % len(QUESTIONS)]), tokens, chars)
        for number, adapter in enumerate(adapters)
    ]


def said(asked: Sequence[Request], replies: Sequence[Reply]) -> list[Said]:
    return [Said(request.prompt_ids, reply.action_ids) for request, reply in zip(asked, replies, strict=True)]


def always_end(team: Team, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Makes every reply end by EOS after so many tokens of its own."""
    model = team.base.model.get_base_model()
    eos = team.base.tokenizer.eos_token_id
    forward = model.forward

    def ending(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        calls.append(1)
        if len(calls) == after + 1:
            output.logits[..., eos] = 1e4
        else:
            output.logits[..., eos] = -1e4
        return output

    calls: list[int] = []
    monkeypatch.setattr(model, "forward", ending)


def size(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


# One base, an adapter per agent.


def test_eight_agents_share_one_copy_of_the_base(load_team: LoadTeam) -> None:
    one = load_team("solo_0")
    eight = load_team(*(f"expert_{number}" for number in range(8)))
    adapter = size(one.parameters("solo_0"))
    base = size(list(one.base.model.parameters())) - adapter
    assert size(list(eight.base.model.parameters())) == base + 8 * adapter
    # rank 8; q and o: 64 -> 64, k and v: 64 -> 32, gate, up and down: between 64 and 128; two layers:
    # 2 · 8 · (2·(64 + 64) + 2·(64 + 32) + 3·(64 + 128)) = 16 · (256 + 192 + 576) = 16384
    assert adapter == 16384


def test_fresh_adapters_change_nothing(load_team: LoadTeam) -> None:
    team = load_team(fresh=True)
    ids = torch.tensor([prompt(team, "Hello")])
    with torch.no_grad():
        adapted = team.base.model(ids).logits
        with team.base.model.disable_adapter():
            assert torch.equal(team.base.model(ids).logits, adapted)


def test_adapters_mixed_in_one_call_reply_as_each_does_alone(load_team: LoadTeam) -> None:
    team = load_team()
    asked = requests(team, [*AGENTS, *AGENTS, *AGENTS])
    together = team.act(asked, temperature=0.0, batch_size=6)
    alone = [team.act([request], temperature=0.0, batch_size=1)[0] for request in asked]
    assert together == alone
    swapped = team.act(requests(team, [*AGENTS[::-1]] * 3), temperature=0.0, batch_size=6)
    assert [reply.text for reply in swapped] != [reply.text for reply in together]  # adapters matter at all


def test_the_adapter_that_was_scored_last_is_no_part_of_other_agents_replies(load_team: LoadTeam) -> None:
    team = load_team()
    asked = requests(team, AGENTS)
    before = team.act(asked, temperature=0.0, batch_size=2)
    team.score("actor_0", said(asked, before)[1:], 1.0)
    assert team.act(asked, temperature=0.0, batch_size=2) == before


def test_a_shared_adapter_is_one_block(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, adapters="shared")
    assert team.blocks == {SHARED: AGENTS}
    assert set(team.adapter_of.values()) == {SHARED}
    assert load_team().blocks == {"reasoner_0": ("reasoner_0",), "actor_0": ("actor_0",)}


@pytest.mark.parametrize(
    "agents",
    [("0", "1"), ("model", "self_attn"), ("lora_A", "base_layer"), ("expert_1", "expert_10"), ("a.b", "weight")],
)
def test_agents_may_be_called_like_parts_of_the_model(
    load_team: LoadTeam, agents: tuple[str, ...], tmp_path: Path
) -> None:
    team = load_team(*agents)
    sizes = [size(team.parameters(team.adapter_of[agent])) for agent in agents]
    assert sizes == [16384, 16384]
    team.save_adapters(tmp_path)
    again = load_team(*agents, checkpoint=tmp_path, fresh=True)
    asked = requests(team, [team.adapter_of[agent] for agent in agents])
    assert again.act(asked, temperature=0.0, batch_size=2) == team.act(asked, temperature=0.0, batch_size=2)


def test_agents_whose_names_differ_only_in_punctuation_are_refused(load_team: LoadTeam) -> None:
    with pytest.raises(ConfigError, match=r"cannot be told apart.*letters, digits"):
        load_team("a.b", "a b")


# What a reply is.


def test_a_greedy_reply_has_no_log_probabilities_and_is_always_the_same(load_team: LoadTeam) -> None:
    team = load_team()
    asked = requests(team, AGENTS)
    first = team.act(asked, temperature=0.0, batch_size=2)
    assert [reply.logprobs for reply in first] == [[], []]
    assert team.act(asked, temperature=0.0, batch_size=2) == first


def test_every_reply_keeps_to_its_own_number_of_tokens(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team()
    always_end(team, monkeypatch, after=100)
    own = [2, 7, 4]
    asked = [Request("actor_0", prompt(team, "Hello"), limit, 500) for limit in own]
    replies = team.act(asked, temperature=1.0, batch_size=3)
    assert [len(reply.action_ids) for reply in replies] == own
    assert [len(reply.logprobs) for reply in replies] == own
    assert all(reply.action_ids[-1] != team.base.tokenizer.eos_token_id for reply in replies)


def test_a_reply_that_ends_keeps_the_token_that_ended_it_and_nothing_after(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team()
    eos = team.base.tokenizer.eos_token_id
    assert team.base.tokenizer.pad_token_id == eos  # so a reply's end cannot be told from padding by looking at it
    always_end(team, monkeypatch, after=3)
    (reply,) = team.act([Request("actor_0", prompt(team, "Hello"), 9, 500)], temperature=1.0, batch_size=1)
    assert len(reply.action_ids) == len(reply.logprobs) == 4
    assert reply.action_ids[-1] == eos
    assert eos not in reply.action_ids[:-1]
    assert reply.text == team.base.tokenizer.decode(reply.action_ids[:-1])


@pytest.mark.parametrize("chars", [1, 2, 5, 11])
def test_a_reply_is_cut_at_a_token_so_that_its_ids_spell_the_text_that_is_used(load_team: LoadTeam, chars: int) -> None:
    team = load_team()
    torch.manual_seed(3)
    asked = requests(team, [*AGENTS] * 4, tokens=20, chars=chars)
    for reply in team.act(asked, temperature=1.0, batch_size=8):
        assert len(reply.text) <= chars
        spelt = reply.action_ids[:-1] if reply.action_ids[-1] == team.base.tokenizer.eos_token_id else reply.action_ids
        whole = team.base.tokenizer.decode(spelt, skip_special_tokens=False)
        assert whole == reply.text or len(reply.action_ids) == 1  # a single token may be longer than what is allowed
        assert len(reply.logprobs) == len(reply.action_ids)


def test_a_reply_that_was_cut_has_not_ended(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team()
    always_end(team, monkeypatch, after=8)
    (reply,) = team.act([Request("actor_0", prompt(team, "Hello"), 20, 3)], temperature=1.0, batch_size=1)
    assert team.base.tokenizer.eos_token_id not in reply.action_ids


def test_the_models_own_generation_settings_do_not_bend_the_policy(
    load_team: LoadTeam, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "opinionated"
    shutil.copytree(tiny_model, folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {
        "do_sample": True,
        "repetition_penalty": 3.0,
        "top_k": 3,
        "top_p": 0.5,
        "temperature": 0.1,
        "min_p": 0.3,
    }
    settings |= {"no_repeat_ngram_size": 1, "suppress_tokens": list(range(0, 256, 2)), "max_length": 3}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    plain = load_team()
    opinionated = Team.load(AGENTS, model=str(folder), compute=plain.base.compute)
    for adapter in AGENTS:
        for copy, original in zip(opinionated.parameters(adapter), plain.parameters(adapter), strict=True):
            copy.data.copy_(original)
    for temperature in (0.0, 1.0):
        replies = []
        for team in (plain, opinionated):
            torch.manual_seed(5)
            replies.append(team.act(requests(team, [*AGENTS] * 3), temperature=temperature, batch_size=6))
        assert replies[0] == replies[1]


# The trainer's log-probabilities are the sampler's.


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_scores_are_the_log_probabilities_that_the_sampler_drew_with(load_team: LoadTeam, temperature: float) -> None:
    team = load_team()
    torch.manual_seed(1)
    asked = requests(team, [*AGENTS] * 4)
    replies = team.act(asked, temperature=temperature, batch_size=5)
    for adapter in AGENTS:
        mine = [number for number, request in enumerate(asked) if request.adapter == adapter]
        sequences = [said(asked, replies)[number] for number in mine]
        for number, scored in zip(mine, team.score_all(adapter, sequences, temperature), strict=True):
            assert scored.tolist() == pytest.approx(replies[number].logprobs, abs=1e-4)


def test_another_adapter_or_temperature_would_score_them_otherwise(load_team: LoadTeam) -> None:
    team = load_team()
    asked = requests(team, ["actor_0"])
    (reply,) = team.act(asked, temperature=1.0, batch_size=1)
    sequences = said(asked, [reply])
    for adapter, temperature in (("reasoner_0", 1.0), ("actor_0", 0.9)):
        (scored,) = team.score_all(adapter, sequences, temperature)
        assert (scored - torch.tensor(reply.logprobs)).abs().max() > 1e-2


def test_padding_on_either_side_changes_no_log_probability(load_team: LoadTeam) -> None:
    team = load_team()
    lengths = [(3, 2), (30, 1), (8, 9), (1, 4)]
    sequences = [Said(list(range(60, 60 + before)), list(range(100, 100 + after))) for before, after in lengths]
    together = team.score("actor_0", sequences, 1.0)
    for row, sequence in enumerate(sequences):
        alone = team.score("actor_0", [sequence], 1.0)
        num_tokens = len(sequence.action_ids)
        torch.testing.assert_close(together.logprobs[row, :num_tokens], alone.logprobs[0], atol=2e-5, rtol=0)
        torch.testing.assert_close(together.entropy[row, :num_tokens], alone.entropy[0], atol=2e-5, rtol=0)


def test_the_end_of_a_reply_is_scored_and_what_pads_it_is_not(load_team: LoadTeam) -> None:
    team = load_team()
    eos = team.base.tokenizer.eos_token_id
    sequences = [Said([70, 71], [100, eos]), Said([70, 71], [100, eos, 101, 102, eos]), Said([70], [eos])]
    scores = team.score("actor_0", sequences, 1.0)
    assert scores.mask.tolist() == [[True, True, False, False, False], [True] * 5, [True, False, False, False, False]]
    assert float(scores.logprobs[0, 1].detach()) == pytest.approx(float(scores.logprobs[1, 1].detach()), abs=2e-5)


def test_scores_come_back_in_the_order_they_were_asked_in_whatever_the_batches(load_team: LoadTeam) -> None:
    team = load_team()
    sequences = [Said([60] * (9 - number), [100 + number] * (1 + number % 3)) for number in range(7)]
    path = team.base.compute.path
    found = []
    for batch_size, max_tokens in ((1, 1), (3, 12), (100, 1000)):
        team.base.compute = Compute(path, max_tokens, batch_size)
        found.append(team.score_all("actor_0", sequences, 1.0))
    for together in found[1:]:
        for single, batched in zip(found[0], together, strict=True):
            torch.testing.assert_close(single, batched, atol=2e-5, rtol=0)


# Gradients.


def gradients(team: Team, adapter: str) -> list[Tensor | None]:
    return [parameter.grad for parameter in team.parameters(adapter)]


def test_a_gradient_reaches_the_adapter_that_was_scored_and_nothing_else(load_team: LoadTeam) -> None:
    team = load_team()
    for adapter, other in (AGENTS, AGENTS[::-1]):
        team.base.model.zero_grad()
        team.score(adapter, [Said([70, 71], [100, 101])], 1.0).logprobs.sum().backward()
        assert all(found is not None and bool(found.any()) for found in gradients(team, adapter))
        assert gradients(team, other) == [None] * len(team.parameters(other))
    lora = {id(parameter) for adapter in AGENTS for parameter in team.parameters(adapter)}
    assert all(parameter.grad is None for parameter in team.base.model.parameters() if id(parameter) not in lora)


@pytest.mark.parametrize("part", ["logprobs", "entropy"])
def test_a_backward_after_another_adapter_was_scored_raises_since_its_gradient_would_be_lost(
    load_team: LoadTeam, part: str
) -> None:
    team = load_team()
    scores = team.score("actor_0", [Said([70, 71], [100, 101])], 1.0)
    team.score("reasoner_0", [Said([70, 71], [100, 101])], 1.0)
    with pytest.raises(RuntimeError, match=r"'actor_0' was frozen .*call backward before another adapter is scored"):
        getattr(scores, part).sum().backward()


def test_adapters_scored_and_trained_in_turn_each_take_their_own_step_alone(load_team: LoadTeam) -> None:
    team = load_team()
    optimizers = {adapter: torch.optim.SGD(team.parameters(adapter), lr=0.1) for adapter in AGENTS}
    for adapter, other in (AGENTS, AGENTS[::-1], AGENTS):  # back to one that was frozen in between
        before = {name: [p.detach().clone() for p in team.parameters(name)] for name in AGENTS}
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        team.score(adapter, [Said([70, 71], [100, 101])], 1.0).logprobs.sum().backward()
        for optimizer in optimizers.values():
            optimizer.step()
        assert not any(map(torch.equal, before[adapter], team.parameters(adapter)))
        assert all(map(torch.equal, before[other], team.parameters(other)))


def test_sampling_and_features_leave_the_scored_adapter_trainable(load_team: LoadTeam) -> None:
    team = load_team()
    team.score("actor_0", [Said([70], [100])], 1.0)
    team.act(requests(team, AGENTS), temperature=1.0, batch_size=2)
    team.base.features(["x"])
    team.score("actor_0", [Said([70, 71], [100, 101])], 1.0).logprobs.sum().backward()
    assert all(found is not None and bool(found.any()) for found in gradients(team, "actor_0"))


def test_only_the_last_layers_are_adapted_if_so_asked(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, lora=Lora(last_layers=1))
    assert size(team.parameters("actor_0")) == 16384 // 2
    assert all(".layers.1." in name for name, _ in team.base.model.named_parameters() if "lora_" in name)


# Features.


def test_features_are_the_untrained_base_models_last_hidden_states(load_team: LoadTeam) -> None:
    fresh, trained = load_team(fresh=True), load_team()
    texts = ["round 1", "something else, and longer", "round 1\n\nto everybody:\nhello", "round 1"]
    base = fresh.base.model.get_base_model()
    expected = []
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([fresh.base.tokenizer(text)["input_ids"]])
            expected.append(base(ids, output_hidden_states=True).hidden_states[-1][0, -1])
    for team in (fresh, trained):
        features = team.base.features(texts)
        assert features.shape == (4, team.base.hidden_size)
        torch.testing.assert_close(features, torch.stack(expected), atol=1e-4, rtol=0)


def test_a_text_has_the_same_features_in_any_company(load_team: LoadTeam) -> None:
    team = load_team()
    texts = ["", "a", "ab", "b", "abc and on and on"]
    together = team.base.features(texts)
    for row, text in zip(together, texts, strict=True):
        torch.testing.assert_close(team.base.features([text])[0], row, atol=1e-4, rtol=0)


def test_of_a_text_beyond_the_bound_the_end_is_read(load_team: LoadTeam) -> None:
    team = load_team()
    long, tail = "x" * 30 + "abcde", "abcde"
    torch.testing.assert_close(team.base.features([long], max_tokens=5), team.base.features([tail]), atol=1e-4, rtol=0)


# Saved and read back.


def test_adapters_that_were_saved_act_as_before_and_can_be_trained_on(load_team: LoadTeam, tmp_path: Path) -> None:
    team = load_team()
    team.save_adapters(tmp_path)
    again = load_team(*AGENTS, checkpoint=tmp_path, fresh=True)
    for adapter in AGENTS:
        for restored, original in zip(again.parameters(adapter), team.parameters(adapter), strict=True):
            assert torch.equal(restored, original)
        again.base.model.zero_grad()
        again.score(adapter, [Said([70, 71], [100, 101])], 1.0).logprobs.sum().backward()
        assert all(found is not None and bool(found.any()) for found in gradients(again, adapter))
    asked = requests(team, [*AGENTS] * 2)
    assert again.act(asked, temperature=0.0, batch_size=4) == team.act(asked, temperature=0.0, batch_size=4)


@pytest.mark.parametrize("lora", [Lora(rank=4), Lora(target_modules=("q_proj",)), Lora(last_layers=1)])
def test_adapters_of_other_lora_settings_are_refused(load_team: LoadTeam, tmp_path: Path, lora: Lora) -> None:
    load_team(lora=lora).save_adapters(tmp_path)
    with pytest.raises(CheckpointError, match=r"adapter 'reasoner_0' .*(settings)"):
        load_team(*AGENTS, checkpoint=tmp_path)


@pytest.mark.parametrize("adapters", ["per_agent", "shared"])
def test_an_agent_can_act_as_it_does_in_another_team_or_as_the_base(
    load_team: LoadTeam, tmp_path: Path, adapters: Literal["per_agent", "shared"]
) -> None:
    other = load_team(*AGENTS, adapters=adapters)
    with torch.no_grad():
        for parameter in other.parameters(other.adapter_of["actor_0"]):
            parameter.mul_(1.5)  # or it would act as the team's own, which is drawn alike
    other.save_adapters(tmp_path)
    team, base = load_team(*AGENTS), load_team(*AGENTS, fresh=True)
    num_base = len(team.base_parameters())
    for folder, alike in ((tmp_path, other), (None, base)):
        team.replace("actor_0", folder)
        expected = alike.score(alike.adapter_of["actor_0"], [Said([70, 71], [100, 101])], 1.0).logprobs
        assert torch.equal(team.score(team.adapter_of["actor_0"], [Said([70, 71], [100, 101])], 1.0).logprobs, expected)
    assert team.adapter_of["reasoner_0"] == "reasoner_0"
    assert len(team.base_parameters()) == num_base


def test_an_agent_that_a_checkpoint_has_no_adapter_of_is_named(load_team: LoadTeam, tmp_path: Path) -> None:
    load_team("reasoner_0").save_adapters(tmp_path)
    with pytest.raises(CheckpointError, match="no adapter of actor_0 in"):
        load_team(*AGENTS).replace("actor_0", tmp_path)


def test_an_adapter_that_is_missing_is_named(load_team: LoadTeam, tmp_path: Path) -> None:
    load_team("reasoner_0").save_adapters(tmp_path)
    with pytest.raises(CheckpointError, match=r"no adapter 'actor_0'.*\['actor_0', 'reasoner_0'\]"):
        load_team(*AGENTS, checkpoint=tmp_path)


# Settings that cannot work.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "int7"}, r"unknown dtype 'int7'; choose one of float32, bfloat16, float16"),
        ({"device": "abacus"}, r"unknown device 'abacus'; use cpu, cuda"),
        ({"attn_implementation": "flash_attention_2"}, r"'flash_attention_2' does not work here: .* Use sdpa or eager"),
        ({"lora": Lora(last_layers=3)}, r"last_layers is 3, but the model has 2 layers; give 1 to 2"),
        ({"lora": Lora(target_modules=("w_query",))}, r"w_query.*lora_targets names its linear layers"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_the_way_out(
    load_team: LoadTeam, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_team(*AGENTS, **settings)


def test_a_gpu_that_is_not_there_is_refused(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"'cuda:0' was asked for.*no GPU; use --device cpu"):
        load_team(*AGENTS, device="cuda:0")


def test_adapters_are_float32_on_a_bfloat16_base(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, dtype="bfloat16")
    assert {parameter.dtype for adapter in AGENTS for parameter in team.parameters(adapter)} == {torch.float32}
    assert team.base.model.get_base_model().lm_head.weight.dtype == torch.bfloat16
    assert team.base.features(["x"]).dtype == torch.float32


def test_the_kind_of_attention_is_the_one_asked_for_and_changes_no_number(load_team: LoadTeam) -> None:
    asked = [Said([65, 66, 67, 68], [70, 71]), Said([65, 66], [72, 73])]
    scores = {}
    for kind in ("sdpa", "eager"):
        team = load_team(attn_implementation=kind)
        assert team.base.model.get_base_model().config._attn_implementation == kind
        scores[kind] = team.score("actor_0", asked, 0.7).logprobs
    assert torch.allclose(scores["sdpa"], scores["eager"], atol=1e-5)


def test_the_head_gets_its_positions_in_one_piece(load_team: LoadTeam) -> None:
    team = load_team()
    given: list[Tensor] = []
    head = team.base.model.get_base_model().get_output_embeddings()
    head.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    team.score("actor_0", [Said([65, 66, 67, 68], [70, 71]), Said([65, 66], [72, 73])], 0.7)
    # Two rows, two replies' tokens and one before them; or one row: both replies begin behind another token.
    assert [hidden.shape[:2] for hidden in given] == [(2, 3) if team.base.compute.path == "plain" else (1, 4)]
    assert given[0].is_contiguous()


def test_by_default_every_linear_layer_but_the_head_is_adapted(load_team: LoadTeam) -> None:
    team = load_team("a_0")
    adapted = {
        name.split(".lora_")[0].rpartition(".")[2] for name, _ in team.base.model.named_parameters() if "lora_A" in name
    }
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(team.parameters("a_0")) == 2 * 7 * 2  # layers, linear layers of each, and two factors


def test_only_the_last_layers_can_be_adapted_too(load_team: LoadTeam) -> None:
    assert len(load_team("a_0", lora=Lora(last_layers=1)).parameters("a_0")) == 1 * 7 * 2
