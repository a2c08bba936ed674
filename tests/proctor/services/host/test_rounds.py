import asyncio
from collections.abc import Sequence

import pytest

from proctor.services.deadline import TimedOut, within
from proctor.services.host.rounds import MOST_ASKS, MOST_BYTES, Group, GroupRounds, Look, calls
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics


def look(number: int, size_bytes: int = 1_000) -> Look[int, int]:
    def ignore(_answer: int = 0) -> None:
        pass

    return Look(ask=number, size_bytes=size_bytes, answered=ignore, unanswered=ignore)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1] * 16, [16]),
        ([1] * 40, [16, 16, 8]),
        ([MOST_BYTES // 2] * 5, [2, 2, 1]),
        ([MOST_BYTES + 1, 1, 1], [1, 2]),
    ],
)
def test_a_round_is_split_by_number_and_by_size(sizes: list[int], expected: list[int]) -> None:
    looks = [look(number, size) for number, size in enumerate(sizes)]
    split = list(calls(looks))
    assert [len(call) for call in split] == expected
    assert [each.ask for call in split for each in call] == list(range(len(sizes)))


class Doubler:
    """A model group that doubles numbers; 13 kills its call, 99 makes it hang."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def ask(self, numbers: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(numbers))
        if 13 in numbers:
            raise RuntimeError("unlucky")
        if 99 in numbers:
            await asyncio.Event().wait()
        if 7 in numbers:
            return [14]
        return [2 * number for number in numbers]


class Round:
    """One group with what came of its looks."""

    def __init__(self) -> None:
        self.clock, self.metrics, self.model = FakeClock(), FakeMetrics(), Doubler()
        self.answers: dict[int, int] = {}
        self.unanswered: list[int] = []
        self.took: list[tuple[Group, int, bool]] = []
        self.rounds = GroupRounds[int, int](
            group=Group.FACE,
            ask=self.model.ask,
            deadline_ms=2_000,
            took=lambda *took: self.took.append(took),
            clock=self.clock,
            metrics=self.metrics,
        )

    def start(self, numbers: Sequence[int]) -> None:
        self.rounds.start(
            [
                Look(
                    ask=number,
                    size_bytes=1,
                    answered=lambda answer, number=number: self.answers.update({number: answer}),
                    unanswered=lambda number=number: self.unanswered.append(number),
                )
                for number in numbers
            ]
        )


async def test_answers_go_back_to_who_asked() -> None:
    round_ = Round()
    round_.start(range(20, 60))
    assert round_.rounds.is_busy
    await round_.clock.advance(10)
    assert round_.answers == {number: 2 * number for number in range(20, 60)}
    assert [len(batch) for batch in round_.model.batches] == [MOST_ASKS, MOST_ASKS, 8]
    assert not round_.rounds.is_busy and round_.took == [(Group.FACE, 0, True)]
    assert round_.metrics.counted("host_calls", outcome="answered") == 3


@pytest.mark.parametrize("bad", [13, 7])
async def test_a_call_that_fails_takes_no_other_with_it(
    bad: int, caplog: pytest.LogCaptureFixture
) -> None:
    round_ = Round()
    round_.start([bad, *range(20, 50)])
    await round_.clock.advance(10)
    assert len(round_.answers) == 15 and len(round_.unanswered) == MOST_ASKS
    assert round_.metrics.counted("host_calls", outcome="failed") == 1
    assert len(caplog.records) == 1


async def test_an_answer_that_cannot_be_taken_leaves_the_others_theirs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    round_ = Round()

    def refuse(_answer: int) -> None:
        raise ValueError("not this one")

    broken = Look(
        ask=5, size_bytes=1, answered=refuse, unanswered=lambda: round_.unanswered.append(5)
    )
    taken = Look(
        ask=6,
        size_bytes=1,
        answered=lambda answer: round_.answers.update({6: answer}),
        unanswered=lambda: round_.unanswered.append(6),
    )
    round_.rounds.start([broken, taken])
    await round_.clock.advance(10)
    assert round_.answers == {6: 12} and round_.unanswered == []
    assert round_.metrics.counted("host_calls", outcome="answered") == 1
    assert len(caplog.records) == 1


async def test_a_call_that_hangs_is_given_up_at_its_deadline() -> None:
    round_ = Round()
    round_.start([99])
    await round_.clock.advance(0)
    await round_.clock.advance(1_900)
    assert round_.rounds.is_busy and round_.unanswered == []
    await round_.clock.advance(200)
    assert not round_.rounds.is_busy and round_.unanswered == [99]
    assert round_.took == [(Group.FACE, 2_000, False)]
    round_.start([4])
    await round_.clock.advance(10)
    assert round_.answers == {4: 8}


async def test_closing_gives_up_what_is_out() -> None:
    round_ = Round()
    round_.start([99])
    await round_.clock.advance(10)
    await round_.rounds.close()
    assert not round_.rounds.is_busy and round_.answers == {}


async def test_within_cancels_what_is_late_and_hands_on_what_fails() -> None:
    clock = FakeClock()
    cancelled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def broken() -> None:
        raise LookupError("broken")

    late = asyncio.create_task(within(clock, 500, forever()))
    await clock.advance(0)
    await clock.advance(600)
    with pytest.raises(TimedOut):
        await late
    assert cancelled.is_set()
    with pytest.raises(LookupError):
        await within(clock, 500, broken())
