"""Short requests leave nothing behind in the processes that answered them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mesh_processes import Footprint
from benchmarks.soak import grown, soak

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


async def test_two_thousand_requests_leave_nothing_behind(tmp_path: Path) -> None:
    rows, bad = await soak(tmp_path, requests=2000, clients=16, warm_up=1000)
    assert bad == []
    assert [row["process"] for row in rows] == ["worker-1", "gateway-1"]
    assert all(row["requests"] >= 2000 for row in rows)


def test_growth_is_told() -> None:
    first = Footprint(100.0, 20, 10)
    assert grown("w", first, Footprint(105.0, 20, 10)) == []
    told = grown("w", first, Footprint(200.0, 90, 30))
    assert [line.split(" grew")[0] for line in told] == [
        "w: mebibytes",
        "w: descriptors",
        "w: threads",
    ]
