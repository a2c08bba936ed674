"""Which evidence a judge has ordered, and how far the session's host is with it. Pure.

An order is made when news of an incident are delivered, and again when it becomes worse. It rides on
the acknowledgements of the connection that it was made in, every second until the host has taken it. Of a
host that is gone nothing is known: after a time in which its last reports may still come, all is lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from proctor.domain.evidence import EvidenceOrder
from proctor.domain.ids import derive_id
from proctor.domain.incidents import Category, Evidence, EvidenceStatus, Incident
from proctor.domain.notes import IncidentNote
from proctor.domain.reports import Command, CommandName, OrderNews, OrderState
from proctor.fusion.policy import Policy, Rule

SEND_EVERY_MS = 1_000
GONE_AFTER_MS = 40_000
"""A host hands in the reports of a connection that is over for 30 s."""

MOST_OPEN = 20
DWELL_MS = 30_000
"""How far before the policy's `before_ms` a behaviour that lasted long is shown; a host keeps no more."""

_SETTLED = (EvidenceStatus.STORED, EvidenceStatus.LOST)


@dataclass(slots=True, kw_only=True)
class OpenOrder:
    """An order of which the host has not said that it is done with it: plain data.

    Attributes:
        order: The order.
        incident: The newest state of its incident.
        epoch: The connection in which it was made.
        sent_ms: When it was last sent; None: never.
        is_taken: Whether the host said that it has it.
        lost_ms: From when on it is lost if nothing is heard; None while the host is there.
    """

    order: EvidenceOrder
    incident: Incident
    epoch: int
    sent_ms: int | None = None
    is_taken: bool = False
    lost_ms: int | None = None


def pending(policy: Policy, rule: Rule, incident: Incident) -> Incident:
    """The incident with its evidence pending, if its policy keeps some and nothing is known of it yet."""
    is_kept = policy.evidence.pictures and rule.evidence
    if not is_kept or incident.evidence.status is not EvidenceStatus.NONE:
        return incident
    return replace(incident, evidence=Evidence(status=EvidenceStatus.PENDING))


def is_pending(incident: Incident) -> bool:
    """Whether its evidence was ordered, and nobody has told what became of it."""
    return incident.evidence.status is EvidenceStatus.PENDING


