"""What standard tools and operators see: health, reflection, Control, tokens, the log."""

from __future__ import annotations

import json
import logging

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tiny_model import MAX_MODEL_LEN
from worker_harness import ENDLESS, Service, chat, collect, generate, refused

from rostra.mesh.text import Tokenizer
from rostra.v1 import control_pb2, inference_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("name", ["", "rostra.v1.Inference", "rostra.v1.Control"])
async def test_health_by_service(service: Service, name: str):
    assert await service.serving(name)


async def test_health_of_an_unknown_service(service: Service):
    refusal = await refused(service.health.Check(health_pb2.HealthCheckRequest(service="x")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


async def test_a_generic_client_finds_services_and_calls_one(service: Service):
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)

    async def ask(**question):
        request = reflection_pb2.ServerReflectionRequest(**question)
        return await anext(aiter(stub.ServerReflectionInfo(iter([request]))))

    listed = await ask(list_services="")
    names = {each.name for each in listed.list_services_response.service}
    assert {"rostra.v1.Inference", "rostra.v1.Control", "grpc.health.v1.Health"} <= names
    found = await ask(file_containing_symbol="rostra.v1.Inference")
    file = descriptor_pb2.FileDescriptorProto.FromString(
        found.file_descriptor_response.file_descriptor_proto[0]
    )
    methods = {method.name for each in file.service for method in each.method}
    assert methods == {"Chat", "Generate", "Bundle", "Embed", "Tokenize", "Detokenize"}
    call = service.channel.unary_unary("/rostra.v1.Control/GetLoad")
    assert control_pb2.GetLoadResponse.FromString(await call(b"")).kv_blocks_total == 1024


async def test_progress_was_told_while_weights_loaded(service: Service):
    done = [each for each, _ in service.progress]
    totals = {total for _, total in service.progress}
    assert len(totals) == 1
    assert done == sorted(done)
    assert done[-1] == totals.pop()


async def test_server_info(service: Service):
    info = await service.control.GetServerInfo(control_pb2.GetServerInfoRequest())
    again = await service.control.GetServerInfo(control_pb2.GetServerInfoRequest())
    assert info == again
    assert (info.device, info.dtype, info.tensor_parallel_size) == ("cpu", "float32", 1)
    assert info.instance_id
    assert info.version
    assert info.device_name
    assert info.started_at.seconds > 0


async def test_model_info(service: Service):
    for name in ("", "tiny", "small"):
        reply = await service.control.GetModelInfo(control_pb2.GetModelInfoRequest(model=name))
        assert reply.models == [
            control_pb2.ModelInfo(
                name="tiny",
                architecture="LlamaForCausalLM",
                revision="0123abcd",
                max_model_len=MAX_MODEL_LEN,
                vocab_size=320,
                has_chat_template=True,
                eos_token_ids=[2],
                aliases=["small", "smaller"],
                tool_parser="json",
                resumes=True,
            )
        ]


async def test_load_counts_what_was_done(service: Service):
    before = await service.load()
    got = await collect(service.inference.Generate(generate(n=2, max_tokens=5, **ENDLESS)), 2)
    after = await service.load()
    assert after.finished_requests - before.finished_requests == 2
    assert after.generated_tokens - before.generated_tokens == got.usage.completion_tokens == 10
    assert not after.draining


async def test_what_is_not_there_says_so(service: Service):
    refusal = await refused(service.control.UnloadAdapter(control_pb2.UnloadAdapterRequest()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "unimplemented")
    assert refusal.message


async def test_a_generative_model_makes_no_embeddings(service: Service):
    request = inference_pb2.EmbedRequest(inputs=[inference_pb2.EmbedInput(text="x")])
    refusal = await refused(service.inference.Embed(request))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("text", ["the quick fox", "naïve 😀", "", "fox " * 5000])
async def test_tokens_there_and_back(service: Service, tiny_model, text: str):
    reply = await service.inference.Tokenize(inference_pb2.TokenizeRequest(text=text))
    ids = [token.id for token in reply.tokens]
    assert ids == Tokenizer.load(tiny_model).encode(text)
    assert b"".join(token.raw for token in reply.tokens) == text.encode()
    assert not any(token.HasField("logprob") for token in reply.tokens)
    assert reply.max_model_len == MAX_MODEL_LEN
    back = await service.inference.Detokenize(inference_pb2.DetokenizeRequest(ids=ids))
    assert back.text == text


async def test_a_conversation_has_the_tokens_that_chat_uses(service: Service):
    request = chat(max_tokens=1)
    reply = await service.inference.Tokenize(inference_pb2.TokenizeRequest(chat=request))
    got = await collect(service.inference.Chat(request))
    assert len(reply.tokens) == got.prompt_tokens


async def test_special_tokens_can_be_left_out(service: Service):
    request = inference_pb2.DetokenizeRequest(ids=[1, 50, 2])
    assert (await service.inference.Detokenize(request)).text.startswith("<|im_start|>")
    request.skip_special_tokens = True
    assert len((await service.inference.Detokenize(request)).text) == 1


async def test_wrong_token_requests(service: Service):
    inference = service.inference
    tokenize = inference_pb2.TokenizeRequest
    cases = {
        "input": inference.Tokenize(tokenize()),
        "chat.messages": inference.Tokenize(tokenize(chat=chat_without_messages())),
        "add_special_tokens": inference.Tokenize(tokenize(chat=chat(), add_special_tokens=True)),
        "ids[1]": inference.Detokenize(inference_pb2.DetokenizeRequest(ids=[1, 320])),
    }
    for field, call in cases.items():
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert list(refusal.violations) == [field]


def chat_without_messages():
    request = chat()
    request.ClearField("messages")
    return request


async def test_each_request_leaves_one_line_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with caplog.at_level(logging.INFO, "rostra.requests"):
        request = chat(request_id="logged", max_tokens=4, **ENDLESS)
        got = await collect(service.inference.Chat(request, metadata=(("traceparent", trace),)))
        await refused(service.inference.Generate(generate(n=0, request_id="wrong\n{")))
        metadata = (("traceparent", "00-forged"),)
        await collect(service.inference.Generate(generate(max_tokens=1), metadata=metadata))
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    done, wrong, untraced = lines
    assert (done["request_id"], done["method"], done["status"]) == ("logged", "Chat", "OK")
    assert (done["trace_id"], done["finishes"]) == (trace[3:35], ["FINISH_REASON_LENGTH"])
    assert (done["prompt_tokens"], done["completion_tokens"]) == (got.prompt_tokens, 4)
    assert 0 < done["first_token_seconds"] <= done["seconds"]
    assert (wrong["request_id"], wrong["status"]) == ("wrong\n{", "INVALID_ARGUMENT")
    assert wrong["first_token_seconds"] is None
    assert wrong["error"] == "invalid_value"
    assert untraced["trace_id"] is None
