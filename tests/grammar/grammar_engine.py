"""A random model with a tokenizer that writes anything, and engines that run it under grammars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    OutputToken,
    SamplingParams,
)
from rostra.mesh.text import Tokenizer as ModelTokenizer

END_TOKENS = ["<|im_end|>", "<|endoftext|>"]
VOCAB_SIZE = 460
"""Of the logits: wider than the tokenizer, and no multiple of 32."""
CORPUS = ['{"name": "the fox", "age": 12, "tags": ["a", "b"]}', "true false null yes no 0.5 -1e9"]


def save_model(folder: Path, seed: int = 0) -> None:
    """A random Llama checkpoint with two end tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=END_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>").save_pretrained(
        folder
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=[0, 1],
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@dataclass
class Answer:
    tokens: list[OutputToken] = field(default_factory=list)
    finish: FinishReason | None = None
    error: str | None = None

    @property
    def ids(self) -> list[int]:
        return [token.id for token in self.tokens]


class Writer:
    """An engine, and the texts that come of it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        defaults = {"num_threads": 1, "max_num_seqs": 8, "max_model_len": 512, "num_blocks": 256}
        config = EngineConfig(model_path=str(folder), **(defaults | settings))
        self.runner = build_runner(config)
        self.engine = Engine(self.runner, config)
        self.tokenizer = ModelTokenizer.load(folder)
        self._num_requests = 0

    def request(
        self, grammar: str, prompt: str | Sequence[int] = "say:", **sampling: Any
    ) -> EngineRequest:
        ids = self.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
        settings = {"max_tokens": 400, "stop_token_ids": self.tokenizer.eos_token_ids} | sampling
        self._num_requests += 1
        return EngineRequest(
            request_id=f"r{self._num_requests}",
            prompt_token_ids=ids,
            grammar=grammar,
            sampling=SamplingParams(**settings),
        )

    def answers(self, *requests: EngineRequest) -> list[Answer]:
        """Of requests that run together."""
        found = {request.request_id: Answer() for request in requests}
        for request in requests:
            self.engine.add_request(request)
        while self.engine.has_work:
            for output in self.engine.step():
                answer = found[output.request_id]
                answer.tokens += output.tokens
                answer.finish, answer.error = output.finish, output.error
            self.engine.check_integrity()
        return list(found.values())

    def write(self, grammar: str, **sampling: Any) -> tuple[str, FinishReason]:
        """The text of one request, and how it ended."""
        (answer,) = self.answers(self.request(grammar, **sampling))
        assert answer.error is None, answer.error
        return self.text(answer), answer.finish

    def text(self, answer: Answer) -> str:
        ids = answer.ids
        if answer.finish is FinishReason.STOP:
            assert ids[-1] in self.tokenizer.eos_token_ids
            ids = ids[:-1]
        assert not set(ids) & self.tokenizer.eos_token_ids
        data = b"".join(self.tokenizer.token_bytes(token_id) for token_id in ids)
        # Only an output that was cut may end inside a character.
        return data.decode(errors="strict" if answer.finish is FinishReason.STOP else "ignore")
