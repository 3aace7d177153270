"""What the precision of matrix products costs and gains: the two halves of a training step, by turns in one process.

    python benchmarks/matmul_precision.py

For each setting of `matmul_precision` and `attn_implementation`, on the model that `marft train` takes by default:

- *rollout*: CPU-seconds to sample a reply to each of `--replies` prompts of `math/reason_act-v0`;
- *update*: CPU-seconds for the forward and backward pass over those replies, in batches of `--batch`;
- *drift*: the largest difference between a token's log-probability when it was sampled and when it is scored again
  under the same setting. It is what importance ratios would see;
- *shift*: the mean difference of log-probabilities to those under the first setting, for the same tokens.

Ratios are to the first setting. On CPUs "medium" hands products to oneDNN, which multiplies in bfloat16 on some
processors, and by float32 kernels of its own on others; *product error*, the largest error of one product of standard
normal matrices (720, 576) × (576, 1536) against float64, tells which: 0.3 with bfloat16, 1e-4 without.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import process_time

import torch
from torch import Tensor

import marft_envs
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.team import Team

RESULTS = Path(__file__).parent / "results" / "matmul_precision.json"
SETTINGS = (("highest", "sdpa"), ("highest", "eager"), ("medium", "sdpa"), ("medium", "eager"))
TEMPERATURE = 0.7
AGENT = "reasoner_0"


@dataclass(frozen=True)
class Scored:
    """A prompt and the reply to it."""

    prompt_ids: list[int]
    action_ids: list[int]


@dataclass(frozen=True)
class Costs:
    """One setting: CPU-seconds per repeat, and how far its numbers are from others."""

    matmul_precision: str
    attn_implementation: str
    rollout_cpu_s: tuple[float, ...]
    update_cpu_s: tuple[float, ...]
    drift: float
    """Nats."""
    shift: float
    """Nats."""
    product_error: float

    def row(self, first: "Costs") -> str:
        """A line of the table."""
        rollout, update = median(self.rollout_cpu_s), median(self.update_cpu_s)
        ratios = rollout / median(first.rollout_cpu_s), update / median(first.update_cpu_s)
        name = f"{self.matmul_precision}, {self.attn_implementation}"
        times = f"{rollout:>9.2f}{ratios[0]:>7.2f}{update:>9.2f}{ratios[1]:>7.2f}"
        return f"{name:<18}{times}{self.drift:>11.1e}{self.shift:>11.1e}{self.product_error:>15.1e}"


@contextmanager
def precision(matmul_precision: str) -> Iterator[None]:
    """Products as precise as that; afterwards as they were."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(matmul_precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def requests_for(team: Team, num_replies: int) -> list[Request]:
    """The first prompt of so many episodes."""
    env = marft_envs.make("math/reason_act-v0", level="add_digit_long")
    asked = []
    for seed in range(num_replies):
        env.reset(seed=seed)
        prompt = team.conversation(AGENT).prompt(env.messages(AGENT))
        asked.append(Request(AGENT, prompt, max_new_tokens=16, max_chars=2000))
    return asked


def scored(asked: Sequence[Request], replies: Sequence[Reply]) -> list[Scored]:
    """The replies as what a trainer reads."""
    return [Scored(request.prompt_ids, reply.action_ids) for request, reply in zip(asked, replies, strict=True)]


def update(team: Team, said: Sequence[Scored], batch: int) -> None:
    """Forward and backward over everything said."""
    for start in range(0, len(said), batch):
        scores = team.score(AGENT, said[start : start + batch], TEMPERATURE)
        torch.where(scores.mask, scores.logprobs + 0.01 * scores.entropy, 0.0).sum().backward()
    for parameter in team.parameters(AGENT):
        parameter.grad = None


def logprobs(team: Team, said: Sequence[Scored]) -> Tensor:
    """Of every token, in one row."""
    return torch.cat(team.score_all(AGENT, said, TEMPERATURE))


def product_error() -> float:
    """The largest error of one product under the present precision, against float64."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(720, 576, generator=generator), torch.randn(1536, 576, generator=generator)
    product = torch.nn.functional.linear(left, right)
    return float((product - left.double() @ right.double().T).abs().max())


def compare(model: str, num_replies: int, batch: int, repeats: int) -> list[Costs]:
    """See how exact every setting is, which also warms it up; then let all of them run by turns."""
    torch.manual_seed(0)
    kinds = dict.fromkeys(kind for _, kind in SETTINGS)
    teams = {
        kind: Team.load([AGENT], model=model, attn_implementation=kind, compute=Compute("plain")) for kind in kinds
    }
    asked = requests_for(next(iter(teams.values())), num_replies)
    drifts, scores, errors = {}, {}, {}
    common: list[Scored] = []
    for setting in SETTINGS:
        team = teams[setting[1]]
        with precision(setting[0]):
            replies = team.act(asked, temperature=TEMPERATURE, batch_size=len(asked))
            said = scored(asked, replies)
            common = common or said
            drawn = torch.cat([torch.tensor(reply.logprobs) for reply in replies])
            drifts[setting] = float((logprobs(team, said) - drawn).abs().max())
            scores[setting] = logprobs(team, common)
            update(team, common, batch)
            errors[setting] = product_error()
    rollouts: dict[tuple[str, str], list[float]] = {setting: [] for setting in SETTINGS}
    updates: dict[tuple[str, str], list[float]] = {setting: [] for setting in SETTINGS}
    for _ in range(repeats):
        for setting in SETTINGS:
            team = teams[setting[1]]
            with precision(setting[0]):
                began = process_time()
                team.act(asked, temperature=TEMPERATURE, batch_size=len(asked))
                sampled = process_time()
                update(team, common, batch)
                rollouts[setting].append(sampled - began)
                updates[setting].append(process_time() - sampled)
    return [
        Costs(
            *setting,
            tuple(rollouts[setting]),
            tuple(updates[setting]),
            drift=drifts[setting],
            shift=float((scores[setting] - scores[SETTINGS[0]]).abs().mean()),
            product_error=errors[setting],
        )
        for setting in SETTINGS
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    parser = argparse.ArgumentParser(description="Cost and exactness of matrix products by precision.")
    parser.add_argument("--model", default="smollm2-135m", help="a name, a folder or a hub id")
    parser.add_argument("--replies", type=int, default=32, help="sampled and trained on (default: 32)")
    parser.add_argument("--batch", type=int, default=16, help="replies per forward pass of an update (default: 16)")
    parser.add_argument("--repeats", type=int, default=5, help="per setting (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file for the numbers")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    results = compare(options.model, options.replies, options.batch, options.repeats)
    times = f"{'rollout':>9}{'ratio':>7}{'update':>9}{'ratio':>7}"
    print(f"{'median CPU-seconds':<18}{times}{'drift':>11}{'shift':>11}{'product error':>15}")
    for result in results:
        print(result.row(results[0]))
    record = {
        "machine": platform.platform(),
        "num_cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "options": {name: str(value) for name, value in vars(options).items()},
        "results": [asdict(result) for result in results],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"The numbers are in {options.out}")


if __name__ == "__main__":
    main()
