"""Masks and their parts, as every step of cutting out uses them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]
Window = tuple[slice, slice]


def around(mask: Mask, margin: int) -> Window:
    """The rows and columns of a mask's True pixels with a margin, or all of them where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return (
        slice(max(0, int(rows[0]) - margin), min(mask.shape[0], int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(mask.shape[1], int(columns[-1]) + 1 + margin)),
    )


def disc(radius: int) -> NDArray[np.uint8]:
    """A round structuring element of that radius."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)


def eroded(mask: Mask, radius: int) -> Mask:
    """The mask without its rim; the picture's frame does not count as a rim."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), disc(radius)) > 0, np.bool_)


def dilated(mask: Mask, radius: int) -> Mask:
    """The mask with a rim added."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc(radius)) > 0, np.bool_)


def label(mask: Mask, neighbours: int = 8) -> tuple[int, Labels, NDArray[np.int32]]:
    """Connected parts of a mask: their number with the outside, the labels, and OpenCV's statistics."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=neighbours)
    return count, np.asarray(labels, np.int32), np.asarray(stats, np.int32)
