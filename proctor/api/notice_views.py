"""What candidates' pages get and send around a session: notice, pre-flight, their own standing."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from proctor.api.review_views import BreakView
from proctor.api.schemas import PlainText, Sent
from proctor.api.views import View
from proctor.domain.allowances import Accommodation
from proctor.domain.candidates import ConsentScope
from proctor.domain.notices import NoticeChoice
from proctor.domain.preflights import PreflightCode
from proctor.domain.sessions import SessionState
from proctor.services.own_session import OwnSession

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Locale = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$", max_length=35)
]


class NewNoticeAnswer(Sent):
    """What a candidate answers to the notice that was shown."""

    choice: Literal["agreed", "without_biometrics", "declined"]
    scopes: list[Literal["face", "voice"]] = Field(default=[], max_length=2)
    locale: Locale
    text_sha256: Digest = Field(description="Of the notice, as it was given.")


class NewPreflightResult(Sent):
    """What the page measured of its line while the server looked and listened."""

    loss: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Share of packets lost on the way up."
    )
    rtt_ms: Annotated[float, Field(ge=0, le=600_000)] | None = None
    browser: Annotated[str, StringConstraints(min_length=1, max_length=80), PlainText]


class NoticeSectionView(View):
    """A heading and what stands under it."""

    name: str
    heading: str
    items: list[str]


class NoticeView(View):
    """The very text to be shown; its digest goes back with the answer."""

    version: str
    locale: str
    title: str
    lead: str
    sections: list[NoticeSectionView]
    scopes: list[ConsentScope]
    sha256: str


class NoticeAnswerView(View):
    """What a candidate answered."""

    choice: NoticeChoice
    scopes: list[ConsentScope]
    text_version: str
    text_sha256: str
    locale: str
    answered_at: datetime


class RehearsedView(View):
    """What the server received; numbers only."""

    at_ms: int
    pictures: int
    width_px: int
    height_px: int
    brightness: float | None
    faces: int | None
    face_width: float | None
    wants_sound: bool
    sound_ms: int
    voiced_ms: int
    loudest_dbfs: float | None


class TrialView(View):
    """How a pre-flight stands: what is still in the way of picture and sound, and the figures."""

    camera: list[PreflightCode]
    microphone: list[PreflightCode]
    seen: RehearsedView


class PageToldView(View):
    """What the page said of its line and browser: its own word."""

    loss: float | None
    rtt_ms: float | None
    browser: str


class PreflightView(TrialView):
    """What came of a pre-flight."""

    preflight_id: str
    checked_at: datetime
    network: list[PreflightCode]
    told: PageToldView
    is_good: bool


class PreflightsView(View):
    """A session's pre-flights, newest first."""

    items: list[PreflightView]


class OwnSessionView(View):
    """A candidate's own session: nothing in it that an alert or a model said.

    Attributes:
        can_enrol: Whether a face is to be enrolled first: agreed to, and none serves yet.
        challenge: Whether enrolling asks for movements.
        now_ms: Session time now; null before it has begun.
    """

    session_id: str
    state: SessionState
    exam_title: str
    retention_days: int
    answer: NoticeAnswerView | None
    is_enrolled: bool
    can_enrol: bool
    challenge: bool
    accommodations: list[Accommodation]
    breaks: list[BreakView]
    now_ms: int | None


def own_view(own: OwnSession) -> OwnSessionView:
    """As the page gets it."""
    return OwnSessionView(
        session_id=own.session.session_id,
        state=own.session.state,
        exam_title=own.exam.title,
        retention_days=own.exam.retention_days,
        answer=None if own.answer is None else NoticeAnswerView.model_validate(own.answer),
        is_enrolled=own.is_enrolled,
        can_enrol=ConsentScope.FACE in own.scopes and not own.is_enrolled,
        challenge=own.challenge,
        accommodations=list(own.accommodations),
        breaks=[BreakView.model_validate(each) for each in own.breaks],
        now_ms=own.now_ms,
    )
