"""The only code that loads MediaPipe, run in a process of its own by `mediapipe_tasks.py`.

Two reasons for a process. A task of MediaPipe 1.2.2 that the garbage collector closes can hang for ever
(its `__del__` submits to an executor whose lock may be held), and a call that hangs cannot be taken back
from a thread. And since 0.10.35 its wheels report usage to a server of their maker, without a setting
against it: so this process can open no internet socket at all, which a filter of the kernel sees to.

It imports nothing of ours: it is started by file name. Protocol: a request is a line of JSON, followed by
as many raw bytes as its `bytes` says; an answer is a line of JSON. First the task, then pictures.
"""

import ctypes
import json
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

Found = list[dict[str, Any]]

_SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO | EPERM


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def cut_off() -> bool:
    """Forbid this process internet sockets (Linux seccomp); whether they are forbidden now.

    Only `socket(AF_INET or AF_INET6, ...)` is refused: pipes and files stay, and it needs no privilege.
    Called before anything starts a thread: a filter holds for its thread and those started by it.
    """
    known = _SOCKET_CALL.get(platform.machine())
    if known is not None:
        machine, call = known
        steps = [
            (_LOAD, 0, 0, 4),  # the architecture
            (_EQUAL, 0, 6, machine),
            (_LOAD, 0, 0, 0),  # the number of the call
            (_EQUAL, 0, 3, call),
            (_LOAD, 0, 0, 16),  # its first argument, the family
            (_EQUAL, 2, 0, socket.AF_INET),
            (_EQUAL, 1, 0, socket.AF_INET6),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
        ]
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
        program = _Program(len(steps), ctypes.addressof(code))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family).close()
        except PermissionError:
            continue
        except OSError:  # a machine without this family
            continue
        return False
    return True


def open_task(
    kind: str, content: bytes, limits: dict[str, float]
) -> tuple[Callable[[Any], Found], Any]:
    """A task and what reads a picture with it.

    Args:
        kind: `face_detector` or `pose_landmarker`.
        content: A .tflite or .task file.
        limits: `score` and `overlap` of faces, or `score` and `presence` of bodies.

    Returns:
        The reader of (h, w, 3) RGB, and the task, which is kept until it is closed.
    """
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.vision.core.image import Image, ImageFormat

    base = BaseOptions(model_asset_buffer=content)
    if kind == "face_detector":
        from mediapipe.tasks.python.vision.face_detector import FaceDetector, FaceDetectorOptions

        detector = FaceDetector.create_from_options(
            FaceDetectorOptions(
                base_options=base,
                min_detection_confidence=limits["score"],
                min_suppression_threshold=limits["overlap"],
            )
        )
        return lambda image: faces(detector.detect(Image(ImageFormat.SRGB, image))), detector
    from mediapipe.tasks.python.vision.pose_landmarker import PoseLandmarker, PoseLandmarkerOptions

    landmarker = PoseLandmarker.create_from_options(
        PoseLandmarkerOptions(
            base_options=base,
            min_pose_detection_confidence=limits["score"],
            min_pose_presence_confidence=limits["presence"],
        )
    )
    return lambda image: bodies(landmarker.detect(Image(ImageFormat.SRGB, image))), landmarker


def faces(result: Any) -> Found:
    """Boxes in pixels, key points in fractions of the picture."""
    return [
        {
            "box": [
                float(each.bounding_box.origin_x),
                float(each.bounding_box.origin_y),
                float(each.bounding_box.width),
                float(each.bounding_box.height),
            ],
            "score": float(each.categories[0].score),
            "points": [[float(point.x), float(point.y)] for point in each.keypoints],
        }
        for each in result.detections
    ]


def bodies(result: Any) -> Found:
    """33 joints each: x, y in fractions of the picture, and visibility."""
    return [
        {"points": [[float(each.x), float(each.y), float(each.visibility)] for each in joints]}
        for joints in result.pose_landmarks
    ]


def _request() -> tuple[dict[str, Any], bytes] | None:
    line = sys.stdin.buffer.readline()
    if not line:
        return None
    request: dict[str, Any] = json.loads(line)
    content = sys.stdin.buffer.read(request["bytes"])
    return (request, content) if len(content) == request["bytes"] else None


def main() -> None:
    """Open the task that is asked for and read pictures until the parent is gone."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever a library prints is no answer, and MediaPipe prints a lot
    os.dup2(nowhere, 2)

    def answer(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    first = _request()
    if first is None:
        return
    if not cut_off():
        answer({"error": "online"})
        return
    try:
        import numpy as np

        read, task = open_task(first[0]["task"], first[1], first[0]["limits"])
    except ImportError:
        answer({"error": "not_installed"})
        return
    except Exception as error:  # noqa: BLE001  # the border of the process: told to the parent
        answer({"error": "refused", "why": " ".join(str(error).split())[:200]})
        return
    answer({})
    try:
        while (request := _request()) is not None:
            height, width = request[0]["height"], request[0]["width"]
            try:
                image = np.frombuffer(request[1], np.uint8).reshape(height, width, 3)
                answer({"found": read(image)})
            except Exception as error:  # noqa: BLE001  # as above
                answer({"error": "failed", "why": type(error).__name__})
    finally:
        task.close()


if __name__ == "__main__":
    main()
