"""One call of each chosen model on its own, for whoever measures what it costs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from models.catalogue import Catalogue
from models.face.mesh import region_of_detection
from models.pictures import decode
from models.readers import open_model
from models.selection import Selection
from proctor.domain.geometry import Box
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.perception import BodyAsk, ObjectsAsk, SpeakersAsk, SpeechAsk, WordsAsk
from proctor.services.host.sound import CHUNK

Call = Callable[[], object]
WINDOW_S = 10


def model_calls(
    selection: Selection, catalogue: Catalogue, picture: bytes, sound: Samples
) -> Mapping[str, tuple[Call, str]]:
    """Name of each chosen model -> a call of it, and what the call is given.

    Args:
        selection: The models; every one must be there.
        catalogue: Where they are.
        picture: JPEG or PNG with one face that is easily found.
        sound: Ten seconds of talk or more.

    Raises:
        ModelFileError: A model cannot be opened.
    """
    calls: dict[str, tuple[Call, str]] = {}

    def opened(task: Any) -> Any:
        return open_model(selection, catalogue, task)

    image = decode(picture)
    size = f"{image.shape[1]}x{image.shape[0]}"
    detector, mesh = opened("face_detection"), opened("face_landmarks")
    looks = [look for look in detector.looks(search_small=False) if not look.only_when_nobody]
    calls[selection.chosen["face_detection"]] = (
        lambda: [look.search(image) for look in looks],
        f"a picture of {size}, decoded",
    )
    found = looks[0].search(image)
    if found:
        region = region_of_detection(found[0])
        fitted = mesh.fit(image, region)
        irises = mesh.irises(image, fitted)
        calls[selection.chosen["face_landmarks"]] = (
            lambda: mesh.irises(image, mesh.fit(image, region)),
            "a face: mesh and both irises",
        )
        pose, gaze, embedder = opened("head_pose"), opened("gaze"), opened("face_embedding")
        calls[selection.chosen["head_pose"]] = lambda: pose.estimate(image, fitted), "a face"
        calls[selection.chosen["gaze"]] = lambda: gaze.estimate(image, fitted, irises), "a face"
        calls[selection.chosen["face_embedding"]] = (
            lambda: embedder.embed([embedder.chip(image, fitted.points)]),
            "a face",
        )
        liveness = opened("liveness")
        if liveness is not None:
            box: Box = fitted.box(image.shape[1], image.shape[0])
            calls[selection.chosen["liveness"]] = lambda: liveness.probability(image, box), "a face"
    body, voice = opened("body"), opened("voice")
    calls[selection.chosen["body"]] = lambda: body.read(BodyAsk(picture=picture)), f"{size}, as PNG"
    second = SpeechAsk(samples=sound[: AUDIO_RATE_HZ // CHUNK * CHUNK])
    calls[selection.chosen["voice"]] = lambda: voice.listen([second]), "a second of sound"
    window = np.ascontiguousarray(sound[: WINDOW_S * AUDIO_RATE_HZ])
    for task, ask in (
        ("speakers", SpeakersAsk(samples=window)),
        ("words", WordsAsk(samples=window)),
        ("objects", ObjectsAsk(picture=picture)),
    ):
        reader = opened(task)
        if reader is not None:
            name = selection.chosen[task]  # type: ignore[index]
            given = f"a picture of {size}" if task == "objects" else f"{WINDOW_S} s of talk"
            calls[name] = _reading(reader, ask), given
    return calls


def _reading(reader: Any, ask: object) -> Call:
    return lambda: reader.read(ask)
