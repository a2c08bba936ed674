"""The hearing half of a live session: all sound goes to the voice detector, in order, none skipped.

The detector's memory (state and context) travels with the questions and is dropped after a gap.
"""

from collections import Counter

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.media import Samples
from proctor.domain.observations import Observation
from proctor.domain.perception import (
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
)
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import Policy
from proctor.services.host import facts
from proctor.services.host.mouth import Mouth
from proctor.services.host.rounds import Group, Look
from proctor.services.host.sampling import Shed
from proctor.services.host.sound import Gap, Sound, SoundBuffer
from proctor.services.host.stillness import StillWatch
from proctor.services.host.stream_voice import StreamVoice
from proctor.services.host.voiced import Hangover
from proctor.services.host.voices import Ears, open_voices
from proctor.services.host.watchdog import AnswerWatch, FallbackWatch, SilenceWatch, TrackWatch

LEAST_MS = 480
MOST_MS = 2_048
STILL = "still"


class AudioTrack:
    """Sound of one connection in, questions to the voice detector and facts out.

    A question holds between half a second and two seconds of sound: shorter ones would cost more
    than they tell, longer ones would make a batch too big after an outage.
    """

    def __init__(self, *, policy: Policy, ears: Ears, overdue_ms: int, joined_ms: int) -> None:
        self.voice = StreamVoice(Modality.AUDIO, joined_ms)
        self.mouth = Mouth(policy.sensing.lips)
        self.voices = open_voices(policy, ears, self.mouth.has_moved, self.voice)
        self.seen: list[Observation] = []
        self.counts: Counter[str] = Counter()
        self._buffer = SoundBuffer()
        self._media = TrackWatch(joined_ms)
        self._silence = SilenceWatch()
        self._still = StillWatch(policy.sensing.microphone)
        self._hangover = Hangover()
        self._with_pitch = SignalKind.WHISPER in policy.signals()
        self._answers = AnswerWatch(overdue_ms)
        self._fallback = FallbackWatch()
        self._memory: SpeechAnswer | None = None
        self._asking = False
        self._now_ms = joined_ms

    def on_sound(self, samples: Samples, at_ms: int, gap_ms: int) -> None:
        """Take decoded sound that had arrived at `at_ms`; see `ports.MediaSink`.

        A gap that ends a stretch without sound is part of that stretch, and told with it.
        """
        self.counts["packets"] += 1
        if len(samples) == 0:
            return
        for gap in self._buffer.add(samples, at_ms, gap_ms):
            self._lose(gap, at_ms)
        if self._media.arrived(at_ms):
            self.voice.right(CoverageReason.AUDIO_MISSING, at_ms, at_ms)
        peak = float(max(samples.max(), -samples.min()))
        self._silence.hear(peak, at_ms - len(samples) // 16, len(samples))
        self._still.hear(samples, at_ms)

    def tick(self, now_ms: int) -> None:
        """Look at the time."""
        self._now_ms = now_ms
        missing_ms = self._media.missing_since(now_ms)
        if missing_ms is not None:
            self.voice.wrong(CoverageReason.AUDIO_MISSING, missing_ms, now_ms)
        silent_ms = self._silence.silent_since_ms
        if silent_ms is not None:
            self.voice.wrong(CoverageReason.AUDIO_SILENT, silent_ms, now_ms)
        else:
            self.voice.right(CoverageReason.AUDIO_SILENT, self._silence.heard_since_ms, now_ms)
        still_ms = self._still.still_since_ms(now_ms)
        if still_ms is not None:
            self.voice.wrong(CoverageReason.AUDIO_SILENT, still_ms, now_ms, STILL)
        else:
            self.voice.right(CoverageReason.AUDIO_SILENT, now_ms, now_ms, STILL)
        if self.voices is not None:
            self.voices.tick(now_ms)
        overdue_ms = self._answers.overdue_since(now_ms)
        if overdue_ms is not None:
            self.voice.wrong(CoverageReason.MODEL_TIMEOUT, overdue_ms, now_ms)

    def look(self, now_ms: int) -> Look[SpeechAsk, SpeechAnswer] | None:
        """What is owed to the voice detector now; one question at a time, for its memory's sake."""
        if self._asking:
            return None
        sound = self._buffer.take(LEAST_MS, MOST_MS)
        if sound is None:
            return None
        memory = None if sound.fresh else self._memory
        ask = SpeechAsk(
            samples=sound.samples,
            state=memory.state if memory else None,
            context=memory.context if memory else None,
        )
        self._answers.asked(sound.start_ms, now_ms)
        self._asking = True

        def answered(answer: SpeechAnswer) -> None:
            self._asking = False
            self._answered(answer, sound)

        def unanswered() -> None:
            self._asking = False
            for gap in self._buffer.put_back(sound):
                self._lose(gap, max(self._now_ms, gap.end_ms))

        return Look(
            ask=ask,
            size_bytes=sound.samples.nbytes,
            answered=answered,
            unanswered=unanswered,
        )

    def speakers_look(self, now_ms: int, shed: Shed) -> Look[SpeakersAsk, SpeakersAnswer] | None:
        """What is owed to the speakers group."""
        return None if self.voices is None else self.voices.look(now_ms, shed)

    def rest(self, now_ms: int) -> None:
        """Nothing can be told: forget what was heard."""
        self._now_ms = now_ms
        self.take_seen()

    def take_seen(self) -> list[Observation]:
        """The facts since the last call."""
        taken, self.seen = self.seen, []
        if self.voices is not None:
            taken += self.voices.seen
            self.counts.update(self.voices.counts)
            self.voices.seen.clear()
            self.voices.counts.clear()
        return taken

    def close(self) -> None:
        """Let go of the sound that waits."""
        self._buffer.clear()
        self._memory = None
        if self.voices is not None:
            self.voices.close()

    def _lose(self, gap: Gap, now_ms: int) -> None:
        self.counts["gaps"] += 1
        self.voice.gap(gap.start_ms, gap.end_ms, now_ms)

    def _answered(self, answer: SpeechAnswer, sound: Sound) -> None:
        at_ms, now_ms = sound.start_ms, max(self._now_ms, sound.start_ms)
        self._answers.answered()
        self.voice.right(CoverageReason.MODEL_TIMEOUT, at_ms, now_ms)
        if self._fallback.answered(answer.fallback, at_ms):
            self.voice.wrong(CoverageReason.GPU, at_ms, now_ms)
        else:
            self.voice.right(CoverageReason.GPU, at_ms, now_ms)
        if answer.fault is not None or not facts.is_usable_speech(answer, sound):
            self._memory = None
            self._hangover.forget()
            self.counts["invalid_answers"] += 1
            self.voice.wrong(CoverageReason.MODEL_OUTPUT_INVALID, at_ms, now_ms)
            return
        self._memory = answer
        self.voice.right(CoverageReason.MODEL_OUTPUT_INVALID, at_ms, now_ms)
        self.counts[Group.SPEECH] += 1
        if sound.fresh:
            self._hangover.forget()
        voiced = self._hangover.decide(answer.probabilities)
        self.seen.append(facts.speech_heard(answer, sound, voiced, self._with_pitch))
        if self.voices is not None:
            self.voices.hear(sound, voiced)
