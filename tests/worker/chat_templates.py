"""Small chat templates in the manner of families' own, less what they say to the model."""

from __future__ import annotations

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Results are words of the user inside tags; reasoning can be turned off.
QWEN = """\
{%- if tools %}<|im_start|>system
# Tools
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m.role in ("user", "system") or (m.role == "assistant" and not m.tool_calls) %}
{{- "<|im_start|>" + m.role + "\\n" + m.content + "<|im_end|>\\n" }}
{%- elif m.role == "assistant" %}
{{- "<|im_start|>assistant" }}
{%- if m.content %}{{ "\\n" + m.content }}{% endif %}
{%- for call in m.tool_calls %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + "}\\n</tool_call>" }}
{%- endfor %}
{{- "<|im_end|>\\n" }}
{%- elif m.role == "tool" %}
{{- "<|im_start|>user\\n<tool_response>\\n" + m.content + "\\n</tool_response><|im_end|>\\n" }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- "<|im_start|>assistant\\n" }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- "<think>\\n\\n</think>\\n\\n" }}
{%- endif %}
{%- endif %}"""

# One call to a turn; tools in the user's message unless told otherwise.
LLAMA = """\
{%- if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}
{%- for m in messages %}
{%- if "tool_calls" in m %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception("single tool-calls only") }}{% endif %}
{%- set call = m.tool_calls[0].function %}
{{- '<|assistant|>{"name": "' + call.name + '", "parameters": ' }}
{{- (call.arguments | tojson) + "}<|eot_id|>" }}
{%- elif m.role in ("tool", "ipython") %}
{{- "<|ipython|>" + ({"output": m.content} | tojson) + "<|eot_id|>" }}
{%- else %}
{%- if loop.first and tools %}
{{- 'Respond in the format {"name": function name, "parameters": dictionary}.' }}
{%- for tool in tools %}{{ tool | tojson(indent=4) }}{% endfor %}
{%- endif %}
{{- "<|" + m.role + "|>" + (m.content | trim) + "<|eot_id|>" }}
{%- endif %}
{%- endfor %}"""

# Ids of nine characters, and turns that take turns.
MISTRAL = """\
{{- bos_token }}
{%- set user_messages = messages | selectattr("role", "equalto", "user") | list %}
{%- for m in messages %}
{%- if m.role == "user" %}
{%- if tools and m == user_messages[-1] %}{{ "[AVAILABLE_TOOLS]" + (tools | tojson) }}{% endif %}
{{- "[INST]" + m.content + "[/INST]" }}
{%- elif m.role == "tool" %}
{%- if m.tool_call_id | length != 9 %}{{ raise_exception("ids have length 9") }}{% endif %}
{{- "[TOOL_RESULTS]" + m.content + m.tool_call_id + "[/TOOL_RESULTS]" }}
{%- elif m.tool_calls is defined %}
{{- "[TOOL_CALLS][" }}
{%- for call in m.tool_calls %}
{%- if call.id | length != 9 %}{{ raise_exception("ids have length 9") }}{% endif %}
{{- (call.function | tojson) + call.id + ("" if loop.last else ", ") }}
{%- endfor %}
{{- "]" + eos_token }}
{%- elif m.role == "assistant" %}{{ m.content + eos_token }}
{%- else %}{{ raise_exception("only user and assistant") }}
{%- endif %}
{%- endfor %}"""

# Knows calls, which it joins to text as they are, but not tools; may open the reasoning.
DEEPSEEK = """\
{% if not thinking is defined %}{% set thinking = false %}{% endif %}
{%- for m in messages %}
{%- if m.role == "system" %}{{ m.content }}{% endif %}
{%- if m.role == "user" %}{{ "<｜User｜>" + m.content }}{% endif %}
{%- if m.role == "assistant" and m.tool_calls is defined %}
{{- m.content + "<｜tool▁calls▁begin｜>" }}
{%- for call in m.tool_calls %}
{{- "<｜tool▁call▁begin｜>" + call.function.name + "<｜tool▁sep｜>" }}
{{- call.function.arguments + "<｜tool▁call▁end｜>" }}
{%- endfor %}
{{- "<｜tool▁calls▁end｜>" }}
{%- elif m.role == "assistant" %}{{ m.content }}{% endif %}
{%- if m.role == "tool" %}{{ "<｜tool▁output▁begin｜>" + m.content }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- "<｜Assistant｜>" + ("<think>" if thinking else "</think>") }}
{%- endif %}"""

# Results need the name of the tool, tools a description.
HERMES = """\
{%- for tool in tools or [] %}{{ "<tools>" + tool.function.name + " - " }}
{{- tool.function.description + "\\n" }}{% endfor %}
{%- for m in messages %}
{%- if m.role == "tool" %}
{%- if not m.name is defined %}{{ raise_exception("a result needs a name") }}{% endif %}
{{- '<tool_response>{"name": "' + m.name + '", "content": ' + (m.content | tojson) + "}" }}
{%- elif m.tool_calls is defined %}
{%- for call in m.tool_calls %}
{{- "<tool_call>" + (call.function.arguments | tojson) + "</tool_call>" }}
{%- endfor %}
{%- else %}{{ m.role + ": " + m.content + "\\n" }}
{%- endif %}
{%- endfor %}"""

# No system messages, and content in parts.
PARTS = """\
{%- for m in messages %}
{%- if m.role == "system" %}{{ raise_exception("System role not supported") }}{% endif %}
{{- "<" + m.role + ">" }}
{%- for part in m.content %}{% if part.type == "text" %}{{ part.text }}{% endif %}{% endfor %}
{%- endfor %}"""
