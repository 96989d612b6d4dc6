"""Names under which the application and its requests carry their parts."""

from __future__ import annotations

from aiohttp import web

from rostra.gateway.admission.admission import Admission
from rostra.gateway.context import Exchange
from rostra.gateway.dispatch import Dispatcher
from rostra.gateway.fleet import Fleet
from rostra.gateway.key_ring import KeyRing
from rostra.gateway.membership.server import Registry
from rostra.gateway.metrics import Metrics
from rostra.gateway.openapi.published import PublishedDocument
from rostra.gateway.response_store import ResponseStore
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tracing import Tracing

SETTINGS = web.AppKey("settings", GatewaySettings)
ADMISSION = web.AppKey("admission", Admission)
KEYS = web.AppKey[KeyRing | None]("keys")
"""None where callers need none."""
FLEET = web.AppKey("fleet", Fleet)
REGISTRY = web.AppKey[Registry | None]("registry")
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
DOCUMENT = web.AppKey("document", PublishedDocument)
METRICS = web.AppKey("metrics", Metrics)
RESPONSES = web.AppKey("responses", ResponseStore)
TRACING = web.AppKey("tracing", Tracing)
"""Not there where nothing is traced."""
EXCHANGE = web.RequestKey("exchange", Exchange)
