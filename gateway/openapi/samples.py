"""Calls of an endpoint to copy: with curl, and with a client library where one knows it."""

from __future__ import annotations

import shlex
from pprint import pformat

import orjson

from rostra.gateway.endpoint import Endpoint

_HERE = "http://127.0.0.1:8000"
"""The page puts its own origin in its place."""
_KEY = "$ROSTRA_API_KEY"


def samples(endpoint: Endpoint) -> dict[str, str]:
    """Source text by the name of the tool."""
    written = {"curl": _curl(endpoint)}
    if endpoint.client:
        written["Python"] = _python(endpoint)
    return written


def _curl(endpoint: Endpoint) -> str:
    path = endpoint.public_path.replace("{model}", "smollm2-135m-instruct")
    # With a body, curl posts.
    method = "" if endpoint.request or endpoint.method == "GET" else f"-X {endpoint.method} "
    lines = [f"curl {method}{_HERE}{path}"]
    if not endpoint.public:
        lines.append(f'-H "Authorization: Bearer {_KEY}"')
    if endpoint.request is not None:
        body = orjson.dumps(endpoint.example, option=orjson.OPT_INDENT_2).decode()
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _python(endpoint: Endpoint) -> str:
    library, _, method = endpoint.client.partition(".")
    client = {"openai": "OpenAI", "anthropic": "Anthropic"}[library]
    # Anthropic's client adds /v1 by itself.
    base = _HERE if library == "anthropic" else f"{_HERE}/v1"
    arguments = "".join(
        f"    {name}={pformat(value, width=64, sort_dicts=False)},\n"
        for name, value in (endpoint.example or {}).items()
    )
    call = f"client.{method}(\n{arguments})" if arguments else f"client.{method}()"
    return (
        f"import os\n\nfrom {library} import {client}\n\n"
        f"client = {client}(\n"
        f'    base_url="{base}",\n'
        '    api_key=os.environ.get("ROSTRA_API_KEY", "none"),\n'
        f")\nanswer = {call}\nprint(answer)"
    )
