"""Every field out of its range is refused by name, and nothing else is."""

from __future__ import annotations

import grpc
import pytest
from tiny_model import MAX_MODEL_LEN
from worker_harness import ENDLESS, Service, chat, collect, generate, message, refused

from rostra.v1 import chat_pb2, control_pb2, inference_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAN = float("nan")
VOCAB = 320

OUT_OF_RANGE = [
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", NAN),
    ("top_p", 0.0),
    ("top_p", 1.1),
    ("top_p", NAN),
    ("min_p", -0.1),
    ("min_p", 1.1),
    ("presence_penalty", -2.1),
    ("presence_penalty", 2.1),
    ("frequency_penalty", -2.1),
    ("frequency_penalty", 2.1),
    ("repetition_penalty", 0.0),
    ("repetition_penalty", 2.1),
    ("n", 0),
    ("n", 129),
    ("max_tokens", 0),
    ("logprobs", 21),
    ("prompt_logprobs", 21),
    ("stop", ["x"] * 17),
]

AT_THE_EDGE = [
    {"temperature": 0.0},
    {"temperature": 2.0},
    {"top_p": 1.0, "top_k": 1, "min_p": 1.0},
    {"presence_penalty": -2.0, "frequency_penalty": 2.0, "repetition_penalty": 2.0},
    {"logit_bias": {VOCAB - 1: 100.0, 0: -100.0}},
    {"stop_token_ids": [VOCAB - 1]},
    {"logprobs": 20, "prompt_logprobs": 0},
    {"seed": 2**64 - 1},
    {"stop": ["x" * 5] * 16},
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
async def test_sampling_out_of_range(service: Service, name: str, value: object):
    refusal = await refused(service.inference.Generate(generate(**{name: value})))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "invalid_value"
    assert refusal.violations == {f"sampling.{name}": "invalid_value"}
    assert f"sampling.{name}" in refusal.message


@pytest.mark.parametrize("settings", AT_THE_EDGE)
async def test_sampling_at_the_edge_of_its_range(service: Service, settings: dict):
    got = await collect(service.inference.Generate(generate(max_tokens=2, **settings)))
    assert got.usage.completion_tokens in (1, 2)


def text_part(text: str) -> chat_pb2.ContentPart:
    return chat_pb2.ContentPart(text=text)


USER = message("hi")
CALL = chat_pb2.ToolCall(id="1", name="f", arguments="{}")
REFUSED_CHATS = {
    "messages": chat_pb2.ChatRequest(),
    "messages[0].role": chat(chat_pb2.ChatMessage(content=[text_part("hi")])),
    "messages[1].content[0]": chat(
        USER, chat_pb2.ChatMessage(role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart()])
    ),
    "messages[0].tool_calls": chat(message("hi", tool_calls=[CALL])),
    "messages[0].reasoning": chat(message("hi", reasoning="hm")),
    "messages[0].tool_call_id": chat(message("hi", tool_call_id="1")),
    "messages[1].tool_call_id": chat(USER, message("4", chat_pb2.ROLE_TOOL)),
    "template_variables[x]": chat(template_variables={"x": "{"}),
    "template_variables[deep]": chat(template_variables={"deep": "[" * 100_000}),
    "continue_final_message": chat(continue_final_message=True, add_generation_prompt=True),
    "sampling.prompt_logprobs": chat(prompt_logprobs=1),
    "request_id": chat(request_id=""),
    "sampling.min_tokens": chat(min_tokens=5, max_tokens=4),
    "sampling.stop[1]": chat(stop=["a", ""]),
    "sampling.stop_token_ids[1]": chat(stop_token_ids=[1, VOCAB]),
    f"sampling.logit_bias[{VOCAB}]": chat(logit_bias={VOCAB: 1.0}),
    "sampling.logit_bias[7]": chat(logit_bias={7: 100.5}),
}


@pytest.mark.parametrize("field", REFUSED_CHATS)
async def test_invalid_chats(service: Service, field: str):
    refusal = await refused(service.inference.Chat(REFUSED_CHATS[field]))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "invalid_value"
    assert refusal.violations == {field: "invalid_value"}


IMAGE = chat_pb2.ContentPart(image=chat_pb2.ImagePart(data=b"x", media_type="image/png"))
UNSUPPORTED_CHATS = {
    "messages[0].content[0].image": chat(
        chat_pb2.ChatMessage(role=chat_pb2.ROLE_USER, content=[IMAGE])
    ),
}


