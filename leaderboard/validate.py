"""Recomputes every number of a submission, and says which rule is broken where.

    report = validate("submissions/my-team")
    for finding in report.findings:
        print(finding.rule, finding.where, finding.message)

Nothing that is handed in is trusted, imported or run, but for the programs in the logs of coding tasks, and these only
in the sandbox. Where names, sizes or the record are wrong, nothing more is read; where seeds are, nothing is played.
What replay cannot see, README.md beside this file tells.
"""

from pathlib import Path

from leaderboard.archive import Files, open_files
from leaderboard.checking import Checking
from leaderboard.errors import MalformedError, TrackError, UnsafeArchiveError
from leaderboard.files import MAX_README_BYTES, MAX_RECORD_BYTES
from leaderboard.names import log_name, tokens_name
from leaderboard.processes import Status, processes, quiet
from leaderboard.record import read_record
from leaderboard.remembered import Remembered
from leaderboard.report import MOST_FINDINGS, RULES, Finding, Report, Verified
from leaderboard.schema import README, RECORD, Submission
from leaderboard.tracks import Task, find_task, require_season, tasks_of

__all__ = ["MOST_FINDINGS", "RULES", "Finding", "Report", "Status", "Verified", "validate"]


def validate(
    path: str | Path,
    *,
    num_processes: int | None = None,
    status: Status = quiet,
    remembered: Remembered | None = None,
) -> Report:
    """Replays a submission and compares everything.

    Args:
        path: Of its folder, or of its archive.
        num_processes: That replay; 1 for this one alone, by default one for each core that this process may use.
        status: Told of progress.
        remembered: Earlier replays that are believed, and to which those of this one are added. Everything else is
            checked as ever; who distrusts a submission distrusts what was remembered of it elsewhere, too.

    What is wrong with the submission stands in the report, and is no exception. Raises: FileNotFoundError if nothing
    is there; SandboxUnavailableError where programs would have to be run, and cannot be; SubmissionError if a process
    that replays is killed.
    """
    report = Report(str(path))
    try:
        with open_files(path) as files:
            submission = report.submission = read_record(_record_in(files))
            _check_files(files, submission, report)
            tasks = _found_tasks(submission, report)
            if not report.num_findings:
                checking = Checking(files, submission, tasks, report, status, remembered)
                checking.look()
                if not report.num_findings:
                    with processes(num_processes) as workers:
                        checking.replay(workers)
    except UnsafeArchiveError as error:
        report.find("archive", "", str(error))
    except MalformedError as error:
        report.find("digest" if error.field == "digest" else "record", error.field, str(error))
    return report


def _record_in(files: Files) -> bytes:
    if RECORD not in files.names:
        raise UnsafeArchiveError(f"there is no {RECORD}; give what `marft evaluate --submission` has filled")
    return files.read(RECORD, MAX_RECORD_BYTES)


def _check_files(files: Files, submission: Submission, report: Report) -> None:
    """Exactly the files that the record names are there."""
    wanted = {RECORD} | {name(task.key) for task in submission.tasks for name in (log_name, tokens_name)}
    for name in sorted(wanted - set(files.names)):
        report.find("archive", name, f"{name} is missing, of which the record tells")
    for name in sorted(set(files.names) - wanted - {README}):
        report.find("archive", name, f"the record tells nothing of {name}; leave it out")
    if README in files.names:
        files.read(README, MAX_README_BYTES)


def _found_tasks(submission: Submission, report: Report) -> list[Task]:
    """The tasks that were played; a finding for each that the track does not have."""
    try:
        require_season(submission.season)
    except TrackError as error:
        report.find("season", "season", str(error))
    try:
        tasks_of(submission.track)
    except TrackError as error:
        report.find("task", "track", str(error))
        return []
    found = []
    for place, result in enumerate(submission.tasks):
        try:
            found.append(find_task(submission.track, result.env_id, result.level, result.options))
        except TrackError as error:
            report.find("task", f"tasks.{place}", str(error))
    return found
