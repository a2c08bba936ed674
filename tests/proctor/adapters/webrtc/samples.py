"""Offers for tests: Chromium 156's own, cut down, and what is wrong with bad ones."""

FINGERPRINT = "sha-256 " + ":".join(["A7"] * 32)

CHROMIUM = "\r\n".join(
    [
        "v=0",
        "o=- 3030241857248717102 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 38aac4f5",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2122194687 192.0.2.2 49393 typ host generation 0",
        "a=ice-ufrag:3fqN",
        "a=ice-pwd:oJDQQslABbSt9sARUvGUNG9U",
        "a=ice-options:trickle",
        f"a=fingerprint:{FINGERPRINT}",
        "a=setup:actpass",
        "a=mid:0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "a=ssrc:3646364949 cname:kj1ZYvL0kA8V1eZt",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:3fqN",
        "a=ice-pwd:oJDQQslABbSt9sARUvGUNG9U",
        "a=ice-options:trickle",
        f"a=fingerprint:{FINGERPRINT}",
        "a=setup:actpass",
        "a=mid:1",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=ssrc-group:FID 1857520362 3056124625",
        "a=ssrc:1857520362 cname:kj1ZYvL0kA8V1eZt",
        "a=ssrc:3056124625 cname:kj1ZYvL0kA8V1eZt",
        "a=end-of-candidates",
        "",
    ]
)

_AUDIO, _VIDEO = CHROMIUM.index("m=audio"), CHROMIUM.index("m=video")
VIDEO_ONLY = CHROMIUM[:_AUDIO].replace("BUNDLE 0 1", "BUNDLE 1") + CHROMIUM[_VIDEO:]

BAD: dict[str, str] = {
    "empty": "",
    "blank": "\r\n \r\n",
    "not sdp": '{"type": "offer"}',
    "larger than 64 KiB": CHROMIUM + "a=x:" + "y" * 64 * 1024 + "\r\n",
    "a NUL": CHROMIUM.replace("t=0 0", "t=0\x000"),
    "not ASCII": CHROMIUM.replace("s=-", "s=\u202e"),
    "a lone surrogate": CHROMIUM.replace("s=-", "s=\ud800"),
    "no fingerprint": CHROMIUM.replace(f"a=fingerprint:{FINGERPRINT}\r\n", ""),
    "a weak hash": CHROMIUM.replace(FINGERPRINT, "sha-1 " + ":".join(["A7"] * 20)),
    "a cut fingerprint": CHROMIUM.replace(FINGERPRINT, FINGERPRINT[:-3]),
    "no media": CHROMIUM[:_AUDIO],
    "500 media sections": CHROMIUM + CHROMIUM[_VIDEO:] * 498,
    "a data channel": CHROMIUM + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "two videos": CHROMIUM[:_AUDIO]
    + CHROMIUM[_VIDEO:]
    + CHROMIUM[_VIDEO:].replace("mid:1", "mid:0"),
    "the same mid twice": CHROMIUM.replace("a=mid:1", "a=mid:0"),
    "no mid": CHROMIUM.replace("a=mid:1\r\n", ""),
    "a mid of spaces": CHROMIUM.replace("a=mid:1", "a=mid:  "),
    "no bundle": CHROMIUM.replace("a=group:BUNDLE 0 1\r\n", ""),
    "a bundle of others": CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0 2"),
    "a bundle with a mid twice": CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0 1 1"),
    "a bundle with a section that is not there": VIDEO_ONLY.replace("BUNDLE 1", "BUNDLE 0 1"),
    "no password": CHROMIUM.replace("a=ice-pwd:oJDQQslABbSt9sARUvGUNG9U\r\n", ""),
    "a short password": CHROMIUM.replace("oJDQQslABbSt9sARUvGUNG9U", "short"),
    "no setup": CHROMIUM.replace("a=setup:actpass\r\n", ""),
    "an unknown setup": CHROMIUM.replace("setup:actpass", "setup:holdconn"),
    "no rtcp-mux": CHROMIUM.replace("a=rtcp-mux\r\n", ""),
    "a payload type too large": CHROMIUM.replace("SAVPF 96 97", "SAVPF 96 300"),
    "a forbidden payload type": CHROMIUM.replace("SAVPF 96 97", "SAVPF 96 72"),
    "parameters of no codec": CHROMIUM.replace("a=fmtp:97", "a=fmtp:77"),
    "a codec without a rate": CHROMIUM.replace("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP8"),
    "an ssrc that is no number": CHROMIUM.replace("a=ssrc:1857520362 cname", "a=ssrc:x cname"),
}

NO_VIDEO: dict[str, str] = {
    "sound only": CHROMIUM[:_VIDEO].replace("BUNDLE 0 1", "BUNDLE 0"),
    "received only, said for all": VIDEO_ONLY.replace("a=sendonly\r\n", "").replace(
        "t=0 0", "t=0 0\r\na=recvonly"
    ),
    "received only": CHROMIUM.replace("a=sendonly", "a=recvonly"),
    "inactive": CHROMIUM.replace("a=sendonly", "a=inactive"),
    "switched off": CHROMIUM.replace("m=video 9", "m=video 0"),
    "another codec": CHROMIUM.replace("VP8", "AV1"),
    "H.264 of a profile that nobody here decodes": CHROMIUM.replace(
        "a=rtpmap:96 VP8/90000", "a=rtpmap:96 H264/90000"
    ).replace("a=fmtp:97", "a=fmtp:96 profile-level-id=f4001f\r\na=fmtp:97"),
}
