"""A joint training step of two agents, ours beside CoMLRL's MAGRPO: time by turns, memory in processes of their own.

    pip install -e '.[bench]'
    python benchmarks/beside_comlrl.py

Both run the same algorithm (MAGRPO, arXiv 2508.04652) on the same model: two agents reply at once, each to a prompt of
its own, some times per instance; the k-th replies of both are one joint action and earn one number; its difference from
the mean of its instance weighs both replies; one step of AdamW for each agent. Equal are prompts (the same texts, whose
tokens are compared), replies per prompt, new tokens per reply (no token ends one), temperature 1 over the whole
vocabulary, rewards (arbitrary, of no cost), instances per step, precision, threads.

What is **not** equal is what is trained:

- *CoMLRL* (its `MAGRPOTrainer`, by its public options) fine-tunes a whole model for each agent: two copies of the base,
  of all gradients, of Adam's moments. It has no adapters. That is how it is used, and the row to compare with.
- *CoMLRL, adapters* hands it models that PEFT has wrapped, with the adapters that ours have, so that both train the
  same number of parameters; each agent still has a base of its own. Nothing in CoMLRL was written for this; it shows
  how much of the difference comes from training everything.
- *ours*: `Collector` and the learner of `marft train magrpo` on an environment of one round: one base, an adapter for
  each agent. *ours, MARFT-A* does more: a critic that reads states, and agents one after another with ratios.

CoMLRL finds where a prompt ends by its first padding token, and this model's padding token ends every message of a
chat, so it is given a tokenizer that pads with another one. It samples by `generate`, one agent and instance after the
other, and computes a loss by one forward pass for each reply.

*CPU-seconds* are medians over steps; contestants take them by turns in one process. *Memory* is the peak of a fresh
process that takes two steps: the first makes Adam's moments, the second has them.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from baselines.algorithms import magrpo, marft_action
from baselines.errors import extra_required
from baselines.policies.chat import ChatEncoder, Conversation
from baselines.policies.loading import ALL_LINEAR
from baselines.policies.models import resolve_model
from baselines.rollouts.collect import Collector, Sampling, Task
from benchmarks.measuring import (
    TIME_HEADERS,
    Contestant,
    Times,
    add_cases,
    alternate,
    load_team,
    parser,
    progress,
    ratio,
    run_fresh,
    set_up,
    show,
    spread,
    write_json,
)
from benchmarks.sequences import SYSTEM, Case, endless, questions
from marft_envs import Dependencies, FlexMG, Message, Outcome, Profile

AGENTS = ("solver_0", "checker_0")
TEMPERATURE = 1.0  # CoMLRL computes losses at temperature 1 whatever it samples at
LEARNING_RATE = 1e-5
NUM_INSTANCES = 32
"""Different ones, of which each step takes the next."""
OURS, FULLER, THEIRS, ADAPTED = "ours", "ours, MARFT-A", "CoMLRL", "CoMLRL, adapters"
CASES = (Case(1, 4, 60, 32), Case(1, 8, 60, 32), Case(1, 4, 60, 64))
MEMORY_CASE = CASES[0]
QUICK = (Case(1, 2, 160, 2),)
ROOT = Path(__file__).parents[1]
MISSING = "CoMLRL is not installed, so ours is measured alone: pip install -e '.[bench]'"


def reward(first: str, second: str) -> float:
    """Something that differs between pairs of replies and is quickly told."""
    return float(sum(map(ord, first + second)) % 7)


class TwoQuestions(FlexMG):
    """One round: both agents reply at once, each to its own question, and earn what `reward` makes of both replies."""

    metadata = {"name": "two_questions_v0"}  # noqa: RUF012  # PettingZoo declares it so
    source = "two questions"

    def __init__(self, questions: Sequence[str]) -> None:
        team = tuple(Profile(name.rpartition("_")[0], system=SYSTEM, max_action_chars=10**6) for name in AGENTS)
        super().__init__(horizon=1, team=team)
        self.questions = questions

    def start(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.first, self.second = rng.choice(len(self.questions), size=2, replace=False).tolist()
        self.said: dict[str, str] = {}

    def dependencies_for(self, round: int) -> Dependencies:
        return Dependencies.together(self.possible_agents)

    def view(self, agent: str) -> str:
        return self.questions[self.first if agent == AGENTS[0] else self.second]

    def act(self, agent: str, action: str) -> None:
        self.said[agent] = action

    def end_round(self) -> Outcome:
        return Outcome(rewards=reward(*(self.said[agent] for agent in AGENTS)), terminated=True)

    def instance_key(self) -> str:
        return f"{self.first} {self.second}"


@dataclass(frozen=True)
class Instance:
    """What is asked for one joint action: a prompt for each agent, as token ids."""

    seed: int
    prompts: tuple[list[int], ...]


class Workload:
    """What everybody is given: the name of a model, and in every step the next instances. Loads no model itself."""

    def __init__(self, options: argparse.Namespace, case: Case) -> None:
        self.options = options
        self.case = case
        self.where = str(resolve_model(options.model))
        self.tokenizer = AutoTokenizer.from_pretrained(self.where)
        self.encoder = ChatEncoder(self.tokenizer)
        self.questions = questions(self._num_tokens, NUM_INSTANCES, case.prompt_tokens)
        self.instances = [self._instance(seed) for seed in range(NUM_INSTANCES)]

    def env(self) -> TwoQuestions:
        """A copy of the environment."""
        return TwoQuestions(self.questions)

    def chosen(self, step: int) -> list[Instance]:
        """Those of a step."""
        first = step * self.case.prompts
        return [self.instances[(first + number) % NUM_INSTANCES] for number in range(self.case.prompts)]

    def _num_tokens(self, question: str) -> int:
        messages: list[Message] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        return len(Conversation(self.encoder).prompt(messages))

    def _instance(self, seed: int) -> Instance:
        env = self.env()
        env.reset(seed=seed)
        prompts = tuple(list(Conversation(self.encoder).prompt(env.messages(agent))) for agent in AGENTS)
        assert all(len(prompt) == self.case.prompt_tokens for prompt in prompts), [len(one) for one in prompts]
        return Instance(seed, prompts)


Learner = magrpo.Magrpo | marft_action.MarftAction


class Ours:
    """An iteration of `marft train`, without what it writes: collect, learn."""

    def __init__(self, work: Workload, *, fuller: bool = False) -> None:
        """`fuller`: MARFT-A, which reads states with a critic and updates one agent after another."""
        self.work = work
        case = work.case
        settings: dict[str, Any] = {
            "temperature": TEMPERATURE,
            "lr": LEARNING_RATE,
            "episodes_per_iteration": case.prompts * case.samples,
            "samples_per_instance": case.samples,
        }
        self.team = load_team(work.options, AGENTS)
        self.learner: Learner
        if fuller:
            self.learner = marft_action.MarftAction(marft_action.Config(num_minibatches=1, **settings), self.team)
        else:
            self.learner = magrpo.Magrpo(magrpo.Config(**settings), self.team)
        self.collector = Collector(work.env, self.team, num_envs=case.prompts * case.samples)
        self.num_steps = 0

    def step(self) -> None:
        """Play and learn."""
        case = self.work.case
        chosen = self.work.chosen(self.num_steps)
        tasks = [Task(instance.seed, sample=sample) for instance in chosen for sample in range(case.samples)]
        with endless(self.team):
            batch = self.collector.collect(tasks, Sampling(TEMPERATURE, case.new_tokens, seed=self.num_steps))
        expected = [prompt for instance in chosen for _ in range(case.samples) for prompt in instance.prompts]
        turns = list(batch.turns())
        assert [turn.prompt_ids for turn in turns] == expected
        assert all(len(turn.action_ids) == case.new_tokens for turn in turns)
        metrics = self.learner.learn(batch, iteration=0, status=lambda _: None)
        assert all(metrics[f"{agent}/updates"] == 1 for agent in AGENTS), metrics
        self.num_steps += 1

    @property
    def num_trained(self) -> int:
        """Numbers that are trained, of all agents."""
        return sum(parameter.numel() for agent in AGENTS for parameter in self.team.parameters(agent))


class Theirs:
    """A step of CoMLRL's trainer, through its public `train`."""

    def __init__(self, work: Workload, *, adapted: bool = False) -> None:
        """`adapted`: hand it models with adapters, instead of having it train them whole."""
        self.work = work
        self.texts = [[work.tokenizer.decode(prompt) for prompt in one.prompts] for one in work.instances]
        self.trainer = _comlrl_trainer(work, adapted=adapted)
        self.num_steps = 0

    def step(self) -> None:
        """One epoch over this step's instances: each agent is updated once, at its end."""
        chosen = self.work.chosen(self.num_steps)
        self.trainer.train_dataset = [dict(zip(AGENTS, self.texts[one.seed], strict=True)) for one in chosen]
        self.trainer.expected = chosen
        self.trainer.num_replies = 0
        self.trainer.train(min_new_tokens=self.work.case.new_tokens)
        assert self.trainer.num_replies == len(AGENTS) * len(chosen) * self.work.case.samples
        self.num_steps += 1

    @property
    def num_trained(self) -> int:
        """Numbers that are trained, of all agents."""
        parameters = (parameter for agent in self.trainer.agents for parameter in agent.parameters())
        return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)


