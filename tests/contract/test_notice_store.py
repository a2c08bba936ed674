"""Answers to notices, their texts, and pre-flights: what the fake and SQL both do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.candidates import ConsentScope
from proctor.domain.errors import NotFound, StateStoreUnavailable
from proctor.domain.ids import CandidateId, SessionId
from proctor.domain.notices import NoticeAnswer, NoticeChoice
from proctor.domain.preflights import PageTold, Preflight, PreflightCode, Rehearsed
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, OTHER, session
from tests.fakes.notices import FakeNoticeStore

WHICH = SessionId("ses_1")
TEXT = '{"title":"Avant que ✓"}'


def said(number: int = 1, choice: NoticeChoice = NoticeChoice.AGREED) -> NoticeAnswer:
    return NoticeAnswer(
        answer_id=f"ans_{number}",
        tenant_id=ACME,
        session_id=WHICH,
        candidate_id=CandidateId("cnd_1"),
        choice=choice,
        scopes=(ConsentScope.FACE,) if choice is NoticeChoice.AGREED else (),
        text_version="2026-11",
        text_sha256="a" * 64,
        locale="fr",
        answered_at=NOON + timedelta(seconds=number),
    )


def tried(number: int = 1) -> Preflight:
    return Preflight(
        preflight_id=f"pre_{number}",
        tenant_id=ACME,
        session_id=WHICH,
        checked_at=NOON + timedelta(seconds=number),
        camera=(PreflightCode.TOO_DARK,),
        microphone=(),
        network=(PreflightCode.NOT_MEASURED,),
        seen=Rehearsed(at_ms=4_000, pictures=20, brightness=0.1 + 0.2, loudest_dbfs=-31.5),
        told=PageTold(loss=None, rtt_ms=12.5, browser="Chromium 140"),
    )


async def test_the_newest_answer_of_a_session_holds(furnished: Relational) -> None:
    store = furnished.notices
    assert await store.newest_answer(ACME, WHICH) is None
    await store.add_answer(said(1), TEXT)
    await store.add_answer(said(2, NoticeChoice.DECLINED), TEXT)
    assert await store.newest_answer(ACME, WHICH) == said(2, NoticeChoice.DECLINED)
    await store.add_answer(said(3, NoticeChoice.WITHOUT_BIOMETRICS), TEXT)
    held = await store.newest_answers(ACME, [WHICH, SessionId("ses_none")])
    assert held == {WHICH: said(3, NoticeChoice.WITHOUT_BIOMETRICS)}
    assert await store.newest_answers(ACME, []) == {}


async def test_the_very_text_is_kept_by_its_digest(furnished: Relational) -> None:
    store = furnished.notices
    await store.add_answer(said(1), TEXT)
    await store.add_answer(said(2), TEXT)
    assert await store.text(ACME, "a" * 64) == TEXT
    assert await store.text(ACME, "b" * 64) is None
    assert await store.text(OTHER, "a" * 64) is None


async def test_preflights_come_back_exactly_newest_first(furnished: Relational) -> None:
    store = furnished.notices
    await store.add_preflight(tried(1))
    await store.add_preflight(tried(2))
    assert list(await store.preflights(ACME, WHICH)) == [tried(2), tried(1)]
    assert not tried().is_good


async def test_tenants_never_mix(furnished: Relational) -> None:
    store = furnished.notices
    await store.add_answer(said(), TEXT)
    await store.add_preflight(tried())
    assert await store.newest_answer(OTHER, WHICH) is None
    assert list(await store.preflights(OTHER, WHICH)) == []
    with pytest.raises(NotFound):
        await store.add_answer(replace(said(2), tenant_id=OTHER), TEXT)
    with pytest.raises(NotFound):
        await store.add_preflight(replace(tried(2), tenant_id=OTHER))
    assert session().tenant_id == ACME


async def test_a_fake_that_is_down_says_so() -> None:
    store = FakeNoticeStore()
    store.down = True
    with pytest.raises(StateStoreUnavailable):
        await store.newest_answer(ACME, WHICH)
    with pytest.raises(StateStoreUnavailable):
        await store.add_preflight(tried())
