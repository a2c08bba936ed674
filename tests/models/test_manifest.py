"""The product's own manifest, and what a wrong one is told."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from models.catalogue import Catalogue, match_calibration
from models.errors import ManifestInvalid, ModelFileError
from models.manifest import MANIFEST, load_manifest, parse_manifest
from models.selection import ALWAYS, select


def own() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def wrong(change: Any) -> str:
    raw = own()
    change(raw)
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(yaml.safe_dump(raw))
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_the_embedded_pack_is_permissive_and_does_what_cannot_be_off() -> None:
    chosen, files = select("embedded"), {file.id: file for file in load_manifest().files}
    assert all(files[name].licence.commercial_use for name in chosen.files())
    assert set(chosen.chosen) >= ALWAYS
    assert chosen.restricted() == ()


@pytest.mark.parametrize(
    "pack", [name for name, each in load_manifest().packs.items() if each.models]
)
def test_every_pack_can_be_chosen(pack: str) -> None:
    assert {"face", "body", "speech"} <= set(select(pack).groups())


def test_packs_differ_by_their_terms() -> None:
    files = {file.id: file for file in load_manifest().files}
    embedded, permissive, research = (select(p) for p in ("embedded", "permissive", "research"))
    assert all(files[name].sources for name in embedded.files()), "PyPI alone gives it"
    assert all(files[name].licence.commercial_use for name in permissive.files())
    assert permissive.restricted() == ()
    assert {file.licence.accept for file in research.restricted()} >= {
        "insightface-noncommercial",
        "gaze360-noncommercial",
    }
    for task in ("face_landmarks", "body", "voice"):
        assert embedded.chosen[task] == permissive.chosen[task] == research.chosen[task]


def test_packs_are_mixed_task_by_task() -> None:
    mixed = select(
        "permissive", {"face_embedding": "edgeface-xs", "liveness": "off", "words": "whisper"}
    )
    assert mixed.chosen["face_detection"] == "yunet"
    assert mixed.chosen["face_embedding"] == "edgeface-xs"
    assert mixed.model("liveness") is None
    assert "words" in mixed.groups() and "objects" not in mixed.groups()
    assert [file.id for file in mixed.restricted()] == ["edgeface-xs"]


def test_a_choice_that_cannot_be_is_one_line_with_what_there_is() -> None:
    for pack, instead, told in (
        ("nothing", {}, "no pack is called nothing; there are: embedded"),
        ("demo", {}, "no pack is called demo"),
        ("embedded", {"noses": "x"}, "no task is called noses; there are: face_detection"),
        ("embedded", {"voice": "blazeface"}, "no model for voice is called blazeface"),
        ("embedded", {"voice": "off"}, "voice cannot be switched off"),
    ):
        with pytest.raises(ModelFileError) as caught:
            select(pack, instead)
        assert told in caught.value.detail and "\n" not in caught.value.detail


def test_a_task_that_may_be_off_is_switched_off_by_name() -> None:
    assert select("embedded", {"liveness": "off"}).model("liveness") is None


def test_the_embedding_model_has_a_calibration_under_its_name_and_version(
    tmp_path: Path,
) -> None:
    ref, calibration = match_calibration(select(), Catalogue(tmp_path))
    assert (ref.model, ref.version) == ("face-embedding", "dlib-1+mirror")
    assert calibration.fmr == 1e-3
    assert calibration.no_match_below < 0.5 < calibration.match_above


def test_an_unknown_field_is_named() -> None:
    assert "files.0.colour" in wrong(lambda raw: raw["files"][0].update(colour="red"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "abc"), ("bytes", 0), ("bytes", "12"), ("runtime", "java"), ("filename", "../x")],
)
def test_a_wrong_value_is_named(field: str, value: object) -> None:
    assert f"files.0.{field}" in wrong(lambda raw: raw["files"][0].update({field: value}))


def test_names_must_fit_together() -> None:
    assert "same id" in wrong(lambda raw: raw["files"].append(raw["files"][0]))
    assert "unknown file ghost" in wrong(
        lambda raw: raw["models"]["blazeface"]["files"].append("ghost")
    )
    assert "no model for voice" in wrong(
        lambda raw: raw["packs"]["embedded"]["models"].update(voice="blazeface")
    )
    assert "every task" in wrong(lambda raw: raw["packs"]["embedded"]["models"].pop("words"))
    assert "unknown wheel" in wrong(lambda raw: raw["wheels"].pop("silero-vad"))


def test_a_mirror_place_may_not_leave_the_mirror() -> None:
    assert "leaves the mirror" in wrong(lambda raw: raw["files"][0].update(mirror=["../../etc/x"]))


def test_a_threshold_is_known_in_range_and_says_where_it_comes_from() -> None:
    def first(raw: dict[str, Any]) -> dict[str, Any]:
        return raw["files"][0]

    told = wrong(lambda raw: first(raw)["thresholds"].update(least=0.5))
    assert "files.0.thresholds.least" in told and "'score'" in told
    assert "files.0.thresholds.score" in wrong(
        lambda raw: first(raw)["thresholds"].update(score=0.0)
    )
    told = wrong(lambda raw: first(raw)["thresholds"].update(overlap=1.0))
    assert "face-detection-short: threshold overlap must be less than 1" in told
    assert "thresholds_from" in wrong(lambda raw: first(raw).pop("thresholds_from"))
    assert "thresholds_from" in wrong(lambda raw: first(raw).pop("thresholds"))


def test_addresses_are_https() -> None:
    plain = {"kind": "https", "url": "http://example.org/x"}
    assert "url" in wrong(lambda raw: raw["files"][0]["sources"].append(plain))


def embedding(raw: dict[str, Any]) -> dict[str, Any]:
    return next(file for file in raw["files"] if file["id"] == "face-embedding")


def test_a_calibration_is_checked_and_needed() -> None:
    def not_a_number(raw: dict[str, Any]) -> None:
        embedding(raw)["calibration"]["slope"] = float("nan")

    assert "slope" in wrong(not_a_number)
    assert "room" not in wrong(lambda raw: embedding(raw).pop("calibration"))
    assert "must be less" in wrong(
        lambda raw: embedding(raw)["calibration"].update(no_match_below=0.999)
    )


def test_a_conversion_states_what_it_starts_from() -> None:
    assert "member_sha256" in wrong(lambda raw: embedding(raw)["sources"][0].pop("member_sha256"))


def test_text_that_is_no_yaml_is_one_line() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest("files: [")
    assert "\n" not in caught.value.detail
