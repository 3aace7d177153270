"""Messages to token ids: the model's chat template, applied so that text cannot forge it and history cannot change.

Two properties that training relies on, whatever the template:

*Control tokens are the template's alone.* The template is rendered with placeholders; template text is tokenised with
special tokens recognised, every message's content with special tokens split into ordinary ones. An action that spells
`<|im_end|>` is some letters between bars and brackets.

*Append-only ids.* The prompt of turn k + 1 is the prompt of turn k, then the very tokens that were sampled, then what
is new. Templates that rewrite history (for example by removing earlier reasoning) are refused with `TemplateError`.

Deviates: content and template are tokenised apart, so no token spans their border, where a plain
`apply_chat_template(tokenize=True)` may merge characters across it.
"""

import re
from collections.abc import Collection, Sequence

from jinja2 import TemplateError as JinjaError
from transformers import PreTrainedTokenizerBase

from baselines.errors import TemplateError
from marft_envs import Message, merge_messages

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:\n{{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)
"""For base models, whose tokenisers carry no chat template."""

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use characters: no template contains them
_PLACEHOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class ChatEncoder:
    """Turns a conversation into token ids with one tokenizer's chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_ids: Collection[int] = ()) -> None:
        """`end_ids`: tokens that end a reply, where the tokenizer's own end-of-sequence token is not the only one."""
        self.tokenizer = tokenizer
        self.end_ids = frozenset({*end_ids, tokenizer.eos_token_id})
        self._template: str | None = None if tokenizer.chat_template else PLAIN_TEMPLATE
        self._folds_system = not self._accepts_system()

    def _accepts_system(self) -> bool:
        system = f"{_OPEN}0{_CLOSE}"
        probe: list[Message] = [{"role": "system", "content": system}, {"role": "user", "content": "u"}]
        try:
            return system in self._apply(probe, add_generation_prompt=True)  # some drop it without a word
        except JinjaError:
            return False

    def _apply(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        rendered = self.tokenizer.apply_chat_template(
            [{"role": message["role"], "content": message["content"]} for message in messages],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
        )
        return str(rendered)

    def merged(self, messages: Sequence[Message]) -> list[Message]:
        """Messages as the template wants them: user and assistant taking turns, other agents' words quoted.

        Where a template has no system role, the system text opens the first user message.
        """
        merged = merge_messages(messages)
        if not (self._folds_system and merged and merged[0]["role"] == "system"):
            return merged
        system, *others = merged
        if others and others[0]["role"] == "user":
            asked, *later = others
            return [{"role": "user", "content": f"{system['content']}\n\n{asked['content']}"}, *later]
        return [{"role": "user", "content": system["content"]}, *others]

    def skeleton(self, messages: Sequence[Message]) -> str:
        """The template's text around numbered placeholders, generation prompt included."""
        holes: list[Message] = [
            {"role": message["role"], "content": f"{_OPEN}{number}{_CLOSE}"} for number, message in enumerate(messages)
        ]
        try:
            rendered = self._apply(holes, add_generation_prompt=True)
        except JinjaError as error:
            raise TemplateError(
                f"the chat template of {self.tokenizer.name_or_path!r} refuses the roles "
                f"{[hole['role'] for hole in holes]}: {error}. Set tokenizer.chat_template to one that takes them"
            ) from error
        found = [int(number) for number in _PLACEHOLDER.findall(rendered)]
        if found != list(range(len(messages))):
            raise TemplateError(
                f"the chat template of {self.tokenizer.name_or_path!r} shows messages {found} of {len(messages)}; "
                "every message must appear once and in order, or what an agent was told would not be what it reads. "
                "Use a model whose template keeps the history, or set tokenizer.chat_template to one that does"
            )
        return rendered

    def reply_ids(self, text: str) -> list[int]:
        """Token ids of a reply with this text, and of its end; control tokens in the text are split."""
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*ids, self._end_of_reply]

    @property
    def _end_of_reply(self) -> int:
        """The token by which the template ends what an assistant says; the end of sequence, if it does not."""
        said: list[Message] = [{"role": "user", "content": "u"}, {"role": "assistant", "content": _OPEN}]
        after = self._apply(said, add_generation_prompt=False).rpartition(_OPEN)[2]
        ids = self.tokenizer(after, add_special_tokens=False)["input_ids"][:1]
        return int(ids[0]) if ids and ids[0] in self.end_ids else int(self.tokenizer.eos_token_id)

    def encode(self, skeleton: str, contents: Sequence[str]) -> list[int]:
        """Token ids of a (part of a) skeleton with `contents[n]` in placeholder n."""
        ids: list[int] = []
        pieces = _PLACEHOLDER.split(skeleton)  # template, number, template, number, …, template
        for position, piece in enumerate(pieces):
            if position % 2:
                ids += self.tokenizer(contents[int(piece)], add_special_tokens=False, split_special_tokens=True)[
                    "input_ids"
                ]
            elif piece:
                ids += self.tokenizer(piece, add_special_tokens=False)["input_ids"]
        return ids


class Conversation:
    """The token ids of one agent's episode so far; they only ever grow."""

    def __init__(self, encoder: ChatEncoder) -> None:
        self._encoder = encoder
        self._ids: list[int] = []
        self._skeleton = ""
        self._num_messages = 0

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Prompt ids for the agent's next turn.

        `messages` is everything the agent was told and said since the episode began: `env.messages(agent)`.

        Raises: `TemplateError` if the chat template rewrites what an earlier prompt already held.
        """
        merged = self._encoder.merged(messages)
        skeleton = self._encoder.skeleton(merged)
        contents = [message["content"] for message in merged]
        if not self._skeleton:
            self._ids = self._encoder.encode(skeleton, contents)
        else:
            # The agent's own message follows the old prompt.
            told = f"{self._skeleton}{_OPEN}{self._num_messages}{_CLOSE}"
            if not skeleton.startswith(told) or merged[self._num_messages]["role"] != "assistant":
                raise TemplateError(
                    f"the chat template of {self._encoder.tokenizer.name_or_path!r} rewrites earlier turns, so the "
                    "tokens that were sampled would not be the tokens that are trained on. Set "
                    "tokenizer.chat_template to one that only appends"
                )
            new_ids = self._encoder.encode(skeleton[len(told) :], contents)
            # The template ends the assistant's message with the token that the reply already ends with.
            ended = self._ids[-1:] == new_ids[:1] and self._ids[-1] in self._encoder.end_ids
            self._ids += new_ids[1:] if ended else new_ids
        self._skeleton = skeleton
        self._num_messages = len(merged)
        return list(self._ids)

    def fork(self) -> "Conversation":
        """Another one that goes on from here by itself."""
        twin = Conversation(self._encoder)
        twin._ids, twin._skeleton, twin._num_messages = list(self._ids), self._skeleton, self._num_messages
        return twin

    def record(self, action_ids: Sequence[int]) -> None:
        """Append the tokens that were sampled for the turn that `prompt` opened."""
        self._ids += action_ids
