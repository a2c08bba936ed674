"""Settings reach the workers as variables and read back as they were."""

import os
from pathlib import Path

import pytest

from deployments.environment import environment_of
from deployments.wiring import version_of
from proctor.settings import Settings, WebRtcSettings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PROCTOR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # no .env of ours


def test_settings_read_back_as_they_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        port=0,
        redis_url="redis://:s3cret@127.0.0.1:1/0",  # type: ignore[arg-type]
        webrtc=WebRtcSettings(stun_urls=["stun:x:1"], turn_secret="t"),  # type: ignore[arg-type]
        allowed_origins=["https://exams.example"],
        log_level="debug",
    ).resolved()
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    again = Settings()
    assert again == settings
    assert again.redis_url is not None
    assert again.redis_url.get_secret_value() == "redis://:s3cret@127.0.0.1:1/0"
    assert again.webrtc.turn_secret is not None
    assert again.webrtc.turn_secret.get_secret_value() == "t"


def test_another_setting_or_another_source_is_another_version(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    version = version_of("source", settings)
    assert version == version_of("source", Settings(home=tmp_path))
    assert version != version_of("source", settings.model_copy(update={"tick_ms": 400}))
    assert version != version_of("other", settings)


def test_a_host_elsewhere_is_none_the_older_for_its_node_s_own_address(tmp_path: Path) -> None:
    here = Settings(home=tmp_path, webrtc=WebRtcSettings(bind_address="192.0.2.1"))
    there = Settings(
        home=tmp_path,
        webrtc=WebRtcSettings(bind_address="192.0.2.2", advertised_address="198.51.100.2"),
    )
    assert version_of("source", here) == version_of("source", there)
    slower = here.model_copy(update={"webrtc": WebRtcSettings(video_fps=2)})
    assert version_of("source", here) != version_of("source", slower)
