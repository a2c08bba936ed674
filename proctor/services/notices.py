"""The notice before an exam: made of the exam's own facts, shown, answered, and kept with its digest.

A text says nothing of its own about models, times or rules: those come from the exam and from the models
that run here, so it cannot grow old without its digest changing.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from proctor.domain.candidates import ConsentScope
from proctor.domain.errors import Conflict, InvalidInput
from proctor.domain.ids import SessionId, TenantId, new_id
from proctor.domain.notices import Notice, NoticeAnswer, NoticeChoice, NoticeSection
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.domain.signals import SignalKind
from proctor.fusion.offered import signals_off
from proctor.fusion.policy import Policy, parse_policy
from proctor.ports import Clock, ExamStore, NoticeStore, SessionPlacement, SessionStore
from proctor.services.consents import Agreement, Consents
from proctor.services.join import SessionEnded

METHOD = "checkbox"
FALLBACK = "en"
MODELS = "models"
"""The section under whose items the models of this exam are listed."""

_TASK_OF_FACT = {
    "face_embedding": "face",
    "liveness": "liveness",
    "voice": "sound",
    "speakers": "voices",
    "objects": "objects",
}
"""Models of these tasks are named only where the fact holds; those of every other task always."""

_log = structlog.get_logger(__name__)


class NoticeChanged(Conflict):
    """The notice is another one now."""

    code = "notice/changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInUse:
    """A model that runs here: what it does (`face_detection`, ...) and what it is, for people."""

    task: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """The words of a notice in one language.

    Attributes:
        locale: Which (BCP 47).
        version: Of the words.
        title: Heading.
        lead: What stands under it.
        sections: (name, heading, items), an item being (fact or "", words): it is left out where the
            fact does not hold. `{retention_days}` is filled in.
        tasks: What a model of each task does, in words.
    """

    locale: str
    version: str
    title: str
    lead: str
    sections: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    tasks: Mapping[str, str]


class Notices:
    """Shows notices and takes the answers."""

    def __init__(
        self,
        texts: Mapping[str, NoticeText],
        models: Sequence[ModelInUse],
        store: NoticeStore,
        sessions: SessionStore,
        exams: ExamStore,
        consents: Consents,
        placement: SessionPlacement,
        clock: Clock,
        groups: Collection[str] = (),
    ) -> None:
        """`texts` by locale, English at least; `groups` as in `Exams`."""
        self._texts = texts
        self._models = models
        self._store = store
        self._sessions = sessions
        self._exams = exams
        self._consents = consents
        self._placement = placement
        self._clock = clock
        self._groups = frozenset(groups)

    async def of(self, tenant_id: TenantId, session_id: SessionId, locale: str) -> Notice:
        """The notice of a session, in English where there is no other. Raises `NotFound`."""
        session = await self._sessions.get(tenant_id, session_id)
        return self._made(await self._exams.get_exam(tenant_id, session.exam_id), locale)

    async def answer(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        choice: NoticeChoice,
        scopes: Collection[ConsentScope],
        locale: str,
        text_sha256: str,
    ) -> NoticeAnswer:
        """Record what the candidate answered, and do what follows from it.

        Agreed: a consent to these scopes. Without biometrics, or declined: every consent is taken back,
        so that no template is left. Declined: a running connection is closed, and none is taken until
        another answer is given.

        Raises:
            NotFound: No such session.
            SessionEnded: It is over.
            NoticeChanged: The text that was shown is not the one that holds: show it again.
            InvalidInput: Agreed to nothing, or to what this exam does not ask for.
            Unavailable: The answer is stored; what follows is not known to be done: call again.
        """
        session = await self._sessions.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        notice = self._made(await self._exams.get_exam(tenant_id, session.exam_id), locale)
        if notice.sha256 != text_sha256:
            raise NoticeChanged("The notice has changed since it was shown; read the new one.")
        agreed = tuple(scope for scope in notice.scopes if scope in scopes)
        if set(scopes) - set(notice.scopes):
            raise InvalidInput("This exam does not ask for that; agree to what the notice names.")
        if (choice is NoticeChoice.AGREED) != bool(agreed) and notice.scopes:
            raise InvalidInput("Agreeing names scopes, and nothing else does.")
        answer = NoticeAnswer(
            answer_id=new_id("ans"),
            tenant_id=tenant_id,
            session_id=session_id,
            candidate_id=session.candidate_id,
            choice=choice,
            scopes=agreed,
            text_version=notice.version,
            text_sha256=notice.sha256,
            locale=notice.locale,
            answered_at=self._clock.now(),
        )
        await self._store.add_answer(answer, canonical(notice))
        await self._follow(session, answer)
        _log.info("notice answered", session_id=session_id, choice=choice.value)
        return answer

    async def answers(
        self, tenant_id: TenantId, session_ids: Collection[SessionId]
    ) -> Mapping[SessionId, NoticeAnswer]:
        """What holds in several sessions; those without an answer are left out."""
        return await self._store.newest_answers(tenant_id, session_ids)

    async def _follow(self, session: Session, answer: NoticeAnswer) -> None:
        tenant_id, candidate_id = answer.tenant_id, answer.candidate_id
        if answer.scopes:
            agreement = Agreement(
                text_version=answer.text_version,
                text_sha256=answer.text_sha256,
                locale=answer.locale,
                method=METHOD,
                scopes=answer.scopes,
            )
            await self._consents.give(tenant_id, candidate_id, agreement)
        elif answer.choice is not NoticeChoice.AGREED:
            await self._consents.withdraw(tenant_id, candidate_id)
        if answer.choice is not NoticeChoice.AGREED and session.state is SessionState.LIVE:
            await self._placement.leave(session.session_id, session.epoch)

    def _made(self, exam: Exam, locale: str) -> Notice:
        text = self._texts.get(locale) or self._texts.get(locale.split("-")[0])
        text = text or self._texts[FALLBACK]
        facts = self._facts(parse_policy(exam.policy_text))
        figures = {"retention_days": str(exam.retention_days)}
        sections = []
        for name, heading, items in text.sections:
            shown = [_filled(words, figures) for fact, words in items if not fact or fact in facts]
            if name == MODELS:
                shown += [
                    f"{text.tasks[model.task]}: {model.title}"
                    for model in self._models
                    if model.task in text.tasks
                    and _TASK_OF_FACT.get(model.task, "") in facts | {""}
                ]
            sections.append(NoticeSection(name=name, heading=heading, items=tuple(shown)))
        scopes = [ConsentScope.FACE] * ("face" in facts) + [ConsentScope.VOICE] * ("voice" in facts)
        notice = Notice(
            version=text.version,
            locale=text.locale,
            title=text.title,
            lead=text.lead,
            sections=tuple(sections),
            scopes=tuple(scopes),
            sha256="",
        )
        return replace(notice, sha256=hashlib.sha256(canonical(notice).encode()).hexdigest())

    def _facts(self, policy: Policy) -> frozenset[str]:
        """What holds in an exam of this policy, by the names that texts use."""
        off = set(signals_off(policy, self._groups))
        named = policy.signals() - off
        facts = {
            "face": bool(named & {SignalKind.DIFFERENT_PERSON, SignalKind.IDENTITY_UNVERIFIED}),
            "liveness": SignalKind.NOT_LIVE in named,
            "sound": policy.sampling.audio,
            "voices": bool(named & {SignalKind.SEVERAL_VOICES, SignalKind.OTHER_VOICE}),
            "voice": SignalKind.OTHER_VOICE in named,
            "objects": SignalKind.OBJECT_SEEN in named,
        }
        return frozenset(name for name, holds in facts.items() if holds)


def canonical(notice: Notice) -> str:
    """The text that is digested and kept: every word that is shown, as JSON with sorted keys."""
    shown = {
        "version": notice.version,
        "locale": notice.locale,
        "title": notice.title,
        "lead": notice.lead,
        "sections": [
            {"name": each.name, "heading": each.heading, "items": list(each.items)}
            for each in notice.sections
        ],
        "scopes": [scope.value for scope in notice.scopes],
    }
    return json.dumps(shown, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _filled(words: str, figures: Mapping[str, str]) -> str:
    for name, value in figures.items():
        words = words.replace("{" + name + "}", value)
    return words
