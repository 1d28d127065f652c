"""The pictures that go to Gemini, made small, and the one that comes back, made the ordered size."""

from __future__ import annotations

import logging
from typing import Final

from google.genai.types import Content, Part

from ...errors import DrawingFailed, PictureRefused
from ...model import Brief, Picture, SourceType
from ...ports import Commission, Darkroom
from ...prompts import cart_prompt, label_of_background, label_of_product
from ...styles import sheet_for

log = logging.getLogger(__name__)

SIDE: Final = 1024
"""Pixels of an input's longer side. More is not worth its bytes: an input is 1120 tokens at any size."""
QUALITY: Final = 88


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


async def develop(data: bytes, brief: Brief, darkroom: Darkroom) -> Picture:
    """The model's picture at the ordered size, cropped around its centre where its ratio is another."""
    try:
        return await darkroom.fill(data, brief.width, brief.height, SourceType.TRAINED)
    except PictureRefused:
        raise DrawingFailed("The image model's picture cannot be read.", reason="BROKEN_PICTURE") from None


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
    picture = await darkroom.reference(data, max_side=SIDE, quality=QUALITY)
    return Part.from_bytes(data=picture.data, mime_type=picture.media_type)
