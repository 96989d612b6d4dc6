"""llama.cpp's own batches, through its C interface: what its server does, without a server."""

from __future__ import annotations

import os
from typing import Any

import llama_cpp
import numpy as np
import protocol


class Model:
    def __init__(self, path: str, threads: int | None, streams: int, room: int) -> None:
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            path.encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = streams * room
        params.n_seq_max = streams
        params.n_batch = params.n_ubatch = 2048
        params.n_threads = params.n_threads_batch = threads or os.cpu_count() or 1
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(vocab)
        self.batch = llama_cpp.llama_batch_init(2048, 0, 1)

    def forget(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def compute(self, tokens: list[tuple[int, int, int, bool]]) -> list[int]:
        """The most likely next token behind each (token, position, sequence, wanted) that is."""
        found: list[int] = []
        for start in range(0, len(tokens), 2048):
            part = tokens[start : start + 2048]
            self.batch.n_tokens = len(part)
            for i, (token, position, sequence, wanted) in enumerate(part):
                self.batch.token[i] = token
                self.batch.pos[i] = position
                self.batch.n_seq_id[i] = 1
                self.batch.seq_id[i][0] = sequence
                self.batch.logits[i] = wanted
            if llama_cpp.llama_decode(self.context, self.batch) != 0:
                raise RuntimeError("llama_decode failed")
            for i, (_, _, _, wanted) in enumerate(part):
                if wanted:
                    logits = llama_cpp.llama_get_logits_ith(self.context, i)
                    found.append(int(np.ctypeslib.as_array(logits, (self.vocab_size,)).argmax()))
        return found


def main() -> None:
    settings = protocol.settings()
    model = Model(settings["gguf"], settings["threads"], settings["streams"], settings["room"])

    def measure(prompts: list[list[int]], output_tokens: int) -> dict[str, Any]:
        model.forget()
        marks = protocol.Marks()
        last = model.compute(
            [
                (token, position, sequence, position == len(prompt) - 1)
                for sequence, prompt in enumerate(prompts)
                for position, token in enumerate(prompt)
            ]
        )
        marks.step()
        for done in range(output_tokens - 1):
            last = model.compute(
                [
                    (token, len(prompts[sequence]) + done, sequence, True)
                    for sequence, token in enumerate(last)
                ]
            )
            marks.step()
        return marks.result(len(prompts) * output_tokens)

    protocol.serve({"llama-cpp-python": llama_cpp.__version__}, measure)


main()
