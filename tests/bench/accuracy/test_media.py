"""A folder of labelled media: what is read, and that nothing missing is more than a line."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.media import Media, Turn, read_sound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("labels", "images/lfw/Ada", "images/detect", "images/antispoof", "audio/set/one"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "video").mkdir()
    return tmp_path


def test_an_empty_folder_is_told_line_by_line(tmp_path: Path) -> None:
    media = Media(tmp_path)
    assert media.people() == {} and media.pairs() == [] and media.posed_faces() == []
    assert media.looks() == [] and media.recordings() == [] and media.lone_voices() == []
    assert media.group_photos() == [] and media.spoof_pictures() == []
    told = "\n".join(media.remarks)
    for name in ("images/lfw", "lfw_pairs.csv", "headpose_*.csv", "gaze_videos.csv", "*.rttm"):
        assert name in told
    assert all("\n" not in line for line in media.remarks)


def test_paths_of_our_own_mean_this_folder_others_the_layout(folder: Path) -> None:
    (folder / "labels" / "lfw_pairs.csv").write_text(
        "fold,file_x,file_y,same\n0,dev/images/lfw/Ada/1.jpg,Ada/2.jpg,1\n0,Ada/1.jpg,Bob/1.jpg,0\n"
    )
    same, other = Media(folder).pairs()
    assert same.one == folder / "images" / "lfw" / "Ada" / "1.jpg"
    assert same.other == folder / "images" / "lfw" / "Ada" / "2.jpg"
    assert same.same and not other.same


def test_head_poses_of_any_set_are_read_and_bad_lines_told(folder: Path) -> None:
    (folder / "images" / "mine").mkdir()
    (folder / "images" / "mine" / "a.jpg").write_bytes(b"")
    (folder / "labels" / "headpose_mine.csv").write_text(
        "file,yaw_deg,pitch_deg,roll_deg\na.jpg,1,2,3\nb.jpg,1,2,3\na.jpg,one,2,3\nshort\n"
    )
    media = Media(folder)
    (face,) = media.posed_faces()
    assert (face.yaw_deg, face.pitch_deg, face.roll_deg) == (1, 2, 3)
    assert any("b.jpg is missing" in line for line in media.remarks)
    assert any("no number" in line for line in media.remarks)
    assert any("1 lines lack one of" in line for line in media.remarks)


def test_turns_find_their_sound_by_its_name_or_the_set_s(folder: Path) -> None:
    for name in ("audio/set_a.wav", "audio/b.wav", "audio/set/one/lone.wav"):
        (folder / name).write_bytes(b"")
    (folder / "labels" / "set.rttm").write_text(
        "SPEAKER a 1 2.0 1.5 <NA> <NA> y <NA> <NA>\nSPEAKER a 1 0.5 1.0 <NA> <NA> x <NA> <NA>\n"
        "SPEAKER b 1 0 1 <NA> <NA> x\nSPEAKER c 1 0 1 <NA> <NA> x\nSPEAKER a 1 broken\n"
    )
    media = Media(folder)
    first, second = media.recordings()
    assert first.sound.name == "set_a.wav" and first.labels == "set"
    assert first.turns == (Turn("x", 0.5, 1.5), Turn("y", 2.0, 3.5)), "by time"
    assert second.sound.name == "b.wav"
    assert any("no sound is called c" in line for line in media.remarks)
    assert any("no RTTM" in line for line in media.remarks)
    assert [path.name for path in media.lone_voices()] == ["lone.wav"]


def test_how_many_faces_a_photo_has_is_in_a_label_file_or_in_the_readme(folder: Path) -> None:
    (folder / "images" / "detect" / "crowd.png").write_bytes(b"")
    (folder / "README.md").write_text(
        "| file | checked |\n|---|---|\n| images/detect/crowd.png | here | 12 faces (by eye) |\n"
        "| images/detect/gone.png | here | 1 face |\n| images/detect/crowd.jpg | faces found |\n"
    )
    assert [(p.name, n) for p, n in Media(folder).group_photos()] == [("crowd.png", 12)]
    (folder / "labels" / "faces.csv").write_text("file,faces\ncrowd.png,13\n")
    assert [(p.name, n) for p, n in Media(folder).group_photos()] == [("crowd.png", 13)]


def test_the_name_of_a_picture_says_whether_it_is_live(folder: Path) -> None:
    for name in ("a_live.jpg", "b_spoof.png", "c.jpg"):
        (folder / "images" / "antispoof" / name).write_bytes(b"")
    assert [(p.name, live) for p, live in Media(folder).spoof_pictures()] == [
        ("a_live.jpg", True),
        ("b_spoof.png", False),
    ]


def test_sound_of_any_rate_is_heard_at_16_khz(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes((tone * 16_000).astype(np.int16).tobytes())
    heard = read_sound(tmp_path / "tone.wav")
    assert heard.dtype == np.float32 and len(heard) == pytest.approx(16_000, abs=200)
    spectrum = np.abs(np.fft.rfft(heard[:16_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)
    (tmp_path / "none.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"none\.wav holds no sound"):
        read_sound(tmp_path / "none.wav")
