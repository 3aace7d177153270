"""Who draws replies. A base model has one engine; what it draws with are the weights that its policies have then."""

from collections.abc import Sequence
from typing import Protocol

from baselines.policies.engines.hf import Reply, Request


class Engine(Protocol):
    """Draws replies from a base's policies, each with the adapter that its request names."""

    def draw(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """One reply per request, in their order, at `temperature` unless it names its own; 0 is greedy.

        The sampler is the policy: temperature only, the whole vocabulary, but for the ends that `must_speak` keeps from
        coming first. A reply ends with a token that ends it, or with the one that completes its text `stop`. What a
        request draws follows from its seed.
        A reply tells its tokens, the end included if it was drawn, and their log-probabilities at that temperature;
        hidden states and histories where the engine has them.
        """

    def close(self) -> None:
        """Give back what it holds beside the model itself."""
