"""The looks of a calm session, by kind."""

import pytest

from bench.session_cost import calm_pictures, kind_of
from proctor.domain.geometry import FaceRegion
from proctor.domain.perception import BodyAsk, FaceAsk

REGION = FaceRegion(0.5, 0.5, 0.3)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (FaceAsk(picture=b""), "face, searched"),
        (FaceAsk(picture=b"", track=REGION), "face, followed"),
        (FaceAsk(picture=b"", track=REGION, embed=True), "face, followed, compared"),
        (FaceAsk(picture=b"", search_small=True), "face, searched in tiles"),
        (BodyAsk(picture=b""), "body"),
    ],
)
def test_every_look_has_its_name(ask: FaceAsk | BodyAsk, expected: str) -> None:
    assert kind_of(ask) == expected


def test_without_media_there_is_nobody_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCTOR_MEDIA", raising=False)
    with pytest.raises(SystemExit, match="PROCTOR_MEDIA"):
        calm_pictures(5)
