"""The sample shop behind a proxy that can fail in every way a shop fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from imagegenservice.demo.shop import DemoCarts, serve_shop

Forward = Callable[[bytes], bytes]
Mode = grpc.StatusCode | str | Forward


@dataclass
class FakeShop(grpc.GenericRpcHandler):
    """
    `modes` maps a method (GetCart, GetProduct, ListProducts) to what becomes of its calls.

    A status code: the call ends with it. "hang": it waits for `release`. "garbage": no protobuf comes back.
    A function changes the answer's bytes. None of these: the real shop answers.
    """

    carts: DemoCarts = field(default_factory=DemoCarts)
    modes: dict[str, Mode] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What a service under test needs to shop here."""
        return {"cart_service_addr": self.address, "product_catalog_service_addr": self.address}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[FakeShop]:
        server = grpc.aio.server(handlers=[self], options=[("grpc.so_reuseport", 0)])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        async with (
            serve_shop(self.carts) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as self._behind,
        ):
            await server.start()
            try:
                yield self
            finally:
                await server.stop(None)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        method = handler_call_details.method

        async def call(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            return await self._answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(call)

    async def _answer(
        self, method: str, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> bytes:
        name = method.rpartition("/")[2]
        self.calls.append(name)
        self.arrived.set()
        mode = self.modes.get(name)
        if isinstance(mode, grpc.StatusCode):
            await context.abort(mode, "SECRET-STACK at cartstore.RedisCartStore")
        if mode == "hang":
            await self.release.wait()
        if mode == "garbage":
            return b"\xff\xfe\xfd SECRET-GARBAGE"
        try:
            answer: bytes = await self._behind.unary_unary(method)(request)
        except grpc.aio.AioRpcError as exc:
            await context.abort(exc.code(), exc.details() or "")
        return mode(answer) if callable(mode) else answer
