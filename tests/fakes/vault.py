"""A stand-in for Vault's transit engine: the same paths, bodies and errors, over real HTTP.

Written after the documented API (encrypt, decrypt, rotate and read of an aes256-gcm96 key); no Vault
binary can be had where these tests run.
"""

import base64
import json
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.stand-in"
_PATH = re.compile(r"/v1/([\w/-]+)/(encrypt|decrypt|keys)/([\w.-]+?)(/rotate)?")


@dataclass
class FakeVault:
    """Keys by mount and name; `status` answers every call with an error, `slow_s` makes it wait."""

    keys: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    least_version: int = 1
    status: int = 0
    slow_s: float = 0.0
    calls: list[str] = field(default_factory=list)

    def start(self) -> "FakeVault":
        vault = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                token = self.headers.get("X-Vault-Token", "")
                status, told = vault.answer(self.command, self.path, token, body)
                text = b"" if told is None else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(
        self, method: str, path: str, token: str, body: dict[str, str]
    ) -> tuple[int, dict[str, Any] | None]:
        time.sleep(self.slow_s)
        self.calls.append(f"{method} {path}")
        if self.status:
            return self.status, {"errors": ["Vault is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        found = _PATH.fullmatch(path)
        if found is None:
            return 404, {"errors": ["no handler for route"]}
        mount, what, name, rotate = found.groups()
        versions = self.keys.get((mount, name))
        if versions is None:
            status = 404 if what == "keys" else 400
            return status, {"errors": ["encryption key not found"]}
        if rotate:
            versions.append(AESGCM.generate_key(256))
            return 204, None
        if what == "keys":
            numbers = {str(number): 0 for number in range(1, len(versions) + 1)}
            return 200, {"data": {"keys": numbers, "latest_version": len(versions)}}
        associated = base64.b64decode(body.get("associated_data", ""))
        if what == "encrypt":
            nonce = secrets.token_bytes(12)
            plain = base64.b64decode(body["plaintext"])
            sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, plain, associated)
            told = f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}"
            return 200, {"data": {"ciphertext": told, "key_version": len(versions)}}
        return self._decrypt(versions, body["ciphertext"], associated)

    def _decrypt(
        self, versions: list[bytes], ciphertext: str, associated: bytes
    ) -> tuple[int, dict[str, Any]]:
        head = re.fullmatch(r"vault:v(\d+):(.*)", ciphertext)
        if head is None:
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        version = int(head[1])
        if version < self.least_version:
            return 400, {"errors": ["ciphertext version is disallowed by policy (too old)"]}
        if version > len(versions):
            return 400, {"errors": ["invalid ciphertext: version is too new"]}
        try:
            sealed = base64.b64decode(head[2], validate=True)
        except ValueError:
            return 400, {"errors": ["invalid ciphertext: could not decode base64"]}
        try:
            plain = AESGCM(versions[version - 1]).decrypt(sealed[:12], sealed[12:], associated)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}
