"""Opus by libopus at 16 kHz: the right length, the right sound, clear about what it cannot read."""

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from proctor.adapters.webrtc.opus import OpusError, SoundDecoder
from proctor.domain.media import AUDIO_RATE_HZ

SENT_HZ = 48_000


def tone(hertz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(SENT_HZ * seconds)) / SENT_HZ)


def packets(sound: np.ndarray, ptime_ms: int, layout: str = "mono") -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SENT_HZ, layout, "s16"
    encoder.bit_rate = 48_000
    encoder.options = {"frame_duration": str(ptime_ms)}
    channels = 2 if layout == "stereo" else 1
    pcm = np.repeat((sound * 32767).astype(np.int16), channels)
    step = SENT_HZ * ptime_ms // 1000 * channels
    coded: list[bytes] = []
    for start in range(0, len(pcm) - step + 1, step):
        frame = AudioFrame.from_ndarray(
            pcm[start : start + step].reshape(1, -1), format="s16", layout=layout
        )
        frame.sample_rate, frame.pts = SENT_HZ, start // channels
        coded += [bytes(packet) for packet in encoder.encode(frame)]
    return coded


def heard(coded: list[bytes]) -> np.ndarray:
    decoder = SoundDecoder()
    return np.concatenate([decoder.decode(packet) for packet in coded])


def strength(sound: np.ndarray, hertz: float) -> float:
    """Amplitude of one frequency."""
    time = np.arange(len(sound)) / AUDIO_RATE_HZ
    return 2 * abs(np.mean(sound * np.exp(-2j * np.pi * hertz * time)))


@pytest.mark.parametrize("ptime_ms", [20, 40, 60])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_tone_comes_back_as_long_and_as_loud(ptime_ms: int, layout: str) -> None:
    coded = packets(tone(440, 1.2), ptime_ms, layout)
    sound = heard(coded)
    assert len(sound) == len(coded) * AUDIO_RATE_HZ * ptime_ms // 1000
    assert sound.dtype == np.float32
    assert not SoundDecoder().decode(coded[0]).flags.writeable
    assert strength(sound[4000:12000], 440) == pytest.approx(0.5, rel=0.1)


def test_what_16_khz_cannot_hold_does_not_come_back_as_something_else() -> None:
    sound = heard(packets(tone(11_000, 1.2), 60))
    assert np.sqrt(np.mean(np.square(sound[4000:12000]))) < 0.02


def test_full_scale_stays_in_range() -> None:
    sound = heard(packets(np.sign(tone(200, 1.2, 1.0)), 60))
    assert -1.0 <= sound.min() < -0.8 and 0.8 < sound.max() <= 1.0


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"\x03\xff\xff\xff"])
def test_what_is_no_packet_is_said_and_the_next_one_is_heard(damaged: bytes) -> None:
    decoder = SoundDecoder()
    with pytest.raises(OpusError):
        decoder.decode(damaged)
    assert len(decoder.decode(packets(tone(440, 0.2), 20)[0])) == 320


def test_any_bytes_are_sound_or_an_error() -> None:
    random, decoder = np.random.default_rng(7), SoundDecoder()
    errors = 0
    for _ in range(2_000):
        try:
            sound = decoder.decode(random.bytes(int(random.integers(1, 200))))
        except OpusError:
            errors += 1
        else:
            assert np.isfinite(sound).all() and np.abs(sound).max(initial=0) <= 1.0
    assert 0 < errors < 2_000
