"""What a reviewer relies on can be proved: an export that was touched, anywhere, does not verify."""

import asyncio
import base64
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from proctor.adapters.seal import FileSeal, make_proof_key
from proctor.adapters.sql.migrate import upgrade
from proctor.domain.erasure import Erasure
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import IncidentId, SessionId
from proctor.domain.incidents import Verdict
from proctor.services.proof import facts
from proctor.services.proof.bundle import BundleWriter
from proctor.services.proof.entries import canonical, link
from proctor.services.proof.export import EXPORT, EvidenceAs
from proctor.services.proof.keep import RECORDED_WITHIN, SIGN_EVERY
from tests.contract.samples import ACME, NOON, OTHER, judged
from tests.contract.test_desk_stores import missed
from tests.contract.test_review_stores import word
from tests.proctor.services.proof_site import PICTURE, WHICH, WHO, ProofSite

UNREVIEWED = Verdict.UNREVIEWED
KINDS = [
    ("begun", "ses_1"),
    ("alert", "alr_ses_1_1"),
    ("alert", "alr_ses_1_2"),
    ("alert", "alr_ses_1_3"),
    ("evidence", "evd_1"),
    ("coverage", "ses_1"),
]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proof") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def site(tmp_path: Path, migrated: Path) -> AsyncIterator[ProofSite]:
    made = ProofSite.make(tmp_path, migrated)
    yield made
    await made.stores.close()


async def chained(site: ProofSite) -> list[tuple[str, str]]:
    entries = await site.stores.chain.entries(ACME, WHICH)
    return [(entry.kind.value, entry.source_id) for entry in entries]


