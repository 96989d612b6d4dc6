"""Conversations with tools, for templates of every kind."""

from __future__ import annotations

import json

import pytest
from chat_templates import CHATML, DEEPSEEK, HERMES, LLAMA, MISTRAL, PARTS, QWEN

from rostra.mesh.parsers import (
    TOOL_FORMATS,
    choose_reasoning_format,
    choose_tool_format,
)
from rostra.mesh.text import ChatTemplate
from rostra.mesh.worker.fitting import fit_messages

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def call(call_id: str, city: str) -> dict:
    arguments = json.dumps({"city": city})
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": "get_weather", "arguments": arguments},
    }


def result(call_id: str, content: str) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


USER = {"role": "user", "content": "How is the weather?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLS = {
    "role": "assistant",
    "content": "",
    "tool_calls": [call("call_1", "Paris"), call("call_2", "Rome")],
}
HISTORY = [USER, CALLS, result("call_2", "sun in Rome"), result("call_1", "rain in Paris")]
BY_NAME = {
    "chatml": (CHATML, "json", None),
    "qwen": (QWEN, "hermes", "think"),
    "llama": (LLAMA, "llama3_json", None),
    "mistral": (MISTRAL, "mistral", None),
    "deepseek": (DEEPSEEK, "deepseek_v31", "think"),
    "hermes": (HERMES, "hermes", None),
    "parts": (PARTS, "json", None),
}


def template(name: str) -> ChatTemplate:
    return ChatTemplate(BY_NAME[name][0], {"bos_token": "<s>", "eos_token": "</s>"})


def render(name: str, messages, *, tools=(TOOL,), **options) -> str:
    source = template(name)
    tool_format = TOOL_FORMATS[BY_NAME[name][1]]
    fitted = fit_messages(messages, tools, source, tool_format)
    return source.render(fitted, tools=tools if source.traits.shows_tools else None, **options)


@pytest.mark.parametrize("name", BY_NAME)
def test_formats_are_found_in_templates(name):
    source, tools, reasoning = BY_NAME[name]
    found = choose_reasoning_format("auto", source, lambda text: False)
    assert choose_tool_format("auto", source, lambda text: False).name == tools
    assert (found and found.name) == reasoning


@pytest.mark.parametrize(
    ("token", "tools", "reasoning"),
    [
        ("<tool_call>", "hermes", None),
        ("[TOOL_CALLS]", "mistral", None),
        ("[ARGS]", "mistral_args", None),
        ("<|python_tag|>", "llama3_json", None),
        ("<｜tool▁call▁begin｜>", "deepseek_v31", None),
        ("</think>", "json", "think"),
        ("[/THINK]", "json", "mistral"),
    ],
)
def test_formats_are_found_in_vocabularies(token, tools, reasoning):
    assert choose_tool_format("auto", "", token.__eq__).name == tools
    found = choose_reasoning_format("auto", "", token.__eq__)
    assert (found and found.name) == reasoning


def test_what_is_chosen_by_hand_wins():
    assert choose_tool_format("off", QWEN, lambda text: True) is None
    assert choose_tool_format("pythonic", QWEN, lambda text: True).name == "pythonic"
    assert choose_reasoning_format("off", QWEN, lambda text: True) is None
    assert choose_reasoning_format("mistral", QWEN, lambda text: True).name == "mistral"


@pytest.mark.parametrize("name", BY_NAME)
def test_everything_is_told_once(name):
    """Tools, both calls, both results and all that was said."""
    prompt = render(name, HISTORY)
    assert prompt.count("The weather.") == 1
    for text in ("How is the weather?", '"Paris"', '"Rome"', "rain in Paris", "sun in Rome"):
        assert prompt.count(text.replace('"', "")) >= 1, text
    assert prompt.count("sun in Rome") == prompt.count("rain in Paris") == 1


@pytest.mark.parametrize("name", ["qwen", "llama", "mistral", "hermes"])
def test_templates_that_know_tools_are_given_them_and_no_more(name):
    source = template(name)
    messages = [USER]
    assert fit_messages(messages, [TOOL], source, TOOL_FORMATS[BY_NAME[name][1]]) == messages


def test_others_are_told_of_tools_in_the_system_message():
    prompt = render("chatml", [SYSTEM, USER])
    system, user = prompt.split("<|im_start|>user")
    assert system.startswith("<|im_start|>system\nBe brief.\n\nYou can call these functions.")
    assert '"city"' in system
    assert "How is the weather?" in user
    assert render("chatml", [USER]).startswith("<|im_start|>system\nYou can call")
    assert render("chatml", [SYSTEM, USER], tools=()) == template("chatml").render([SYSTEM, USER])


def test_or_in_the_first_words_of_the_user():
    prompt = render("parts", [USER])
    assert prompt.startswith("<user>You can call these functions.")
    assert prompt.endswith("How is the weather?")


def test_results_are_words_of_the_user_where_the_role_is_not_known():
    prompt = render("chatml", [*HISTORY, {"role": "user", "content": "And so?"}])
    last = prompt.split("<|im_start|>user\n")[-1]
    assert last.startswith(
        "Result of get_weather:\nsun in Rome\n\nResult of get_weather:\nrain in Paris\n\nAnd so?"
    )
    assert "<|im_start|>tool" not in prompt
    calls = prompt.split("<|im_start|>assistant\n")[1]
    assert calls.startswith('{"name": "get_weather", "arguments": {"city": "Paris"}}\n')


def test_several_calls_become_turns_of_one_with_their_results():
    prompt = render("llama", HISTORY)
    texts = ['"Paris"', "rain in Paris", '"Rome"', "sun in Rome"]
    assert sorted(texts, key=prompt.index) == texts


def test_ids_become_as_short_as_the_template_wants_and_stay_apart():
    prompt = render("mistral", HISTORY)
    short = [prompt.split("rain in Paris")[1][:9], prompt.split("sun in Rome")[1][:9]]
    assert len(set(short)) == 2
    assert all(each.isalnum() and prompt.count(each) == 2 for each in short)
    kept = [{**CALLS, "tool_calls": [call("abcDEF123", "Paris")]}, result("abcDEF123", "rain")]
    assert render("mistral", [USER, *kept]).count("abcDEF123") == 2


def test_arguments_are_text_where_a_template_joins_them_to_text():
    assert '<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>' in render("deepseek", HISTORY)
    assert template("deepseek").traits.arguments_as_text
    assert not template("qwen").traits.arguments_as_text


def test_developers_are_the_system_where_the_template_does_not_know_them():
    developer = {"role": "developer", "content": "Be brief."}
    assert "<|im_start|>system\nBe brief." in render("chatml", [developer, USER], tools=())


def test_a_message_in_parts_can_be_continued():
    messages = [USER, {"role": "assistant", "content": "It is"}]
    prompt = render(
        "parts", messages, tools=(), add_generation_prompt=False, continue_final_message=True
    )
    assert prompt == "<user>How is the weather?<assistant>It is"


def test_variables_are_those_a_template_reads():
    assert template("qwen").variables == {"enable_thinking"}
    assert template("deepseek").variables == {"thinking"}
    assert "tools_in_user_message" in template("llama").variables
    assert template("chatml").variables == set()
    assert template("mistral").variables == {"bos_token", "eos_token"}
