from __future__ import annotations

import asyncio

import pytest

from imagegenservice.errors import KeyNotFound, LeftAlone, Overloaded, Unavailable, Unwell
from imagegenservice.neighbours import FAILURES, Neighbour, Neighbours


def ask(neighbour: Neighbour, error: Exception | None = None) -> None:
    with neighbour.asked():
        if error is not None:
            raise error


def away(neighbours: Neighbours) -> Neighbour:
    neighbour = neighbours.add("object_storage", 60)
    for _ in range(FAILURES):
        with pytest.raises(Unavailable):
            ask(neighbour, Unavailable())
    return neighbour


def test_who_failed_so_often_is_left_alone_and_the_answer_says_until_when() -> None:
    neighbours = Neighbours()
    neighbour = away(neighbours)
    assert neighbours.states() == {"object_storage": "away"}
    with pytest.raises(LeftAlone, match="object storage is away") as caught:
        ask(neighbour)
    assert caught.value.retry_after == pytest.approx(60, abs=1)


@pytest.mark.parametrize("error", [None, KeyNotFound(), Unwell(), ValueError()])
def test_any_answer_begins_the_count_anew(error: Exception | None) -> None:
    neighbours = Neighbours()
    neighbour = neighbours.add("cart", 60)
    for number in range(FAILURES * 2):
        outcome = error if number % (FAILURES - 1) == 0 else Unavailable()
        try:
            ask(neighbour, outcome)
        except (KeyNotFound, Unavailable, ValueError):
            continue
    assert neighbours.states() == {"cart": "ok"}


def test_a_limit_of_our_own_says_nothing_of_them() -> None:
    neighbours = Neighbours()
    neighbour = neighbours.add("cart", 60)
    for _ in range(FAILURES * 2):
        with pytest.raises(Overloaded):
            ask(neighbour, Overloaded())
    assert neighbours.states() == {"cart": "ok"}


async def test_a_call_that_was_given_up_at_once_says_nothing_either() -> None:
    neighbours = Neighbours()
    neighbour = neighbours.add("cart", 60)

    async def call() -> None:
        with neighbour.asked():
            await asyncio.Event().wait()

    for _ in range(FAILURES * 2):
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert neighbours.states() == {"cart": "ok"}
