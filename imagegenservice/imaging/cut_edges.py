"""Where light and shade on a table end and a product begins: edges, colours, darkness that no table shows."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats
from .cut_reading import Reading

DARK: Final = 0.42  # no soft shadow on a lit table is darker than this ratio (gamma-coded)
_BRIGHT: Final = 1.10  # no light on the table is brighter than this ratio
_FOLLOW: Final = 0.7  # an edge is followed down to this share of the strength that starts one


def _followed(strength: Floats, strong: Floats) -> NDArray[np.bool_]:
    """Edges that somewhere exceed `strong`, followed to where they are nearly lost in the weave."""
    weak = (strength > _FOLLOW * strong).astype(np.uint8)
    count, labels = cv2.connectedComponents(weak, connectivity=8)
    enough = np.bincount(np.asarray(labels)[strength > strong], minlength=count) >= 4
    enough[0] = False
    return np.asarray(enough[np.asarray(labels)], np.bool_)


def walls(reading: Reading) -> NDArray[np.bool_]:
    """(h, w): what light and shade on a table cannot be, its small gaps closed."""
    odd = (reading.tint > reading.hue) | (reading.level < DARK) | (reading.level > _BRIGHT)
    found = (_followed(reading.detail, reading.edge) | odd).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    return np.asarray(cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc) > 0, np.bool_)