def _comlrl_trainer(work: Workload, *, adapted: bool) -> Any:
    """MAGRPO for one round as it is published: mean baseline, nothing divided; no logging, no evaluation."""
    os.environ.setdefault("WANDB_MODE", "disabled")
    with extra_required("bench", "the comparison with CoMLRL"):
        from comlrl.trainers.reinforce import MAGRPOConfig, MAGRPOTrainer
    from transformers import AutoModelForCausalLM

    options, case = work.options, work.case
    attention = {"attn_implementation": options.attn_implementation} if options.attn_implementation else {}
    models = []
    for _ in AGENTS:
        model = AutoModelForCausalLM.from_pretrained(work.where, dtype=getattr(torch, options.dtype), **attention)
        models.append(_with_adapter(model, options) if adapted else model)
    tokenizer = AutoTokenizer.from_pretrained(work.where)
    tokenizer.pad_token_id = _unused_token(tokenizer, work.instances)

    class Watched(MAGRPOTrainer):
        """Sees that its work is the work that was asked for."""

        expected: Sequence[Instance] = ()
        num_replies = 0

        def _compute_loss_with_gradients(self, agent: Any, completions_data: Any, returns: Any) -> Any:
            number = next(place for place, own in enumerate(self.agents) if own is agent)
            assert completions_data["prompt_input_ids"].tolist()[0] in [one.prompts[number] for one in self.expected]
            (replies,) = completions_data["completion_input_ids"]
            assert [len(reply) for reply in replies] == [case.new_tokens] * case.samples
            self.num_replies += len(replies)
            return super()._compute_loss_with_gradients(agent, completions_data, returns)

    trainer = Watched(
        agents=models,
        num_agents=len(AGENTS),
        tokenizer=tokenizer,
        reward_func=lambda first, second: [reward(*pair) for pair in zip(first, second, strict=True)],
        formatters=[lambda item, agent=agent: item[agent] for agent in AGENTS],
        args=MAGRPOConfig(
            num_train_epochs=1,
            agent_learning_rate=LEARNING_RATE,
            num_agents=len(AGENTS),
            agent_devices="cpu",
            num_generations=case.samples,
            max_new_tokens=case.new_tokens,
            temperature=TEMPERATURE,
            top_p=1.0,
            top_k=0,
            num_turns=1,
            eval_interval=0,
            rollout_buffer_size=case.prompts,
            train_batch_size=case.prompts,
            advantage_normalization=False,
            advantage_mode="mean",
        ),
    )
    trainer.verbose = False
    return trainer


