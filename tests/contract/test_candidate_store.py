"""`CandidateStore`: what the fake and SQL both do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.candidates import ConsentScope
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, OTHER, candidate, consent, enrolment

WHO = CandidateId("cnd_1")


async def test_a_candidate_comes_back_as_given_to_its_tenant_only(furnished: Relational) -> None:
    assert await furnished.candidates.get_candidate(ACME, WHO) == candidate()
    with pytest.raises(NotFound):
        await furnished.candidates.get_candidate(OTHER, WHO)


async def test_an_external_ref_is_unique_within_a_tenant(furnished: Relational) -> None:
    ref = candidate().external_ref
    with pytest.raises(Conflict):
        await furnished.candidates.add_candidate(candidate("cnd_2", external_ref=ref))
    await furnished.candidates.add_candidate(candidate("cnd_3", OTHER, ref))


async def test_pages_follow_the_ids(furnished: Relational) -> None:
    for number in (4, 2, 3):
        await furnished.candidates.add_candidate(candidate(f"cnd_{number}"))
    first = await furnished.candidates.list_candidates(ACME, None, 2)
    assert [found.candidate_id for found in first] == ["cnd_1", "cnd_2"]
    rest = await furnished.candidates.list_candidates(ACME, first[-1].candidate_id, 9)
    assert [found.candidate_id for found in rest] == ["cnd_3", "cnd_4"]


async def test_the_newest_consent_holds_until_all_are_withdrawn(furnished: Relational) -> None:
    store = furnished.candidates
    assert await store.live_consent(ACME, WHO) is None
    await store.add_consent(consent("con_2", given_after_s=60))
    await store.add_consent(consent("con_1"))
    assert await store.live_consent(ACME, WHO) == consent("con_2", given_after_s=60)
    assert await store.live_consent(OTHER, WHO) is None
    await store.withdraw_consent(OTHER, WHO, NOON)
    assert await store.live_consent(ACME, WHO) is not None
    await store.withdraw_consent(ACME, WHO, NOON + timedelta(hours=1))
    assert await store.live_consent(ACME, WHO) is None
    await store.add_consent(consent("con_3", given_after_s=7200))
    assert await store.live_consent(ACME, WHO) == consent("con_3", given_after_s=7200)


async def test_what_a_consent_is_to_comes_back(furnished: Relational) -> None:
    both = consent(scopes=(ConsentScope.FACE, ConsentScope.VOICE))
    await furnished.candidates.add_consent(both)
    assert await furnished.candidates.live_consent(ACME, WHO) == both


async def test_a_consent_needs_its_candidate_and_a_new_id(furnished: Relational) -> None:
    with pytest.raises(NotFound):
        await furnished.candidates.add_consent(
            replace(consent(), candidate_id=CandidateId("nobody"))
        )
    with pytest.raises(NotFound):
        await furnished.candidates.add_consent(replace(consent(), tenant_id=OTHER))
    await furnished.candidates.add_consent(consent())
    with pytest.raises(Conflict):
        await furnished.candidates.add_consent(consent())


async def test_a_new_enrolment_ends_the_one_before(furnished: Relational) -> None:
    store = furnished.candidates
    assert await store.newest_enrolment(ACME, WHO) is None
    await store.add_enrolment(enrolment(1))
    await store.add_enrolment(enrolment(2))
    assert await store.newest_enrolment(ACME, WHO) == enrolment(2)
    assert await store.newest_enrolment(OTHER, WHO) is None
    for old in (1, 2):
        with pytest.raises(Conflict):
            await store.add_enrolment(enrolment(old))
    assert await store.newest_enrolment(ACME, WHO) == enrolment(2)


async def test_an_erased_enrolment_stays_known_and_keeps_its_time(furnished: Relational) -> None:
    store = furnished.candidates
    await store.add_enrolment(enrolment(1))
    await store.erase_enrolments(OTHER, WHO, NOON)
    at = NOON + timedelta(days=1)
    await store.erase_enrolments(ACME, WHO, at)
    await store.erase_enrolments(ACME, WHO, at + timedelta(days=1))
    assert await store.newest_enrolment(ACME, WHO) == replace(enrolment(1), erased_at=at)


async def test_an_enrolment_needs_its_candidate(furnished: Relational) -> None:
    with pytest.raises(NotFound):
        await furnished.candidates.add_enrolment(replace(enrolment(), tenant_id=OTHER))
