"""Chains, erasures and the place elsewhere: what the fakes and the real adapters both do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.elsewhere import ObjectElsewhere
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.erasure import Erasure
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId, SessionId
from proctor.domain.proof import ChainHead, Entry, Fact, FactKind
from proctor.ports import ChainStore, Elsewhere, ErasureStore
from proctor.services.proof.entries import empty_head, link
from tests.contract.conftest import Relational
from tests.contract.samples import (
    ACME,
    NOON,
    OTHER,
    alert,
    candidate,
    consent,
    enrolment,
    incident,
    judged,
    session,
)
from tests.contract.test_desk_stores import missed, words
from tests.contract.test_desk_stores import word as decided
from tests.contract.test_notice_store import TEXT, said, tried
from tests.contract.test_review_stores import AWAY, allowed, word
from tests.fakes.proof import FakeChainStore, FakeElsewhere, FakeErasureStore
from tests.fakes.stores import FakeExamStore

WHICH, WHO = SessionId("ses_1"), CandidateId("cnd_1")


@dataclass
class Proof:
    chain: ChainStore
    erasures: ErasureStore


@pytest.fixture
async def proof(furnished: Relational) -> AsyncIterator[Proof]:
    if isinstance(furnished.exams, FakeExamStore):
        database = furnished.exams.database
        yield Proof(FakeChainStore(database), FakeErasureStore(database))
        return
    stores = SqlStores(furnished.url)
    yield Proof(stores.chain, stores.erasures)
    await stores.close()


def facts(*names: str) -> list[Fact]:
    return [
        Fact(kind=FactKind.ALERT, source_id=name, body={"seq": 1}, secret={"reason": name})
        for name in names
    ]


async def grow(chain: ChainStore, *names: str, **changes: object) -> ChainHead:
    before = await chain.head(ACME, WHICH)
    entries = link(before, facts(*names))
    after = replace(
        before,
        size=before.size + len(entries),
        head=entries[-1].sha256,
        **changes,  # type: ignore[arg-type]
    )
    await chain.append(before, entries, after)
    return after


def names(entries: Sequence[Entry]) -> list[tuple[int, str]]:
    return [(entry.number, entry.source_id) for entry in entries]


async def test_a_chain_begins_empty_and_grows_at_its_end(proof: Proof) -> None:
    assert await proof.chain.head(ACME, WHICH) == empty_head(ACME, WHICH)
    await grow(proof.chain, "a", "b", alert_seq=2)
    after = await grow(proof.chain, "c", alert_seq=3, is_open=False)
    assert await proof.chain.head(ACME, WHICH) == after
    found = await proof.chain.entries(ACME, WHICH)
    assert names(found) == [(1, "a"), (2, "b"), (3, "c")]
    assert all(entry.salt and len(entry.salt) == 32 for entry in found)
    assert found[-1].sha256 == after.head
    assert await proof.chain.chained(ACME, WHICH) == {("alert", name) for name in "abc"}


async def test_nothing_is_put_behind_an_end_that_is_none_any_more(proof: Proof) -> None:
    stale = await proof.chain.head(ACME, WHICH)
    await grow(proof.chain, "a")
    entries = link(stale, facts("b"))
    with pytest.raises(Conflict):
        await proof.chain.append(stale, entries, replace(stale, size=1, head=entries[0].sha256))
    assert names(await proof.chain.entries(ACME, WHICH)) == [(1, "a")]


async def test_a_source_enters_a_chain_once(proof: Proof) -> None:
    await grow(proof.chain, "a")
    with pytest.raises(Conflict):
        await grow(proof.chain, "b", "a")
    assert names(await proof.chain.entries(ACME, WHICH)) == [(1, "a")]


async def test_of_many_writers_at_once_one_is_taken(proof: Proof) -> None:
    before = await proof.chain.head(ACME, WHICH)

    async def write(name: str) -> None:
        entries = link(before, facts(name))
        await proof.chain.append(before, entries, replace(before, size=1, head=entries[0].sha256))

    told = await asyncio.gather(*(write(str(n)) for n in range(8)), return_exceptions=True)
    assert sum(each is None for each in told) == 1
    assert all(each is None or isinstance(each, Conflict) for each in told)
    assert len(await proof.chain.entries(ACME, WHICH)) == 1


async def test_another_tenant_sees_no_chain(proof: Proof) -> None:
    await grow(proof.chain, "a")
    assert await proof.chain.entries(OTHER, WHICH) == []
    assert await proof.chain.chained(OTHER, WHICH) == set()
    assert (await proof.chain.head(OTHER, WHICH)).size == 0


async def test_what_is_signed_only_grows(proof: Proof) -> None:
    await grow(proof.chain, "a", "b")
    await proof.chain.signed(ACME, WHICH, 2)
    await proof.chain.signed(ACME, WHICH, 1)
    await proof.chain.signed(OTHER, WHICH, 9)
    assert (await proof.chain.head(ACME, WHICH)).signed_size == 2


async def test_a_session_is_due_when_its_chain_lacks_something(
    furnished: Relational, proof: Proof
) -> None:
    async def due() -> list[str]:
        return [one.session_id for one in await proof.chain.due(10)]

    async def late() -> list[str]:
        return [one.session_id for one in await proof.chain.late(10)]

    assert (await due(), await late()) == ([], [])  # it has not begun
    await furnished.sessions.next_epoch(ACME, WHICH, NOON)
    assert (await due(), await late()) == ([WHICH], [WHICH])
    await grow(proof.chain, "begun")
    assert (await due(), await late()) == ([], [])
    await furnished.incidents.commit([judged(alert(1), incidents=(incident(),))])
    assert await due() == [WHICH]
    await grow(proof.chain, "first", alert_seq=1)
    assert await due() == []
    await furnished.sessions.end(ACME, WHICH, NOON + timedelta(minutes=5))
    await furnished.sessions.settle(ACME, WHICH, NOON + timedelta(minutes=6))
    assert await due() == [WHICH]
    await grow(proof.chain, "end", is_open=False)
    assert (await due(), await late()) == ([], [WHICH])  # not signed
    await proof.chain.signed(ACME, WHICH, 3)
    assert (await due(), await late()) == ([], [])
    await furnished.incidents.commit([judged(alert(2))])
    assert (await due(), await late()) == ([], [WHICH])
    await grow(proof.chain, "second", alert_seq=2)
    await proof.chain.signed(ACME, WHICH, 4)
    assert (await due(), await late()) == ([], [])
    await furnished.cases.decide(decided(1))
    await furnished.cases.add_incident(*missed(), 9)
    for fact in (Fact(kind=FactKind.DECISION, source_id="1", body={}), None):
        assert (await due(), await late()) == ([], [WHICH])
        fact = fact or Fact(kind=FactKind.ADDED, source_id="inc_9", body={})
        before = await proof.chain.head(ACME, WHICH)
        entries = link(before, [fact])
        after = replace(before, size=before.size + 1, head=entries[0].sha256)
        await proof.chain.append(before, entries, after)
        await proof.chain.signed(ACME, WHICH, after.size)
    assert (await due(), await late()) == ([], [])


async def test_verdicts_of_a_session_come_oldest_first(furnished: Relational, proof: Proof) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    for number in (2, 1):
        await furnished.verdicts.add(word(number))
    assert await proof.chain.verdicts(ACME, WHICH) == [word(1), word(2)]
    assert await proof.chain.verdicts(OTHER, WHICH) == []


def receipt(name: str = "era_1", candidate_id: CandidateId = WHO) -> Erasure:
    return Erasure(
        receipt_id=name,
        tenant_id=ACME,
        candidate_id=candidate_id,
        asked_by="ada",
        asked_at=NOON,
    )


async def test_an_erasure_closes_the_candidate_for_every_store(
    furnished: Relational, proof: Proof
) -> None:
    assert await proof.erasures.find(ACME, WHO) is None
    assert await proof.erasures.begin(receipt()) == receipt()
    assert await proof.erasures.begin(receipt("era_2")) == receipt()
    assert await proof.erasures.find(OTHER, WHO) is None
    with pytest.raises(NotFound):
        await furnished.candidates.get_candidate(ACME, WHO)
    assert await furnished.candidates.list_candidates(ACME, None, 9) == []
    for write in (
        furnished.candidates.add_consent(consent()),
        furnished.candidates.add_enrolment(enrolment()),
        furnished.sessions.add(session("ses_2")),
    ):
        with pytest.raises(NotFound):
            await write
    assert await furnished.candidates.live_consent(ACME, WHO) is None
    assert await furnished.candidates.newest_enrolment(ACME, WHO) is None


async def test_another_tenants_candidate_of_the_same_name_is_not_closed(
    furnished: Relational, proof: Proof
) -> None:
    await proof.erasures.begin(replace(receipt(), tenant_id=OTHER))
    assert (await furnished.candidates.get_candidate(ACME, WHO)).candidate_id == WHO


async def test_scrubbing_takes_the_name_and_every_opening_and_leaves_the_records(
    furnished: Relational, proof: Proof
) -> None:
    await furnished.candidates.add_consent(consent())
    await furnished.candidates.add_enrolment(enrolment())
    await furnished.candidates.add_candidate(candidate("cnd_2"))
    await furnished.allowances.put_accommodations(allowed(AWAY), "grace", NOON)
    await grow(proof.chain, "a", "b")
    before = await proof.chain.entries(ACME, WHICH)
    await proof.erasures.begin(receipt())
    await proof.erasures.scrub(ACME, WHO, NOON)
    await proof.erasures.scrub(ACME, WHO, NOON + timedelta(hours=1))
    after = await proof.chain.entries(ACME, WHICH)
    assert list(after) == [replace(entry, salt=None) for entry in before]
    assert await furnished.candidates.live_consent(ACME, WHO) is None
    newest = await furnished.candidates.newest_enrolment(ACME, WHO)
    assert newest is not None and newest.erased_at == NOON
    assert (await furnished.candidates.get_candidate(ACME, CandidateId("cnd_2"))).external_ref


async def test_scrubbing_takes_peoples_words_and_leaves_that_something_was_said(
    furnished: Relational, proof: Proof
) -> None:
    cases, notices = furnished.cases, furnished.notices
    found, says = missed()
    await cases.add_incident(found, says, 9)
    await cases.decide(decided(1))
    given = replace(word(), incident_id=found.incident_id, reason="Words about a person")
    await furnished.verdicts.add(given)
    await cases.add_statement(words(1), 9)
    await notices.add_answer(said(), TEXT)
    await notices.add_preflight(tried())
    await furnished.candidates.add_candidate(candidate("cnd_2"))
    await furnished.sessions.add(session("ses_2", candidate_id=CandidateId("cnd_2")))
    neighbour = SessionId("ses_2")
    others = replace(
        words(2), session_id=neighbour, candidate_id=CandidateId("cnd_2"), author="cnd_2"
    )
    spared = replace(decided(1), session_id=neighbour)
    await cases.add_statement(others, 9)
    await cases.decide(spared)
    await notices.add_preflight(replace(tried(2), session_id=neighbour))
    await proof.erasures.begin(receipt())
    for _ in range(2):
        await proof.erasures.scrub(ACME, WHO, NOON)
    assert await cases.statements(ACME, WHICH) == []
    assert list(await cases.decisions(ACME, WHICH)) == [replace(decided(1), notes="")]
    assert list(await cases.additions(ACME, WHICH)) == [replace(says, words="")]
    kept = await furnished.verdicts.list(ACME, found.incident_id)
    assert list(kept) == [replace(given, reason="")]  # that it was given stays
    with pytest.raises(NotFound):
        await furnished.verdicts.add(replace(given, verdict_id="vrd_later"))
    assert await notices.preflights(ACME, WHICH) == []
    assert await notices.newest_answer(ACME, WHICH) == said()  # that they agreed, and to what
    assert list(await cases.statements(ACME, neighbour)) == [others]
    assert list(await cases.decisions(ACME, neighbour)) == [spared]
    assert len(await notices.preflights(ACME, neighbour)) == 1


async def test_no_words_about_an_erased_candidate_are_taken(
    furnished: Relational, proof: Proof
) -> None:
    await proof.erasures.begin(receipt())
    cases, notices = furnished.cases, furnished.notices
    for write in (
        cases.add_incident(*missed(), 9),
        cases.decide(decided(1)),
        cases.add_statement(words(1), 9),
        notices.add_answer(said(), TEXT),
        notices.add_preflight(tried()),
    ):
        with pytest.raises(NotFound):
            await write
    assert await cases.decisions(ACME, WHICH) == []
    assert await cases.additions(ACME, WHICH) == []
    assert await furnished.incidents.list_incidents(ACME, WHICH) == []


async def test_no_words_slip_past_an_erasure_that_begins(
    furnished: Relational, proof: Proof
) -> None:
    """Whatever somebody is writing about the candidate is there before, and scrubbed, or refused."""
    cases, notices = furnished.cases, furnished.notices
    for number in range(12):
        who, which = CandidateId(f"cnd_race_{number}"), SessionId(f"ses_race_{number}")
        await furnished.candidates.add_candidate(candidate(who))
        await furnished.sessions.add(session(which, candidate_id=who))

        async def erase(who: CandidateId = who) -> None:
            await proof.erasures.begin(receipt(f"era_{who}", who))
            await proof.erasures.scrub(ACME, who, NOON)

        told = await asyncio.gather(
            cases.add_statement(replace(words(number), session_id=which, candidate_id=who), 9),
            cases.decide(replace(decided(1), session_id=which)),
            erase(),
            notices.add_preflight(replace(tried(number), session_id=which)),
            return_exceptions=True,
        )
        assert all(one is None or isinstance(one, NotFound) for one in told), told
        assert await cases.statements(ACME, which) == []
        assert [each.notes for each in await cases.decisions(ACME, which)] in ([], [""])
        assert await notices.preflights(ACME, which) == []


async def test_a_receipt_says_what_was_done_and_what_is_owed(proof: Proof) -> None:
    await proof.erasures.begin(receipt())
    unknown = receipt("era_2", CandidateId("cnd_of_a_newer_backup"))
    await proof.erasures.begin(unknown)
    ended = replace(receipt(), done_at=NOON + timedelta(hours=1), sessions=2, recordings=1)
    await proof.erasures.done(ended)
    assert await proof.erasures.find(ACME, WHO) == ended
    assert list(await proof.erasures.since(NOON + timedelta(days=1))) == [unknown]
    assert set(await proof.erasures.since(NOON)) == {ended, unknown}


@pytest.fixture(params=["fake", "folder"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Elsewhere:
    return FakeElsewhere() if request.param == "fake" else ObjectElsewhere(tmp_path.as_uri())


async def test_checkpoints_are_kept_as_they_were_first_written(elsewhere: Elsewhere) -> None:
    assert await elsewhere.checkpoints(ACME, WHICH) == []
    for size, signed in ((64, "second"), (3, "first"), (3, "forged"), (100, "third")):
        await elsewhere.put_checkpoint(ACME, WHICH, size, signed)
    await elsewhere.put_checkpoint(OTHER, WHICH, 1, "of another")
    assert await elsewhere.checkpoints(ACME, WHICH) == ["first", "second", "third"]
    assert await elsewhere.checkpoints(ACME, SessionId("ses")) == []


async def test_tombstones_of_every_tenant_are_read_back(elsewhere: Elsewhere) -> None:
    assert [one async for one in elsewhere.tombstones()] == []
    await elsewhere.put_tombstone(ACME, WHO, "one")
    await elsewhere.put_tombstone(ACME, WHO, "two")
    await elsewhere.put_tombstone(OTHER, CandidateId("../../odd name"), "three")
    assert sorted([one async for one in elsewhere.tombstones()]) == ["one", "three"]


async def test_no_consent_enrolment_or_session_slips_past_an_erasure_that_begins(
    furnished: Relational, proof: Proof
) -> None:
    """Whatever refers to the candidate is there before, and scrubbed, or refused."""
    for number in range(12):
        who = CandidateId(f"cnd_race_{number}")
        await furnished.candidates.add_candidate(candidate(who))

        async def erase(who: CandidateId = who) -> None:
            await proof.erasures.begin(receipt(f"era_{who}", who))
            await proof.erasures.scrub(ACME, who, NOON)

        agreed = replace(consent(f"con_{who}"), candidate_id=who)
        enrolled = replace(enrolment(), candidate_id=who)
        told = await asyncio.gather(
            furnished.candidates.add_consent(agreed),
            furnished.candidates.add_enrolment(enrolled),
            furnished.sessions.add(session(f"ses_{who}", candidate_id=who)),
            erase(),
            return_exceptions=True,
        )
        assert all(one is None or isinstance(one, NotFound) for one in told), told
        assert await furnished.candidates.live_consent(ACME, who) is None
        newest = await furnished.candidates.newest_enrolment(ACME, who)
        assert newest is None or newest.erased_at is not None
