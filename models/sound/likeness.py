"""How the likeness of two voices becomes a probability: as the chosen speaker model's entry states it."""

from models.catalogue import Catalogue
from models.selection import Selection
from proctor.identity.voices import VoiceCalibration


def voice_likeness(selection: Selection, catalogue: Catalogue) -> VoiceCalibration | None:
    """The `scores` of the speakers model's files, the cosine being the score.

    Returns:
        None where the model states none: each model has a scale of its own, and one read with
        another's would take the candidate for somebody else.
    """
    model = selection.model("speakers")
    files = () if model is None else catalogue.files(model.files)
    for file in files:
        if file.task == "speakers" and file.scores is not None:
            return VoiceCalibration(slope=file.scores.slope, midpoint=file.scores.midpoint)
    return None
