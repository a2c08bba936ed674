"""`ExamStore`: what the fake and SQL both do."""

import pytest

from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import ExamId, TenantId
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, exam


async def test_an_exam_comes_back_as_it_was_given(furnished: Relational) -> None:
    found = await furnished.exams.get_exam(ACME, ExamId("exm_1"))
    assert found == exam()
    assert found.created_at.utcoffset() is not None


async def test_an_exam_of_another_tenant_is_not_found(furnished: Relational) -> None:
    with pytest.raises(NotFound):
        await furnished.exams.get_exam(OTHER, ExamId("exm_1"))
    assert await furnished.exams.list_exams(OTHER, None, 10) == []


async def test_an_exam_needs_its_tenant_and_a_new_id(furnished: Relational) -> None:
    with pytest.raises(NotFound):
        await furnished.exams.add_exam(exam("exm_2", TenantId("nobody")))
    with pytest.raises(Conflict):
        await furnished.exams.add_exam(exam())


async def test_ensuring_a_tenant_twice_is_harmless(furnished: Relational) -> None:
    await furnished.exams.ensure_tenant(ACME, "Another name")
    assert await furnished.exams.get_exam(ACME, ExamId("exm_1")) == exam()


async def test_pages_follow_the_ids(furnished: Relational) -> None:
    for number in (5, 3, 4, 2):
        await furnished.exams.add_exam(exam(f"exm_{number}"))
    await furnished.exams.add_exam(exam("exm_0", OTHER))
    first = await furnished.exams.list_exams(ACME, None, 3)
    assert [found.exam_id for found in first] == ["exm_1", "exm_2", "exm_3"]
    rest = await furnished.exams.list_exams(ACME, first[-1].exam_id, 3)
    assert [found.exam_id for found in rest] == ["exm_4", "exm_5"]
