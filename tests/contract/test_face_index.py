"""`FaceIndex`: what the fake and LanceDB both do."""

import numpy as np
import pytest

from proctor.domain.candidates import ModelRef
from proctor.domain.errors import Conflict
from proctor.domain.ids import CandidateId
from proctor.ports import FaceIndex
from tests.contract.samples import ACME, DLIB, OTHER, template

WHO = CandidateId("cnd_1")


async def test_a_template_comes_back_to_its_tenant_only(faces: FaceIndex) -> None:
    stored = template()
    await faces.put(stored)
    found = await faces.find(ACME, WHO, DLIB)
    assert found is not None
    assert np.array_equal(found.embeddings, stored.embeddings)
    assert found.embeddings.dtype == np.float32
    assert (found.version, found.model) == (1, DLIB)
    assert found.created_at == stored.created_at
    assert await faces.find(OTHER, WHO, DLIB) is None
    assert await faces.find(ACME, CandidateId("cnd_2"), DLIB) is None


async def test_a_template_of_another_model_or_version_is_never_given(faces: FaceIndex) -> None:
    await faces.put(template())
    assert await faces.find(ACME, WHO, ModelRef(DLIB.model, "2")) is None
    assert await faces.find(ACME, WHO, ModelRef("arcface", DLIB.version)) is None


async def test_the_newest_replaces_the_older_of_whatever_model(faces: FaceIndex) -> None:
    arcface = ModelRef("arcface", "1")
    assert await faces.newest_version(ACME, WHO) == 0
    await faces.put(template(1))
    await faces.put(template(2, model=arcface))
    assert await faces.newest_version(ACME, WHO) == 2
    assert await faces.find(ACME, WHO, DLIB) is None
    found = await faces.find(ACME, WHO, arcface)
    assert found is not None
    assert np.array_equal(found.embeddings, template(2).embeddings)


async def test_a_version_that_is_not_newer_is_refused(faces: FaceIndex) -> None:
    await faces.put(template(2))
    for version in (1, 2):
        with pytest.raises(Conflict):
            await faces.put(template(version, model=ModelRef("arcface", "1")))
    assert await faces.find(ACME, WHO, DLIB) is not None


async def test_erasing_one_candidate_leaves_the_others(faces: FaceIndex) -> None:
    await faces.put(template())
    await faces.put(template(candidate_id="cnd_2"))
    await faces.put(template(tenant_id=OTHER))
    await faces.erase(ACME, WHO)
    await faces.erase(ACME, WHO)
    assert await faces.find(ACME, WHO, DLIB) is None
    assert await faces.newest_version(ACME, WHO) == 0
    assert await faces.find(ACME, CandidateId("cnd_2"), DLIB) is not None
    assert await faces.find(OTHER, WHO, DLIB) is not None


async def test_a_candidate_can_enrol_again_after_erasure(faces: FaceIndex) -> None:
    await faces.put(template(1))
    assert await faces.find(ACME, WHO, DLIB) is not None
    await faces.erase(ACME, WHO)
    await faces.put(template(2))
    found = await faces.find(ACME, WHO, DLIB)
    assert found is not None
    assert found.version == 2
