"""An exam's policy: how often to look, what counts as a signal, and which signals make an incident.

A policy is data (YAML), validated to the last field before it serves; `policies/standard.yaml` shows
every part with comments. It names no state of mind: such names are refused (EU AI Act, article 5).
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from proctor.domain.errors import InvalidInput
from proctor.domain.incidents import Category, Severity
from proctor.domain.signals import SignalKind
from proctor.fusion.budget import AlertBudget
from proctor.fusion.conditions import Condition
from proctor.fusion.evidence_policy import EvidencePolicy
from proctor.fusion.grouping import GROUPED, ORDER, TITLE, Group, wrong_quiet
from proctor.fusion.plain_yaml import UNREADABLE, read_plain
from proctor.fusion.priority import PriorityPolicy
from proctor.fusion.prohibited import states_of_mind
from proctor.fusion.rates import AT_A_RATE, Sampling, check_rates
from proctor.fusion.wrong import refuse, wrong_in
from proctor.sensing.figures import FIGURES, LABELLED, LABELS, LASTED
from proctor.sensing.limits import SensingLimits
from proctor.sensing.strict import Milliseconds, PositiveMilliseconds, Strict

MAX_POLICY_CHARS = 65_536

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
Text = Annotated[str, Field(min_length=1, max_length=300)]
Texts = Annotated[dict[Language, Text], Field(min_length=1)]

WEAK: Mapping[SignalKind, tuple[str, str]] = {
    SignalKind.IDENTITY_UNVERIFIED: ("a comparison that is missing", "identity"),
    SignalKind.GAZE_AWAY: ("gaze", "eyes"),
    SignalKind.OBJECT_SEEN: ("a thing seen", "things"),
    SignalKind.WHISPER: ("whispering", "sound"),
    SignalKind.VOICE_WITHOUT_LIPS: ("a voice beside still lips", "sound"),
    SignalKind.OTHER_VOICE: ("another voice", "sound"),
    SignalKind.SEVERAL_VOICES: ("a count of voices", "sound"),
    SignalKind.NOT_LIVE: ("a liveness score", "pictures"),
    SignalKind.VIDEO_REPEATED: ("a stretch seen before", "pictures"),
    SignalKind.PICTURES_DOUBLED: ("pictures sent twice", "pictures"),
    SignalKind.NO_CAMERA_NOISE: ("a picture without noise", "pictures"),
    SignalKind.STEADY_BEAT: ("a steady clock", "pictures"),
    SignalKind.SOURCE_CHANGED: ("a change of codec or shape", "pictures"),
}
"""Signals that by themselves never make a rule of high severity: each alone is wrong too often. With
what they rest on: two from one source (the same sound, the same pictures) are wrong together."""


class Escalation(Strict):
    """An incident that lasts becomes more urgent.

    Attributes:
        after_ms: How long the behaviour must have lasted.
        severity: What it becomes.
    """

    after_ms: PositiveMilliseconds
    severity: Severity


class Rule(Strict):
    """One thing that a reviewer is told about.

    Attributes:
        id: Its name, stable over versions.
        category: Conduct, identity or coverage.
        severity: How soon to look.
        when: The condition over signals.
        for_ms: How long it must hold, counted from the moment the behaviour began.
        escalate: When it becomes more urgent; None for never.
        title: A few words per language.
        reason: One sentence per language; `{figure}` names a figure of the signals it rests on.
        inhibited_by: Rules before this one: while an incident of one of them is open and told, this
            one tells nothing. It is recorded all the same.
        group: Of `groups`: with the others of it this rule makes one thread of alerts.
        evidence: Whether what the policy keeps is kept for this rule, too.
        unmeasured: `accept` says that the rule may rest on a signal of which it has not been measured
            here how often it is wrong (`proctor/fusion/measured.py`).
    """

    id: Name
    category: Category
    severity: Severity
    when: Condition
    for_ms: Milliseconds = 0
    escalate: Escalation | None = None
    title: Texts
    reason: Texts
    inhibited_by: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    group: Name | None = None
    evidence: bool = True
    unmeasured: Literal["refuse", "accept"] = "refuse"

    @property
    def top(self) -> Severity:
        """The severity it may reach."""
        return self.escalate.severity if self.escalate else self.severity

    @model_validator(mode="after")
    def _rests_on_evidence(self) -> Self:
        refuse(self._wrong())
        return self

    def _wrong(self) -> Iterator[str]:
        ways, top = self.when.ways(), self.top
        if frozenset() in ways:
            yield f"rule {self.id} could hold on missing data alone: name a signal"
        for way in sorted(ways, key=sorted) if top is Severity.HIGH else ():
            sources = {WEAK[kind][1] if kind in WEAK else kind for kind in way}
            if way <= WEAK.keys() and len(sources) == 1:
                said = " and ".join(WEAK[kind][0] for kind in sorted(way))
                yield f"rule {self.id}: {said} alone never reaches high severity"
        if self.escalate and ORDER.index(top) <= ORDER.index(self.severity):
            yield f"rule {self.id}: escalate.severity must be above {self.severity}"
        if self.escalate and self.escalate.after_ms <= self.for_ms:
            yield f"rule {self.id}: escalate.after_ms must be above for_ms"
        figures = [frozenset[str]().union(*(FIGURES[kind] for kind in way)) for way in ways]
        known = figures[0].intersection(*figures)
        labelled = all(way & LABELLED for way in ways)
        for text in self.reason.values():
            yield from wrong_in(text, known, frozenset({LABELS}) if labelled else frozenset())
        for text in self.title.values():
            yield from wrong_in(text, frozenset())


class Enrolment(Strict):
    """What an exam asks of candidates who enrol their own face.

    Attributes:
        challenge: Whether movements in a random order are asked for. Staff enrol without.
    """

    challenge: Literal["off", "required"] = "off"

    @field_validator("challenge", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        """YAML reads an unquoted `off` as false."""
        return "off" if value is False else value


class EndTexts(Strict):
    """What is said when an incident closes.

    Attributes:
        ended: The behaviour stopped. `{lasted_s}` is how long it was seen.
        unseen: It was still there when the picture or the sound was lost.
    """

    ended: Texts = Field(default={"en": "Ended; it lasted {lasted_s:.1f} s."})
    unseen: Texts = Field(default={"en": "Lasted {lasted_s:.1f} s until the view was lost."})

    @field_validator("ended", "unseen")
    @classmethod
    def _templates(cls, texts: dict[str, str]) -> dict[str, str]:
        refuse(fault for text in texts.values() for fault in wrong_in(text, frozenset({LASTED})))
        return texts


class Provenance(Strict):
    """What an exam's policy was made of, written by the service that made it.

    Attributes:
        base_sha256: Digest of the text that was changed.
        overrides: The changes, as JSON.
    """

    base_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    overrides: Annotated[str, Field(max_length=20_000)]


class Policy(Strict):
    """One version of one policy.

    Attributes:
        id: Its name.
        version: 1, 2, ...; a changed policy gets a new one.
        name: For people.
        use_when: For people too: what it is for, and what it costs.
        language: The language of titles and reasons; every text has it.
        sampling: How often to look.
        sensing: What counts as a signal.
        enrolment: What is asked of candidates who enrol.
        rules: What makes an incident.
        groups: Threads of rules, by name.
        closing: What is said when an incident closes.
        provenance: What it was made of, when an exam changed it.
        budget: How many weak alerts are told one by one.
        priority: How signals become a review priority.
        evidence: What is kept to show an incident.
    """

    id: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    name: Text
    use_when: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    language: Language = "en"
    sampling: Sampling = Sampling()
    sensing: SensingLimits = SensingLimits()
    enrolment: Enrolment = Enrolment()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100)]
    groups: Annotated[dict[Name, Group], Field(max_length=20)] = Field(default={})
    closing: EndTexts = EndTexts()
    provenance: Provenance | None = None
    budget: AlertBudget = AlertBudget()
    priority: PriorityPolicy = PriorityPolicy()
    evidence: EvidencePolicy = EvidencePolicy()

    def signals(self) -> frozenset[SignalKind]:
        """Every signal that a rule names: what no rule names need not be looked or listened for."""
        return frozenset(kind for rule in self.rules for kind in rule.when.kinds())

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        refuse(self._wrong())
        return self

    def _wrong(self) -> Iterator[str]:
        try:
            check_rates(self.sampling, self.sensing, self.signals())
        except ValueError as error:
            yield str(error)
        if self.evidence.sound and not self.sampling.audio:
            yield "evidence.sound needs sampling.audio"
        for rule in self.rules:
            for kind in sorted(rule.when.kinds() & AT_A_RATE.keys()):
                if not getattr(self.sampling, AT_A_RATE[kind]):
                    yield f"rule {rule.id} needs sampling.{AT_A_RATE[kind]} above 0"
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) < len(ids):
            yield f"two rules share an id: {sorted(ids)}"
        yield from wrong_quiet(self.rules, self.groups)
        texts = [(rule.id, text) for rule in self.rules for text in (rule.title, rule.reason)]
        texts += [("closing", self.closing.ended), ("closing", self.closing.unseen)]
        for name, group in self.groups.items():
            texts.append((f"group {name}", group.joined))
            for said in group.joined.values():
                yield from wrong_in(said, frozenset({GROUPED}), frozenset({TITLE}))
        for where, text in texts:
            if self.language not in text:
                yield f"{where} has no text in the policy's language {self.language!r}"


@lru_cache(maxsize=64)
def parse_policy(text: str) -> Policy:
    """Read and validate a policy.

    Args:
        text: YAML, at most 64 kB.

    Returns:
        The policy; the same object for the same text.

    Raises:
        InvalidInput: Naming the first field that is wrong (`policy/invalid`), or a state of mind
            that no policy may speak of (`detector/prohibited`).
    """
    if len(text) > MAX_POLICY_CHARS:
        raise InvalidInput(f"a policy has at most {MAX_POLICY_CHARS} characters", "policy/invalid")
    try:
        tree, plain = read_plain(text)
    except UNREADABLE as error:
        problem = " ".join(str(error).split())[:300]
        raise InvalidInput(f"not a policy in YAML: {problem}", "policy/invalid") from error
    for word in states_of_mind(_strings(tree)):
        raise InvalidInput(
            f"{word!r} names a state of mind; none is inferred here", "detector/prohibited"
        )
    try:
        return Policy.model_validate_json(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "policy"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InvalidInput(f"{where}: {first['msg']}{more}", "policy/invalid") from error


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from _strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _strings(value)
