"""`rostra chat`: a conversation in the terminal."""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer

from rostra.mesh.errors import RostraError


def chat(
    url: Annotated[
        str, typer.Option(help="Base URL of an OpenAI-compatible server, with /v1 or without.")
    ] = "http://127.0.0.1:8000",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Default: the first the server lists.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answer.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENAI_API_KEY", help="Sent as a bearer token.")
    ] = None,
    message: Annotated[
        str | None, typer.Argument(help="Ask this, print the answer, and end.")
    ] = None,
) -> None:
    """Talk to a model in the terminal. An empty line or Ctrl-D ends the conversation."""
    import asyncio

    options = {
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    sampling = {key: value for key, value in options.items() if value is not None}
    base = url.rstrip("/").removesuffix("/v1")
    asyncio.run(converse(base, api_key, model, system, sampling, message))


async def converse(
    url: str,
    api_key: str | None,
    model: str | None,
    system: str | None,
    sampling: dict[str, Any],
    message: str | None,
) -> None:
    import aiohttp

    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    messages = [{"role": "system", "content": system}] if system else []
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        try:
            model = model or await first_model(session, url)
            while text := (message or ask()):
                messages.append({"role": "user", "content": text})
                body = {"model": model, "messages": messages, "stream": True, **sampling}
                messages.append({"role": "assistant", "content": await answer(session, url, body)})
                if message:
                    return
        except aiohttp.ClientPayloadError as error:
            raise RostraError(f"the answer of {url} broke off ({error}): ask again") from error
        except aiohttp.ClientError as error:
            raise RostraError(
                f"no answer from {url} ({error}): is `rostra up` running, and is --url right?"
            ) from error


def ask() -> str:
    """The next line of the user; empty to end. Raises KeyboardInterrupt at Ctrl-C."""
    # While asyncio runs, the first Ctrl-C only cancels its task, and a line being typed goes on.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input("\n> ").strip()
    except EOFError:
        return ""
    finally:
        signal.signal(signal.SIGINT, handler)


async def first_model(session: Any, url: str) -> str:
    async with session.get(f"{url}/v1/models") as response:
        if response.status != 200:
            raise RostraError(
                f"{url}/v1/models answers {response.status}: {await reason(response)}"
            )
        models = (await response.json())["data"]
    models = [model for model in models if model.get("embedding_size") is None]
    if not models:
        raise RostraError(
            f"{url} serves no model that answers now: wait for a worker, or name one with --model"
        )
    return str(models[0]["id"])


async def answer(session: Any, url: str, body: dict[str, Any]) -> str:
    """Prints the answer as it is written, and returns it."""
    import orjson

    parts = []
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        if response.status != 200:
            raise RostraError(await reason(response))
        async for line in response.content:
            if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
                continue
            event = orjson.loads(line[6:])
            if "error" in event:
                raise RostraError(event["error"]["message"])
            for choice in event["choices"]:
                if text := choice["delta"].get("content"):
                    print(text, end="", flush=True)
                    parts.append(text)
    print()
    return "".join(parts)


async def reason(response: Any) -> str:
    """What the server says is wrong."""
    import orjson

    text = await response.text()
    try:
        return str(orjson.loads(text)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"{response.url} answers {response.status}: {text[:200]}"
