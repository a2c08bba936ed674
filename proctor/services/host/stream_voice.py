"""What a session host says about one modality: the worst that is wrong now, from when on.

Several things can be wrong at once (media missing, a model that does not answer, load). Each is set
and cleared on its own; what is told is the worst of them, and only when that changes.
"""

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.observations import StreamState

BLINDING = frozenset({CoverageReason.NO_MEDIA, CoverageReason.AUDIO_MISSING})

_WORST_FIRST = (
    CoverageReason.NO_MEDIA,
    CoverageReason.AUDIO_MISSING,
    CoverageReason.STATE_STORE,
    CoverageReason.GPU,
    CoverageReason.MODEL_TIMEOUT,
    CoverageReason.MODEL_OUTPUT_INVALID,
    CoverageReason.AUDIO_SILENT,
    CoverageReason.OVERLOAD,
)


class StreamVoice:
    """Collects the `StreamState`s of one modality of one connection.

    It begins blind from the moment of joining: nothing is monitored before media have come.
    """

    def __init__(self, modality: Modality, joined_ms: int) -> None:
        self._modality = modality
        self._wrong: dict[tuple[CoverageReason, str], int] = {}
        self._told: tuple[CoverageReason | None, int] | None = None
        self._states: list[StreamState] = []
        missing = (
            CoverageReason.NO_MEDIA if modality is Modality.VIDEO else CoverageReason.AUDIO_MISSING
        )
        self.wrong(missing, joined_ms, joined_ms)

    @property
    def is_monitored(self) -> bool:
        """Whether nothing is wrong."""
        return not self._wrong

    def is_wrong(self, reason: CoverageReason, source: str = "") -> bool:
        """Whether this has been said to be wrong."""
        return (reason, source) in self._wrong

    def wrong(self, reason: CoverageReason, since_ms: int, now_ms: int, source: str = "") -> None:
        """Something is wrong since `since_ms`; saying it again changes nothing.

        Args:
            reason: What.
            since_ms: Session time at which it began.
            now_ms: Session time at which it was noticed.
            source: Tells apart two causes of one reason (the model group).
        """
        if (reason, source) not in self._wrong:
            self._wrong[(reason, source)] = since_ms
            self._tell(since_ms, now_ms)

    def right(self, reason: CoverageReason, at_ms: int, now_ms: int, source: str = "") -> None:
        """It is over since `at_ms`; saying it again changes nothing."""
        if self._wrong.pop((reason, source), None) is not None:
            self._tell(at_ms, now_ms)

    def gap(self, start_ms: int, end_ms: int, now_ms: int) -> None:
        """Sound was lost from `start_ms` to `end_ms`. Inside a stretch already told it adds nothing."""
        start_ms = max(start_ms, self._told[1] if self._told else start_ms)
        if self.is_monitored and end_ms > start_ms:
            self._say(CoverageReason.AUDIO_GAP, start_ms, now_ms)
            self._say(None, end_ms, now_ms)

    def take(self) -> list[StreamState]:
        """What there is to report, oldest first; it is handed out once."""
        taken, self._states = self._states, []
        return taken

    def _tell(self, since_ms: int, now_ms: int) -> None:
        worst = min((reason for reason, _ in self._wrong), key=_WORST_FIRST.index, default=None)
        if self._told is None or self._told[0] is not worst:
            began = [at for (reason, _), at in self._wrong.items() if reason is worst]
            self._say(worst, max([since_ms, *began[:1]]), now_ms)

    def _say(self, reason: CoverageReason | None, since_ms: int, now_ms: int) -> None:
        earliest_ms = self._told[1] if self._told else since_ms
        since_ms = min(max(since_ms, earliest_ms), now_ms)
        if reason is None:
            state = CoverageState.MONITORED
        else:
            state = CoverageState.BLIND if reason in BLINDING else CoverageState.DEGRADED
        self._told = (reason, since_ms)
        self._states.append(
            StreamState(
                observed_ms=now_ms,
                since_ms=since_ms,
                modality=self._modality,
                state=state,
                reason=reason,
            )
        )
