"""Shadows that make a thing stand: a dark line where it touches, a pool around, a long one from the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..styles import Light
from .colour import Floats
from .scene_noise import blurred, floats

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
        self._frame = (x1 - x0, y1 - y0)
        self._size = (-(-self._frame[0] // SHRINK), -(-self._frame[1] // SHRINK))
        self._at = (x0 // SHRINK, y0 // SHRINK)
        self._light = light
        self._touch, self._near, self._far, self._wall, self._close = (self._blank() for _ in range(5))
        self._scale = 0.0
        self._away = 0.0

    def _blank(self) -> Floats:
        return np.zeros(self._size[::-1], np.float32)

    def stand(self, outline: Outline, cast: float = 1.0) -> None:
        """Adds what stands on the ground; `cast` weakens its long shadow where it brings its own."""
        self._scale = max(self._scale, float(outline.alpha.shape[0]))
        outline = outline.moved(-self._at[0], -self._at[1])
        _raise(self._touch, _contact(outline), outline.x, outline.y)
        self._cast(self._far, outline, cast, 1.0)
        self._cast(self._near, outline, cast, 0.34)

    def hang(self, outline: Outline, away: float) -> None:
        """Adds what is `away` pixels before a wall."""
        self._away = max(self._away, away / SHRINK)
        shift = away / SHRINK
        outline = outline.moved(-self._at[0], -self._at[1])
        far = outline.moved(round(self._light.lean * shift * 1.4), round(shift * 0.8))
        close = outline.moved(round(self._light.lean * shift * 0.4), round(shift * 0.25))
        _raise(self._wall, far.alpha, far.x, far.y)
        _raise(self._close, close.alpha, close.x, close.y)

    def _cast(self, layer: Floats, outline: Outline, strength: float, part: float) -> None:
        """The silhouette laid on the ground by an affine map; only its lowest `part` of the height."""
        lean, reach = self._light.lean, self._light.reach
        keep = max(1, round(outline.alpha.shape[0] * part))
        start = outline.alpha.shape[0] - keep
        up = outline.bottom - outline.y - start
        # (x, y) of the silhouette falls to (x + lean * height, bottom - reach * height), height = up - y.
        matrix = np.array([[1.0, -lean, outline.x + lean * up], [0.0, reach, outline.bottom - reach * up]])
        laid = cv2.warpAffine(outline.alpha[start:], matrix, self._size, flags=cv2.INTER_LINEAR)
        np.maximum(layer, np.float32(strength) * np.asarray(laid, np.float32), out=layer)

    def transmission(self) -> Floats:
        """(height, width) of the window, 0..1: the light that is left."""
        kept = self._ground() if self._scale else np.ones(self._size[::-1], np.float32)
        if self._away:
            soft, dark = self._light.softness, self._light.shadow
            wide = blurred(self._wall, max(1.0, self._away * (0.35 + 0.6 * soft)))
            close = blurred(self._close, max(0.8, self._away * 0.25))
            kept = kept * (1.0 - 0.5 * dark * wide) * (1.0 - 0.35 * dark * close)
        return floats(cv2.resize(floats(kept), self._frame, interpolation=cv2.INTER_LINEAR))

    def _ground(self) -> Floats:
        """Factors found by looking: from the long soft shadow to the dark line at the foot."""
        soft, dark, size = self._light.softness, self._light.shadow, max(self._scale, 8.0)
        far = blurred(self._far, size * (0.035 + 0.11 * soft))
        near = blurred(self._near, size * (0.012 + 0.035 * soft))
        pool = blurred(np.maximum(self._near, self._touch), size * 0.10)
        line, halo = blurred(self._touch, max(0.6, size * 0.006)), blurred(self._touch, size * 0.035)
        touch = np.minimum(np.maximum(line, np.float32(1.5) * halo), 1.0)
        kept = (1.0 - 0.82 * dark * far) * (1.0 - 0.74 * dark * near)
        return floats(kept * (1.0 - 0.72 * dark * pool) * (1.0 - (0.45 + 0.40 * dark) * touch))


def _raise(layer: Floats, patch: Floats, x: int, y: int) -> None:
    height, width = layer.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + patch.shape[1], width), min(y + patch.shape[0], height)
    if x0 < x1 and y0 < y1:
        part = layer[y0:y1, x0:x1]
        np.maximum(part, patch[y0 - y : y1 - y, x0 - x : x1 - x], out=part)


def lower_edge(alpha: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Per column the row below the last covered pixel, and whether the column has any."""
    solid: NDArray[np.bool_] = alpha > 0.5
    covered = np.asarray(solid.any(axis=0), np.bool_)
    last = alpha.shape[0] - np.argmax(solid[::-1], axis=0)
    return floats(np.where(covered, last, 0)), covered


def _smoothed(edge: Floats, covered: NDArray[np.bool_]) -> Floats:
    """Without the steps that a nearly level edge has in pixels; columns that are not covered have no say."""
    there = floats(covered)[None, :]
    total = np.asarray(cv2.GaussianBlur(edge[None, :] * there, (0, 0), 2.5), np.float32)
    count = np.asarray(cv2.GaussianBlur(there, (0, 0), 2.5), np.float32)
    return floats(np.where(covered, (total / np.maximum(count, 1e-3))[0], 0.0))


def _contact(outline: Outline) -> Floats:
    """A band along the lower contour, strong where that is as low as the ground, gone where it rises."""
    edge, covered = lower_edge(outline.alpha)
    edge = _smoothed(edge, covered)
    height, width = outline.alpha.shape
    ground = outline.bottom - outline.y
    rise = np.maximum(ground - edge, 0.0) / max(1.0, 0.5 * min(width, height))
    weight = np.where(covered, np.exp(-((rise / 0.22) ** 2)), 0.0)
    thick = max(1.3, 0.022 * height)
    pad = int(3 * thick) + 1
    rows = np.arange(height + pad, dtype=np.float32)[:, None]
    off = (rows - edge[None, :] - 0.3 * thick) / thick
    return floats(weight[None, :] * np.exp(-off * off))
