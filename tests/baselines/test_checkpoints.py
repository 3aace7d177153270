"""Checkpoints: whole or not there, whatever happens while they are written.

1. Saving and loading. 2. A process that is killed, at every step. 3. A full disk. 4. Everything that can be
wrong with what is to be loaded, each told with its file and the way out.
"""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines.errors import CheckpointError, DiskFullError
from baselines.runs.checkpoint_loading import latest_checkpoint, load_checkpoint
from baselines.runs.checkpoints import complete_checkpoints, keep_newest, make_latest, save_checkpoint


def weights(text: str) -> Callable[[Path], None]:
    """A `save` that writes two files, one of them in a folder of its own."""

    def save(folder: Path) -> None:
        (folder / "critic.bin").write_text(text)
        (folder / "reasoner_0").mkdir()
        (folder / "reasoner_0" / "adapter.bin").write_text(text * 1000)

    return save


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with two checkpoints, `first` and `second`."""
    save_checkpoint(tmp_path / "checkpoints", "first", weights("one"), {"iteration": 1})
    save_checkpoint(tmp_path / "checkpoints", "second", weights("two"), {"iteration": 2})
    return tmp_path


# --- 1. Saving and loading ---


@pytest.mark.parametrize("path", [".", "checkpoints", "checkpoints/latest", "checkpoints/second"])
def test_a_checkpoint_is_found_by_any_of_its_names(run: Path, path: str) -> None:
    loaded = load_checkpoint(run / path)
    assert (loaded.name, loaded.state, loaded.path) == (
        "second",
        {"iteration": 2},
        run / "checkpoints" / "second",
    )
    assert (loaded.path / "reasoner_0" / "adapter.bin").read_text() == "two" * 1000


def test_an_older_one_is_loaded_by_its_name(run: Path) -> None:
    assert load_checkpoint(run / "checkpoints" / "first").state == {"iteration": 1}


def test_numbers_in_the_state_come_back_bit_for_bit(tmp_path: Path) -> None:
    state = {
        "pi": math.pi,
        "tiny": 5e-324,
        "best": -math.inf,
        "generator": 2**127 + 1,
        "text": "ü\n",
        "pair": (1, 2),
    }
    save_checkpoint(tmp_path, "final", weights("x"), state)
    assert load_checkpoint(tmp_path).state == state | {"pair": [1, 2]}


def test_a_name_that_is_used_again_is_replaced(run: Path) -> None:
    save_checkpoint(run / "checkpoints", "first", weights("again"), {"iteration": 3})
    loaded = load_checkpoint(run)
    assert (loaded.name, loaded.state) == ("first", {"iteration": 3})
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["first", "latest", "second"]


@pytest.mark.parametrize(
    "name", ["", "latest", "a/b", "..", "../a", ".hidden", "x.partial", "x.replaced", "x.removed", "ü", "a b"]
)
def test_a_name_that_cannot_be_a_folder_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a checkpoint; use letters, digits"):
        save_checkpoint(tmp_path, name, weights("x"), {})
    assert list(tmp_path.iterdir()) == []


def test_complete_ones_are_listed_oldest_first(run: Path) -> None:
    assert complete_checkpoints(run / "checkpoints") == ("first", "second")
    assert complete_checkpoints(run / "nothing") == ()


def test_only_the_newest_are_kept_and_what_is_half_written_goes(run: Path) -> None:
    folder = run / "checkpoints"
    save_checkpoint(folder, "third", weights("three"), {})
    (folder / "fourth.partial").mkdir()
    keep_newest(folder, 0)
    assert complete_checkpoints(folder) == ("first", "second", "third")
    keep_newest(folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["latest", "second", "third"]
    assert load_checkpoint(run).name == "third"


def test_an_older_one_can_be_made_the_latest(run: Path) -> None:
    make_latest(run / "checkpoints" / "first")
    assert load_checkpoint(run).name == "first"


def test_without_a_checkpoint_there_is_no_latest(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None


def test_a_save_that_fails_leaves_everything_as_it_was(run: Path) -> None:
    def save(folder: Path) -> None:
        (folder / "critic.bin").write_text("half")
        raise ZeroDivisionError

    for name in ("second", "third"):
        with pytest.raises(ZeroDivisionError):
            save_checkpoint(run / "checkpoints", name, save, {})
        assert load_checkpoint(run).state == {"iteration": 2}
        assert complete_checkpoints(run / "checkpoints") == ("first", "second")


def test_a_second_ctrl_c_while_saving_leaves_everything_as_it_was(run: Path) -> None:
    def save(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(run / "checkpoints", "second", save, {})
    assert load_checkpoint(run).state == {"iteration": 2}


# --- 2. A process that is killed ---

KILLED_AT = {
    "while the trainer saves": "",
    "before the manifest": "checkpoints._seal = die",
    "with the manifest, before it is in place": "checkpoints._put_in_place = die",
    "former content aside, new one not in place": "Path.rename = die_on_call(2, Path.rename)",
    "in place, before it is the latest": "Path.replace = die_on_call(2, Path.replace)",
    "in place, before the former content is removed": "shutil.rmtree = die_on_call(2, shutil.rmtree)",
}
SCRIPT = """
import os, shutil, signal, sys
from pathlib import Path
from baselines.runs import checkpoints

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def die_on_call(number, real):
    calls = []
    def call(*args, **options):
        calls.append(args)
        return die() if len(calls) == number else real(*args, **options)
    return call