async def altered(site: ProofSite, statement: str) -> None:
    """As somebody who holds the database does."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{site.folder}/proctor.db")
    async with engine.begin() as connection:
        assert (await connection.execute(text(statement))).rowcount > 0
    await engine.dispose()


async def test_everything_that_was_committed_enters_the_chain_once(site: ProofSite) -> None:
    await site.whole_story()
    await site.export()
    found = await chained(site)
    assert found[:6] == KINDS
    assert sorted(kind for kind, _ in found[6:]) == ["recording", "verdict"]
    await site.keeper.keep_due()
    await site.keeper.keep_late()
    assert await chained(site) == found


async def test_no_entry_names_the_candidate_or_shows_a_reading(site: ProofSite) -> None:
    await site.whole_story()
    await site.export()
    said = "".join(entry.text for entry in await site.stores.chain.entries(ACME, WHICH))
    for secret in ("cnd_1", "ref of", "Away by", "21.5", "ef" * 32, "téléphone", '"ada"'):
        assert secret not in said


async def test_a_worker_that_was_away_finds_what_it_missed(site: ProofSite) -> None:
    await site.begin()
    await site.judge()
    await site.end()  # the whole session passed without a worker
    assert await site.keeper.keep_due() == 0
    assert await chained(site) == []
    assert await site.keeper.keep_late() == 0
    assert [kind for kind, _ in await chained(site)][:4] == ["begun", "alert", "alert", "alert"]


async def test_two_workers_at_once_make_one_chain(site: ProofSite, tmp_path: Path) -> None:
    await site.begin()
    await site.judge()
    other = ProofSite(tmp_path, type(site.stores)(f"sqlite:///{tmp_path}/proctor.db"), site.clock)
    await asyncio.gather(*(one.keeper.bring_up(ACME, WHICH) for one in (site, other) * 4))
    assert await chained(site) == KINDS[:4]
    await other.stores.close()


async def test_late_verdicts_and_recordings_are_chained_and_signed(site: ProofSite) -> None:
    await site.whole_story()
    await site.keeper.keep_due()
    signed = len(await site.elsewhere.checkpoints(ACME, WHICH))
    await site.judge(4, 4)  # the news of the verdict
    await site.keeper.keep_late()
    assert ("verdict", "ver_1") in await chained(site)
    assert len(await site.elsewhere.checkpoints(ACME, WHICH)) == signed + 1


async def test_decisions_and_added_incidents_enter_a_chain_that_was_closed_and_are_signed(
    site: ProofSite,
) -> None:
    await site.reviewed_story()
    before = await chained(site)
    assert await site.keeper.keep_late() == 0
    new = [each for each in await chained(site) if each not in before]
    assert new[0] == ("verdict", "ver_1")
    assert new[1:] == [("added", "inc_9"), ("decision", "1"), ("decision", "2")]
    head = await site.stores.chain.head(ACME, WHICH)
    assert head.signed_size == head.size
    assert await site.stores.chain.late(10) == []
    await site.decide(3)
    await site.keeper.keep_late()
    assert (await chained(site))[-1] == ("decision", "3")


async def test_what_reviewers_added_is_proved_and_their_words_open_only_by_a_salt(
    site: ProofSite,
) -> None:
    await site.reviewed_story()
    path = await site.export()
    report = site.verify(path)
    assert (report.faults, report.notes, report.entries) == ([], [], 11)
    said = "".join(entry.text for entry in await site.stores.chain.entries(ACME, WHICH))
    assert '"word":"reviewed"' in said
    for secret in ("Zeile", "A hand with a note", '"ada"'):
        assert secret not in said


async def test_a_verdict_on_an_added_incident_is_the_last_word_of_it(site: ProofSite) -> None:
    await site.reviewed_story()
    later = replace(
        word(2),
        incident_id=IncidentId("inc_9"),
        verdict=Verdict.DISMISSED,
        given_at=NOON + timedelta(hours=1),
        told_at=NOON,
    )
    await site.stores.verdicts.add(later)
    assert site.verify(await site.export()).faults == []
    await altered(site, "UPDATE incidents SET verdict = 'confirmed' WHERE incident_id = 'inc_9'")
    faults = site.verify(await site.export()).faults
    assert faults == ["incident inc_9 says confirmed, its entries say dismissed"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE decisions SET word = 'cannot_tell' WHERE version = 1", "(decision 1)"),
        ("UPDATE decisions SET notes = 'nothing' WHERE version = 2", "(decision 2)"),
        ("UPDATE decisions SET reviewer = 'bob' WHERE version = 2", "(decision 2)"),
        ("UPDATE decisions SET given_at = '2026-01-02 00:00:00.000000'", "(decision 1)"),
        ("DELETE FROM decisions WHERE version = 2", "(decision 2): what it is about is missing"),
        ("UPDATE additions SET words = 'a phone'", "(added inc_9)"),
        ("UPDATE additions SET reviewer = 'bob'", "(added inc_9)"),
        ("DELETE FROM additions", "(added inc_9): what it is about is missing"),
        (
            "UPDATE incidents SET verdict = 'dismissed' WHERE incident_id = 'inc_9'",
            "incident inc_9",
        ),
    ],
)
async def test_what_reviewers_added_cannot_be_altered_unseen(
    site: ProofSite, statement: str, told: str
) -> None:
    await site.reviewed_story()
    await site.export("before.zip")
    await altered(site, statement)
    faults = site.verify(await site.export()).faults
    assert any(told in fault for fault in faults), faults


async def test_an_incident_that_nobody_added_is_told(site: ProofSite) -> None:
    """Rows that look like a person's, put in by somebody who holds the database."""
    await site.whole_story()
    found, _ = missed("inc_8")
    await site.stores.incidents.commit([judged(incidents=(replace(found, verdict=UNREVIEWED),))])
    faults = site.verify(await site.export()).faults
    assert faults == ["incident inc_8 was added by a person, and is in no entry"]