def _with_adapter(model: Any, options: argparse.Namespace) -> Any:
    """Wrapped as a user of PEFT would, with the adapter that our agents have."""
    from peft import LoraConfig, get_peft_model

    targets = options.lora_targets[0] if options.lora_targets == [ALL_LINEAR] else options.lora_targets
    settings = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")
    return get_peft_model(model, settings)


def _unused_token(tokenizer: Any, instances: Sequence[Instance]) -> int:
    """A control token that no prompt contains, to pad with."""
    seen = {token for instance in instances for prompt in instance.prompts for token in prompt}
    return next(number for number in sorted(tokenizer.get_added_vocab().values()) if number not in seen)


STEPPERS: dict[str, Callable[[Workload], Ours | Theirs]] = {
    OURS: Ours,
    FULLER: lambda work: Ours(work, fuller=True),
    THEIRS: Theirs,
    ADAPTED: lambda work: Theirs(work, adapted=True),
}


def timed(options: argparse.Namespace, case: Case, names: Sequence[str]) -> list[Times]:
    """Steps of everybody, by turns."""
    work = Workload(options, case)
    steppers = {name: STEPPERS[name](work) for name in names}
    if OURS in steppers and ADAPTED in steppers:
        assert steppers[OURS].num_trained == steppers[ADAPTED].num_trained
    contestants = [Contestant(name, stepper.step) for name, stepper in steppers.items()]
    return alternate(contestants, options.repeats, options.warmup)


