"""The notebook from its first cell to its last, in a kernel of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "votes_to_posterior.ipynb"
FIGURES = {"intervals", "superiority", "ranks", "difference", "check"}
"""Cells that show one."""


class Here(AsyncKernelManager):
    """A kernel of this interpreter, whichever kernels are installed for the user."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="here", language="python")


@pytest.fixture(scope="module")
def outputs() -> dict[str, list[nbformat.NotebookNode]]:
    """By the id of the cell. Fails with the traceback of the cell that raised."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=240,
        startup_timeout=120,
        kernel_manager_class=Here,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    asyncio.run(client.async_execute())
    return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell.cell_type == "code"}


def text(cell: list[nbformat.NotebookNode]) -> str:
    return "".join(each["text"] for each in cell if each["output_type"] == "stream")


def test_it_is_committed_without_output() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_votes_become_a_posterior(outputs: dict[str, list[nbformat.NotebookNode]]) -> None:
    assert text(outputs["votes"]) == "400 rows read, 400 used\n"
    assert text(outputs["fit"]).startswith("400 votes on 5 contestants. ")
    assert "4000 draws. P(" in text(outputs["draws"])
    assert "The votes separate " in text(outputs["check"])
    saved = text(outputs["save"]).split()
    assert {"posterior.nc", "summary.json", "ratings.csv", "report.html"} <= set(saved)


def test_every_figure_is_there(outputs: dict[str, list[nbformat.NotebookNode]]) -> None:
    drawn = {
        name
        for name, cell in outputs.items()
        if any("application/vnd.bokehjs_exec.v0+json" in each.get("data", {}) for each in cell)
    }
    assert drawn == FIGURES
    for name in FIGURES:
        assert len(text(outputs[name])) > 50
