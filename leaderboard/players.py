"""Who plays an agent: a language model, a script, or a policy that chooses among given texts."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from leaderboard.fields import Line, ModelId, Part, Sha256, Text

CHOICES = "choices"
"""In place of a script's name: whoever chooses among the texts that the environment offers."""
ScriptName: TypeAlias = Literal["reference", "random", "silent", "echo"]
"""Of the suite's scripted plays: see `marft_envs.SCRIPTED_PLAYS`."""


class Sampling(Part):
    """How replies were drawn."""

    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
    """0 is greedy."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Longest reply in tokens; null if nothing but the environment's limit of characters cut it."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the probability that was drawn from; 1 is all of it."""
    stop: Annotated[tuple[Annotated[Text, StringConstraints(max_length=200)], ...], Field(max_length=16)] = ()
    """Texts that end a reply."""


class Prompt(Part):
    """What an agent is told before its first turn, where that is not what the environment's own profile says.

    On fixed tracks nothing else of a profile may differ: budgets and simulated durations are those of the task.
    """

    system: Text
    """The system message."""


class Computation(Part):
    """How a model's numbers were computed: in other ways rounding differs, and now and then a greedy reply."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of weights and activations."""
    attention: Literal["eager", "sdpa", "flash_attention_2", "flex_attention"] | None = None
    """As Transformers names its implementations; null for the one that it chose."""
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    """Of products of float32 matrices, as `torch.set_float32_matmul_precision` has it."""


class ModelPlayer(Part):
    """A language model that plays an agent."""

    kind: Literal["model"]
    """Tells players apart."""
    model: ModelId
    """The base: an id of the hub, or a name that the suite knows."""
    revision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    """Commit or tag of the hub; null where the name says it all."""
    adapter: Sha256 | None = None
    """Of the safetensors file of its LoRA adapter; null if it has none."""
    weights: Sha256 | None = None
    """Of the safetensors file of its own whole weights, where these were fine-tuned; null if they were not."""
    sampling: Sampling
    """Its own."""
    prompt: Prompt | None = None
    """null: the environment's own."""
    computed: Computation | None = None
    """null where nobody has said so."""

    @property
    def is_trained(self) -> bool:
        """Whether it is not the base as it came."""
        return self.adapter is not None or self.weights is not None


class ScriptPlayer(Part):
    """No model: one of the suite's scripted plays."""

    kind: Literal["script"]
    """Tells players apart."""
    script: ScriptName
    """Which."""


class ChoicePlayer(Part):
    """A policy without a language model that chooses among the texts that the environment offers."""

    kind: Literal["choices"]
    """Tells players apart."""
    package: Line
    """By which it was trained, such as "stable-baselines3 2.7.0"."""
    weights: Sha256 | None = None
    """Of the safetensors file of its network; null if that is not at hand."""


Player: TypeAlias = Annotated[ModelPlayer | ScriptPlayer | ChoicePlayer, Field(discriminator="kind")]


def prompts_of(players: Mapping[str, Player]) -> dict[str, str]:
    """Agent -> its system message, of those that are not told what the environment's own profile says."""
    return {
        agent: player.prompt.system
        for agent, player in players.items()
        if isinstance(player, ModelPlayer) and player.prompt is not None
    }


def scripts_of(players: Mapping[str, Player]) -> dict[str, str]:
    """Agent -> the script that is said to play it, or `CHOICES`, of those that no language model plays."""
    return {
        agent: player.script if isinstance(player, ScriptPlayer) else CHOICES
        for agent, player in players.items()
        if not isinstance(player, ModelPlayer)
    }
