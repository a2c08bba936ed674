"""`proctor models export-triton`: the chosen networks as a Triton model repository."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.errors import read_settings
from models.catalogue import Catalogue, default_dir
from models.errors import ModelFileError
from models.selection import select

EXIT_UNUSABLE = 2


def export_triton(
    folder: Annotated[Path, typer.Argument(help="Made or renewed; other models stay.")],
    backend: Annotated[
        Literal["onnxruntime", "python"],
        typer.Option(help="Triton's backend; `python` for a server that has no other."),
    ] = "onnxruntime",
) -> None:
    """Write a Triton model repository for the ONNX networks of the chosen models."""
    from models.runtimes.triton_repository import write_repository
    from models.serving import networks_of

    settings = read_settings()
    try:
        catalogue = Catalogue(
            default_dir(settings.home, settings.models_dir), settings.models_mirror
        )
        networks = networks_of(select(settings.pack, settings.models), catalogue)
        if not networks:
            raise ModelFileError("the chosen models have no network that a server could run")
        written = write_repository(folder, networks, backend, settings.device)
    except ModelFileError as error:
        Console(stderr=True).print(
            f"proctor models: {error.detail}",
            style="red",
            highlight=False,
            markup=False,  # a path or a shape may hold brackets
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_UNUSABLE) from error
    table = Table("network", "version", "MB", "largest batch", title=str(folder))
    for network, (name, version) in zip(networks, written.items(), strict=True):
        table.add_row(
            name, str(version), f"{len(network.content) / 1e6:.1f}", str(network.serving.batch_gpu)
        )
    Console().print(table)
    Console().print(
        f"tritonserver --model-repository={folder.resolve()}, then PROCTOR_TRITON_URL=HOST:8001",
        highlight=False,
        soft_wrap=True,
    )
