"""`proctor policy`: is a policy right, and what does it do?"""

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli import policy_replay
from deployments.cli.errors import OneLineErrors
from proctor.domain.errors import InvalidInput

app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, help="Policies: what counts, as data.")

app.command("test")(policy_replay.try_cases)
app.command("what-if")(policy_replay.what_if)

PolicyFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A policy in YAML (policies/*.yaml).")
]


def text_of(file: Path) -> str:
    """What the file says. Raises `InvalidInput` for one that is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", "policy/invalid") from error


@app.command()
def check(file: PolicyFile) -> None:
    """Validate a policy to the last field; exit 2 with a line when something is wrong."""
    from proctor.fusion.policy import parse_policy

    policy = parse_policy(text_of(file))
    typer.echo(
        f"{policy.id} version {policy.version}: {len(policy.rules)} rules, all of it is valid"
    )
