"""The table under a product is not in the picture; it is carried in smoothly from what is seen round it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats

_TINY: Final = 1e-6


def _pull(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Halve both sides; each coarse pixel is the weighted mean of its fine ones."""
    size = ((values.shape[1] + 1) // 2, (values.shape[0] + 1) // 2)
    heavy = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA)
    total = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)
    heavy = heavy.reshape(*total.shape, -1) / np.maximum(total, _TINY)[..., None]
    return np.asarray(heavy, np.float32), np.minimum(total * 4, 1)


def spread(values: Floats, known: Floats) -> Floats:
    """Fill (h, w, c) `values` where the (h, w) weight `known` is low from where it is high (pull and push).

    With nothing known anywhere the answer is 0.
    """
    if max(known.shape) <= 2:
        total = float(known.sum())
        mean = (values * known[..., None]).sum(axis=(0, 1)) / max(total, _TINY)
        return np.broadcast_to(mean, values.shape).astype(np.float32)
    coarse = spread(*_pull(values, known))
    size = (values.shape[1], values.shape[0])
    wide = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    return np.asarray(wide + (values - wide) * known[..., None], np.float32)


def surroundings(values: Floats, empty: NDArray[np.bool_], reduce: int) -> Floats:
    """A smooth (h, w, c) surface through `values` at the `empty` pixels, on a grid `reduce` times coarser."""
    height, width = empty.shape
    size = (max(1, width // reduce), max(1, height // reduce))
    weight = np.asarray(empty, np.float32)
    share = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)
    small = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA)
    small = small.reshape(*share.shape, -1) / np.maximum(share, _TINY)[..., None]
    known = np.asarray(np.clip(share * 2 - 0.5, 0, 1), np.float32)
    smooth = _relax(spread(np.asarray(small, np.float32), known), known)
    wide = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32).reshape(values.shape)


def _relax(filled: Floats, known: Floats) -> Floats:
    """Take the steps of the pyramid out of what was filled in: diffuse it between what is known."""
    fixed, smooth = known[..., None], filled
    for radius in (9, 5, 3, 3):
        soft = cv2.blur(smooth, (radius, radius), borderType=cv2.BORDER_REPLICATE).reshape(filled.shape)
        smooth = soft + (filled - soft) * fixed
    return np.asarray(smooth, np.float32)
