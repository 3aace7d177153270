"""What stands in for vLLM where there is no GPU: the same names, arguments and shapes as in vLLM 0.33, and its rules
that matter here. It draws token by token with Transformers.

- An adapter is known by its id: files of an id that was seen before are not read again.
- Prompts are known by an adapter's name: under a name that was seen before, other weights would meet what was kept.
- Which log-probabilities are told is a setting of the engine, by default those at temperature 1.
- The model's own generation settings count unless `generation_config="vllm"`.

Source: vllm/lora/request.py, vllm/sampling_params.py, vllm/outputs.py, vllm/logprobs.py, vllm/entrypoints/llm.py.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, TypedDict

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

ENGINE_ARGUMENTS = {
    "dtype",
    "enable_lora",
    "enforce_eager",
    "generation_config",
    "gpu_memory_utilization",
    "logprobs_mode",
    "max_lora_rank",
    "max_loras",
    "max_model_len",
    "tensor_parallel_size",
}
"""Those of `EngineArgs` that these tests know of."""
RANKS = {1, 8, 16, 32, 64, 128, 256, 320, 512}


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str = ""
    base_model_name: str | None = None
    load_inplace: bool = False
    is_3d_lora_weight: bool = False

    def __post_init__(self) -> None:
        assert self.lora_int_id >= 1 and self.lora_path


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True

    def __post_init__(self) -> None:
        assert self.detokenize or not self.stop, "vLLM refuses stop strings without it"
        assert 0 <= self.temperature <= 2 and 0 < self.top_p <= 1 and self.top_k >= -1
        assert self.seed is None or 0 <= self.seed < 2**63


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]


class LLM:
    """As `vllm.LLM`, as far as it is used."""

    made: "list[LLM]" = []  # noqa: RUF012  # of a test
    fails_with: Exception | None = None

    def __init__(self, model: str, **options: Any) -> None:
        if LLM.fails_with is not None:
            raise LLM.fails_with
        assert options.keys() <= ENGINE_ARGUMENTS, options.keys() - ENGINE_ARGUMENTS
        assert options["max_lora_rank"] in RANKS
        self.options = options
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.base = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, options["dtype"]))
        self.with_adapters: PeftModel | None = None
        self.known: dict[int, str] = {}
        self.asked: list[tuple[SamplingParams, LoRARequest | None]] = []
        self.is_shut_down = False
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self._shut_down))
        LLM.made.append(self)

    def _shut_down(self, timeout: float | None = None) -> None:
        self.is_shut_down = True

    def generate(
        self,
        prompts: Sequence[TokensPrompt],
        sampling_params: Sequence[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: Sequence[LoRARequest | None] | None = None,
    ) -> list[RequestOutput]:
        assert lora_request is not None and len(prompts) == len(sampling_params) == len(lora_request)
        self.asked += zip(sampling_params, lora_request, strict=True)
        return [
            RequestOutput([self._drawn(prompt["prompt_token_ids"], params, adapter)])
            for prompt, params, adapter in zip(prompts, sampling_params, lora_request, strict=True)
        ]

    def _model(self, adapter: LoRARequest | None) -> Any:
        if adapter is None:
            assert self.with_adapters is None, "this stand-in keeps base and adapters apart by loading order"
            return self.base
        name = str(adapter.lora_int_id)
        if adapter.lora_int_id not in self.known:
            assert adapter.lora_name not in self.known.values(), "what was kept under this name is of other weights"
            self.known[adapter.lora_int_id] = adapter.lora_name
            if self.with_adapters is None:
                self.with_adapters = PeftModel.from_pretrained(self.base, adapter.lora_path, adapter_name=name)
            else:
                self.with_adapters.load_adapter(adapter.lora_path, adapter_name=name)
        assert self.with_adapters is not None
        self.with_adapters.set_adapter(name)
        return self.with_adapters.eval()

    @torch.no_grad()
    def _drawn(self, prompt: list[int], params: SamplingParams, adapter: LoRARequest | None) -> CompletionOutput:
        model = self._model(adapter)
        noise = torch.Generator()
        if params.seed is not None:
            noise.manual_seed(params.seed)
        ends = {self.tokenizer.eos_token_id, *(params.stop_token_ids or ())}
        drawn: list[int] = []
        told: list[dict[int, Logprob]] = []
        assert params.max_tokens is not None
        stops = [params.stop] if isinstance(params.stop, str) else list(params.stop or ())
        while len(drawn) < params.max_tokens and not (drawn and drawn[-1] in ends):
            if any(stop in self.tokenizer.decode(drawn) for stop in stops):
                break
            logits = model(input_ids=torch.tensor([[*prompt, *drawn]])).logits[0, -1].float()
            if len(drawn) < params.min_tokens:
                logits[list(ends)] = -torch.inf
            processed = (logits / (params.temperature or 1.0)).log_softmax(-1)
            token = int(
                torch.multinomial(processed.exp(), 1, generator=noise) if params.temperature else logits.argmax()
            )
            is_processed = self.options.get("logprobs_mode", "raw_logprobs") == "processed_logprobs"
            logprob = float((processed if is_processed else logits.log_softmax(-1))[token])
            drawn.append(token)
            told.append({token: Logprob(logprob, rank=1)})
        text = self.tokenizer.decode(drawn) if params.detokenize else ""
        return CompletionOutput(0, text, drawn, None, told if params.logprobs is not None else None)


def install(monkeypatch: pytest.MonkeyPatch) -> type[LLM]:
    """Let `import vllm` find this, for one test."""
    LLM.made, LLM.fails_with = [], None
    modules = {name: ModuleType(name) for name in ("vllm", "vllm.lora", "vllm.lora.request", "vllm.outputs")}
    modules["vllm"].__dict__.update(LLM=LLM, SamplingParams=SamplingParams, TokensPrompt=TokensPrompt)
    modules["vllm.lora.request"].__dict__.update(LoRARequest=LoRARequest)
    modules["vllm.outputs"].__dict__.update(CompletionOutput=CompletionOutput, RequestOutput=RequestOutput)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return LLM
