"""Puts the products into the scene's light, within bounds that leave them what they are."""

from __future__ import annotations

from typing import Final

import numpy as np

from .colour import Floats, luminance
from .scene_noise import floats

MOST_GAIN: Final = 0.12
"""No product gets lighter or darker by more than this share."""
MOST_TINT: Final = 0.05
"""No channel of a product moves against the others by more than this share."""
_MIDDLE: Final = 0.40
"""Linear luminance of the studio the shop's pictures are taken in, about a light grey wall."""


def match(around: Floats) -> Floats:
    """The RGB gain for a product that stands among the linear pixels `around` (any shape, RGB last)."""
    mean = np.maximum(around.reshape(-1, 3).mean(axis=0), 1e-3).astype(np.float32)
    bright = float(luminance(mean))
    gain = np.clip((bright / _MIDDLE) ** 0.10, 1.0 - MOST_GAIN, 1.0 + MOST_GAIN)
    tint = np.clip((mean / bright) ** 0.10, 1.0 - MOST_TINT, 1.0 + MOST_TINT)
    return floats(gain * tint)
