"""JSON Schema of pydantic models, as the document of the API has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from rostra.gateway.schemas.fields import Only


class _Writer(GenerateJsonSchema):
    """Adds what validators of our own check, and leaves out what says nothing: titles made of
    names, and defaults of null."""

    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        check = schema["function"]["function"]
        if isinstance(check, Only):
            return check.json_schema()
        return super().function_after_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", ...) is None:
            del described["default"]
        return described


class Components:
    """The schemas of some models, and of every model inside them, as they are validated."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        references, document = models_json_schema(
            [(model, "validation") for model in dict.fromkeys(models)],
            ref_template="#/components/schemas/{model}",
            schema_generator=_Writer,
        )
        self._references = {model: schema for (model, _), schema in references.items()}
        self.schemas: dict[str, Any] = document["$defs"]
        """By name."""
        for schema in self.schemas.values():
            # The name says it already.
            schema.pop("title", None)

    def reference(self, model: type[BaseModel]) -> JsonSchemaValue:
        return self._references[model]
