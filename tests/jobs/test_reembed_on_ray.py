"""`proctor jobs reembed` on a private Ray with real models and stores: sealed once, no vector told."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.catalogue import Catalogue, default_dir, match_calibration
from models.in_process import InProcessPerception
from models.selection import select
from proctor.adapters.sql.migrate import upgrade
from proctor.bootstrap_stores import open_faces, open_sql
from proctor.domain.candidates import Candidate, Consent, Enrolment, FaceTemplate, ModelRef
from proctor.domain.ids import CandidateId, TenantId
from proctor.services.looking import FaceLook
from proctor.services.pictures import PictureDesk
from proctor.settings import Settings
from tests.deployments.cli.test_replay_command import proctor
from tests.fakes.clock import FakeClock

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]
TENANT, NEW = TenantId("default"), "edgeface-xs"
MODELS = default_dir(Settings(_env_file=None).home, None)


def of_one_person(media: Path, at: int) -> list[Path]:
    """Four pictures of one of those people who have the most."""
    people = {each: sorted(each.iterdir()) for each in (media / "images" / "lfw").iterdir()}
    most = sorted(people, key=lambda each: (-len(people[each]), each.name))
    return people[most[at]][:4]


def folder_of(settings: Settings, root: Path, name: str, files: list[Path]) -> list[bytes]:
    folder = root / name
    folder.mkdir(parents=True)
    return [Path(shutil.copy(each, folder / each.name)).read_bytes() for each in files]


async def enrol(settings: Settings, name: str, raws: list[bytes]) -> None:
    """A candidate with consent, and a template by the embedded pack."""
    now = FakeClock().now()
    who = CandidateId(name)
    stores, faces = open_sql(settings), open_faces(settings)
    model, _ = match_calibration(select(), Catalogue(MODELS))
    with InProcessPerception(MODELS, frozenset({"face"})) as perception:
        looked = await FaceLook(perception, PictureDesk(), model).look(raws)
    assert looked.good >= 3
    await stores.open()
    try:
        await stores.exams.ensure_tenant(TENANT, "Jobs")
        await stores.candidates.add_candidate(
            Candidate(candidate_id=who, tenant_id=TENANT, external_ref=name, created_at=now)
        )
        await stores.candidates.add_consent(
            Consent(
                consent_id=f"con_{name}",
                tenant_id=TENANT,
                candidate_id=who,
                text_version="1",
                text_sha256="a" * 64,
                locale="en",
                method="checkbox",
                given_at=now,
            )
        )
        about = {"tenant_id": TENANT, "candidate_id": who, "version": 1, "model": model}
        enrolment = Enrolment(**about, pictures=looked.good, created_at=now)
        await stores.candidates.add_enrolment(enrolment)
        await faces.put(FaceTemplate(**about, embeddings=looked.embeddings, created_at=now))
    finally:
        await stores.close()
        await faces.close()


async def versions(settings: Settings, model: ModelRef, *names: str) -> list[int | None]:
    """Of each candidate's template by this model."""
    faces = open_faces(settings)
    try:
        found = [await faces.find(TENANT, CandidateId(name), model) for name in names]
    finally:
        await faces.close()
    return [None if each is None else each.version for each in found]


def test_faces_are_sealed_for_a_new_model_once(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "models"))
    mirror = os.environ.get("PROCTOR_MODELS_MIRROR")
    Catalogue(MODELS, mirror).fetch(select().files())
    shutil.copytree(MODELS, tmp_path / "models")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    accepted = proctor(home, "models", "fetch", NEW, "--accept-licence", "edgeface-noncommercial")
    assert accepted.returncode == 0, accepted.stderr
    settings = Settings(home=home, _env_file=None).resolved()
    assert settings.database_url is not None
    upgrade(settings.database_url)
    root = tmp_path / "pictures"
    right, other = of_one_person(media, 0), of_one_person(media, 1)
    asyncio.run(enrol(settings, "can_right", folder_of(settings, root, "can_right", right)))
    raws = [each.read_bytes() for each in other]
    asyncio.run(enrol(settings, "can_swapped", raws))
    folder_of(settings, root, "can_swapped", right)
    folder_of(settings, root, "can_nobody", right)

    asked = ("jobs", "reembed", "--model", NEW, "--pictures", str(root), "--json", "--run")
    done = proctor(home, *asked, str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["sealed"], told["refused"], told["failed"], told["already"]) == (1, 1, 1, 0)
    rows = {
        row["candidate_id"]: row
        for row in pq.read_table(tmp_path / "run" / "result.parquet").to_pylist()
    }
    assert rows["can_swapped"]["reasons"] == ["not_the_enrolled_face"]
    assert rows["can_nobody"]["reasons"] == ["resource/not-found"]
    assert (rows["can_right"]["outcome"], rows["can_right"]["template_version"]) == ("sealed", 2)
    model = ModelRef(rows["can_right"]["model"], rows["can_right"]["model_version"])
    assert asyncio.run(versions(settings, model, "can_right", "can_swapped")) == [2, None]
    columns = pq.read_schema(tmp_path / "run" / "result.parquet")
    assert not [field.name for field in columns if "float" in str(field.type)]

    again = proctor(home, *asked, str(tmp_path / "again"))
    assert json.loads(again.stdout)["already"] == 1
    assert asyncio.run(versions(settings, model, "can_right")) == [2]
