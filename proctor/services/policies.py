"""Policies: presets and a tenant's own, in versions that never change; attached once their tests pass."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proctor.domain.errors import Conflict, InvalidInput, NotFound, PolicyRefused
from proctor.domain.ids import TenantId
from proctor.domain.policies import StoredPolicy
from proctor.fusion.faults import admit_policy
from proctor.fusion.overrides import NOTHING, Overrides, overridden
from proctor.fusion.policy import Policy, parse_policy
from proctor.ports import Clock, ExamStore, PolicyStore

RunCases = Callable[[str, Sequence[str]], Sequence[str]]
"""A policy's text and its test cases in, one line per failure out, which names the rule. Pure."""


class PolicyVersion(Conflict):
    """The text has another version than the next one."""

    code = "policy/version"


class PolicyReserved(Conflict):
    """The id is a preset's."""

    code = "policy/reserved"


class PolicyRetired(Conflict):
    """No new exam and no new version takes it."""

    code = "policy/retired"


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """One version of a tenant's own policy."""

    policy_id: str
    version: int


class Policies:
    """Stores, finds and attaches policies."""

    def __init__(
        self,
        store: PolicyStore,
        exams: ExamStore,
        presets: Mapping[str, str],
        clock: Clock,
        run_cases: RunCases,
    ) -> None:
        """Check the presets, once.

        Args:
            store: Where tenants' policies are kept.
            exams: Where tenants are kept.
            presets: Policies by name, as YAML.
            clock: Time.
            run_cases: Plays a policy's test cases.

        Raises:
            PolicyRefused: A preset that may not be attached.
        """
        self._store = store
        self._exams = exams
        self._clock = clock
        self._run_cases = run_cases
        self._presets = {name: (text, admit_policy(text)) for name, text in presets.items()}
        self._failures: dict[tuple[TenantId, str, int], tuple[str, ...]] = {}
        self._playing = asyncio.Lock()

    @property
    def presets(self) -> Sequence[Policy]:
        """What is there for everybody, by name."""
        return [policy for _, (_, policy) in sorted(self._presets.items())]

    def preset(self, policy_id: str) -> tuple[Policy, str] | None:
        """A preset by its id, with its text; None when it is no preset's id."""
        found = (each for each in self._presets.values() if each[1].id == policy_id)
        return next(((policy, text) for text, policy in found), None)

    async def create(
        self, tenant_id: TenantId, text: str, tests: Sequence[str] = ()
    ) -> StoredPolicy:
        """Store a policy, or the next version of one.

        Raises:
            PolicyRefused: Everything that is wrong with the text.
            PolicyReserved: Its id is a preset's.
            PolicyVersion: It is not the next version.
            PolicyRetired: The policy was retired.
        """
        policy = await asyncio.to_thread(admit_policy, text)  # seconds, for one that is all wrong
        if policy.provenance is not None:
            raise PolicyRefused(
                "A policy of its own states no provenance: leave it out.", "policy/invalid", ()
            )
        if policy.id in self._presets or policy.id in {own.id for own in self.presets}:
            raise PolicyReserved(f"{policy.id} is a preset's name: give the policy an id of yours.")
        await self._exams.ensure_tenant(tenant_id, tenant_id)
        stored = StoredPolicy(
            tenant_id=tenant_id,
            policy_id=policy.id,
            version=policy.version,
            text=text,
            tests=tuple(tests),
            created_at=self._clock.now(),
        )
        try:
            await self._store.add_policy(stored)
        except Conflict:
            raise await self._refusal(tenant_id, policy.id) from None
        return stored

    async def _refusal(self, tenant_id: TenantId, policy_id: str) -> Conflict:
        try:
            newest = await self._store.get_policy(tenant_id, policy_id)
        except NotFound:
            return PolicyVersion(f"{policy_id} is new: send it as version 1.")
        if newest.retired_at is not None:
            return PolicyRetired(f"{policy_id} is retired: give the policy another id.")
        return PolicyVersion(
            f"{policy_id} has version {newest.version}: send the text as version "
            f"{newest.version + 1}; a stored version never changes."
        )

    async def get(
        self, tenant_id: TenantId, policy_id: str, version: int | None = None
    ) -> StoredPolicy:
        """That version, or the newest. Raises `NotFound`."""
        return await self._store.get_policy(tenant_id, policy_id, version)

    async def list(
        self, tenant_id: TenantId, after: str | None, limit: int
    ) -> Sequence[StoredPolicy]:
        """The newest version of each, by id, after a cursor."""
        return await self._store.list_policies(tenant_id, after, limit)

    async def retire(self, tenant_id: TenantId, policy_id: str) -> StoredPolicy:
        """No new exam takes it from now on; exams that have it keep it. Raises `NotFound`."""
        await self._store.retire_policy(tenant_id, policy_id, self._clock.now())
        return await self._store.get_policy(tenant_id, policy_id)

    async def attach(
        self,
        tenant_id: TenantId,
        choice: str | PolicyChoice,
        overrides: Overrides = NOTHING,
        language: str | None = None,
    ) -> tuple[Policy, str]:
        """The policy of a new exam, and its text.

        A tenant's own policy must pass its tests as it is stored; overrides only make it quieter.

        Raises:
            InvalidInput: No such preset, policy or version (`policy/unknown`), or an override that
                cannot be (`policy/override`).
            PolicyRetired: It was retired.
            PolicyRefused: Its tests fail (`policy/tests-failed`), or what the overrides make of it is
                no policy that may be attached.
        """
        if isinstance(choice, str):
            text = await self.text_of(tenant_id, choice)
        else:
            text = await self._own(tenant_id, choice)
        text = await asyncio.to_thread(overridden, text, overrides, language)
        return await asyncio.to_thread(parse_policy, text), text

    async def text_of(self, tenant_id: TenantId, choice: str | PolicyChoice) -> str:
        """A preset's text, or that of a version of the tenant's own, whether its tests pass or not.

        Raises `InvalidInput` (`policy/unknown`).
        """
        if not isinstance(choice, str):
            try:
                found = await self._store.get_policy(tenant_id, choice.policy_id, choice.version)
            except NotFound:
                raise InvalidInput(
                    "You have no such policy or version.", "policy/unknown"
                ) from None
            return found.text
        if choice not in self._presets:
            known = ", ".join(sorted(self._presets)) or "none"
            raise InvalidInput(f"No such policy; known are: {known}.", "policy/unknown")
        return self._presets[choice][0]

    async def _own(self, tenant_id: TenantId, choice: PolicyChoice) -> str:
        try:
            stored = await self._store.get_policy(tenant_id, choice.policy_id, choice.version)
        except NotFound:
            raise InvalidInput(
                "You have no such policy or version; GET /v1/policies lists yours.",
                "policy/unknown",
            ) from None
        if stored.retired_at is not None:
            raise PolicyRetired(f"{choice.policy_id} is retired: choose another policy.")
        await asyncio.to_thread(admit_policy, stored.text)
        key = (tenant_id, stored.policy_id, stored.version)
        async with self._playing:  # seconds of a processor: once for a version, and one at a time
            if key not in self._failures:
                played = await asyncio.to_thread(self._run_cases, stored.text, stored.tests)
                self._failures[key] = tuple(played)
        if failures := self._failures[key]:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise PolicyRefused(
                f"The policy's tests fail: {failures[0]}{more}", "policy/tests-failed", failures
            )
        return stored.text
