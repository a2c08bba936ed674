"""Finishes the SDP answer that aiortc wrote: our public address, and what we ask of the sender."""

import re
from collections.abc import Sequence

LEAST_KBPS = 80
"""Chromium lowers its rate with every loss, to 30 kbit/s at 20 %, where its encoders skip frames; lost
packets of an exam are seldom a congestion that 80 kbit/s would worsen."""

START_KBPS = 150

_CHROMIUM_RATES = (
    "x-google-min-bitrate={least};x-google-start-bitrate={start};x-google-max-bitrate={most}"
)


def finish_answer(
    sdp: str, *, advertised: str | None, audio_ptime_ms: int, video_max_kbps: int
) -> str:
    """The answer as the client gets it.

    - Host candidates name `advertised` instead of the address that was bound (1:1 NAT that keeps ports).
    - Sound: `a=ptime`, which Chromium obeys (RAY.md 3), and wideband Opus, all that speech needs. No DTX:
      a sender that falls silent looks like one that is gone, and a quiet voice is what it cuts away.
    - Video: `b=AS`, and for Chromium its own hints on the first format.
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
    opus = re.match(r"m=audio \S+ \S+ (\d+)", lines[0])
    assert opus is not None  # the only codec that our transceiver prefers
    hint = "maxplaybackrate=16000;stereo=0;useinbandfec=1;usedtx=0"
    return _with_parameters([*lines, f"a=ptime:{ptime_ms}"], opus.group(1), hint)


def _with_video_hints(lines: Sequence[str], max_kbps: int) -> list[str]:
    at = 1 + next((i for i, line in enumerate(lines) if line.startswith("c=")), 0)
    hinted = [*lines[:at], f"b=AS:{max_kbps}", *lines[at:]]
    first = re.match(r"m=video \S+ \S+ (\d+)", lines[0])
    assert first is not None  # aiortc answers a video section with at least one codec
    hint = _CHROMIUM_RATES.format(
        least=min(max_kbps, LEAST_KBPS), start=min(max_kbps, START_KBPS), most=max_kbps
    )
    return _with_parameters(hinted, first.group(1), hint)


def _with_parameters(lines: Sequence[str], payload_type: str, parameters: str) -> list[str]:
    """The format's own `a=fmtp` line with `parameters` at its end, or a new line."""
    prefix = f"a=fmtp:{payload_type} "
    if any(line.startswith(prefix) for line in lines):
        return [f"{line};{parameters}" if line.startswith(prefix) else line for line in lines]
    return [*lines, prefix + parameters]
