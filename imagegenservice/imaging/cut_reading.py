"""What tells a product from its backdrop is read off once, with the backdrop's light divided out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .backdrop import Backdrop
from .colour import Floats, mean_channel
from .cut_fill import surroundings

_DIVISOR: Final = 0.25  # below this sRGB value a backdrop is too dark to divide by; differences count instead
_RARE: Final = 4.7  # times the mean of half-normal noise: about one value in 5000 is larger
FINE, COARSE = 1.2, 2.4  # pixels (sigma): lines and steps between these are edges; softer ones are shadows
_OPPONENTS: Final = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]], np.float32)


@dataclass(frozen=True, slots=True)
class Reading:
    """The picture relative to its backdrop, gamma-coded, so that noise is alike in light and shade."""

    ratio: Floats  # (h, w, 3): 1 where the backdrop shows, less in shadow and glass
    level: Floats  # (h, w): mean of the channels of `ratio`
    tint: Floats  # (h, w): how far the ratio is from neutral
    detail: Floats  # (h, w): strength of lines and edges about 1 to 5 pixels wide
    edge: Floats  # (h, w): `detail` above this is a real edge and not the backdrop's weave or noise there
    hue: float  # `tint` above this is a real colour and not the tint of a shadow or noise
    weave: float  # mean `detail` of the empty backdrop

    def part(self, window: tuple[slice, slice]) -> Reading:
        """What was read in those rows and columns."""
        return replace(
            self,
            ratio=self.ratio[window],
            level=self.level[window],
            tint=self.tint[window],
            detail=self.detail[window],
            edge=self.edge[window],
        )


def _percentile(values: Floats, share: float) -> float:
    return float(np.percentile(values[:: max(1, values.size // 20000)], share)) if values.size else 0.0


def read(picture: Floats, backdrop: Backdrop) -> Reading:
    """Compare a gamma-coded (h, w, 3) picture with its backdrop."""
    light = backdrop.light
    ratio = np.asarray(1 + (picture - light) / np.maximum(light, _DIVISOR), np.float32)
    level = mean_channel(ratio)
    opponents = cv2.GaussianBlur(cv2.transform(ratio, _OPPONENTS), (0, 0), 1.0)
    tint = np.asarray(cv2.magnitude(opponents[..., 0], opponents[..., 1]), np.float32)
    fine, coarse = cv2.GaussianBlur(level, (0, 0), FINE), cv2.GaussianBlur(level, (0, 0), COARSE)
    detail = np.asarray(cv2.absdiff(fine, coarse), np.float32)
    empty = _far_from_edges(backdrop.plain)
    hue = float(np.clip(1.6 * _percentile(tint[empty], 99.5), 0.055, 0.15))
    weave = float(detail[empty].mean()) if empty.any() else 0.0
    edge = surroundings(detail[..., None], empty, 8)[..., 0] * np.float32(_RARE)
    return Reading(ratio, level, tint, detail, np.clip(edge, 0.006, 0.06), hue, weave)


def _far_from_edges(plain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Plain pixels well away from others; all of the plain ones where that leaves too few."""
    kernel = np.ones((15, 15), np.uint8)
    inner = cv2.erode(plain.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) > 0
    return np.asarray(inner, np.bool_) if inner.mean() > 0.002 else plain
