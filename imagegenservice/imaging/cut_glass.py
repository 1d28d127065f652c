"""Glass keeps its edges, lights and contents on any table: what passes it is told from what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from .colour import Floats, luminance
from .cut_masks import disc
from .cut_reading import Reading

_MILK: Final = 0.10  # share of the light seen in glass that is its own reflection of a bright room
_LIGHTS: Final = 0.8  # share of a bright spot that is a reflection
_GRAINS: Final = 0.35  # share of the light that grains in glass, such as salt, scatter themselves


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


def _half(values: Floats) -> Floats:
    size = (max(1, values.shape[1] // 2), max(1, values.shape[0] // 2))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _solid(reading: Reading) -> Floats:
    """Contents and fittings: what is coloured, or dark over an area, with the lights on it."""
    coloured = _ramp(_half(reading.tint), 0.8 * reading.hue, 1.6 * reading.hue)
    coloured = np.asarray(cv2.morphologyEx(coloured, cv2.MORPH_OPEN, disc(2)), np.float32)
    dark = cv2.morphologyEx(1 - _half(reading.level), cv2.MORPH_OPEN, disc(2))
    solid = np.maximum(coloured, _ramp(np.asarray(dark, np.float32), 0.3, 0.5))
    closed = cv2.GaussianBlur(cv2.morphologyEx(solid, cv2.MORPH_CLOSE, disc(4)), (0, 0), 0.7)
    size = (reading.level.shape[1], reading.level.shape[0])
    return np.asarray(cv2.resize(closed, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _grain(reading: Reading) -> Floats:
    """0..1: fine texture without a direction, such as salt's, unlike the long edges of glass itself."""
    level = _half(reading.level)
    x = np.asarray(cv2.Sobel(level, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    y = np.asarray(cv2.Sobel(level, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    limit = np.minimum(
        1, 0.03 / np.maximum(cv2.magnitude(x, y), 1e-6)
    )  # one hard edge must not outvote grains
    x, y = x * limit, y * limit
    xx, yy, xy = (cv2.GaussianBlur(part, (0, 0), 2.5) for part in (x * x, y * y, x * y))
    energy = xx + yy
    directed = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / np.maximum(energy, 1e-9)
    rough = np.sqrt(energy) / _half(reading.edge)
    white = _ramp(level, 0.75, 0.92)
    grain = white * _ramp(rough, 0.6, 1.4) * (1 - _ramp(directed, 0.3, 0.7))
    grain = _ramp(np.asarray(cv2.GaussianBlur(grain, (0, 0), 6.0), np.float32), 0.2, 0.55)
    size = (reading.level.shape[1], reading.level.shape[0])
    return np.asarray(cv2.resize(grain, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _own_light(light: Floats, table: Floats) -> Floats:
    """The share of the light seen in glass that does not come through it: a haze, and bright spots.

    What is just as light as the table is a hole in the product or a gap between two, and has no haze.
    """
    against = np.asarray(light / np.maximum(table, 0.02), np.float32)
    haze = _MILK * _ramp(1 - np.asarray(cv2.GaussianBlur(against, (0, 0), 3.0), np.float32), 0.0, 0.08)
    base = cv2.GaussianBlur(cv2.morphologyEx(light, cv2.MORPH_OPEN, disc(6)), (0, 0), 2.0)
    spots = _ramp(np.asarray((light - base) / np.maximum(light, 1e-3), np.float32), 0.04, 0.35)
    return np.asarray(haze + _LIGHTS * np.maximum(spots, _ramp(against, 1.0, 1.15)), np.float32)


def see_through(picture: Floats, table: Floats, reading: Reading, coverage: Floats) -> Glass:
    """Split a see-through product (linear, like its table) so that over its old table it looks as it did."""
    own = _own_light(luminance(picture), luminance(table)) + _GRAINS * _grain(reading)
    share = np.clip(2 * coverage - 1, 0, 1) * np.clip(own, 0.02, 0.9)  # a lit rim would be the old table's
    glow = picture * share[..., None]
    passed = np.clip((picture - glow) / np.maximum(table, 0.02), 0, 1)
    through = 1 - coverage[..., None] * (1 - passed)
    return Glass(_solid(reading) * coverage, np.asarray(through, np.float32), np.asarray(glow, np.float32))
