"""Addresses as people write them."""

from __future__ import annotations

import pytest

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import split_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        (":50051", ("127.0.0.1", 50051)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses(address, parts):
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "h:x", "h:-1", "h:65536", "h:²"])
def test_what_is_no_address(address):
    with pytest.raises(RostraError, match="write host:port") as caught:
        split_address(address)
    assert "\n" not in str(caught.value)
