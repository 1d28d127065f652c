"""The products' own pictures, fetched before a drawing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from .errors import DrawingFailed, FetchFailed, Unavailable
from .model import Brief, Item, Reference
from .ports import ProductPictures

log = logging.getLogger(__name__)

_AT_ONCE: Final = 8
_TRIES: Final = 3
_PAUSE: Final = 0.3
_TIMEOUT: Final = 8.0


async def fetch_references(brief: Brief, pictures: ProductPictures) -> tuple[Sequence[Reference], bool]:
    """
    The items of *brief* with their pictures, in order, and whether that is all there is to be had.

    A product without a picture is still drawn, as its name. It is False when a picture may be had later.
    Raises DrawingFailed (PICTURES_UNAVAILABLE) when no picture at all can be had at the moment.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def fetch(item: Item) -> tuple[Reference, bool]:
        async with places:
            return await _fetch(item, pictures)

    found = await asyncio.gather(*(fetch(item) for item in brief.items))
    complete = all(final for _, final in found)
    if not complete and not any(reference.data for reference, _ in found):
        raise DrawingFailed(
            "The products' pictures cannot be fetched at the moment. Please order again later.",
            reason="PICTURES_UNAVAILABLE",
        )
    return [reference for reference, _ in found], complete


async def _fetch(item: Item, pictures: ProductPictures) -> tuple[Reference, bool]:
    if not item.product.picture:
        return Reference(item, None), True
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE * 2 ** (attempt - 1))
        try:
            async with asyncio.timeout(_TIMEOUT):
                return Reference(item, await pictures.fetch(item.product.picture)), True
        except FetchFailed as exc:
            log.warning("a product has no picture", extra={"product": item.product.id, "reason": exc.reason})
            return Reference(item, None), True
        except (Unavailable, TimeoutError):
            continue
    log.warning("a product's picture could not be fetched", extra={"product": item.product.id})
    return Reference(item, None), False
