"""JSON of every kind at every endpoint that takes a body: an answer, or a mistake that is named."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from fuzz_harness import JSON, MINIMAL, check_envelope
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from rostra.gateway.endpoints import ENDPOINTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = list(MINIMAL)
FIELDS = {
    endpoint.public_path: sorted(
        field.alias or name for name, field in endpoint.request.model_fields.items()
    )
    for endpoint in ENDPOINTS
    if endpoint.request is not None
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**32, 2**63, 2**64 - 1, -1, 0, -(2**63)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "\0", "\ufffe", "auto", "none", "text", "function", "user", "tiny"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "name", "function", "schema"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


async def test_every_endpoint_with_a_body_is_here() -> None:
    assert set(FIELDS) == set(MINIMAL)


async def post(client: TestClient, path: str, body: bytes) -> tuple[int, bytes]:
    response = await client.post(path, data=body, headers=JSON)
    return response.status, await response.read()


@seed(5)
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_fields_of_every_kind(client: TestClient, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PATHS))
    names = st.lists(st.sampled_from(FIELDS[path]), min_size=1, max_size=3, unique=True)
    changes = {name: data.draw(VALUES) for name in data.draw(names)}
    try:
        body = orjson.dumps({**MINIMAL[path], **changes})
    except (TypeError, orjson.JSONEncodeError):  # integers that JSON's usual readers do not take
        return
    status, answer = await post(client, path, body)
    if status != 200:
        assert status in (400, 404), (path, changes, answer)
        check_envelope(status, answer, path)


def with_model(path: str, raw: bytes) -> bytes:
    return orjson.dumps(MINIMAL[path])[:-1] + b"," + raw + b"}"


RAW = [
    b'"a":NaN',
    b'"a":Infinity',
    b'"a":-Infinity',
    b'"a":1e400',
    b'"a":' + b"9" * 5000,
    b'"a":-' + b"9" * 100_000,
    b'"a":"\\ud800"',
    b'"\\udfff":1',
    b'"stop":["\\ud800"]',
    b'"a":"\xff"',
    b'"a":"\xed\xa0\x80"',
    b'"a":"\xc0\xaf"',
    b'"a":"\n"',
    b'"a":' + b"[" * 1100 + b"]" * 1100,
    b'"a":' + b'{"a":' * 1100 + b"1" + b"}" * 1100,
    b'"a":' + b"[" * 500_000,
    b'"a":01',
    b'"a":1,',
    b"\"a\":'b'",
    b'"a":1}{"b":2',
]


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_no_json(client: TestClient, path: str) -> None:
    bodies = [with_model(path, raw) for raw in RAW]
    bodies += [b"\xef\xbb\xbf{}", b"\0", b'"a"', b"1", b"\xff\xfe{\0}\0"]
    for body in bodies:
        status, answer = await post(client, path, body)
        error = check_envelope(status, answer, path)
        assert status == 400, (body[:80], answer)
        assert "JSON" in error["message"], (body[:80], answer)


@pytest.mark.parametrize("path", PATHS)
async def test_the_last_of_equal_keys_counts(client: TestClient, path: str) -> None:
    body = b'{"model":"nobody",' + orjson.dumps(MINIMAL[path])[1:]
    assert (await post(client, path, body))[0] == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_model_of_any_name(client: TestClient, path: str) -> None:
    names: list[Any] = ["\0", "../../etc/passwd", "a\nb", "{{model}}", "\u202e", "😀" * 256]
    for name in names:
        status, answer = await post(client, path, orjson.dumps({**MINIMAL[path], "model": name}))
        assert status == 404
        check_envelope(status, answer, path)
    for wrong in ["a" * 257, "", 1, None, [], {}]:
        body = orjson.dumps({**MINIMAL[path], "model": wrong})
        status, answer = await post(client, path, body)
        assert status == 400
        check_envelope(status, answer, path)
