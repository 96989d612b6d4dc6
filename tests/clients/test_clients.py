"""The clients in other languages against real workers."""

from __future__ import annotations

import json
import re

import grpc
import pytest

from rostra.v1 import chat_pb2, control_pb2, control_pb2_grpc, inference_pb2_grpc

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PROMPT = "the quick brown fox"


@pytest.fixture
def channel(workers):
    with grpc.insecure_channel(workers.chat) as made:
        yield made


@pytest.fixture
def load(channel):
    stub = control_pb2_grpc.ControlStub(channel)
    return lambda: stub.GetLoad(control_pb2.GetLoadRequest(), timeout=20)


def run(client, workers, command, *options):
    done = client.run(
        command, "--address", workers.chat, "--embed-address", workers.embed, *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


def python_answer(channel):
    """What this project's own stubs are told for the same chat."""
    request = chat_pb2.ChatRequest(
        messages=[
            chat_pb2.ChatMessage(
                role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart(text=PROMPT)]
            )
        ]
    )
    request.sampling.temperature = 0
    request.sampling.max_tokens = 64
    parts = list(inference_pb2_grpc.InferenceStub(channel).Chat(request, timeout=60))
    return "".join(part.delta.content for part in parts), parts[-1].usage


def test_a_chat_streams_what_python_is_told(client, workers, channel):
    printed = run(client, workers, "chat", "--prompt", PROMPT)
    answer, usage = python_answer(channel)
    assert f"answer     {answer}\n" in printed
    assert f"usage      {usage.prompt_tokens} + {usage.completion_tokens} tokens" in printed
    assert re.search(r"request    \w+", printed)


def test_a_tool_is_called_and_its_result_is_read(client, workers):
    printed = run(client, workers, "tools")
    assert re.findall(r"FINISH_REASON_\w+", printed)[0] == "FINISH_REASON_TOOL_CALLS"
    called = re.search(r"^call       get_temperature (\{.*?\})$", printed, re.MULTILINE | re.DOTALL)
    assert called
    assert json.loads(called[1])["city"] in {"Paris", "Rome"}
    assert len(re.findall("^request", printed, re.MULTILINE)) == 2


def test_a_cancelled_chat_ends_in_the_worker(client, workers, load):
    before = load()
    printed = run(client, workers, "cancel")
    assert "1 running; cancelled after 3 deltas" in printed
    assert "CANCELLED" in printed
    after = load()
    assert after.running_requests == after.waiting_requests == after.kv_blocks_used == 0
    # A context of 4,096 tokens would have been filled.
    assert 0 < after.generated_tokens - before.generated_tokens < 2048


def test_a_deadline_ends_in_the_worker(client, workers, load):
    assert "DEADLINE_EXCEEDED" in run(client, workers, "deadline")
    after = load()
    assert after.running_requests == after.waiting_requests == 0


def test_errors_are_read_with_their_details(client, workers):
    printed = run(client, workers, "errors")
    reasons = re.findall(r"^  reason +(\w+)$", printed, re.MULTILINE)
    assert reasons == [
        "invalid_value",
        "context_length_exceeded",
        "model_not_found",
        "unimplemented",
    ]
    assert "field      sampling.temperature: must be in [0, 2], got 9" in printed
    assert re.search(r"max_model_len\W+4096", printed)
    assert re.search(r"model\W+no-such-model", printed)


def test_health(client, workers):
    printed = run(client, workers, "health")
    assert re.findall(r"SERVING|NOT_FOUND", printed) == ["SERVING"] * 3 + ["NOT_FOUND", "SERVING"]


def test_embeddings(client, workers):
    printed = run(client, workers, "embed")
    assert re.findall(r"vectors    (\d+) of (\d+)", printed) == [("3", "32"), ("3", "16")]


def test_all_runs_every_command(client, workers):
    printed = run(client, workers, "all")
    names = re.findall(r"^--- (\w+)$", printed, re.MULTILINE)
    assert names == ["chat", "tools", "cancel", "deadline", "errors", "health", "embed"]


@pytest.mark.parametrize("command", ["chat", "tools", "cancel", "deadline", "errors"])
def test_a_surprise_is_an_error(client, workers, command):
    done = client.run(command, "--address", workers.embed)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{command}: ")
    assert "UNIMPLEMENTED" in done.stdout + done.stderr


def test_vectors_of_a_generative_model_are_a_surprise(client, workers):
    done = client.run("embed", "--embed-address", workers.chat)
    assert done.returncode == 1
    assert "the model tiny makes no embeddings" in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("dance",), ("chat", "--adress", "x"), ("chat", "--model"), ("embed",)]
)
def test_a_wrong_command_line(client, arguments):
    done = client.run(*arguments)
    assert done.returncode == 2
    assert done.stderr
