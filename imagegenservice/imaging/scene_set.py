"""Builds the set a picture is taken in: the shopper's photograph, or one drawn for the style."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..styles import StyleSheet
from .colour import Bytes3, Floats
from .scene_floors import lay_floor
from .scene_noise import blurred
from .scene_photo import stage_photo
from .scene_walls import draw_wall


def build_set(
    sheet: StyleSheet, background: Bytes3 | None, width: int, height: int, horizon: float, seed: int
) -> tuple[Floats, float]:
    """(height, width, 3) linear light of the empty set, the caller's own, and how much its floor mirrors.

    `horizon` is the share of the height at which the floor begins.
    """
    if background is not None:
        return stage_photo(background, sheet, width, height, horizon, seed)
    return _drawn(sheet, width, height, round(horizon, 3), seed).astype(np.float32), sheet.depth.mirror


@lru_cache(maxsize=4)
def _drawn(
    sheet: StyleSheet, width: int, height: int, horizon: float, seed: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    """The drawn set, kept for the next picture of its kind, at half precision: 6 MB for a square picture."""
    rng = np.random.Generator(np.random.PCG64([seed, 3]))
    small = (max(8, -(-width // 2)), max(8, -(-height // 2)))
    wall = draw_wall(sheet, *small, horizon, rng)
    wall = blurred(wall, sheet.depth.blur * max(small))
    whole = np.asarray(cv2.resize(wall, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return lay_floor(whole, sheet, horizon, rng).astype(np.float16)
