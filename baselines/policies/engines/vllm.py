"""Sampling replies with vLLM: for GPUs, where it draws many times as fast as a forward pass per token does.

vLLM holds the base model once more, and gets the adapters as files. An adapter that has moved is written to a folder of
its own, and has a new id and a new name: vLLM keeps what it knows of an adapter, keys and values of prompts included,
by these.

What makes the sampler the policy that is trained, all of it not vLLM's default:

- `logprobs_mode="processed_logprobs"`: a token's log-probability is told at the temperature at which it was drawn;
  "raw" ones are those at temperature 1.
- `generation_config="vllm"` and parameters for each request: nothing of the model's own settings (top-p, top-k, a
  repetition penalty) changes what is drawn. What ends a reply is told as token ids, the same as elsewhere; where one
  must not come first, `min_tokens` keeps it from that before probabilities are told.
- Token ids go in and come out; nothing is tokenised a second time. A text that ends replies is looked for by vLLM, and
  once more here, so that a reply ends with the very token that completes it.

Deviates: its kernels are others than the trainer's, so its probabilities are too, in bfloat16 by more than a few per
cent for some tokens (`drift_max`, `drift_share`). So old log-probabilities are computed again by the trainer, and
`--max-sampler-ratio` weighs each action by the quotient. The same request and seed draw alike on the same machine as
long as the batch is the same; vLLM promises no more. Hidden states are not told.
"""

import importlib
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedTokenizerBase

