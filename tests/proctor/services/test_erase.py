"""Erasure against enrolment, against a restored backup, and against whoever may write a tombstone."""

import asyncio
import inspect
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proctor.adapters.seal import FileSeal, make_proof_key
from proctor.domain.errors import InvalidInput, StateStoreUnavailable
from proctor.domain.ids import CandidateId, TenantId
from proctor.services.consents import Agreement, Consents
from proctor.services.enroll import Enroll
from proctor.services.looking import FaceLook
from proctor.services.pictures import PictureDesk
from proctor.services.tombstones import TOMBSTONE
from tests.fakes.api import CALIBRATION, CONSENT, FakeApi, picture
from tests.fakes.perception import EMBEDDING

ACME = TenantId("acme")


class Jittered:
    """Anything whose coroutines now and then let others run first."""

    def __init__(self, inner: Any, chance: random.Random) -> None:
        self._inner, self._chance = inner, chance

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def later(*args: Any, **kwargs: Any) -> Any:
            for _ in range(self._chance.randrange(4)):
                await asyncio.sleep(0)
            answer = await found(*args, **kwargs)
            for _ in range(self._chance.randrange(4)):
                await asyncio.sleep(0)
            return answer

        return later


@pytest.fixture
async def api(tmp_path: Path):  # type: ignore[no-untyped-def]
    fake = FakeApi(tmp_path)
    yield fake
    await fake.close()


async def test_no_template_is_left_when_enrolment_consent_and_erasure_meet(api: FakeApi) -> None:
    """200 seeds: each lets the three run into each other at other places."""
    outcomes = set()
    for seed in range(200):
        chance = random.Random(seed)
        candidates, faces = Jittered(api.candidates, chance), Jittered(api.faces, chance)
        look = FaceLook(api.perception, PictureDesk(), EMBEDDING)
        enroll = Enroll(
            candidates, faces, look, EMBEDDING, CALIBRATION, api.clock, api.services.challenges
        )
        consents = Consents(candidates, faces, api.sessions, api.placement, api.live, api.clock)
        erase = api.services.erase
        erase._candidates, erase._faces = candidates, faces
        erase._erasures = Jittered(api.erasures, chance)
        erase._keys = Jittered(api.subject_keys, chance)
        who = CandidateId(await api.new_candidate(ref=f"c-{seed}"))
        raws = [picture(number) for number in range(3)]
        told = await asyncio.gather(
            enroll(ACME, who, raws, may_replace=True),
            consents.give(ACME, who, Agreement(**CONSENT)),
            erase(ACME, who, "ada"),
            return_exceptions=True,
        )
        assert not isinstance(told[2], BaseException)
        assert all(isinstance(one, InvalidInput) for one in told if isinstance(one, Exception)), (
            told
        )
        outcomes.add(tuple(isinstance(one, Exception) for one in told))
        assert await api.faces.newest_version(ACME, who) == 0, seed
        assert await api.candidates.live_consent(ACME, who) is None, seed
        newest = await api.candidates.newest_enrolment(ACME, who)
        assert newest is None or newest.erased_at is not None, seed
    assert len(outcomes) > 1  # they did meet in several ways


async def test_who_is_brought_back_by_a_backup_is_erased_again_under_the_first_receipt(
    api: FakeApi,
) -> None:
    who = CandidateId(await api.new_candidate())
    backup = api.database.candidates[who]
    consents = list(api.database.consents)
    done = await api.services.erase(ACME, who, "ada")
    # the database as it was before: no erasure, the name, a live consent, a key
    api.database.erasures.clear()
    api.database.candidates[who] = backup
    api.database.consents = consents
    api.subject_keys.keys[ACME, who] = bytes(32)
    assert await api.candidates.live_consent(ACME, who) is not None
    assert await api.services.erase.sweep() == 0  # by itself the database knows nothing of it
    assert await api.candidates.live_consent(ACME, who) is not None
    assert await api.services.erase.sweep(with_tombstones=True) == 0
    assert await api.candidates.live_consent(ACME, who) is None
    assert api.subject_keys.keys[ACME, who] is None
    assert api.database.candidates[who].external_ref == f"erased {who}"
    again = await api.services.erase.receipt(ACME, who)
    assert replace(again, done_at=None) == replace(done, done_at=None)


async def test_a_tombstone_of_somebody_else_erases_nobody(api: FakeApi, tmp_path: Path) -> None:
    who = CandidateId(await api.new_candidate())
    make_proof_key(tmp_path / "thief.pem")
    ours = await _stone_of_another(api)
    payload = api.seal.read(TOMBSTONE, ours)
    forged = FileSeal(tmp_path / "thief.pem").sign(
        TOMBSTONE, payload.replace(b"can_x", who.encode())
    )
    api.elsewhere.stones[ACME, who] = forged
    api.elsewhere.stones[ACME, CandidateId("junk")] = "no signature at all"
    api.elsewhere.stones[ACME, CandidateId("kind")] = api.seal.sign("another-kind", payload)
    assert await api.services.erase.sweep(with_tombstones=True) == 0
    assert (await api.candidates.get_candidate(ACME, who)).candidate_id == who


async def _stone_of_another(api: FakeApi) -> str:
    other = CandidateId(await api.new_candidate(ref="other"))
    await api.services.erase(ACME, other, "ada")
    return api.elsewhere.stones.pop((ACME, other))


async def test_what_is_owed_is_done_by_the_sweep(api: FakeApi) -> None:
    who = CandidateId(await api.new_candidate())
    api.recordings.down = True
    api.faces.down = True
    with pytest.raises(StateStoreUnavailable):
        await api.services.erase(ACME, who, "ada")
    assert await api.services.erase.sweep() == 1
    api.faces.down = api.recordings.down = False
    assert await api.services.erase.sweep() == 0
    assert (await api.services.erase.receipt(ACME, who)).done_at is not None
