"""What a picture says about itself, read in pure Python, so that bombs are refused before any codec runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

MAX_FRAMES: Final = 100
MAX_SCANS: Final = 200
"""Scans of a progressive JPEG; each costs a pass over the whole picture, and real ones have about ten."""
MAX_SEGMENTS: Final = 4000
"""Marker segments of a JPEG. An ICC profile and an extended XMP packet may have some hundred."""
MAX_CHUNKS: Final = 10_000
"""Chunks of a PNG or WebP. Ten megabytes of PNG in the usual chunks of 8 KiB have 1,300."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_MARKER_IN_SCAN: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EOI, _SOS = 0xD9, 0xDA


class Undecodable(Exception):
    """A picture that is refused: a stable reason and words for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken in."""

    pixels: int
    side: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says about itself before it is decoded."""

    format: Literal["JPEG", "PNG", "WEBP"]
    width: int
    height: int
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.width * self.height


def inspect(data: bytes, limits: Limits) -> Header:
    """Read the header and count the parts. Raises Undecodable for what must not be decoded."""
    if len(data) > limits.bytes:
        raise Undecodable(
            "IMAGE_TOO_LARGE", f"the picture has {len(data)} bytes; at most {limits.bytes} are taken"
        )
    header = _reader(data)(data)
    if max(header.width, header.height) > limits.side or header.pixels > limits.pixels:
        raise Undecodable(
            "IMAGE_TOO_LARGE",
            f"the picture has {header.width} x {header.height} pixels; at most {limits.pixels} in all "
            f"and {limits.side} a side are taken",
        )
    if min(header.width, header.height) < 1:
        raise _damaged()
    if header.frames > MAX_FRAMES:
        raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_FRAMES} frames")
    return header


def _reader(data: bytes) -> Callable[[bytes], Header]:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg
    if data.startswith(_PNG):
        return _png
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp
    raise Undecodable("UNSUPPORTED_FORMAT", "this is not a JPEG, PNG or WebP picture")


def _damaged() -> Undecodable:
    return Undecodable("IMAGE_UNREADABLE", "the picture is damaged and cannot be read")


def _jpeg(data: bytes) -> Header:
    """ITU-T T.81, annex B: segments, and entropy-coded data after each start of scan."""
    at, scans, size = 2, 0, None
    for _ in range(MAX_SEGMENTS):
        match = (_MARKER_IN_SCAN if scans else _MARKER).search(data, at)
        if match is None or (marker := match[1][0]) == _EOI:
            break
        at = match.end()
        if marker in _BARE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise _damaged()
        if marker in _FRAMES:
            if size is not None or length < 8:
                raise _damaged()  # a second frame would not have the size that was looked at
            size = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 3 : at + 5], "big")
        scans += marker == _SOS
        if scans > MAX_SCANS:
            raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_SCANS} scans")
        at += length
    else:
        raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_SEGMENTS} segments")
    if size is None or not scans:
        raise _damaged()
    return Header("JPEG", *size)


def _png(data: bytes) -> Header:
    """PNG 1.2, chapter 3; APNG's frames are counted both as announced and as there are."""
    at, announced, frames = len(_PNG), 1, 0
    if data[at : at + 8] != b"\0\0\0\rIHDR" or len(data) < at + 25:
        raise _damaged()
    width, height = (int.from_bytes(data[at + k : at + k + 4], "big") for k in (8, 12))
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            break
        if at + 12 + length > len(data):
            break  # cut off: the decoder refuses it, unless it is too large anyway
        if kind == b"acTL":
            announced = max(announced, int.from_bytes(data[at + 8 : at + 12], "big"))
        frames += kind == b"fcTL"
        at += 12 + length
    else:
        raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_CHUNKS} chunks")
    return Header("PNG", width, height, max(announced, frames))


def _webp(data: bytes) -> Header:
    """The WebP container: the canvas, and each frame's own size where one lies about the other."""
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    at, width, height, frames = 12, 0, 0, 0
    for _ in range(MAX_CHUNKS):
        if at + 8 > end:
            if not width:
                raise _damaged()
            return Header("WEBP", width, height, max(1, frames))
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        across, down = _webp_size(kind, data[at + 8 : at + 8 + 32])
        width, height = max(width, across), max(height, down)
        frames += kind == b"ANMF"
        at += 8 + length + length % 2
    raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_CHUNKS} chunks")


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """The size that a chunk announces; 0, 0 where it announces none."""
    if kind == b"VP8X" and len(body) >= 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"ANMF" and len(body) >= 12:
        return 1 + int.from_bytes(body[6:9], "little"), 1 + int.from_bytes(body[9:12], "little")
    if kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0
