"""The shop's cart and catalog services, over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Self, TypeVar

import grpc
import grpc.aio

from ...errors import Unavailable
from ...model import CartLine, Product
from ...neighbours import Neighbour, Neighbours
from ...pb import demo_pb2 as pb
from ...pb import demo_pb2_grpc as pb_grpc
from ...ports import Carts, Catalog
from ...spans import Block, headers
from ...telemetry import call_out, looked_up
from ...text import clean
from ...url_guard import MAX_URL

TIMEOUT: Final = 3.0
"""Seconds for one call."""
PAUSE: Final = 3.0
"""Seconds for which a service of the shop is left alone at a time while it is away."""
KEPT: Final = 60.0
"""Seconds for which a product is not asked for again."""
_FEW: Final = 3
_LONG_LIST: Final = 500
_AT_ONCE: Final = 8
_CATALOG: Final = "hipstershop.ProductCatalogService"
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

T = TypeVar("T")


@contextmanager
def _calling(neighbour: Neighbour, service: str, method: str) -> Iterator[Block]:
    what = neighbour.name
    with neighbour.asked(), call_out(what, f"{service}/{method}") as call:
        for name, value in (("system", "grpc"), ("service", service), ("method", method)):
            call.set(f"rpc.{name}", value)
        try:
            yield call
        except grpc.aio.AioRpcError as exc:
            call.set("rpc.grpc.status_code", exc.code().value[0])
            # The shop answers FAILED_PRECONDITION with a stack trace when its store is down.
            text = f"The shop's {what} did not answer ({exc.code().name}). Please try again."
            raise Unavailable(text) from exc
        except grpc.aio.UsageError as exc:
            raise Unavailable(f"The connection to the shop's {what} is closed.") from exc


def _decoded(answer: T | None) -> T:
    if answer is None:  # what grpc.aio gives for a message that it cannot decode
        raise Unavailable("The shop gave an answer that cannot be read. Please try again.")
    return answer


def _trace() -> tuple[tuple[str, str], ...]:
    return tuple(headers().items())


@asynccontextmanager
async def open_channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to host:port, which need not be up."""
    channel = grpc.aio.insecure_channel(address, options=list(_CHANNEL_OPTIONS))
    try:
        yield channel
    finally:
        await channel.close()


class GrpcCarts(Carts):
    """hipstershop.CartService."""

    def __init__(self, channel: grpc.aio.Channel, neighbour: Neighbour) -> None:
        self._stub = pb_grpc.CartServiceStub(channel)
        self._neighbour = neighbour

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, neighbours: Neighbours) -> AsyncIterator[Self]:
        """Open the client for the time of the block."""
        async with open_channel(address) as channel:
            yield cls(channel, neighbours.add("cart", PAUSE))

    async def lines(self, user_id: str) -> Sequence[CartLine]:
        request = pb.GetCartRequest(user_id=user_id)
        with _calling(self._neighbour, "hipstershop.CartService", "GetCart"):
            cart = _decoded(await self._stub.GetCart(request, timeout=TIMEOUT, metadata=_trace()))
        return [CartLine(product_id=item.product_id, quantity=item.quantity) for item in cart.items]


class GrpcCatalog(Catalog):
    """
    hipstershop.ProductCatalogService.

    A few missing products are asked for one by one, more of them by one list, unless the list turned out
    long before. Up to *size* products are kept for a minute.
    """

    def __init__(self, channel: grpc.aio.Channel, neighbour: Neighbour, size: int = 2000) -> None:
        self._stub = pb_grpc.ProductCatalogServiceStub(channel)
        self._neighbour = neighbour
        self._size = size
        self._kept: OrderedDict[str, tuple[float, Product]] = OrderedDict()
        self._list_length = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, neighbours: Neighbours) -> AsyncIterator[Self]:
        """Open the client for the time of the block."""
        async with open_channel(address) as channel:
            yield cls(channel, neighbours.add("catalog", PAUSE))

    async def products(self, ids: Collection[str]) -> Mapping[str, Product]:
        fresh = time.monotonic() - KEPT
        known = {id_: kept[1] for id_ in ids if (kept := self._kept.get(id_)) is not None and kept[0] > fresh}
        missing = [id_ for id_ in ids if id_ not in known]
        looked_up("products", hit=True, count=len(known))
        looked_up("products", hit=False, count=len(missing))
        if missing:
            one_by_one = len(missing) <= _FEW or self._list_length > _LONG_LIST
            found = await (self._each(missing) if one_by_one else self._all())
            self._keep(found)
            known |= {id_: found[id_] for id_ in missing if id_ in found}
        return known

    def _keep(self, products: Mapping[str, Product]) -> None:
        seen = time.monotonic()
        for id_, product in products.items():
            self._kept[id_] = (seen, product)
            self._kept.move_to_end(id_)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    async def _all(self) -> Mapping[str, Product]:
        with _calling(self._neighbour, _CATALOG, "ListProducts"):
            answer = _decoded(await self._stub.ListProducts(pb.Empty(), timeout=TIMEOUT, metadata=_trace()))
        self._list_length = len(answer.products)
        return {product.id: product_from(product) for product in answer.products}

    async def _each(self, ids: Collection[str]) -> Mapping[str, Product]:
        places = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(_in_turn(places, self._one(id_)) for id_ in ids))
        return {product.id: product for product in found if product is not None}

    async def _one(self, id_: str) -> Product | None:
        request = pb.GetProductRequest(id=id_)
        with _calling(self._neighbour, _CATALOG, "GetProduct") as call:
            try:
                answer = _decoded(await self._stub.GetProduct(request, timeout=TIMEOUT, metadata=_trace()))
            except grpc.aio.AioRpcError as exc:
                if exc.code() is grpc.StatusCode.NOT_FOUND:
                    call.set("rpc.grpc.status_code", grpc.StatusCode.NOT_FOUND.value[0])
                    return None
                raise
        return product_from(answer).model_copy(update={"id": id_})


async def _in_turn(places: asyncio.Semaphore, work: Awaitable[T]) -> T:
    async with places:
        return await work


def product_from(message: pb.Product) -> Product:
    """The catalog's words, cleaned and bounded: they end in records and prompts."""
    return Product(
        id=clean(message.id, 128),
        name=clean(message.name, 200) or clean(message.id, 128),
        description=clean(message.description, 500),
        picture=message.picture if len(message.picture) <= MAX_URL else "",
        categories=tuple(clean(category, 64) for category in message.categories[:10]),
    )
