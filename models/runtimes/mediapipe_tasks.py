"""MediaPipe's Tasks in a process of their own, under a watchdog, without a network.

Why a process: see mediapipe_child.py. A call that is not answered in time ends the process; the next one
starts it again.
"""

import contextlib
import json
import math
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ExtraMissing, ModelFileError, ModelOutputInvalid
from proctor.domain.media import Image

_CHILD = Path(__file__).with_name("mediapipe_child.py")
OPENING_S = 60.0
"""Importing MediaPipe takes 1.3 s on an idle core."""
ANSWER_S = 5.0
"""A face detection takes 8 ms; what takes longer than this hangs."""

_WHY = {
    "online": "MediaPipe reports usage to its maker, and this machine cannot forbid it (seccomp on Linux)",
    "not_installed": "MediaPipe is not installed: pip install --no-deps mediapipe==1.2.2 and absl-py, "
    "certifi, flatbuffers, matplotlib, sounddevice (the extra `mediapipe`)",
}


@dataclass(frozen=True, slots=True)
class TaskFinding:
    """What a task found: one face or one body.

    Attributes:
        points: Key points or joints: x and y in fractions of the picture, joints with visibility.
        box: Left, top, width, height in pixels; None for bodies.
        score: 0..1; None for bodies.
    """

    points: tuple[tuple[float, ...], ...]
    box: tuple[float, float, float, float] | None = None
    score: float | None = None


class MediaPipeTask:
    """One task. Calls are answered one after another; from coroutines, call in a thread."""

    def __init__(
        self,
        name: str,
        kind: str,
        content: bytes,
        limits: Mapping[str, float],
        *,
        answer_s: float = ANSWER_S,
        child: Path = _CHILD,
    ) -> None:
        """Start the process and open the task.

        Args:
            name: Manifest id, for messages.
            kind: `face_detector` or `pose_landmarker`.
            content: The file's verified bytes (.tflite or .task).
            limits: `score` and `overlap` of a face detector, `score` and `presence` of a pose landmarker.
            answer_s: How long an answer is waited for.
            child: The program that is started.

        Raises:
            ModelFileError: MediaPipe is not installed (`ExtraMissing`), or refuses the file, or cannot
                be cut off.
        """
        self._name = name
        self._opening = {"task": kind, "limits": dict(limits)}
        self._content = content
        self._answer_s = answer_s
        self._child = child
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._start()

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def find(self, image: Image) -> list[TaskFinding]:
        """Everything in (h, w, 3) RGB.

        Raises:
            ModelOutputInvalid: No answer in time, or one that is none.
        """
        height, width = image.shape[:2]
        with self._turn:
            if self._closed:
                raise ModelOutputInvalid(f"{self._name} is closed")
            try:
                self._start()
            except ModelFileError as error:  # it could be opened before
                raise ModelOutputInvalid(error.detail) from error
            told = self._ask({"height": height, "width": width}, image.tobytes(), self._answer_s)
        if told is None:
            raise ModelOutputInvalid(f"{self._name} did not answer within {self._answer_s:.0f} s")
        if "found" not in told:
            raise ModelOutputInvalid(f"{self._name} failed ({told.get('why')})")
        return [self._finding(one) for one in told["found"]]

    def _finding(self, one: dict[str, Any]) -> TaskFinding:
        points = tuple(tuple(point) for point in one["points"])
        numbers = [number for point in points for number in point]
        box, score = one.get("box"), one.get("score")
        numbers += [] if box is None else [*box, score]
        if not all(math.isfinite(number) for number in numbers):
            raise ModelOutputInvalid(f"{self._name} answered with numbers that are not finite")
        return TaskFinding(points, None if box is None else tuple(box), score)

    def _start(self) -> None:
        if self.pid is not None:
            return
        self._end()
        self._process = subprocess.Popen(
            # -P: its own folder, where an `onnx.py` lies, must not come first on the path.
            [sys.executable, "-P", str(self._child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # a Ctrl-C is for the launcher; the child ends with its parent
        )
        told = self._ask(self._opening, self._content, OPENING_S)
        if told is None or "error" in told:
            self._end()
            reason = "its process ended" if told is None else told["error"]
            why = _WHY.get(reason) or (told or {}).get("why") or reason
            kind = ExtraMissing if reason == "not_installed" else ModelFileError
            raise kind(f"{self._name} cannot be opened by MediaPipe: {why}")

    def _ask(
        self, request: dict[str, Any], content: bytes, within_s: float
    ) -> dict[str, Any] | None:
        """The answer; None when there was none in time, and the process is ended."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        # a child that hangs reads nothing, and a pipe holds 64 kB: writing is under the watchdog, too
        dog = threading.Timer(within_s, process.kill)
        dog.daemon = True
        dog.start()
        try:
            process.stdin.write(json.dumps(request | {"bytes": len(content)}).encode() + b"\n")
            process.stdin.write(content)
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            dog.cancel()
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:  # nothing, or half a line: it ended while it answered
            self._end()
            return None
        return told

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(
                    BrokenPipeError
                ):  # what was written may still wait in there
                    stream.close()

    def close(self) -> None:
        """Close the task and end its process: at first kindly, after two seconds not. Idempotent."""
        with self._turn:
            self._closed = True
            process = self._process
            if process is not None and process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=2)
            self._end()
