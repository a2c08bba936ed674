"""The voice of a stretch of sound as a vector: Resemblyzer's encoder over partial stretches.

The encoder was trained on 1.6 s; a longer stretch is covered by partial ones every 0.77 s and the
mean of their vectors, at unit length, is the voice (Resemblyzer 0.1.4, `embed_utterance`). The sound
is brought to the training's level first. The features are powers, never negative, so two
vectors' cosine lies in 0..1.
"""

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.runtimes.onnx import OnnxModel
from models.sound.mel import BANDS, HOP, mel_bands
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.perception import Embedding

Floats = npt.NDArray[np.float32]

PARTIAL_FRAMES = 160
PARTIAL = PARTIAL_FRAMES * HOP
STEP = 77 * HOP
LEAST_COVERED = 0.75
LEVEL_DBFS = -30.0
DIMENSIONS = 256
PARTIALS_PER_RUN = 8


class SpeakerEmbedder:
    """The voice encoder. One instance is shared by all threads."""

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        """`name` is the network's id. Raises `ModelFileError`."""
        self._name = name
        self._model = OnnxModel(name, catalogue.read(name), batch_limit=PARTIALS_PER_RUN)
        piece = np.zeros((1, PARTIAL_FRAMES, BANDS), np.float32)
        self._model.require({"mels": piece}, {"embeddings": (1, DIMENSIONS)})

    def partials(self, samples: Samples, step: int = STEP) -> tuple[Floats, tuple[int, ...]]:
        """Vectors of the 1.6 s pieces of a stretch.

        Args:
            samples: (n,) at 16 kHz, at the level of `at_level`. Padded with zeros to one piece.
            step: Samples between the starts of pieces, whole frames of 10 ms.

        Returns:
            (pieces, 256) of unit length and where each piece starts, in samples. The last piece
            may reach beyond the end by a quarter of its length.

        Raises:
            ModelOutputInvalid: A vector is not finite or not of unit length.
        """
        starts = piece_starts(len(samples), step)
        whole = np.pad(samples, (0, max(0, starts[-1] + PARTIAL - len(samples))))
        bands = mel_bands(whole)
        pieces = np.stack([bands[at // HOP :][:PARTIAL_FRAMES] for at in starts])
        vectors = np.concatenate(
            [
                self._run(pieces[at : at + PARTIALS_PER_RUN])
                for at in range(0, len(pieces), PARTIALS_PER_RUN)
            ]
        )
        return vectors, starts

    def embed(self, samples: Samples) -> Embedding:
        """(256,) float32 of unit length: the voice of a stretch in which one person speaks.

        Raises:
            ModelOutputInvalid: The encoder's answer is not finite.
        """
        return mean_voice(self.partials(samples)[0])

    def _run(self, pieces: Floats) -> Floats:
        assert pieces.shape[1:] == (PARTIAL_FRAMES, BANDS)
        vectors = self._model.run({"mels": pieces})["embeddings"]
        if vectors.shape != (len(pieces), DIMENSIONS):
            raise ModelOutputInvalid(f"{self._name} answered in shape {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-3):  # NaN fails this as well
            raise ModelOutputInvalid(f"{self._name} answered with vectors that are not of length 1")
        return vectors


def piece_starts(count: int, step: int = STEP) -> tuple[int, ...]:
    """Where the 1.6 s pieces of `count` samples start; always one.

    The last one is left out when less than three quarters of it are sound.
    """
    starts = range(0, max(1, count - PARTIAL + step), step)
    kept = [at for at in starts if at == 0 or count - at >= LEAST_COVERED * PARTIAL]
    return tuple(kept)


def mean_voice(vectors: Floats) -> Embedding:
    """The direction of the mean of unit vectors (never zero: none has a negative part)."""
    mean = vectors.mean(axis=0)
    voice: Embedding = (mean / np.linalg.norm(mean)).astype(np.float32)
    return voice


def at_level(samples: Samples) -> Samples:
    """The sound made louder to a mean power of -30 dBFS; louder sound is left as it is."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    gain = np.sqrt(10 ** (LEVEL_DBFS / 10) / power) if power > 0 else 1.0
    louder: Samples = (samples * max(1.0, gain)).astype(np.float32)
    return louder


def seconds(samples: int) -> float:
    """How long so many samples are."""
    return samples / AUDIO_RATE_HZ
