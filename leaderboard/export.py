"""A validated submission in the format of Every Eval Ever, so that results can be read beside those of other suites.

That format knows one model for each evaluation, and a team may have several. So `model_info` names the team, under a
namespace of our own, and the team itself stands as an extension in its `additional_details`, whose values have to be
text: `marft.team` holds a JSON object that says who plays each agent in each task.

Only what was recomputed is exported; what an entrant reports is marked so. Nothing in a file depends on when it was
made: its times are the day on which the entry was created.

Source: the schema of Every Eval Ever, version 0.2.2, github.com/evaleval/every_eval_ever.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from leaderboard.players import ModelPlayer
from leaderboard.report import Report, Verified
from leaderboard.schema import TaskResult
from leaderboard.scores import instance_scores
from leaderboard.statistics import CONFIDENCE, NUM_RESAMPLES, cluster_interval

SCHEMA = "0.2.2"
NAMESPACE = "marft-envs"
_UNBOUNDED = {"min_score": float(-(2**31)), "max_score": float(2**31)}
"""The format wants bounds of a continuous score, and a return has none that hold for every environment."""


def every_eval_ever(report: Report) -> dict[str, Any]:
    """The record of a valid submission.

    Raises: ValueError if it is not valid: nothing of it is known then.
    """
    submission = report.submission
    if submission is None or not report.is_valid:
        raise ValueError(f"{report.path} is not valid; `marft leaderboard validate` says why")
    created = datetime.fromisoformat(submission.created).replace(tzinfo=UTC)
    name = f"{NAMESPACE}/{submission.name}"
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{NAMESPACE}.{submission.track}.{submission.season}/{name}/{submission.digest}",
        "evaluation_timestamp": created.isoformat(),
        "retrieved_timestamp": str(int(created.timestamp())),
        "source_metadata": {
            "source_name": f"marft-envs leaderboard, track {submission.track}, season {submission.season}",
            "source_type": "evaluation_run",
            "source_organization_name": NAMESPACE,
            "evaluator_relationship": "first_party",
            "additional_details": {
                "verification": "every number was recomputed by replay; who wrote the actions cannot be",
                "digest": submission.digest,
                "licence": submission.licence,
                "contact": submission.contact,
            },
        },
        "eval_library": {"name": NAMESPACE, "version": submission.suite_version},
        "model_info": {
            "name": submission.name,
            "id": name,
            "developer": submission.contact or "unknown",
            "additional_details": {"marft.team": _json(_team(submission.tasks)), "hardware": submission.hardware},
        },
        "evaluation_results": [_result(one, created) for one in report.verified],
    }


def _team(tasks: Sequence[TaskResult]) -> dict[str, object]:
    """Who plays whom, and how it was trained, by task."""
    return {
        task.key: {
            "division": task.division,
            "players": {agent: player.model_dump() for agent, player in sorted(task.players.items())},
            "training": None if task.training is None else task.training.model_dump(),
        }
        for task in tasks
    }


def _result(one: Verified, created: datetime) -> dict[str, Any]:
    result, task = one.result, one.task
    scores = result.scores
    by_instance = instance_scores(one.plays, vote=result.vote)
    interval = cluster_interval({seed: [score] for seed, score in by_instance.items()})
    metric = f"{NAMESPACE}.{'majority_vote_return' if result.vote else 'team_return'}"
    return {
        "evaluation_result_id": task.key,
        "evaluation_name": f"{NAMESPACE}.{task.env_id}",
        "source_data": {
            "dataset_name": task.env_id,
            "source_type": "other",
            "source_id": task.key,
            "source_version": result.behaviour,
            "additional_details": {"split": "test", "instances": str(scores.instances)},
        },
        "evaluation_timestamp": created.isoformat(),
        "metric_config": {
            "evaluation_description": "Mean over instances of the mean of the agents' returns",
            "metric_id": metric,
            "metric_name": "Team return",
            "metric_kind": "return",
            "metric_unit": "points",
            "lower_is_better": False,
            "score_type": "continuous",
            **_UNBOUNDED,
        },
        "score_details": {
            "score": scores.score,
            "details": {
                **{f"info.{name}": repr(value) for name, value in sorted(scores.info.items())},
                **{f"return.{agent}": repr(value) for agent, value in sorted(scores.returns.items())},
                "episodes": str(scores.episodes),
                "chars": str(scores.chars),
                "simulated_us": str(scores.simulated_us),
                "critical_path_us": str(scores.critical_path_us),
                "tokens_in_reported": str(scores.tokens_in),
                "tokens_out_reported": str(scores.tokens_out),
            },
            "uncertainty": {
                "confidence_interval": {
                    "lower": interval.low,
                    "upper": interval.high,
                    "confidence_level": CONFIDENCE,
                    "method": "percentile bootstrap over instances",
                },
                "num_samples": scores.instances,
                "num_bootstrap_samples": NUM_RESAMPLES,
            },
        },
        **_generation(result),
    }


def _generation(result: TaskResult) -> Mapping[str, object]:
    """How replies were drawn, where all models drew alike; nothing for a team without a model."""
    sampling = [player.sampling for player in result.players.values() if isinstance(player, ModelPlayer)]
    if not sampling:
        return {}
    arguments: dict[str, object] = {}
    if len({one.temperature for one in sampling}) == 1:
        arguments["temperature"] = sampling[0].temperature
    longest = {one.max_new_tokens for one in sampling}
    if len(longest) == 1 and None not in longest:
        arguments["max_tokens"] = sampling[0].max_new_tokens
    told = {"plays": str(result.plays), "few_shot": str(result.few_shot), "solo": result.solo or "no"}
    return {"generation_config": {"generation_args": arguments, "additional_details": told}}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
