"""From an order to a brief: the cart, the products and the background, as they are now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from . import styles
from .backgrounds import Background, Backgrounds
from .errors import CartEmpty, ProductsUnknown, Unavailable, UrlNotAllowed
from .model import Brief, CartLine, Item, size_of
from .order import Order, cart_lines
from .ports import Carts, Catalog
from .records import now

TIMEOUT: Final = 5.0
"""Seconds for cart and catalog together."""
_WAITING: Final = timedelta(days=1)
"""How long an order may wait to be drawn: so long its background stays, also when it expires."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A brief, what it stands on, and what the catalog did not know."""

    brief: Brief
    background: Background | None
    left_out: tuple[str, ...]


class Gatherer:
    """Asks the shop for what an order names."""

    def __init__(self, carts: Carts, catalog: Catalog, backgrounds: Backgrounds, picture_size: int) -> None:
        self._carts = carts
        self._catalog = catalog
        self._backgrounds = backgrounds
        self._picture_size = picture_size

    async def gather(self, order: Order, owner: str) -> Gathered:
        """Raises CartEmpty, ProductsUnknown, UrlNotAllowed, FetchFailed, PictureRefused, Unavailable."""
        (known, left_out), background = await asyncio.gather(
            self._items(order), self._background(order, owner)
        )
        width, height = size_of(order.aspect_ratio, self._picture_size)
        brief = Brief(
            items=known,
            style=order.style,
            style_version=styles.sheet_for(order.style).version,
            background=background.asset.key if background else "",
            aspect_ratio=order.aspect_ratio,
            width=width,
            height=height,
            seed=order.seed,
        )
        return Gathered(brief, background, left_out)

    async def _items(self, order: Order) -> tuple[tuple[Item, ...], tuple[str, ...]]:
        try:
            async with asyncio.timeout(TIMEOUT):
                lines = order.lines or await self._cart(order.user_id)
                products = await self._catalog.products([line.product_id for line in lines])
        except TimeoutError as exc:
            raise Unavailable("The shop's cart or catalog did not answer in time. Please try again.") from exc
        known = tuple(
            Item(product=product, quantity=line.quantity)
            for line in lines
            if (product := products.get(line.product_id)) is not None
        )
        if not known:
            raise ProductsUnknown
        return known, tuple(line.product_id for line in lines if line.product_id not in products)

    async def _cart(self, user_id: str) -> tuple[CartLine, ...]:
        lines = cart_lines(await self._carts.lines(user_id))
        if not lines:
            raise CartEmpty
        return lines

    async def _background(self, order: Order, owner: str) -> Background | None:
        if not order.background_url:
            return None
        background = await self._backgrounds.find(order.background_url, owner)
        if not await self._backgrounds.renew(background, now() + _WAITING):
            raise UrlNotAllowed
        return background
