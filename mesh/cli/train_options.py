"""Options that the commands of `rostra train` share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    LORA = "lora"
    QLORA = "qlora"
    FULL = "full"


class DType(StrEnum):
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


Model = Annotated[
    str | None,
    typer.Option(
        help="A built-in name, a hub id (organisation/model), a model folder or a .gguf file. "
        "Default: smollm2-135m-instruct."
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="The run's folder: adapter, metrics, card.", file_okay=False)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")
]
MethodOption = Annotated[
    Method | None,
    typer.Option("--method", help="An adapter, one on a base of 4 bits, or every weight."),
]
Rank = Annotated[int | None, typer.Option("--lora-rank", help="Of the adapter.")]
Epochs = Annotated[float | None, typer.Option(help="Times that each row is trained on.")]
MaxSteps = Annotated[int | None, typer.Option(help="End there, whatever --epochs says.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows at once in one process.")]
Accumulate = Annotated[int | None, typer.Option(help="Batches in one step of the optimizer.")]
LearningRate = Annotated[
    float | None, typer.Option(help="Default: what suits the recipe and the method.")
]
MaxLength = Annotated[int | None, typer.Option(help="Tokens of a row.")]
DTypeOption = Annotated[
    DType | None, typer.Option("--dtype", help="Of the base model while it is trained.")
]
Threads = Annotated[int | None, typer.Option(help="Of the processor.")]
Seed = Annotated[int | None, typer.Option(help="Of the order, the start and the held-out rows.")]
EvalShare = Annotated[
    float | None, typer.Option(help="Share of the rows that is kept for evaluation.")
]
SaveEvery = Annotated[
    int | None, typer.Option(help="Steps between checkpoints. Default: one each epoch.")
]
Serve = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Load the adapter into this worker when it is trained."),
]
ServeAs = Annotated[
    str | None, typer.Option(help="Its name there. Default: that of the run's folder.")
]
