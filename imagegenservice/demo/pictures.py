"""The sample shop's pictures as bytes; they were made by `render.py` and are kept beside it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

from .products import PRODUCTS

BACKGROUNDS = ("oak_table", "window_sill")
"""Names of the backgrounds a shopper of the sample shop may upload."""

_STEMS = {product.id: PurePosixPath(product.picture).stem for product in PRODUCTS}


@cache
def jpeg(product_id: str) -> bytes:
    """The product's picture, a JPEG of 800 x 800. KeyError for a product that the shop does not sell."""
    return _read(_STEMS[product_id])


@cache
def background(name: str) -> bytes:
    """A background, a JPEG of 1280 x 960. KeyError for a name that is not in BACKGROUNDS."""
    if name not in BACKGROUNDS:
        raise KeyError(name)
    return _read(name)


def _read(stem: str) -> bytes:
    return files(__package__).joinpath("pictures", f"{stem}.jpg").read_bytes()
