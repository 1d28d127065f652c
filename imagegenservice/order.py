"""What a caller asks for, checked field by field before anything is called."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from .errors import InvalidInput
from .model import RATIOS, CartLine
from .text import clean, fits
from .url_guard import MAX_URL

MAX_ITEMS: Final = 50
MAX_QUANTITY: Final = 999
MAX_STYLE: Final = 64
MAX_USER_ID: Final = 256
MAX_KEY: Final = 255
MAX_WAIT: Final = 60.0

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Order:
    """A checked request for a picture of a cart."""

    user_id: str
    style: str
    background_url: str
    lines: tuple[CartLine, ...]
    aspect_ratio: str
    seed: int
    idempotency_key: str
    wait: float

    @property
    def request_hash(self) -> str:
        """The same for the same request; how long the caller waits does not count."""
        parts = asdict(self) | {
            "lines": [line.model_dump() for line in self.lines],
            "wait": 0,
            "idempotency_key": "",
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def check_order(
    *,
    user_id: str = "",
    style: str = "",
    background_url: str = "",
    lines: Sequence[CartLine] = (),
    aspect_ratio: str = "",
    seed: int = 0,
    idempotency_key: str = "",
    wait: float = 0.0,
) -> Order:
    """Raises InvalidInput that names the field, the limit and the way out."""
    if not user_id and not lines:
        raise InvalidInput("user_id", "send a user_id, whose cart is drawn, or cart_items")
    return Order(
        user_id=check_user_id(user_id),
        style=_style(style),
        background_url=_background(background_url),
        lines=check_lines(lines),
        aspect_ratio=_ratio(aspect_ratio),
        seed=seed,
        idempotency_key=_key(idempotency_key),
        wait=_wait(wait),
    )


def check_user_id(user_id: str) -> str:
    """A user_id is opaque: whatever the shop's cookie holds, within its length. Raises InvalidInput."""
    if not fits(user_id, MAX_USER_ID):
        raise InvalidInput("user_id", f"at most {MAX_USER_ID} characters")
    return user_id


def check_id(field: str, value: str) -> str:
    """Raises InvalidInput unless *value* looks like an id of this service or of the shop."""
    if not _ID.fullmatch(value):
        raise InvalidInput(field, "1 to 128 letters, digits, hyphens and underscores")
    return value


def check_lines(lines: Sequence[CartLine]) -> tuple[CartLine, ...]:
    """Merge the lines of one product. Raises InvalidInput for bad ids, quantities and too many lines."""
    if len(lines) > MAX_ITEMS:
        raise InvalidInput("cart_items", f"{len(lines)} items; at most {MAX_ITEMS} fit into one picture")
    merged: dict[str, int] = {}
    for line in lines:
        check_id("product_id", line.product_id)
        if not 1 <= line.quantity <= MAX_QUANTITY:
            raise InvalidInput("quantity", f"of {line.product_id}: between 1 and {MAX_QUANTITY}")
        merged[line.product_id] = min(MAX_QUANTITY, merged.get(line.product_id, 0) + line.quantity)
    return tuple(CartLine(product_id=product, quantity=quantity) for product, quantity in merged.items())


def cart_lines(lines: Sequence[CartLine]) -> tuple[CartLine, ...]:
    """
    The lines of the shop's own cart, made to fit: its quantities add up without a bound.

    Lines that make no sense are dropped; quantities are cut at the limit. Raises InvalidInput for too many.
    """
    sensible = [line for line in lines if line.quantity >= 1 and _ID.fullmatch(line.product_id)]
    return check_lines(
        [line.model_copy(update={"quantity": min(line.quantity, MAX_QUANTITY)}) for line in sensible]
    )


def _style(style: str) -> str:
    if not fits(style, MAX_STYLE):
        raise InvalidInput("style_preference", f"at most {MAX_STYLE} characters")
    return clean(style, MAX_STYLE).lower() or "modern"


def _background(url: str) -> str:
    if len(url) > MAX_URL:
        raise InvalidInput("background_image_url", f"at most {MAX_URL} characters")
    return url


def _ratio(aspect_ratio: str) -> str:
    ratio = aspect_ratio or "1:1"
    if ratio not in RATIOS:
        raise InvalidInput("aspect_ratio", f"one of {', '.join(RATIOS)}")
    return ratio


def _key(key: str) -> str:
    if key and (len(key) > MAX_KEY or not _KEY.fullmatch(key)):
        raise InvalidInput("idempotency_key", f"1 to {MAX_KEY} printable ASCII characters")
    return key


def _wait(seconds: float) -> float:
    if not 0 <= seconds <= MAX_WAIT:
        raise InvalidInput("wait", f"between 0 and {MAX_WAIT:.0f} seconds")
    return seconds
