"""Glass keeps its edges, lights and contents on any table: what it lets through is told from what it shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from .colour import Floats, luminance
from .cut_outline import disc
from .cut_reading import Reading

_MILK: Final = 0.10  # share of the light seen in glass that is its own reflection of a bright room
_LIGHTS: Final = 0.85  # share of a bright spot that is a reflection


@dataclass(frozen=True, slots=True)
class Glass:
    """How a see-through product treats light."""

    solid: Floats  # (h, w): opaque parts, 0..1
    through: Floats  # (h, w, 3): what passes
    glow: Floats  # (h, w, 3): what is added


def _ramp(values: Floats, low: float, high: float) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _solid(reading: Reading) -> Floats:
    """Contents and fittings: coloured, or grainy over an area, or dark over an area."""
    coloured = _ramp(cv2.GaussianBlur(reading.tint, (0, 0), 1.5), reading.hue, 2.2 * reading.hue)
    grain = (reading.detail > reading.edge).astype(np.float32)
    grainy = _ramp(cv2.GaussianBlur(grain, (0, 0), 5.0), 0.5, 0.8)
    dark = cv2.morphologyEx(1 - reading.level, cv2.MORPH_OPEN, disc(4))
    lump = _ramp(np.asarray(dark, np.float32), 0.3, 0.5)
    solid = np.maximum(np.maximum(coloured, lump), 0.75 * grainy)
    return np.asarray(cv2.GaussianBlur(cv2.morphologyEx(solid, cv2.MORPH_CLOSE, disc(4)), (0, 0), 1.0), np.float32)


def see_through(picture: Floats, table: Floats, reading: Reading, coverage: Floats) -> Glass:
    """Split a see-through product (linear, like its table) so that over its old table it looks as it did."""
    light = luminance(picture)
    base = cv2.GaussianBlur(cv2.morphologyEx(light, cv2.MORPH_OPEN, disc(6)), (0, 0), 2.0)
    spots = np.clip((light - base) / np.maximum(light, 1e-3), 0, 1)
    share = coverage * np.clip(_MILK + _LIGHTS * _ramp(spots, 0.05, 0.5), 0, 0.9)
    glow = picture * share[..., None]
    passed = np.clip((picture - glow) / np.maximum(table, 0.02), 0, 1)
    through = 1 - coverage[..., None] * (1 - passed)
    return Glass(_solid(reading) * coverage, np.asarray(through, np.float32), np.asarray(glow, np.float32))
