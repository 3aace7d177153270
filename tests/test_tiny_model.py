"""The tiny model of the benchmarks, and the tasks whose forms it learns.

1. A task is one that teams can be trained and evaluated on; its habits can be read, and are mostly wrong.
2. What is pre-trained on are prompts as trainers make them, of train instances.
3. The same seed makes the same model, which a team can be loaded from.
"""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

import marft_envs
from baselines.evaluate import held_out_tasks
from baselines.policies.team import Team
from benchmarks import tiny_model
from benchmarks.tiny_tasks import TASKS, Habit, Heard, TinyTask, reply
from marft_envs import FlexMG

FIRST_SHARE, LAST_SHARE = 0.10, 0.20


def made(task: TinyTask, split: str) -> FlexMG:
    env = marft_envs.make(task.env_id, split=split, level=task.level, **task.env_options)
    assert isinstance(env, FlexMG)
    return env


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.make(folder, num_steps=2, num_turns=1)
    return folder


def test_there_is_a_task_of_every_family_that_environments_come_in() -> None:
    assert {task.family for task in TASKS.values()} == {name.partition("/")[0] for name in marft_envs.registered_ids()}


@pytest.mark.parametrize("name", TASKS)
def test_instances_are_held_out_and_no_turn_of_pre_training_shows_one(name: str) -> None:
    task = TASKS[name]
    env = made(task, "test")
    prompts = set()
    for held_out in held_out_tasks(env, task.level, 200):
        env.reset(seed=held_out.seed)
        prompts.add(env.messages(env.possible_agents[0])[-1]["content"])
    assert len(prompts) > 150  # two instances of the relay may look the same to who holds one of the numbers
    if not task.is_split:
        seen = {turn.messages[-1]["content"] for turn in itertools.islice(tiny_model.turns(task, 0), 0, 2_000, 2)}
        assert not seen & prompts


@pytest.mark.parametrize("name", TASKS)
def test_a_team_that_has_habits_earns_little_and_not_nothing(name: str) -> None:
    task, rng, num_episodes = TASKS[name], np.random.default_rng(0), 300
    env = made(task, "train")
    earned = 0.0
    for seed in range(num_episodes):
        env.reset(seed=seed)
        said = ""
        for agent in env.possible_agents:
            told = "\n".join(m["content"] for m in env.messages(agent) if m["role"] == "user" and "name" not in m)
            said = reply(task.habits_of(agent), Heard(told, said, env.reference_action(agent)), rng)
            env.step(said)
        earned += env.episode().returns[agent] / num_episodes
    # Of the relay both have to be right, 0.2 * 0.2; of the others who answers, at 0.15 and by what the first says.
    assert 0.02 < earned < 0.30


@pytest.mark.parametrize("name", TASKS)
def test_the_commonest_habit_of_every_agent_is_wrong(name: str) -> None:
    task = TASKS[name]
    env = made(task, "train")
    for agent in env.possible_agents:
        habits = task.habits_of(agent)
        right = habits[0]
        assert sum(habit.share for habit in habits) == pytest.approx(1.0)
        assert FIRST_SHARE <= right.share <= LAST_SHARE
        assert max(habit.share for habit in habits) > right.share


def test_habits_are_chosen_by_their_shares() -> None:
    habits = (Habit(1.0, lambda heard, rng: "a"), Habit(3.0, lambda heard, rng: "b"))
    rng = np.random.default_rng(0)
    said = [reply(habits, Heard("", "", ""), rng) for _ in range(2_000)]
    assert said.count("b") / len(said) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("name", TASKS)
def test_replies_fit_and_prompts_are_those_of_a_team(name: str, model: Path) -> None:
    task = TASKS[name]
    env = made(task, "train")
    team = Team.load(env.possible_agents, model=str(model))
    for turn in itertools.islice(tiny_model.turns(task, 0), 100):
        for text in turn.replies:
            assert len(team.base.encoder.reply_ids(text)) <= task.max_new_tokens, text
    env.reset(seed=0)
    assert len(team.base.encoder.reply_ids(env.reference_action(env.possible_agents[-1]))) <= task.max_new_tokens
    first, examples = next(tiny_model.turns(task, 0)), next(tiny_model.sequences(task, team.base.tokenizer, 0))
    prompt = team.conversation(next(iter(team.adapter_of))).prompt(first.messages)
    assert [example.prompt_ids for example in examples] == [prompt] * len(first.replies)
    assert [example.reply_ids for example in examples] == [team.base.encoder.reply_ids(text) for text in first.replies]


def test_the_loss_of_replies_that_share_their_prompt_is_that_of_each_by_itself(model: Path) -> None:
    team = Team.load(["holder_0"], model=str(model))
    examples = next(tiny_model.sequences(TASKS["collab"], team.base.tokenizer, 0))
    base = LlamaForCausalLM.from_pretrained(model)
    summed, num_tokens = 0.0, 0
    with torch.no_grad():
        for example in examples:
            ids = torch.tensor([[*example.prompt_ids, *example.reply_ids]])
            logprobs = base(input_ids=ids).logits[0, len(example.prompt_ids) - 1 : -1].log_softmax(-1)
            summed -= float(logprobs.gather(1, torch.tensor(example.reply_ids)[:, None]).sum())
            num_tokens += len(example.reply_ids)
        assert float(tiny_model.reply_loss(base, examples)) == pytest.approx(summed / num_tokens, rel=1e-5)


def test_digits_are_tokens_and_padding_is_no_end(model: Path) -> None:
    team = Team.load(["holder_0"], model=str(model))
    tokenizer = team.base.tokenizer
    assert [tokenizer.decode([token]) for token in tokenizer("5730")["input_ids"]] == ["5", "7", "3", "0"]
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    text = "def f(n):\n    return n * 41 + 69 — é\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_same_seed_makes_the_same_model_and_another_another(model: Path, tmp_path: Path) -> None:
    again = tiny_model.make(tmp_path / "again", num_steps=2, num_turns=1)
    other = tiny_model.make(tmp_path / "other", seed=1, num_steps=2, num_turns=1)
    card = json.loads((model / tiny_model.CARD).read_text(encoding="utf-8"))
    assert again["hash"] == card["hash"] == tiny_model.hash_of(model) != other["hash"]


def test_pre_training_lowers_the_loss(tmp_path: Path) -> None:
    short = tiny_model.make(tmp_path / "short", num_steps=1, num_turns=1)
    longer = tiny_model.make(tmp_path / "longer", num_steps=30, num_turns=1)
    assert float(str(longer["loss_nats_per_token"])) < 0.7 * float(str(short["loss_nats_per_token"]))


def test_facts_are_true() -> None:
    tokenizer = tiny_model.make_tokenizer(0)
    asked = {name: list(itertools.islice(tiny_model.facts(task, tokenizer, 0), 60)) for name, task in TASKS.items()}
    texts = {
        name: [
            (
                tokenizer.decode(fact.prompt_ids).split("user\n")[1].partition("<|im_end|>")[0],
                tokenizer.decode(fact.reply_ids).removesuffix("<|im_end|>"),
            )
            for fact in found
        ]
        for name, found in asked.items()
    }
    for question, answer in texts["math"]:
        first, second = map(int, re.findall(r"\d+", question))
        assert int(answer.rpartition("= ")[2]) == first + second
    for question, answer in texts["collab"]:
        assert int(answer) == sum(map(int, re.findall(r"\d+", question)))
    for question, answer in texts["coding"]:
        words = question.removesuffix("?").replace("times", "*").replace("plus", "+").replace("minus", "-")
        assert words == answer
