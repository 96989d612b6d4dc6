"""A model's tokenizer, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import tokenizers

from rostra.mesh.errors import RostraError
from rostra.mesh.text.pieces import PieceDecoder
from rostra.mesh.text.template import ChatTemplate, ChatTemplateError

TOKENIZER_FILE = "tokenizer.json"


class Tokenizer:
    """Text to token ids and back, and the model's chat template.

    Stands on the `tokenizers` library and not on transformers: what a model folder needs is in its
    tokenizer.json, and a process that only talks to clients then never imports torch. Safe to use
    from several threads.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        *,
        eos_token_ids: frozenset[int] = frozenset(),
        special_tokens: Mapping[str, str] | None = None,
        chat_template: str | None = None,
        tool_chat_template: str | None = None,
    ) -> None:
        """Raises ValueError for an unknown kind of decoder, `jinja2.TemplateSyntaxError`.

        `special_tokens` maps names that templates use, such as `bos_token`, to the tokens.
        `tool_chat_template` replaces `chat_template` in conversations with tools.
        """
        self._backend = backend
        self._pieces = PieceDecoder.from_config(json.loads(backend.to_str())["decoder"])
        added = backend.get_added_tokens_decoder()
        self._added_ids = frozenset(added)
        self._special_ids = frozenset(index for index, token in added.items() if token.special)
        self._vocab_size = max(backend.get_vocab_size(), *(index + 1 for index in added), 0)
        self._bytes: dict[int, bytes] = {}
        self._eos_token_ids = eos_token_ids
        names = special_tokens or {}
        self._template = ChatTemplate(chat_template, names) if chat_template else None
        self._tool_template = (
            ChatTemplate(tool_chat_template, names) if tool_chat_template else self._template
        )

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Reads tokenizer.json and, where present, tokenizer_config.json, special_tokens_map.json,
        chat_template.jinja, generation_config.json and config.json of a model folder.

        Raises `RostraError` for a folder without a usable tokenizer.
        """
        file = path / TOKENIZER_FILE
        if not file.is_file():
            raise RostraError(f"{path} has no {TOKENIZER_FILE}; pull the model again.")
        config = _read_json(path / "tokenizer_config.json")
        special_tokens = _special_tokens(_read_json(path / "special_tokens_map.json") | config)
        template, tool_template = _chat_templates(path, config)
        try:
            backend = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain Exception
            raise RostraError(f"{file} cannot be read: {error}; pull the model again.") from error
        # Settings of training, which would silently cut or fill what users send.
        backend.no_truncation()
        backend.no_padding()
        try:
            return cls(
                backend,
                eos_token_ids=_eos_token_ids(path, backend, special_tokens),
                special_tokens=special_tokens,
                chat_template=template,
                tool_chat_template=tool_template,
            )
        except ValueError as error:
            raise RostraError(f"{file}: {error}; use another model.") from error
        except jinja2.TemplateSyntaxError as error:
            raise RostraError(
                f"The chat template in {path} is not valid: {error.message} (line {error.lineno})."
            ) from error

    @property
    def vocab_size(self) -> int:
        """One more than the highest token id. Some models' logits are wider than that."""
        return self._vocab_size

    @property
    def eos_token_ids(self) -> frozenset[int]:
        """All ids at which the model ends its turn, from every file that names some."""
        return self._eos_token_ids

    @property
    def has_chat_template(self) -> bool:
        return self._template is not None

    def chat_template(self, *, with_tools: bool = False) -> ChatTemplate | None:
        """The template for conversations with tools or without; None where the model has none."""
        return self._tool_template if with_tools else self._template

    def token_id(self, text: str) -> int | None:
        """The id of the token that is written so in the vocabulary; None for no token."""
        return self._backend.token_to_id(text)

    @property
    def strips_leading_space(self) -> bool:
        """Whether `encode` puts a space before a text which `decode` takes off again."""
        return self._pieces.strips_leading_space

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Token ids. Special tokens written out in `text` become those tokens."""
        # A batch of one: encode_batch lets other threads run meanwhile, encode does not.
        return self._backend.encode_batch([text], add_special_tokens=add_special_tokens)[0].ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of the ids together, U+FFFD for bytes that are no UTF-8."""
        data = b"".join(
            self.token_bytes(index)
            for index in ids
            if not (skip_special_tokens and index in self._special_ids)
        )
        text = data.decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self.strips_leading_space else text

    def token_text(self, token_id: int) -> str:
        """The token's own text, U+FFFD where its bytes are no whole characters."""
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The token's bytes, exactly. Empty for an id that names no token."""
        known = self._bytes.get(token_id)
        if known is None:
            if not 0 <= token_id < self._vocab_size:
                return b""
            piece = self._backend.id_to_token(token_id)
            known = self._bytes[token_id] = b"" if piece is None else self._pieces.to_bytes(piece)
        return known

    def is_special(self, token_id: int) -> bool:
        """Whether the token controls the model instead of being text."""
        return token_id in self._special_ids

    def is_added(self, token_id: int) -> bool:
        """Whether the token was added to the vocabulary as it is, and is no piece of others."""
        return token_id in self._added_ids

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """A conversation as the model expects it.

        `messages` are in the shape of OpenAI's API: `role`, `content` (a string), and where they
        apply `name`, `tool_calls` (with `function.arguments` as JSON text or as an object),
        `tool_call_id` and `reasoning`. `tools` are OpenAI tool objects. `variables` go to the
        template by name. `add_generation_prompt` ends with the header of the assistant's turn;
        `continue_final_message` ends inside the last message, and excludes it.

        Raises `ChatTemplateError`: the model has no template, or the template refuses.
        """
        template = self.chat_template(with_tools=bool(tools))
        if template is None:
            raise ChatTemplateError("The model has no chat template; send a plain prompt instead.")
        return template.render(
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            variables=variables,
        )

    def encode_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """`render_chat` as token ids. Templates write the first special token themselves, so none
        is added here."""
        prompt = self.render_chat(
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            variables=variables,
        )
        return self.encode(prompt, add_special_tokens=False)


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RostraError(f"{file} is no JSON: {error}; pull the model again.") from error
    if not isinstance(content, dict):
        raise RostraError(f"{file} is no JSON object; pull the model again.")
    return content


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """`bos_token` and its like; a token is written as text or as an object with `content`."""
    tokens = {}
    for name, value in config.items():
        content = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(content, str):
            tokens[name] = content
    return tokens


def _chat_templates(path: Path, config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The template, and the one for conversations with tools where the model has two."""
    file = path / "chat_template.jinja"
    if file.is_file():
        tools = path / "additional_chat_templates" / "tool_use.jinja"
        tool_template = tools.read_text(encoding="utf-8") if tools.is_file() else None
        return file.read_text(encoding="utf-8"), tool_template
    template = config.get("chat_template")
    if isinstance(template, list):
        by_name = {entry["name"]: entry["template"] for entry in template}
        return by_name.get("default"), by_name.get("tool_use")
    return template, None


def _eos_token_ids(
    path: Path, backend: tokenizers.Tokenizer, special_tokens: Mapping[str, str]
) -> frozenset[int]:
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        value = _read_json(path / name).get("eos_token_id")
        if isinstance(value, int):
            found.add(value)
        elif isinstance(value, list):
            found.update(value)
    if eos := special_tokens.get("eos_token"):
        index = backend.token_to_id(eos)
        if index is not None:
            found.add(index)
    return frozenset(found)
