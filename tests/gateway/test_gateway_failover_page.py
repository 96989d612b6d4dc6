"""What docs/failover.md says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from benchmarks.mesh_clients import DOCUMENTED
from rostra.gateway.failover.settings import FailoverSettings
from rostra.gateway.fleet import Fleet
from rostra.gateway.membership import StaticMembership
from rostra.gateway.metrics import Metrics
from rostra.gateway.settings import GatewaySettings

PAGE = (Path(__file__).parents[2] / "docs" / "failover.md").read_text(encoding="utf-8")


def test_its_settings_are_settings() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        GatewaySettings.model_validate(tomllib.loads(block)["gateway"])


def test_its_names_and_defaults_are_those() -> None:
    settings = FailoverSettings()
    names = set(re.findall(r"`((?:breaker|retry)_\w+)`", PAGE))
    assert names == {
        name for name in type(settings).model_fields if name.startswith(("breaker", "retry"))
    }
    assert settings.hedge_after is None
    assert not settings.resume
    gateway = GatewaySettings(workers=("a:1",))
    assert (gateway.max_attempts, gateway.worker_wait) == (3, 5.0)
    assert (gateway.drain_delay, gateway.drain_grace) == (0.0, 30.0)


def test_its_codes_are_those_that_the_chaos_clients_take() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| \d{3} ", PAGE, re.MULTILINE)) == DOCUMENTED


async def test_its_metrics_are_there() -> None:
    settings = GatewaySettings(workers=("127.0.0.1:1",))
    text = Metrics(Fleet(StaticMembership(()), settings)).render().decode()
    there = {family.name for family in text_string_to_metric_families(text)}
    for name in re.findall(r"`(rostra_gateway_\w+)`", PAGE):
        assert name.removesuffix("_total") in there, name


def test_pauses_in_order() -> None:
    with pytest.raises(ValidationError, match="shorter than breaker_pause"):
        FailoverSettings(breaker_pause=5.0, breaker_longest_pause=1.0)
