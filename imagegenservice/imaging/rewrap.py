"""A JPEG that is right as it is keeps its pixels to the last bit: what stands around them is made anew."""

from __future__ import annotations

import io
import re
import struct
from typing import Final

from PIL import Image

_SOI: Final = b"\xff\xd8"
_EOI: Final = b"\xff\xd9"
# ISO/IEC 10918-1, table B.1; JFIF 1.02 and XMP part 3 for the application segments.
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_KEPT: Final = _FRAMES | {0xC4, 0xDB, 0xDD, 0xDA}
_SCAN: Final = 0xDA
_ADOBE: Final = 0xEE
_DROPPED: Final = frozenset(range(0xE0, 0xEE)) | {0xEF, 0xFE}
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JFIF: Final = b"JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\x00"
_COLOUR: Final = (1, 2, 3)
"""The components of a frame in YCbCr, as JFIF numbers them."""


def rewrapped(data: bytes, width: int, height: int, xmp: bytes) -> bytes | None:
    """
    The coded pixels of *data* with *xmp* as their only metadata, and nothing behind their end.

    None where they have to be coded again: another format or size, not upright, a colour profile, other
    colours than YCbCr, or parts that are not known here. *data* must have been decoded without complaint.
    """
    if not _as_ordered(data, width, height):
        return None
    parts = _parts(data)
    if parts is None:
        return None
    segments = (_segment(0xE0, _JFIF), _segment(0xE1, _XMP + xmp))
    return b"".join((_SOI, *segments, *parts, _EOI))


def _as_ordered(data: bytes, width: int, height: int) -> bool:
    if not data.startswith(_SOI):
        return False
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        plain = image.mode == "RGB" and "icc_profile" not in image.info
        try:
            upright = image.getexif().get(0x0112, 1) == 1
        except Exception:  # noqa: BLE001 - broken EXIF raises in ways of its own
            upright = False
        return plain and upright and image.size == (width, height)


def _parts(data: bytes) -> list[bytes] | None:
    """Everything that the pixels need, in its order."""
    kept: list[bytes] = []
    at = len(_SOI)
    while data[at : at + 2] != _EOI:
        marker, end = _marker(data, at)
        if marker in _FRAMES and tuple(data[at + 10 : end : 3]) != _COLOUR:
            return None
        if marker == _SCAN:
            found = _AFTER_SCAN.search(data, end)
            end = found.start() if found else len(data)
        if marker in _KEPT:
            kept.append(data[at:end])
        elif marker not in _DROPPED:
            return None
        if end >= len(data):
            return None
        at = end
    return kept


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at *at*, and where its segment ends; 0 for what is no marker."""
    if at + 4 > len(data) or data[at] != 0xFF:
        return 0, len(data)
    return data[at + 1], at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