async def test_a_chain_waits_for_its_recording_no_longer_than_ten_minutes(
    site: ProofSite,
) -> None:
    await site.begin()
    await site.keeper.keep_due()
    await site.stores.sessions.end(ACME, WHICH, site.clock.now())
    await site.stores.sessions.settle(ACME, WHICH, site.clock.now())
    await site.keeper.keep_due()
    assert (await site.stores.chain.head(ACME, WHICH)).is_open
    await site.clock.advance(RECORDED_WITHIN // timedelta(milliseconds=1))
    await site.keeper.keep_due()
    assert not (await site.stores.chain.head(ACME, WHICH)).is_open
    assert await site.stores.chain.due(10) == []


async def test_a_session_that_goes_on_is_signed_every_so_many_entries(site: ProofSite) -> None:
    await site.begin()
    await site.judge(1, SIGN_EVERY - 2)
    await site.keeper.keep_due()
    assert await site.elsewhere.checkpoints(ACME, WHICH) == []
    await site.judge(SIGN_EVERY - 1, SIGN_EVERY - 1)
    await site.keeper.keep_due()
    assert len(await site.elsewhere.checkpoints(ACME, WHICH)) == 1


async def test_a_place_elsewhere_that_is_away_is_asked_again(site: ProofSite) -> None:
    await site.whole_story()
    await site.keeper.keep_due()
    await site.judge(4, 4)
    away = site.folder / "elsewhere"
    away.rename(site.folder / "hidden")
    away.write_text("no folder")
    assert await site.keeper.keep_late() + await site.keeper.keep_due() > 0
    assert ("alert", "alr_ses_1_4") in await chained(site)  # chained all the same
    away.unlink()
    (site.folder / "hidden").rename(away)
    assert await site.keeper.keep_late() + await site.keeper.keep_due() == 0
    head = await site.stores.chain.head(ACME, WHICH)
    assert head.signed_size == head.size


@pytest.mark.parametrize("how", list(EvidenceAs))
async def test_an_untouched_export_verifies_with_the_public_key_alone(
    site: ProofSite, how: EvidenceAs
) -> None:
    await site.whole_story()
    path = await site.export(evidence=how)
    report = site.verify(path)
    assert (report.faults, report.notes) == ([], [])
    assert (report.entries, report.session_id) == (8, WHICH)
    assert report.checkpoints >= 1
    shown = PICTURE in path.read_bytes()
    assert shown is (how is EvidenceAs.OPENED)


async def test_an_export_of_a_session_that_goes_on_verifies_as_well(site: ProofSite) -> None:
    await site.begin()
    await site.judge()
    assert site.verify(await site.export()).faults == []


async def test_an_export_is_of_a_session_of_the_tenant_that_has_begun(site: ProofSite) -> None:
    await site.whole_story()
    for tenant, name in ((OTHER, WHICH), (ACME, SessionId("ses_2"))):
        with pytest.raises(NotFound):
            await site.export_service.write(tenant, name, site.folder / "x.zip", actor="ada")
    assert not (site.folder / "x.zip").exists()


async def test_every_export_leaves_an_audit_row_and_without_it_there_is_none(
    site: ProofSite,
) -> None:
    await site.whole_story()
    await altered(site, "UPDATE tenants SET name = name")
    engine = create_async_engine(f"sqlite+aiosqlite:///{site.folder}/proctor.db")
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO hidden"))
    with pytest.raises(Exception, match="audit"):
        await site.export("refused.zip", EvidenceAs.OPENED)
    assert not (site.folder / "refused.zip").exists()
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO audit"))
    await site.export("taken.zip", EvidenceAs.OPENED)
    async with engine.begin() as connection:
        told = "SELECT actor, subject, reason FROM audit WHERE action = 'session.exported'"
        assert list(await connection.execute(text(told))) == [("ada", WHICH, "evidence opened")]
    await engine.dispose()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> tuple[ProofSite, bytes]:
    async def make() -> tuple[ProofSite, bytes]:
        site = ProofSite.make(tmp_path_factory.mktemp("flips"), migrated)
        await site.whole_story()
        path = await site.export(evidence=EvidenceAs.OPENED)
        await site.stores.close()
        return site, path.read_bytes()

    return asyncio.run(make())


def refused(site: ProofSite, content: bytes) -> bool:
    path = site.folder / "touched.zip"
    path.write_bytes(content)
    try:
        return bool(site.verify(path).faults)
    except InvalidInput as error:
        return error.code == "export/unreadable"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_flip_of_any_bit_is_noticed(
    exported: tuple[ProofSite, bytes], data: st.DataObject
) -> None:
    site, good = exported
    at = data.draw(st.integers(0, len(good) - 1))
    bit = data.draw(st.integers(0, 7))
    assert refused(site, good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :])