@pytest.mark.parametrize("field", UNSUPPORTED_CHATS)
async def test_unsupported_chats(service: Service, field: str):
    refusal = await refused(service.inference.Chat(UNSUPPORTED_CHATS[field]))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "unsupported_value"
    assert refusal.violations == {field: "unsupported_value"}


async def test_tool_choice_none_asks_for_nothing(service: Service):
    choice = chat_pb2.ToolChoice(mode=chat_pb2.ToolChoice.MODE_NONE)
    await collect(service.inference.Chat(chat(tool_choice=choice, max_tokens=1)))


async def test_what_the_template_refuses_is_the_callers_mistake(service: Service):
    request = chat(message("hi", name="nobody"))
    refusal = await refused(service.inference.Chat(request))
    assert refusal.violations == {"messages": "invalid_value"}
    assert "nobody spoke" in refusal.message


REFUSED_GENERATES = {
    "prompt": inference_pb2.GenerateRequest(),
    "text": generate(""),
    "tokens": generate(tokens=inference_pb2.TokenIds()),
    "tokens.ids[2]": generate(tokens=inference_pb2.TokenIds(ids=[1, 2, VOCAB])),
}


@pytest.mark.parametrize("field", REFUSED_GENERATES)
async def test_invalid_prompts(service: Service, field: str):
    refusal = await refused(service.inference.Generate(REFUSED_GENERATES[field]))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violations == {field: "invalid_value"}


async def test_one_answer_names_every_mistake(service: Service):
    request = generate("", temperature=5.0, top_p=3.0)
    request.structured_output.SetInParent()
    refusal = await refused(service.inference.Generate(request))
    assert refusal.reason == "invalid_value"
    assert refusal.violations == {
        "text": "invalid_value",
        "sampling.temperature": "invalid_value",
        "sampling.top_p": "invalid_value",
        "structured_output": "invalid_value",
    }


async def test_a_thousand_mistakes_still_fit_into_a_status(service: Service):
    request = chat(*[message("😀" * 99, reasoning="no") for _ in range(1000)])
    request.template_variables["😀" * 4000] = "{"
    request.model = "😀" * 4000
    refusal = await refused(service.inference.Chat(request))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    request.model = ""
    refusal = await refused(service.inference.Chat(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "997 more" in refusal.message


@pytest.mark.parametrize(
    ("prompt_tokens", "max_tokens", "field"),
    [
        (MAX_MODEL_LEN, None, "tokens"),
        (MAX_MODEL_LEN + 1, None, "tokens"),
        (MAX_MODEL_LEN - 4, 5, "sampling.max_tokens"),
        (10, 2**32 - 1, "sampling.max_tokens"),
    ],
)
async def test_more_than_the_context_holds(service: Service, prompt_tokens, max_tokens, field):
    request = generate(tokens=inference_pb2.TokenIds(ids=[7] * prompt_tokens))
    if max_tokens is not None:
        request.sampling.max_tokens = max_tokens
    refusal = await refused(service.inference.Generate(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "context_length_exceeded"
    assert refusal.metadata == {
        "prompt_tokens": str(prompt_tokens),
        "max_tokens": str(max_tokens or 1),
        "max_model_len": str(MAX_MODEL_LEN),
    }
    assert list(refusal.violations) == [field]


async def test_exactly_what_the_context_holds(service: Service):
    ids = inference_pb2.TokenIds(ids=[7] * (MAX_MODEL_LEN - 2))
    got = await collect(service.inference.Generate(generate(tokens=ids, max_tokens=2, **ENDLESS)))
    assert got.usage.completion_tokens == 2


@pytest.mark.parametrize("name", ["", "tiny", "small", "smaller"])
async def test_the_model_answers_to_all_its_names(service: Service, name: str):
    await collect(service.inference.Generate(generate(model=name, max_tokens=1)))


async def test_another_model_is_not_found(service: Service):
    calls = [
        service.inference.Generate(generate(model="huge")),
        service.inference.Chat(chat(model="huge")),
        service.inference.Tokenize(inference_pb2.TokenizeRequest(model="huge", text="x")),
        service.inference.Tokenize(inference_pb2.TokenizeRequest(chat=chat(model="huge"))),
        service.inference.Detokenize(inference_pb2.DetokenizeRequest(model="huge")),
        service.control.GetModelInfo(control_pb2.GetModelInfoRequest(model="huge")),
    ]
    for call in calls:
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert (refusal.reason, refusal.metadata) == ("model_not_found", {"model": "huge"})
