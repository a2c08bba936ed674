"""A challenge at enrolment through the door: once, in time, in order, by one person, not too often."""

from typing import Any

import httpx
import pytest
import structlog

from proctor.domain.challenges import Step
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, OFFER, FakeApi, picture, standard_policy
from tests.fakes.perception import Scene

NEUTRAL = Scene(from_ms=0, people=("ana",))
SHOWN = {
    "turn_left": Scene(from_ms=0, people=("ana",), yaw_deg=25.0),
    "turn_right": Scene(from_ms=0, people=("ana",), yaw_deg=-25.0),
    "look_up": Scene(from_ms=0, people=("ana",), pitch_deg=-15.0),
    "tilt": Scene(from_ms=0, people=("ana",), roll_deg=20.0),
    "come_closer": Scene(from_ms=0, people=("ana",), size=0.45),
}


class Exam:
    """A candidate in a session of an exam whose policy asks for a challenge, or does not."""

    def __init__(self, api: FakeApi, joined: dict[str, Any]) -> None:
        self.api = api
        self.joined = joined
        self.id = joined["session"]["candidate_id"]
        token = api.candidate_token(self.id, joined["session"]["session_id"])
        self.headers = {"Authorization": f"Bearer {token}"}
        self.shots = 100

    async def ask(self, headers: dict[str, str] | None = None) -> httpx.Response:
        path = f"/v1/candidates/{self.id}/challenges"
        return await self.api.client.post(path, headers=headers or self.headers)

    async def asked(self) -> tuple[str, list[str]]:
        answer = await self.ask()
        assert answer.status_code == 201, answer.text
        return answer.json()["challenge"], answer.json()["steps"]

    async def enroll(
        self,
        nonce: str | None = None,
        scenes: list[list[Scene]] | None = None,
        headers: dict[str, str] | None = None,
        one_file: bool = False,
    ) -> httpx.Response:
        """Enrol with three pictures straight ahead, and with pictures that show these scenes.

        `one_file`: the pictures of all steps are the same.
        """
        scenes = scenes or []
        self.api.perception.shots = [NEUTRAL] * 3 + [each for step in scenes for each in step]
        names = ["images"] * 3
        names += [f"step_{at + 1}" for at, step in enumerate(scenes) for _ in step]
        files = []
        for name in names:
            self.shots += 0 if one_file and name not in ("images", "step_1") else 1
            files.append((name, ("a.jpg", picture(self.shots), "image/jpeg")))
        return await self.api.client.post(
            f"/v1/candidates/{self.id}/enrolments",
            files=files,
            data={"challenge": nonce} if nonce is not None else None,
            headers=headers or self.headers,
        )


@pytest.fixture
async def exam(api: FakeApi) -> Exam:
    """One that asks."""
    required = standard_policy().replace("challenge: off ", "challenge: required ")
    assert required != standard_policy()
    own = required.replace("id: standard", "id: asking")
    await api.post("/v1/policies", {"text": own})
    policy = {"id": "asking", "version": 1}
    body = {"title": "Algebra", "policy": policy, "retention_days": 30}
    joined = await api.post(
        "/v1/sessions",
        {
            "exam_id": (await api.post("/v1/exams", body))["exam_id"],
            "candidate_id": await api.new_candidate(),
        },
    )
    return Exam(api, joined)


