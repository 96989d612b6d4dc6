from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.arena.sse import Event, EventParser

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
NEWLINE = st.sampled_from(["\n", "\r", "\r\n"])


def parse(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@st.composite
def streams(draw) -> tuple[bytes, list[Event]]:
    """A stream written with any line ends, comments and fields, and the events it carries."""
    newline = draw(NEWLINE)
    text, events = draw(st.sampled_from(["", "\ufeff"])), []
    for data in draw(st.lists(st.lists(LINE, max_size=3), max_size=5)):
        name = draw(st.sampled_from(["", "delta"]))
        lines = [f": {draw(LINE)}", "id: 7", "retry: 10", "unknown"]
        lines += [f"event: {name}"] if name else []
        lines += [f"data: {line}" for line in data]
        text += newline.join([*lines, "", ""])
        events += [Event("\n".join(data), name or "message")] if data else []
    return text.encode(), events


@given(streams(), st.data())
def test_any_chunking_gives_the_same_events(stream, data):
    raw, events = stream
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)))))
    chunks = [raw[i:j] for i, j in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert parse(*chunks) == events


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: one\r\n\r\ndata: two\r\n\r\n", ["one", "two"]),
        (b"data: one\rdata: two\r\r", ["one\ntwo"]),
        (b"data:no space\n\n", ["no space"]),
        (b"data:  two spaces\n\n", [" two spaces"]),
        (b"data\n\n", [""]),
        (b"data: a: b\n\n", ["a: b"]),
        (b": comment\n\n", []),
        (b"event: lonely\n\n", []),
        (b"data: never ended\n", []),
        (b"data: \xff\n\n", ["\ufffd"]),
    ],
)
def test_rules_of_the_standard(raw, events):
    assert [event.data for event in parse(raw)] == events
    assert [event.data for event in parse(*(bytes([byte]) for byte in raw))] == events
