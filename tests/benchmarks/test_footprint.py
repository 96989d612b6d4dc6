"""What a program costs is that program's own."""

from __future__ import annotations

import pytest

from benchmarks.footprint import COUNT, cost


def test_the_cost_of_an_import() -> None:
    bare, more = cost(COUNT), cost(f"import decimal, unittest.mock; x = b'x' * (1 << 26); {COUNT}")
    assert more["modules"] > bare["modules"]
    assert more["peak_mib"] > bare["peak_mib"] + 60
    assert more["cpu_s"] > 0


def test_a_program_that_fails() -> None:
    with pytest.raises(RuntimeError, match="no_such_module"):
        cost("import no_such_module")