from baselines.errors import ConfigError
from baselines.policies.engines.hf import Reply, Request, cut_to_chars, end_ids, num_until_stop

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.lora.request import LoRARequest
    from vllm.outputs import CompletionOutput

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM can make room for, as `vllm.config.lora.MaxLoRARanks` has it."""
_MOST_TEMPERATURE = 2.0
"""Beyond it vLLM refuses."""
_LEAST_TEMPERATURE = 0.01
"""Below it vLLM draws at this one in place of the one asked for, and greedily below 1e-5."""
_SEED_BYTES = 7
"""Of a hash: so many fit into what torch takes for a seed, and are never negative."""

VllmOptions = Mapping[str, int | float | bool | str]


class VllmEngine:
    """Draws with vLLM what the adapters of a PEFT model say."""

    def __init__(
        self,
        model: PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        where: str,
        *,
        memory: float,
        options: VllmOptions | None = None,
    ) -> None:
        """`where`: the base model's folder or hub id. `memory`: the share of the GPU's memory that vLLM takes.

        `options`: further arguments of `vllm.LLM`, such as `max_model_len` or `tensor_parallel_size`.

        Raises: `ConfigError` for adapters that vLLM cannot take, or where it cannot begin.
        """
        self._vllm = importlib.import_module("vllm")
        self._lora_request = importlib.import_module("vllm.lora.request").LoRARequest
        self._model = model
        self._tokenizer = tokenizer
        self._ends = end_ids(model, tokenizer)
        self._known: dict[str, tuple[object, LoRARequest]] = {}
        self._num_versions = 0
        configs = cast("Mapping[str, LoraConfig]", model.peft_config)
        chosen: dict[str, Any] = {
            "dtype": str(model.get_base_model().dtype).removeprefix("torch."),
            "gpu_memory_utilization": memory,
            "enable_lora": True,
            "max_loras": len(configs),
            "max_lora_rank": _room_for(max(config.r for config in configs.values())),
            "logprobs_mode": "processed_logprobs",
            "generation_config": "vllm",
            **(options or {}),
        }
        try:
            self._llm: LLM = self._vllm.LLM(where, **chosen)
        except (RuntimeError, ValueError, TypeError) as error:
            reason = (str(error).strip().splitlines() or [repr(error)])[0]
            raise ConfigError(
                f"vLLM cannot begin with {where!r}: {reason} Give it another share of the GPU by --vllm-memory, change "
                "--vllm-options (max_model_len makes room), or draw with --engine hf"
            ) from error
        self._folder = TemporaryDirectory(prefix="marft-adapters-")

    def draw(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """See `Engine.draw`. vLLM makes its own batches, so `batch_size` is not read.

        Raises: `ConfigError` for a temperature that vLLM would change.
        """
        if not requests:
            return []
        temperatures = [_drawable(temperature if own is None else own) for own in (one.temperature for one in requests)]
        adapters = {adapter: self._request_for(adapter) for adapter in {request.adapter for request in requests}}
        outputs = self._llm.generate(
            [self._vllm.TokensPrompt(prompt_token_ids=request.prompt_ids) for request in requests],
            [self._parameters(request, own) for request, own in zip(requests, temperatures, strict=True)],
            lora_request=[adapters[request.adapter] for request in requests],
            use_tqdm=False,
        )
        return [
            self._reply(request, output.outputs[0], own)
            for request, output, own in zip(requests, outputs, temperatures, strict=True)
        ]

    def close(self) -> None:
        """Stop vLLM, and drop the adapters' files."""
        self._llm.llm_engine.engine_core.shutdown()
        self._folder.cleanup()

    def _parameters(self, request: Request, temperature: float) -> object:
        """What every reply is drawn by: `vllm.SamplingParams`."""
        return self._vllm.SamplingParams(
            temperature=temperature,
            top_p=1.0,
            top_k=-1,
            seed=seed_of(request.seed) if temperature else None,
            stop=[request.stop] if request.stop else None,
            stop_token_ids=self._ends,
            min_tokens=int(request.must_speak),
            max_tokens=request.max_new_tokens,
            logprobs=0 if temperature else None,  # of the token that was drawn, and of no others
            detokenize=bool(request.stop),
            skip_special_tokens=False,
        )

    def _reply(self, request: Request, output: "CompletionOutput", temperature: float) -> Reply:
        drawn = list(output.token_ids)
        whole = drawn[: num_until_stop(self._tokenizer, drawn, request)]
        ids, text = cut_to_chars(self._tokenizer, whole, self._ends, request)
        logprobs: list[float] = []
        if temperature:
            assert output.logprobs is not None, "they were asked for"
            told = [place[token].logprob for place, token in zip(output.logprobs, drawn, strict=True) if place]
            assert len(told) == len(drawn), "one for each token"
            logprobs = told[: len(ids)]
        return Reply(ids, logprobs, text)

    def _request_for(self, adapter: str) -> "LoRARequest":
        """The adapter as it is now, as files that vLLM can read. Those of the version before it are dropped."""
        # How often each tensor was changed in place, which torch counts for the sake of its gradients.
        version = tuple(parameter._version for parameter in self._parameters_of(adapter))  # noqa: SLF001
        if adapter in self._known:
            known, request = self._known[adapter]
            if known == version:
                return request
            shutil.rmtree(Path(request.lora_path).parent)
        self._num_versions += 1
        folder = Path(self._folder.name) / str(self._num_versions)
        self._model.save_pretrained(str(folder), selected_adapters=[adapter])
        request = self._lora_request(
            lora_name=f"{adapter} {self._num_versions}",
            lora_int_id=self._num_versions,
            lora_path=str(folder / adapter),
        )
        self._known[adapter] = version, request
        return request

    def _parameters_of(self, adapter: str) -> list[torch.nn.Parameter]:
        return [parameter for name, parameter in self._model.named_parameters() if f".{adapter}." in name]


def _drawable(temperature: float) -> float:
    """Raises: `ConfigError` for a temperature that vLLM would change."""
    if temperature and not _LEAST_TEMPERATURE <= temperature <= _MOST_TEMPERATURE:
        raise ConfigError(
            f"temperature is {temperature}, but vLLM draws at {_LEAST_TEMPERATURE} to {_MOST_TEMPERATURE}, or "
            "greedily at 0; choose one of these, or --engine hf"
        )
    return temperature


def seed_of(seed: int | str) -> int:
    """A request's seed as a number that torch takes."""
    return int.from_bytes(sha256(str(seed).encode()).digest()[:_SEED_BYTES])


def _room_for(rank: int) -> int:
    """Raises: `ConfigError`."""
    fitting = [room for room in RANKS if room >= rank]
    if not fitting:
        raise ConfigError(f"lora_rank is {rank}, but vLLM takes {RANKS[-1]} at most; choose less, or --engine hf")
    return fitting[0]
