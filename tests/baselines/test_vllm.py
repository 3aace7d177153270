"""Drawing with vLLM, in front of a stand-in that has its names and its rules: see `vllm_standin`.

1. What is drawn is the policy that is trained, and is told at the temperature it was drawn at.
2. Adapters that have moved are read again, others are not.
3. Settings, and what cannot work.
4. A run.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.algorithms import marft_action
from baselines.cli import main
from baselines.errors import ConfigError, MissingExtraError
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.vllm import VllmEngine, seed_of
from baselines.policies.team import Team
from baselines.ranks import ALONE, Ranks
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.runs.experiment import Experiment, ExperimentConfig, load_team, require_one_process_for_vllm
from baselines.runs.records import read_records
from tests.baselines import vllm_standin
from tests.baselines.conftest import perturb
from tests.baselines.toy_envs import Letters

AGENTS = ("writer_0", "editor_0", "critic_0")
TEMPERATURE = 0.7


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> type[vllm_standin.LLM]:
    return vllm_standin.install(monkeypatch)


@pytest.fixture
def team(standin: type[vllm_standin.LLM], load_team: Callable[..., Team], tiny_model: Path) -> Iterator[Team]:
    team = load_team(*AGENTS, scale=0.2)
    team.base.engine = VllmEngine(team.base.model, team.base.tokenizer, str(tiny_model), memory=0.3)
    yield team
    team.close()


def request(team: Team, agent: str = "writer_0", seed: int | str = 7, **given: Any) -> Request:
    prompt = team.base.encoder.encode(team.base.encoder.skeleton([{"role": "user", "content": ""}]), ["Write about 7."])
    asked = Request(team.adapter_of[agent], prompt, max_new_tokens=6, max_chars=99, seed=seed)
    return replace(asked, **given)


def drawn(team: Team, *requests: Request, temperature: float = TEMPERATURE) -> list[Reply]:
    return team.act(requests or [request(team)], temperature=temperature, batch_size=2)


class Sequence:
    """A prompt and what followed it, as a trainer scores it."""

    def __init__(self, asked: Request, reply: Reply) -> None:
        self.prompt_ids, self.action_ids = asked.prompt_ids, reply.action_ids


# --- 1. What is drawn ---


def test_a_tokens_probability_is_the_trainers_at_the_temperature_it_was_drawn_at(team: Team) -> None:
    for agent in AGENTS:
        asked = [request(team, agent, seed) for seed in range(3)]
        replies = drawn(team, *asked)
        scored = team.score_all(team.adapter_of[agent], [*map(Sequence, asked, replies)], TEMPERATURE)
        for reply, logprobs in zip(replies, scored, strict=True):
            assert reply.logprobs == pytest.approx(logprobs.tolist(), abs=1e-4)
            raw = team.score_all(team.adapter_of[agent], [Sequence(asked[0], replies[0])], 1.0)[0]
            assert replies[0].logprobs != pytest.approx(raw.tolist(), abs=1e-2)


def test_a_request_draws_by_its_own_seed(team: Team) -> None:
    one, again, other = drawn(team, request(team, seed="a"), request(team, seed="a"), request(team, seed="b"))
    assert one.action_ids == again.action_ids != other.action_ids
    assert all(0 <= seed_of(str(number)) < 2**56 for number in range(1000))
    assert seed_of(7) == seed_of("7")


def test_different_adapters_are_drawn_in_one_call(team: Team, standin: type[vllm_standin.LLM]) -> None:
    mixed = drawn(team, *(request(team, agent) for agent in AGENTS))
    alone = [drawn(team, request(team, agent))[0] for agent in AGENTS]
    assert [reply.action_ids for reply in mixed] == [reply.action_ids for reply in alone]
    assert len({tuple(reply.action_ids) for reply in mixed}) > 1
    (llm,) = standin.made
    assert [params.seed for params, _ in llm.asked[:3]] == [seed_of(7)] * 3


def test_a_greedy_reply_is_that_of_the_team_itself_and_has_no_probabilities(
    team: Team, load_team: Callable[..., Team]
) -> None:
    itself = load_team(*AGENTS, scale=0.2)
    asked = [request(team, agent) for agent in AGENTS]
    for reply, wanted in zip(drawn(team, *asked, temperature=0.0), drawn(itself, *asked, temperature=0.0), strict=True):
        assert (reply.action_ids, reply.text, reply.logprobs) == (wanted.action_ids, wanted.text, [])


def test_a_reply_ends_with_its_last_word_which_is_no_part_of_it(team: Team) -> None:
    free = drawn(team)[0]
    stop = free.text[2]
    stopped = drawn(team, request(team, stop=stop))[0]
    assert stopped.text == free.text.partition(stop)[0]
    assert stopped.action_ids == free.action_ids[: len(stopped.action_ids)]
    assert len(stopped.logprobs) == len(stopped.action_ids) < len(free.action_ids)


def test_a_request_is_drawn_at_its_own_temperature(team: Team, standin: type[vllm_standin.LLM]) -> None:
    own, greedy, other = drawn(
        team, request(team, temperature=1.5), request(team, temperature=0.0), request(team), temperature=TEMPERATURE
    )
    assert [params.temperature for params, _ in standin.made[0].asked] == [1.5, 0.0, TEMPERATURE]
    assert greedy.logprobs == []
    (scored,) = team.score_all("writer_0", [Sequence(request(team), own)], 1.5)
    assert own.logprobs == pytest.approx(scored.tolist(), abs=1e-4)
    assert len(other.logprobs) == len(other.action_ids)


def test_who_must_speak_does_not_begin_with_the_end(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn(team)[0]
    monkeypatch.setattr(team.base.engine, "_ends", [first.action_ids[0]])
    assert drawn(team)[0].action_ids == first.action_ids[:1]
    assert drawn(team, request(team, must_speak=True))[0].action_ids[0] != first.action_ids[0]


def test_a_reply_ends_where_any_end_token_is_drawn_and_keeps_it(
    team: Team, standin: type[vllm_standin.LLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drawn(team)[0]
    monkeypatch.setattr(team.base.engine, "_ends", [first.action_ids[1]])
    ended = drawn(team)[0]
    assert ended.action_ids == first.action_ids[:2]
    assert len(ended.logprobs) == 2
    assert ended.text == team.base.tokenizer.decode(first.action_ids[:1])


def test_a_reply_that_is_too_long_is_cut_at_a_token_with_its_probabilities(team: Team) -> None:
    whole, cut = drawn(team)[0], drawn(team, request(team, max_chars=2))[0]
    assert len(cut.text) <= 2
    assert cut.action_ids == whole.action_ids[: len(cut.action_ids)]
    assert cut.logprobs == whole.logprobs[: len(cut.action_ids)]


def test_nothing_filters_what_is_drawn(team: Team, standin: type[vllm_standin.LLM]) -> None:
    drawn(team)
    (llm,) = standin.made
    ((params, _),) = llm.asked
    assert (params.top_p, params.top_k, params.temperature, params.logprobs) == (1.0, -1, TEMPERATURE, 0)
    assert (llm.options["logprobs_mode"], llm.options["generation_config"]) == ("processed_logprobs", "vllm")


def test_nobody_is_asked_for_nothing(team: Team, standin: type[vllm_standin.LLM]) -> None:
    assert team.base.engine.draw([], temperature=1.0, batch_size=1) == []
    assert standin.made[0].asked == []


# --- 2. Adapters ---


def test_an_adapter_that_has_moved_is_read_again_under_a_new_id_and_name(
    team: Team, standin: type[vllm_standin.LLM], load_team: Callable[..., Team]
) -> None:
    before = drawn(team, request(team, max_new_tokens=12))[0]
    perturb(team, 0.3)
    asked = request(team, max_new_tokens=12)
    after = drawn(team, asked)[0]
    assert after.action_ids != before.action_ids
    (scored,) = team.score_all(team.adapter_of["writer_0"], [Sequence(asked, after)], TEMPERATURE)
    assert after.logprobs == pytest.approx(scored.tolist(), abs=1e-4)
    first, second = (adapter for _, adapter in standin.made[0].asked)
    assert first is not None and second is not None
    assert first.lora_int_id != second.lora_int_id
    assert first.lora_name != second.lora_name
    assert first.lora_path != second.lora_path
    assert not Path(first.lora_path).exists()  # only the newest files of an adapter are kept
    assert Path(second.lora_path).is_dir()


@pytest.mark.parametrize("how", ["optimiser", "checkpoint", "weights"])
def test_every_way_in_which_an_adapter_moves_is_noticed(
    team: Team, standin: type[vllm_standin.LLM], tmp_path: Path, how: str
) -> None:
    drawn(team)
    match how:
        case "optimiser":
            parameters = team.parameters("writer_0")
            for parameter in parameters:
                parameter.requires_grad_(True)
                parameter.grad = torch.ones_like(parameter)
            torch.optim.Adam(parameters).step()
        case "checkpoint":
            team.save_adapters(tmp_path)
            team.load_adapters(tmp_path)
        case _:
            team.take_weights(team.weights())
    drawn(team)
    first, second = (adapter.lora_int_id for _, adapter in standin.made[0].asked if adapter)
    assert first != second


def test_an_adapter_that_stays_is_not_written_again(team: Team, standin: type[vllm_standin.LLM]) -> None:
    drawn(team, *(request(team, agent) for agent in AGENTS))
    with torch.no_grad():
        team.parameters("editor_0")[0].add_(0.1)
    drawn(team, *(request(team, agent) for agent in AGENTS))
    ids = [adapter.lora_int_id for _, adapter in standin.made[0].asked if adapter]
    assert [one == other for one, other in zip(ids[:3], ids[3:], strict=True)] == [True, False, True]


def test_the_files_go_when_it_is_closed(team: Team, standin: type[vllm_standin.LLM]) -> None:
    drawn(team)
    (llm,) = standin.made
    path = Path(llm.asked[0][1].lora_path)  # type: ignore[union-attr]
    assert path.is_dir()
    team.close()
    assert not path.exists()
    assert llm.is_shut_down


# --- 3. Settings ---


def test_vllm_is_given_its_share_and_room_for_all_adapters(team: Team, standin: type[vllm_standin.LLM]) -> None:
    options = standin.made[0].options
    assert (options["gpu_memory_utilization"], options["max_loras"], options["max_lora_rank"]) == (0.3, 3, 8)
    assert (options["dtype"], options["enable_lora"]) == ("float32", True)


def test_further_options_are_handed_on(standin: type[vllm_standin.LLM], tiny_model: Path) -> None:
    options: dict[str, int | float | bool | str] = {"max_model_len": 512, "enforce_eager": True}
    config = ExperimentConfig(model=str(tiny_model), engine="vllm", vllm_options=options, lora_rank=9)
    load_team(config, AGENTS).close()
    (llm,) = standin.made
    assert (llm.options["max_model_len"], llm.options["enforce_eager"], llm.options["max_lora_rank"]) == (512, True, 16)
    assert llm.options["gpu_memory_utilization"] == 0.4


def test_what_vllm_cannot_take_is_told(standin: type[vllm_standin.LLM], tiny_model: Path, team: Team) -> None:
    with pytest.raises(ConfigError, match=r"lora_rank is 513, but vLLM takes 512 at most"):
        load_team(ExperimentConfig(model=str(tiny_model), engine="vllm", lora_rank=513), AGENTS)
    with pytest.raises(ConfigError, match=r"temperature is 2\.5, but vLLM draws at 0\.01 to 2\.0"):
        drawn(team, temperature=2.5)
    with pytest.raises(ConfigError, match=r"temperature is 0\.001"):
        drawn(team, temperature=0.001)
    standin.fails_with = RuntimeError("no room for keys and values\nand a long trace")
    with pytest.raises(ConfigError, match=r"vLLM cannot begin with .*: no room for keys and values .*--vllm-memory"):
        load_team(ExperimentConfig(model=str(tiny_model), engine="vllm"), AGENTS)


def test_without_the_package_its_extra_is_named(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"--engine vllm needs the package 'vllm'.*'marft-envs\[vllm\]'"):
        load_team(ExperimentConfig(model=str(tiny_model), engine="vllm"), AGENTS)


def test_each_base_has_an_engine_which_divide_the_memory(
    standin: type[vllm_standin.LLM], tiny_model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    config = ExperimentConfig(model=str(tiny_model), model_by_role={"critic": str(other)}, engine="vllm")
    team = load_team(config, AGENTS)
    assert [llm.options["gpu_memory_utilization"] for llm in standin.made] == [0.2, 0.2]
    assert [llm.options["max_loras"] for llm in standin.made] == [2, 1]
    team.act([request(team, agent) for agent in AGENTS], temperature=TEMPERATURE, batch_size=2)
    assert [len(llm.asked) for llm in standin.made] == [2, 1]
    team.close()
    assert all(llm.is_shut_down for llm in standin.made)


def test_policies_that_are_whole_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"engine is 'vllm' and tuning 'full'.*--tuning lora"):
        ExperimentConfig(engine="vllm", tuning="full").check()


def test_several_processes_that_train_together_are_refused() -> None:
    require_one_process_for_vllm(ExperimentConfig(engine="vllm"), ALONE)
    require_one_process_for_vllm(ExperimentConfig(), Ranks(0, 2))
    with pytest.raises(ConfigError, match=r"engine is 'vllm', and there are 2 processes.*--workers N"):
        require_one_process_for_vllm(ExperimentConfig(engine="vllm"), Ranks(0, 2))


def test_a_share_of_memory_lies_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match="vllm_memory is"):
        ExperimentConfig(vllm_memory=1.5).check()


def test_where_workers_draw_no_engine_is_begun_here(standin: type[vllm_standin.LLM], tiny_model: Path) -> None:
    load_team(ExperimentConfig(model=str(tiny_model), engine="vllm", workers=2), AGENTS, acts=False)
    assert standin.made == []


# --- 4. A run ---


def settings(tiny_model: Path, folder: Path, **given: object) -> marft_action.Config:
    chosen: dict[str, Any] = {
        "env_id": "tests.baselines.toy_envs:Letters",
        "env_options": {"horizon": 1},
        "model": str(tiny_model),
        "engine": "vllm",
        "run_dir": folder,
        "num_iterations": 2,
        "episodes_per_iteration": 4,
        "max_new_tokens": 3,
        "eval_instances": 2,
        "few_shot": 0,
        "lr": 0.02,
        **given,
    }
    return marft_action.Config(**chosen)


def test_a_team_is_trained_on_what_vllm_draws(
    standin: type[vllm_standin.LLM], tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    marft_action.train(settings(tiny_model, folder, critic_input="observation", max_sampler_ratio=2.0), quiet=True)
    records = read_records(folder / "metrics.jsonl")
    for record in records:
        for agent in AGENTS:
            assert record[f"{agent}/drift_max"] < 1e-3  # the weights of the moment, at the temperature of the run
            assert record[f"{agent}/sampler_weight"] == pytest.approx(1.0, abs=1e-3)  # computed again by the trainer
    (llm,) = standin.made
    assert llm.is_shut_down
    versions = [adapter.lora_int_id for _, adapter in llm.asked if adapter]
    assert len(set(versions)) == 3 * 3  # before training, and after each of two updates
    assert main(["evaluate", str(folder), "--instances", "1"]) == 0
    assert len(standin.made) == 1  # evaluated by the model itself, unless somebody asks for vLLM
    assert main(["evaluate", str(folder), "--instances", "1", "--engine", "vllm"]) == 0
    assert len(standin.made) == 2


def test_a_collector_reads_nothing_twice_for_vllm(team: Team, standin: type[vllm_standin.LLM]) -> None:
    batch = Collector(Letters, team, num_envs=2).collect([Task(1), Task(2)], Sampling(TEMPERATURE, 3))
    assert all(turn.features is None for turn in batch.turns())
    assert len(standin.made[0].asked) == 2 * 2 * 3  # plays × rounds × agents


def test_an_experiment_closes_its_engine(standin: type[vllm_standin.LLM], tiny_model: Path, tmp_path: Path) -> None:
    experiment = Experiment.prepare(settings(tiny_model, tmp_path / "run"))
    experiment.close()
    assert standin.made[0].is_shut_down
