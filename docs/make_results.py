"""Writes docs/results.md and its pictures from docs/results.json: what the baselines came to, and how sure that is.

python docs/make_results.py                 # from docs/results.json
python docs/make_results.py FOLDER          # first adds what benchmarks/matrix.py and its neighbours left in FOLDER
python docs/make_results.py FOLDER --anew   # takes what is in FOLDER, and nothing else
python docs/make_results.py --check         # says, by exit status 1, whether a file is not what docs/results.json says

What a person has to say of it comes from docs/results_remarks.md. Only what was run is in it. A cell that was not says
so; intervals, profiles and comparisons are of the runs that are there, and name their number.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import checkout  # noqa: F401  # first: it says which checkout is meant
from fences import fenced, span, table
from make_flex_mg import THEMES, Theme, text
from pictures import WIDTH, drawing

from leaderboard.statistics import Interval, iqm, mean, performance_profile, probability_of_improvement
from leaderboard.statistics import stratified_interval as interval_of

HERE = Path(__file__).parent
DATA, PAGE = HERE / "results.json", HERE / "results.md"
REMARKS = HERE / "results_remarks.md"
"""What a person has seen in these results; to be written anew when they change."""
WRITTEN = "<!-- written by docs/make_results.py from docs/results.json -->"
REFERENCE = "marft_action"
"""Whom the others are compared with by the probability of improvement."""
LEAST_RUNS = 2
"""Of a task, for an interval over seeds."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C", "#B8860B")
"""Okabe and Ito's, with black and yellow exchanged for what both themes can show."""
DASHES = ("", "7 3", "2 3", "9 3 2 3")
NUM_THRESHOLDS = 101
COMMANDS = (
    "python benchmarks/matrix.py",
    "python benchmarks/update_order.py",
    "python benchmarks/smollm2.py --seeds 3",
    "python docs/make_results.py benchmarks/results/matrix",
)
Data = Mapping[str, Any]


# -- numbers -----------------------------------------------------------------------------------------------------------


def done(data: Data, algorithm: str, task: str) -> list[Data]:
    """The runs of a cell that ended."""
    return [
        cell for cell in data["cells"] if (cell["algorithm"], cell["task"], cell["state"]) == (algorithm, task, "done")
    ]


def scores(data: Data, algorithm: str) -> dict[str, list[float]]:
    """Task -> what each seed came to, of tasks that were run."""
    found = {task: [cell["final"] for cell in done(data, algorithm, task)] for task in data["tasks"]}
    return {task: values for task, values in found.items() if values}


def everywhere(data: Data) -> dict[str, dict[str, list[float]]]:
    """The algorithms that were run on all tasks, and their scores: what can be put together over tasks."""
    found = {algorithm: scores(data, algorithm) for algorithm in data["algorithms"]}
    return {algorithm: own for algorithm, own in found.items() if len(own) == len(data["tasks"])}


def shown(interval: Interval) -> str:
    """As a table has it."""
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def average(values: Sequence[float]) -> float:
    """Their mean."""
    return float(mean(values))


# -- the page ----------------------------------------------------------------------------------------------------------


def page(data: Data) -> str:
    """docs/results.md."""
    parts = [
        WRITTEN,
        "# Results",
        _what_was_run(data),
        *([REMARKS.read_text(encoding="utf-8").strip()] if REMARKS.is_file() else []),
        *[part for task in data["tasks"] for part in _task(data, task)],
        *_together(data),
        *_real_model(data),
        *_update_order(data),
        _how(data),
    ]
    return "\n\n".join(parts) + "\n"


