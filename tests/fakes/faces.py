"""Enrolled templates in memory."""

from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import Conflict
from proctor.domain.ids import CandidateId, TenantId
from tests.fakes.outage import Outage


class FakeFaceIndex(Outage):
    """`FaceIndex` in memory: one template per candidate, the newest."""

    def __init__(self) -> None:
        super().__init__()
        self.templates: dict[tuple[TenantId, CandidateId], FaceTemplate] = {}

    async def put(self, template: FaceTemplate) -> None:
        self._reach()
        whose = (template.tenant_id, template.candidate_id)
        if whose in self.templates and self.templates[whose].version >= template.version:
            raise Conflict(f"version {template.version} is not newer than what is enrolled")
        self.templates[whose] = template

    async def find(
        self, tenant_id: TenantId, candidate_id: CandidateId, model: ModelRef
    ) -> FaceTemplate | None:
        self._reach()
        template = self.templates.get((tenant_id, candidate_id))
        return template if template is not None and template.model == model else None

    async def newest_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        self._reach()
        template = self.templates.get((tenant_id, candidate_id))
        return template.version if template else 0

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        self._reach()
        self.templates.pop((tenant_id, candidate_id), None)
