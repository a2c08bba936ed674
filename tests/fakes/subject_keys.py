"""Keys of candidates in memory: real AES-GCM, so that moved and altered bytes do not open here either."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import CandidateId, TenantId
from tests.fakes.outage import Outage


class FakeSubjectKeys(Outage):
    """`SubjectKeys` in memory. `keys` holds None for a candidate whose key was destroyed."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[tuple[TenantId, CandidateId], bytes | None] = {}

    async def seal(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, plain: bytes
    ) -> bytes:
        self._reach()
        key = self.keys.setdefault((tenant_id, candidate_id), AESGCM.generate_key(256))
        if key is None:
            raise NotFound("the candidate's key was destroyed")
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(key).encrypt(nonce, plain, _about(tenant_id, candidate_id, name))

    async def open(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, sealed: bytes
    ) -> bytes:
        self._reach()
        key = self.keys.setdefault((tenant_id, candidate_id), AESGCM.generate_key(256))
        if key is None:
            raise NotFound("the candidate's key was destroyed")
        try:
            about = _about(tenant_id, candidate_id, name)
            return AESGCM(key).decrypt(sealed[:12], sealed[12:], about)
        except (InvalidTag, ValueError):
            raise InvalidInput("sealed data were altered or moved", "keys/unreadable") from None

    async def destroy(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        self._reach()
        self.keys[tenant_id, candidate_id] = None


def _about(*parts: str) -> bytes:
    return "\x1f".join(parts).encode()
