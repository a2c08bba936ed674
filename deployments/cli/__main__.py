"""`python -m deployments.cli` is `proctor`."""

from deployments.cli import app

app()
