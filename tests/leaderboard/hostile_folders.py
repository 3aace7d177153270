"""Folders, and what is given in place of one, that are made to do harm."""

import os
import shutil
import socket
from pathlib import Path

from leaderboard.schema import RECORD
from tests.leaderboard.hostile_cases import LOG, refused_by


@refused_by("archive")
def an_archive_of_a_terabyte(folder, beside):
    with (beside / "packed.zip").open("wb") as file:
        file.truncate(10**12)
    return beside / "packed.zip"


@refused_by("archive")
def a_record_that_is_a_link(folder, beside):
    (folder / RECORD).rename(beside / RECORD)
    (folder / RECORD).symlink_to(beside / RECORD)


@refused_by("archive")
def a_log_that_is_a_link(folder, beside):
    (folder / LOG).unlink()
    (folder / LOG).symlink_to("/etc/passwd")


@refused_by("archive")
def a_link_that_leads_nowhere(folder, beside):
    (folder / "README.md").symlink_to("nowhere")


@refused_by("archive")
def logs_that_are_a_link(folder, beside):
    (folder / "logs").rename(beside / "logs")
    (folder / "logs").symlink_to(beside / "logs")


@refused_by("archive")
def logs_that_are_a_file(folder, beside):
    shutil.rmtree(folder / "logs")
    (folder / "logs").touch()


@refused_by("archive")
def a_log_that_is_a_pipe(folder, beside):
    (folder / LOG).unlink()
    os.mkfifo(folder / LOG)


@refused_by("archive")
def a_record_that_is_a_pipe(folder, beside):
    (folder / RECORD).unlink()
    os.mkfifo(folder / RECORD)


@refused_by("archive")
def a_record_that_is_a_socket(folder, beside):
    (folder / RECORD).unlink()
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(RECORD)
    finally:
        os.chdir(here)


@refused_by("archive")
def a_record_that_is_a_folder(folder, beside):
    (folder / RECORD).unlink()
    (folder / RECORD).mkdir()


@refused_by("archive")
def a_log_that_is_a_folder(folder, beside):
    (folder / LOG).unlink()
    (folder / LOG).mkdir()


@refused_by("archive")
def a_folder_within_logs(folder, beside):
    (folder / "logs/logs").mkdir()


@refused_by("archive")
def a_file_of_another_name(folder, beside):
    (folder / "run.sh").touch()


@refused_by("archive")
def a_file_with_an_unspeakable_name(folder, beside):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b[2J\n")).touch()


@refused_by("archive")
def a_record_of_a_terabyte(folder, beside):
    with (folder / RECORD).open("wb") as file:
        file.truncate(10**12)


@refused_by("archive")
def a_log_of_a_terabyte(folder, beside):
    with (folder / LOG).open("wb") as file:
        file.truncate(10**12)


@refused_by("archive")
def a_readme_of_a_terabyte(folder, beside):
    with (folder / "README.md").open("wb") as file:
        file.truncate(10**12)


@refused_by("archive")
def an_empty_folder(folder, beside):
    return beside


@refused_by("archive")
def a_pipe_in_place_of_a_folder(folder, beside):
    os.mkfifo(beside / "pipe")
    return beside / "pipe"


@refused_by("archive")
def a_device_in_place_of_a_folder(folder, beside):
    return Path("/dev/zero")
