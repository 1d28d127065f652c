"""Shadows that make a thing stand: a dark line where it touches, a soft pool around, a long one from the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from ..styles import Light
from .colour import Floats
from .scene_noise import blurred

SHRINK: Final = 2
"""Shadows are soft: they are drawn at half the picture's resolution."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A placed silhouette at a shadow map's resolution: `alpha` with its upper left corner at (x, y)."""

    alpha: Floats
    x: int
    y: int
    bottom: float
    """The map's row where it touches the ground."""

    def moved(self, right: int, down: int) -> Outline:
        """The same silhouette elsewhere."""
        return Outline(self.alpha, self.x + right, self.y + down, self.bottom + down)


class ShadowMap:
    """How much light is kept from each pixel of a window of the frame; grows as outlines are added to it."""

    def __init__(self, window: tuple[int, int, int, int], light: Light) -> None:
        x0, y0, x1, y1 = window
        self._size = (-(-(x1 - x0) // SHRINK), -(-(y1 - y0) // SHRINK))
        self._frame = (x1 - x0, y1 - y0)
        self._at = (x0 // SHRINK, y0 // SHRINK)
        self._light = light
        self._touch = self._blank()
        self._near = self._blank()
        self._far = self._blank()
        self._scale = 0.0

    def _blank(self) -> Floats:
        return np.zeros(self._size[::-1], np.float32)

    def stand(self, outline: Outline, cast: float = 1.0) -> None:
        """Adds what stands on the ground; `cast` weakens its long shadow where it brings its own."""
        self._scale = max(self._scale, float(outline.alpha.shape[0]))
        outline = outline.moved(-self._at[0], -self._at[1])
        _raise(self._touch, _contact(outline), outline.x, outline.y)
        self._cast(self._far, outline, cast, 1.0)
        self._cast(self._near, outline, cast, 0.34)

    def _cast(self, layer: Floats, outline: Outline, strength: float, part: float) -> None:
        """The silhouette laid on the ground by an affine map; only its lowest `part` of the height."""
        lean, reach = self._light.lean, self._light.reach
        keep = max(1, round(outline.alpha.shape[0] * part))
        start = outline.alpha.shape[0] - keep
        up = outline.bottom - outline.y - start
        # (x, y) of the silhouette falls to (x + lean * height, bottom - reach * height), height = up - y.
        matrix = np.array(
            [[1.0, -lean, outline.x + lean * up], [0.0, reach, outline.bottom - reach * up]], np.float32
        )
        laid = cv2.warpAffine(outline.alpha[start:], matrix, self._size, flags=cv2.INTER_LINEAR)
        np.maximum(layer, np.float32(strength) * np.asarray(laid, np.float32), out=layer)

    def transmission(self) -> Floats:
        """(height, width) of the frame, 0..1: the light that is left."""
        soft, dark = self._light.softness, self._light.shadow
        size = max(self._scale, 8.0)
        far = blurred(self._far, size * (0.035 + 0.11 * soft))
        near = blurred(self._near, size * (0.012 + 0.035 * soft))
        pool = blurred(np.maximum(self._near, self._touch), size * 0.12)
        touch = blurred(self._touch, max(0.7, size * 0.010))
        kept = (1.0 - 0.74 * dark * far) * (1.0 - 0.62 * dark * near)
        kept *= (1.0 - 0.52 * dark * pool) * (1.0 - 0.80 * touch)
        whole = cv2.resize(kept.astype(np.float32), self._frame, interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole, np.float32)


def _raise(layer: Floats, patch: Floats, x: int, y: int) -> None:
    height, width = layer.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + patch.shape[1], width), min(y + patch.shape[0], height)
    if x0 < x1 and y0 < y1:
        part = layer[y0:y1, x0:x1]
        np.maximum(part, patch[y0 - y : y1 - y, x0 - x : x1 - x], out=part)


def lower_edge(alpha: Floats) -> tuple[Floats, NDArrayBool]:
    """Per column the row below the last covered pixel, and whether the column has any."""
    solid = alpha > 0.5
    covered = solid.any(axis=0)
    last = alpha.shape[0] - np.argmax(solid[::-1], axis=0)
    return np.where(covered, last, 0).astype(np.float32), covered


NDArrayBool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def _contact(outline: Outline) -> Floats:
    """A band along the lower contour, strong where that is as low as the ground, gone where it rises."""
    edge, covered = lower_edge(outline.alpha)
    height, width = outline.alpha.shape
    ground = outline.bottom - outline.y
    rise = np.maximum(ground - edge, 0.0) / max(1.0, 0.5 * min(width, height))
    weight = np.where(covered, np.exp(-((rise / 0.22) ** 2)), 0.0)
    thick = max(1.2, 0.016 * height)
    pad = int(3 * thick) + 1
    rows = np.arange(height + pad, dtype=np.float32)[:, None]
    off = (rows - edge[None, :] + 0.4 * thick) / thick
    return (weight[None, :] * np.exp(-off * off)).astype(np.float32)


def on_wall(outline: Outline, width: int, height: int, light: Light, away: float) -> Floats:
    """(height, width) transmission of a wall `away` pixels behind something that hangs before it."""
    layer = np.zeros((-(-height // SHRINK), -(-width // SHRINK)), np.float32)
    shift = away / SHRINK
    _raise(layer, outline.alpha, outline.x + round(light.lean * shift * 1.4), outline.y + round(shift * 0.8))
    wide = blurred(layer, max(1.0, shift * (0.35 + 0.6 * light.softness)))
    close = np.zeros_like(layer)
    _raise(close, outline.alpha, outline.x + round(light.lean * shift * 0.4), outline.y + round(shift * 0.25))
    close = blurred(close, max(0.8, shift * 0.25))
    kept = (1.0 - 0.5 * light.shadow * wide) * (1.0 - 0.35 * light.shadow * close)
    whole = cv2.resize(kept.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)
