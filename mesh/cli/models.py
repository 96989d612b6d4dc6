"""`rostra models`: fetch, show and delete models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rostra.mesh.cli.options import HomeFolder

if TYPE_CHECKING:
    from rich.table import Table

    from rostra.mesh.store import ModelStore, StoredModel

app = typer.Typer(
    help="Fetch, show and delete models.",
    no_args_is_help=True,
)
Name = Annotated[
    str,
    typer.Argument(
        help="smollm2-135m-instruct, all-minilm-l6-v2 (embeddings), gemma3-270m, a hub id "
        "(organisation/model), a model folder or a .gguf file."
    ),
]


@app.command()
def pull(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Fetch it anew.")] = False,
    accept_license: Annotated[
        list[str] | None,
        typer.Option("--accept-license", help="Agree to the terms of a model that has its own."),
    ] = None,
    home: HomeFolder = None,
) -> None:
    """Fetch a model, or check one that is there already against its manifest."""
    from rostra.mesh.cli.progress import RichProgress

    folder = _store(home).pull(
        name, RichProgress(), force=force, accepted_licenses=accept_license or ()
    )
    typer.echo(f"{folder.name} revision {folder.revision} from {folder.source}")
    typer.echo(folder.path)


@app.command(name="list")
def list_models(home: HomeFolder = None) -> None:
    """Show the models that are here, and where each came from."""
    from rich.console import Console

    models = _store(home).models()
    if not models:
        typer.echo("No models yet. `rostra models pull smollm2-135m-instruct` fetches the first.")
        return
    Console().print(_table(models))


@app.command()
def path(name: Name, home: HomeFolder = None) -> None:
    """Print the folder of a model that is here."""
    typer.echo(_store(home).path(name))


@app.command()
def remove(name: Name, home: HomeFolder = None) -> None:
    """Delete a model that was fetched or converted."""
    from rich.filesize import decimal

    freed = _store(home).remove(name)
    typer.echo(f"Removed {name}, {decimal(freed)} freed.")


def _store(home: HomeFolder) -> ModelStore:
    from rostra.mesh.home import Home
    from rostra.mesh.store import ModelStore

    return ModelStore(Home.locate(home))


def _table(models: list[StoredModel]) -> Table:
    from rich import box
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "revision", "quantized", "size", "source", "state"):
        table.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    for model in models:
        table.add_row(
            *(
                Text(cell)
                for cell in (
                    model.folder.name,
                    model.folder.revision,
                    model.quantization or "no",
                    decimal(model.size),
                    model.folder.source,
                    model.problem or "complete",
                )
            )
        )
    return table