class Orders:
    """The orders of one session, over the judge's memory.

    Args:
        policy: What it keeps.
        orders: The memory.
    """

    def __init__(self, policy: Policy, orders: list[OpenOrder]) -> None:
        self._evidence = policy.evidence
        self._rules = {rule.id: rule for rule in policy.rules}
        self._orders = orders

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open."""
        return not self._orders

    def want(self, incidents: Iterable[Incident], epoch: int, now_ms: int) -> None:
        """News of these incidents were delivered: order what shows them."""
        for incident in incidents:
            if self._is_kept(incident):
                self._add(self._order(incident, now_ms), incident, epoch)

    def adopt(self, incidents: Iterable[Incident], epoch: int, now_ms: int) -> None:
        """Order again what the database calls pending: this memory does not know how far that was."""
        for incident in filter(is_pending, incidents):
            held = {each.order.incident_id for each in self._orders}
            if incident.incident_id not in held and self._is_kept(incident):
                self._add(self._order(incident, now_ms), incident, epoch)
                self._orders[-1].sent_ms = now_ms - SEND_EVERY_MS

    def _is_kept(self, incident: Incident) -> bool:
        rule = self._rules.get(incident.rule_id)
        return rule is not None and rule.evidence and self._evidence.pictures

    def _order(self, incident: Incident, now_ms: int) -> EvidenceOrder:
        """Coverage is shown by what was seen before it, in silence: nobody is judged by it."""
        is_coverage = incident.category is Category.COVERAGE
        before_ms = self._evidence.before_ms
        until_ms = incident.opened_ms if is_coverage else now_ms + self._evidence.after_ms
        from_ms = max(0, incident.opened_ms - before_ms, now_ms - before_ms - DWELL_MS)
        digests = (each.support.frame_digest for each in incident.signals)
        return EvidenceOrder(
            tenant_id=incident.tenant_id,
            exam_id=incident.exam_id,
            session_id=incident.session_id,
            candidate_id=incident.candidate_id,
            incident_id=incident.incident_id,
            digests=tuple(dict.fromkeys(digest for digest in digests if digest is not None)),
            from_ms=min(from_ms, until_ms),
            until_ms=until_ms,
            with_sound=self._evidence.sound and not is_coverage,
            severity=incident.severity,
        )

    def _add(self, order: EvidenceOrder, incident: Incident, epoch: int) -> None:
        """An older order of the same incident and connection becomes part of the new one."""
        for known in self._orders:
            if known.order.incident_id == order.incident_id and known.epoch == epoch:
                self._orders.remove(known)
                digests = dict.fromkeys((*known.order.digests, *order.digests))
                from_ms = min(known.order.from_ms, order.from_ms)
                until_ms = max(known.order.until_ms + 1, order.until_ms)  # another one to the host
                order = replace(order, digests=tuple(digests), from_ms=from_ms, until_ms=until_ms)
                break
        self._orders.append(OpenOrder(order=order, incident=incident, epoch=epoch))
        for known in self._orders[:-MOST_OPEN]:
            known.lost_ms = 0

    def follow(self, incidents: Iterable[Incident], now_ms: int) -> None:
        """Incidents changed; what is told of their evidence ends orders of which nothing more will come."""
        newest = {incident.incident_id: incident for incident in incidents}
        for known in self._orders:
            known.incident = newest.get(known.order.incident_id, known.incident)
        self._orders[:] = [known for known in self._orders if not self._is_over(known, now_ms)]

    def _is_over(self, known: OpenOrder, now_ms: int) -> bool:
        is_settled = known.incident.evidence.status in _SETTLED
        return is_settled and (known.is_taken or _is_due(known, now_ms))

    def heard(self, news: Sequence[OrderNews]) -> None:
        """What the host says of its orders."""
        for each in news:
            for known in list(self._orders):
                order = known.order
                if order.incident_id != each.incident_id or each.until_ms < order.until_ms:
                    continue
                if each.state is OrderState.HANDED:
                    self._orders.remove(known)
                elif each.state is OrderState.LOST:
                    known.is_taken, known.lost_ms = True, 0
                else:
                    known.is_taken = True

    def gone(self, now_ms: int) -> None:
        """The host of this connection is away, or done with it: its last word may still come."""
        for known in self._orders:
            if known.lost_ms is None:
                known.lost_ms = now_ms + GONE_AFTER_MS

    def back(self, epoch: int) -> None:
        """The host of this connection is there again."""
        for known in self._orders:
            if known.epoch == epoch and known.lost_ms:
                known.lost_ms = None

    def due(self, epoch: int, now_ms: int, at_once: bool = False) -> list[Command]:
        """What to send to the host of this connection now.

        Args:
            epoch: Which connection.
            now_ms: Session time.
            at_once: Whether it is the last chance.
        """
        commands = []
        for known in self._orders:
            is_due = known.sent_ms is None or now_ms - known.sent_ms >= SEND_EVERY_MS or at_once
            if known.epoch == epoch and not known.is_taken and is_due:
                known.sent_ms = now_ms
                commands.append(Command(name=CommandName.KEEP, order=known.order))
        return commands

    def lost(
        self, now_ms: int, is_over: bool = False, is_cut_off: bool = False
    ) -> list[IncidentNote]:
        """What has to be told of evidence that nobody will bring any more.

        Args:
            now_ms: Session time.
            is_over: The session ends: what was never sent is never taken.
            is_cut_off: The host is away: once the session is over nobody waits for it.
        """
        return [
            IncidentNote(
                note_id=derive_id("evi", known.order.incident_id, EvidenceStatus.LOST),
                incident=known.incident,
                evidence=EvidenceStatus.LOST,
            )
            for known in self._orders
            if is_pending(known.incident)
            and (_is_due(known, now_ms) or (is_over and (is_cut_off or known.sent_ms is None)))
        ]


def _is_due(known: OpenOrder, now_ms: int) -> bool:
    return known.lost_ms is not None and known.lost_ms <= now_ms
