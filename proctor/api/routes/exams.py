"""/v1/exams."""

from fastapi import APIRouter

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Cursor, Limit, checked, cut
from proctor.api.schemas import NewExam
from proctor.api.views import ExamView, Page
from proctor.domain.ids import ExamId
from proctor.domain.sessions import Exam
from proctor.services.exams import Exams
from proctor.services.policies import PolicyChoice


def exams_router(exams: Exams) -> APIRouter:
    """Routes of exams."""
    router = APIRouter(prefix="/v1/exams", tags=["exams"], route_class=GuardedRoute)

    def shown(exam: Exam) -> ExamView:
        """With what its policy asks for and nobody here can give, and what the exam changes of it."""
        off = exams.signals_off(exam)
        return ExamView.model_validate(exam).model_copy(
            update={
                "signals_off": None if off is None else list(off),
                "policy_overrides": exams.overrides(exam),
            }
        )

    @router.post("", status_code=201)
    async def create_exam(new: NewExam, caller: Caller) -> ExamView:
        """Make an exam under a preset, or under a version of your own policy that passes its tests."""
        own = new.policy
        choice = own if isinstance(own, str) else PolicyChoice(own.id, own.version)
        exam = await exams.create(
            caller.tenant_id, new.title, choice, new.retention_days, new.overrides, new.language
        )
        return shown(exam)

    @router.get("")
    async def list_exams(
        caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[ExamView]:
        """The tenant's exams, by id."""
        after = checked(cursor)
        found = await exams.list(caller.tenant_id, ExamId(after) if after else None, limit + 1)
        items, following = cut(found, limit, "exam_id")
        return Page(items=[shown(exam) for exam in items], next=following)

    @router.get("/{exam_id}")
    async def get_exam(exam_id: str, caller: Caller) -> ExamView:
        """One exam."""
        return shown(await exams.get(caller.tenant_id, ExamId(exam_id)))

    return router
