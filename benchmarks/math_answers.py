r"""How the grader of mathematical answers fares on every gold answer of GSM8K and MATH.

    python benchmarks/math_answers.py --gsm8k gsm8k_train.jsonl --math math_train.jsonl

- golds stated in every usual way (`\boxed{gold}`, "The answer is **gold**.", …): share accepted;
- replies that hedge (two boxes, two announcements, …): how many are accepted; none should;
- rewrites that change nothing but the writing (`\dfrac`, spaces, units, …), boxed: share accepted of the golds they
  change;
- perturbations that change the answer or leave work (one more, a second answer, "maybe", 2x = gold, …), boxed and in
  usual way: how many are accepted; none should. One that leaves the value as it is (-0 for 0) is left out.

Rewrites and perturbations work on the text of a gold, by rules that a reader can check; none of them asks the grader. A
line of GSM8K ends its `answer` with `#### gold`; a line of MATH has `final_answer`.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from marft_envs.grading.equality import is_right
from marft_envs.grading.second_opinion import SecondOpinion

_WHOLE = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9.]+")
_PAIR = re.compile(r"([(\[])([^,()\[\]]+),([^,()\[\]]+)([)\]])")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")


def _whole(gold: str, change: Callable[[int], object]) -> str:
    return str(change(int(gold))) if _WHOLE.fullmatch(gold) else gold


def _pair(gold: str, change: Callable[[re.Match[str]], str]) -> str:
    match = _PAIR.fullmatch(gold)
    return change(match) if match and match[2].strip() != match[3].strip() else gold


STATED: dict[str, str] = {
    "boxed": "Hence $\\boxed{{{}}}$.",
    "in a sentence": "The answer is {}.",
    "in dollars": "Final answer: ${}$",
    "bold": "The answer is **{}**.",
    "bold heading": "**Final Answer:** {}",
    "Minerva": "Final Answer: The final answer is ${}$. I hope it is correct.",
    "tag": "<answer>{}</answer>",
    "GSM8K": "#### {}",
}
"""Replies that commit to one answer."""
HEDGED: dict[str, str] = {
    "two boxes": "$\\boxed{{{}}}$ or $\\boxed{{1000003}}$",
    "a box and more": "$\\boxed{{{}}}$, or maybe 1000003",
    "two sentences": "The answer is {}. The answer is 1000003.",
    "two in GSM8K": "#### {} #### 1000003",
    "two tags": "<answer>{}</answer> <answer>1000003</answer>",
}
"""Replies that do not."""
REWRITES: dict[str, Callable[[str], str]] = {
    "spaces": lambda gold: re.sub(r"(?<=[0-9a-z)}])([+=])(?=[0-9a-z(\\])", r" \1 ", gold),
    "no spaces": lambda gold: re.sub(r"(?<![A-Za-z\\,]) (?![A-Za-z])", "", gold),
    "dfrac": lambda gold: gold.replace("\\frac", "\\dfrac"),
    "left, right": lambda gold: gold if "\\left" in gold else gold.replace("(", "\\left(").replace(")", "\\right)"),
    "dollars": lambda gold: f"${gold}$",
    "thin spaces": lambda gold: re.sub(r"(?<![0-9{]), ?(?!\\!)", r",\\,", gold),
    "trailing zero": lambda gold: f"{gold}.0" if _WHOLE.fullmatch(gold) else gold,
    "more zeros": lambda gold: f"{gold}0" if "." in gold and _DECIMAL.fullmatch(gold) else gold,
    "thousands": lambda gold: f"{int(gold):,}" if _WHOLE.fullmatch(gold) else gold,
    "units": lambda gold: f"{gold}\\text{{ units}}" if _DECIMAL.fullmatch(gold) else gold,
    "thousands, units": lambda gold: f"{int(gold):,} units" if _WHOLE.fullmatch(gold) else gold,
    "slash": lambda gold: re.sub(r"^(-?)\\frac\{([0-9]+)\}\{([0-9]+)\}$", r"\1\2/\3", gold),
    "order": lambda gold: (
        ", ".join(reversed(gold.split(",")))
        if re.fullmatch(r"[-0-9. ]+(,[-0-9. ]+)+", gold) and not _THOUSANDS.fullmatch(gold)
        else gold
    ),
    "full stop": lambda gold: f"{gold}.",
    "x =": lambda gold: f"x = {gold}" if _DECIMAL.fullmatch(gold) else gold,
    "braces": lambda gold: f"{{{gold}}}",
}
PERTURBATIONS: dict[str, Callable[[str], str]] = {
    "one more": lambda gold: _whole(gold, lambda number: number + 1),
    "one less": lambda gold: _whole(gold, lambda number: number - 1),
    "sign": lambda gold: _whole(gold, lambda number: -number),
    "ten times": lambda gold: _whole(gold, lambda number: 10 * number),
    "a hundredth": lambda gold: _whole(gold, lambda number: f"{number}/100" if number else number),
    "swapped": lambda gold: _pair(gold, lambda pair: f"{pair[1]}{pair[3]},{pair[2]}{pair[4]}"),
    "bracket": lambda gold: _pair(gold, lambda pair: f"{'[' if pair[1] == '(' else '('}{pair[2]},{pair[3]}{pair[4]}"),
    "dropped": lambda gold: _pair(gold, lambda pair: f"{pair[1]}{pair[2]}{pair[4]}"),
    "a second answer": lambda gold: f"{gold} or 1000003",
    "a second in \\text": lambda gold: f"{gold}\\text{{ or 1000003}}",
    "another in \\text": lambda gold: f"{gold}\\text{{ not, it is 1000003}}",
    "a doubt": lambda gold: f"{gold} maybe",
    "plus one": lambda gold: f"{gold}\\text{{ plus one}}",
    "hundred": lambda gold: _whole(gold, lambda number: f"{number} hundred" if number else number),
    "its double": lambda gold: _whole(gold, lambda number: f"2x = {number}"),
    "its square": lambda gold: _whole(gold, lambda number: f"x^2 = {number}"),
    "blanks": lambda gold: _whole(gold, lambda number: ("-" if number < 0 else "") + " ".join(str(abs(number)))),
}


def golds_of(path: Path) -> Iterator[str]:
    """The gold answers of a file of GSM8K or MATH."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        record = json.loads(line)
        yield (record["final_answer"] if "final_answer" in record else record["answer"].rpartition("####")[2]).strip()


