"""`marft rerun`: an entry of the leaderboard played again, with the adapters that it names."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from baselines.commands.leaderboard import require_there
from baselines.commands.options import OptionalText, shown
from baselines.commands.terminal import console, hush_libraries, note, say, table, working
from baselines.errors import ConfigError, extra_required


@dataclass(frozen=True)
class Rerun:
    """Load the adapters that an entry names: do they write what its logs say, and what do they earn on new seeds?

    Adapters are read from safetensors alone, and plain LoRA alone is read; no code that comes with a model is run.
    """

    submission: Positional[Path]
    """The entry's folder, or its archive; it is validated first."""
    weights: Annotated[Path, shown("FOLDER")]
    """Below which the adapters lie, in any order: they are found by their hashes."""
    season: OptionalText = None
    """Name whose seeds are played anew, which nobody knew when the entry came in. Default: nothing is played anew."""
    bases: Annotated[dict[str, str], shown("NAME FOLDER ...")] = field(default_factory=dict)
    """Base models of the entry that lie here."""
    hub: bool = False
    """Ask the Hugging Face hub for bases that are neither known nor given."""
    by: str = ""
    """Who does it, and answers for it; stands in the record."""
    output: Annotated[Path | None, shown("FILE")] = None
    """Also write the record that `marft leaderboard page --reruns` takes."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""
    threads: int = 0
    """CPU threads of torch; 0 takes what torch chooses."""

    def run(self) -> int:
        """Validate, compare, play."""
        with working("loading torch"), extra_required("train", "`marft rerun`"):
            from baselines.entered import Means, cast_of, team_of
            from baselines.rerun import agreement, scores_anew
            from baselines.runs.circumstances import processor
        with extra_required("leaderboard", "`marft rerun`"):
            from leaderboard.reading import logged_episodes
            from leaderboard.validate import validate

        require_there(self.submission)
        if self.output is not None and not (self.season and self.by):
            raise ConfigError("a record wants --season, whose seeds are played, and --by, who answers for it")
        hush_libraries()
        with working("validating"):
            report = validate(self.submission)
        if not report.is_valid or report.submission is None:
            raise ConfigError(f"{self.submission} is not valid; `marft leaderboard validate` says why")
        if self.season == report.submission.season:
            raise ConfigError(f"--season is {self.season}, whose seeds the entrant knew; name another one")
        means = Means(self.weights, self.bases, may_ask_hub=self.hub, device=self.device, threads=self.threads)
        casts = [cast_of(one.task, one.result, means) for one in report.verified]
        tasks: dict[str, dict[str, object]] = {}
        rows = []
        for cast, one in zip(casts, report.verified, strict=True):
            key = cast.task.key
            with working(f"loading the team of {key}") as status, team_of(cast) as team:
                episodes, tokens = logged_episodes(self.submission, key)
                told = partial(_told, status, key)
                found = agreement(cast, team, episodes, tokens, told)
                tasks[key] = {"agreement": asdict(found)}
                anew = ""
                if self.season:
                    scores = scores_anew(cast, team, self.season, told)
                    tasks[key]["scores"] = {str(seed): score for seed, score in scores.items()}
                    anew = f"{sum(scores.values()) / len(scores):.3f}"
            claimed = f"{one.result.scores.score:.3f}"
            shares = (f"{found.same_text:.1%}", f"{found.same_tokens:.1%}")
            nats = (f"{found.logprob:.3f}", f"{found.base_logprob:.3f}")
            rows.append((key, str(found.turns), *shares, *nats, claimed, anew))
        headings = ("task", "turns", "same text", "same tokens", "nats", "to the base", "entered", "anew")
        console().print(table(headings, rows, right="turns nats entered anew"))
        note("same text: of all logged turns; nats: per token of the logged texts.")
        if self.output is not None:
            record = {
                "submission": report.submission.digest,
                "season": self.season,
                "date": datetime.now(UTC).date().isoformat(),
                "by": self.by,
                "hardware": processor(),
                "tasks": tasks,
            }
            self.output.write_text(json.dumps({"schema_version": 1, "reruns": [record]}, indent=1) + "\n", "utf-8")
            say(f"{self.output}: the record of this re-run")
        return 0


def _told(status: Callable[[str], None], task: str, text: str) -> None:
    status(f"{task}: {text}")
