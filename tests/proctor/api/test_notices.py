"""What a candidate is told, what they answer, and what follows from it; their equipment tried out."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from proctor.adapters.notice_texts import load_notices
from proctor.domain.allowances import Accommodated, Accommodation
from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.preflights import Rehearsed
from proctor.domain.roles import Role
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from proctor.services.host.rehearsal import rehearsal_key, written
from tests.fakes.api import MODELS, OFFER, FakeApi

ACME = TenantId("acme")


class Page:
    """A candidate's page with its token."""

    def __init__(self, api: FakeApi, made: dict[str, Any]) -> None:
        self.api = api
        self.candidate_id = made["session"]["candidate_id"]
        self.session_id = SessionId(made["session"]["session_id"])
        token = api.candidate_token(self.candidate_id, self.session_id)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.path = f"/v1/sessions/{self.session_id}"

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.api.client.get(self.path + path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def send(self, path: str, body: object = None, sdp: str | None = None) -> Any:
        kind = {"Content-Type": "application/sdp"} if sdp is not None else {}
        return await self.api.client.post(
            self.path + path,
            headers={**self.headers, **kind},
            **({"content": sdp} if sdp is not None else {"json": body}),
        )

    async def say(self, choice: str, *scopes: str, locale: str = "en") -> Any:
        await self.api.clock.advance(1_000)
        notice = await self.get(f"/notice?locale={locale}")
        body = {"choice": choice, "scopes": list(scopes), "locale": locale}
        return await self.send("/notice-answers", {**body, "text_sha256": notice["sha256"]})

    async def as_staff(self) -> dict[str, Any]:
        answer = await self.api.client.get(self.path, headers=self.api.as_(Role.PROCTOR))
        found: dict[str, Any] = answer.json()
        return found

    async def consent(self) -> tuple[ConsentScope, ...]:
        found = await self.api.candidates.live_consent(ACME, CandidateId(self.candidate_id))
        return () if found is None else found.scopes


@pytest.fixture
async def page(api: FakeApi) -> Page:
    return Page(api, await api.new_session())


async def test_the_notice_names_the_models_that_run_and_the_exams_own_time(page: Page) -> None:
    told = await page.get("/notice?locale=en")
    items = {each["name"]: " ".join(each["items"]) for each in told["sections"]}
    assert "A finder of faces" in items["models"] and "A comparer of faces" in items["models"]
    assert "A teller of voices" not in items["models"]  # that group is not served
    assert "30" in items["long"] and "{" not in json.dumps(list(items.values()))
    shown = {key: told[key] for key in ("version", "locale", "title", "lead", "sections", "scopes")}
    text = json.dumps(shown, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == told["sha256"]
    assert set(items) == {"what", "why", "models", "who", "long", "contest"}


@pytest.mark.parametrize(
    ("asked", "given"), [("de-AT", "de"), ("ar", "ar"), ("fr", "fr"), ("es", "es"), ("ja", "en")]
)
async def test_the_notice_speaks_the_language_that_is_asked_for(
    page: Page, asked: str, given: str
) -> None:
    assert (await page.get(f"/notice?locale={asked}"))["locale"] == given


def test_every_language_says_the_same_things() -> None:
    texts = load_notices()
    assert set(texts) == {"en", "es", "de", "fr", "ar"}

    def shape(locale: str) -> Any:
        text = texts[locale]
        whens = [(name, [fact for fact, _ in items]) for name, _, items in text.sections]
        filled = [
            (name, at)
            for name, _, items in text.sections
            for at, (_, words) in enumerate(items)
            if "{retention_days}" in words
        ]
        return whens, filled, sorted(text.tasks), text.version

    assert all(shape(locale) == shape("en") for locale in texts)
    assert {model.task for model in MODELS} <= set(texts["en"].tasks)


async def test_who_agrees_has_a_consent_to_the_very_text_in_their_language(page: Page) -> None:
    answer = await page.say("agreed", "face", locale="de")
    assert answer.status_code == 201
    consent = await page.api.candidates.live_consent(ACME, CandidateId(page.candidate_id))
    assert consent is not None
    assert (consent.locale, consent.method, consent.scopes) == (
        "de",
        "checkbox",
        (ConsentScope.FACE,),
    )
    kept = await page.api.notices.text(ACME, consent.text_sha256)
    assert kept is not None and hashlib.sha256(kept.encode()).hexdigest() == consent.text_sha256
    assert (await page.as_staff())["notice"] == "agreed"


async def test_a_text_that_changed_meanwhile_is_shown_again(page: Page) -> None:
    body = {"choice": "agreed", "scopes": ["face"], "locale": "en", "text_sha256": "0" * 64}
    answer = await page.send("/notice-answers", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "notice/changed")
    assert page.api.notices.answers == []


@pytest.mark.parametrize(
    ("choice", "scopes"),
    [
        ("agreed", []),
        ("agreed", ["voice"]),
        ("declined", ["face"]),
        ("without_biometrics", ["face"]),
    ],
)
async def test_agreeing_to_nothing_or_to_what_is_not_asked_is_refused(
    page: Page, choice: str, scopes: list[str]
) -> None:
    assert (await page.say(choice, *scopes)).status_code == 422


async def test_who_declines_is_not_watched_the_office_is_told_and_may_change_their_mind(
    page: Page,
) -> None:
    assert (await page.say("declined")).status_code == 201
    assert await page.consent() == ()
    answer = await page.send("/whip", sdp=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "session/declined")
    shown = await page.as_staff()
    assert (shown["notice"], shown["state"]) == ("declined", "created")
    listed = await page.api.client.get("/v1/sessions", headers=page.api.as_())
    assert [each["notice"] for each in listed.json()["items"]] == ["declined"]
    assert "notice.declined" in [row[2] for row in page.api.database.audit]
    await page.say("agreed", "face")
    assert (await page.send("/whip", sdp=OFFER)).status_code == 201


async def test_declining_in_the_exam_closes_the_connection(page: Page) -> None:
    assert (await page.send("/whip", sdp=OFFER)).status_code == 201
    await page.say("declined")
    assert page.session_id not in page.api.placement.hosted


@pytest.mark.parametrize("choice", ["declined", "without_biometrics"])
async def test_an_answer_without_a_consent_before_it_closes_what_a_host_takes_meanwhile(
    page: Page, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    take = page.api.placement.join
    whose = f"/v1/candidates/{page.candidate_id}/consents"
    assert (await page.api.client.delete(whose, headers=page.headers)).status_code == 204

    async def slowly(spec: SessionSpec, offer_sdp: str) -> Answer:
        monkeypatch.undo()
        assert (await page.say(choice)).status_code == 201
        return await take(spec, offer_sdp)

    monkeypatch.setattr(page.api.placement, "join", slowly)
    assert (await page.send("/whip", sdp=OFFER)).status_code == 503
    assert page.session_id not in page.api.placement.hosted


async def test_without_biometrics_nothing_is_compared_and_staff_see_what_does_without(
    page: Page,
) -> None:
    await page.say("without_biometrics")
    assert await page.consent() == ()
    assert (await page.send("/whip", sdp=OFFER)).status_code == 201
    spec = page.api.placement.hosted[page.session_id]
    assert (spec.biometrics, spec.scopes) == (False, ())
    off = (await page.as_staff())["signals_off"]
    assert {"different_person", "identity_unverified"} <= set(off)
    own = await page.get("/own")
    assert (own["can_enrol"], own["answer"]["choice"]) == (False, "without_biometrics")


async def test_candidates_know_what_they_are_allowed_and_proctors_do_not(page: Page) -> None:
    page.api.database.accommodations[(CandidateId(page.candidate_id), "")] = Accommodated(
        tenant_id=ACME,
        candidate_id=CandidateId(page.candidate_id),
        exam_id=None,
        accommodations=(Accommodation.MAY_SPEAK,),
    )
    assert (await page.get("/own"))["accommodations"] == ["may_speak"]
    for role in (Role.PROCTOR, Role.ADMIN):
        answer = await page.api.client.get(f"{page.path}/own", headers=page.api.as_(role))
        assert answer.status_code == 403
    assert "may_speak" not in json.dumps(await page.as_staff())


GOOD = Rehearsed(
    at_ms=5_000,
    pictures=25,
    width_px=320,
    height_px=240,
    brightness=0.5,
    faces=1,
    face_width=0.3,
    sound_ms=4_000,
    voiced_ms=2_000,
    loudest_dbfs=-25.0,
)


async def try_out(page: Page, seen: Rehearsed) -> str:
    """Offer, and have the host see this; where the trial is."""
    answer = await page.send("/preflights", sdp=OFFER)
    assert answer.status_code == 201, answer.text
    where: str = answer.headers["location"]
    name = SessionId(where.rsplit("/", 1)[1])
    await page.api.live.put(rehearsal_key(name), written(seen), 60)
    return where.removeprefix(page.path)


async def test_a_trial_is_hosted_under_a_name_of_its_own_and_begins_nothing(page: Page) -> None:
    where = await try_out(page, GOOD)
    (spec,) = page.api.placement.hosted.values()
    assert spec.is_rehearsal and not spec.biometrics and spec.session_id != page.session_id
    shown = await page.as_staff()
    assert (shown["state"], shown["epoch"], shown["coverage"]) == ("created", 0, [])
    told = await page.get(where)
    assert (told["camera"], told["microphone"], told["seen"]["pictures"]) == ([], [], 25)
    done = await page.send(
        f"{where}/result", {"loss": 0.0, "rtt_ms": 20.0, "browser": "Chromium 1"}
    )
    assert done.status_code == 201 and done.json()["is_good"]
    assert page.api.placement.hosted == {}
    answer = await page.api.client.get(
        f"{page.path}/preflights", headers=page.api.as_(Role.PROCTOR)
    )
    assert [each["is_good"] for each in answer.json()["items"]] == [True]


async def test_who_declined_tries_nothing_out(page: Page) -> None:
    await page.say("declined")
    answer = await page.send("/preflights", sdp=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "session/declined")
    assert page.api.placement.hosted == {}


async def test_who_declines_while_a_host_takes_the_trial_tries_nothing_out(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = page.api.placement.join

    async def slowly(spec: SessionSpec, offer_sdp: str) -> Answer:
        monkeypatch.undo()
        assert (await page.say("declined")).status_code == 201
        return await take(spec, offer_sdp)

    monkeypatch.setattr(page.api.placement, "join", slowly)
    assert (await page.send("/preflights", sdp=OFFER)).status_code == 409
    assert page.api.placement.hosted == {}


async def test_declining_closes_a_trial_that_runs(page: Page) -> None:
    await try_out(page, GOOD)
    await page.say("declined")
    assert page.api.placement.hosted == {}


async def test_trials_begun_at_once_hold_one_place(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = page.api.placement.join

    async def slowly(spec: SessionSpec, offer_sdp: str) -> Answer:
        monkeypatch.undo()
        assert (await page.send("/preflights", sdp=OFFER)).status_code == 201
        return await take(spec, offer_sdp)

    monkeypatch.setattr(page.api.placement, "join", slowly)
    assert (await page.send("/preflights", sdp=OFFER)).status_code == 503
    assert len(page.api.placement.hosted) == 1


@pytest.mark.parametrize(
    ("change", "camera", "microphone"),
    [
        ({"pictures": 0}, ["no_picture"], []),
        ({"is_dark": True}, ["too_dark"], []),
        ({"is_dark": True, "is_flat": True}, ["covered"], []),
        ({"still_ms": 3_000}, ["frozen"], []),
        ({"faces": 0}, ["no_face"], []),
        ({"faces": 2}, ["several_faces"], []),
        ({"faces": None}, ["models_away"], []),
        ({"face_width": 0.05}, ["too_far"], []),
        ({"is_silent": True}, [], ["silent"]),
        ({"sound_ms": 0, "loudest_dbfs": None}, [], ["no_sound"]),
        ({"voiced_ms": 0, "loudest_dbfs": -70.0}, [], ["too_quiet"]),
        ({"voiced_ms": 0}, [], ["no_speech"]),
        ({"wants_sound": False, "sound_ms": 0}, [], []),
    ],
)
async def test_each_thing_in_the_way_has_a_name(
    page: Page, change: dict[str, Any], camera: list[str], microphone: list[str]
) -> None:
    told = await page.get(await try_out(page, replace(GOOD, **change)))
    assert (told["camera"], told["microphone"]) == (camera, microphone)


async def test_the_line_is_told_by_the_page_and_a_second_trial_closes_the_first(page: Page) -> None:
    first = await try_out(page, GOOD)
    second = await try_out(page, GOOD)
    gone = await page.api.client.get(page.path + first, headers=page.headers)
    assert gone.status_code == 404 and len(page.api.placement.hosted) == 1
    body = {"loss": 0.2, "rtt_ms": 900.0, "browser": "Chromium 1"}
    done = await page.send(f"{second}/result", body)
    assert done.json()["network"] == ["lossy", "slow"] and not done.json()["is_good"]
    again = await page.send(f"{second}/result", body)
    assert again.status_code == 404  # a trial has one result
