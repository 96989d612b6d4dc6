"""The official client, a gateway and an embedding worker together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openai
import pytest
from aiohttp.test_utils import TestClient, TestServer
from tiny_encoder import SIZE, save_tiny_encoder
from worker_harness import running, tiny_config

from rostra.gateway.app import create_app
from rostra.gateway.settings import GatewaySettings


async def test_the_official_client_through_the_gateway(tmp_path: Path):
    save_tiny_encoder(tmp_path)
    async with running(tiny_config(tmp_path, num_blocks=None)) as service:
        app = create_app(GatewaySettings(workers=(service.address,)))
        async with (
            TestClient(TestServer(app)) as gateway,
            openai.AsyncOpenAI(
                base_url=str(gateway.make_url("/v1")), api_key="none", max_retries=0
            ) as client,
        ):
            texts = ["the quick fox", "a lazy dog jumps", "The  quick FOX"]
            answer = await client.embeddings.create(model="small", input=texts)
            vectors = np.array([entry.embedding for entry in answer.data])
            assert vectors.shape == (3, SIZE)
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
            np.testing.assert_array_equal(vectors[0], vectors[2])
            assert answer.usage.prompt_tokens == 5 + 7 + 5
            cut = await client.embeddings.create(
                model="tiny", input=[2, 4, 5, 7, 3], dimensions=8, encoding_format="float"
            )
            half = vectors[0, :8] / np.linalg.norm(vectors[0, :8])
            np.testing.assert_allclose(cut.data[0].embedding, half, atol=1e-6)
            with pytest.raises(openai.BadRequestError) as long:
                await client.embeddings.create(model="tiny", input=["fox", "dog " * 100])
            assert (long.value.code, long.value.param) == ("context_length_exceeded", "input[1]")
            with pytest.raises(openai.BadRequestError, match="makes embeddings and generates no"):
                await client.completions.create(model="tiny", prompt="the")
