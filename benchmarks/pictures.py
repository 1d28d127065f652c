"""Pictures of a given weight, and many that differ from each other at next to no cost a piece."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from imagegenservice.demo import pictures

SIDE = 1024
VARIED = 8
"""So many entries of a JPEG's quantization table are varied: 4 ** 8 pictures."""

Encoded = Callable[[int], bytes]
"""Gives picture number n in base64."""


def scene(width: int = SIDE, height: int = SIDE, grain: float = 0.0) -> Image.Image:
    """A photograph, with noise of this standard deviation."""
    with Image.open(io.BytesIO(pictures.background("oak_table"))) as image:
        photo = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(1).normal(0, grain, (height, width, 3)) if grain else 0
    return Image.fromarray(np.clip(np.asarray(photo, np.float32) + noise, 0, 255).astype(np.uint8))


def jpeg_of(image: Image.Image, weight: int) -> bytes:
    """The image as the JPEG that comes nearest to so many bytes."""

    def encoded(quality: int) -> bytes:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, subsampling=0)
        return out.getvalue()

    low, high = 30, 99
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(encoded(middle)) < weight else (low, middle)
    return min((encoded(low), encoded(max(1, low - 1))), key=lambda data: abs(len(data) - weight))


def varied(data: bytes, number: int) -> bytes:
    """The same JPEG with a quantization table of its own, which makes every pixel a little different."""
    table = data.index(b"\xff\xdb") + 5
    changed = bytearray(data[: table + 1 + VARIED])
    for place in range(VARIED):
        changed[table + 1 + place] += number // 4**place % 4
    return bytes(changed) + data[len(changed) :]


def jpegs(weight: int) -> Encoded:
    """Photographs of about so many bytes."""
    data = jpeg_of(scene(), weight)
    head = (data.index(b"\xff\xdb") + 64) // 3 * 3 + 3
    rest = base64.b64encode(data[head:])
    return lambda number: base64.b64encode(varied(data[:head], number)) + rest


def pngs(weight: int) -> Encoded:
    """Photographs of about so many bytes: each has a last row of its own."""
    made = map(_deflated, (0.0, 0.2, 0.3, 0.4))
    deflating, start = min(made, key=lambda one: abs(len(one[1]) - weight))
    whole = len(start) // 3 * 3
    ready, rest = base64.b64encode(start[:whole]), start[whole:]

    def encoded(number: int) -> bytes:
        row = np.random.default_rng(number).integers(0, 256, SIDE * 3, np.uint8).tobytes()
        last = deflating.copy()
        end = _chunk(b"IDAT", last.compress(b"\0" + row) + last.flush()) + _chunk(b"IEND", b"")
        return ready + base64.b64encode(rest + end)

    return encoded


def _deflated(grain: float) -> tuple[zlib._Compress, bytes]:
    """What has a PNG's pixels up to its last row in it, and the PNG so far."""
    pixels = np.asarray(scene(grain=grain), np.uint8)
    left = np.concatenate([np.zeros((SIDE, 1, 3), np.uint8), pixels[:, :-1]], 1)
    rows = np.concatenate([np.ones((SIDE, 1), np.uint8), (pixels - left).reshape(SIDE, -1)], 1)
    deflating = zlib.compressobj(3)
    body = deflating.compress(rows[:-1].tobytes()) + deflating.flush(zlib.Z_SYNC_FLUSH)
    size = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return deflating, b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", size) + _chunk(b"IDAT", body)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
