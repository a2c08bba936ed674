"""`proctor cluster`: what an operator does around `ray up` and `serve deploy` (docs/deploy-ray-up.md)."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.errors import read_settings

app = typer.Typer(no_args_is_help=True, help="Around `ray up` and `serve deploy`.")

Folder = Annotated[
    Path, typer.Option(help="Where Ray's token goes; copied to every machine by cluster-ssh.yaml.")
]


@app.command()
def prepare(folder: Folder = Path("/etc/rayproctor")) -> None:
    """Make keys and Ray's token, fetch the models, bring the database up to date; keeps what is there.

    Exits 2 with one line when a store lies on one machine.
    """
    from deployments.cli.model_tables import progress_bars
    from deployments.prepare import prepare as make

    with progress_bars(Console(stderr=True)) as progress:
        make(read_settings(), folder, progress)
    typer.echo(f"ready for `ray up`: {folder} holds what every machine needs")


@app.command("serve-config")
def serve_config(
    without_gpu: Annotated[
        bool, typer.Option("--without-gpu", help="For machines without GPUs.")
    ] = False,
) -> None:
    """Print serve_config.yaml, changed as asked, for `serve deploy`."""
    import yaml

    from deployments.serve_file import SERVE_CONFIG, read_serve_config, without_gpus

    if not without_gpu:
        typer.echo(SERVE_CONFIG.read_text(), nl=False)
        return
    typer.echo(yaml.safe_dump(without_gpus(read_serve_config()), sort_keys=False), nl=False)


@app.command()
def firewall(
    nodes: Annotated[list[str], typer.Argument(help="Addresses of all nodes, the head's too.")],
) -> None:
    """Print rules for `nft -f -` on every node: others reach ssh, the doors and media alone."""
    from deployments.firewall import rules_for
    from proctor.domain.errors import InvalidInput

    try:
        typer.echo(rules_for(nodes, read_settings().resolved()), nl=False)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
