"""Tells where evidence stands, and says of what never came that it is lost.

What is owed is in the database, so nothing is lost while this is away: the next step finds it.
"""

from datetime import timedelta

import structlog

from proctor.domain.errors import ProctorError
from proctor.domain.ids import IncidentId
from proctor.ports import Clock, EvidenceLedger
from proctor.services.news import IncidentNews

DELIVERED_WITHIN = timedelta(minutes=10)
"""A host that lives hands over within a minute of the last moment that an order wants to see."""
SPOOLED_AT_MOST = timedelta(days=4)
"""A keeper that lives stores or gives up within three days; this spool did not come back."""
TELL_AT_ONCE = 100
_log = structlog.get_logger(__name__)


class EvidenceNews:
    """Brings the states of evidence from the ledger to the alerts, each once."""

    def __init__(
        self,
        ledger: EvidenceLedger,
        news: IncidentNews,
        clock: Clock,
        delivered_within: timedelta = DELIVERED_WITHIN,
    ) -> None:
        self._delivered_within = delivered_within
        self._ledger = ledger
        self._news = news
        self._clock = clock

    async def settle(self) -> int:
        """Give up what is overdue, then tell what is owed. Returns how many states stay untold."""
        now = self._clock.now()
        await self._ledger.give_up(now, now - self._delivered_within, now - SPOOLED_AT_MOST)
        after: IncidentId | None = None
        failed = 0
        while batch := await self._ledger.untold(after, TELL_AT_ONCE):
            after = batch[-1].incident_id
            for each in batch:
                try:
                    await self._news.evidence(each.tenant_id, each.incident_id, each.status)
                    await self._ledger.told(each.tenant_id, each.incident_id, each.status)
                except ProctorError as error:  # one that cannot be told must not hold up the others
                    failed += 1
                    _log.warning("the state of evidence is still not told", code=error.code)
        return failed
