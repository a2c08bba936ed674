"""Finishes the SDP answer that aiortc wrote: our public address, and what we ask of the sender."""

import re
from collections.abc import Sequence

_FMTP_VP8 = "x-google-start-bitrate={start};x-google-max-bitrate={most}"


def finish_answer(
    sdp: str, *, advertised: str | None, audio_ptime_ms: int, video_max_kbps: int
) -> str:
    """The answer as the client gets it.

    - Host candidates name `advertised` instead of the address that was bound (1:1 NAT that keeps ports).
    - Sound: `a=ptime`, which Chromium obeys (RAY.md 3), and wideband Opus, all that speech needs.
    - Video: `b=AS`, and for Chromium its own hints on the VP8 format.
    """
    session, *media = re.split(r"(?m)^(?=m=)", sdp)
    finished = [session]
    for section in media:
        lines = section.splitlines()
        if lines[0].startswith("m=audio"):
            lines = _with_sound_hints(lines, audio_ptime_ms)
        else:
            lines = _with_video_hints(lines, video_max_kbps)
        finished.append("\r\n".join(_advertising(lines, advertised)) + "\r\n")
    return "".join(finished)


def _advertising(lines: Sequence[str], address: str | None) -> list[str]:
    if address is None:
        return list(lines)
    bound = {_host_of(line) for line in lines if line.startswith("a=candidate:")} - {None}
    version = "IP6" if ":" in address else "IP4"
    changed: list[str] = []
    for line in lines:
        if _host_of(line) is not None:
            words = line.split(" ")
            words[4] = address
            changed.append(" ".join(words))
        elif line.startswith("c=") and line.split(" ")[-1] in bound:
            changed.append(f"c=IN {version} {address}")
        else:
            changed.append(line)
    return changed


def _host_of(line: str) -> str | None:
    """Address of a host candidate line; None for any other line."""
    words = line.split(" ")
    is_host = line.startswith("a=candidate:") and len(words) > 7 and words[7] == "host"
    return words[4] if is_host else None


def _with_sound_hints(lines: Sequence[str], ptime_ms: int) -> list[str]:
    hinted = [*lines, f"a=ptime:{ptime_ms}"]
    opus = _payload_type(lines, "opus")
    if opus is not None:
        kept = [line for line in hinted if not line.startswith(f"a=fmtp:{opus} ")]
        hinted = [*kept, f"a=fmtp:{opus} maxplaybackrate=16000;stereo=0;useinbandfec=1"]
    return hinted


def _with_video_hints(lines: Sequence[str], max_kbps: int) -> list[str]:
    at = 1 + next((i for i, line in enumerate(lines) if line.startswith("c=")), 0)
    hinted = [*lines[:at], f"b=AS:{max_kbps}", *lines[at:]]
    vp8 = _payload_type(lines, "VP8")
    if vp8 is not None:
        hint = _FMTP_VP8.format(start=min(max_kbps, 150), most=max_kbps)
        hinted.append(f"a=fmtp:{vp8} {hint}")
    return hinted


def _payload_type(lines: Sequence[str], codec: str) -> str | None:
    for line in lines:
        match = re.match(rf"a=rtpmap:(\d+) {codec}/", line)
        if match:
            return match.group(1)
    return None