def test_a_flip_in_every_member_and_in_the_file_around_it_is_noticed(
    exported: tuple[ProofSite, bytes],
) -> None:
    site, good = exported
    with zipfile.ZipFile(site.folder / "export.zip") as bundle:
        infos = bundle.infolist()
    places = [info.header_offset + offset for info in infos for offset in (0, 8, 10, 14, 26, 30)]
    places += [info.header_offset + 30 + len(info.filename) for info in infos if info.file_size]
    directory = good.index(b"PK\x01\x02")
    places += range(directory, len(good), 3)
    for at in places:
        assert refused(site, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]), at
    for length in (0, 1, 100, len(good) // 2, len(good) - 1):
        assert refused(site, good[:length])
    assert refused(site, good + b"\0")


Change = Callable[[dict[str, bytes]], object]


def rewritten(site: ProofSite, change: Change, seal: FileSeal | None = None) -> Path:
    """As somebody does who makes the whole file anew, signs with a key of theirs, and hides nothing."""
    with zipfile.ZipFile(site.folder / "export.zip") as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    del members["manifest.jws"]
    change(members)
    path = site.folder / "rewritten.zip"
    with path.open("wb") as file:
        bundle_again = BundleWriter(file)
        for name, content in members.items():
            bundle_again.add(name, content)
        entries = members["chain.jsonl"].splitlines()
        manifest["files"] = dict(bundle_again.members)
        head = hashlib.sha256(entries[-1]).hexdigest() if entries else ""
        manifest["chain"] = {"size": len(entries), "head": head}
        told = canonical(manifest)
        bundle_again.add("manifest.json", told)
        bundle_again.add("manifest.jws", (seal or site.seal).sign(EXPORT, told).encode())
        bundle_again.close()
    return path


def put(name: str, edit: Callable[[list[bytes]], list[bytes]]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members[name] = b"".join(line + b"\n" for line in edit(members[name].splitlines()))

    return change


def without(at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: entries[:at] + entries[at + 1 :]


def swapped(rows: list[bytes]) -> list[bytes]:
    return [rows[0], rows[2], rows[1], *rows[3:]]


def edited(rows: list[bytes]) -> list[bytes]:
    return [rows[0], rows[1].replace(b'"severity":"low"', b'"severity":"high"'), *rows[2:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("chain.jsonl", without(2)), "entry 3 "),
        (put("chain.jsonl", without(0)), "entry 1 "),
        (put("chain.jsonl", swapped), "entry 2 "),
        (put("chain.jsonl", edited), "entry 3 "),
        (put("chain.jsonl", lambda rows: rows[:-2]), "entry 7: it is missing"),
        (put("chain.jsonl", lambda rows: [*rows, rows[-1]]), "entry 9 "),
        (put("chain.jsonl", lambda rows: rows[:1]), "entry 2: it is missing"),
        (put("chain.jsonl", lambda rows: [b"[" * 200_000]), "does not hold what an export holds"),
        (
            put("alerts.jsonl", without(1)),
            "entry 3 (alert alr_ses_1_2): what it is about is missing",
        ),
        (put("alerts.jsonl", edited), "entry 3 (alert alr_ses_1_2)"),
        (put("verdicts.jsonl", lambda rows: []), "(verdict ver_1): what it is about is missing"),
        (put("evidence.jsonl", lambda rows: []), "(evidence evd_1): what it is about is missing"),
        (lambda members: members.pop("recording/footer.json"), "(recording "),
        (lambda members: members.update({"openings.json": b"{}"}), "what opens it is missing"),
        (lambda members: members.update({"policy.yaml": b"id: lax\n"}), "policy"),
        (lambda members: members.update({"evidence/evd_1": b"another"}), "(evidence evd_1)"),
        (put("checkpoints.jsonl", lambda rows: []), "entry 1: no checkpoint"),
        (put("checkpoints.jsonl", lambda rows: rows[:-1]), "no checkpoint of the export covers it"),
    ],
)
async def test_what_was_changed_is_named_even_when_the_file_is_signed_anew(
    site: ProofSite, change: Change, told: str
) -> None:
    """Whoever holds the signing key as well still cannot undo checkpoints that were written before."""
    await site.whole_story()
    await site.export()
    faults = site.verify(rewritten(site, change)).faults
    assert any(told in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda members: members.pop("decisions.jsonl"),
            "(decision 1): what it is about is missing",
        ),
        (
            lambda members: members.pop("additions.jsonl"),
            "(added inc_9): what it is about is missing",
        ),
        (lambda members: members.update({"incidents.jsonl": b""}), "(added inc_9)"),
    ],
)
async def test_what_reviewers_added_cannot_be_left_out_of_an_export(
    site: ProofSite, change: Change, told: str
) -> None:
    await site.reviewed_story()
    await site.export()
    faults = site.verify(rewritten(site, change)).faults
    assert any(told in fault for fault in faults), faults


