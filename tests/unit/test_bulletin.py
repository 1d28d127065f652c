from __future__ import annotations

import asyncio
from contextlib import aclosing

from fakes.records import generation

from imagegenservice.bulletin import Bulletin
from imagegenservice.errors import GenerationNotFound, Unavailable
from imagegenservice.model import Generation, Stage
from imagegenservice.records import advance, finished


class Store:
    """What a look-out sees: `latest`, or what it raises."""

    def __init__(self, latest: Generation) -> None:
        self.latest: Generation | Exception = latest
        self.looks = 0
        self.looked = asyncio.Event()

    async def look(self, _: str) -> Generation:
        self.looks += 1
        self.looked.set()
        if isinstance(self.latest, Exception):
            raise self.latest
        return self.latest


async def all_of(bulletin: Bulletin, begin: Generation, store: Store) -> list[int]:
    async with aclosing(bulletin.follow(begin, store.look)) as states:
        return [state.revision async for state in states]


async def test_a_watcher_is_told_of_what_is_announced_up_to_the_end() -> None:
    bulletin, begin = Bulletin(interval=60), generation()
    watching = asyncio.create_task(all_of(bulletin, begin, Store(begin)))
    await asyncio.sleep(0)
    second = advance(begin, stage=Stage.DRAWING)
    bulletin.announce(second)
    await asyncio.sleep(0)
    bulletin.announce(finished(second))
    assert await watching == [1, 2, 3]


async def test_an_older_state_than_the_latest_is_passed_over() -> None:
    bulletin, begin = Bulletin(interval=60), generation()
    second = advance(begin)
    watching = asyncio.create_task(all_of(bulletin, second, Store(second)))
    await asyncio.sleep(0)
    bulletin.announce(begin)
    bulletin.announce(finished(second))
    assert await watching == [2, 3]


async def test_what_another_replica_wrote_is_seen_by_looking() -> None:
    bulletin, begin = Bulletin(interval=0.01), generation()
    store = Store(begin)
    watching = asyncio.create_task(all_of(bulletin, begin, store))
    await store.looked.wait()
    store.latest = finished(begin)
    assert await watching == [1, 2]


async def test_many_watchers_share_one_look_out() -> None:
    bulletin, begin = Bulletin(interval=0.05), generation()
    store = Store(begin)
    watching = [asyncio.create_task(all_of(bulletin, begin, store)) for _ in range(50)]
    await store.looked.wait()
    store.latest = finished(begin)
    assert await asyncio.gather(*watching) == [[1, 2]] * 50
    assert store.looks <= 3


async def test_a_store_that_is_away_for_a_moment_is_waited_for() -> None:
    bulletin, begin = Bulletin(interval=0.01), generation()
    store = Store(begin)
    store.latest = Unavailable()
    watching = asyncio.create_task(all_of(bulletin, begin, store))
    await store.looked.wait()
    store.latest = finished(begin)
    assert await watching == [1, 2]


async def test_a_generation_that_expires_ends_the_watch() -> None:
    bulletin, begin = Bulletin(interval=0.01), generation()
    store = Store(begin)
    store.latest = GenerationNotFound()
    async with asyncio.timeout(5):
        assert await all_of(bulletin, begin, store) == [1]


async def test_a_slow_watcher_misses_nothing_that_it_has_to_know() -> None:
    bulletin, begin = Bulletin(interval=60), generation()
    async with aclosing(bulletin.follow(begin, Store(begin).look)) as states:
        assert (await anext(states)).revision == 1
        latest = begin
        for _ in range(5):
            latest = advance(latest)
            bulletin.announce(latest)
        bulletin.announce(finished(latest))
        last = await anext(states)
        assert (last.revision, last.finished) == (7, True)
        assert [line.number for line in last.history] == list(range(1, 8))


async def test_nothing_is_left_when_the_last_watcher_leaves() -> None:
    bulletin, begin = Bulletin(interval=0.01), generation()
    store = Store(begin)
    for _ in range(3):
        async with aclosing(bulletin.follow(begin, store.look)) as states:
            await anext(states)
    assert not bulletin._topics
    looks = store.looks
    await asyncio.sleep(0.05)
    assert store.looks == looks


async def test_a_finished_generation_is_told_at_once_and_never_looked_for() -> None:
    end = finished(generation())
    store = Store(end)
    assert await all_of(Bulletin(interval=0.001), end, store) == [2]
    assert store.looks == 0
