"""A face embedded for a new model: only from pictures of the enrolled person, once, and with consent."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from proctor.domain.candidates import ModelRef
from proctor.domain.errors import ConsentRequired
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.perception import FaceAnswer, FaceAsk
from proctor.services.consents import Agreement
from proctor.services.looking import FaceLook
from proctor.services.pictures import PictureDesk
from proctor.services.reembed import Eye, Outcome, Reembed
from tests.fakes.api import CALIBRATION, CONSENT, FakeApi, picture
from tests.fakes.perception import EMBEDDER, EMBEDDING, FakePerception, Scene

ACME = TenantId("acme")
NEW = ModelRef("new-embedding", "1")
RAWS = [picture(number) for number in range(4)]


class NewModel(FakePerception):
    """The same faces by another embedding model, whose space has nothing to do with the first's."""

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        producer = replace(EMBEDDER, model=NEW.model, version=NEW.version)
        return [
            replace(
                answer,
                faces=tuple(
                    replace(
                        face, embedding=None if face.embedding is None else face.embedding[::-1]
                    )
                    for face in answer.faces
                ),
                producers=(*answer.producers[:-1], producer),
            )
            for answer in await super().faces(asks)
        ]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    fake = FakeApi(tmp_path)
    yield fake
    await fake.close()


def reembed_of(api: FakeApi, shown: str = "ana") -> Reembed:
    scenes = (Scene(from_ms=0, people=(shown,)),)
    old, new = FakePerception(api.clock, scenes), NewModel(api.clock, scenes)
    return Reembed(
        api.candidates,
        api.faces,
        Eye(look=FaceLook(old, PictureDesk(), EMBEDDING), model=EMBEDDING, calibration=CALIBRATION),
        Eye(look=FaceLook(new, PictureDesk(), NEW), model=NEW, calibration=CALIBRATION),
        api.clock,
    )


async def enrolled(api: FakeApi) -> CandidateId:

    who = CandidateId(await api.new_candidate())
    await api.services.consents.give(ACME, who, Agreement(**CONSENT))
    await api.services.enroll(ACME, who, RAWS)
    return who


async def test_the_enrolled_face_gets_a_template_of_the_new_model_once(api: FakeApi) -> None:
    who = await enrolled(api)
    done = await reembed_of(api)(ACME, who, RAWS)
    assert (done.outcome, done.version, done.good) == (Outcome.SEALED, 2, 4)
    kept = await api.faces.find(ACME, who, NEW)
    assert kept is not None and kept.version == 2
    newest = await api.candidates.newest_enrolment(ACME, who)
    assert newest is not None and (newest.model, newest.version) == (NEW, 2)
    again = await reembed_of(api)(ACME, who, RAWS)
    assert (again.outcome, again.version) == (Outcome.ALREADY, 2)
    assert await api.faces.newest_version(ACME, who) == 2


async def test_pictures_of_somebody_else_change_nothing(api: FakeApi) -> None:
    who = await enrolled(api)
    done = await reembed_of(api, shown="eve")(ACME, who, RAWS)
    assert (done.outcome, done.reasons) == (Outcome.REFUSED, ("not_the_enrolled_face",))
    assert await api.faces.find(ACME, who, EMBEDDING) is not None
    assert await api.faces.newest_version(ACME, who) == 1


async def test_too_few_pictures_and_a_face_that_never_was_enrolled(api: FakeApi) -> None:

    who = await enrolled(api)
    few = await reembed_of(api)(ACME, who, [RAWS[0], RAWS[0], RAWS[1]])
    assert (few.outcome, few.reasons) == (Outcome.REFUSED, ("duplicate", "too_few"))
    other = CandidateId(await api.new_candidate(ref="other"))
    await api.services.consents.give(ACME, other, Agreement(**CONSENT))
    none = await reembed_of(api)(ACME, other, RAWS)
    assert (none.outcome, none.reasons) == (Outcome.REFUSED, ("not_enrolled",))
    assert await api.faces.newest_version(ACME, other) == 0


async def test_without_consent_nothing_is_computed(api: FakeApi) -> None:
    who = CandidateId(await api.new_candidate(consent=False))
    with pytest.raises(ConsentRequired):
        await reembed_of(api)(ACME, who, RAWS)
    assert await api.faces.newest_version(ACME, who) == 0
