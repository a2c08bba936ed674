"""Exams: what is sat, with the policy that judges it fixed at the moment it was made."""

from collections.abc import Collection, Sequence

from proctor.domain.errors import InvalidInput
from proctor.domain.ids import ExamId, TenantId, new_id
from proctor.domain.sessions import Exam
from proctor.domain.signals import SignalKind
from proctor.fusion.offered import signals_off
from proctor.fusion.overrides import NOTHING, Overrides
from proctor.fusion.policy import parse_policy
from proctor.ports import Clock, ExamStore
from proctor.services.policies import Policies, PolicyChoice


class Exams:
    """Makes and finds exams."""

    def __init__(
        self,
        store: ExamStore,
        policies: Policies,
        clock: Clock,
        groups: Collection[str] = (),
    ) -> None:
        """Keep what is needed.

        Args:
            store: Where exams are kept.
            policies: What they are judged by.
            clock: Time.
            groups: The model groups that are served.
        """
        self._store = store
        self._groups = frozenset(groups)
        self._clock = clock
        self._policies = policies

    async def create(
        self,
        tenant_id: TenantId,
        title: str,
        policy: str | PolicyChoice,
        retention_days: int,
        overrides: Overrides = NOTHING,
        language: str | None = None,
    ) -> Exam:
        """A new exam under a policy, which is fixed with it. Raises as `Policies.attach`."""
        parsed, text = await self._policies.attach(tenant_id, policy, overrides, language)
        await self._store.ensure_tenant(tenant_id, tenant_id)
        exam = Exam(
            exam_id=ExamId(new_id("exa")),
            tenant_id=tenant_id,
            title=title,
            policy_id=parsed.id,
            policy_version=parsed.version,
            policy_text=text,
            retention_days=retention_days,
            created_at=self._clock.now(),
        )
        await self._store.add_exam(exam)
        return exam

    async def get(self, tenant_id: TenantId, exam_id: ExamId) -> Exam:
        """Raises `NotFound`."""
        return await self._store.get_exam(tenant_id, exam_id)

    def signals_off(self, exam: Exam) -> tuple[SignalKind, ...] | None:
        """Signals of its policy's rules that do not exist here; None when it can no longer be read."""
        try:
            return signals_off(parse_policy(exam.policy_text), self._groups)
        except InvalidInput:
            return None

    def overrides(self, exam: Exam) -> str | None:
        """What it changes of its policy, as YAML; None for nothing, or when it cannot be read."""
        try:
            provenance = parse_policy(exam.policy_text).provenance
        except InvalidInput:
            return None
        return None if provenance is None else provenance.overrides

    async def list(self, tenant_id: TenantId, after: ExamId | None, limit: int) -> Sequence[Exam]:
        """By id, after a cursor."""
        return await self._store.list_exams(tenant_id, after, limit)