def prose(*sentences: str) -> str:
    """A paragraph, its lines filled."""
    return textwrap.fill(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def _what_was_run(data: Data) -> str:
    algorithms, tasks, seeds = (len(data[name]) for name in ("algorithms", "tasks", "seeds"))
    ended = [cell["algorithm"] in data["algorithms"] for cell in data["cells"] if cell["state"] == "done"]
    alone = len(ended) - sum(ended)
    return "\n\n".join(
        [
            prose(
                "All algorithms of `marft train` on one easy task of each family, with a model of half a million",
                "parameters that is pre-trained in minutes ([tiny_model.py](../benchmarks/tiny_model.py)). It writes",
                "replies of the right form by habits that are mostly wrong",
                "([tiny_tasks.py](../benchmarks/tiny_tasks.py)). So what is compared is how algorithms find and",
                "keep what pays, at equal tokens; not what a language model can learn.",
            ),
            prose(
                f"**Run so far: {sum(ended)} of {algorithms * tasks * seeds} cells** ({algorithms} algorithms ×",
                f"{tasks} tasks × {seeds} seeds){f', and {alone} of a single agent' if alone else ''}.",
                "What was not run says so, and is in no figure.",
            ),
        ]
    )


def _task(data: Data, task: str) -> list[str]:
    found = data["tasks"][task]
    options = ", ".join(f"{name} {value}" for name, value in found["env_options"].items())
    columns = ("team", "seeds", "IQM, 95 % over seeds", "lowest – highest", "while training", "tokens", "CPU-s")
    rows = [_row(data, algorithm, span(algorithm), task) for algorithm in data["algorithms"]]
    rows += [_row(data, f"solo_{kind}", f"single agent, {kind}", task) for kind in _solo_kinds(data, task)]
    return [
        f"## {span(found['env_id'])}",
        f"Level {span(found['level'])}, {options}; {found['token_limit']:,} tokens for each run.",
        table(columns, rows),
        table(("beside them", "return, 95 % over instances", "instances", "tokens per play"), _rows(data, task)),
        picture(f"results_{task}", f"Return while training against tokens written, on {found['env_id']}"),
    ]


def _solo_kinds(data: Data, task: str) -> list[str]:
    return ["blind", "informed"] if data["tasks"][task]["is_split"] else ["blind"]


def _row(data: Data, algorithm: str, title: str, task: str) -> tuple[str, ...]:
    runs = done(data, algorithm, task)
    if not runs:
        begun = any(
            (cell["algorithm"], cell["task"], cell["state"]) == (algorithm, task, "unfinished")
            for cell in data["cells"]
        )
        return (title, "0", "unfinished" if begun else "not run", "", "", "", "")
    finals = [run["final"] for run in runs]
    middle = shown(interval_of({task: finals}, iqm)) if len(runs) >= LEAST_RUNS else f"{finals[0]:.3f}, one seed"
    cpu_s = f"{average([run['cpu_s'] for run in runs]):.0f}"
    return (
        title,
        str(len(runs)),
        middle,
        f"{min(finals):.3f} – {max(finals):.3f}",
        _while_training(task, runs),
        f"{average([run['tokens'] for run in runs]):,.0f}" if any(run["tokens"] for run in runs) else "none",
        cpu_s if all(run["is_whole"] for run in runs) else f"≥ {cpu_s}",
    )


def _while_training(task: str, runs: Sequence[Data]) -> str:
    """What was earned on the way, IQM over seeds."""
    earned = [run["while_training"] for run in runs if run["while_training"] is not None]
    if not earned:
        return "watches"
    return shown(interval_of({task: earned}, iqm)) if len(earned) >= LEAST_RUNS else f"{earned[0]:.3f}, one seed"


def _rows(data: Data, task: str) -> list[tuple[str, ...]]:
    found = []
    for title, row in data["rows"][task].items():
        if row["state"] != "done":
            found.append((title, row["state"], "", ""))
            continue
        bounds = f" [{row['low']:.3f}, {row['high']:.3f}]" if "low" in row else ""
        tokens = f"{row['tokens_out'] / row['num_instances']:.1f}" if "tokens_out" in row else ""
        found.append((title, f"{row['mean']:.3f}{bounds}", str(row["num_instances"]), tokens))
    return found


def _together(data: Data) -> list[str]:
    """What can be said over all tasks, of algorithms that were run on all of them."""
    found = everywhere(data)
    head = "## All tasks together"
    if not found:
        return [head, "No algorithm has been run on all tasks, so there is nothing to put together."]
    rows = []
    for algorithm, own in found.items():
        is_compared = REFERENCE in found and algorithm != REFERENCE
        improvement = shown(probability_of_improvement(own, found[REFERENCE])) if is_compared else "–"
        runs = "/".join(str(len(values)) for values in own.values())
        rows.append((span(algorithm), runs, shown(interval_of(own, iqm)), shown(interval_of(own, mean)), improvement))
    columns = ("algorithm", "seeds", "IQM", "mean", f"probability of improvement over {span(REFERENCE)}")
    left = [algorithm for algorithm in data["algorithms"] if algorithm not in found]
    explained = prose(
        "IQM: the mean of the middle half of all runs. Intervals are 95 % percentile intervals of a bootstrap that",
        "resamples seeds within each task; of five seeds they cover less than they promise",
        "([statistics.py](../leaderboard/statistics.py)). A probability of 0.5 is no difference.",
        *([f"Left out, since not run on all tasks: {', '.join(map(span, left))}."] if left else []),
    )
    return [head, explained, table(columns, rows), picture("results_profile", "Share of runs above each return")]


def _real_model(data: Data) -> list[str]:
    """The same on a language model that has read something."""
    head, found = "## On a real model", data["smollm2"]
    if found["state"] != "done":
        return [head, "Not run."]
    settings = found["settings"]
    # Tables of one task, of which the cells are these: the same functions tell of both.
    alone = {"cells": found["cells"], "rows": {"smollm2": found["rows"]}}
    titles = {"solo_blind": "single agent, by MARFT-A"}
    rows = [
        _row(alone, algorithm, titles.get(algorithm, span(algorithm)), "smollm2") for algorithm in found["algorithms"]
    ]
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    columns = ("team", "seeds", "IQM, 95 % over seeds", "lowest – highest", "while training", "tokens", "CPU-s")
    return [
        head,
        prose(
            f"SmolLM2-135M on {span(settings['env_id'])}, level {span(settings['level'])}, one try at each sum;",
            f"{settings['token_limit']:,} tokens for each run ([smollm2.py](../benchmarks/smollm2.py)). The settings",
            "are those of `make train`, which were chosen with MARFT-A: an advantage for it. Few seeds say little; one",
            "says nothing of how far seeds lie apart.",
        ),
        table(columns, rows),
        table(("beside them", "return, 95 % over instances", "instances", "tokens per play"), _rows(alone, "smollm2")),
        picture("results_smollm2", f"Return while training SmolLM2 against tokens written, on {settings['env_id']}"),
        prose(f"Settings: {told}; all others are the algorithm's defaults."),
    ]


def _update_order(data: Data) -> list[str]:
    runs = {variant: [run for run in own if run["state"] == "done"] for variant, own in data["update_order"].items()}
    agents = sorted({name.partition("/")[0] for own in runs.values() for run in own for name in run if "/kl" in name})
    columns = ["updates", "seeds", "return, IQM", "worst drop", *(f"KL {agent}" for agent in agents)]
    columns += [f"ESS {agent}, mean (least)" for agent in agents]
    rows = [_order_row(variant, own, agents, len(columns)) for variant, own in runs.items()]
    explained = prose(
        f"MARFT-A on {span(data['tasks']['collab']['env_id'])}, agents updated in acting order, in reverse, in random",
        "order (all with the ratios of those updated before), or simultaneously. *Worst drop*: the largest fall of the",
        "training return from one iteration to the next, mean over seeds. *KL*: nats per action that an agent moves in",
        "an iteration, mean. *ESS*: effective sample size under the ratios of agents updated before, as a share.",
    )
    return ["## One after another, or all at once", explained, table(columns, rows)]


def _order_row(variant: str, runs: Sequence[Data], agents: Sequence[str], width: int) -> tuple[str, ...]:
    if not runs:
        return (variant, "0", "not run", *[""] * (width - 3))
    finals = [run["final"] for run in runs]
    middle = shown(interval_of({variant: finals}, iqm)) if len(runs) >= LEAST_RUNS else f"{finals[0]:.3f}, one seed"
    cells = [variant, str(len(runs)), middle, f"{average([run['worst_drop'] for run in runs]):.3f}"]
    cells += [f"{average([run[f'{agent}/kl'] for run in runs]):.4f}" for agent in agents]
    for agent in agents:
        known = [run for run in runs if run[f"{agent}/predecessor_ess"] is not None]
        if not known:
            cells.append("–")
            continue
        least = min(run[f"{agent}/predecessor_ess_least"] for run in known)
        cells.append(f"{average([run[f'{agent}/predecessor_ess'] for run in known]):.3f} ({least:.3f})")
    return tuple(cells)


def _how(data: Data) -> str:
    about = data["about"]
    settings = ", ".join(f"{name} {value}" for name, value in about["settings"].items())
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    begun: dict[str, str] = {}
    for cell in data["cells"]:
        if "command" in cell:
            begun.setdefault(cell["algorithm"], cell["command"])
    return "\n\n".join(
        [
            "## How it was run",
            prose(
                f"On {about['processor']}, one thread for each run. CPU-seconds are of the whole process, from its",
                "start to its end, evaluations and sandboxes included, and depend on what else the machine was doing.",
                f"Versions: {versions}.",
            ),
            prose(
                f"Settings of all runs: {settings}. Those that an algorithm has otherwise, and how these were chosen,",
                "stand in [matrix.py](../benchmarks/matrix.py).",
                f"Seeds: {', '.join(map(str, data['seeds']))}. Model: {span(about['model_hash'])}.",
            ),
            fenced("\n".join(COMMANDS), "sh"),
            "A run of each algorithm, as it was begun:",
            fenced("\n".join(begun.values()) or "none"),
        ]
    )


def picture(name: str, alt: str) -> str:
    """A picture that follows the reader's theme."""
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{name}_dark.svg">\n'
        f'  <img alt="{escape(alt)}" src="{name}.svg">\n</picture>'
    )