def save(folder):
    (folder / "critic.bin").write_text("new" * 10_000)
    if not PATCH:
        die()

PATCH = sys.argv[2]
exec(PATCH)
checkpoints.save_checkpoint(Path(sys.argv[1]), sys.argv[3], save, {"iteration": 9})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
@pytest.mark.parametrize(
    ("name", "moment"),
    [("second", moment) for moment in KILLED_AT]
    + [("third", moment) for moment in KILLED_AT if "former" not in moment],
)
def test_a_kill_at_any_moment_leaves_a_whole_latest_checkpoint(run: Path, moment: str, name: str) -> None:
    folder = run / "checkpoints"
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(folder), KILLED_AT[moment], name], check=False)
    assert killed.returncode == -signal.SIGKILL

    in_place = moment.startswith("in place")
    expected = {"iteration": 9} if in_place and name == "second" else {"iteration": 2}
    assert load_checkpoint(run).state == expected
    assert load_checkpoint(folder / "first").state == {"iteration": 1}
    if not in_place:
        with pytest.raises(
            CheckpointError, match=r"partial was not written to the end; complete ones.*: first, second"
        ):
            load_checkpoint(folder / f"{name}.partial")

    save_checkpoint(folder, name, weights("after"), {"iteration": 10})  # the next one clears up
    assert load_checkpoint(run).state == {"iteration": 10}
    assert not list(folder.glob("*.partial")) and not list(folder.glob("*.replaced"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_second_kill_after_one_between_the_renames_loses_nothing_either(run: Path, number: int) -> None:
    folder = str(run / "checkpoints")
    for call in (2, number):
        patch = f"Path.rename = die_on_call({call}, Path.rename)"
        killed = subprocess.run([sys.executable, "-c", SCRIPT, folder, patch, "second"], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert load_checkpoint(run).state == {"iteration": 2}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ("Path.rename = die_on_call(1, Path.rename)", ("first", "second")),
        ("os.fsync = die_on_call(1, os.fsync)", ("second",)),
        ("shutil.rmtree = die_on_call(3, shutil.rmtree)", ("second",)),
    ],
    ids=["before", "on the way", "before its files are gone"],
)
def test_a_kill_while_an_old_one_is_deleted_leaves_it_whole_or_not_at_all(
    run: Path, patch: str, left: tuple[str, ...]
) -> None:
    folder = run / "checkpoints"
    *preparation, _ = SCRIPT.strip().splitlines()
    script = "\n".join([*preparation, "checkpoints.keep_newest(Path(sys.argv[1]), 1)"])
    killed = subprocess.run([sys.executable, "-c", script, str(folder), patch], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert complete_checkpoints(folder) == left
    for name in left:
        load_checkpoint(folder / name)
    keep_newest(folder, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["latest", "second"]


def test_a_kill_from_outside_while_a_slow_save_writes(run: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from baselines.runs.checkpoints import save_checkpoint

        def save(folder):
            for number in range(1000):
                (folder / f"{number}.bin").write_bytes(bytes(1000))
                print(number, flush=True)
                time.sleep(0.01)

        save_checkpoint(Path(sys.argv[1]), "third", save, {})
    """)
    command = [sys.executable, "-c", script, str(run / "checkpoints")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for _ in range(5):
            process.stdout.readline()
        process.kill()
    assert load_checkpoint(run).name == "second"
    assert len(list((run / "checkpoints" / "third.partial").iterdir())) >= 5


# --- 3. A full disk ---


def full_disk(folder: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "critic.bin"))


def full_disk_in_words(folder: Path) -> None:
    raise ValueError("Error while serializing: I/O error: No space left on device (os error 28)")  # safetensors


def full_disk_in_disguise(folder: Path) -> None:
    raise RuntimeError("PytorchStreamWriter failed writing: unexpected pos 576 vs 534")  # torch.save


@pytest.mark.parametrize("save", [full_disk, full_disk_in_words, full_disk_in_disguise])
def test_a_full_disk_is_told_with_what_is_safe(
    run: Path, save: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(run)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    with pytest.raises(DiskFullError, match=r"'third'.*the last complete checkpoint is .*second\. Free some room"):
        save_checkpoint(run / "checkpoints", "third", save, {})
    assert load_checkpoint(run).name == "second"
    assert not (run / "checkpoints" / "third.partial").exists()


def test_a_disk_that_fills_up_while_the_manifest_is_written_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.runs.checkpoints._seal", full_disk)
    with pytest.raises(DiskFullError, match="second"):
        save_checkpoint(run / "checkpoints", "second", weights("x"), {})
    assert load_checkpoint(run).state == {"iteration": 2}


def test_a_full_disk_before_the_first_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="no checkpoint is complete yet"):
        save_checkpoint(tmp_path, "first", full_disk, {})


def test_another_error_is_not_taken_for_a_full_disk(run: Path) -> None:
    def save(folder: Path) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        save_checkpoint(run / "checkpoints", "third", save, {})


# --- 4. What can be wrong with what is to be loaded ---


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "reasoner_0/adapter.bin").read_bytes())
    content[100] ^= 1
    (folder / "reasoner_0/adapter.bin").write_bytes(bytes(content))


def cut_short(folder: Path) -> None:
    (folder / "critic.bin").write_text("t")


def edit_the_state(folder: Path) -> None:
    (folder / "state.json").write_text('{"iteration": 3}\n')


def break_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "fil')


def empty_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "files": {}}')


def come_from_the_future(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


def lose_a_file(folder: Path) -> None:
    (folder / "critic.bin").unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            flip_a_byte,
            r"second/reasoner_0/adapter\.bin is not what was saved.*load another one from .*: first",
        ),
        (cut_short, r"second/critic\.bin is not what was saved.*'bytes': 3.*'bytes': 1.*: first"),
        (edit_the_state, r"second/state\.json is not what was saved"),
        (break_the_manifest, r"second/manifest\.json is not JSON .*: first"),
        (empty_the_manifest, r"second/manifest\.json does not list the files"),
        (come_from_the_future, r"has format 99, this version reads 1; load it with the version"),
        (lose_a_file, r"second/critic\.bin is missing, though manifest\.json lists it"),
        (lose_the_manifest, r"second was not written to the end; complete ones in .*: first"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_another_one_offered(
    run: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(run / "checkpoints" / "second")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(run)
    assert load_checkpoint(run / "checkpoints" / "first").state == {"iteration": 1}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "no checkpoint at .*nowhere, there is no such folder; give the folder of a run"),
        (
            "checkpoints/third",
            "no checkpoint at .*third, there is no such folder; complete ones in .*: first, second",
        ),
        ("checkpoints/first/reasoner_0", "reasoner_0 is neither a run nor a checkpoint"),
        ("checkpoints/first/critic.bin", "critic.bin is neither a run nor a checkpoint"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(run: Path, path: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(run / path)


def test_a_run_without_a_complete_checkpoint_names_the_half_written_one(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "first.partial").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"no checkpoint is complete yet \(half written.*: first\.partial\)"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"../..", b"/etc", b"\xff\xfe"])
def test_a_latest_that_names_nothing_is_told(run: Path, content: bytes) -> None:
    (run / "checkpoints" / "latest").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"latest names no checkpoint but .*complete ones in .*: first, second"):
        load_checkpoint(run)


def test_a_file_that_may_not_be_read_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("baselines.runs.checkpoint_loading.sha256", refuse)
    with pytest.raises(CheckpointError, match=r"cannot read the checkpoint .*Permission denied.*check the path"):
        load_checkpoint(run)
