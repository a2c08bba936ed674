"""serve_config.yaml for a cluster that differs in one thing from the one that the file is for."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.environment import ROOT

SERVE_CONFIG = ROOT / "serve_config.yaml"


def read_serve_config(path: Path = SERVE_CONFIG) -> dict[str, Any]:
    """The file as Serve reads it."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def without_gpus(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same for machines without GPUs: no share of one, and no model is told to run there."""
    made: dict[str, Any] = copy.deepcopy(dict(config))
    for application in made["applications"]:
        for deployment in application["deployments"]:
            options = deployment["ray_actor_options"]
            options.pop("num_gpus", None)
            variables = options.get("runtime_env", {}).get("env_vars", {})
            if variables.pop("PROCTOR_DEVICE", None) and not variables:
                del options["runtime_env"]
    return made