async def test_an_export_signed_by_another_key_is_refused(site: ProofSite, tmp_path: Path) -> None:
    await site.whole_story()
    await site.export()
    make_proof_key(tmp_path / "thief.pem")
    thief = FileSeal(tmp_path / "thief.pem")
    faults = site.verify(rewritten(site, lambda members: None, thief)).faults
    assert faults == ["manifest.jws: the signature is not by this key"]
    assert site.verify(rewritten(site, lambda members: None)).faults == []


async def test_a_tail_cut_together_with_its_checkpoint_is_told_by_one_kept_elsewhere(
    site: ProofSite,
) -> None:
    await site.whole_story()
    await site.export()
    newest = (await site.elsewhere.checkpoints(ACME, WHICH))[-1]
    older = (await site.elsewhere.checkpoints(ACME, WHICH))[0]
    first = json.loads(_payload(older))["size"]

    def cut(members: dict[str, bytes]) -> None:
        put("chain.jsonl", lambda rows: rows[:first])(members)
        put("checkpoints.jsonl", lambda rows: rows[:1])(members)
        put("verdicts.jsonl", lambda rows: [])(members)

    path = rewritten(site, cut)
    assert any(
        f"entry {first + 1}: it is missing" in one for one in site.verify(path, newest).faults
    )
    assert not any("it is missing" in one for one in site.verify(path, older).faults)


def _payload(signed: str) -> bytes:
    part = signed.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE alerts SET payload = replace(payload, '21.5', '71.5') WHERE seq = 2", "entry 3 "),
        ("DELETE FROM alerts WHERE seq = 3", "entry 4 (alert alr_ses_1_3)"),
        ("UPDATE verdicts SET verdict = 'dismissed'", "(verdict ver_1)"),
        ("UPDATE incidents SET verdict = 'dismissed'", "incident inc_1 says dismissed"),
        ("UPDATE coverage SET end_ms = end_ms - 1000", "(coverage ses_1)"),
        ("UPDATE exams SET policy_text = 'id: lax'", "entry 1 (begun ses_1)"),
        ("DELETE FROM chain_entries WHERE number > 5", "entry 6"),
        ("DELETE FROM chain_entries WHERE number = 3", "entry 3"),
        (
            "UPDATE chain_entries SET text = replace(text, 'low', 'high') WHERE number = 2",
            "entry 3 ",
        ),
        ("DELETE FROM chain_openings WHERE number = 2", "entry 2 "),
    ],
)
async def test_a_row_altered_in_the_database_is_told_by_the_next_export(
    site: ProofSite, statement: str, told: str
) -> None:
    await site.whole_story()
    await site.export("before.zip")
    await altered(site, statement)
    try:
        faults = site.verify(await site.export()).faults
    except InvalidInput as error:  # the chain's own end no longer fits
        faults = [error.detail]
    assert any(told in fault for fault in faults), faults


async def test_a_chain_that_was_cut_and_grown_anew_does_not_fit_its_checkpoint(
    site: ProofSite,
) -> None:
    await site.whole_story()
    await site.export("before.zip")
    for table in ("chains", "chain_entries", "chain_openings"):
        await altered(site, f"DELETE FROM {table}")
    faults = site.verify(await site.export()).faults
    assert any("says that it, or one before it, is another" in fault for fault in faults)


async def test_evidence_swapped_in_the_store_is_told(site: ProofSite) -> None:
    await site.whole_story()
    await site.keeper.keep_late()
    ref = await site.keep_picture()  # sealed anew: other bytes in its place
    faults = site.verify(await site.export(evidence=EvidenceAs.SEALED)).faults
    assert any("(evidence evd_1): it was altered" in fault for fault in faults)
    assert ref.object_key in site.evidence.objects


async def test_what_outlived_its_retention_is_told_and_is_no_fault(site: ProofSite) -> None:
    await site.whole_story()
    await site.export("before.zip")
    site.evidence.rows.clear()
    faults = site.verify(await site.export()).faults
    assert any("evidence evd_1" in fault for fault in faults)
    await site.clock.advance(31 * 86_400_000)
    report = site.verify(await site.export())
    assert report.faults == []
    assert any("evidence evd_1" in note and "retention" in note for note in report.notes)


