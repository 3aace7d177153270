"""The command `marft`: which commands there are, and what becomes of mistakes.

Each command is a dataclass in `baselines/commands`: its fields are the options, and their docs the help. Nothing loads
torch before a command needs it, so that `marft --help` and `marft envs` answer at once.

Exit status: 0, all went well; 1, the answer is no (a replay that differs, a broken promise); 2, a mistake that a
message explains; 130 and 143, stopped by Ctrl-C and by SIGTERM. `MARFT_DEBUG=1` shows the traceback behind a message.
"""

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from baselines.errors import ConfigError, DiskFullError, MissingExtraError, extra_required, tells_full_disk
from marft_envs import MarftError

if TYPE_CHECKING:
    from baselines.commands.terminal import Command

EXPLAINED, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
LAUNCHED = "TORCHELASTIC_RUN_ID"
"""Set by torchrun, and by what starts processes through it."""

DESCRIPTION = """Markov games of language model teams, and trainers that fine-tune every agent of a team.
`marft COMMAND --help` shows a command's options; `marft train` without any trains a team on this machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, `sys.argv` by default, and return the exit status.

    Raises: SystemExit for `--help` (0) and for options that cannot be read (2), after their message.
    """
    _show_what_cannot_be_encoded()
    try:
        return _command(sys.argv[1:] if arguments is None else list(arguments)).run()
    except MarftError as error:
        return _explain(error)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of `marft ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails as well
        return BROKEN_PIPE
    except Exception as error:
        if not tells_full_disk(error):
            raise
        return _explain(
            DiskFullError(
                f"no room left on the disk ({error}); free some, then go on: what was complete before is kept"
            )
        )


def _command(arguments: list[str]) -> "Command":
    """The command that the arguments ask for, with its options."""
    _require_training(arguments)
    with extra_required("train", "the command `marft`"):
        import tyro

        from baselines.commands import (
            check,
            curve,
            diagnose,
            envs,
            evaluate,
            leaderboard,
            models,
            new,
            options,
            play,
            probe,
            render,
            replay,
            rerun,
            train,
        )
    if arguments[:1] == ["train"]:
        return train.parse(arguments[1:])
    if arguments[:1] == ["leaderboard"]:
        return leaderboard.parse(arguments[1:])
    command: Command = tyro.extras.subcommand_cli_from_dict(
        {
            "envs": envs.Envs,
            "new": new.New,
            "check": check.Check,
            "play": play.Play,
            "probe": probe.Probe,
            "train": _train_help,
            "evaluate": evaluate.Evaluate,
            "diagnose": diagnose.Diagnose,
            "replay": replay.Replay,
            "render": render.Render,
            "curve": curve.Curve,
            "leaderboard": _leaderboard_help,
            "rerun": rerun.Rerun,
            "models": models.Models,
        },
        prog="marft",
        description=DESCRIPTION,
        args=arguments or ["--help"],
        config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
        registry=options.REGISTRY,
    )
    return command


def _require_training(arguments: list[str]) -> None:
    """Raises: `ConfigError` where several processes would do the same."""
    num_processes = int(os.environ.get("WORLD_SIZE", "1")) if LAUNCHED in os.environ else 1
    if num_processes > 1 and arguments[:1] not in ([], ["train"]):
        raise ConfigError(
            f"`marft {arguments[0]}` was started {num_processes} times, and each process would do all of it; only "
            "`marft train` shares its work: start this one without torchrun"
        )


def _train_help() -> NoReturn:
    """Train a team; its options depend on the algorithm, and `marft train --help` shows them."""
    raise AssertionError("`train` reads its arguments itself")


def _leaderboard_help() -> NoReturn:
    """Submissions whose every number is recomputed; its commands are shown by `marft leaderboard --help`."""
    raise AssertionError("`leaderboard` reads its arguments itself")


def _explain(error: MarftError) -> int:
    """Tell the mistake and its way out; with `MARFT_DEBUG=1`, raise it."""
    if os.environ.get("MARFT_DEBUG") == "1":
        raise error
    try:
        from baselines.commands.terminal import print_error
    except ModuleNotFoundError:  # rich itself is missing, and the error says how to get it
        assert isinstance(error, MissingExtraError)
        sys.stderr.write(f"error: {error}\n")
    else:
        rank = os.environ.get("RANK", "0")  # of several processes that meet the same, each says so
        print_error(str(error) if rank == "0" else f"(process {rank}) {error}")
    return EXPLAINED


def _show_what_cannot_be_encoded() -> None:
    """A replacement instead of a traceback for bytes that are no text, and for characters that the terminal lacks."""
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
