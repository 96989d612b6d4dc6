"""The parts that members are made of: events, prices, tokens, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rostra.gateway.app import create_app
from rostra.gateway.errors import GatewayError
from rostra.gateway.members.events import EventReader
from rostra.gateway.members.payloads import CompletionLogprobs
from rostra.gateway.members.settings import MemberSettings, Prices
from rostra.gateway.members.tokens import completion_tokens
from rostra.gateway.settings import GatewaySettings

TABLE: dict[str, Any] = {
    "name": "other",
    "url": "http://127.0.0.1:9/v1",
    "models": {"far": "tiny"},
}


@given(
    data=st.lists(st.binary(max_size=20).filter(lambda one: not set(one) & {10, 13}), min_size=1),
    cuts=st.lists(st.integers(1, 7), min_size=1),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_events_are_the_same_wherever_they_are_cut(
    data: list[bytes], cuts: list[int], end: bytes
) -> None:
    stream = b"".join(b": comment" + end + b"data: " + one + end + end for one in data)
    reader, found, place = EventReader(), [], 0
    for step in range(len(stream)):
        length = cuts[step % len(cuts)]
        found += reader.feed(stream[place : place + length])
        place += length
    assert found == data


def test_an_event_of_several_lines_is_joined_and_names_are_left_out() -> None:
    reader = EventReader()
    assert reader.feed(b"event: x\ndata: a\ndata:b\nid: 3\n\ndata: c\n") == [b"a\nb"]
    assert reader.feed(b"\n") == [b"c"]


def test_prices_are_per_million() -> None:
    prices = Prices(input=2.0, output=10.0, cached_input=0.5)
    assert prices.cost(1_000_000, 400_000, 100_000) == pytest.approx(1.2 + 0.2 + 1.0)
    assert Prices(input=2.0).cost(1000, 1000, 5) == pytest.approx(0.002)


def test_tokens_that_are_no_text() -> None:
    logprobs = CompletionLogprobs(
        tokens=["a", r"bytes:\xe2\x82"],
        token_logprobs=[None, -1.0],
        top_logprobs=[None, {"x": -3.0, r"bytes:\xe2": -0.5}],
    )
    first, second = completion_tokens(logprobs)
    assert not first.HasField("logprob")
    assert second.raw == b"\xe2\x82"
    assert [candidate.raw for candidate in second.candidates] == [b"\xe2", b"x"]


def test_a_models_table_goes_before_the_members() -> None:
    settings = MemberSettings.model_validate(
        {
            **TABLE,
            "images": True,
            "prices": {"input": 1.0},
            "models": {
                "a": "there-a",
                "b": {"name": "there-b", "images": False, "logprobs": False, "aliases": ["bb"]},
            },
        }
    )
    a, b = settings.model("a"), settings.model("b")
    assert (a.upstream, a.images, a.logprobs) == ("there-a", True, True)
    assert (b.upstream, b.images, b.logprobs, b.aliases) == ("there-b", False, False, ("bb",))
    assert a.prices == b.prices == Prices(input=1.0)


@pytest.mark.parametrize(
    ("change", "blamed", "message"),
    [
        ({"name": "a:1"}, "name", "pattern"),
        ({"url": "far.example/v1"}, "url", "is no address of a server"),
        ({"url": "ftp://far.example"}, "url", "is no address of a server"),
        ({"url": "http://me:secret@far.example/v1"}, "url", "name a key by key_env"),
        ({"url": "http://far.example/v1?x=1"}, "url", "query"),
        ({"models": {}}, "models", "at least 1"),
        ({"models": {"a": {"aliases": ["b"]}}}, "models.a.name", "required"),
        ({"models": {"a": "x", "b": {"name": "y", "aliases": ["a"]}}}, "", "two models"),
        ({"key": "sk-1"}, "key", "Extra inputs"),
        ({"extra_fields": ["wings"]}, "extra_fields.0", "top_k"),
        ({"weight": -1}, "weight", "greater"),
        ({"max_concurrent": 0}, "max_concurrent", "greater"),
        ({"prices": {"input": -1}}, "prices.input", "greater"),
    ],
)
def test_settings_that_are_wrong(change: dict[str, Any], blamed: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        GatewaySettings.model_validate({"member": [{**TABLE, **change}]})
    (error, *_) = raised.value.errors()
    assert ".".join(map(str, error["loc"][2:])) == blamed
    assert message in error["msg"]


def test_a_gateway_needs_somebody() -> None:
    with pytest.raises(ValidationError, match="name a worker"):
        GatewaySettings()
    with pytest.raises(ValidationError, match="two members have the same name"):
        GatewaySettings.model_validate({"member": [TABLE, TABLE]})


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "schlüssel"])
def test_a_key_that_is_missing_or_none(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("OTHER_KEY", value)
    settings = GatewaySettings.model_validate({"member": [{**TABLE, "key_env": "OTHER_KEY"}]})
    with pytest.raises(GatewayError, match=r"'other': .*OTHER_KEY") as raised:
        create_app(settings)
    assert not value or not value.strip() or value not in str(raised.value)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        settings = GatewaySettings.model_validate({"member": [{**TABLE, "ca_file": path}]})
        with pytest.raises(GatewayError, match="cannot read ca_file"):
            create_app(settings)
