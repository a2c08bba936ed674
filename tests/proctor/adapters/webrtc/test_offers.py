"""Offers are checked line by line before aiortc sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.adapters.webrtc.offers import BadOffer, NoVideo, parse_offer
from tests.proctor.adapters.webrtc.samples import BAD, CHROMIUM, NO_VIDEO, VIDEO_ONLY

LEFT_TO_AIORTC = {
    "a payload type too large",
    "a forbidden payload type",
    "parameters of no codec",
    "a codec without a rate",
    "an ssrc that is no number",
}
PROFILE = "H.264 of a profile that nobody here decodes"


def test_a_browsers_offer_is_taken_without_what_we_do_not_want() -> None:
    offer = parse_offer(CHROMIUM)
    assert offer.kinds == ("audio", "video")
    assert offer.ufrags == {"3fqN"}
    assert offer.candidates == ("1 1 udp 2122194687 192.0.2.2 49393 typ host generation 0",)
    for gone in ("candidate", "a=extmap:", "goog-remb", "transport-cc"):
        assert gone not in offer.sdp
    for kept in ("a=rtcp-fb:96 nack pli", "a=fmtp:97 apt=96", "a=ssrc-group:FID", "a=mid:1"):
        assert kept in offer.sdp


def test_the_order_is_the_bundles() -> None:
    assert parse_offer(CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 1 0")).kinds == ("video", "audio")
    assert parse_offer(VIDEO_ONLY).kinds == ("video",)


def test_attributes_may_stand_in_the_session() -> None:
    moved = [line for line in CHROMIUM.split("\r\n") if "fingerprint" in line or "ice-" in line][:4]
    rest = [line for line in CHROMIUM.split("\r\n") if line not in moved]
    offer = parse_offer("\r\n".join(rest[:4] + moved + rest[4:]))
    assert offer.ufrags == {"3fqN"}


@pytest.mark.parametrize("name", sorted(set(BAD) - LEFT_TO_AIORTC))
def test_a_bad_offer_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(BadOffer) as caught:
        parse_offer(BAD[name])
    assert (caught.value.code, caught.value.status) == ("webrtc/bad-sdp", 422)


@pytest.mark.parametrize("name", sorted(set(NO_VIDEO) - {PROFILE}))
def test_an_offer_without_video_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(NoVideo) as caught:
        parse_offer(NO_VIDEO[name])
    assert (caught.value.code, caught.value.status) == ("webrtc/no-video", 422)


@given(st.data())
def test_any_change_is_taken_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CHROMIUM)))
    cut = data.draw(st.integers(0, 40))
    text = CHROMIUM[:at] + data.draw(st.text(max_size=20)) + CHROMIUM[at + cut :]
    try:
        offer = parse_offer(text)
    except (BadOffer, NoVideo):
        return
    assert "video" in offer.kinds and len(offer.kinds) <= 2
