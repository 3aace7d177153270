"""Agents that are only prompted: their replies come from an OpenAI-compatible server, somebody else's or one's own.

Such an agent is part of no team: nobody learns from what it says, whose tokens and probabilities are not known here. It
reads the same messages as any other, in the roles that chat models take. What a server says is not reproducible; it is
recorded as an action like all others, so an episode can be replayed without it.

Where the server is and what it wants to be shown, the official client reads from OPENAI_BASE_URL and OPENAI_API_KEY.
Requests that it turned away for the moment (too many, overloaded, no answer in time) are made again by that client.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import openai

from baselines.errors import ServerError
from baselines.policies.engines.question import Question
from marft_envs import merge_messages

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

_KEY, _URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_NUM_RETRIES = 6
"""The client waits half a second before the first and twice as long before each further one, 8 s at most; or as long as
the server says."""
_TIMEOUT_S = 120.0
"""Of one request; a reply may take a while to be written."""
_MOST_NAMED = 10
"""Models that a message lists."""


class Server:
    """Asks for replies, so many at once."""

    def __init__(self, models: Mapping[str, str], *, max_requests: int, num_retries: int = _NUM_RETRIES) -> None:
        """`models`: the server's name of the model that plays each agent.

        Raises: `ServerError` without a key.
        """
        self.models = dict(models)
        try:
            self._client = openai.OpenAI(max_retries=num_retries, timeout=_TIMEOUT_S)
        except openai.OpenAIError as error:
            raise ServerError(
                f"no key for the server that plays {', '.join(self.models)}: set {_KEY}, to any text for a server that "
                f"wants none, and {_URL} for one that is not OpenAI's"
            ) from error
        self._url = str(self._client.base_url)
        # OpenAI's own newer models refuse the old name of the bound, and other servers may not know the new one.
        self._bound = "max_completion_tokens" if "api.openai.com" in self._url else "max_tokens"
        self._max_requests = max_requests

    def ask(self, questions: Sequence[Question]) -> Callable[[], list[str]]:
        """Send all of them; what is returned waits for the answers, in order.

        It raises: the first `ServerError`; what was not sent by then is not sent any more.
        """
        pool = ThreadPoolExecutor(self._max_requests, thread_name_prefix="server")
        asked = [pool.submit(self._answer, question) for question in questions]
        pool.shutdown(wait=False)  # its threads end with what they were given
        return partial(_results, asked)

    def _answer(self, question: Question) -> str:
        """Raises: `ServerError`."""
        model = self.models[question.agent]
        merged: list[ChatCompletionMessageParam] = [
            {"role": message["role"], "content": message["content"]}  # type: ignore[misc]  # a union by role
            for message in merge_messages(question.messages)
        ]
        try:
            completion = self._client.chat.completions.create(
                model=model,
                messages=merged,
                temperature=question.temperature,
                stop=question.stop or openai.omit,
                extra_body={self._bound: question.max_new_tokens},
            )
        except openai.OpenAIError as error:
            raise ServerError(self._explained(model, error)) from error
        if not completion.choices:
            raise ServerError(f"{self._url} answered for {model!r} without a choice; is it OpenAI-compatible?")
        text = completion.choices[0].message.content or ""  # none, if it refuses: that is what it says
        return text[: question.max_chars]

    def _explained(self, model: str, error: openai.OpenAIError) -> str:
        """What went wrong, and the way out."""
        reason = getattr(error, "message", str(error))
        match error:
            case openai.APIConnectionError():
                return f"no answer from {self._url}: {error.__cause__ or reason}. Start it, or let {_URL} lead to it"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return f"{self._url} refuses the key in {_KEY}: {reason}. Set one that may use {model!r}"
            case openai.NotFoundError():
                return f"{self._url} has no model {model!r}: {reason}. {self._known()}"
            case openai.RateLimitError():
                return (
                    f"{self._url} turns requests away, and did so {self._client.max_retries + 1} times: {reason}. "
                    "Make --server-requests smaller, or look after the account"
                )
            case openai.InternalServerError():
                return (
                    f"{self._url} failed {self._client.max_retries + 1} times: {reason}. Look at the server's own log, "
                    "and go on once it is well"
                )
            case _:
                return (
                    f"{self._url} does not take what was asked of {model!r}: {reason}. Let another model play, or "
                    "change what it is asked: --temperature, --max-new-tokens"
                )

    def _known(self) -> str:
        """Which models there are, as far as the server tells."""
        names: list[str] = []
        with suppress(openai.OpenAIError):
            names = [model.id for model in self._client.models.list()]
        listed = ", ".join(names[:_MOST_NAMED])
        return f"It has {listed}{' and others' * (len(names) > _MOST_NAMED)}" if names else f"Is {_URL} right?"


def _results(asked: Sequence["Future[str]"]) -> list[str]:
    try:
        return [future.result() for future in asked]
    except BaseException:
        for future in asked:
            future.cancel()
        raise
