"""`PolicyStore`: what the fake and SQL both do."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import TenantId
from proctor.domain.policies import StoredPolicy
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, OTHER


def policy(policy_id: str = "maths", version: int = 1, tenant_id: TenantId = ACME) -> StoredPolicy:
    return StoredPolicy(
        tenant_id=tenant_id,
        policy_id=policy_id,
        version=version,
        text=f"id: {policy_id}\nversion: {version}  # Prüfung\r\n",
        tests=("name: ein Fall\n", "name: another\n"),
        created_at=NOON + timedelta(minutes=version),
    )


async def test_a_version_comes_back_as_it_was_given(furnished: Relational) -> None:
    store = furnished.policies
    await store.add_policy(policy())
    await store.add_policy(policy(version=2))
    assert await store.get_policy(ACME, "maths", 1) == policy()
    assert await store.get_policy(ACME, "maths") == policy(version=2)


async def test_versions_have_no_holes_and_never_change(furnished: Relational) -> None:
    store = furnished.policies
    with pytest.raises(Conflict):
        await store.add_policy(policy(version=2))
    await store.add_policy(policy())
    for version in (1, 3):
        with pytest.raises(Conflict):
            await store.add_policy(replace(policy(version=version), text="id: other\n"))
    assert await store.get_policy(ACME, "maths") == policy()


async def test_of_many_who_store_the_next_version_at_once_one_does(furnished: Relational) -> None:
    texts = [replace(policy(), text=f"id: maths  # {number}\n") for number in range(5)]
    done = await asyncio.gather(
        *(furnished.policies.add_policy(each) for each in texts), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Conflict"] * 4 + ["NoneType"]
    stored = texts[done.index(None)]
    assert await furnished.policies.get_policy(ACME, "maths") == stored


async def test_another_tenant_s_is_not_there_and_its_ids_are_its_own(
    furnished: Relational,
) -> None:
    store = furnished.policies
    await store.add_policy(policy())
    for version in (None, 1):
        with pytest.raises(NotFound):
            await store.get_policy(OTHER, "maths", version)
    with pytest.raises(NotFound):
        await store.retire_policy(OTHER, "maths", NOON)
    await store.add_policy(policy(tenant_id=OTHER))
    assert await store.list_policies(OTHER, None, 10) == [policy(tenant_id=OTHER)]
    assert (await store.get_policy(ACME, "maths")).retired_at is None


async def test_what_is_not_there(furnished: Relational) -> None:
    store = furnished.policies
    with pytest.raises(NotFound):
        await store.get_policy(ACME, "maths")
    with pytest.raises(NotFound):
        await store.retire_policy(ACME, "maths", NOON)
    with pytest.raises(NotFound):
        await store.add_policy(policy(tenant_id=TenantId("nobody")))
    await store.add_policy(policy())
    with pytest.raises(NotFound):
        await store.get_policy(ACME, "maths", 2)


async def test_pages_show_the_newest_version_of_each(furnished: Relational) -> None:
    store = furnished.policies
    for policy_id in ("c", "a", "b", "d"):
        await store.add_policy(policy(policy_id))
    await store.add_policy(policy("b", 2))
    first = await store.list_policies(ACME, None, 3)
    assert [(each.policy_id, each.version) for each in first] == [("a", 1), ("b", 2), ("c", 1)]
    assert await store.list_policies(ACME, "c", 3) == [policy("d")]


async def test_a_retired_policy_stays_readable_and_takes_no_version(
    furnished: Relational,
) -> None:
    store = furnished.policies
    await store.add_policy(policy())
    await store.add_policy(policy(version=2))
    await store.retire_policy(ACME, "maths", NOON)
    await store.retire_policy(ACME, "maths", NOON + timedelta(hours=1))
    for version in (1, 2):
        found = await store.get_policy(ACME, "maths", version)
        assert found == replace(policy(version=version), retired_at=NOON)
    with pytest.raises(Conflict):
        await store.add_policy(policy(version=3))
    assert [each.retired_at for each in await store.list_policies(ACME, None, 9)] == [NOON]