# -- pictures ----------------------------------------------------------------------------------------------------------

LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT, LEGEND_ROW = 44.0, 40.0, WIDTH - 60.0, 240.0, 20.0
Line = Sequence[tuple[float, float]]


def curves(theme: Theme, data: Data, task: str, env_id: str) -> str:
    """Return against tokens, the mean over seeds of each algorithm that plays while it learns."""
    lines = {}
    for rank, algorithm in enumerate(data["algorithms"]):
        ended = [run for run in done(data, algorithm, task) if run["tokens"] and run["while_training"] is not None]
        if ended:
            lines[algorithm] = (rank, averaged([run["curve"] for run in ended]))
    most = max((x for _, line in lines.values() for x, _ in line), default=1.0)
    title = f"{env_id}: return while training, mean over seeds"
    ticks = [(share * most, f"{share * most:,.0f}") for share in (0.0, 0.5, 1.0)]
    return plot(theme, title, "tokens written", lines, ticks, most)


def averaged(runs: Sequence[Sequence[Sequence[float]]]) -> Line:
    """Curves of several seeds as one: their mean at the tokens of the first, as far as all of them reach."""
    reach = min(run[-1][0] for run in runs)
    begin = max(run[0][0] for run in runs)
    points = [x for x, _ in runs[0] if begin <= x <= reach] or [reach]
    return [(x, average([at(run, x) for run in runs])) for x in points]


