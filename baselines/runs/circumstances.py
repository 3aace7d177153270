"""What a run's bits depend on beside its settings: packages, processors, threads, model, environment.

A run that goes on elsewhere is no mistake, but its numbers are then not those of the undisturbed run to the last bit.
"""

import platform
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from baselines.runs.summary import packages

_CPUINFO = Path("/proc/cpuinfo")
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_DIGITS = 16
_WAYS_OUT = {
    "threads": "; --threads {before} computes as before",
    "device": "; --device takes another",
    "processes": "; torchrun --nproc-per-node says how many",
}
_ALONE = {"processes": "1"}
"""What held before it was recorded."""
_OWN = frozenset({"processor", "threads", "device"})
"""What need not be alike in processes that train together. Should it lead to other weights, that is noticed later."""


def circumstances(device: torch.device, model: str, environment: str, num_processes: int = 1) -> dict[str, str]:
    """By name, as text; `model` and `environment` are hashes."""
    found = {package: version or "none" for package, version in packages().items()}
    on_gpu = {"device": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return found | {
        "processor": f"{processor()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "device": device.type,
        **on_gpu,
        "model": model,
        "environment": environment,
        "processes": str(num_processes),
    }


def alike_everywhere(found: Mapping[str, str]) -> dict[str, str]:
    """The circumstances that must be alike in processes that train together."""
    return {name: value for name, value in found.items() if name not in _OWN}


def differences(before: Mapping[str, object], now: Mapping[str, str]) -> list[str]:
    """What has changed, as pieces of a sentence."""
    before = {**_ALONE, **before}
    changed = [name for name in now if before.get(name) != now[name]]
    return [
        f"{name} was {before.get(name)} and is {now[name]}" + _WAYS_OUT.get(name, "").format(before=before.get(name))
        for name in changed
    ]


def weights_hash(tensors: Iterable[Tensor]) -> str:
    """A hash of tensors by their sums as integers: the same on any machine and with any number of threads."""
    digest = sha256()
    for tensor in tensors:
        as_integers = tensor.detach().contiguous().view(_INTEGERS[tensor.element_size()])
        digest.update(f"{tuple(tensor.shape)} {int(as_integers.sum(dtype=torch.int64))}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def processor() -> str:
    """The processor's name: kernels differ from one to the next."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
