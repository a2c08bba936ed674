"""Sound of one connection: packets in order, Opus to mono 16 kHz, every gap told."""

from collections.abc import Callable

import numpy as np
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from proctor.adapters.webrtc.opus import OpusError, SoundDecoder
from proctor.adapters.webrtc.payloads import OPUS_RATE_HZ, opus_ticks
from proctor.adapters.webrtc.receiver import LeanReceiver
from proctor.adapters.webrtc.sequence import SequenceCounter
from proctor.adapters.webrtc.sounds import InOrder, Sound, SoundBuffer
from proctor.domain.media import AUDIO_RATE_HZ, CodedSound, frozen
from proctor.ports import Clock, MediaSink, MediaTap, Metrics

GAP_MARGIN_MS = 1_000
"""A told gap is never longer than the time since the last sound, plus this: RTP time is the client's
word, and a restarted sender's clock jumps by hours."""


class AudioReceiver(LeanReceiver):
    """Delivers sound in order; nothing is dropped because something newer came."""

    def __init__(
        self,
        transport: RTCDtlsTransport,
        sink: MediaSink,
        clock: Clock,
        metrics: Metrics,
        on_flood: Callable[[], None],
    ) -> None:
        super().__init__("audio", transport, sink, clock, metrics, on_flood)
        self._buffer = SoundBuffer()
        self._counter = SequenceCounter()
        self._decoder: SoundDecoder | None = None
        self._unheard_ms = 0  # lost to the decoder, not yet told
        self._heard_ms: int | None = None

    def _restart(self) -> None:
        self._buffer = SoundBuffer()
        self._counter = SequenceCounter()
        self._decoder = None

    async def _take(self, packet: RtpPacket, codec: RTCRtpCodecParameters, now_ms: int) -> None:
        if codec.name.lower() != "opus":
            self._drop("codec")
            return
        if not getattr(self._sink, "wants_sound", True):
            return
        try:
            ticks = opus_ticks(packet.payload)
        except ValueError:
            self._drop("payload")
            return
        seq = self._counter.extend(packet.sequence_number)
        late = self._buffer.late
        ready = self._buffer.add(Sound(seq, packet.timestamp, ticks, packet.payload), now_ms)
        for sound in ready:
            self._hear(sound, now_ms)
        if self._buffer.late > late:
            self._drop("late")
        elif not ready:
            self._wake.set()  # it waits for one that it overtook: the timer must know

    async def _tick(self, now_ms: int) -> int | None:
        for sound in self._buffer.tick(now_ms):
            self._hear(sound, now_ms)
        return self._buffer.due_ms()

    def _hear(self, ready: InOrder, now_ms: int) -> None:
        if self._decoder is None:
            self._decoder = SoundDecoder()
        gap_ms = self._unheard_ms + ready.gap_ms
        if self._heard_ms is not None:
            gap_ms = min(gap_ms, now_ms - self._heard_ms + GAP_MARGIN_MS)
        try:
            samples = self._decoder.decode(ready.sound.payload)
        except OpusError:
            self._drop("undecodable")
            self._unheard_ms = gap_ms + ready.sound.ticks * 1000 // OPUS_RATE_HZ
            return
        tap: MediaTap | None = getattr(self._sink, "tap", None)
        if tap is not None and tap.wants_sound:
            sound = ready.sound
            tap.on_coded_sound(CodedSound(sound.payload, sound.timestamp, sound.ticks), now_ms)
        if ready.pause_ms:
            silence = np.zeros(ready.pause_ms * AUDIO_RATE_HZ // 1000, np.float32)
            samples = frozen(np.concatenate([silence, samples]))
        self._unheard_ms = 0
        self._heard_ms = now_ms
        if gap_ms:
            self._metrics.count("proctor_webrtc_audio_gaps_total")
        self._sink.on_sound(samples, now_ms, gap_ms)
