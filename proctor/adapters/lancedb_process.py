"""Talks to the process that holds LanceDB: starts it when needed, again when it has ended."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from proctor.domain.errors import StateStoreUnavailable

_CHILD = Path(__file__).with_name("lancedb_child.py")


class LanceProcess:
    """Calls are answered one after another; from coroutines, call in a thread.

    Args:
        uri: Folder or object-store address of the LanceDB.
        idle_s: After this long without a call the process ends, and its memory is free again.
        patience_s: How long an answer is waited for, the start of the process included.
    """

    def __init__(self, uri: str, idle_s: float = 30.0, patience_s: float = 30.0) -> None:
        self._uri = uri
        self._idle_s = idle_s
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask and wait. Every request may be repeated, and is, when the process had just ended.

        Raises `StateStoreUnavailable` when there is no answer, or an error for one.
        """
        with self._turn:
            answer = self._ask(request)
            if answer is None:
                answer = self._ask(request)
        if answer is None:
            raise StateStoreUnavailable("the face index does not answer")
        if "error" in answer:
            raise StateStoreUnavailable(f"the face index failed ({answer['error']})")
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self._end()
            return None
        with selectors.DefaultSelector() as answers:
            answers.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if answers.select(self._patience_s) else b""
        if not line:
            self._end()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _running(self) -> "subprocess.Popen[bytes]":
        if self.pid is None:
            self._end()
            self._process = subprocess.Popen(
                # -P: its own folder, where a `logging.py` lies, must not come first on the path.
                [sys.executable, "-P", str(_CHILD), self._uri, str(self._idle_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"LANCEDB_LOG": "error"},
                process_group=0,  # a Ctrl-C is for the launcher; the child ends with its parent
            )
        assert self._process is not None
        return self._process

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
        """End the process. Idempotent; a later call starts it again."""
        with self._turn:
            self._end()
