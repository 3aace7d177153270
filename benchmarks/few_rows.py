"""What a token costs that is drawn for a few replies at once, of two agents' adapters on one base.

    python benchmarks/few_rows.py

*Products* are those of all the base's linear layers with so many rows, and nothing else: as `nn.Linear` has them; by
oneDNN with the matrices where they lie; and by oneDNN with copies of them in its own order. *Tokens* are whole calls of
the model with a cache of `--context` tokens a row, rows alternating between two adapters: by PEFT's own mixing of a
batch, and as replies are drawn (`baselines/policies/engines/mixing.py`). Contestants run by turns; milliseconds are
CPU time.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache

from baselines.policies.engines.mixing import rows_of
from baselines.policies.engines.prefill import acting_as, cache_argument
from baselines.policies.engines.products import by_onednn, reordered
from benchmarks.measuring import (
    Contestant,
    Times,
    alternate,
    load_team,
    parser,
    progress,
    ratio,
    set_up,
    show,
    spread,
    write_json,
)

AGENTS = ("solver_0", "checker_0")
ROWS = (1, 2, 4, 8, 16, 32, 64)
QUICK_ROWS = (2,)
CALLS = 4
"""Of each kind in a repeat."""
HEADERS = ("rows", "way", "ms", "lowest", "highest", "ratio", "of a repeat")


def matrices_of(model: PeftModel) -> list[Tensor]:
    """The base's linear layers', each once."""
    return [
        module.weight.detach()
        for name, module in model.get_base_model().named_modules()
        if isinstance(module, nn.Linear) and "lora_" not in name
    ]


def products(model: PeftModel, rows: int) -> list[Contestant]:
    """One linear layer after another."""
    weights = matrices_of(model)
    inputs = {weight.shape[1]: torch.randn(rows, 1, weight.shape[1]) for weight in weights}
    copies = [reordered(weight) for weight in weights]

    def run(product: Callable[[Tensor, Tensor], Tensor], matrices: Sequence[Tensor]) -> None:
        for _ in range(CALLS):
            for matrix in matrices:
                product(inputs[matrix.shape[1]], matrix)

    return [
        Contestant("products, nn.Linear", partial(run, functional.linear, weights)),
        Contestant("products, oneDNN", partial(run, by_onednn, weights)),
        Contestant("products, oneDNN with copies", partial(run, by_onednn, copies)),
    ]


class Drawing:
    """One row after another of two adapters, each behind a context of its own."""

    def __init__(self, model: PeftModel, adapters: Sequence[str], rows: int, context: int) -> None:
        self.model = model
        self.adapters = [adapters[row % len(adapters)] for row in range(rows)]
        self.ids = torch.randint(0, 100, (rows, context))

    def by_peft(self) -> Tensor:
        """By the names of adapters; the last token's logits, (B, 1, V)."""
        return self._draw(acting_as(self.model, self.adapters))

    def as_drawn(self) -> Tensor:
        """As the engine does it."""
        with rows_of(self.model, self.adapters) as rows:
            return self._draw(rows.arguments())

    def _draw(self, arguments: dict[str, list[str]]) -> Tensor:
        cache = DynamicCache()
        base = self.model.get_base_model()
        length = self.ids.shape[1]
        for layer in range(base.config.num_hidden_layers):
            size = (len(self.ids), base.config.num_key_value_heads, length, base.config.head_dim)
            cache.update(torch.zeros(size), torch.zeros(size), layer)
        for step in range(CALLS):
            logits: Tensor = self.model(
                input_ids=self.ids[:, :1],
                attention_mask=torch.ones(len(self.ids), length + step + 1, dtype=torch.long),
                position_ids=torch.full((len(self.ids), 1), length + step),
                **arguments,
                **cache_argument(self.model, cache),
            ).logits
        return logits


def lines(rows: int, times: Sequence[Times]) -> list[list[object]]:
    """Of a table: milliseconds of one call, and ratios to the first way."""
    return [
        [rows, own.name, *spread([seconds * 1000 / CALLS for seconds in own.cpu_s]), *ratio(own, times[0])]
        for own in times
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    made = parser("Tokens for a few rows of two adapters.", "few_rows", repeats=5)
    made.add_argument("--context", type=int, default=100, help="tokens that every row has behind it (default: 100)")
    options = made.parse_args(words)
    set_up(options)
    team = load_team(options, AGENTS)
    model = team.base.model.eval()
    table: list[list[object]] = []
    kept = []
    with torch.no_grad():
        for rows in QUICK_ROWS if options.quick else ROWS:
            progress(f"{rows} rows")
            drawing = Drawing(model, [team.adapter_of[agent] for agent in AGENTS], rows, options.context)
            groups = [
                products(model, rows),
                [Contestant("token, PEFT", drawing.by_peft), Contestant("token, as drawn", drawing.as_drawn)],
            ]
            for group in groups:
                times = alternate(group, options.repeats)
                table += lines(rows, times)
                kept += [{"rows": rows, "calls": CALLS} | own.record() for own in times]
    show("A token of a few rows", HEADERS, table, markdown=options.markdown)
    write_json(options, kept)


if __name__ == "__main__":
    main()