async def test_a_retention_that_was_lowered_later_excuses_nothing(site: ProofSite) -> None:
    await site.whole_story()
    await site.export("before.zip")
    site.evidence.rows.clear()
    await altered(site, "UPDATE exams SET retention_days = 1")
    await site.clock.advance(3 * 86_400_000)
    faults = site.verify(await site.export()).faults
    assert any("(begun ses_1): what is shown is not what it says" in one for one in faults)
    assert any("(evidence evd_1): what it is about is missing" in one for one in faults)


async def test_a_chain_of_before_retention_was_in_it_still_verifies(site: ProofSite) -> None:
    await site.begin()
    now = await site.stores.sessions.get(ACME, WHICH)
    told = facts.begun(now, await site.stores.exams.get_exam(ACME, now.exam_id))
    body = {name: said for name, said in told.body.items() if name != "retention_days"}
    first = await site.stores.chain.head(ACME, WHICH)
    [entry] = link(first, [replace(told, body=body)])
    await site.stores.chain.append(first, [entry], replace(first, size=1, head=entry.sha256))
    await site.judge(1, 3)
    await site.end()
    assert site.verify(await site.export()).faults == []


async def test_evidence_whose_store_was_away_is_asked_again_when_the_session_is_over(
    site: ProofSite,
) -> None:
    await site.begin()
    await site.judge()
    await site.keeper.keep_due()
    await site.keep_picture()
    site.evidence.sealed_down = True
    await site.end()
    await site.keeper.keep_due()
    assert ("evidence", "evd_1") not in await chained(site)
    site.evidence.sealed_down = False
    await site.keeper.keep_due()
    assert ("evidence", "evd_1") in await chained(site)


async def test_an_object_that_is_gone_is_stated_and_the_rest_is_exported(site: ProofSite) -> None:
    await site.whole_story()
    await site.keep_picture("evd_2")
    await site.keeper.keep_due()
    await site.keeper.keep_late()
    del site.evidence.objects["acme/evd_1"]
    path = await site.export()
    with zipfile.ZipFile(path) as bundle:
        assert json.loads(bundle.read("manifest.json"))["missing"] == ["evd_1"]
        assert "evidence/evd_2" in bundle.namelist()
    [fault] = site.verify(path).faults
    assert fault.endswith("(evidence evd_1): it was gone from the store when this was exported")
    await site.clock.advance(31 * 86_400_000)
    assert site.verify(await site.export()).faults == []


async def test_nothing_that_is_chained_once_an_erasure_was_asked_for_ever_opens(
    site: ProofSite,
) -> None:
    await site.begin()
    stone = Erasure(
        receipt_id="era_1", tenant_id=ACME, candidate_id=WHO, asked_by="ada", asked_at=NOON
    )
    await site.stores.erasures.begin(stone)
    await site.stores.erasures.scrub(ACME, WHO, NOON)
    await site.judge()
    await site.keeper.keep_due()
    entries = await site.stores.chain.entries(ACME, WHICH)
    assert len(entries) == 4 and all(entry.salt is None for entry in entries)


def test_what_is_no_export_is_unreadable(tmp_path: Path, migrated: Path) -> None:
    site = ProofSite.make(tmp_path, migrated)
    for content in (b"", b"PK\x03\x04 junk", b"{}"):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(InvalidInput) as error:
            site.verify(tmp_path / "x.zip")
        assert error.value.code == "export/unreadable"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as bundle:
        bundle.writestr("readme.txt", "hello")
    with pytest.raises(InvalidInput, match="this is no export"):
        site.verify(tmp_path / "x.zip")


def test_a_member_that_unpacks_to_far_more_than_the_file_holds_is_never_unpacked(
    site: ProofSite,
) -> None:
    path = site.folder / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("manifest.json", b" " * 50_000_000)
        bundle.writestr("manifest.jws", b"x")
    with pytest.raises(InvalidInput, match=r"manifest.json is packed"):
        site.verify(path)


def test_members_that_claim_more_than_the_file_holds_are_refused(site: ProofSite) -> None:
    path = site.folder / "claims.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("manifest.json", b"{}")
        bundle.writestr("manifest.jws", b"x")
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02")  # the directory: both sizes of its first member
    claimed = (1_000_000).to_bytes(4, "little") * 2
    path.write_bytes(content[: at + 20] + claimed + content[at + 28 :])
    with pytest.raises(InvalidInput, match="claims to hold more than the file"):
        site.verify(path)
