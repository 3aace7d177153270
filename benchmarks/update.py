"""What packing makes of an update: forward and backward over P prompts with G replies each, packed against plain.

    python benchmarks/update.py
    python benchmarks/update.py --dtype bfloat16
    python benchmarks/update.py --matmul-precision medium --attn-implementation eager

One adapter of rank 8 on all linear layers (`--lora-targets q_proj v_proj` for these two). Prompts are chats with one
system text, as environments have them; replies are random tokens, so that two replies of a group share nothing.

- *plain*: each sequence by itself, in batches of 8, 16, 32 and 64 replies. All are tried once, which is the warm-up;
  the two that were fastest then run by turns with packing, which is compared to the faster of them.
- *packed*: in passes of at most 1,024 distinct tokens, as training does by itself, and of 2,048 where that makes fewer.
- *tokens*: what plain reads (padding not counted), and how many of them are distinct; *ratio* is that of CPU-seconds.
- *errors*: the largest difference of any token's log-probability, in nats, and the norm of the difference of all
  gradients, relative to that of the gradient, between packed and plain in this run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import Any

import torch
from torch import Tensor

from baselines.policies.adapted import Compute
from baselines.policies.team import Team
from benchmarks.measuring import (
    TIME_HEADERS,
    Contestant,
    Times,
    alternate,
    load_team,
    parser,
    progress,
    ratio,
    set_up,
    show,
    write_json,
)
from benchmarks.sequences import Case, Said, distinct_tokens, groups, plain_tokens

AGENT = "reasoner_0"
TEMPERATURE = 0.7
BATCH_SIZES = (8, 16, 32, 64)
PACK_SIZES = (1024, 2048)
NUM_KEPT = 2
"""Batch sizes of the plain path that are measured beyond the first try."""


CASES = (Case(4, 8), Case(8, 8), Case(4, 8, 120, 32), Case(8, 1), Case(8, 2))
QUICK = (Case(2, 3, 160, 5),)
"""Prompts are long enough for a tokenizer of bytes."""


@dataclass(frozen=True)
class Computed:
    """What an update computes."""

    logprobs: Tensor
    gradients: Tensor


def update(team: Team, said: Sequence[Said], compute: Compute) -> Computed:
    """Log-probabilities, and gradients of a weighted sum of them with a little entropy; gradients are cleared."""
    team.base.compute = compute
    weights = torch.linspace(-1, 1, len(said)) if len(said) > 1 else torch.ones(1)
    found: dict[int, Tensor] = {}
    for chunk in team.base.parts(said, range(len(said))):
        scores = team.score(AGENT, [said[position] for position in chunk], TEMPERATURE)
        loss = torch.where(scores.mask, scores.logprobs * weights[chunk][:, None] + 0.01 * scores.entropy, 0.0).sum()
        loss.backward()
        found.update(zip(chunk, scores.logprobs.detach(), strict=True))
    parameters = team.parameters(AGENT)
    gradients = torch.cat([parameter.grad.float().flatten() for parameter in parameters if parameter.grad is not None])
    for parameter in parameters:
        parameter.grad = None
    return Computed(torch.cat([found[position] for position in range(len(said))]), gradients)


def perturb(team: Team) -> None:
    """Away from where adapters start, at which half of the gradient is zero."""
    with torch.no_grad():
        for parameter in team.parameters(AGENT):
            parameter.add_(0.01 * torch.randn_like(parameter))


def compare(
    team: Team, case: Case, batch_sizes: Sequence[int], pack_sizes: Sequence[int], repeats: int
) -> dict[str, Any]:
    """Packed and plain by turns, after one try of everybody, which warms up, chooses batch sizes and shows errors.

    Bounds on a pack are compared where they make a difference.
    """
    said = groups(team, case.prompts, case.samples, case.prompt_tokens, case.new_tokens)
    packed: dict[int, Contestant] = {}
    ours: list[Computed] = []
    for size in sorted(pack_sizes):
        compute = Compute("packed", max_packed_tokens=size)
        ours.append(update(team, said, compute))
        team.base.compute = compute
        num_passes = len(team.base.parts(said, range(len(said))))
        name = f"packed, {num_passes} {'pass' if num_passes == 1 else 'passes'}"
        packed.setdefault(num_passes, Contestant(name, partial(update, team, said, compute)))
    plain: list[tuple[float, Contestant]] = []
    errors: list[tuple[float, float]] = []
    for size in [size for size in batch_sizes if size <= len(said)] or [len(said)]:
        contestant = partial(update, team, said, Compute("plain", batch_size=size))
        began = process_time()
        theirs = contestant()
        plain.append((process_time() - began, Contestant(f"plain, batches of {size}", contestant)))
        errors += [
            (_largest(own.logprobs - theirs.logprobs), _relative(own.gradients, theirs.gradients)) for own in ours
        ]
    kept = [contestant for _, contestant in sorted(plain, key=lambda tried: tried[0])[:NUM_KEPT]]
    return {
        "case": str(case),
        "times": alternate([*packed.values(), *kept], repeats, warmup=0),
        "tried_cpu_s": {contestant.name: cpu_s for cpu_s, contestant in plain},
        "plain_tokens": plain_tokens(said),
        "distinct_tokens": distinct_tokens(said),
        "logprob_error": max(error for error, _ in errors),
        "gradient_error": max(error for _, error in errors),
    }


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


def rows(result: dict[str, Any]) -> list[list[object]]:
    """Of the table: the packed path, and every batch size of the plain one."""
    times: list[Times] = result["times"]
    best = min((own for own in times if own.name.startswith("plain")), key=lambda own: own.median)
    first, *others = times
    tokens = f"{result['plain_tokens']} / {result['distinct_tokens']}"
    errors = f"{result['logprob_error']:.0e} / {result['gradient_error']:.0e}"
    return [
        [result["case"], first.name, *first.cells, *ratio(first, best), tokens, errors],
        *([result["case"], own.name, *own.cells, *(ratio(own, best)), "", ""] for own in others),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    options = _options(arguments)
    set_up(options)
    team = load_team(options, [AGENT])
    perturb(team)
    cases = [Case(*case) for case in options.case] if options.case else QUICK if options.quick else CASES
    results = []
    for case in cases:
        progress(f"update, {case}")
        results.append(compare(team, case, options.batch_sizes, options.max_packed_tokens, options.repeats))
    headers = ("prompts × replies", "path", *TIME_HEADERS, "ratio", "of a repeat", "tokens / distinct", "errors")
    show("Update", headers, [row for result in results for row in rows(result)], markdown=options.markdown)
    kept = [result | {"times": [own.record() for own in result["times"]]} for result in results]
    write_json(options, kept)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser("Packed against plain updates.", "update", repeats=3)
    made.add_argument(
        "--case",
        nargs=4,
        type=int,
        action="append",
        metavar=("PROMPTS", "REPLIES", "PROMPT_TOKENS", "REPLY_TOKENS"),
        help="instead of the list of cases; may be given again",
    )
    made.add_argument(
        "--batch-sizes", nargs="+", type=int, default=BATCH_SIZES, help="of the plain path, to choose from"
    )
    made.add_argument(
        "--max-packed-tokens", nargs="+", type=int, default=PACK_SIZES, help="bounds on a pack (default: 1024 2048)"
    )
    return made.parse_args(arguments)


if __name__ == "__main__":
    main()
