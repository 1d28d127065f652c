"""A URL's text decides, before anything is looked up or connected to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from fakes.service import CUP, Service, serving
from urls import REFUSED

from imagegenservice.adapters.shop.pictures import HttpPictures
from imagegenservice.adapters.web import Fetcher, GuardedWeb
from imagegenservice.breaker import Breaker
from imagegenservice.errors import FetchFailed, UrlNotAllowed
from imagegenservice.neighbours import Neighbour
from imagegenservice.url_guard import UrlGuard

ALLOWED = "https://img.example.com/pictures/"
WATCHED = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.sendto",
}


class _Recorder:
    """An audit hook cannot be taken off again, so that one is put on once and told when to listen."""

    events: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.events is not None and event in WATCHED:
            self.events.append(f"{event} {arguments}")


_recorder = _Recorder()
sys.addaudithook(_recorder)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Every look-up and connection of this process that Python makes."""
    _recorder.events = found = []
    try:
        yield found
    finally:
        _recorder.events = None


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher.open(1 << 20) as fetcher:
        yield fetcher


def test_there_are_enough_of_them() -> None:
    assert len(REFUSED) >= 150


async def test_the_recorder_hears_what_it_should(fetcher: Fetcher) -> None:
    # An address of the documentation's block, where nothing is: the connection may fail in any way.
    web = GuardedWeb(fetcher, UrlGuard(["http://localhost:9/"]), resolve=_nowhere)
    with recorded() as events, pytest.raises(Exception, match=r"not allowed"):
        await web.fetch("http://localhost:9/x")
    assert events == []
    with recorded() as events, pytest.raises(UrlNotAllowed):
        await GuardedWeb(fetcher, UrlGuard(["http://localhost:9/"])).fetch("http://localhost:9/x")
    assert len(events) == 1
    assert "getaddrinfo" in events[0]


async def _nowhere(_: object) -> list[str]:
    return ["192.0.2.1"]


async def test_every_tricky_background_is_refused_alike_without_a_look_up(fetcher: Fetcher) -> None:
    web = GuardedWeb(fetcher, UrlGuard([ALLOWED]))
    said = set()
    with recorded() as events:
        for url in REFUSED:
            with pytest.raises(UrlNotAllowed) as caught:
                await web.fetch(url)
            said.add((str(caught.value), caught.value.reason, caught.value.field))
    assert len(said) == 1
    assert events == []


async def test_every_tricky_product_picture_is_refused_or_stays_below_the_shops_base(
    fetcher: Fetcher,
) -> None:
    asked: list[str] = []

    class Recording(Fetcher):
        async def get(self, url: str, *, host: str = "") -> bytes:
            asked.append(url)
            return b""

    web = GuardedWeb(fetcher, UrlGuard([ALLOWED]))
    frontend = Neighbour("frontend", Breaker())
    pictures = HttpPictures("http://frontend:80/static", Recording(fetcher._client, 1 << 20), web, frontend)
    paths = [url.partition("/pictures")[2] for url in REFUSED]
    with recorded() as events:
        for address in [*REFUSED, *paths, *(f"/img/..{path}" for path in paths)]:
            try:
                await pictures.fetch(address)
            except FetchFailed:
                continue
    assert events == []
    assert asked, "there are harmless ones among the paths"
    for url in asked:
        assert url.startswith("http://frontend:80/static/")
        assert url.isascii()
        assert url.isprintable()
        assert not {"..", ".", ""} & set(url.removeprefix("http://frontend:80/static/").split("/"))
        assert not any(char in url for char in "?#\\ ")


async def test_the_service_answers_each_of_them_with_the_same_words() -> None:
    async with serving(background_url_allowlist=(ALLOWED,)) as service:
        assert await _answers(service, REFUSED) == {
            (
                "failed",
                "URL_NOT_ALLOWED",
                str(UrlNotAllowed()),
            )
        }


async def _answers(service: Service, urls: list[str]) -> set[tuple[str, str, str]]:
    found = set()
    with recorded() as events:
        for url in urls:
            if not url or len(url) > 2048:
                continue  # empty means none, and too long has a reason of its own
            answer = await service.generate(CUP, background_image_url=url)
            found.add((answer.status, answer.error_reason, answer.error_message))
    assert events == []
    return found
