"""The pyannote.audio pipeline from a folder: what a folder must hold, and the true architecture end to end.

The weights that are published are behind an agreement, so the networks here are the same ones with
seeded random weights: who speaks is then nonsense, that it is pyannote's own nonsense is not.
"""

import importlib.util
import sys
import types
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import ModelFileAltered, ModelFileError, ModelFileMissing
from models.runtimes.pyannote import Diarized, check_folder
from models.sound.pipeline import turns_and_voices
from proctor.domain.perception import Fault, SpeakersAsk, SpeakerTurn

SECOND = 16_000
AT = datetime(2026, 11, 22, tzinfo=UTC)

CONFIG = """
dependencies: {pyannote.audio: 4.0.0}
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 8
    embedding: $model/embedding
    embedding_batch_size: 8
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


def empty_folder(folder: Path, config: str = CONFIG) -> Path:
    """The layout, with files that hold nothing."""
    for part, names in {
        "segmentation": ["pytorch_model.bin"],
        "embedding": ["pytorch_model.bin"],
        "plda": ["xvec_transform.npz", "plda.npz"],
    }.items():
        (folder / part).mkdir(parents=True)
        for name in names:
            (folder / part / name).write_bytes(b"nothing")
    (folder / "config.yaml").write_text(config)
    return folder


class TestAFolderIsLookedAtFirst:
    def test_a_whole_folder_is_fine(self, tmp_path: Path) -> None:
        check_folder("it", empty_folder(tmp_path / "it"))

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("    plda: $model/plda\n", "", "plda"),
            ("$model/embedding", "speechbrain/spkrec-ecapa-voxceleb", "embedding"),
            ("SpeakerDiarization", "VoiceActivityDetection", "another pipeline"),
            ("pyannote.audio.pipelines.SpeakerDiarization", "os.system", "another pipeline"),
            (
                "params:\n  clus",
                "preprocessors: {audio: {name: os.system}}\nparams:\n  clus",
                "prep",
            ),
            ("VBxClustering", "OracleClustering", "VBx"),
            ("pipeline:\n", "pipeline: 7\nrest:\n", "no pipeline"),
            ("dependencies:", "\tdependencies:", "cannot be read"),
            ("dependencies: {", "dependencies: {on: 2026-99-99, ", "cannot be read"),
            ("  params:\n", "  params: [x]\n  rest:\n", "by name, not as a list"),
            ("\nparams:\n", "\nparams: [x]\nfreeze:\n", "by name, not as a list"),
        ],
    )
    def test_one_that_would_fetch_or_run_something_else_is_refused(
        self, tmp_path: Path, old: str, new: str, says: str
    ) -> None:
        assert old in CONFIG
        folder = empty_folder(tmp_path / "it", CONFIG.replace(old, new, 1))
        with pytest.raises(ModelFileError, match=says):
            check_folder("it", folder)

    def test_a_missing_part_is_named(self, tmp_path: Path) -> None:
        folder = empty_folder(tmp_path / "it")
        (folder / "plda" / "plda.npz").unlink()
        with pytest.raises(ModelFileError, match=r"plda/plda\.npz is missing"):
            check_folder("it", folder)


class TestAFolderIsBrought:
    def brought(self, tmp_path: Path) -> tuple[Catalogue, Path]:
        catalogue = Catalogue(tmp_path / "models")
        catalogue.accept("pyannote-pipeline", "somebody", AT)
        source = empty_folder(tmp_path / "source")
        (source / ".git").mkdir()
        (source / ".git" / "config").write_text("no part of the model")
        return catalogue, catalogue.add("pyannote-pipeline", source, AT)

    def test_its_terms_come_first_then_it_is_copied_and_verified(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="--accept-licence pyannote-pipeline"):
            Catalogue(tmp_path / "models").add("pyannote-pipeline", tmp_path, AT)
        catalogue, folder = self.brought(tmp_path)
        assert catalogue.folder("pyannote-pipeline") == folder
        assert (folder / "config.yaml").read_text() == CONFIG
        assert not (folder / ".git").exists()
        assert catalogue.producer("pyannote-pipeline").digest == (
            # find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum
            "fdf02df9742732db27d76eb4d751e0159ff6e315713747464f6af456f71e6825"
        )

    def test_an_altered_one_is_refused(self, tmp_path: Path) -> None:
        catalogue, folder = self.brought(tmp_path)
        (folder / "plda" / "plda.npz").write_bytes(b"something")
        with pytest.raises(ModelFileAltered, match="proctor models add"):
            catalogue.folder("pyannote-pipeline")
        (folder / "plda" / "plda.npz").write_bytes(b"nothing")
        assert catalogue.folder("pyannote-pipeline") == folder
        (folder / "plda" / "one more").write_bytes(b"")
        with pytest.raises(ModelFileAltered):
            catalogue.folder("pyannote-pipeline")

    def test_another_takes_its_place(self, tmp_path: Path) -> None:
        catalogue, folder = self.brought(tmp_path)
        other = empty_folder(tmp_path / "other", CONFIG.replace("0.6", "0.7"))
        catalogue.add("pyannote-pipeline", other, AT)
        assert "0.7" in (catalogue.folder("pyannote-pipeline") / "config.yaml").read_text()
        assert [each.name for each in folder.parent.iterdir()] == ["pipeline"]

    def test_one_that_cannot_be_loaded_is_refused_when_it_is_brought(self, tmp_path: Path) -> None:
        catalogue, folder = self.brought(tmp_path)
        other = empty_folder(
            tmp_path / "other", CONFIG.replace("  params:\n", "  params: [x]\n  rest:\n")
        )
        with pytest.raises(ModelFileError, match="by name, not as a list"):
            catalogue.add("pyannote-pipeline", other, AT)
        (other / "config.yaml").write_text(CONFIG)
        (other / "plda" / "plda.npz").unlink()
        with pytest.raises(ModelFileError, match=r"plda/plda\.npz is missing"):
            catalogue.add("pyannote-pipeline", other, AT)
        assert catalogue.folder("pyannote-pipeline") == folder

    def test_a_file_or_nothing_is_no_folder(self, tmp_path: Path) -> None:
        catalogue, _ = self.brought(tmp_path)
        (tmp_path / "hollow").mkdir()
        with pytest.raises(ModelFileError, match="no folder"):
            catalogue.add("pyannote-pipeline", tmp_path / "source" / "config.yaml", AT)
        with pytest.raises(ModelFileError, match="no files"):
            catalogue.add("pyannote-pipeline", tmp_path / "hollow", AT)
        catalogue.folder("pyannote-pipeline")

    def test_one_never_brought_is_told(self, tmp_path: Path) -> None:
        catalogue = Catalogue(tmp_path / "models")
        catalogue.accept("pyannote-pipeline", "somebody", AT)
        with pytest.raises(ModelFileMissing, match="proctor models add pyannote-pipeline FOLDER"):
            catalogue.folder("pyannote-pipeline")


def test_turns_become_voices_in_the_order_in_which_they_are_heard() -> None:
    vectors = np.zeros((3, 256), np.float32)
    vectors[0, 0], vectors[1, 5] = 2.0, 3.0  # the third is zeros: pyannote had nothing to embed
    found = Diarized(
        turns=((1, -0.02, 3.0), (0, 2.5, 5.0), (2, 5.0, 6.5), (0, 9.0, 12.0)), embeddings=vectors
    )
    turns, voices = turns_and_voices(found, 10_000, 1_000)
    assert turns == (
        SpeakerTurn(voice=0, start_ms=0, end_ms=3_000),
        SpeakerTurn(voice=1, start_ms=2_500, end_ms=5_000),
        SpeakerTurn(voice=2, start_ms=5_000, end_ms=6_500),
        SpeakerTurn(voice=1, start_ms=9_000, end_ms=10_000),
    )
    assert [voice.alone_ms for voice in voices] == [2_500, 3_000, 1_500]
    first, second, third = (voice.embedding for voice in voices)
    assert first is not None and first[5] == 1.0
    assert second is not None and second[0] == 1.0
    assert third is None


def test_a_voice_hardly_alone_has_no_embedding() -> None:
    found = Diarized(turns=((0, 0.0, 5.0), (1, 0.5, 5.4)), embeddings=np.ones((2, 256), np.float32))
    _, voices = turns_and_voices(found, 10_000, 1_000)
    assert [(voice.alone_ms, voice.embedding) for voice in voices] == [(500, None), (400, None)]


needs_pyannote = pytest.mark.framework("pyannote.audio")


@pytest.fixture(scope="module")
def torchaudio_loads() -> None:
    """torchaudio's wheel wants CUDA's libraries; beside torch for CPUs its extension is left out.

    Nothing of pyannote's path uses it (MODELS.md 1).
    """
    try:
        importlib.import_module("torchaudio")
    except OSError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        extension: Any = types.ModuleType("torchaudio._extension")
        extension.__file__ = __file__
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
        extension.fail_if_no_align = lambda function: function
        extension._load_lib = lambda *_: False
        sys.modules["torchaudio._extension"] = extension
        importlib.import_module("torchaudio")


def noise_tone_whisper() -> np.ndarray:
    """Ten seconds: four of noise, three of a tone, three of faint noise."""
    sound = np.random.default_rng(0).normal(0, 0.1, 10 * SECOND)
    sound[4 * SECOND : 7 * SECOND] = 0.2 * np.sin(2 * np.pi * 220 / SECOND * np.arange(3 * SECOND))
    sound[7 * SECOND :] *= 0.1
    return sound.astype(np.float32)


@pytest.fixture(scope="module")
def random_pipeline(tmp_path_factory: pytest.TempPathFactory, torchaudio_loads: None) -> Path:
    """PyanNet, WeSpeaker's ResNet34 and a PLDA of the true shapes, seeded."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    # every voice by itself, however alike the random networks find them
    config = CONFIG.replace("VBxClustering", "AgglomerativeClustering").replace(
        "{threshold: 0.6, Fa: 0.07, Fb: 0.8}",
        "{method: average, min_cluster_size: 1, threshold: 0.000001}",
    )
    folder = empty_folder(tmp_path_factory.mktemp("pyannote") / "it", config)
    torch.manual_seed(0)
    segmentation = PyanNet()
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["one", "two", "three"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.build()
    segmentation.eval()
    with torch.no_grad():  # answers that vary over the sound: several speak, two of them at once
        sound = torch.from_numpy(noise_tone_whisper())[None, None]
        segmentation.classifier.weight *= 60
        told = segmentation(sound)[0]
        segmentation.classifier.bias -= told.mean(0)
        segmentation.classifier.bias[4:] -= told[:, :4].std()
    embedding = WeSpeakerResNet34()
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    for part, network in (("segmentation", segmentation), ("embedding", embedding)):
        checkpoint: dict[str, Any] = {
            "state_dict": network.state_dict(),
            "hyper_parameters": dict(network.hparams),
            "pytorch-lightning_version": "2.6.6",
        }
        network.on_save_checkpoint(checkpoint)
        torch.save(checkpoint, folder / part / "pytorch_model.bin")
    rng = np.random.default_rng(4)
    np.savez(
        folder / "plda" / "xvec_transform.npz",
        mean1=rng.normal(0, 0.01, 256),
        mean2=rng.normal(0, 0.01, 128),
        lda=np.linalg.qr(rng.normal(size=(256, 128)))[0],
    )
    np.savez(
        folder / "plda" / "plda.npz",
        mu=np.zeros(128),
        tr=np.linalg.qr(rng.normal(size=(128, 128)))[0],
        psi=np.linspace(3.0, 0.1, 128),
    )
    return folder


@needs_pyannote
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(120)
class TestTheTrueArchitecture:
    def test_the_reader_tells_what_the_pipeline_says(
        self, tmp_path: Path, random_pipeline: Path
    ) -> None:
        from models.sound.pipeline import PipelineSpeakers

        catalogue = Catalogue(tmp_path)
        catalogue.accept("pyannote-pipeline", "somebody", AT)
        catalogue.add("pyannote-pipeline", random_pipeline, AT)
        reader = PipelineSpeakers(catalogue, ["pyannote-pipeline"])
        sound = noise_tone_whisper()
        sound.flags.writeable = False
        answer = reader.read(SpeakersAsk(samples=sound))
        assert answer.fault is None and answer.voices

        import torch
        from pyannote.audio import Pipeline

        theirs = reader._pipeline._pipeline
        assert isinstance(theirs, Pipeline)
        told = theirs({"waveform": torch.from_numpy(sound.copy())[None], "sample_rate": SECOND})
        labels = told.speaker_diarization.labels()
        assert len(labels) >= 2, "the seed must make several speakers"
        assert len(answer.turns) == len(list(told.speaker_diarization.itertracks()))
        by_start = sorted(
            (round(turn.start * 1000), round(turn.end * 1000))
            for turn, _, _ in told.speaker_diarization.itertracks(yield_label=True)
        )
        ours = sorted((turn.start_ms, turn.end_ms) for turn in answer.turns)
        np.testing.assert_allclose(ours, by_start, atol=15)
        assert len(answer.voices) == len(labels)
        for voice in answer.voices:
            if voice.embedding is not None:
                cosines = [
                    voice.embedding @ row / np.linalg.norm(row)
                    for row in np.asarray(told.speaker_embeddings)
                ]
                assert max(cosines) == pytest.approx(1.0, abs=1e-4)
        for bad in (sound[:100], np.zeros_like(sound), np.full_like(sound, np.nan)):
            assert reader.read(SpeakersAsk(samples=bad)).fault is Fault.SOUND_UNUSABLE

    def test_a_checkpoint_that_would_run_something_is_one_clear_line(
        self, tmp_path: Path, random_pipeline: Path
    ) -> None:
        import shutil

        import torch

        from models.runtimes.pyannote import PyannotePipeline

        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.touch, (tmp_path / "it ran",))

        folder = shutil.copytree(random_pipeline, tmp_path / "it")
        whole = (folder / "segmentation" / "pytorch_model.bin").read_bytes()
        torch.save({"state_dict": Trap()}, folder / "segmentation" / "pytorch_model.bin")
        with pytest.raises(ModelFileError, match="bring its folder again"):
            PyannotePipeline("it", folder)
        assert not (tmp_path / "it ran").exists()
        (folder / "segmentation" / "pytorch_model.bin").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelFileError, match="bring its folder again"):
            PyannotePipeline("it", folder)

    def test_a_network_from_elsewhere_is_not_imported(
        self, tmp_path: Path, random_pipeline: Path
    ) -> None:
        import shutil

        import torch

        from models.runtimes.pyannote import PyannotePipeline, own_classes

        folder = shutil.copytree(random_pipeline, tmp_path / "it")
        path = folder / "embedding" / "pytorch_model.bin"
        with torch.serialization.safe_globals(own_classes()):
            checkpoint = torch.load(path, weights_only=True)
        checkpoint["pyannote.audio"]["architecture"]["module"] = "antigravity"
        torch.save(checkpoint, path)
        with pytest.raises(ModelFileError, match="another network than pyannote's"):
            PyannotePipeline("it", folder)
        assert "antigravity" not in sys.modules
