"""The sample shop: its carts and catalog in this process, or as a real gRPC server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio

from ..errors import FetchFailed
from ..model import CartLine
from ..model import Product as CatalogProduct
from ..pb import demo_pb2 as pb
from ..pb import demo_pb2_grpc as pb_grpc
from ..ports import Carts, Catalog, ProductPictures
from . import pictures
from .products import PRODUCTS, SampleProduct

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

SHOPPER = "demo-shopper"
"""The shopper whose cart is filled when the shop opens."""


def _sample_cart() -> dict[str, int]:
    return {product.id: 2 if index == 1 else 1 for index, product in enumerate(PRODUCTS[:5])}


class DemoCarts(Carts):
    """Carts in memory; one is filled."""

    def __init__(self) -> None:
        self.carts: dict[str, dict[str, int]] = {SHOPPER: _sample_cart()}

    async def lines(self, user_id: str) -> Sequence[CartLine]:
        return [
            CartLine(product_id=id_, quantity=count) for id_, count in self.carts.get(user_id, {}).items()
        ]


class DemoCatalog(Catalog):
    """The sample products."""

    async def products(self, ids: Collection[str]) -> Mapping[str, CatalogProduct]:
        return {product.id: _catalog_product(product) for product in PRODUCTS if product.id in set(ids)}


class DemoPictures(ProductPictures):
    """The sample products' pictures, from the package itself."""

    async def fetch(self, address: str) -> bytes:
        for product in PRODUCTS:
            if product.picture == address:
                return pictures.jpeg(product.id)
        raise FetchFailed("The sample shop has no such picture.")


def _catalog_product(product: SampleProduct) -> CatalogProduct:
    return CatalogProduct(
        id=product.id,
        name=product.name,
        description=product.description,
        picture=product.picture,
        categories=tuple(product.categories),
    )


class CartServicer(pb_grpc.CartServiceServicer):
    """hipstershop.CartService over DemoCarts."""

    def __init__(self, carts: DemoCarts) -> None:
        self._carts = carts.carts

    async def AddItem(self, request: pb.AddItemRequest, context: Context) -> pb.Empty:
        """Add to what is there."""
        del context
        cart = self._carts.setdefault(request.user_id, {})
        cart[request.item.product_id] = cart.get(request.item.product_id, 0) + request.item.quantity
        return pb.Empty()

    async def GetCart(self, request: pb.GetCartRequest, context: Context) -> pb.Cart:
        """An unknown shopper has an empty cart without a user_id, as in the shop."""
        del context
        if request.user_id not in self._carts:
            return pb.Cart()
        items = [pb.CartItem(product_id=id_, quantity=n) for id_, n in self._carts[request.user_id].items()]
        return pb.Cart(user_id=request.user_id, items=items)

    async def EmptyCart(self, request: pb.EmptyCartRequest, context: Context) -> pb.Empty:
        """Forget the cart."""
        del context
        self._carts.pop(request.user_id, None)
        return pb.Empty()


class CatalogServicer(pb_grpc.ProductCatalogServiceServicer):
    """hipstershop.ProductCatalogService over the sample products."""

    async def ListProducts(self, request: pb.Empty, context: Context) -> pb.ListProductsResponse:
        """All of them."""
        del request, context
        return pb.ListProductsResponse(products=[_message(product) for product in PRODUCTS])

    async def GetProduct(self, request: pb.GetProductRequest, context: Context) -> pb.Product:
        """One, or NOT_FOUND."""
        for product in PRODUCTS:
            if product.id == request.id:
                return _message(product)
        await context.abort(grpc.StatusCode.NOT_FOUND, f"no product with ID {request.id}")
        raise AssertionError("abort raises")


def _message(product: SampleProduct) -> pb.Product:
    return pb.Product(
        id=product.id,
        name=product.name,
        description=product.description,
        picture=product.picture,
        price_usd=pb.Money(currency_code="USD", units=product.units, nanos=product.nanos),
        categories=list(product.categories),
    )


@asynccontextmanager
async def serve_shop(carts: DemoCarts, address: str = "127.0.0.1:0") -> AsyncIterator[int]:
    """Serve carts and catalog as the shop does; gives the port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    pb_grpc.add_CartServiceServicer_to_server(CartServicer(carts), server)
    pb_grpc.add_ProductCatalogServiceServicer_to_server(CatalogServicer(), server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)