def at(run: Sequence[Sequence[float]], x: float) -> float:
    """A curve between its points, on straight lines."""
    before = max((point for point in run if point[0] <= x), default=run[0])
    after = min((point for point in run if point[0] >= x), default=run[-1])
    if after[0] == before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (x - before[0]) / (after[0] - before[0])


def profile(theme: Theme, data: Data) -> str:
    """Which share of each algorithm's runs is above a return; of algorithms that were run on all tasks."""
    thresholds = [number / (NUM_THRESHOLDS - 1) for number in range(NUM_THRESHOLDS)]
    lines = {}
    for rank, algorithm in enumerate(data["algorithms"]):
        own = everywhere(data).get(algorithm)
        if own:
            found = performance_profile(own, thresholds, num_resamples=1)
            lines[algorithm] = (rank, list(zip(thresholds, found.shares.tolist(), strict=True)))
    ticks = [(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return plot(theme, "Share of runs whose return lies above", "return", lines, ticks, 1.0)


def plot(
    theme: Theme,
    title: str,
    below: str,
    lines: Mapping[str, tuple[int, Line]],
    ticks: Sequence[tuple[float, str]],
    most: float,
) -> str:
    """Lines between 0 and 1 over 0 to `most`, and their names below."""
    bottom = TOP + PLOT_HEIGHT
    parts = [text(LEFT, 24, title, theme.ink, 15, 'font-weight="600"')]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * PLOT_HEIGHT
        parts.append(f'<path d="M {LEFT:g} {y:g} H {LEFT + PLOT_WIDTH:g}" stroke="{theme.line}"/>')
        parts.append(text(LEFT - 6, y + 4, f"{share:g}", theme.soft, 12, 'text-anchor="end"'))
    for value, name in ticks:
        x = LEFT + value / most * PLOT_WIDTH
        anchor = "end" if value == most else "middle"  # else it would stand out of the picture
        parts.append(text(x, bottom + 18, name, theme.soft, 12, f'text-anchor="{anchor}"'))
    parts.append(text(LEFT + PLOT_WIDTH / 2, bottom + 36, below, theme.soft, 13, 'text-anchor="middle"'))
    if not lines:
        parts.append(
            text(LEFT + PLOT_WIDTH / 2, TOP + PLOT_HEIGHT / 2, "not run", theme.soft, 15, 'text-anchor="middle"')
        )
    for place, (name, (rank, line)) in enumerate(lines.items()):
        style = _style(rank)
        points = [f"{LEFT + x / most * PLOT_WIDTH:.1f} {bottom - y * PLOT_HEIGHT:.1f}" for x, y in line]
        parts.append(f'<path d="M {" L ".join(points)}" fill="none" {style}/>')
        x, y = LEFT + (place % 3) * (PLOT_WIDTH / 3), bottom + 62 + (place // 3) * LEGEND_ROW
        parts.append(f'<path d="M {x:g} {y - 4:g} h 26" fill="none" {style}/>')
        parts.append(text(x + 33, y, name, theme.ink, 13))
    height = bottom + 62 + -(-len(lines) // 3) * LEGEND_ROW
    return drawing(theme, height, title, parts)


def _style(rank: int) -> str:
    again, colour = divmod(rank, len(COLOURS))
    dashes = DASHES[(rank + again) % len(DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{COLOURS[colour]}" stroke-width="2" stroke-linejoin="round"{dashed}'


def files(data: Data) -> dict[Path, str]:
    """What each file should hold."""
    found = {PAGE: page(data)}
    for suffix, theme in zip(("", "_dark"), THEMES.values(), strict=True):
        for task in data["tasks"]:
            found[HERE / f"results_{task}{suffix}.svg"] = curves(theme, data, task, data["tasks"][task]["env_id"])
        if data["smollm2"]["state"] == "done":
            title = f"SmolLM2-135M on {data['smollm2']['settings']['env_id']}"
            found[HERE / f"results_smollm2{suffix}.svg"] = curves(theme, data["smollm2"], "smollm2", title)
        found[HERE / f"results_profile{suffix}.svg"] = profile(theme, data)
    return found


def main(words: Sequence[str]) -> int:
    """Collects, writes or checks."""
    parser = argparse.ArgumentParser(prog="python docs/make_results.py", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of results, which are added to those of before")
    parser.add_argument("--anew", action="store_true", help="take what is in the folder, and nothing else")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a file is stale")
    given = parser.parse_args(words)
    if (given.folder is None and given.anew) or (given.folder is not None and given.check):
        parser.error("--anew goes with a folder, and --check without one")
    if given.folder is not None:
        _collect(given.folder, anew=given.anew)
    wanted = files(json.loads(DATA.read_text(encoding="utf-8")))
    stale = [
        path for path, wanted_text in wanted.items() if not path.is_file() or path.read_text("utf-8") != wanted_text
    ]
    if given.check:
        for path in stale:
            sys.stderr.write(f"{path.name} is not what docs/results.json says; run python docs/make_results.py\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


def _collect(folder: Path, *, anew: bool) -> None:
    """Puts what a folder holds into docs/results.json."""
    from benchmarks.matrix_results import added, collected

    before = json.loads(DATA.read_text(encoding="utf-8")) if DATA.is_file() and not anew else None
    found = collected(folder) if before is None else added(before, folder)
    DATA.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
