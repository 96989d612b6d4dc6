"""How gateways name the beginnings of prompts, and which requests they take to belong together."""

from __future__ import annotations

import struct
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rostra.gateway.routing.affinity import BLOCK_BYTES, MAX_BLOCKS, prefix_of
from rostra.gateway.routing.caller import Caller
from rostra.v1 import chat_pb2, inference_pb2

LONG = " ".join(f"word{n}" for n in range(400))


def said(role: int, text: str) -> chat_pb2.ChatMessage:
    return chat_pb2.ChatMessage(role=role, content=[chat_pb2.ContentPart(text=text)])


def chat(*texts: str, system: str = "", **fields: object) -> chat_pb2.ChatRequest:
    """User and assistant in turn."""
    roles = (chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT)
    messages = [said(chat_pb2.ROLE_SYSTEM, system)] if system else []
    messages += [said(roles[n % 2], text) for n, text in enumerate(texts)]
    return chat_pb2.ChatRequest(messages=messages, **fields)  # type: ignore[arg-type]


def test_each_turn_begins_as_the_one_before() -> None:
    first = prefix_of(chat(LONG), "m")
    second = prefix_of(chat(LONG, LONG, "And then?"), "m")
    assert len(first.keys) == len(LONG) // BLOCK_BYTES
    assert second.keys[: len(first.keys)] == first.keys
    assert len(second.keys) > len(first.keys)
    assert second.opening == first.opening


def test_a_message_that_begins_alike_shares_its_beginning() -> None:
    one, other = prefix_of(chat(LONG + "a"), "m"), prefix_of(chat(LONG + "bb"), "m")
    assert one.keys == other.keys
    assert one.opening != other.opening


def test_conversations_under_one_system_prompt_are_told_apart() -> None:
    one = prefix_of(chat("hi", system=LONG), "m")
    other = prefix_of(chat("ho", system=LONG), "m")
    assert one.keys == other.keys
    assert one.opening != other.opening


def test_nothing_is_shared_across_salts_models_tools_and_images() -> None:
    tools = [chat_pb2.Tool(name="f", parameters_schema="{}")]
    images = [
        chat_pb2.ChatMessage(
            role=chat_pb2.ROLE_USER,
            content=[
                chat_pb2.ContentPart(image=chat_pb2.ImagePart(data=data)),
                chat_pb2.ContentPart(text=LONG),
            ],
        )
        for data in (b"a", b"b")
    ]
    found = [
        prefix_of(chat(LONG), "m"),
        prefix_of(chat(LONG), "other"),
        prefix_of(chat(LONG, cache_salt="s"), "m"),
        prefix_of(chat(LONG, tools=tools), "m"),
        prefix_of(chat(LONG, template_variables={"a": "1"}), "m"),
        *(prefix_of(chat_pb2.ChatRequest(messages=[image]), "m") for image in images),
    ]
    firsts = {prefix.keys[0] for prefix in found}
    assert len(firsts) == len(found)


def test_texts_and_tokens() -> None:
    text = prefix_of(inference_pb2.GenerateRequest(text=LONG), "m")
    assert len(text.keys) == len(LONG) // BLOCK_BYTES
    assert text.opening == text.keys[3]
    ids = list(range(1000))
    tokens = inference_pb2.GenerateRequest(tokens=inference_pb2.TokenIds(ids=ids))
    assert len(prefix_of(tokens, "m").keys) == len(struct.pack("<1000I", *ids)) // BLOCK_BYTES
    assert prefix_of(inference_pb2.EmbedRequest(), "m").keys == ()
    assert prefix_of(inference_pb2.GenerateRequest(text="short"), "m") == prefix_of(
        inference_pb2.GenerateRequest(text="brief"), "m"
    )


def test_a_long_prompt_is_read_to_a_bound_and_says_how_far() -> None:
    text = "".join(f"{n:08}" for n in range(4 * BLOCK_BYTES * MAX_BLOCKS // 8))
    whole = prefix_of(chat(text), "m")
    assert len(whole.keys) == MAX_BLOCKS
    assert abs(whole.covered - BLOCK_BYTES * MAX_BLOCKS / len(text)) < 0.01
    ids = inference_pb2.TokenIds(ids=[7] * (BLOCK_BYTES * MAX_BLOCKS // 2))
    tokens = prefix_of(inference_pb2.GenerateRequest(tokens=ids), "m")
    assert (len(tokens.keys), tokens.covered) == (MAX_BLOCKS, 0.5)


@given(st.lists(st.text(max_size=300), min_size=1, max_size=8))
def test_any_text(texts: list[str]) -> None:
    found = prefix_of(chat(*texts), "m")
    assert 0 < found.covered <= 1
    assert len(set(found.keys)) == len(found.keys)
    more = prefix_of(chat(*texts, "x" * 600), "m")
    assert more.keys[: len(found.keys)] == found.keys


def test_who_asks() -> None:
    body = SimpleNamespace(prompt_cache_key="thread-1", user="ann", metadata={"user_id": "x"})
    caller = Caller.of(body, "laptop")
    assert (caller.cache_key, caller.user, caller.key) == ("thread-1", "ann", "laptop")
    sessions = {name: caller.session(name) for name in ("conversation", "user", "key")}  # type: ignore[arg-type]
    assert len(set(sessions.values())) == 3
    assert Caller.of(body, "other").session("conversation") != sessions["conversation"]
    assert Caller.of(body, "other").session("user") == sessions["user"]
    anthropic = SimpleNamespace(metadata=SimpleNamespace(user_id="bob"))
    assert Caller.of(anthropic, None).user == "bob"
    nobody = Caller.of(SimpleNamespace(), None)
    assert (nobody.session("conversation"), nobody.identity) == (None, None)
    assert Caller.of(SimpleNamespace(), None).draw != nobody.draw
