"""The shopper's own photograph as a set: out of focus behind a table that takes its colours from it."""

from __future__ import annotations

import cv2
import numpy as np

from ..styles import StyleSheet
from .colour import Bytes3, Floats, luminance, to_linear
from .scene_noise import blurred, clouds, colour_of, grid, noise, pool, smoothstep


def stage_photo(photo: Bytes3, sheet: StyleSheet, width: int, height: int, horizon: float, seed: int) -> Floats:
    """(height, width, 3) linear light: `photo` cropped to the frame, with a surface from row `horizon` (share) down.

    Any photograph becomes a place to stand on: the surface is polished and mirrors what is behind it, so its
    colours and its lights are the photograph's own.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 5]))
    behind = _cover(photo, width, height, horizon)
    behind = blurred(behind, 0.006 * max(width, height))
    return _table(behind, sheet, horizon, rng)


def _cover(photo: Bytes3, width: int, height: int, horizon: float) -> Floats:
    """The photograph over the part of the frame above the table and a little more, centred, never stretched."""
    tall, wide = photo.shape[:2]
    need = max(2, round(height * min(1.0, horizon + 0.16)))
    scale = max(width / wide, need / tall)
    across, down = min(wide, max(1, round(width / scale))), min(tall, max(1, round(need / scale)))
    x, y = (wide - across) // 2, (tall - down) // 2
    part = photo[y : y + down, x : x + across, :3]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = np.asarray(cv2.resize(np.ascontiguousarray(part), (width, need), interpolation=how), np.uint8)
    frame = np.empty((height, width, 3), np.uint8)
    frame[:need] = fitted
    frame[need:] = fitted[-1:]
    return to_linear(frame)


def _table(behind: Floats, sheet: StyleSheet, horizon: float, rng: np.random.Generator) -> Floats:
    height, width = behind.shape[:2]
    _, y = grid(width, height)
    rows = np.clip(np.abs(2.0 * horizon * height - np.arange(height) - 1), 0, height - 1).astype(np.int32)
    seen = blurred(behind[rows], 0.03 * max(width, height))
    mean = behind[: max(1, int(horizon * height))].mean(axis=(0, 1))
    body = _surface(mean, sheet) * (1.0 + 0.03 * clouds(rng, width, height, 3, 3))[..., None]
    mirror = 0.42 - 0.26 * smoothstep(horizon, 1.0, y)
    table = body + (seen - body) * mirror[..., None]
    light = pool(width, height, (0.42, horizon + 0.4 * (1 - horizon)), (0.8, 0.6))
    table = table * (0.72 + 0.36 * light + 0.008 * noise(rng, width, height, width // 3, height // 3))[..., None]
    shade = 1.0 - 0.35 * np.exp(-np.maximum(horizon - y, 0.0) / 0.04)
    below = smoothstep(horizon - 0.002, horizon + 0.002, y)[..., None]
    wall = behind * shade[..., None]
    return (wall + (table - wall) * below).astype(np.float32)


def _surface(mean: Floats, sheet: StyleSheet) -> Floats:
    """The style's floor colour, moved half way to the photograph's own colour and lightness."""
    own = colour_of(sheet.palette.floor)
    ratio = float(luminance(mean)) / max(float(luminance(own)), 1e-3)
    return (own * np.float32(min(max(ratio, 0.15), 4.0) ** 0.5) * 0.6 + mean * 0.4).astype(np.float32)
