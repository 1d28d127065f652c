"""
The cluster around the container: the sample shop, where Online Boutique has its services.

python neighbourhood.py FOLDER CONTAINER_PORT,… runs in a network that it shares
with the container alone, until its standard input ends. From outside, the container's ports are reached
through Unix sockets in FOLDER, which are named after them.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from fakes.frontend import FakeFrontend

from imagegenservice.demo.shop import DemoCarts, serve_shop

SHOP = {"cartservice": 7070, "productcatalogservice": 3550, "frontend": 80}
"""Names and ports of the shop's services."""

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


async def relay(folder: Path, port: int) -> asyncio.Server:
    """Whoever connects to the Unix socket talks to the port."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    return await asyncio.start_unix_server(accept, folder / str(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main() -> None:
    folder = Path(sys.argv[1])
    doors = [int(port) for port in sys.argv[2].split(",")]
    bring_up_loopback()
    carts = DemoCarts()
    async with AsyncExitStack() as stack:
        for name in ("cartservice", "productcatalogservice"):
            await stack.enter_async_context(serve_shop(carts, f"127.0.0.1:{SHOP[name]}"))
        await stack.enter_async_context(FakeFrontend(SHOP["frontend"]))
        for port in doors:
            await relay(folder, port)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
