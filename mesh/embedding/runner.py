"""Computes the vectors of one batch of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rostra.mesh.embedding.layout import Pooling
from rostra.mesh.engine.device import device_name


class TextModel(Protocol):
    """A model that is asked for its hidden states only."""

    def __call__(self, token_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Last hidden states [T, H] of texts of these lengths; their `token_ids`, int64 [T], stand
        one after another."""
        ...


class EmbeddingRunner:
    """Hidden states, pooled."""

    def __init__(
        self,
        model: TextModel,
        pooling: Pooling,
        device: torch.device,
        dtype: torch.dtype,
        *,
        vocab_size: int,
        embedding_size: int,
        max_model_len: int,
    ) -> None:
        self.dtype = dtype
        """Of computing; vectors are float32."""
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.max_model_len = max_model_len
        self._model = model
        self.pooling: Pooling = pooling
        self._device = device

    @property
    def device_name(self) -> str:
        return device_name(self._device)

    def warm_up(self, num_tokens: int, num_texts: int) -> None:
        """Computes the longest text, and a step of as many tokens and texts as may be: compiles
        what is compiled, and takes the memory that these take."""
        self.embed([[0] * self.max_model_len])
        length = min(max(1, num_tokens // num_texts), self.max_model_len)
        self.embed([[0] * length] * min(num_texts, num_tokens))

    @torch.inference_mode()
    def embed(self, inputs: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """float32 [n, embedding_size]. Each input's hidden states are computed whole, so that only
        their number bounds the memory."""
        # Inputs of one length side by side, which attention takes together.
        order = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
        lengths = [len(inputs[index]) for index in order]
        token_ids = np.concatenate([np.asarray(inputs[index], np.int64) for index in order])
        hidden = self._model(torch.from_numpy(token_ids).to(self._device), lengths)
        vectors = np.empty((len(inputs), self.embedding_size), np.float32)
        vectors[order] = pool(hidden, lengths, self.pooling).cpu().numpy()
        return vectors


def pool(hidden: Tensor, lengths: Sequence[int], pooling: Pooling) -> Tensor:
    """float32 [n, H]: of each text one vector, of its hidden states in `hidden` [T, H]."""
    ends = torch.tensor(lengths, device=hidden.device).cumsum(0)
    if pooling == "last":
        return hidden[ends - 1].float()
    if pooling == "cls":
        return hidden[torch.cat((ends.new_zeros(1), ends[:-1]))].float()
    return torch.stack([text.float().mean(0) for text in hidden.split(list(lengths))])
