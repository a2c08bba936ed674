"""What is said: a checkpoint from a file, voiced windows only, and nothing of it in a log.

A published checkpoint cannot be had here, so the network is Whisper's own with a tiny shape and seeded
random weights: the words are nonsense, that they are Whisper's own nonsense is not.
"""

import io
import logging
import sys
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelFileMissing, ModelOutputInvalid
from models.manifest import load_manifest
from models.runtimes.whisper import Said, WhisperModel
from models.selection import select
from models.sound.words import WhisperWords
from proctor.domain.media import Samples
from proctor.domain.perception import Fault, WordsAsk

SECOND = 16_000
AT = datetime(2026, 11, 22, tzinfo=UTC)

needs_whisper = pytest.mark.framework("whisper")


def test_words_are_off_unless_they_are_chosen() -> None:
    for pack in load_manifest().packs:
        if load_manifest().packs[pack].models:
            assert select(pack).model("words") is None
    chosen = select("embedded", {"words": "whisper"}).model("words")
    assert chosen is not None and chosen.reader == "whisper"


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(ModelFileError, match=r"pip install 'rayproctor\[asr\]'"):
        WhisperModel("whisper-checkpoint", b"")


def test_a_checkpoint_never_brought_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="proctor models add whisper-checkpoint FILE"):
        Catalogue(tmp_path).read("whisper-checkpoint")


@pytest.fixture(scope="module")
def talk(catalogue: Catalogue) -> Samples:
    """30 s of a conversation of two, the first words at 6.69 s."""
    with wave.open(io.BytesIO(catalogue.read("speech-sample"))) as sound:
        raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    samples = raw.astype(np.float32) / 32768
    samples.flags.writeable = False
    return samples


class Listening:
    """Stands for Whisper: notes what it was given, says what it was told to."""

    asked: list[tuple[int, str | None]]
    fails = False

    def __init__(self, _name: str, _content: bytes) -> None:
        self.asked = []

    def transcribe(self, samples: Samples, language: str | None) -> Said:
        self.asked.append((len(samples), language))
        if self.fails:
            raise ModelOutputInvalid("not finite")
        return Said("something private", "en")


@pytest.mark.weights
class TestTheReader:
    @pytest.fixture
    def words(
        self, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> WhisperWords:
        catalogue = Catalogue(tmp_path, str(models_dir))
        catalogue.fetch(["voice"])
        (tmp_path / "any.pt").write_bytes(b"any")
        catalogue.add("whisper-checkpoint", tmp_path / "any.pt", AT)
        monkeypatch.setattr("models.sound.words.WhisperModel", Listening)
        return WhisperWords(catalogue, ["whisper-checkpoint", "voice"])

    def test_whisper_is_asked_where_somebody_speaks(
        self, words: WhisperWords, talk: Samples, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            answer = words.read(WordsAsk(samples=talk[8 * SECOND :][: 6 * SECOND], language="en"))
        assert (answer.text, answer.language, answer.fault) == ("something private", "en", None)
        assert [producer.model for producer in answer.producers] == ["voice", "whisper-checkpoint"]
        assert "private" not in caplog.text

    def test_it_is_not_asked_where_nobody_does(self, words: WhisperWords, talk: Samples) -> None:
        answer = words.read(WordsAsk(samples=talk[: 6 * SECOND]))
        assert (answer.text, answer.language, answer.fault) == ("", None, None)
        assert words._whisper.asked == []  # type: ignore[attr-defined]

    def test_faults(self, words: WhisperWords, talk: Samples) -> None:
        for bad in (np.full(SECOND, np.nan, np.float32), talk[:100], np.zeros(SECOND, np.float32)):
            assert words.read(WordsAsk(samples=bad)).fault is Fault.SOUND_UNUSABLE
        too_long = np.tile(talk, 2)[: 31 * SECOND]
        assert words.read(WordsAsk(samples=too_long)).fault is Fault.SOUND_UNUSABLE
        words._whisper.fails = True  # type: ignore[attr-defined]
        answer = words.read(WordsAsk(samples=talk[8 * SECOND :][: 6 * SECOND]))
        assert (answer.text, answer.fault) == ("", Fault.MODEL_OUTPUT_INVALID)


def tiny_checkpoint(spoil: float | None = None) -> bytes:
    """Whisper's architecture with 2 layers of 64, random and seeded, as openai-whisper saves it."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=64,
        n_audio_head=2,
        n_audio_layer=2,
        n_vocab=51865,
        n_text_ctx=448,
        n_text_state=64,
        n_text_head=2,
        n_text_layer=2,
    )
    model = Whisper(dims)
    with torch.no_grad():
        model.decoder.positional_embedding.normal_(0, 0.3)
        if spoil is not None:
            model.decoder.ln.weight[0] = spoil
    file = io.BytesIO()
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, file)
    return file.getvalue()


@needs_whisper
@pytest.mark.filterwarnings("ignore")
class TestTheTrueArchitecture:
    def test_it_says_what_the_package_says(self, tmp_path: Path, talk: Samples) -> None:
        import whisper

        content = tiny_checkpoint()
        (tmp_path / "tiny.pt").write_bytes(content)
        sound = talk[8 * SECOND :][: 6 * SECOND]
        said = WhisperModel("whisper-checkpoint", content).transcribe(sound, "en")
        theirs = whisper.load_model(str(tmp_path / "tiny.pt"), device="cpu").transcribe(
            sound.copy(),
            language="en",
            temperature=0.0,
            condition_on_previous_text=False,
            fp16=False,
        )
        assert said == Said(theirs["text"].strip(), "en") and said.text
        assert all(segment["tokens"] for segment in theirs["segments"])

    def test_an_unknown_language_is_found_out(self, talk: Samples) -> None:
        model = WhisperModel("whisper-checkpoint", tiny_checkpoint())
        found = model.transcribe(talk[: 3 * SECOND], "xx")
        assert found == model.transcribe(talk[: 3 * SECOND], None)
        assert found.language in model._languages

    def test_weights_that_are_no_numbers_are_never_words(self, talk: Samples) -> None:
        model = WhisperModel("whisper-checkpoint", tiny_checkpoint(spoil=float("nan")))
        with pytest.raises(ModelOutputInvalid):
            model.transcribe(talk[: 3 * SECOND], "en")

    def test_a_damaged_or_other_file_is_one_clear_line(self, tmp_path: Path) -> None:
        import torch

        whole = tiny_checkpoint()

        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "it ran",)

        trap, other = io.BytesIO(), io.BytesIO()
        torch.save({"dims": Trap()}, trap)
        torch.save({"weights": torch.zeros(3)}, other)
        for content in (b"", whole[: len(whole) // 2], trap.getvalue(), other.getvalue()):
            with pytest.raises(ModelFileError, match=r"bring another \.pt file") as caught:
                WhisperModel("whisper-checkpoint", content)
            assert "\n" not in str(caught.value)
        assert not (tmp_path / "it ran").exists()
