"""Reads a client's SDP offer: refuses what cannot work, takes out what we do not want.

aiortc's parser asserts and trusts; what reaches it has passed here. Candidates are taken out because
a policy decides on them one by one, header extensions and bandwidth feedback because every packet
would pay for them and nothing here reads them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from proctor.domain.errors import InvalidInput

MAX_OFFER_BYTES = 64 * 1024
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_MEDIA_LINE = re.compile(r"m=(audio|video) ([0-9]{1,5}) [A-Z/]+( [0-9]{1,3}){1,128}")
_NOT_PRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_LEFT_OUT = (
    "a=candidate:",
    "a=end-of-candidates",
    "a=extmap:",
)
_FEEDBACK_LEFT_OUT = re.compile(r"a=rtcp-fb:\S+ (goog-remb|transport-cc)\s*")


class BadOffer(InvalidInput):
    """The offer cannot be used."""

    code = "webrtc/bad-sdp"


class NoVideo(InvalidInput):
    """The offer sends no video that we can decode."""

    code = "webrtc/no-video"


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that may be applied.

    Attributes:
        sdp: What aiortc is given.
        kinds: `audio` and `video` in the order in which they share the transport (BUNDLE).
        ufrags: ICE user name fragments of the offer.
        candidates: Values of the `a=candidate:` lines that were taken out.
    """

    sdp: str
    kinds: tuple[str, ...]
    ufrags: frozenset[str]
    candidates: tuple[str, ...]


@dataclass(slots=True)
class _Section:
    """The session's own lines, or those of one medium."""

    kind: str
    port: int
    lines: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        prefix = f"a={name}:"
        return [line[len(prefix) :].strip() for line in self.lines if line.startswith(prefix)]

    def says(self, name: str) -> bool:
        return f"a={name}" in (line.strip() for line in self.lines)

    def direction(self) -> str | None:
        return next((name for name in _DIRECTIONS if self.says(name)), None)


def parse_offer(text: str) -> Offer:
    """Check an offer and make it ready for aiortc. Raises `BadOffer` or `NoVideo`."""
    if not text.strip():
        raise BadOffer("the offer is empty; send the SDP of an RTCPeerConnection")
    if len(text.encode(errors="surrogatepass")) > MAX_OFFER_BYTES:
        raise BadOffer(f"the offer is larger than {MAX_OFFER_BYTES // 1024} KiB")
    if _NOT_PRINTABLE.search(text) or not text.isascii():
        raise BadOffer("the offer holds characters that SDP has no use for")
    lines = text.splitlines()
    session, media = _sections(lines)
    by_mid = _by_mid(media)
    said = session.direction() or "sendrecv"  # what a section without one takes (RFC 8866 6.7)
    for section in media:
        _check_transport(session, section)
    _check_video(media, said)
    kinds = tuple(section.kind for section in _bundled(session, by_mid))
    return Offer(
        sdp="\r\n".join(_kept(lines, media, said)) + "\r\n",
        kinds=kinds,
        ufrags=frozenset(value for part in (session, *media) for value in part.values("ice-ufrag")),
        candidates=tuple(value for part in media for value in part.values("candidate")),
    )


def _sections(lines: Sequence[str]) -> tuple[_Section, list[_Section]]:
    if not lines[0].startswith("v=0"):
        raise BadOffer("the offer does not begin with v=0")
    session = _Section("session", 0)
    media: list[_Section] = []
    for line in lines:
        if line and (len(line) < 2 or line[1] != "=" or not line[0].islower()):
            raise BadOffer("the offer has a line that is not SDP (x=...)")
        if line.startswith("m="):
            match = _MEDIA_LINE.fullmatch(line.strip())
            if match is None:
                raise BadOffer("the offer has a media line other than audio and video over RTP")
            media.append(_Section(match.group(1), int(match.group(2))))
            if len(media) > 2:
                break
        else:
            (media[-1] if media else session).lines.append(line)
    kinds = [section.kind for section in media]
    if len(media) > 2 or len(set(kinds)) != len(kinds):
        raise BadOffer("the offer has more than one audio and one video section")
    if not media:
        raise BadOffer("the offer has no media")
    return session, media