def peak(options: argparse.Namespace, case: Case, name: str) -> float:
    """MiB of a fresh process that takes two steps."""
    sizes = (case.prompts, case.samples, case.new_tokens, case.prompt_tokens)
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.beside_comlrl", "--steps-of", name]
    words += ["--case", *map(str, sizes), "--lora-targets", *options.lora_targets]
    for option in ("model", "threads", "dtype", "matmul_precision", "attn_implementation"):
        if (value := getattr(options, option)) is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        return run_fresh(words, os.environ | {"PYTHONPATH": path}, Path(folder) / "log")[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, keep the numbers."""
    options = _options(arguments)
    set_up(options)
    given = [
        Case(prompts, samples, prompt_tokens, new_tokens)
        for prompts, samples, new_tokens, prompt_tokens in options.case or ()
    ]
    if options.steps_of:
        stepper = STEPPERS[options.steps_of](Workload(options, given[0]))
        for _ in range(2):
            stepper.step()
        return
    has_comlrl = find_spec("comlrl") is not None and not options.alone
    if not has_comlrl and not options.alone:
        print(MISSING)
    names = [OURS, FULLER, *((ADAPTED, THEIRS) if has_comlrl else ())]
    # Memory first: a process starts with what its parent has resident.
    memory_case = given[0] if given else QUICK[0] if options.quick else MEMORY_CASE
    peaks: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.memory_repeats):
        for name in names:
            progress(f"memory, {name}, {memory_case}")
            peaks[name].append(peak(options, memory_case, name))
    results = []
    for case in given or (QUICK if options.quick else CASES):
        progress(f"step, {case}")
        results.append((case, timed(options, case, names)))
    headers = ("instances × samples", "trainer", *TIME_HEADERS, "ratio")
    rows = [[str(case), own.name, *own.cells, *ratio(own, times[-1])] for case, times in results for own in times]
    show("A joint step of two agents", (*headers, "of a repeat"), rows, markdown=options.markdown)
    if options.memory_repeats:
        last = median(peaks[names[-1]])
        cells = [
            [str(memory_case), name, *(f"{float(value):.0f}" for value in spread(own)), f"{median(own) / last:.2f}×"]
            for name, own in peaks.items()
        ]
        show("Its memory", (*headers[:2], "peak MiB", "lowest", "highest", "ratio"), cells, markdown=options.markdown)
    kept = [{"case": str(case), "times": [own.record() for own in times]} for case, times in results]
    memory = [{"case": str(memory_case), "name": name, "peak_mib": own} for name, own in peaks.items()]
    write_json(options, {"times": kept, "memory": memory})


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser("A joint step of two agents beside CoMLRL's MAGRPO.", "beside_comlrl", repeats=5)
    made.add_argument("--memory-repeats", type=int, default=1, help="processes for each peak; 0: none (default: 1)")
    made.add_argument("--alone", action="store_true", help="measure ours alone, without CoMLRL")
    made.add_argument("--steps-of", choices=sorted(STEPPERS), help="take two steps of one of them, and measure nothing")
    add_cases(made, "INSTANCES", "; of the first, memory is measured")
    return made.parse_args(arguments)


if __name__ == "__main__":
    main()
