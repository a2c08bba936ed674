"""Short-lived TURN credentials, against an answer computed by OpenSSL."""

from datetime import UTC, datetime

from proctor.adapters.webrtc.turn import ice_servers, turn_credentials
from proctor.settings import WebRtcSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_credentials_are_the_schemes() -> None:
    # printf '1000000000:ray' | openssl dgst -sha1 -hmac secret -binary | base64
    billion = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
    expected = ("1000000000:ray", "9tjF61hi18IzWNSIxikv5Y1Lv/I=")
    assert turn_credentials("secret", "ray", 0, billion) == expected
    assert turn_credentials("secret", "ray", 60, billion)[0] == "1000000060:ray"


def test_the_page_is_told_every_server_but_no_secret() -> None:
    settings = WebRtcSettings.model_validate(
        {
            "stun_urls": ["stun:stun.example:3478"],
            "turn_urls": ["turn:turn.example:3478?transport=udp"],
            "turn_secret": "north",
            "turn_ttl_s": 600,
        }
    )
    stun, turn = ice_servers(settings, NOW)
    assert stun == {"urls": ["stun:stun.example:3478"]}
    assert turn["username"] == f"{int(NOW.timestamp()) + 600}:candidate"
    assert "north" not in str(turn)


def test_turn_without_a_secret_is_left_out() -> None:
    settings = WebRtcSettings(turn_urls=["turn:turn.example"])
    assert ice_servers(settings, NOW) == []
