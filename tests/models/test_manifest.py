"""The product's own manifest, and what a wrong one is told."""

from typing import Any

import pytest
import yaml

from models.catalogue import embedding_ref, match_calibrations
from models.errors import ManifestInvalid
from models.manifest import MANIFEST, Manifest, load_manifest, parse_manifest


def own() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def wrong(change: Any) -> str:
    raw = own()
    change(raw)
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(yaml.safe_dump(raw))
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_the_embedded_pack_is_permissive_and_has_every_task() -> None:
    manifest: Manifest = load_manifest()
    pack = [file for file in manifest.files if file.id in manifest.packs["embedded"].files]
    assert all(file.licence.commercial_use for file in pack)
    assert {file.task for file in pack} == {
        "face_detection", "face_landmarks", "iris", "face_embedding",
        "body_detection", "body_landmarks", "voice",
    }  # fmt: skip
    assert not manifest.packs["embedded"].accept_licence


def test_the_embedding_model_has_a_calibration_under_its_name_and_version() -> None:
    calibration = match_calibrations()[embedding_ref()]
    assert calibration.fmr == 1e-3
    assert calibration.no_match_below < 0.5 < calibration.match_above


def test_an_unknown_field_is_named() -> None:
    assert "files.0.colour" in wrong(lambda raw: raw["files"][0].update(colour="red"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "abc"), ("bytes", 0), ("bytes", "12"), ("runtime", "torch"), ("filename", "../x")],
)
def test_a_wrong_value_is_named(field: str, value: object) -> None:
    assert f"files.0.{field}" in wrong(lambda raw: raw["files"][0].update({field: value}))


def test_names_must_fit_together() -> None:
    assert "same id" in wrong(lambda raw: raw["files"].append(raw["files"][0]))
    assert "unknown file ghost" in wrong(
        lambda raw: raw["packs"]["embedded"]["files"].append("ghost")
    )
    assert "unknown wheel" in wrong(lambda raw: raw["wheels"].pop("silero-vad"))


def test_a_mirror_place_may_not_leave_the_mirror() -> None:
    assert "leaves the mirror" in wrong(lambda raw: raw["files"][0].update(mirror=["../../etc/x"]))


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
