"""The pyannote.audio 4 pipeline from a local folder: nothing fetched, nothing told to anybody.

What makes it safe and offline:
- The folder's config.yaml may name pyannote's own diarization and parts of the folder, nothing else.
  Left-out parts would be fetched from a hub, `plda` even where it is not used (MODELS.md 5).
- pyannote opens checkpoints as pickles that may hold anything; torch is told to open weights only, and
  the few classes of pyannote's own that its checkpoints name are let through.
- Telemetry is switched off before the package is imported.

The extra `diarization` brings the package.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from models.errors import ExtraMissing, ModelFileError, ModelOutputInvalid
from proctor.domain.media import AUDIO_RATE_HZ, Samples

EXTRA = "the pyannote pipeline needs pyannote.audio: pip install 'rayproctor[diarization]'"
PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
CLUSTERINGS = ("VBxClustering", "AgglomerativeClustering")
PARTS = ("segmentation", "embedding", "plda")
ARCHITECTURES = "pyannote.audio.models."
CHECKPOINT = "pytorch_model.bin"
NEEDED = {
    "segmentation": (CHECKPOINT,),
    "embedding": (CHECKPOINT,),
    "plda": ("xvec_transform.npz", "plda.npz"),
}
KNOWN_KEYS = {"version", "dependencies", "pipeline", "params", "freeze"}

ENVIRONMENT = {
    "PYANNOTE_METRICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
}


@dataclass(frozen=True, slots=True, eq=False)
class Diarized:
    """Who spoke when.

    Attributes:
        turns: (speaker, start, end) in seconds; speakers count from 0.
        embeddings: (speakers, d) float32, not of unit length; NaN or zero where there is none.
    """

    turns: tuple[tuple[int, float, float], ...]
    embeddings: npt.NDArray[np.float32]


class PyannotePipeline:
    """One folder's pipeline, on the CPU or the GPU torch finds. One call at a time."""

    def __init__(self, name: str, folder: Path) -> None:
        """Load a verified folder.

        Raises:
            ModelFileError: It is no pipeline that can be loaded here, or the extra is not installed.
        """
        check_folder(name, folder)
        os.environ.update(ENVIRONMENT)
        try:
            import torch
            from pyannote.audio import Pipeline
        except (ImportError, OSError, RuntimeError) as error:  # torchaudio's library, torchvision's
            raise ExtraMissing(f"{EXTRA} ({type(error).__name__} while loading it)") from error
        self._name = name
        self._torch = torch
        self._alone = threading.Lock()
        torch.set_num_threads(1)
        try:
            with torch.serialization.safe_globals(own_classes()):
                for part in ("segmentation", "embedding"):
                    _check_architecture(torch, folder / part / CHECKPOINT)
                pipeline: Any = Pipeline.from_pretrained(str(folder))
            self.dimensions = int(pipeline._embedding.dimension)
        except ModelFileError:
            raise
        except Exception as error:  # torch raises a dozen kinds on damaged bytes
            raise ModelFileError(
                f"{name} is no pipeline that pyannote.audio 4 can load ({type(error).__name__}): "
                "bring its folder again with `proctor models add`"
            ) from error
        if torch.cuda.is_available():
            pipeline.to(torch.device("cuda"))
        self._pipeline = pipeline

    def diarize(self, samples: Samples) -> Diarized:
        """Who spoke when in a window.

        Raises:
            ModelOutputInvalid: The pipeline could not be run on it.
        """
        sound = self._torch.from_numpy(samples.astype(np.float32))[None]
        try:
            with self._alone:
                told = self._pipeline({"waveform": sound, "sample_rate": AUDIO_RATE_HZ})
        except (ValueError, RuntimeError, IndexError, FloatingPointError) as error:
            raise ModelOutputInvalid(
                f"{self._name} could not be run: {type(error).__name__}"
            ) from error
        spoken = told.speaker_diarization
        number = {label: at for at, label in enumerate(spoken.labels())}
        turns = tuple(
            (number[label], float(turn.start), float(turn.end))
            for turn, _, label in spoken.itertracks(yield_label=True)
        )
        embeddings = np.full((len(number), self.dimensions), np.nan, np.float32)
        given = np.asarray(told.speaker_embeddings, np.float32)[: len(number)]
        embeddings[: len(given)] = given
        return Diarized(turns, embeddings)


def check_folder(name: str, folder: Path) -> None:
    """Whether a folder holds a diarization pipeline that needs nothing from elsewhere.

    Raises:
        ModelFileError: In one line, with what is wrong.
    """
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, no such day
        raise ModelFileError(f"{name}: config.yaml cannot be read") from error
    if not isinstance(config, dict) or not isinstance(config.get("pipeline"), dict):
        raise ModelFileError(f"{name}: config.yaml describes no pipeline")
    if unknown := sorted(set(config) - KNOWN_KEYS, key=str):
        raise ModelFileError(f"{name}: config.yaml says {unknown[0]}, which is not supported here")
    if config["pipeline"].get("name") not in PIPELINES:
        raise ModelFileError(f"{name}: config.yaml names another pipeline than {PIPELINES[0]}")
    params = config["pipeline"].get("params") or {}
    if not isinstance(params, dict) or not isinstance(config.get("params") or {}, dict):
        raise ModelFileError(f"{name}: config.yaml must give `params` by name, not as a list")
    if params.get("legacy") or params.get("clustering", CLUSTERINGS[0]) not in CLUSTERINGS:
        raise ModelFileError(
            f"{name}: config.yaml must not say `legacy`, and cluster by VBx or linkage"
        )
    for part in PARTS:
        if params.get(part) != f"$model/{part}":
            raise ModelFileError(
                f"{name}: config.yaml must say `{part}: $model/{part}`, else pyannote would fetch it"
            )
        for needed in NEEDED[part]:
            if not (folder / part / needed).is_file():
                raise ModelFileError(f"{name}: {part}/{needed} is missing in the folder")


def own_classes() -> list[Any]:
    """What pyannote's and lightning's checkpoints name beside tensors."""
    from pyannote.audio.core.model import Introspection
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from torch.torch_version import TorchVersion

    return [Problem, Resolution, Specifications, TorchVersion, Introspection]


def _check_architecture(torch: Any, path: Path) -> None:
    """Pyannote imports the module that a checkpoint names: only its own may be."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    module = str(checkpoint["pyannote.audio"]["architecture"]["module"])
    if not module.startswith(ARCHITECTURES):
        raise ModelFileError(
            f"{path.parent.name}/{path.name} names another network than pyannote's"
        )
