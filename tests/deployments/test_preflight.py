"""What `proctor doctor` says about the models: which were chosen, and whether they can be used."""

from pathlib import Path

from deployments.preflight import Check, look
from proctor.settings import Settings


def models_of(home: Path, pack: str, **instead: str) -> Check:
    settings = Settings(home=home, pack=pack, models=instead, models_dir=None, models_mirror=None)
    (check,) = [check for check in look(settings) if check.name == "models"]
    return check


def test_the_pack_and_what_stands_in_for_its_models_are_named(tmp_path: Path) -> None:
    check = models_of(tmp_path, "permissive", gaze="gaze-of-mesh", speakers="off")
    assert not check.is_good
    assert check.found.startswith("pack permissive with gaze: gaze-of-mesh, speakers: off; ")
    assert "yunet" in check.found and "proctor models fetch" in check.found


def test_terms_that_nobody_accepted_come_first(tmp_path: Path) -> None:
    check = models_of(tmp_path, "embedded", face_embedding="edgeface-xs")
    assert not check.is_good
    assert "terms that must be accepted" in check.found
    assert "--accept-licence edgeface-noncommercial" in check.found


def test_a_choice_that_there_is_not_is_told_in_a_line(tmp_path: Path) -> None:
    for pack, told in (("giant", "no pack is called giant"), ("demo", "no pack is called demo")):
        check = models_of(tmp_path, pack)
        assert not check.is_good and told in check.found and "\n" not in check.found
