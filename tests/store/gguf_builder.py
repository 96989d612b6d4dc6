"""Writes tiny GGUF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

HIDDEN, HEADS, KV_HEADS, INNER, LAYERS = 64, 4, 2, 96, 2
BYTE_LEVEL_TOKENS = ["<|im_start|>", "<|im_end|>", *"Ġabcdefghilmnoprstuw0123456789", "ab", "Ġa"]
SENTENCEPIECE_TOKENS = [
    *("<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))),
    *("▁a", "ab", "▁ab", "▁", "a", "b"),
]


class GgufBuilder:
    """A tiny Llama, with keys and tensors to change before `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.architecture = "llama"
        self.quantization = gguf.GGMLQuantizationType.F32
        self.keys: dict[str, Any] = {
            "llama.block_count": LAYERS,
            "llama.context_length": 128,
            "llama.embedding_length": HIDDEN,
            "llama.feed_forward_length": INNER,
            "llama.attention.head_count": HEADS,
            "llama.attention.head_count_kv": KV_HEADS,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "llama.rope.freq_base": 10000.0,
            "tokenizer.ggml.bos_token_id": 0,
            "tokenizer.ggml.eos_token_id": 1,
        }
        self.set_vocabulary("gpt2", BYTE_LEVEL_TOKENS, specials=2)
        self.keys["tokenizer.ggml.pre"] = "smollm"
        self.keys["tokenizer.ggml.merges"] = ["a b", "Ġ a"]
        self.tensors = self._tensors()

    def set_vocabulary(self, kind: str, tokens: list[str], specials: int) -> None:
        self.keys["tokenizer.ggml.model"] = kind
        self.keys["tokenizer.ggml.tokens"] = tokens
        control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
        self.keys["tokenizer.ggml.token_type"] = [
            int(control if index < specials else normal) for index in range(len(tokens))
        ]

    def write(self) -> Path:
        writer = gguf.GGUFWriter(self.path, self.architecture)
        for key, value in self.keys.items():
            match value:
                case None:
                    pass
                case bool():
                    writer.add_bool(key, value)
                case int():
                    writer.add_uint32(key, value)
                case float():
                    writer.add_float32(key, value)
                case str():
                    writer.add_string(key, value)
                case list():
                    writer.add_array(key, value)
        for name, values in self.tensors.items():
            if values.ndim == 2 and self.quantization != gguf.GGMLQuantizationType.F32:
                data = gguf.quants.quantize(values, self.quantization)
                writer.add_tensor(name, data, raw_dtype=self.quantization)
            else:
                writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return self.path

    def _tensors(self) -> dict[str, np.ndarray]:
        random = np.random.default_rng(7)
        head_dim = HIDDEN // HEADS

        def matrix(rows: int, columns: int) -> np.ndarray:
            return random.standard_normal((rows, columns), dtype=np.float32)

        tensors = {"token_embd.weight": matrix(len(BYTE_LEVEL_TOKENS), HIDDEN)}
        for block in range(LAYERS):
            tensors |= {
                f"blk.{block}.attn_norm.weight": np.ones(HIDDEN, np.float32),
                f"blk.{block}.attn_q.weight": matrix(HEADS * head_dim, HIDDEN),
                f"blk.{block}.attn_k.weight": matrix(KV_HEADS * head_dim, HIDDEN),
                f"blk.{block}.attn_v.weight": matrix(KV_HEADS * head_dim, HIDDEN),
                f"blk.{block}.attn_output.weight": matrix(HIDDEN, HEADS * head_dim),
                f"blk.{block}.ffn_norm.weight": np.ones(HIDDEN, np.float32),
                f"blk.{block}.ffn_gate.weight": matrix(INNER, HIDDEN),
                f"blk.{block}.ffn_up.weight": matrix(INNER, HIDDEN),
                f"blk.{block}.ffn_down.weight": matrix(HIDDEN, INNER),
            }
        return tensors | {"output_norm.weight": np.ones(HIDDEN, np.float32)}
