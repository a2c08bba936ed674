"""How an alert is made of an incident, and the words for what is told of it later.

The words are ours and not the policy's: they say what happened to the record, never what the candidate
did. A reviewer's reason is not repeated: it is for those who review.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.ids import AlertId, IncidentId, derive_id
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict
from proctor.domain.notes import IncidentNote
from proctor.fusion.budget import Grouped
from proctor.fusion.evidence import judged_picture, producers

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        Verdict.CONFIRMED: "A reviewer confirmed that this happened.",
        Verdict.DISMISSED: "A reviewer dismissed this.",
        Verdict.UNREVIEWED: "A reviewer took the verdict back.",
        EvidenceStatus.NONE: "There is no evidence of this.",
        EvidenceStatus.PENDING: "Its evidence is being stored.",
        EvidenceStatus.STORED: "Its evidence is stored.",
        EvidenceStatus.LOST: "Its evidence was lost.",
        "group": "Weak alerts, counted",
        "grouped": "Told together, for the hour's number of weak alerts is used up: {counts}.",
    },
    "de": {
        Verdict.CONFIRMED: "Ein Prüfer hat bestätigt, dass dies geschah.",
        Verdict.DISMISSED: "Ein Prüfer hat dies verworfen.",
        Verdict.UNREVIEWED: "Ein Prüfer hat das Urteil zurückgenommen.",
        EvidenceStatus.NONE: "Hierzu gibt es keine Belege.",
        EvidenceStatus.PENDING: "Die Belege werden gespeichert.",
        EvidenceStatus.STORED: "Die Belege sind gespeichert.",
        EvidenceStatus.LOST: "Die Belege gingen verloren.",
        "group": "Schwache Meldungen, gezählt",
        "grouped": "Zusammengefasst, da die Zahl schwacher Meldungen je Stunde erreicht ist: {counts}.",
    },
    "fr": {
        Verdict.CONFIRMED: "Un réviseur a confirmé que cela s'est produit.",
        Verdict.DISMISSED: "Un réviseur a écarté ce signalement.",
        Verdict.UNREVIEWED: "Un réviseur a retiré son verdict.",
        EvidenceStatus.NONE: "Il n'y a pas de preuve de ceci.",
        EvidenceStatus.PENDING: "Les preuves sont en cours d'enregistrement.",
        EvidenceStatus.STORED: "Les preuves sont enregistrées.",
        EvidenceStatus.LOST: "Les preuves ont été perdues.",
        "group": "Alertes faibles, comptées",
        "grouped": "Regroupés, le nombre d'alertes faibles par heure étant atteint : {counts}.",
    },
    "es": {
        Verdict.CONFIRMED: "Un revisor confirmó que esto ocurrió.",
        Verdict.DISMISSED: "Un revisor descartó este aviso.",
        Verdict.UNREVIEWED: "Un revisor retiró su veredicto.",
        EvidenceStatus.NONE: "No hay pruebas de esto.",
        EvidenceStatus.PENDING: "Se están guardando las pruebas.",
        EvidenceStatus.STORED: "Las pruebas están guardadas.",
        EvidenceStatus.LOST: "Las pruebas se perdieron.",
        "group": "Avisos débiles, contados",
        "grouped": "Agrupados, pues se alcanzó el número de avisos débiles por hora: {counts}.",
    },
    "ar": {
        Verdict.CONFIRMED: "أكد مراجع أن هذا قد حدث.",
        Verdict.DISMISSED: "استبعد مراجع هذا التنبيه.",
        Verdict.UNREVIEWED: "سحب مراجع حكمه.",
        EvidenceStatus.NONE: "لا يوجد دليل على هذا.",
        EvidenceStatus.PENDING: "يجري حفظ الدليل.",
        EvidenceStatus.STORED: "حُفظ الدليل.",
        EvidenceStatus.LOST: "فُقد الدليل.",
        "group": "تنبيهات ضعيفة، معدودة",
        "grouped": "جُمعت لأن عدد التنبيهات الضعيفة في الساعة قد استُنفد: {counts}.",
    },
}


def words(language: str) -> Mapping[str, str]:
    """The words of a policy's language (`de`, `de-AT`), in English where we have none."""
    return _WORDS.get(language.partition("-")[0], _WORDS["en"])


def noted(incident: Incident, note: IncidentNote) -> Incident:
    """The incident with what the note says of it."""
    evidence = incident.evidence
    if note.evidence is not None:
        evidence = replace(evidence, status=note.evidence)
    verdict = incident.verdict if note.verdict is None else note.verdict
    return replace(incident, verdict=verdict, evidence=evidence)


def said_of(note: IncidentNote, language: str) -> str:
    """The sentences that tell a note."""
    known = words(language)
    told = [known[part] for part in (note.verdict, note.evidence) if part is not None]
    return " ".join(told)


def said_of_group(grouped: Grouped, titles: Mapping[str, str], language: str) -> str:
    """The sentence that tells a count; rules that are not known any more by their id."""
    counts = ", ".join(
        f"{count} x {titles.get(rule, rule)}" for rule, count in grouped.counts.items()
    )
    return words(language)["grouped"].format(counts=counts)


def alert_of(
    incident: Incident,
    transition: Transition,
    *,
    seq: int,
    title: str,
    reason: str,
    raised_at: datetime,
    suppressed_by: str | None = None,
    about: str = "",
) -> Alert:
    """The alert of one change of an incident.

    Args:
        incident: As it is after the change.
        transition: The change.
        seq: Its number in the session.
        title: Plain words.
        reason: One sentence.
        raised_at: Wall time.
        suppressed_by: What keeps it from being delivered.
        about: Tells apart updates of one incident; the same for the same news.
    """
    severity = incident.severity if suppressed_by else incident.told_severity or incident.severity
    return Alert(
        alert_id=AlertId(
            derive_id("alr", incident.incident_id, transition, *([about] if about else []))
        ),
        seq=seq,
        tenant_id=incident.tenant_id,
        exam_id=incident.exam_id,
        session_id=incident.session_id,
        candidate_id=incident.candidate_id,
        incident_id=incident.incident_id,
        transition=transition,
        rule_id=incident.rule_id,
        policy_id=incident.policy_id,
        policy_version=incident.policy_version,
        category=incident.category,
        severity=severity,
        title=title,
        reason=reason,
        occurred_ms=incident.opened_ms if incident.closed_ms is None else incident.closed_ms,
        raised_at=raised_at,
        signals=incident.signals,
        producers=producers(incident.signals),
        frame_digest=judged_picture(incident.signals),
        suppressed_by=suppressed_by,
    )


def note_alert_id(incident_id: IncidentId, note_id: str) -> AlertId:
    """The id of the alert that tells a note: the same whoever tells it."""
    return AlertId(derive_id("alr", incident_id, Transition.UPDATED, note_id))


def note_alert(
    incident: Incident, note: IncidentNote, seq: int, title: str, language: str, raised_at: datetime
) -> Alert:
    """The alert of a note about an incident that has it already; held back like the incident was."""
    return alert_of(
        incident,
        Transition.UPDATED,
        seq=seq,
        title=title,
        reason=said_of(note, language),
        raised_at=raised_at,
        suppressed_by=None if incident.is_told else incident.suppressed_by,
        about=note.note_id,
    )
