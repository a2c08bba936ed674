"""A real person looks left in a real browser: one explained alert, in the right seconds, and no other."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.support import footage
from tests.e2e.support.browser import candidate_page
from tests.e2e.support.system import (
    System,
    assert_coverage_adds_up,
    get_session,
    new_session,
    post,
    session_alerts,
)

pytestmark = pytest.mark.e2e


async def test_looking_left_opens_looking_away_and_speech_is_heard(
    system: System, media: Path, tmp_path: Path
) -> None:
    video, sound = tmp_path / "camera.y4m", tmp_path / "microphone.wav"
    clip_s = footage.write_gaze_clip(video, media)
    footage.write_speech(sound, media / "audio" / "jfk.flac")

    async with system.client() as client:
        session_id, join_url = await new_session(client, "gaze")
        async with candidate_page(f"{join_url}&auto=1", video, sound) as candidate:
            session = await get_session(client, session_id)
            for _ in range(100):
                session = await get_session(client, session_id)
                states = {p["modality"]: p["state"] for p in session["coverage"]}
                if states.get("video") == states.get("audio") == "monitored":
                    break
                await asyncio.sleep(0.1)
            monitored = [p for p in session["coverage"] if p["state"] == "monitored"]
            assert {p["modality"] for p in monitored} == {"video", "audio"}, candidate.problems
            assert all(p["start_ms"] <= 5_000 for p in monitored)

            camera_at = await candidate.camera_started_at()
            lead_s = (datetime.fromisoformat(session["started_at"]) - camera_at).total_seconds()
            await asyncio.sleep(max(clip_s - lead_s - 2.0, 0))
            await post(client, f"/v1/sessions/{session_id}/end", {})
            assert candidate.problems == []

        session = await get_session(client, session_id)
        alerts = await session_alerts(client, session_id)

    assert_coverage_adds_up(session)
    opened = [alert for alert in alerts if alert["transition"] == "opened"]
    away = [alert for alert in opened if alert["rule_id"] == "looking_away"]
    assert len(away) == 1, [(a["rule_id"], a["occurred_ms"]) for a in opened]
    clip_time_s = away[0]["occurred_ms"] / 1000 + lead_s
    assert 5.0 <= clip_time_s <= 10.0
    assert away[0]["frame_digest"]
    assert away[0]["producers"]
    assert "speech" in {alert["rule_id"] for alert in opened}
    # the speech is another recording's: nobody in the clip opens their mouth, and to say so is right
    told = {alert["rule_id"] for alert in opened}
    assert told <= {"looking_away", "speech", "voice_without_lips"}
