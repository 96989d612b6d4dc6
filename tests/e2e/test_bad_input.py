"""Every mistake gets one clear line, in OpenAI's envelope, naming what to change."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


def refused(up, path, body, method="POST"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{up.api}{path}",
        data=data if method == "POST" else None,
        headers={"content-type": "application/json"},
        method=method,
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=120)
    error = json.loads(caught.value.read())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    return caught.value.code, error


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"presence_penalty": 9}, "presence_penalty"),
        ({"logit_bias": {"999999999": 1}}, "logit_bias"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": [{"type": "function", "function": {"name": "not a name"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "f", "schema": {"type": "nothing"}},
                }
            },
            "response_format",
        ),
        ({"guided_regex": "("}, "guided_regex"),
        ({"tempature": 1}, "tempature"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_bad_parameters_are_named(up, change, param):
    status, error = refused(up, "/v1/chat/completions", CHAT | change)
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)


def test_malformed_json(up):
    status, error = refused(up, "/v1/chat/completions", b'{"model": ')
    assert status == 400
    assert "JSON" in error["message"]


def test_unknown_model(up):
    status, error = refused(up, "/v1/chat/completions", CHAT | {"model": "gpt-17"})
    assert (status, error["code"]) == (404, "model_not_found")
    assert "gpt-17" in error["message"]


def test_context_length(up):
    long = [{"role": "user", "content": "word " * 9000}]
    status, error = refused(up, "/v1/chat/completions", CHAT | {"messages": long})
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "8192" in error["message"]
    assert "90" in error["message"]


def test_body_over_the_limit(up):
    status, _ = refused(up, "/v1/chat/completions", b" " * (11 << 20))
    assert status == 413


def test_unknown_route_and_method(up):
    assert refused(up, "/v1/nothing", CHAT)[0] == 404
    assert refused(up, "/v1/chat/completions", b"", method="GET")[0] == 405
