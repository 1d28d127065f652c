"""The sample shop with the pictures taken off the shelf: python -m benchmarks.shop prints host:port."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc
import grpc.aio

from imagegenservice.demo.products import PRODUCTS
from imagegenservice.pb import demo_pb2 as pb
from imagegenservice.pb import demo_pb2_grpc as pb_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Catalog(pb_grpc.ProductCatalogServiceServicer):
    """hipstershop.ProductCatalogService, in words only."""

    async def ListProducts(self, request: pb.Empty, context: Context) -> pb.ListProductsResponse:
        """All of them."""
        del request, context
        return pb.ListProductsResponse(products=_products().values())

    async def GetProduct(self, request: pb.GetProductRequest, context: Context) -> pb.Product:
        """One, or NOT_FOUND."""
        product = _products().get(request.id)
        if product is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such product")
        assert product is not None
        return product


def _products() -> dict[str, pb.Product]:
    return {
        product.id: pb.Product(
            id=product.id,
            name=product.name,
            description=product.description,
            categories=product.categories,
        )
        for product in PRODUCTS
    }


async def main() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    pb_grpc.add_ProductCatalogServiceServicer_to_server(Catalog(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