def report(name: str, golds: Sequence[str]) -> Iterator[str]:
    """The table of one data set, line by line."""
    yield f"{name}: {len(golds)} golds"
    for label, reply in STATED.items():
        missed = [(index, gold) for index, gold in enumerate(golds) if not is_right(reply.format(gold), gold)]
        yield f"  {label:<18}{1 - len(missed) / len(golds):>9.4f}   missed: {missed[:12] or 'none'}"
    for label, reply in HEDGED.items():
        yield _accepted(label, [(reply.format(gold), gold) for gold in golds])
    for label, rewrite in REWRITES.items():
        changed = [(rewrite(gold), gold) for gold in golds if rewrite(gold) != gold]
        accepted = sum(is_right(STATED["boxed"].format(one), gold) for one, gold in changed)
        if changed:
            yield f"  {label:<18}{accepted / len(changed):>9.4f}   of {len(changed)}"
    for label, perturb in PERTURBATIONS.items():
        changed = [(perturb(gold), gold) for gold in golds if perturb(gold) != gold]
        yield _accepted(
            label, [(STATED[form].format(one), gold) for one, gold in changed for form in ("boxed", "bold")]
        )
    times = []
    for gold in golds:
        began = time.process_time()
        is_right(STATED["boxed"].format(gold), gold)
        times.append(time.process_time() - began)
    yield f"  {'CPU-ms':<18}{1e3 * median(times):>9.3f}   median; at most {1e3 * max(times):.1f}"


def _accepted(label: str, replies: Sequence[tuple[str, str]]) -> str:
    accepted = [(reply, gold) for reply, gold in replies if is_right(reply, gold)]
    return f"  {label:<18}{len(accepted):>9}   accepted of {len(replies)} {accepted[:3] or ''}"


def second_opinion(golds: Sequence[str], count: int) -> Iterator[str]:
    """What math-verify says on every so-manieth gold, so rewritten and so perturbed."""
    sample = golds[:: max(len(golds) // count, 1)]
    yield f"  math-verify on {len(sample)} golds: accepted, rejected, no verdict"
    with SecondOpinion() as opinion:
        for label, change in {"golds": str, **REWRITES, **PERTURBATIONS}.items():
            changed = [(change(gold), gold) for gold in sample if label == "golds" or change(gold) != gold]
            verdicts = Counter(opinion.same(one, gold) for one, gold in changed)
            yield f"  {label:<18}{verdicts[True]:>9}{verdicts[False]:>9}{verdicts[None]:>9}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description="The grader of mathematical answers on gold answers.")
    parser.add_argument("--gsm8k", type=Path, help="JSON lines with `answer`")
    parser.add_argument("--math", type=Path, help="JSON lines with `final_answer`")
    parser.add_argument("--second-opinion", type=int, default=0, metavar="N", help="ask math-verify about N golds, too")
    options = parser.parse_args(arguments)
    for name, path in (("GSM8K", options.gsm8k), ("MATH", options.math)):
        if path is not None:
            golds = list(golds_of(path))
            for line in report(name, golds):
                print(line)
            if options.second_opinion:
                for line in second_opinion(golds, options.second_opinion):
                    print(line)


if __name__ == "__main__":
    main()
