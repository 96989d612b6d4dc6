"""Lets generated requests name what there is: schemathesis loads this from $SCHEMATHESIS_HOOKS.

$ROSTRA_TEST_MODEL is a model that is served, $ROSTRA_TEST_EMBEDDING_MODEL the one that makes
vectors where that is another, and $ROSTRA_TEST_RESPONSE a response that is stored.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis

_LONGEST_NAME = 256


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Names that are wrong by their form stay wrong."""
    name = case.body.get("model") if isinstance(case.body, dict) else None
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME:
        case.body = {**case.body, "model": _model_for(case.path)}
    if case.method == "GET" and "response_id" in (case.path_parameters or {}):
        case.path_parameters["response_id"] = os.environ["ROSTRA_TEST_RESPONSE"]


def _model_for(path: str) -> str:
    model = os.environ["ROSTRA_TEST_MODEL"]
    if path.removeprefix("/v1") in ("/embeddings", "/score", "/rerank"):
        return os.environ.get("ROSTRA_TEST_EMBEDDING_MODEL", model)
    return model
