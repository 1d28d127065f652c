"""Soft edges: how much of each edge pixel is product, and the product's own colour there."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats, largest_channel
from .cut_masks import Mask

_REACH: Final = 3  # pixels to either side of the outline that may be mixed of product and table
_CLEAN: Final = 0.05  # coverage below this is noise of the table; what lies above is stretched to 0..1
_FAINT: Final = 0.2  # colour distance, linear, at which colour and geometry have an equal say in coverage


def _box(mask: Mask, radius: int, grow: bool) -> Mask:
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    change = cv2.dilate if grow else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), kernel) > 0, np.bool_)


def _seeds(picture: Floats, table: Floats, inside: Mask, band: Mask) -> Mask:
    """Pixels that are sure to be nothing but product: its inner part, and the middle of thin parts."""
    away = largest_channel(np.asarray(cv2.absdiff(picture, table), np.float32))
    crest = cv2.dilate(np.where(inside, away, np.float32(0)), np.ones((9, 9), np.uint8))
    ridge = inside & band & (away >= 0.92 * crest)
    inner = inside & ~band
    covered = cv2.dilate(inner.astype(np.uint8), np.ones((2 * _REACH + 3,) * 2, np.uint8)) > 0
    return np.asarray(inner | (ridge & ~covered), np.bool_)


def _nearest(seeds: Mask, wanted: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the seed nearest to each wanted pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(seeds)
    order = np.zeros(int(labels.max()) + 1, np.intp)
    order[labels[rows, columns]] = np.arange(len(rows))
    nearest = order[labels[wanted]]
    return rows[nearest], columns[nearest]


def _own_colour(picture: Floats, seeds: Mask, band: Mask) -> Floats:
    """(n, 3) the product's colour at each band pixel, carried out from its inner part."""
    weight = np.asarray(seeds, np.float32)
    total = cv2.blur(weight, (3, 3))
    calm = cv2.blur(picture * weight[..., None], (3, 3)) / np.maximum(total, 1e-6)[..., None]
    rows, columns = _nearest(seeds, band)
    return np.asarray(calm[rows, columns], np.float32)


def soften(picture: Floats, table: Floats, inside: Mask) -> tuple[Floats, Floats]:
    """Coverage (h, w) and straight colour (h, w, 3) of what is `inside` a hard outline.

    `picture` and `table` (h, w, 3) are linear; an edge pixel is taken to be colour * coverage + table * rest.
    """
    band = _box(inside, _REACH, grow=True) & ~_box(inside, _REACH, grow=False)
    seeds = _seeds(picture, table, inside, band)
    coverage, colour = inside.astype(np.float32), picture.copy()
    if not seeds.any() or not band.any():
        return coverage, colour
    own, back, seen = _own_colour(picture, seeds, band), table[band], picture[band]
    step = own - back
    contrast = (step * step).sum(axis=-1)
    share = ((seen - back) * step).sum(axis=-1) / np.maximum(contrast, 1e-8)
    trust = contrast / (contrast + _FAINT**2)
    shape = np.clip((cv2.GaussianBlur(coverage, (0, 0), 2.0)[band] - 0.5) * 2.2 + 0.5, 0, 1)
    mixed = np.clip(share, 0, 1) * trust + shape * (1 - trust)
    mixed = np.minimum(
        mixed, 2.5 * cv2.GaussianBlur(coverage, (0, 0), 1.5)[band]
    )  # none far from the outline
    mixed = np.clip((mixed - _CLEAN) / (1 - 2 * _CLEAN), 0, 1)
    coverage[band] = mixed
    colour[band] = _unmixed(seen, back, own, mixed)
    return coverage, colour


def _unmixed(seen: Floats, back: Floats, own: Floats, share: Floats) -> Floats:
    """The table's part taken out of edge pixels; the fainter one is, the more its colour is the inner one."""
    part = share[:, None]
    clean = np.clip((seen - (1 - part) * back) / np.maximum(part, 0.05), 0, 1)
    sure = np.clip((part - 0.6) / 0.4, 0, 1)
    return np.asarray(clean * sure + own * (1 - sure), np.float32)
