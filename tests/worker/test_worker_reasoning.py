"""Reasoning over gRPC, of a model whose template may open it."""

from __future__ import annotations

import json
import shutil

import pytest
import pytest_asyncio
import tokenizers
from worker_harness import Service, chat, collect, message, refused, running, tiny_config

from rostra.mesh.text import Tokenizer
from rostra.v1 import chat_pb2, control_pb2, inference_pb2, sampling_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% elif opened is defined %}<think>\n{% endif %}{% endif %}"
)
OPENED = {"opened": "true"}
CONST = sampling_pb2.StructuredOutput(json_schema='{"const": {"answer": 4}}')


@pytest.fixture(scope="module", params=[False, True], ids=["text", "special"])
def reasoning_model(request, tiny_model, tmp_path_factory):
    """The tiny model with tokens for the markers, which are special or not."""
    path = tmp_path_factory.mktemp("reasoning") / "model"
    shutil.copytree(tiny_model, path)
    backend = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
    markers = [
        tokenizers.AddedToken(text, special=request.param) for text in ("<think>", "</think>")
    ]
    (backend.add_special_tokens if request.param else backend.add_tokens)(markers)
    backend.save(str(path / "tokenizer.json"))
    (path / "chat_template.jinja").write_text(TEMPLATE)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thinker(reasoning_model):
    async with running(tiny_config(reasoning_model)) as service:
        yield service


@pytest.fixture(scope="module")
def end_marker(reasoning_model) -> int:
    found = Tokenizer.load(reasoning_model).token_id("</think>")
    assert found is not None
    return found


async def test_it_is_seen_in_the_model(thinker: Service):
    reply = await thinker.control.GetModelInfo(control_pb2.GetModelInfoRequest())
    assert reply.models[0].reasoning_parser == "think"


async def test_what_the_prompt_opened_is_reasoning(thinker: Service):
    request = chat(template_variables=OPENED, max_tokens=8, ignore_eos=True, seed=3)
    got = await collect(thinker.inference.Chat(request))
    assert got.reasonings[0]
    assert got.texts[0] == ""
    assert got.usage.reasoning_tokens == got.usage.completion_tokens == 8


async def test_without_it_text_is_content(thinker: Service):
    request = chat(max_tokens=8, ignore_eos=True, seed=3)
    got = await collect(thinker.inference.Chat(request))
    assert got.texts[0]
    assert got.reasonings[0] == ""
    assert got.usage.reasoning_tokens == 0


@pytest.mark.parametrize("n", [1, 2])
async def test_reasoning_comes_first_and_then_what_the_format_asks_for(
    thinker: Service, end_marker: int, n: int
):
    request = chat(
        template_variables=OPENED,
        structured_output=CONST,
        temperature=1.0,
        seed=1,
        n=n,
        logit_bias={end_marker: 12.0},
        logprobs=0,
        max_tokens=200,
    )
    got = await collect(thinker.inference.Chat(request), n)
    for index in range(n):
        assert got.reason(index) == "STOP"
        assert json.loads(got.texts[index]) == {"answer": 4}
        assert "</think>" not in got.texts[index] + got.reasonings[index]
    assert sum(len(tokens) for tokens in got.tokens.values()) == got.usage.completion_tokens
    assert n <= got.usage.reasoning_tokens < got.usage.completion_tokens


async def test_a_model_that_need_not_reason_may_answer_at_once(thinker: Service):
    request = chat(structured_output=CONST, temperature=0.0, max_tokens=200)
    got = await collect(thinker.inference.Chat(request))
    assert got.reason() == "STOP"
    assert json.loads(got.texts[0]) == {"answer": 4}


async def test_a_call_that_must_be_made_comes_after_the_reasoning(
    thinker: Service, end_marker: int
):
    request = chat(
        tools=[chat_pb2.Tool(name="f")],
        tool_choice=chat_pb2.ToolChoice(mode=chat_pb2.ToolChoice.MODE_REQUIRED),
        parallel_tool_calls=False,
        template_variables=OPENED,
        temperature=1.0,
        seed=1,
        logit_bias={end_marker: 12.0},
        max_tokens=200,
    )
    got = await collect(thinker.inference.Chat(request))
    assert got.reason() == "TOOL_CALLS"
    assert [name for name, _ in got.calls[0]] == ["f"]


async def prompt_of(service: Service, request: chat_pb2.ChatRequest) -> str:
    reply = await service.inference.Tokenize(inference_pb2.TokenizeRequest(chat=request))
    return b"".join(token.raw for token in reply.tokens).decode()


async def test_no_effort_turns_it_off_where_the_template_can(thinker: Service):
    request = chat(template_variables={"reasoning_effort": '"none"'})
    assert (await prompt_of(thinker, request)).endswith("<think>\n\n</think>\n\n")


async def test_other_efforts_and_names_are_refused_where_the_template_reads_none(thinker: Service):
    request = chat(template_variables={"reasoning_effort": '"high"', "nonsense": "1"})
    expected = {
        "template_variables[nonsense]": "unsupported_value",
        "template_variables[reasoning_effort]": "unsupported_value",
    }
    assert (await refused(thinker.inference.Chat(request))).violations == expected
    asked = inference_pb2.TokenizeRequest(chat=request)
    refusal = await refused(thinker.inference.Tokenize(asked))
    assert refusal.violations == {f"chat.{field}": why for field, why in expected.items()}


@pytest.mark.parametrize(
    "variables",
    [{"reasoning_effort": '"none"'}, {"enable_thinking": "false"}, {"thinking": "false"}],
)
async def test_no_reasoning_asks_nothing_of_a_model_without(service: Service, variables):
    request = chat(template_variables=variables, max_tokens=1)
    plain = await collect(service.inference.Chat(chat(max_tokens=1)))
    assert (await collect(service.inference.Chat(request))).prompt_tokens == plain.prompt_tokens


async def test_reasoning_that_is_continued_is_still_reasoning(thinker: Service):
    for begun, is_reasoning in (("<think>Well,", True), ("<think>Well</think>So", False)):
        request = chat(
            message("the fox"),
            message(begun, chat_pb2.ROLE_ASSISTANT),
            continue_final_message=True,
            max_tokens=8,
            ignore_eos=True,
            seed=3,
        )
        got = await collect(thinker.inference.Chat(request))
        assert bool(got.reasonings[0]) == is_reasoning
        assert bool(got.texts[0]) != is_reasoning
