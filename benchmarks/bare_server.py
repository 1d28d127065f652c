"""
What grpc.aio itself costs: a server that gives one ready answer to every status call, and does nothing else.

python -m benchmarks.bare_server HEX, the answer's bytes, prints its port and its process id.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, TypeAlias

import grpc
import grpc.aio

from imagegenservice.pb import imagegen_pb2 as pb

from .load import METHOD

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def handlers(answer: bytes) -> grpc.GenericRpcHandler:
    """The status call with the service's own messages, decoded and encoded each time."""

    async def status(request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        del request, context
        return pb.GetStatusResponse.FromString(answer)

    method = grpc.unary_unary_rpc_method_handler(
        status, pb.GetStatusRequest.FromString, pb.GetStatusResponse.SerializeToString
    )
    service, name = METHOD.strip("/").split("/")
    return grpc.method_handlers_generic_handler(service, {name: method})


async def main() -> None:
    """Serve until killed."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handlers(bytes.fromhex(sys.argv[1])),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, os.getpid(), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
