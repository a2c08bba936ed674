"""`proctor models calibrate`: how an embedding model's distances are read, fitted on a folder."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.manifest import Calibration
from models.selection import select
from proctor.settings import Settings


def calibrate_on(
    model: str, folder: Path, catalogue: Catalogue, settings: Settings, now: datetime
) -> tuple[Group, dict[str, object]]:
    """Fit on the folder; kept in the models folder when the model is the operator's own.

    Returns:
        What to print, and the same for a file.

    Raises:
        ModelFileError: The model is none for faces or not there, or the folder shows too few people.
    """
    from bench import accuracy_verification, calibration  # OpenCV comes with them
    from models.in_process import InProcessPerception

    selection = select(settings.pack, {**settings.models, "face_embedding": model})
    chosen = selection.model("face_embedding")
    assert chosen is not None, "identity cannot be switched off"
    (file,) = catalogue.files([chosen.files[0]])
    digest = catalogue.producer(file.id).digest
    with InProcessPerception(catalogue.models_dir, frozenset({"face"}), selection, 2) as models:
        people = asyncio.run(accuracy_verification.read_people(models, folder))
    metric = "cosine" if file.calibration is None else file.calibration.metric
    try:
        fitted = calibration.fit(people, metric, now.date())
    except calibration.TooFewPeople as error:
        raise ModelFileError(f"{folder} cannot calibrate {model}: {error}") from error
    told = f"{model} states its calibration in the manifest; this is what the folder says:"
    stated = Calibration(**asdict(fitted.calibration), ece=fitted.ece, measured=fitted.measured)
    if file.is_operators:
        catalogue.calibrate(file.id, digest, stated)
        told = f"kept for {model} in {catalogue.models_dir}:"
    shown = Group(
        accuracy_verification.table(fitted.groups, people),
        Text(told),
        Text("\n".join(calibration.lines(fitted))),
    )
    figures = accuracy_verification.as_json(fitted.groups, people)
    return shown, figures | {"model": model, "calibration": stated.model_dump()}


def show(console: Console, shown: Group) -> None:
    """Print it, long lines unbroken so that they can be copied."""
    console.print(shown, soft_wrap=True)
