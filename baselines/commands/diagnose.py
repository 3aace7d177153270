"""`marft diagnose`: what each agent of a trained team is worth to it, and what part it took in training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from baselines.commands.options import OptionalInt, OptionalText, shown
from baselines.commands.terminal import console, note, say, table, working
from baselines.errors import ConfigError, EnvironmentKindError, disk_full_explained, extra_required
from marft_envs import FlexMG

if TYPE_CHECKING:
    from baselines.commands.teams import Cast
    from baselines.diagnose import Finding, Share

PAGE = "diagnosis.html"
_FIGURES = {
    "grad_share": "gradient",
    "tokens_out": "tokens",
    "entropy": "entropy",
    "kl": "KL",
    "drift_max": "drift",
    "skipped_updates": "skipped",
}


@dataclass(frozen=True)
class Diagnose:
    """Play a trained team with one agent untrained, mute, swapped or from another run: what is each worth to it?"""

    run_dir: Positional[Annotated[Path, shown("RUN")]]
    """A run's folder (its latest checkpoint is taken), or a checkpoint's."""
    partners: Positional[Annotated[tuple[Path, ...], shown("[RUN ...]")]] = ()
    """Other runs: each of their agents takes the same agent's place in this team."""
    instances: int = 200
    """Different held-out instances, the same for all."""
    metric: OptionalText = None
    """What is compared: a number that the environment reports at the end of an episode, such as `correct`. Default:
    the team's return."""
    max_new_tokens: OptionalInt = None
    """Longest reply in tokens. Default: as in training, where an untrained agent may be cut off."""
    output: Annotated[Path | None, shown("PAGE.html")] = None
    """The page to write. Default: diagnosis.html in the run's folder, or for a checkpoint where you are."""
    json: bool = False
    """Print JSON in place of the tables."""
    threads: OptionalInt = None
    """CPU threads of torch; 0 takes what torch chooses. Default: as in training."""

    def run(self) -> int:
        """Play, print, and write the page."""
        if self.instances < 1:
            raise ConfigError(f"--instances is {self.instances}; it must be at least 1")
        with working("loading torch"), extra_required("train", "`marft diagnose`"):
            from baselines.commands.teams import find_cast
            from baselines.diagnose import shares
            from baselines.runs.records import read_records
            from baselines.runs.summary import METRICS
        given = {"max_new_tokens": self.max_new_tokens, "threads": self.threads}
        cast = find_cast(self.run_dir, env_id=None, level=None, env_options={}, given=given)
        is_run = (self.run_dir / METRICS).is_file()  # a checkpoint's folder holds what was saved there, and no more
        if cast.settings.solo is not None:
            raise ConfigError(
                f"{cast.title}: nobody else is in that team, so there is no part of it to be measured; diagnose a run "
                "of a team"
            )
        page = self.output or (self.run_dir / PAGE if is_run else Path(PAGE))
        if page.is_dir():
            raise ConfigError(f"--output is {page}, a folder; name a file in it, such as {page / PAGE}")
        if not page.parent.is_dir():
            raise ConfigError(f"--output is {page}, but there is no folder {page.parent}; make it, or choose another")
        parts = shares(read_records(self.run_dir / METRICS))
        findings = self._play(cast)
        try:
            with disk_full_explained(page, "free some space and try again"):
                page.write_text(self._page(cast, findings, parts), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{page} cannot be written ({error.strerror}); choose another --output") from error
        if self.json:
            told = {
                "checkpoint": str(cast.checkpoint),
                "metric": self.metric or "return",
                "instances": findings[0].value.num_instances,
                "variants": [finding.record() for finding in findings],
                "training": [
                    {"adapter": share.adapter, "token_share": share.token_share, **share.figures} for share in parts
                ],
            }
            say(json.dumps(told, indent=1, ensure_ascii=False))
        else:
            self._print(cast, findings, parts)
            say(f"The page: {page}")
        return 0

    def _play(self, cast: "Cast") -> "list[Finding]":
        from baselines.diagnose import diagnose, variants
        from baselines.runs.company import checkpoint_of_a_team
        from baselines.runs.experiment import make_env
        from baselines.runs.summary import names_of

        settings = cast.settings
        env = make_env(settings.env_id, "test", settings.env_options, level=settings.level)
        if not isinstance(env, FlexMG):
            raise EnvironmentKindError(
                f"{settings.env_id} is no FlexMG environment, so nobody's place can be taken in it; `marft evaluate` "
                "plays it"
            )
        folders = {name: checkpoint_of_a_team(folder) for name, folder in names_of(self.partners).items()}
        with working(f"loading {cast.title}"):
            team = cast.load(list(env.possible_agents))
            chosen = variants(team, env, folders)
        with working("playing") as show:
            return diagnose(settings, team, chosen, num_instances=self.instances, metric=self.metric, status=show)

    @property
    def _measure(self) -> str:
        return self.metric or "return"

    def _told(self, cast: "Cast", findings: "Sequence[Finding]") -> list[str]:
        from baselines.diagnose import NOTHING

        settings = cast.settings
        level = f", level {settings.level}" if settings.level else ""
        num_instances = findings[0].value.num_instances
        lines = [
            cast.title,
            f"{settings.env_id}{level}: {num_instances} instances of the test split, greedy; the same for all rows.",
        ]
        for finding in findings:
            if finding.variant.kind == NOTHING and not finding.is_felt:
                (agent,) = finding.variant.agents
                lines.append(f"{agent} is not missed: nothing shows that the team needs what it says.")
        return lines

    def _page(self, cast: "Cast", findings: "Sequence[Finding]", parts: "Sequence[Share]") -> str:
        from baselines.diagnose import AS_TRAINED
        from baselines.runs.diagnosis_page import Bar, Table, diagnosis_page

        bars = [
            Bar(
                finding.variant.name,
                finding.value.mean,
                finding.value.low,
                finding.value.high,
                is_own=finding.variant.name == AS_TRAINED,
                note=_drop(finding),
            )
            for finding in findings
        ]
        return diagnosis_page(
            "Diagnosis of a team",
            self._told(cast, findings),
            self._measure,
            bars,
            Table(("adapter", "written", *_FIGURES.values()), [_part(share) for share in parts]),
        )

    def _print(self, cast: "Cast", findings: "Sequence[Finding]", parts: "Sequence[Share]") -> None:
        say(*self._told(cast, findings))
        headings = ("who plays", self._measure, "95 %", "drop", "of the drop, 95 %")
        rows = [
            (
                finding.variant.name,
                f"{finding.value.mean:.3f}",
                f"{finding.value.low:.3f}–{finding.value.high:.3f}",
                *_drop(finding),
            )
            for finding in findings
        ]
        console().print(table(headings, rows))
        if parts:
            console().print(table(("adapter", "written", *_FIGURES.values()), [_part(share) for share in parts]))
            note("means over the last quarter of the iterations; written, gradient: shares of the team's")


def _drop(finding: "Finding") -> tuple[str, str]:
    from baselines.diagnose import AS_TRAINED

    if finding.variant.name == AS_TRAINED:
        return "", ""
    drop = finding.drop
    return f"{drop.mean:.3f}", f"{drop.low:.3f}–{drop.high:.3f}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"  # noqa: PLR2004  # of counts every digit


def _part(share: "Share") -> tuple[str, ...]:
    figures = [_shown(share.figures[name]) if name in share.figures else "-" for name in _FIGURES]
    return (share.adapter, f"{share.token_share:.2f}", *figures)
