"""`proctor policy`: is a policy right, and what does it do?"""

import typer

from deployments.cli import policy_replay
from deployments.cli.errors import EXIT_UNUSABLE, OneLineErrors
from deployments.cli.policy_file import PolicyFile, text_of

app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, help="Policies: what counts, as data.")

app.command("test")(policy_replay.try_cases)
app.command("what-if")(policy_replay.what_if)


@app.command()
def check(file: PolicyFile) -> None:
    """Validate a policy to the last field; exit 2 with a line for each thing that is wrong."""
    from proctor.fusion.faults import faults_of
    from proctor.fusion.policy import parse_policy

    text = text_of(file)
    faults = faults_of(text)
    for fault in faults:
        typer.echo(f"{file}: {fault}", err=True)
    if faults:
        raise typer.Exit(EXIT_UNUSABLE)
    policy = parse_policy(text)
    typer.echo(
        f"{policy.id} version {policy.version}: {len(policy.rules)} rules, all of it is valid"
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of a policy, for editors (policies/policy.schema.json)."""
    from proctor.fusion.policy_schema import policy_schema_text

    typer.echo(policy_schema_text(), nl=False)
