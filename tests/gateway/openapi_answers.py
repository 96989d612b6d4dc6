"""Holds answers to the document of the API."""

from __future__ import annotations

from typing import Any

import jsonschema
import orjson
from aiohttp import ClientResponse


class Documented:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def resolve(self, reference: str) -> Any:
        found: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def validate(self, schema: str | dict[str, Any], value: Any) -> None:
        if isinstance(schema, str):
            schema = {"$ref": f"#/components/schemas/{schema}"}
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    async def check(self, method: str, path: str, answer: ClientResponse) -> None:
        """Status, content type, headers and body, or each event of the body."""
        responses = self.document["paths"][path][method]["responses"]
        assert str(answer.status) in responses, await answer.text()
        response = responses[str(answer.status)]
        assert all(name in answer.headers for name in response["headers"])
        assert answer.content_type in response["content"]
        content = response["content"][answer.content_type]
        if answer.content_type == "application/json":
            self.validate(content["schema"], await answer.json())
        elif answer.content_type == "text/event-stream":
            for event in events(await answer.text()):
                data = content["schema"]["properties"]["data"]
                self.validate(data.get("anyOf", [data])[0]["contentSchema"], event)


def events(text: str) -> list[dict[str, Any]]:
    """The data of each event of a stream, without OpenAI's mark of the end."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert lines
    return [orjson.loads(line) for line in lines if line != "[DONE]"]
