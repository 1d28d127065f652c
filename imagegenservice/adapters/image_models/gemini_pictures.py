"""The pictures that go to Gemini, made small, and the one that comes back, made the ordered size."""

from __future__ import annotations

import logging
from typing import Final

import cv2
import numpy as np
from google.genai.types import Content, Part

from ...errors import DrawingFailed, PictureRefused
from ...imaging.decode import Limits, Undecodable, decode
from ...model import Pixels
from ...ports import Commission, Darkroom
from ...prompts import cart_prompt, label_of_background, label_of_product
from ...styles import sheet_for

log = logging.getLogger(__name__)

SIDE: Final = 1024
"""Pixels of an input's longer side. More is not worth its bytes: an input is 1120 tokens at any size."""
QUALITY: Final = 88

# Not the limits of uploads: whatever a shop sets there, a picture that is paid for can be read.
_ANSWER: Final = Limits(pixels=64_000_000, side=16_384, bytes=48 * 1024 * 1024)


async def compose(commission: Commission, places: int, darkroom: Darkroom) -> Content:
    """
    The order as one message with at most *places* pictures; the background comes before any product.

    A product's picture that cannot be read is left out, and its product asked for by its words. Raises
    DrawingFailed for a background that cannot be read.
    """
    # Each picture follows the words that name it. The background is the last of them: the model takes its
    # frame from the last picture. The task stands at the end, when all that it speaks of has been seen.
    parts, pictured = await _product_parts(commission, places - (commission.background is not None), darkroom)
    if commission.background is not None:
        parts.append(Part(text=label_of_background(len(pictured) + 1)))
        parts.append(await _background_part(commission.background, darkroom))
    words = sheet_for(commission.brief.style).words
    background = commission.background is not None
    prompt = cart_prompt(commission.brief, words, pictured=pictured, background=background)
    return Content(role="user", parts=[*parts, Part(text=prompt)])


async def develop(data: bytes, width: int, height: int, darkroom: Darkroom) -> Pixels:
    """The model's picture at the ordered size, cropped around its centre where its ratio is another."""
    try:
        return await darkroom.run(lambda: fit(decode(data, _ANSWER), width, height))
    except Undecodable:
        raise DrawingFailed("The image model's picture cannot be read.", reason="BROKEN_PICTURE") from None


def fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """Cut the largest centred part of the ratio width : height, and resize it; (height, width, 3)."""
    down, across = pixels.shape[:2]
    inner_across = max(1, min(across, round(down * width / height)))
    inner_down = max(1, min(down, round(across * height / width)))
    top, left = (down - inner_down) // 2, (across - inner_across) // 2
    inner = _opaque(pixels[top : top + inner_down, left : left + inner_across])
    if inner.shape[:2] == (height, width):
        return np.ascontiguousarray(inner)
    method = cv2.INTER_AREA if inner_across >= width else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(inner, (width, height), interpolation=method), np.uint8)


async def _product_parts(
    commission: Commission, places: int, darkroom: Darkroom
) -> tuple[list[Part], list[int]]:
    parts: list[Part] = []
    pictured: list[int] = []
    for number, reference in enumerate(commission.references, 1):
        if reference.data is None or len(pictured) >= places:
            continue
        try:
            picture = await _part(reference.data, darkroom)
        except PictureRefused as exc:
            log.warning("a product's picture cannot be read", extra={"cause": exc.reason})
            continue
        pictured.append(number)
        parts += [Part(text=label_of_product(len(pictured), number)), picture]
    return parts, pictured


async def _background_part(data: bytes, darkroom: Darkroom) -> Part:
    try:
        return await _part(data, darkroom)
    except PictureRefused:
        raise DrawingFailed("The background cannot be read.", reason="BACKGROUND_UNREADABLE") from None


async def _part(data: bytes, darkroom: Darkroom) -> Part:
    pixels = await darkroom.decode(data, max_side=SIDE)
    return Part.from_bytes(data=await darkroom.run(_jpeg, pixels), mime_type="image/jpeg")


def _jpeg(pixels: Pixels) -> bytes:
    bgr = cv2.cvtColor(_opaque(pixels), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _opaque(pixels: Pixels) -> Pixels:
    """On white, as a shop shows it."""
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
