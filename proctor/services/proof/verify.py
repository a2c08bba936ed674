"""Checks an export with the public key alone: nothing is asked of the site that wrote it.

It fails for an entry that was edited, moved, added or taken out, for a chain that ends before a
checkpoint that is known, for anything shown that is not what its entry commits to, and for a byte of
the file that is not as it was written. What was erased with its candidate, or outlived its exam's
retention, is told and is no failure.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from proctor.domain.alerts import Alert
from proctor.domain.casework import Added, SessionDecision
from proctor.domain.errors import InvalidInput
from proctor.domain.evidence import EvidenceRef
from proctor.domain.incidents import Incident
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import Fact, FactKind
from proctor.domain.recordings import Footer, Recording, Row
from proctor.domain.sessions import Exam, Session
from proctor.ports import Seal
from proctor.services.proof import facts
from proctor.services.proof.bundle import BundleReader, reading
from proctor.services.proof.checkpoints import read_checkpoint
from proctor.services.proof.entries import FIRST, commitment, read_entry
from proctor.services.proof.export import EXPORT
from proctor.services.proof.report import Report
from proctor.services.proof.reviewed import review_facts, verdict_faults

_MANIFEST = ("manifest.json", "manifest.jws")
_NEWER = ("decisions.jsonl", "additions.jsonl")  # earlier exports have neither, nor entries of it
_KEPT_FOR_A_TIME = frozenset({FactKind.EVIDENCE, FactKind.RECORDING})


def verify(
    path: Path,
    seal: Seal,
    from_arrow: Callable[[bytes], Sequence[Row]],
    known: Sequence[str] = (),
) -> Report:
    """Check an export.

    Args:
        path: The file.
        seal: Believes the site's signatures.
        from_arrow: Reads a recording's rows.
        known: Signed checkpoints that were had from elsewhere.

    Raises:
        InvalidInput: The file is no export at all (export/unreadable).
    """
    with reading(path) as bundle:
        return _Check(bundle, seal, from_arrow, known).run()


_FORGED = (
    ValidationError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    ArithmeticError,
    AssertionError,
    RuntimeError,  # of recursion, by values in values without end
)
"""What a file can bring about that was made to be no export."""


class _Check:
    def __init__(
        self,
        bundle: BundleReader,
        seal: Seal,
        from_arrow: Callable[[bytes], Sequence[Row]],
        known: Sequence[str],
    ) -> None:
        self._bundle = bundle
        self._seal = seal
        self._from_arrow = from_arrow
        self._known = known
        self._report = Report()
        self._manifest: dict[str, Any] = {}
        self._entries: list[dict[str, Any]] = []
        self._hashes: list[str] = []

    def run(self) -> Report:
        missing = [name for name in _MANIFEST if name not in self._bundle.names]
        if missing:
            raise InvalidInput(f"{missing[0]} is missing: this is no export", "export/unreadable")
        try:
            self._check_manifest()
            self._check_chain()
            self._check_checkpoints()
            self._check_contents()
        except InvalidInput as error:
            self._fault(error.detail)
        except _FORGED as error:
            self._fault(f"the export does not hold what an export holds ({type(error).__name__})")
        return self._report

    def _fault(self, what: str) -> None:
        self._report.faults.append(what)

    def _check_manifest(self) -> None:
        text = self._bundle.read("manifest.json")
        signed = self._bundle.read("manifest.jws").decode(errors="replace")
        self._manifest = json.loads(text)
        self._report.session_id = str(self._manifest["session"])
        try:
            if self._seal.read(EXPORT, signed) != text:
                self._fault("manifest.json is not what was signed")
        except InvalidInput as error:
            self._fault(f"manifest.jws: {error.detail}")
        listed = self._manifest["files"]
        for name in sorted({*listed, *self._bundle.names} - {*_MANIFEST}):
            if name not in listed:
                self._fault(f"{name} is not in the manifest")
            elif name not in self._bundle.names:
                self._fault(f"{name} is missing")
            elif hashlib.sha256(self._read(name)).hexdigest() != listed[name]["sha256"]:
                self._fault(f"{name} was altered")
        if len(set(self._bundle.names)) != len(self._bundle.names):
            self._fault("the file holds a member twice")
        elif not self._bundle.is_as_written():
            self._fault("bytes of the file that belong to no member were altered")

    def _read(self, name: str) -> bytes:
        return self._bundle.read(name)

    def _check_chain(self) -> None:
        before = FIRST
        text = self._read("chain.jsonl")
        for number, line in enumerate(text.decode().split("\n")[:-1], start=1):
            try:
                entry = read_entry(line)
            except InvalidInput:
                self._fault(f"entry {number}: this is no entry")
                entry = json.loads(line)
            about = f"entry {number} ({entry['kind']} {entry['source']})"
            whose = (entry["tenant"], entry["session"])
            if whose != (self._manifest["tenant"], self._manifest["session"]):
                self._fault(f"{about}: it is another session's")
            if entry["n"] != number:
                self._fault(f"{about}: it says that it is number {entry['n']}")
            if entry["before"] != before:
                self._fault(f"{about}: it does not follow the entry before it")
            before = hashlib.sha256(line.encode()).hexdigest()
            self._entries.append(entry)
            self._hashes.append(before)
        self._report.entries = len(self._entries)
        said = self._manifest["chain"]
        if said["size"] != len(self._entries):
            where = f"entry {min(said['size'], len(self._entries)) + 1}"
            self._fault(f"{where}: the manifest says {said['size']} entries")
        elif self._hashes and said["head"] != self._hashes[-1]:
            self._fault(f"entry {len(self._hashes)}: the manifest says that it is another")

    def _check_checkpoints(self) -> None:
        shown = self._read("checkpoints.jsonl").decode().splitlines()
        newest = 0
        for signed in shown:
            newest = max(newest, self._check_checkpoint(signed, "a checkpoint of the export"))
        for signed in self._known:
            self._check_checkpoint(signed.strip(), "the checkpoint that was given")
        if newest < len(self._entries):
            self._fault(f"entry {newest + 1}: no checkpoint of the export covers it")

    def _check_checkpoint(self, signed: str, what: str) -> int:
        """Returns how many entries it covers; 0 when it cannot be believed."""
        try:
            point = read_checkpoint(signed, self._seal)
        except InvalidInput as error:
            self._fault(f"{what}: {error.detail}")
            return 0
        if (point.tenant_id, point.session_id) != (
            self._manifest["tenant"],
            self._manifest["session"],
        ):
            self._fault(f"{what} is another session's")
            return 0
        self._report.checkpoints += 1
        if point.size > len(self._entries):
            gone = len(self._entries) + 1
            self._fault(f"entry {gone}: it is missing, {what} is of {point.size} entries")
        elif point.size and self._hashes[point.size - 1] != point.head:
            self._fault(f"entry {point.size}: {what} says that it, or one before it, is another")
        return point.size

    def _check_contents(self) -> None:
        shown = self._facts()
        salts = {int(number): bytes.fromhex(salt) for number, salt in self._openings().items()}
        is_erased = any(entry["kind"] == FactKind.ERASED for entry in self._entries)
        is_past = self._is_past_retention()
        for entry in self._entries:
            number, kind = entry["n"], FactKind(entry["kind"])
            about = f"entry {number} ({kind} {entry['source']})"
            fact = shown.pop((kind, entry["source"]), None)
            if kind is FactKind.ERASED:
                self._report.notes.append(f"{about}: the candidate was erased")
                continue
            if fact is None:
                if kind in _KEPT_FOR_A_TIME and (is_erased or is_past):
                    why = "was erased" if is_erased else "outlived its retention"
                    self._report.notes.append(f"{about}: what it shows {why}")
                else:
                    self._fault(f"{about}: what it is about is missing")
                continue
            body = dict(fact.body)
            if kind is FactKind.BEGUN and "retention_days" not in entry["body"]:
                del body["retention_days"]  # earlier chains do not say it
            if body != entry["body"]:
                self._fault(f"{about}: what is shown is not what it says")
            if entry["commitment"] is None:
                if fact.secret is not None:
                    self._fault(f"{about}: it commits to nothing")
            elif number not in salts:
                if not is_erased:
                    self._fault(f"{about}: what opens it is missing")
            elif commitment(fact.secret, salts[number]) != entry["commitment"]:
                self._fault(f"{about}: what is shown is not what it commits to")
        for kind, source in shown:
            self._fault(f"{kind} {source} is in no entry")
        self._check_numbers()
        self._report.faults += verdict_faults(
            self._items("incidents.jsonl", Incident),
            self._items("verdicts.jsonl", VerdictGiven),
            self._items("additions.jsonl", Added),
        )

    def _openings(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._read("openings.json"))
        return found

    def _facts(self) -> dict[tuple[FactKind, str], Fact]:
        """What the shown things would say as entries."""
        said = json.loads(self._read("session.json"))
        session = _one(Session, said["session"])
        exam = _one(Exam, said["exam"])
        if self._read("policy.yaml") != exam.policy_text.encode():
            self._fault("policy.yaml is not the exam's policy")
        made = [facts.begun(session, exam)]
        made += [facts.alert(news) for news in self._items("alerts.jsonl", Alert)]
        made += [facts.verdict(given) for given in self._items("verdicts.jsonl", VerdictGiven)]
        made += review_facts(
            self._items("decisions.jsonl", SessionDecision),
            self._items("additions.jsonl", Added),
            self._items("incidents.jsonl", Incident),
        )
        made += self._evidence_facts()
        if (end := self._told_end()) is not None:
            told = sum(one["kind"] == FactKind.ALERT for one in self._entries[: end["n"] - 1])
            made.append(facts.coverage(session, told))
        made += self._recording_facts()
        found: dict[tuple[FactKind, str], Fact] = {}
        for fact in made:
            if (fact.kind, fact.source_id) in found:
                self._fault(f"{fact.kind} {fact.source_id} is shown twice")
            found[(fact.kind, fact.source_id)] = fact
        return found

    def _items(self, name: str, kind: Any) -> list[Any]:
        if name in _NEWER and name not in self._bundle.names:
            return []
        return [_one(kind, json.loads(line)) for line in self._read(name).splitlines()]

    def _told_end(self) -> dict[str, Any] | None:
        ends = [entry for entry in self._entries if entry["kind"] == FactKind.COVERAGE]
        return ends[0] if ends else None

    def _evidence_facts(self) -> list[Fact]:
        how, made = self._manifest["evidence"], []
        gone = self._manifest.get("missing", [])
        chained = {entry["source"]: entry for entry in self._entries if entry["kind"] == "evidence"}
        for ref in self._items("evidence.jsonl", EvidenceRef):
            entry = chained.get(ref.evidence_id)
            sealed = str(entry["body"]["sealed_sha256"]) if entry else ""
            if ref.evidence_id in gone and f"evidence/{ref.evidence_id}" not in self._bundle.names:
                self._gone(ref, entry)
            elif how != "none":
                digest = hashlib.sha256(self._read(f"evidence/{ref.evidence_id}")).hexdigest()
                expected = ref.sha256 if how == "opened" else sealed
                if digest != expected:
                    number = entry["n"] if entry else "none"
                    self._fault(f"entry {number} (evidence {ref.evidence_id}): it was altered")
            made.append(facts.evidence(ref, sealed))
        return made

    def _gone(self, ref: EvidenceRef, entry: dict[str, Any] | None) -> None:
        number = entry["n"] if entry else "none"
        about = f"entry {number} (evidence {ref.evidence_id})"
        is_erased = any(one["kind"] == FactKind.ERASED for one in self._entries)
        if is_erased or self._is_past_retention():
            self._report.notes.append(f"{about}: it was erased or outlived its retention")
        else:
            self._fault(f"{about}: it was gone from the store when this was exported")

    def _recording_facts(self) -> list[Fact]:
        if "recording/footer.json" not in self._bundle.names:
            return []
        footer = _one(Footer, json.loads(self._read("recording/footer.json")))
        names = sorted(name for name in self._bundle.names if name.endswith(".arrow"))
        takes = tuple(tuple(self._from_arrow(self._read(name))) for name in names)
        found = Recording(key=footer.key, takes=takes, footer=footer)
        return [facts.recording(found, footer)]

    def _check_numbers(self) -> None:
        seqs = sorted(one["body"]["seq"] for one in self._entries if one["kind"] == "alert")
        if seqs != list(range(1, len(seqs) + 1)):
            self._fault(f"the alerts' numbers have a hole: {seqs}"[:200])

    def _is_past_retention(self) -> bool:
        said = json.loads(self._read("session.json"))
        session, exam = _one(Session, said["session"]), _one(Exam, said["exam"])
        if session.ended_at is None:
            return False
        made_at = datetime.fromisoformat(self._manifest["made_at"]).astimezone(UTC)
        begun = [one["body"] for one in self._entries if one["kind"] == FactKind.BEGUN]
        days = begun[0].get("retention_days", exam.retention_days) if begun else 0
        dies_at: datetime = session.ended_at + timedelta(days=days)
        return bool(begun) and made_at >= dies_at


def _one(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_json(json.dumps(value))