async def test_following_the_steps_enrols(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    assert len(set(steps)) == 3 and set(steps) <= {step.value for step in Step}
    done = await exam.enroll(nonce, [[SHOWN[step]] * 2 for step in steps])
    assert done.status_code == 201, done.text
    assert done.json()["pictures"] == 3, "the template rests on the pictures straight ahead"
    assert exam.api.faces.templates


async def test_an_exam_that_asks_is_not_enrolled_for_without_and_staff_are_not_asked(
    exam: Exam,
) -> None:
    refused = await exam.enroll()
    assert (refused.status_code, refused.json()["code"]) == (422, "face/challenge")
    assert refused.json()["reasons"] == ["missing"]
    assert not exam.api.faces.templates
    assert (await exam.enroll(headers=exam.api.as_())).status_code == 201


@pytest.mark.parametrize("is_live", [False, True])
async def test_an_exam_that_does_not_ask_is_no_way_round_one_that_does(
    exam: Exam, is_live: bool
) -> None:
    api, strict = exam.api, exam.joined["session"]["session_id"]
    if is_live:
        offer = {**exam.headers, "Content-Type": "application/sdp"}
        await api.client.post(f"/v1/sessions/{strict}/whip", content=OFFER, headers=offer)
    made = {"exam_id": await api.new_exam(), "candidate_id": exam.id}
    lax = Exam(api, await api.post("/v1/sessions", made))
    refused = await lax.enroll()
    assert (refused.status_code, refused.json()["reasons"]) == (422, ["missing"])
    assert not api.faces.templates
    stranger = Exam(api, await api.new_session(ref="c-2"))
    assert (await stranger.enroll()).status_code == 201, (
        "another candidate's exam asks them nothing"
    )
    await api.post(f"/v1/sessions/{strict}/end")
    assert (await lax.enroll()).status_code == 201, "what has ended asks for nothing"


async def test_nobody_enrols_through_a_session_that_has_ended(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    await exam.api.post(f"/v1/sessions/{exam.joined['session']['session_id']}/end")
    for answer in (
        await exam.enroll(),
        await exam.enroll(nonce, [[SHOWN[step]] for step in steps]),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "session/state")
    assert not exam.api.faces.templates


async def test_an_exam_that_does_not_ask_goes_on_as_before(api: FakeApi) -> None:
    exam = Exam(api, await api.new_session())
    assert (await exam.enroll()).status_code == 201


async def test_but_a_challenge_that_is_given_is_checked(api: FakeApi) -> None:
    exam = Exam(api, await api.new_session())
    nonce, steps = await exam.asked()
    refused = await exam.enroll(nonce, [[NEUTRAL] for _ in steps])
    assert refused.json()["reasons"] == ["not_followed"]
    assert not api.faces.templates


async def test_the_reasons_stand_with_their_steps(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    left_out = next(name for name in SHOWN if name not in steps)
    refused = await exam.enroll(
        nonce, [[SHOWN[steps[1]]], [SHOWN[left_out]], [Scene(from_ms=0, people=())]]
    )
    assert refused.json()["steps"] == [["wrong_order"], ["wrong_step"], ["none"]]
    assert refused.json()["reasons"] == ["wrong_order", "wrong_step", "none"]
    nonce, steps = await exam.asked()
    bob = Scene(from_ms=0, people=("bob",), yaw_deg=25.0)
    two = Scene(from_ms=0, people=("ana", "bob"))
    refused = await exam.enroll(nonce, [[bob], [two], []])
    assert refused.json()["steps"] == [["other_person"], ["several"], ["incomplete"]]
    assert not exam.api.faces.templates


async def test_a_challenge_is_good_once_even_when_it_was_failed(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    shown = [[SHOWN[step]] for step in steps]
    assert (await exam.enroll(nonce, [[NEUTRAL]] * 3)).json()["reasons"] == ["not_followed"]
    assert (await exam.enroll(nonce, shown)).json()["reasons"] == ["used"]
    assert (await exam.enroll("cha_" + "0" * 20, shown)).json()["reasons"] == ["unknown"]


async def test_a_repeated_call_with_its_key_is_no_second_try(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    headers = {**exam.headers, "Idempotency-Key": "once-and-for-all"}
    shown, start = [[SHOWN[step]] for step in steps], exam.shots
    first = await exam.enroll(nonce, shown, headers)
    exam.shots = start  # the same files
    again = await exam.enroll(nonce, shown, headers)
    assert (first.status_code, first.text) == (201, again.text) and again.status_code == 201
    exam.shots = start + 50  # the same key for something else
    other = await exam.enroll(nonce, shown, headers)
    assert other.json()["code"] == "idempotency/mismatch"


async def test_it_expires_and_is_nobody_elses(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    await exam.api.clock.advance(180_000)
    late = await exam.enroll(nonce, [[SHOWN[step]] for step in steps])
    assert late.json()["reasons"] == ["expired"]

    nonce, steps = await exam.asked()
    other = Exam(exam.api, await exam.api.new_session(ref="c-2"))
    stolen = await other.enroll(nonce, [[SHOWN[step]] for step in steps])
    assert stolen.json()["reasons"] == ["unknown"]
    assert (await exam.enroll(nonce, [[SHOWN[step]] for step in steps])).status_code == 201


async def test_the_same_picture_cannot_be_two_movements(exam: Exam) -> None:
    nonce, steps = await exam.asked()
    refused = await exam.enroll(nonce, [[SHOWN[step]] for step in steps], one_file=True)
    assert refused.json()["steps"] == [[], ["duplicate"], ["duplicate"]]


async def test_too_many_are_held_back_until_the_hour_is_over(exam: Exam) -> None:
    for _ in range(8):
        await exam.asked()
    await exam.api.clock.advance(600_000)
    held = await exam.ask()
    assert (held.status_code, held.json()["code"]) == (429, "rate/limited")
    assert held.headers["Retry-After"] == "3000"
    await exam.api.clock.advance(3_000_000)
    assert (await exam.ask(exam.api.as_())).status_code == 201


async def test_staff_do_not_use_up_what_a_candidate_may_ask_for(exam: Exam) -> None:
    for _ in range(9):
        assert (await exam.ask(exam.api.as_(Role.PROCTOR))).status_code == 201
    for _ in range(8):
        await exam.asked()
    assert (await exam.ask()).status_code == 429


async def test_without_consent_there_is_no_challenge_and_none_for_a_stranger(
    exam: Exam, api: FakeApi
) -> None:
    path = f"/v1/candidates/{exam.id}/consents"
    await api.client.delete(path, headers=exam.headers)
    assert (await exam.ask()).json()["code"] == "consent/required"
    await api.post(path, CONSENT)
    stranger = api.as_(Role.PROCTOR, tenant="umbrella")
    assert (await exam.ask(stranger)).status_code == 404


@pytest.mark.parametrize(
    ("story", "names", "data", "status"),
    [
        ("steps without a challenge", ["images", "step_1"], None, 422),
        ("a fourth step", ["images", "step_4"], {"challenge": "cha_" + "0" * 20}, 422),
        ("four of one step", ["images"] + ["step_1"] * 4, {"challenge": "cha_" + "0" * 20}, 400),
        ("nine pictures", ["images"] * 9, None, 400),
        ("another field", ["images"], {"nonce": "x"}, 400),
        ("no name of a challenge", ["images"], {"challenge": "../x"}, 422),
        ("no pictures at all", ["step_1"], {"challenge": "cha_" + "0" * 20}, 422),
    ],
)
async def test_forms_that_are_not_taken(
    exam: Exam, story: str, names: list[str], data: dict[str, str] | None, status: int
) -> None:
    asked = len(exam.api.perception.asked)
    files = [(name, ("a.jpg", picture(at), "image/jpeg")) for at, name in enumerate(names)]
    answer = await exam.api.client.post(
        f"/v1/candidates/{exam.id}/enrolments", files=files, data=data, headers=exam.headers
    )
    assert answer.status_code == status, story
    assert len(exam.api.perception.asked) == asked


async def test_a_verification_takes_no_steps(exam: Exam) -> None:
    files = [("images", ("a.jpg", picture(1), "image/jpeg")), ("step_1", ("b.jpg", picture(2)))]
    answer = await exam.api.client.post(
        f"/v1/candidates/{exam.id}/verifications", files=files, headers=exam.headers
    )
    assert answer.status_code == 422


async def test_no_score_is_told_logged_or_counted(exam: Exam) -> None:
    score = 0.123456789
    live = {name: Scene(**_as_dict(scene), live=score) for name, scene in SHOWN.items()}
    said: list[str] = []
    with structlog.testing.capture_logs() as logs:
        nonce, steps = await exam.asked()
        refused = await exam.enroll(nonce, [[live[steps[0]]], [NEUTRAL], [live[steps[2]]]])
        said.append(refused.text)
        nonce, steps = await exam.asked()
        done = await exam.enroll(nonce, [[live[step]] for step in steps])
        said.append(done.text)
    assert (refused.status_code, done.status_code) == (422, 201)
    metrics = repr(vars(exam.api.metrics))
    for text in (*said, repr(logs), metrics):
        assert "0.1234" not in text and "live" not in text
    # nor the angles by which somebody could practise
    assert not any(figure in text for text in said for figure in ("25.0", "-15", "20.0", "0.45"))


def _as_dict(scene: Scene) -> dict[str, Any]:
    return {
        name: getattr(scene, name)
        for name in ("from_ms", "people", "size", "yaw_deg", "pitch_deg", "roll_deg")
    }
