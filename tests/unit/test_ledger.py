from __future__ import annotations

import asyncio

import pytest
from fakes.records import generation, records

from imagegenservice.errors import EngineAway, OutcomeUnknown
from imagegenservice.ledger import Ledger
from imagegenservice.model import PaidCall
from imagegenservice.records import HeldByAnother, Records, finished, now
from imagegenservice.telemetry import Metrics

HOLDER = "h-1"


async def opened(store: Records, *calls: PaidCall, retries: int = 0) -> Ledger:
    claim = await store.add(generation(ledger=calls), HOLDER)
    return Ledger(claim, retries, Metrics())


async def outcomes(store: Records) -> list[str]:
    return [call.outcome for call in (await store.get("g1")).ledger]


async def decline(ledger: Ledger) -> None:
    async with ledger.paid_call("e") as slot:
        slot.declined("429")
        raise EngineAway


async def answer_and_fail(ledger: Ledger) -> None:
    async with ledger.paid_call("e") as slot:
        slot.answered()
        raise RuntimeError("no picture")


def call(outcome: str) -> PaidCall:
    return PaidCall.model_validate({"id": outcome, "engine": "e", "started_at": now(), "outcome": outcome})


async def test_the_intent_is_stored_before_the_call_and_its_outcome_after_it() -> None:
    store = records()
    ledger = await opened(store)
    async with ledger.paid_call("gemini/x") as slot:
        assert await outcomes(store) == ["open"]
        assert ledger.calling
        slot.answered(model_version="x-001", usage={"in": 5}, detail="ok")
    [line] = (await store.get("g1")).ledger
    assert (line.engine, line.outcome, line.model_version, line.usage) == (
        *("gemini/x", "answered", "x-001"),
        {"in": 5},
    )
    assert ledger.may_pay
    assert ledger.answered
    assert not ledger.calling


async def test_a_declined_call_costs_nothing_and_another_may_be_made() -> None:
    store = records()
    ledger = await opened(store)
    with pytest.raises(EngineAway):
        await decline(ledger)
    assert ledger.may_pay
    async with ledger.paid_call("e") as slot:
        slot.answered()
    assert await outcomes(store) == ["declined", "answered"]


@pytest.mark.parametrize("error", [EngineAway(), RuntimeError("a bug"), TimeoutError()])
async def test_a_call_that_ends_without_an_outcome_is_unknown_whatever_ended_it(error: Exception) -> None:
    store = records()
    ledger = await opened(store)
    with pytest.raises(OutcomeUnknown) as caught:
        async with ledger.paid_call("e"):
            raise error
    assert caught.value.__cause__ is error
    assert await outcomes(store) == ["unknown"]
    assert not ledger.may_pay


async def test_a_block_that_forgets_to_say_is_unknown_too() -> None:
    store = records()
    ledger = await opened(store)
    async with ledger.paid_call("e"):
        pass
    assert await outcomes(store) == ["unknown"]
    assert not ledger.may_pay


async def test_an_error_after_the_answer_stays_itself() -> None:
    store = records()
    ledger = await opened(store)
    with pytest.raises(RuntimeError, match="no picture"):
        await answer_and_fail(ledger)
    assert await outcomes(store) == ["answered"]


async def test_a_cancelled_call_is_unknown_and_the_cancellation_goes_on() -> None:
    store = records()
    ledger = await opened(store)
    inside = asyncio.Event()

    async def pay() -> None:
        async with ledger.paid_call("e"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(pay())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await outcomes(store) == ["unknown"]


async def test_after_an_unknown_outcome_nothing_is_paid_again() -> None:
    ledger = await opened(records(), call("unknown"))
    assert not ledger.may_pay
    with pytest.raises(OutcomeUnknown):
        async with ledger.paid_call("e"):
            pytest.fail("it was paid for again")


@pytest.mark.parametrize("left", ["open", "unknown", "answered"])
async def test_what_a_dead_process_left_is_lost_money_unless_it_was_declined(left: str) -> None:
    store = records()
    ledger = await opened(store, call("declined"), call(left))
    assert not ledger.may_pay
    await ledger.recover()
    assert await outcomes(store) == ["declined", "unknown" if left == "open" else left]
    assert (await opened(records(), call("declined"))).may_pay


async def test_so_many_unknown_outcomes_are_paid_for_again_as_the_setting_says() -> None:
    store = records()
    ledger = await opened(store, retries=1)
    with pytest.raises(OutcomeUnknown):
        async with ledger.paid_call("e"):
            raise EngineAway
    assert ledger.may_pay
    with pytest.raises(OutcomeUnknown):
        async with ledger.paid_call("e"):
            raise EngineAway
    assert not ledger.may_pay


async def test_the_outcome_is_stored_although_the_generation_was_cancelled_meanwhile() -> None:
    store = records()
    ledger = await opened(store)
    async with ledger.paid_call("e") as slot:
        other = await store.claim("g1")
        await other.change(finished)
        slot.answered()
    assert await outcomes(store) == ["answered"]


async def test_no_call_is_made_for_a_generation_that_somebody_else_took_over() -> None:
    store = records()
    ledger = await opened(store)
    other = await store.claim("g1")
    await other.change(lambda same: same, holder="h-2")
    with pytest.raises(HeldByAnother):
        async with ledger.paid_call("e"):
            pytest.fail("it was paid for by two")
    assert await outcomes(store) == []
