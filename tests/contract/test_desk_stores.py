"""The reviewer's desk, casework and figures: what the fakes and SQL both answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.alerts import Transition
from proctor.domain.allowances import Break, BreakBy, SessionBreak
from proctor.domain.casework import (
    MANUAL_RULE,
    Added,
    DecisionWord,
    SessionDecision,
    Statement,
    StatementBy,
)
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.desk import (
    Connected,
    CoverageSum,
    IncidentCount,
    IncidentFilter,
    QueueFilter,
    ReviewStatus,
    SessionRecord,
)
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.figures import CoverageTotal, RuleCount
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId
from proctor.domain.incidents import (
    Category,
    Evidence,
    EvidenceStatus,
    Incident,
    Severity,
    Verdict,
)
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import Priority, Withheld
from proctor.domain.sessions import SessionState
from proctor.ports import Judged
from tests.contract.conftest import Relational
from tests.contract.evidence_samples import ref
from tests.contract.samples import (
    ACME,
    NOON,
    OTHER,
    PRODUCER,
    alert,
    blind,
    candidate,
    exam,
    incident,
    judged,
    monitored,
    session,
)

WHICH = SessionId("ses_1")
NO_ONE = QueueFilter()


def ranked(name: str, value: float | None) -> Judged:
    priority = Priority(
        at_ms=1,
        value=value,
        withheld=Withheld.COVERAGE if value is None else None,
        base_log_odds=-2.9,
        log_odds=0.0,
        contributions=(),
    )
    return replace(judged(session_id=name), priority=priority)


def word(version: int, chosen: DecisionWord = DecisionWord.REVIEWED) -> SessionDecision:
    return SessionDecision(
        tenant_id=ACME,
        session_id=WHICH,
        version=version,
        word=chosen,
        reviewer="ada",
        notes="Zeile eins\nZeile zwei",
        given_at=NOON + timedelta(seconds=version),
    )


def words(number: int, about: str | None = None) -> Statement:
    return Statement(
        statement_id=f"sta_{number}",
        tenant_id=ACME,
        session_id=WHICH,
        candidate_id=CandidateId("cnd_1"),
        incident_id=IncidentId(about) if about else None,
        by=StatementBy.CANDIDATE,
        author="cnd_1",
        text="J'ai laissé tomber mon stylo ✓",
        made_at=NOON + timedelta(seconds=number),
    )


def missed(name: str = "inc_9") -> tuple[Incident, Added]:
    found = replace(
        incident(name),
        rule_id=MANUAL_RULE,
        policy_id="",
        policy_version=0,
        signals=(),
        verdict=Verdict.CONFIRMED,
    )
    added = Added(
        tenant_id=ACME,
        session_id=WHICH,
        incident_id=found.incident_id,
        words="A hand with a note",
        reviewer="ada",
        added_at=NOON,
    )
    return found, added


async def crowd(stores: Relational) -> Relational:
    """Five sessions of two exams: three ranked, one withheld, one that nobody has ranked."""
    await stores.exams.add_exam(exam("exm_2"))
    for number in range(2, 6):
        await stores.candidates.add_candidate(candidate(f"cnd_{number}"))
        made = session(f"ses_{number}", candidate_id=f"cnd_{number}")
        if number == 5:
            made = replace(made, exam_id=ExamId("exm_2"))
        await stores.sessions.add(made)
    for name, value in (("ses_1", 0.2), ("ses_2", 0.9), ("ses_3", None), ("ses_5", 0.2)):
        await stores.incidents.commit([ranked(name, value)])
    return stores


async def names(stores: Relational, wanted: QueueFilter = NO_ONE) -> list[str]:
    return [card.session.session_id for card in await stores.desk.queue(ACME, wanted, None, 50)]


async def test_the_queue_goes_by_rank_and_ends_with_those_that_have_none(
    furnished: Relational,
) -> None:
    stores = await crowd(furnished)
    cards = await stores.desk.queue(ACME, NO_ONE, None, 50)
    assert [(card.session.session_id, card.rank) for card in cards] == [
        ("ses_2", 900_000),
        ("ses_5", 200_000),
        ("ses_1", 200_000),
        ("ses_4", -1),
        ("ses_3", -1),
    ]
    assert [card.priority is None for card in cards] == [False, False, False, True, False]
    assert cards[0].candidate_ref == "ref of cnd_2" and cards[0].exam_title == exam().title
    assert await stores.desk.queue(OTHER, NO_ONE, None, 50) == []


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_of_any_size_give_every_session_once_and_in_order(
    furnished: Relational, size: int
) -> None:
    stores = await crowd(furnished)
    found: list[str] = []
    after = None
    while page := await stores.desk.queue(ACME, NO_ONE, after, size):
        assert len(page) <= size
        found += [card.session.session_id for card in page]
        after = (page[-1].rank, page[-1].session.session_id)
    assert found == await names(stores)


async def test_a_session_is_found_by_one_incident_that_is_all_that_was_asked(
    furnished: Relational,
) -> None:
    stores = await crowd(furnished)
    two = replace(incident("inc_2", "ses_2"), severity=Severity.HIGH, rule_id="no_face")
    await stores.incidents.commit([judged(incidents=(incident(), two))])
    assert await names(stores, QueueFilter(severity=Severity.HIGH)) == ["ses_2"]
    assert await names(stores, QueueFilter(rule_id="looking_away")) == ["ses_1"]
    assert await names(stores, QueueFilter(category=Category.CONDUCT)) == ["ses_2", "ses_1"]
    both = QueueFilter(severity=Severity.HIGH, rule_id="looking_away")
    assert await names(stores, both) == []
    assert await names(stores, QueueFilter(verdict=Verdict.CONFIRMED)) == []


async def test_the_queue_is_asked_for_exam_state_rank_words_and_status(
    furnished: Relational,
) -> None:
    stores = await crowd(furnished)
    assert await names(stores, QueueFilter(exam_id=ExamId("exm_2"))) == ["ses_5"]
    assert await names(stores, QueueFilter(min_rank=500_000)) == ["ses_2"]
    assert await names(stores, QueueFilter(words="OF CND_4")) == ["ses_4"]
    assert await names(stores, QueueFilter(words="ses_3")) == ["ses_3"]
    assert await names(stores, QueueFilter(words="%")) == []  # a percent sign, no joker
    await stores.sessions.next_epoch(ACME, SessionId("ses_2"), NOON)
    assert await names(stores, QueueFilter(state=SessionState.LIVE)) == ["ses_2"]
    await stores.cases.decide(word(1, DecisionWord.FOLLOW_UP))
    assert await names(stores, QueueFilter(status=ReviewStatus.FOLLOW_UP)) == ["ses_1"]
    await stores.cases.decide(word(2))
    assert await names(stores, QueueFilter(status=ReviewStatus.FOLLOW_UP)) == []
    assert await names(stores, QueueFilter(status=ReviewStatus.REVIEWED)) == ["ses_1"]
    assert "ses_1" not in await names(stores, QueueFilter(status=ReviewStatus.OPEN))


async def test_a_card_sums_coverage_and_counts_incidents(furnished: Relational) -> None:
    stores = furnished
    seen = (monitored(0, 4_000), blind(4_000, 5_000), monitored(5_000, 9_000), blind(9_000, None))
    high = replace(incident("inc_2", opened_ms=5), severity=Severity.HIGH)
    added, says = missed()
    await stores.incidents.commit([judged(incidents=(incident(), high), coverage=seen)])
    await stores.cases.add_incident(added, says, 9)
    await stores.cases.decide(word(1))
    (card,) = await stores.desk.queue(ACME, NO_ONE, None, 50)
    video, state = Modality.VIDEO, CoverageState
    assert card.coverage == (
        CoverageSum(
            modality=video,
            state=state.BLIND,
            reason=CoverageReason.HOST_LOST,
            closed_ms=1_000,
            open_since_ms=9_000,
        ),
        CoverageSum(modality=video, state=state.MONITORED, reason=None, closed_ms=8_000),
    )
    assert card.counts == (
        IncidentCount(Severity.HIGH, Verdict.UNREVIEWED, 1),
        IncidentCount(Severity.LOW, Verdict.CONFIRMED, 1),
        IncidentCount(Severity.LOW, Verdict.UNREVIEWED, 1),
    )
    assert card.decision == word(1)
    assert await stores.desk.cards(ACME, [card.session]) == [card]
    await stores.incidents.commit([judged(coverage=(monitored(0, 7_000),))])  # all of it anew
    (card,) = await stores.desk.queue(ACME, NO_ONE, None, 50)
    assert [each.closed_ms for each in card.coverage] == [7_000]


async def test_incidents_over_sessions_are_listed_by_the_wall_clock(furnished: Relational) -> None:
    stores = await crowd(furnished)
    await stores.sessions.next_epoch(ACME, WHICH, NOON + timedelta(hours=1))
    found = (incident("inc_1", opened_ms=1), incident("inc_2", "ses_2", opened_ms=5_000))
    later = replace(incident("inc_3", opened_ms=9), severity=Severity.HIGH)
    await stores.incidents.commit([judged(incidents=(*found, later))])
    lines = await stores.desk.incidents(ACME, IncidentFilter(), None, 50)
    assert [(line.incident_id, line.opened_at) for line in lines] == [
        ("inc_3", NOON + timedelta(hours=1, milliseconds=9)),
        ("inc_1", NOON + timedelta(hours=1, milliseconds=1)),
        ("inc_2", NOON + timedelta(seconds=5)),  # it has not begun: from when it was made
    ]

    async def listed(**wanted: object) -> list[str]:
        asked = IncidentFilter(**wanted)  # type: ignore[arg-type]
        return [line.incident_id for line in await stores.desk.incidents(ACME, asked, None, 50)]

    assert await listed(severity=Severity.HIGH) == ["inc_3"]
    assert await listed(session_id=SessionId("ses_2")) == ["inc_2"]
    assert await listed(exam_id=ExamId("exm_2")) == []
    assert await listed(opened_from=lines[1].opened_at) == ["inc_3", "inc_1"]
    after = (lines[0].opened_at, lines[0].incident_id)
    assert await stores.desk.incidents(ACME, IncidentFilter(), after, 1) == lines[1:2]
    assert await stores.desk.incidents(OTHER, IncidentFilter(), None, 50) == []
    assert await stores.desk.line(ACME, IncidentId("inc_3")) == lines[0]
    with pytest.raises(NotFound):
        await stores.desk.line(OTHER, IncidentId("inc_3"))


async def test_a_line_follows_its_incident_and_keeps_when_it_opened(furnished: Relational) -> None:
    stores = furnished
    await stores.incidents.commit([judged(incidents=(incident(),))])
    before = await stores.desk.line(ACME, IncidentId("inc_1"))
    changed = replace(
        incident(),
        closed_ms=9_000,
        severity=Severity.HIGH,
        evidence=Evidence(status=EvidenceStatus.STORED),
        suppressed_by="break",
    )
    await stores.incidents.commit([judged(incidents=(changed,))])
    after = await stores.desk.line(ACME, IncidentId("inc_1"))
    assert after == replace(
        before,
        closed_ms=9_000,
        severity=Severity.HIGH,
        evidence=EvidenceStatus.STORED,
        suppressed_by="break",
    )
    assert (after.policy_id, after.policy_version) == ("standard", 3)


async def test_a_record_keeps_the_most_severe_and_the_longest_and_says_how_many_there_are(
    furnished: Relational,
) -> None:
    stores = furnished
    brief = replace(incident("inc_a", opened_ms=10), closed_ms=20)
    long = replace(incident("inc_b", opened_ms=30), closed_ms=900)
    lasting = incident("inc_c", opened_ms=50)
    high = replace(incident("inc_d", opened_ms=70), closed_ms=71, severity=Severity.HIGH)
    await stores.incidents.commit([judged(incidents=(brief, long, lasting, high))])
    record = await stores.desk.record(ACME, WHICH, 3, 2)
    assert [line.incident_id for line in record.incidents] == ["inc_b", "inc_c", "inc_d"]
    assert record.incidents_total == 4
    assert record.detailed == (lasting, high)
    for epoch in (1, 2):
        await stores.sessions.next_epoch(ACME, WHICH, NOON + timedelta(minutes=epoch))
    await stores.sessions.forget_start(ACME, WHICH, 2)
    given = VerdictGiven(
        verdict_id="ver_1",
        tenant_id=ACME,
        session_id=WHICH,
        incident_id=lasting.incident_id,
        verdict=Verdict.DISMISSED,
        reviewer="ada",
        reason="A poster",
        given_at=NOON,
    )
    await stores.verdicts.add(given)
    record = await stores.desk.record(ACME, WHICH, 9, 9)
    assert record.connections == (Connected(1, NOON + timedelta(minutes=1)),)
    assert record.verdicts == (given,)
    assert [each.verdict for each in record.detailed].count(Verdict.DISMISSED) == 1
    foreign = await stores.desk.record(OTHER, WHICH, 9, 9)
    assert foreign == SessionRecord()


async def test_a_record_holds_what_people_added(furnished: Relational) -> None:
    stores = furnished
    found, says = missed()
    await stores.cases.add_incident(found, says, 9)
    await stores.cases.decide(word(1))
    await stores.cases.add_statement(words(1), 9)
    pause = Break(break_id="brk_1", start_ms=5, end_ms=None, by=BreakBy.STAFF)
    await stores.allowances.put_break(
        SessionBreak(tenant_id=ACME, session_id=WHICH, given=pause), "ada", NOON
    )
    record = await stores.desk.record(ACME, WHICH, 9, 9)
    assert (record.decisions, record.statements) == ((word(1),), (words(1),))
    assert (record.additions, record.breaks) == ((says,), (pause,))
    assert await stores.desk.record(OTHER, WHICH, 9, 9) == SessionRecord()


async def test_what_was_told_of_an_incident_and_what_opened_it(furnished: Relational) -> None:
    stores = furnished
    opened, worse = alert(1), replace(alert(2), transition=Transition.ESCALATED)
    over = replace(alert(3), transition=Transition.CLOSED)
    await stores.incidents.commit([judged(opened, worse, over, incidents=(incident(),))])
    name = IncidentId("inc_1")
    assert list(await stores.desk.told(ACME, name)) == [opened, worse, over]
    assert await stores.desk.told(OTHER, name) == []
    assert await stores.desk.openings(ACME, [name, IncidentId("inc_0")]) == {name: worse}
    assert await stores.desk.openings(OTHER, [name]) == {}


async def test_a_decision_is_the_next_one_or_none_and_the_others_stay(
    furnished: Relational,
) -> None:
    cases = furnished.cases
    for wrong in (2, 0):
        with pytest.raises(Conflict):
            await cases.decide(word(wrong))
    await cases.decide(word(1))
    with pytest.raises(Conflict):  # somebody else saw the same version
        await cases.decide(word(1, DecisionWord.CANNOT_TELL))
    await cases.decide(word(2, DecisionWord.FOLLOW_UP))
    assert list(await cases.decisions(ACME, WHICH)) == [word(1), word(2, DecisionWord.FOLLOW_UP)]
    assert await cases.decisions(OTHER, WHICH) == []
    with pytest.raises(NotFound):
        await cases.decide(replace(word(1), tenant_id=OTHER))


async def test_a_statement_attaches_to_its_session_or_to_an_incident_of_it(
    furnished: Relational,
) -> None:
    stores = furnished
    await stores.incidents.commit([judged(incidents=(incident(),))])
    await stores.cases.add_statement(words(1), 2)
    await stores.cases.add_statement(words(2, "inc_1"), 2)
    assert list(await stores.cases.statements(ACME, WHICH)) == [words(1), words(2, "inc_1")]
    with pytest.raises(Conflict):
        await stores.cases.add_statement(words(3), 2)
    with pytest.raises(NotFound):
        await stores.cases.add_statement(words(4, "inc_other"), 9)
    with pytest.raises(NotFound):
        await stores.cases.add_statement(replace(words(5), tenant_id=OTHER), 9)
    assert await stores.cases.statements(OTHER, WHICH) == []


async def test_what_a_person_adds_is_an_incident_and_counts_for_no_rule(
    furnished: Relational,
) -> None:
    stores = furnished
    found, says = missed()
    await stores.incidents.commit([judged(incidents=(incident(),))])
    await stores.cases.add_incident(found, says, 1)
    assert await stores.incidents.get_incident(ACME, found.incident_id) == found
    assert list(await stores.cases.additions(ACME, WHICH)) == [says]
    assert await stores.cases.additions(OTHER, WHICH) == []
    with pytest.raises(Conflict):
        await stores.cases.add_incident(*missed("inc_10"), 1)
    foreign = replace(found, tenant_id=OTHER), replace(says, tenant_id=OTHER)
    with pytest.raises(NotFound):
        await stores.cases.add_incident(*foreign, 9)
    assert list(await stores.figures.rules(ACME)) == [
        RuleCount(
            policy_id="",
            policy_version=0,
            rule_id=MANUAL_RULE,
            verdict=Verdict.CONFIRMED,
            count=1,
        ),
        RuleCount(
            policy_id="standard",
            policy_version=3,
            rule_id="looking_away",
            verdict=Verdict.UNREVIEWED,
            count=1,
        ),
    ]
    assert await stores.figures.rules(OTHER) == []


async def test_totals_are_a_tenants_own(furnished: Relational) -> None:
    stores = await crowd(furnished)
    await stores.sessions.next_epoch(ACME, WHICH, NOON)
    seen = (monitored(0, 4_000), blind(4_000, None))
    await stores.incidents.commit([judged(alert(1), incidents=(incident(),), coverage=seen)])
    await stores.incidents.commit([judged(coverage=(monitored(0, 500),), session_id="ses_2")])
    found = await stores.figures.totals(ACME, 10)
    assert (found.outbox, found.alerts, found.models_window) == (1, 0, 0)
    await stores.feed.publish_pending(9)
    found = await stores.figures.totals(ACME, 10)
    assert (found.outbox, found.alerts, found.models_window) == (0, 1, 1)
    assert list(found.models) == [(PRODUCER, 1)]
    assert found.sessions == {
        SessionState.CREATED: 4,
        SessionState.LIVE: 1,
        SessionState.ENDED: 0,
    }
    video = Modality.VIDEO
    assert list(found.coverage) == [
        CoverageTotal(
            modality=video,
            state=CoverageState.BLIND,
            reason=CoverageReason.HOST_LOST,
            closed_ms=0,
        ),
        CoverageTotal(modality=video, state=CoverageState.MONITORED, reason=None, closed_ms=4_500),
    ]
    (lasting,) = found.lasting
    assert (lasting.state, lasting.since_ms, lasting.started_at) == (
        CoverageState.BLIND,
        4_000,
        NOON,
    )
    assert list(found.retention) == [(30, 2)]
    assert found.evidence_bytes == 0
    lies, waits, theirs = ref("inc_1"), ref("inc_2"), ref("inc_1", at_ms=7)
    await stores.evidence.take([lies, theirs, waits], NOON)
    for each in (lies, theirs):
        await stores.evidence.stored(each, NOON)
    assert (await stores.figures.totals(ACME, 10)).evidence_bytes == lies.size + theirs.size
    foreign = await stores.figures.totals(OTHER, 10)
    assert (foreign.alerts, foreign.coverage, foreign.models) == (0, [], [])
    assert foreign.evidence_bytes == 0
    assert set(foreign.sessions.values()) == {0}
