"""What is added to aiortc's answer, and where."""

from proctor.adapters.webrtc.answers import finish_answer

ANSWER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 40848 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 10.0.0.5",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtpmap:111 opus/48000/2",
        "a=candidate:16 1 udp 2130706431 10.0.0.5 40848 typ host",
        "a=candidate:17 1 udp 1694498815 203.0.113.9 40848 typ srflx raddr 10.0.0.5 rport 40848",
        "m=video 40848 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 10.0.0.5",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 packetization-mode=1",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "",
    ]
)


def finished(advertised: str | None = None) -> list[str]:
    text = finish_answer(ANSWER, advertised=advertised, audio_ptime_ms=60, video_max_kbps=250)
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    return text.split("\r\n")


def test_the_sender_is_asked_for_long_sound_packets_and_a_modest_picture() -> None:
    lines = finished()
    video = lines.index("m=video 40848 UDP/TLS/RTP/SAVPF 96 97")
    assert "a=ptime:60" in lines[:video]
    assert "a=fmtp:111 maxplaybackrate=16000;stereo=0;useinbandfec=1;usedtx=0" in lines[:video]
    assert lines[video + 1 : video + 3] == ["c=IN IP4 10.0.0.5", "b=AS:250"]
    rates = "x-google-min-bitrate=80;x-google-start-bitrate=150;x-google-max-bitrate=250"
    assert f"a=fmtp:96 packetization-mode=1;{rates}" in lines
    assert "a=fmtp:97 apt=96" in lines
    assert set(ANSWER.split("\r\n")) - set(lines) == {"a=fmtp:96 packetization-mode=1"}


def test_the_advertised_address_takes_the_place_of_the_bound_one() -> None:
    lines = finished("198.51.100.4")
    assert "a=candidate:16 1 udp 2130706431 198.51.100.4 40848 typ host" in lines
    assert lines.count("c=IN IP4 198.51.100.4") == 1
    assert any("203.0.113.9" in line for line in lines)  # what a STUN server saw stays
    assert "a=rtcp:9 IN IP4 0.0.0.0" in lines


def test_an_advertised_ipv6_address() -> None:
    lines = finished("2001:db8::4")
    assert "c=IN IP6 2001:db8::4" in lines
    assert "a=candidate:16 1 udp 2130706431 2001:db8::4 40848 typ host" in lines
