"""Templates: what they may use, what they are given, how they fail."""

from __future__ import annotations

import json

import pytest
import tokenizers

from rostra.mesh.errors import RostraError
from rostra.mesh.text import ChatTemplate, ChatTemplateError, Tokenizer

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] + '<|im_end|>' }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
USER = {"role": "user", "content": "Hi "}


def render(source, messages=(USER,), special_tokens=None, **options):
    return ChatTemplate(source, special_tokens or {}).render(messages, **options)


def test_chatml():
    assert render(CHATML) == "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n"
    assert render(CHATML, add_generation_prompt=False) == "<|im_start|>user\nHi <|im_end|>\n"


def test_continuing_the_last_message_ends_inside_it():
    messages = [USER, {"role": "assistant", "content": "So, "}]
    options = {"add_generation_prompt": False, "continue_final_message": True}
    assert render(CHATML, messages, **options).endswith("<|im_start|>assistant\nSo, ")
    trimming = CHATML.replace("message['content'] +", "message['content'] | trim +")
    assert render(trimming, messages, **options).endswith("<|im_start|>assistant\nSo, ")
    assert messages[1]["content"] == "So, "


def called_with(arguments):
    return {
        "role": "assistant",
        "tool_calls": [{"function": {"name": "f", "arguments": arguments}}],
    }


@pytest.mark.parametrize(
    ("messages", "options", "reason"),
    [
        ([], {}, "at least one message"),
        ([USER], {"continue_final_message": True}, "excludes add_generation_prompt"),
        ([USER], {"variables": {"messages": 1}}, "'messages' is reserved"),
        ([{"role": "user", "content": None}], {}, "template refused the conversation"),
        (
            [{"role": "assistant", "content": None}],
            {"continue_final_message": True, "add_generation_prompt": False},
            "needs a last message with text",
        ),
        (
            [called_with("{")],
            {},
            "arguments of a call to 'f' are no JSON",
        ),
        # What the parser gives up on, though it may be JSON.
        ([called_with("[" * 100_000)], {}, "arguments of a call to 'f' are no JSON"),
        ([called_with("1" * 5_000)], {}, "arguments of a call to 'f' are no JSON"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(messages, options, reason):
    with pytest.raises(ChatTemplateError, match=reason) as caught:
        render(CHATML, messages, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must\n alternate') }}",
        "{{ messages[7].content }}",
        "{{ 1 / 0 }}",
        "{{ nothing.at.all }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ namespace(_x=1) }}",
        "{% set n = namespace() %}{% set n.__x__ = 1 %}",
        "{{ dict.fromkeys('ab') }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_that_fails_or_reaches_out_is_an_error(source):
    with pytest.raises(ChatTemplateError, match="template refused") as caught:
        render(source)
    assert "\n" not in str(caught.value)


def test_a_template_that_drops_the_last_message_cannot_continue_it():
    with pytest.raises(ChatTemplateError, match="drops the last message"):
        render("fixed", continue_final_message=True, add_generation_prompt=False)


def test_what_templates_of_the_hub_use():
    assert render("{% set n = namespace(a=1, self=2) %}{% set n.b = 3 %}{{ n.a + n.b }}") == "4"
    assert render("{{ dict(a=1) | tojson }}{{ {'b': '<é>'} | tojson(indent=1) }}") == (
        '{"a": 1}{\n "b": "<é>"\n}'
    )
    assert render("{% for m in messages %}{% if loop.first %}{% break %}{% endif %}{% endfor %}x")
    assert render("{% generation %}inside{% endgeneration %}") == "inside"
    assert len(render("{{ strftime_now('%Y') }}")) == 4
    assert render(
        "{{ bos_token }}{{ extra }}{{ absent }}", special_tokens={"bos_token": "<s>"}
    ) == ("<s>")
    assert render("{{ extra }}", variables={"extra": [1]}) == "[1]"
    # Lines that hold only a statement leave nothing behind.
    assert render("  {% if true %}\nx\n  {% endif %}\n") == "x\n"


def test_tools_and_calls_come_as_objects():
    call = {"function": {"name": "f", "arguments": '{"city": "Ulm"}'}}
    messages = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    source = "{{ messages[0].tool_calls[0].function.arguments.city }}"
    assert render(source, messages) == "Ulm"
    assert call["function"]["arguments"] == '{"city": "Ulm"}'
    tool = {"type": "function", "function": {"name": "f"}}
    assert render("{{ tools[0].function.name if tools else 'none' }}", tools=[tool]) == "f"
    assert render("{{ tools[0].function.name if tools else 'none' }}", tools=[]) == "none"


def test_reasoning_has_the_names_templates_know():
    source = "{{ messages[0].reasoning_content }}{{ messages[0].thinking }}"
    assert render(source, [{"role": "assistant", "content": "", "reasoning": "hm"}]) == "hmhm"


@pytest.fixture
def folder(tmp_path, byte_level_backend):
    byte_level_backend.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_model_without_a_template_says_so(folder):
    tokenizer = Tokenizer.load(folder)
    assert not tokenizer.has_chat_template
    with pytest.raises(ChatTemplateError, match="no chat template"):
        tokenizer.render_chat([USER])


def test_where_templates_are_found(folder):
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": "single {{ bos_token }}", "bos_token": "<b>"}))
    assert Tokenizer.load(folder).render_chat([USER]) == "single <b>"
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    config.write_text(json.dumps({"chat_template": named}))
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.render_chat([USER]) == "plain"
    assert tokenizer.render_chat([USER], tools=[{"type": "function"}]) == "tools"
    (folder / "chat_template.jinja").write_text("file")
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.render_chat([USER], tools=[{"type": "function"}]) == "file"


def test_an_invalid_template_is_named_at_load(folder):
    (folder / "chat_template.jinja").write_text("\n{% if %}")
    with pytest.raises(RostraError, match=r"chat template in .* is not valid: .* \(line 2\)"):
        Tokenizer.load(folder)


def test_the_template_alone_writes_the_first_token(folder):
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]
    )
    tokenizer = Tokenizer(backend, chat_template="<|begin|>{{ messages[0].content }}")
    assert tokenizer.encode_chat([USER]).count(0) == 1
    assert tokenizer.encode("x").count(0) == 1
