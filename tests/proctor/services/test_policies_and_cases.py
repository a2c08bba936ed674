"""A policy is attached when its cases, played for real, bring what they say; else the rule is named."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from proctor.domain.errors import InvalidInput, PolicyRefused
from proctor.domain.ids import TenantId
from proctor.services.policies import Policies, PolicyChoice
from proctor.services.policy_cases import run_cases
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.engines import policy_text
from tests.fakes.policies import FakePolicyStore
from tests.fakes.stores import FakeExamStore

ACME = TenantId("acme")
CASES = """cases:
  - name: nobody is in the picture for ten seconds
    seen:
      - {from_s: 0, to_s: 10, faces: 1, picture: clear}
      - {from_s: 10, to_s: 20, faces: 0, picture: clear}
      - {from_s: 20, to_s: 25, faces: 1, picture: clear}
    incidents:
      - {rule: nobody, opened_s: 10, closed_s: 20}
"""


@dataclass
class Desk:
    """The policies of one tenant, and which version is next."""

    policies: Policies
    version: int = 0

    async def attach(self, for_ms: int, cases: str = CASES) -> str:
        """Store the next version, whose rule waits so long, and attach it to an exam."""
        self.version += 1
        rule = {"id": "nobody", "when": {"signal": "no_face"}, "for_ms": for_ms}
        text = policy_text(rule, version=self.version)
        await self.policies.create(ACME, text, [cases])
        policy, _ = await self.policies.attach(ACME, PolicyChoice("test", self.version))
        return f"{policy.id} {policy.version}"


@pytest.fixture
def desk() -> Desk:
    database = FakeDatabase()
    return Desk(
        Policies(FakePolicyStore(database), FakeExamStore(database), {}, FakeClock(), run_cases)
    )


async def test_a_policy_that_breaks_its_own_case_is_not_attached_and_the_next_version_is(
    desk: Desk,
) -> None:
    with pytest.raises(PolicyRefused, match="nobody") as refused:
        await desk.attach(for_ms=15_000)
    assert refused.value.code == "policy/tests-failed"
    assert len(refused.value.faults) == 1
    assert await desk.attach(for_ms=3_000) == "test 2"


async def test_the_cases_of_a_version_are_played_once_whoever_asks_again() -> None:
    """A version never changes, so neither does what comes of its cases: asking costs nothing."""
    played: list[str] = []

    def counted(text: str, cases: Sequence[str]) -> Sequence[str]:
        played.append(text)
        return run_cases(text, cases)

    database = FakeDatabase()
    store, exams = FakePolicyStore(database), FakeExamStore(database)
    policies = Policies(store, exams, {}, FakeClock(), counted)
    rule = {"id": "nobody", "when": {"signal": "no_face"}, "for_ms": 15_000}
    await policies.create(ACME, policy_text(rule, version=1), [CASES])
    asked = [policies.attach(ACME, PolicyChoice("test", 1)) for _ in range(3)]
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(answer, PolicyRefused)
        assert "nobody" in answer.detail
    assert len(played) == 1


async def test_cases_that_cannot_be_read_attach_nothing(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        await desk.attach(for_ms=3_000, cases="cases: [")


async def test_while_a_policy_is_read_others_are_served(desk: Desk) -> None:
    """A text that is wrong in thousands of places takes seconds to read: nobody else waits for it."""
    text = "rules: [" + ",".join(["{a,b,c}"] * 1_000) + "]"
    reading = asyncio.create_task(desk.policies.create(ACME, text))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not reading.done()
    with pytest.raises(PolicyRefused):
        await reading
