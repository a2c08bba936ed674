"""Resemblyzer's encoder without torch: its checkpoint, the conversion, the mel bands, real voices."""

import io
import pickle
import struct
import sys
import types
import wave
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.convert.torch_checkpoint import MAGIC, PROTOCOL, read_state
from models.convert.voice_encoder import voice_encoder_to_onnx
from models.errors import ModelFileAltered, ModelOutputInvalid
from models.runtimes.onnx import OnnxModel
from models.sound.mel import mel_bands
from models.sound.speaker_embedding import (
    PARTIAL,
    STEP,
    SpeakerEmbedder,
    at_level,
    mean_voice,
    piece_starts,
)
from models.sources import fetched_wheel, silent

SECOND = 16_000
HIDDEN = 256

# torch's own module, as far as a checkpoint names it
FAKE_TORCH, FAKE_UTILS = types.ModuleType("torch"), types.ModuleType("torch._utils")


class FloatStorage:
    """Named in a checkpoint, never made."""


def _rebuild_tensor_v2(*_: object) -> None:
    """Named in a checkpoint, never called."""


FloatStorage.__module__ = "torch"
_rebuild_tensor_v2.__module__ = "torch._utils"
FAKE_TORCH.FloatStorage, FAKE_UTILS._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2  # type: ignore[attr-defined]


class Storage:
    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, np.ascontiguousarray(values, "<f4")


