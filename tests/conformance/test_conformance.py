"""Each row of the table is true of a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from conformance_page import PAGE, page
from conformance_row import Row, Seen
from conformance_table import NOT_SERVED, TABLES, Table
from conformance_worker import AnsweringWorker
from openapi_answers import events

from rostra.gateway.endpoints import ENDPOINTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_TURNS = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]


def rows(*verdicts: str) -> Any:
    chosen = [(table, row) for table in TABLES for row in table.rows if row.verdict in verdicts]
    return pytest.mark.parametrize(
        ("table", "row"), chosen, ids=[f"{table.path}-{row.field}" for table, row in chosen]
    )


class Asker:
    """Asks the gateway by one table, and keeps what reached the worker."""

    def __init__(self, client: TestClient, worker: AnsweringWorker, table: Table) -> None:
        self._client = client
        self._worker = worker
        self._table = table

    async def ask(
        self, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        stored = await self._stored() if "/responses" in self._table.path else {}
        path = self._table.path.replace("{response_id}", stored.get("previous", ""))
        written = orjson.dumps({**self._table.base, **fields}).decode()
        for name, value in stored.items():
            written = written.replace(f"{{{name}}}", value)
        document = orjson.loads(written)
        self._worker.requests.clear()
        if self._table.method == "GET":
            return await self._client.get(path, params=document)
        return await self._client.post(path, json=document, headers=headers)

    async def see(
        self, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Seen:
        response = await self.ask(fields, headers)
        text = await response.text()
        assert response.status == 200, text
        streamed = response.content_type == "text/event-stream"
        sent = self._worker.requests[0] if self._worker.requests else None
        return Seen(_comparable(sent), events(text) if streamed else orjson.loads(text))

    async def _stored(self) -> dict[str, str]:
        """A response that was asked with two messages, and the last of these."""
        body = {"model": "tiny", "input": TWO_TURNS[:1]}
        first = await (await self._client.post("/v1/responses", json=body)).json()
        if self._table.method == "POST":
            return {"previous": first["id"]}
        body = {"model": "tiny", "input": TWO_TURNS}
        made = await (await self._client.post("/v1/responses", json=body)).json()
        items = await self._client.get(f"/v1/responses/{made['id']}/input_items")
        return {"previous": made["id"], "last": (await items.json())["first_id"]}


def _comparable(sent: Any) -> Any:
    """Without its id, which every request has one of, and with no word for one output, which is
    what none says."""
    fields = sent.DESCRIPTOR.fields_by_name if sent is not None else {}
    if "request_id" in fields:
        sent.ClearField("request_id")
    if "sampling" in fields and sent.sampling.n == 1:
        sent.sampling.ClearField("n")
    return sent


@rows("honoured")
async def test_honoured(
    client: TestClient, worker: AnsweringWorker, table: Table, row: Row
) -> None:
    asker = Asker(client, worker, table)
    assert row.proof is not None
    assert row.proof(await asker.see(row.body))
    try:
        anyway = row.proof(await asker.see(row.without))
    except (KeyError, IndexError, TypeError):
        return
    assert not anyway, "what is to prove the field is true without it"


@rows("refused")
async def test_refused(client: TestClient, worker: AnsweringWorker, table: Table, row: Row) -> None:
    asker = Asker(client, worker, table)
    response = await asker.ask(row.body)
    error = (await response.json())["error"]
    assert response.status == 400, error
    assert worker.requests == []
    if table.path.startswith("/v1/messages"):
        # This API has no place for the name but the message.
        assert row.param in error["message"]
    else:
        assert error["param"] == row.param, error
    plain = await asker.see(row.without)
    for fields in row.taken:
        assert (await asker.see(fields)).sent == plain.sent


@rows("hint")
async def test_hint(client: TestClient, worker: AnsweringWorker, table: Table, row: Row) -> None:
    asker = Asker(client, worker, table)
    assert (await asker.see(row.body)).sent == (await asker.see(row.without)).sent


@rows("not applicable")
async def test_not_applicable(
    client: TestClient, worker: AnsweringWorker, table: Table, row: Row
) -> None:
    asker = Asker(client, worker, table)
    assert (await asker.see({}, headers=row.body)).sent == (await asker.see({})).sent


@pytest.mark.parametrize("path", NOT_SERVED)
async def test_not_served(client: TestClient, path: str) -> None:
    response = await client.post(path, json={})
    if response.status == 405:
        response = await client.get(path)
    assert response.status == 404


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
async def test_every_field_of_the_clients_has_its_row(table: Table) -> None:
    assert table.fields_of_clients() <= {row.field for row in table.rows}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
async def test_every_field_of_the_gateway_has_its_row(table: Table) -> None:
    (endpoint,) = [
        each for each in ENDPOINTS if (each.method, each.public_path) == (table.method, table.path)
    ]
    model = endpoint.request or endpoint.query
    assert model is not None
    known = {field.alias or name for name, field in model.model_fields.items()}
    tabled = {row.field.partition(".")[0] for row in table.rows if row.verdict != "not applicable"}
    assert tabled == known


async def test_every_endpoint_with_fields_has_its_table() -> None:
    with_fields = {
        (each.method, each.public_path) for each in ENDPOINTS if each.request or each.query
    }
    assert {(table.method, table.path) for table in TABLES} == with_fields


async def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python tests/conformance/conformance_page.py"
    )
