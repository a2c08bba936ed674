"""Whose voice is it: windows of speech go to the speakers group, what it answers becomes facts.

Only where a model is there, the policy asks and a rule names such a signal. The vectors of the answer
are compared with the candidate's template and forgotten; the template itself is only made with
consent to it, from speech that was heard alone while the lips of the face were seen to move.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from proctor.domain.coverage import CoverageReason
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.observations import Observation, SpeakersHeard, VoiceHeard
from proctor.domain.perception import Fault, SpeakersAnswer, SpeakersAsk
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import Policy
from proctor.identity.voices import LEAST_ALONE_MS, VoiceCalibration, VoiceTemplate
from proctor.services.host.rounds import Group, Look
from proctor.services.host.sampling import Shed
from proctor.services.host.sound import CHUNK, Sound
from proctor.services.host.speech_window import OLD_AFTER_MS, SpeechWindow, Stretch
from proctor.services.host.stream_voice import StreamVoice
from proctor.services.host.watchdog import AnswerWatch, FallbackWatch

LEAST_MS = 3_000
OVERDUE_MS = 30_000
SHED_TOLD_MS = 10_000

_OF_THE_GROUP = (
    CoverageReason.MODEL_TIMEOUT,
    CoverageReason.MODEL_OUTPUT_INVALID,
    CoverageReason.GPU,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """What a host can tell of voices, and what this session allows.

    Attributes:
        has_model: Whether the speakers group is served.
        likeness: How the likeness of two of its vectors becomes a probability; None where that is
            not known of the model: then no voice is learnt, and another one is never told.
        has_consent: Whether the candidate agreed to a template of their voice.
    """

    has_model: bool
    likeness: VoiceCalibration | None
    has_consent: bool


def open_voices(
    policy: Policy, ears: Ears, has_moved: Callable[[int, int], bool], voice: StreamVoice
) -> "Voices | None":
    """What listens for voices; None where there is no model, or no rule that asks for one."""
    named, sampling = policy.signals(), policy.sampling
    if not ears.has_model or not sampling.speakers_every_s:
        return None
    if not named & {SignalKind.OTHER_VOICE, SignalKind.SEVERAL_VOICES}:
        return None
    template = None
    if ears.has_consent and ears.likeness is not None and SignalKind.OTHER_VOICE in named:
        template = VoiceTemplate(ears.likeness, round(sampling.voice_enrol_s * 1000))
    return Voices(
        every_ms=round(sampling.speakers_every_s * 1000),
        template=template,
        lips_moved=has_moved,
        voice=voice,
    )


class Voices:
    """Asks whose voices one connection's speech holds.

    Args:
        every_ms: How long at least between two windows.
        template: Where the candidate's voice is collected; None without consent to it.
        lips_moved: Whether the face's mouth is known to have moved between two moments.
        voice: What is wrong with the sound is told here.
    """

    def __init__(
        self,
        *,
        every_ms: int,
        template: VoiceTemplate | None,
        lips_moved: Callable[[int, int], bool],
        voice: StreamVoice,
    ) -> None:
        self.template = template
        self.seen: list[Observation] = []
        self.counts: Counter[str] = Counter()
        self._every_ms = every_ms
        self._lips_moved = lips_moved
        self._voice = voice
        self._window = SpeechWindow()
        self._answers = AnswerWatch(OVERDUE_MS)
        self._fallback = FallbackWatch()
        self._asked_ms: int | None = None
        self._asking = False
        self._shed_ms: int | None = None
        self._heard_ms = 0
        self._now_ms = 0

    def hear(self, sound: Sound, voiced: Sequence[bool]) -> None:
        """Take sound that the voice detector has judged."""
        self._window.add(sound, voiced)
        if any(voiced):
            self._heard_ms = sound.start_ms + sound.duration_ms

    def tick(self, now_ms: int) -> None:
        """Look at the time. A group that scales from zero may take half a minute to answer first.

        Speech that nobody could listen to for a minute is given up: nothing more is owed then, and
        what was wrong with the group is over until somebody speaks again. Load is over as soon as too
        little speech waits for a question.
        """
        self._now_ms = now_ms
        self._window.expire(now_ms)
        if not self._asking and now_ms - self._heard_ms > OLD_AFTER_MS:
            self._answers.answered()
            for reason in _OF_THE_GROUP:
                self._voice.right(reason, now_ms, now_ms, Group.SPEAKERS)
        if self._window.held_ms < LEAST_MS:
            self._shed_ms = None
            self._voice.right(CoverageReason.OVERLOAD, now_ms, now_ms, Group.SPEAKERS)
        overdue_ms = self._answers.overdue_since(now_ms)
        if overdue_ms is not None:
            self._voice.wrong(CoverageReason.MODEL_TIMEOUT, overdue_ms, now_ms, Group.SPEAKERS)

    def look(self, now_ms: int, shed: Shed) -> Look[SpeakersAsk, SpeakersAnswer] | None:
        """What is owed to the speakers group now; one question at a time."""
        is_early = self._asked_ms is not None and now_ms - self._asked_ms < self._every_ms
        if self._asking or is_early or self._window.held_ms < LEAST_MS:
            return None
        if shed >= Shed.BODY:
            self._give_up(now_ms)
            return None
        self._shed_ms = None
        self._voice.right(CoverageReason.OVERLOAD, now_ms, now_ms, Group.SPEAKERS)
        before_ms, self._asked_ms, self._asking = self._asked_ms, now_ms, True
        stretches = self._window.take()
        samples = np.concatenate([each.samples for each in stretches])
        self._answers.asked(stretches[0].start_ms, now_ms)

        def answered(answer: SpeakersAnswer) -> None:
            self._asking = False
            self._answered(answer, stretches)

        def unanswered() -> None:
            self._asking, self._asked_ms = False, before_ms
            self._window.put_back(stretches, self._now_ms)

        return Look(
            ask=SpeakersAsk(samples=samples),
            size_bytes=samples.nbytes,
            answered=answered,
            unanswered=unanswered,
        )

    def inherit(self, before: "Voices") -> None:
        """Go on with the template of the same session's connection before, if both have consent."""
        if self.template is not None and before.template is not None:
            self.template = before.template

    def close(self) -> None:
        """Let go of the speech that waits."""
        self._window.take()

    def _give_up(self, now_ms: int) -> None:
        """The host is too busy: told once it has lasted."""
        self._shed_ms = now_ms if self._shed_ms is None else self._shed_ms
        if now_ms - self._shed_ms >= SHED_TOLD_MS:
            self._voice.wrong(CoverageReason.OVERLOAD, self._shed_ms, now_ms, Group.SPEAKERS)

    def _answered(self, answer: SpeakersAnswer, stretches: Sequence[Stretch]) -> None:
        at_ms = stretches[0].start_ms
        now_ms = max(self._now_ms, at_ms)
        self._answers.answered()
        self._voice.right(CoverageReason.MODEL_TIMEOUT, now_ms, now_ms, Group.SPEAKERS)
        if self._fallback.answered(answer.fallback, at_ms):
            self._voice.wrong(CoverageReason.GPU, at_ms, now_ms, Group.SPEAKERS)
        else:
            self._voice.right(CoverageReason.GPU, now_ms, now_ms, Group.SPEAKERS)
        if answer.fault is Fault.SOUND_UNUSABLE:
            self.counts["unusable_windows"] += 1
            return
        voiced_ms = sum(len(each.samples) for each in stretches) * 1000 // AUDIO_RATE_HZ
        if answer.fault is not None or not is_usable(answer, voiced_ms):
            self.counts["invalid_answers"] += 1
            self._voice.wrong(CoverageReason.MODEL_OUTPUT_INVALID, at_ms, now_ms, Group.SPEAKERS)
            return
        self._voice.right(CoverageReason.MODEL_OUTPUT_INVALID, now_ms, now_ms, Group.SPEAKERS)
        self.counts[Group.SPEAKERS] += 1
        end_ms = stretches[-1].end_ms
        self._enrol(answer, at_ms, end_ms)
        template = self.template
        heard = [
            VoiceHeard(
                alone_ms=each.alone_ms,
                candidate=None
                if template is None or each.embedding is None
                else template.probability(each.embedding, answer.producers),
            )
            for each in answer.voices
        ]
        self.seen.append(
            SpeakersHeard(
                observed_ms=at_ms,
                duration_ms=end_ms - at_ms,
                voiced_ms=voiced_ms,
                voices=tuple(sorted(heard, key=lambda each: -each.alone_ms)),
                overlap_ms=overlap_ms(answer),
                template_ms=None if template is None else template.rests_on_ms,
                producers=answer.producers,
            )
        )

    def _enrol(self, answer: SpeakersAnswer, start_ms: int, end_ms: int) -> None:
        """A window with one voice may be the candidate's, if their lips were seen to move."""
        if self.template is None or self.template.rests_on_ms is not None:
            return
        alone = [each for each in answer.voices if each.alone_ms >= LEAST_ALONE_MS]
        if len(answer.voices) != 1 or not alone or alone[0].embedding is None:
            return
        if not self._lips_moved(start_ms, end_ms):
            self.counts["voices_not_enrolled"] += 1
            return
        self.template.take(alone[0].embedding, alone[0].alone_ms, answer.producers)


def overlap_ms(answer: SpeakersAnswer) -> int:
    """How long two or more voices are heard at once."""
    edges = sorted({edge for turn in answer.turns for edge in (turn.start_ms, turn.end_ms)})
    total_ms = 0
    for start_ms, end_ms in pairwise(edges):
        speaking = {
            turn.voice
            for turn in answer.turns
            if turn.start_ms <= start_ms and turn.end_ms >= end_ms
        }
        total_ms += end_ms - start_ms if len(speaking) >= 2 else 0
    return total_ms


def is_usable(answer: SpeakersAnswer, voiced_ms: int) -> bool:
    """Whether turns lie in the window, call a voice that is there, and vectors are unit vectors."""
    turns_fit = all(
        0 <= turn.start_ms <= turn.end_ms <= voiced_ms + CHUNK
        and 0 <= turn.voice < len(answer.voices)
        for turn in answer.turns
    )
    return turns_fit and all(
        0 <= voice.alone_ms <= voiced_ms + CHUNK
        and (voice.embedding is None or _is_unit(voice.embedding))
        for voice in answer.voices
    )


def _is_unit(vector: Samples) -> bool:
    return vector.ndim == 1 and bool(abs(float(np.linalg.norm(vector)) - 1) < 1e-3)