class Tensor:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple[Any, ...]:
        values = self.storage.values
        strides = tuple(step // 4 for step in values.strides)
        return _rebuild_tensor_v2, (self.storage, 0, values.shape, strides, False, OrderedDict())


class Writer(pickle.Pickler):
    def persistent_id(self, each: object) -> object:
        if isinstance(each, Storage):
            return ("storage", FloatStorage, each.key, "cpu", each.values.size, None)
        return None


@pytest.fixture
def checkpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Bytes as torch before 1.6 writes them for {"step": 7, "model_state": state, ...}."""

    def written(state: dict[str, np.ndarray], **more: object) -> bytes:
        storages = [Storage(str(at), values) for at, values in enumerate(state.values())]
        tensors = OrderedDict(zip(state, map(Tensor, storages), strict=True))
        whole = {"step": 7, "model_state": tensors, **more}
        machine = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
        keys = [storage.key for storage in storages]
        file = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "torch", FAKE_TORCH)
            patch.setitem(sys.modules, "torch._utils", FAKE_UTILS)
            for part in (MAGIC, PROTOCOL, machine, whole, keys):
                Writer(file, 2).dump(part)
        for storage in storages:
            file.write(struct.pack("<q", storage.values.size) + storage.values.tobytes())
        return file.getvalue()

    return written


class TestACheckpointIsReadAndNothingInItIsRun:
    def test_tensors_come_out(self, checkpoint: Any) -> None:
        state = {
            "one": np.arange(6).reshape(2, 3),
            "two": np.array([1.5, -2.5]),
            "scalar": np.array(7.0),
        }
        read = read_state(checkpoint(state), "model_state")
        assert list(read) == ["one", "two", "scalar"]
        for name, values in state.items():
            np.testing.assert_array_equal(read[name], values)

    def test_what_would_be_run_is_refused_before_it_is_looked_up(
        self, checkpoint: Any, tmp_path: Path
    ) -> None:
        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "it ran",)

        content = checkpoint({"one": np.zeros(2)}, optimizer=Trap())
        with pytest.raises(ModelFileAltered, match="more than tensors: "):
            read_state(content, "model_state")
        assert not (tmp_path / "it ran").exists()

    @pytest.mark.parametrize("keep", [0, 10, 200, -1])
    def test_one_that_ends_early_is_one_clear_line(self, checkpoint: Any, keep: int) -> None:
        content = checkpoint({"one": np.arange(50.0)})
        with pytest.raises(ModelFileAltered, match=r"ends early or is damaged|no checkpoint"):
            read_state(content[:keep], "model_state")

    def test_other_bytes_are_refused(self, checkpoint: Any) -> None:
        with pytest.raises(ModelFileAltered):
            read_state(b"PK\x03\x04 something else", "model_state")
        with pytest.raises(ModelFileAltered):
            read_state(pickle.dumps(12345, 2), "model_state")
        with pytest.raises(ModelFileAltered):
            read_state(checkpoint({"one": np.zeros(1)}), "another_entry")


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """The encoder's shapes, random."""
    rng = np.random.default_rng(seed)
    state = {}
    for layer in range(3):
        state |= {
            f"lstm.weight_ih_l{layer}": rng.normal(0, 0.2, (4 * HIDDEN, HIDDEN if layer else 40)),
            f"lstm.weight_hh_l{layer}": rng.normal(0, 0.05, (4 * HIDDEN, HIDDEN)),
            f"lstm.bias_ih_l{layer}": rng.normal(0, 0.2, 4 * HIDDEN),
            f"lstm.bias_hh_l{layer}": rng.normal(0, 0.2, 4 * HIDDEN),
        }
    state["linear.weight"] = rng.normal(0, 0.2, (HIDDEN, HIDDEN))
    state["linear.bias"] = rng.normal(0, 0.2, HIDDEN)
    return {name: values.astype(np.float32) for name, values in state.items()}


def by_hand(state: dict[str, np.ndarray], mels: np.ndarray) -> np.ndarray:
    """The encoder as its formulas say, one (frames, 40) at a time."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    rows: np.ndarray = mels.astype(np.float64)
    for layer in range(3):
        hidden = cell = np.zeros(HIDDEN)
        out = []
        for row in rows:
            gates = (
                state[f"lstm.weight_ih_l{layer}"] @ row
                + state[f"lstm.weight_hh_l{layer}"] @ hidden
                + state[f"lstm.bias_ih_l{layer}"]
                + state[f"lstm.bias_hh_l{layer}"]
            )
            enter, forget, new, leave = np.split(gates, 4)
            cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
            hidden = sigmoid(leave) * np.tanh(cell)
            out.append(hidden)
        rows = np.stack(out)
    features = np.maximum(0, state["linear.weight"] @ rows[-1] + state["linear.bias"])
    return np.asarray(features / np.linalg.norm(features))


class TestTheNetworkBecomesOnnx:
    def test_it_computes_what_the_formulas_say_and_batches_agree(self, checkpoint: Any) -> None:
        state = weights()
        model = OnnxModel("made-up", voice_encoder_to_onnx(checkpoint(state)))
        mels = np.random.default_rng(1).uniform(0, 1, (3, 25, 40)).astype(np.float32)
        together = model.run({"mels": mels})["embeddings"]
        for at in range(3):
            np.testing.assert_allclose(together[at], by_hand(state, mels[at]), atol=1e-5)
            alone = model.run({"mels": mels[at : at + 1]})["embeddings"][0]
            np.testing.assert_allclose(alone, together[at], atol=1e-6)

    def test_the_same_bytes_in_give_the_same_bytes_out(self, checkpoint: Any) -> None:
        content = checkpoint(weights())
        assert voice_encoder_to_onnx(content) == voice_encoder_to_onnx(content)

    def test_another_network_is_one_clear_line(self, checkpoint: Any) -> None:
        state = weights()
        del state["lstm.bias_hh_l2"]
        with pytest.raises(ModelFileAltered, match=r"no lstm\.bias_hh_l2 of shape"):
            voice_encoder_to_onnx(checkpoint(state))
        state = weights() | {"linear.weight": np.zeros((128, 256), np.float32)}
        with pytest.raises(ModelFileAltered, match=r"no linear\.weight of shape"):
            voice_encoder_to_onnx(checkpoint(state))


class TestMelBands:
    def test_a_tone_is_in_its_band_and_the_next(self) -> None:
        tone = np.sin(2 * np.pi * 1000 / SECOND * np.arange(SECOND)).astype(np.float32)
        bands = mel_bands(tone)
        assert bands.shape == (101, 40)
        # 1000 Hz is mel 15 of 41 steps of 45.245 / 41 mels: between the peaks of bands 12 and 13
        middle = bands[20:80].mean(axis=0)
        assert set(np.argsort(middle)[-2:]) == {12, 13}
        assert middle[[12, 13]].sum() > 0.98 * middle.sum()

    def test_white_noise_fills_every_hertz_alike(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, 60 * SECOND).astype(np.float32)
        bands = mel_bands(noise)[10:-10].mean(axis=0)
        # area of each filter 1 Hz^-1 over bins of 40 Hz: power of the window (150) * 0.01 / 40
        np.testing.assert_allclose(bands, 0.01 * 150 / 40, rtol=0.12)

    @pytest.mark.framework("librosa")
    @pytest.mark.filterwarnings("ignore")
    def test_it_is_librosas(self) -> None:
        import librosa

        noise = np.random.default_rng(0).normal(0, 0.1, 25_601).astype(np.float32)
        theirs = librosa.feature.melspectrogram(
            y=noise, sr=SECOND, n_fft=400, hop_length=160, n_mels=40
        )
        np.testing.assert_allclose(mel_bands(noise), theirs.T, rtol=1e-4, atol=1e-7)


def test_pieces_cover_a_stretch_and_a_short_rest_is_left_out() -> None:
    assert piece_starts(100) == (0,)
    assert piece_starts(PARTIAL) == (0,)
    assert piece_starts(PARTIAL + STEP) == (0, STEP)
    rest = PARTIAL // 4
    assert piece_starts(PARTIAL + STEP - rest) == (0, STEP)
    assert piece_starts(PARTIAL + STEP - rest - 1) == (0,)


def test_quiet_sound_is_brought_to_level_and_loud_sound_stays() -> None:
    tone = np.sin(np.arange(SECOND) / 10).astype(np.float32)
    louder = at_level(tone * 0.001)
    assert 10 * np.log10(np.mean(louder**2)) == pytest.approx(-30, abs=0.01)
    np.testing.assert_array_equal(at_level(tone), tone)
    np.testing.assert_array_equal(at_level(np.zeros(10, np.float32)), np.zeros(10, np.float32))


class Holding:
    """A catalogue that holds one network."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, _: str) -> bytes:
        return self.content


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_network_whose_answer_is_not_finite_is_never_a_voice(checkpoint: Any) -> None:
    state = weights() | {
        "linear.weight": np.zeros((HIDDEN, HIDDEN), np.float32),
        "linear.bias": np.full(HIDDEN, -1.0, np.float32),  # all features zero: no direction
    }
    embedder = SpeakerEmbedder(Holding(voice_encoder_to_onnx(checkpoint(state))), "made-up")  # type: ignore[arg-type]
    with pytest.raises(ModelOutputInvalid):
        embedder.embed(np.ones(2 * SECOND, np.float32))


@pytest.mark.weights
class TestRealWeights:
    def test_a_voice_of_the_sample_is_like_itself_and_unlike_the_other(
        self, catalogue: Catalogue
    ) -> None:
        embedder = SpeakerEmbedder(catalogue, "speaker-embedding")
        with wave.open(io.BytesIO(catalogue.read("speech-sample"))) as sound:
            raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        talk = raw.astype(np.float32) / 32768
        # the sample's own labels: speaker90 and speaker91 take turns
        one, one_again, other, other_again = (
            embedder.embed(at_level(talk[int(start * SECOND) : int(end * SECOND)]))
            for start, end in ((10.6, 14.4), (18.6, 21.4), (14.8, 17.9), (22.0, 27.8))
        )
        # measured 2026-11-22: 0.895 and 0.918 the same, 0.78 to 0.81 the other: one room, one microphone
        alike = one @ one_again, other @ other_again
        unlike = [float(a @ b) for a in (one, one_again) for b in (other, other_again)]
        assert alike == pytest.approx((0.895, 0.918), abs=0.01)
        assert max(unlike) == pytest.approx(0.809, abs=0.01)

    @pytest.mark.framework("torch")
    @pytest.mark.filterwarnings("ignore")
    def test_it_answers_as_torch_does(self, catalogue: Catalogue, tmp_path: Path) -> None:
        import torch

        wheel = catalogue.manifest.wheels["resemblyzer"]
        with fetched_wheel(wheel, tmp_path, silent) as opened:
            raw = opened.read("resemblyzer/pretrained.pt")
        state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)["model_state"]
        lstm = torch.nn.LSTM(40, HIDDEN, 3, batch_first=True)
        lstm.load_state_dict(
            {k.removeprefix("lstm."): v for k, v in state.items() if k.startswith("lstm.")}
        )
        mels = np.random.default_rng(0).exponential(0.05, (5, 160, 40)).astype(np.float32)
        with torch.no_grad():
            _, (hidden, _) = lstm(torch.from_numpy(mels))
            features = torch.relu(hidden[-1] @ state["linear.weight"].T + state["linear.bias"])
            theirs = (features / features.norm(dim=1, keepdim=True)).numpy()
        content = voice_encoder_to_onnx(raw)
        ours = OnnxModel("voice-encoder", content).run({"mels": mels})["embeddings"]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert catalogue.read("speaker-embedding") == content


def test_the_voice_of_pieces_is_their_mean_direction() -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    np.testing.assert_allclose(mean_voice(vectors), [2**-0.5, 2**-0.5, 0], rtol=1e-6)
