"""LangChain's ChatOpenAI, unmodified, against the real processes."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ConfigDict, Field

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

QUESTION = "What is the capital of France?"


class City(BaseModel):
    """A city."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=20)
    inhabitants: int = Field(ge=0, le=100_000_000)


@tool
def temperature_in(city: str) -> str:
    """The temperature in a city now."""
    return f"21 degrees in {city}"


@pytest.fixture(scope="module")
def chat(up) -> ChatOpenAI:
    return ChatOpenAI(
        model="smollm2-135m-instruct",
        base_url=f"{up.api}/v1",
        api_key="none",
        temperature=0,
        max_tokens=200,
        max_retries=0,
    )


def test_it_answers_and_streams_the_same(chat):
    whole = chat.invoke(QUESTION)
    assert "Paris" in whole.content
    assert whole.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.content for chunk in chat.stream(QUESTION)) == whole.content


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat, method):
    city = chat.with_structured_output(City, method=method).invoke("Describe Paris.")
    assert isinstance(city, City)


def test_a_loop_of_tool_calls(chat):
    history = [HumanMessage("How warm is it in Paris?")]
    called = chat.bind_tools([temperature_in], tool_choice="any").invoke(history)
    (call,) = called.tool_calls
    assert call["name"] == "temperature_in"
    result = ToolMessage(temperature_in.invoke(call["args"]), tool_call_id=call["id"])
    answer = chat.invoke([*history, called, result])
    assert answer.content