def _by_mid(media: Sequence[_Section]) -> dict[str, _Section]:
    by_mid: dict[str, _Section] = {}
    for section in media:
        mids = section.values("mid")
        if len(mids) != 1 or not re.fullmatch(r"[!-~]{1,32}", mids[0]) or mids[0] in by_mid:
            raise BadOffer("every media section needs one a=mid of its own")
        by_mid[mids[0]] = section
    return by_mid


def _check_transport(session: _Section, section: _Section) -> None:
    fingerprints = session.values("fingerprint") + section.values("fingerprint")
    if not any(_is_strong(value) for value in fingerprints):
        raise BadOffer("the offer has no fingerprint of sha-256, sha-384 or sha-512")
    for name, pattern in (("ice-ufrag", r"[\w+/-]{4,256}"), ("ice-pwd", r"[\w+/-]{22,256}")):
        values = section.values(name) or session.values(name)
        if len(values) != 1 or not re.fullmatch(pattern, values[0]):
            raise BadOffer(f"every media section needs one valid a={name}")
    roles = section.values("setup") or session.values("setup")
    if len(roles) != 1 or roles[0] not in ("actpass", "active", "passive"):
        raise BadOffer("every media section needs one a=setup of actpass, active or passive")
    if not section.says("rtcp-mux"):
        raise BadOffer("RTP and RTCP must share a port (a=rtcp-mux)")


def _is_strong(fingerprint: str) -> bool:
    algorithm, _, digest = fingerprint.partition(" ")
    size = _DIGEST_BYTES.get(algorithm.lower())
    return size is not None and bool(
        re.fullmatch(rf"[0-9A-Fa-f]{{2}}(:[0-9A-Fa-f]{{2}}){{{size - 1}}}", digest.strip())
    )


def _check_video(media: Sequence[_Section], said: str) -> None:
    video = next((section for section in media if section.kind == "video"), None)
    if video is None:
        raise NoVideo("the offer has no video section")
    if (video.direction() or said) not in ("sendrecv", "sendonly"):
        raise NoVideo("the offer's video is not sent; offer sendonly")
    if video.port == 0 and not video.says("bundle-only"):
        raise NoVideo("the offer's video is switched off (port 0)")
    codecs = {value.split(" ")[-1].split("/")[0].upper() for value in video.values("rtpmap")}
    if not codecs & {"VP8", "H264"}:
        raise NoVideo("the offer's video has neither VP8 nor H.264")


def _bundled(session: _Section, by_mid: dict[str, _Section]) -> list[_Section]:
    """Sections in the order of the BUNDLE group, whose first carries the transport (RFC 9143)."""
    groups = [value.split() for value in session.values("group")]
    bundle = next((mids[1:] for mids in groups if mids[:1] == ["BUNDLE"]), [])
    if len(by_mid) == 1 and not bundle:
        return list(by_mid.values())
    if len(bundle) != len(set(bundle)) or set(bundle) != set(by_mid):
        raise BadOffer("sound and video must share a transport (a=group:BUNDLE with both mids)")
    return [by_mid[mid] for mid in bundle]


def _kept(lines: Sequence[str], media: Sequence[_Section], said: str) -> list[str]:
    """The lines for aiortc, which knows no default direction: it is written out."""
    kept: list[str] = []
    sections = iter(media)
    for line in lines:
        if (
            line.strip()
            and not line.startswith(_LEFT_OUT)
            and not _FEEDBACK_LEFT_OUT.fullmatch(line)
        ):
            kept.append(line.rstrip())
        if line.startswith("m=") and next(sections).direction() is None:
            kept.append(f"a={said}")
    return kept
