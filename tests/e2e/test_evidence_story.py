"""From a look aside in a real browser to a reviewer's judgement, its proof, and the end of all data."""

import asyncio
import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from bench.candidate.browser import CHROMIUM
from proctor.services.proof.bundle import BundleWriter
from tests.e2e.support import footage
from tests.e2e.support.browser import candidate_page
from tests.e2e.support.system import (
    PROCTOR,
    System,
    get_session,
    new_session,
    post,
    wait_for_alert,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("system", ["50"], indirect=True, ids=["many-per-host"]),
]
STORED_WITHIN_S = 60
CHAINED_WITHIN_S = 90
VERIFIED, TOUCHED = 0, 1


async def test_what_was_judged_is_shown_judged_proved_and_erased(
    system: System, media: Path, tmp_path: Path
) -> None:
    video, sound = tmp_path / "camera.y4m", tmp_path / "microphone.wav"
    footage.write_gaze_clip(video, media)
    footage.write_speech(sound, media / "audio" / "jfk.flac")
    async with system.client() as client:
        session_id, join_url = await new_session(client, "evidence")
        async with candidate_page(f"{join_url}&auto=1", video, sound):
            alert = await wait_for_alert(client, session_id, "looking_away", 60)
            listed = await _stored(client, alert["incident_id"])
            await post(client, f"/v1/sessions/{session_id}/end", {})
        pieces = {piece["kind"]: piece for piece in listed["items"]}
        assert {"judged", "before", "clip"} <= set(pieces)

        judged = await _shown(client, _piece(listed, alert["frame_digest"])["evidence_id"])
        assert hashlib.sha256(judged).hexdigest() == alert["frame_digest"]
        clip = tmp_path / "clip.webm"
        clip.write_bytes(await _shown(client, pieces["clip"]["evidence_id"]))
        with av.open(str(clip)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 10
            assert not container.streams.audio  # the preset keeps no sound

        given = {"verdict": "dismiss", "reason": "Looked at the clock"}
        await post(client, f"/v1/incidents/{alert['incident_id']}/verdict", given)
        where = f"/v1/sessions/{session_id}/decision"
        etag = (await client.get(where)).headers.get("ETag", '"0"')
        decided = await client.put(
            where, json={"word": "reviewed", "notes": "Seen"}, headers={"If-Match": etag}
        )
        assert decided.status_code == 200, decided.text

        export, key = tmp_path / "session.zip", tmp_path / "proof.pem"
        key.write_text(await asyncio.to_thread(system.run, "keys", "public"), encoding="utf-8")
        await _exported(system, session_id, export)
        assert _verified(export, key) == VERIFIED
        whole = export.read_bytes()
        for at in range(0, len(whole), len(whole) // 6):
            touched = tmp_path / "touched.zip"
            touched.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert _verified(touched, key) != VERIFIED, f"byte {at} of {len(whole)}"
        _nothing_is_taken_out_unseen(export, key)

        session = await get_session(client, session_id)
        await _another_policy_is_tried(system, session["exam_id"])
        gone = await client.delete(f"/v1/candidates/{session['candidate_id']}")
        assert gone.status_code in (200, 202), gone.text
        link = await client.post(
            f"/v1/evidence/{pieces['judged']['evidence_id']}/links", json={"reason": "Once more"}
        )
        assert link.status_code == 404
        erased = tmp_path / "erased.zip"
        await _exported(system, session_id, erased)
        assert _verified(erased, key) == VERIFIED


async def _another_policy_is_tried(system: System, exam_id: str) -> None:
    """In the editor: without the rule that told of the look aside, its incident is gone."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = await opened.new_page()
            page.set_default_timeout(60_000)
            await page.goto(f"{system.base_url}/console")
            await page.fill("#token", system.token)
            await page.get_by_role("button", name="Sign in").click()
            await page.locator("main h1").wait_for()
            await page.goto(f"{system.base_url}/console/policies/relaxed")
            await page.get_by_text("No fault").wait_for()
            exams = page.locator(f'select:has(option[value="{exam_id}"])')
            await exams.select_option(exam_id)  # others may have exams there as well
            await page.get_by_role("button", name="Try", exact=True).click()
            await page.locator("dl.sums").wait_for()
            told = await page.locator("dl.sums dd").all_inner_texts()
        finally:
            await opened.close()
    assert told[0] == "+0" and told[1] != "−0", told


def _nothing_is_taken_out_unseen(export: Path, key: Path) -> None:
    """Each is done by somebody who lists it anew in the manifest, but has no key to sign with."""
    first, last, cut = slice(0, 1), slice(-1, None), export.with_name("cut.zip")
    for name, gone, told in (
        ("chain.jsonl", first, "does not follow the entry before it"),
        ("chain.jsonl", last, "it is missing, a checkpoint of the export is of"),
        ("incidents.jsonl", first, "incidents.jsonl was altered"),
    ):
        _without(export, cut, name, gone, is_listed=name == "chain.jsonl")
        assert told in _faults(cut, key), (name, gone)
    whole = export.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2):
        cut.write_bytes(whole[:size])
        assert _verified(cut, key) != VERIFIED, f"{size} bytes of {len(whole)}"


def _without(export: Path, to: Path, name: str, gone: slice, *, is_listed: bool) -> None:
    """The same export without some lines of a member; `is_listed`: the manifest is made to fit."""
    with zipfile.ZipFile(export) as bundle:
        members = {each: bundle.read(each) for each in bundle.namelist()}
    rows = members[name].splitlines(keepends=True)
    assert rows, f"{name} has no row to take out"
    del rows[gone]
    members[name] = b"".join(rows)
    if is_listed:
        manifest = json.loads(members["manifest.json"])
        digest = hashlib.sha256(members[name]).hexdigest()
        manifest["files"][name] = {"sha256": digest, "size": len(members[name])}
        manifest["chain"]["size"] = len(rows)
        members["manifest.json"] = json.dumps(manifest).encode()
    with to.open("wb") as file:
        bundle_again = BundleWriter(file)
        for each, content in members.items():
            bundle_again.add(each, content)
        bundle_again.close()


def _piece(listed: dict[str, Any], sha256: str) -> dict[str, Any]:
    return next(piece for piece in listed["items"] if piece["sha256"] == sha256)


async def _stored(client: httpx.AsyncClient, incident_id: str) -> dict[str, Any]:
    listed: dict[str, Any] = {}
    for _ in range(STORED_WITHIN_S * 2):
        answer = await client.get(f"/v1/incidents/{incident_id}/evidence")
        listed = answer.json()
        if listed.get("status") == "stored":
            return listed
        await asyncio.sleep(0.5)
    raise AssertionError(f"not stored within {STORED_WITHIN_S} s: {listed}")


async def _shown(client: httpx.AsyncClient, evidence_id: str) -> bytes:
    """The bytes by a link, and a part of them by a range, as a player asks for it."""
    link = await post(client, f"/v1/evidence/{evidence_id}/links", {"reason": "Review"})
    async with httpx.AsyncClient(base_url=client.base_url) as player:
        answer = await player.get(link["url"])
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        part = await player.get(link["url"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, answer.content[10:20])
        return answer.content


async def _exported(system: System, session_id: str, to: Path) -> None:
    """Once everything of the session is in its chain; a refusal says what is still awaited."""
    told = ""
    for _ in range(CHAINED_WITHIN_S):
        done = await asyncio.to_thread(
            subprocess.run,
            [str(PROCTOR), "export", session_id, "--to", str(to), "--evidence", "sealed"],
            env=system._env,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return
        told = done.stderr
        await asyncio.sleep(1)
    raise AssertionError(told)


def _verified(file: Path, key: Path) -> int:
    return _verify(file, key).returncode


def _faults(file: Path, key: Path) -> str:
    done = _verify(file, key)
    assert done.returncode != VERIFIED
    return done.stdout + done.stderr


def _verify(file: Path, key: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROCTOR), "verify", str(file), "--key", str(key)], capture_output=True, text=True
    )
