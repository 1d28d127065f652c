"""
A Gemini that costs nothing: it answers any request with a picture that was made ready before.

python -m benchmarks.engine prints its URL. The tests' fake (tests/fakes/gemini.py) understands what it is
asked and draws; this one only counts, so that it is never what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

from .pictures import Encoded, jpegs, pngs

_BEGIN = b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/%b","data":"'
_END = (
    b'"}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":300,'
    b'"candidatesTokenCount":1120,"totalTokenCount":1420},"modelVersion":"fake-001","responseId":"r-1"}'
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Answers:
    """What all connections share."""

    def __init__(self, form: str, encoded: Encoded, delay: float, *, hold: bool) -> None:
        self._begin = _BEGIN % form.encode()
        self._encoded = encoded
        self.delay = delay
        self.held: asyncio.Event | None = asyncio.Event() if hold else None
        self.count = 0

    def next(self) -> bytes:
        """A whole answer with a picture that was not given before."""
        self.count += 1
        body = b"".join((self._begin, self._encoded(self.count), _END))
        return _HEAD % len(body) + body


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time, bodies with a length."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._buffer = bytearray()
        self._later: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) >= length:
            del self._buffer[:]
            self._asked(bytes(lines[0]))

    def _asked(self, line: bytes) -> None:
        answers = self._answers
        if b"/_answered" in line:
            self._say(b"%d" % answers.count)
        elif b"/_release" in line:
            if answers.held is not None:
                answers.held.set()
            self._say(b"")
        elif answers.delay or answers.held is not None:
            task = asyncio.create_task(self._answer_later())
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        else:
            self._transport.write(answers.next())

    async def _answer_later(self) -> None:
        await asyncio.sleep(self._answers.delay)
        if self._answers.held is not None:
            await self._answers.held.wait()
        self._transport.write(self._answers.next())

    def _say(self, body: bytes) -> None:
        self._transport.write(_HEAD % len(body) + body)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=("jpeg", "png"), default="jpeg")
    parser.add_argument("--bytes", type=int, default=100_000, help="of each picture, about")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--hold", action="store_true", help="answer nothing before POST /_release")
    chosen = parser.parse_args()
    encoded = (jpegs if chosen.form == "jpeg" else pngs)(chosen.bytes)
    answers = Answers(chosen.form, encoded, chosen.delay, hold=chosen.hold)
    server = await asyncio.get_running_loop().create_server(partial(Connection, answers), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
