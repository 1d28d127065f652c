"""What carries the products: seamless paper, a wooden table or polished stone, seen slightly from above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ..styles import StyleSheet
from .colour import Floats
from .scene_noise import blurred, colour_of, floats, grid, noise, pool, smoothstep
from .scene_wood import boards

Rng = np.random.Generator


def lay_floor(wall: Floats, sheet: StyleSheet, horizon: float, rng: Rng) -> Floats:
    """`wall` with the style's floor in front of it, from the row `horizon` (a share of the height) down."""
    return _FLOORS[sheet.scene.floor](wall, sheet, horizon, rng)


def _lit(sheet: StyleSheet, width: int, height: int, horizon: float) -> Floats:
    """Light on the floor: brightest left of the middle, fading to the front and to the right."""
    light = pool(width, height, (0.42, horizon + 0.42 * (1 - horizon)), (0.75, 0.55))
    return floats(1.08 - sheet.light.falloff * 0.8 * (1.0 - light))


def _join(wall: Floats, floor: Floats, horizon: float, soft: float) -> Floats:
    height, width = wall.shape[:2]
    _, y = grid(width, height)
    below = smoothstep(horizon - soft, horizon + soft, y)[..., None]
    return floats(wall + (floor - wall) * below)


def _seamless(wall: Floats, sheet: StyleSheet, horizon: float, rng: Rng) -> Floats:
    height, width = wall.shape[:2]
    _, y = grid(width, height)
    tone = _lit(sheet, width, height, horizon) * (
        1.0 + 0.006 * noise(rng, width, height, width // 3, height // 3)
    )
    floor = colour_of(sheet.palette.floor) * colour_of(sheet.light.tint) * tone[..., None]
    # In the bend of a cove the paper turns away from the light.
    bend = np.exp(-(((y - horizon) / 0.05) ** 2))
    return floats(
        _join(_shaded(wall, horizon), floats(floor), horizon, 0.003) * (1.0 - 0.03 * bend)[..., None]
    )


def _polished(wall: Floats, sheet: StyleSheet, horizon: float, rng: Rng) -> Floats:
    height, width = wall.shape[:2]
    del rng
    floor = colour_of(sheet.palette.floor) * colour_of(sheet.light.tint)
    floor = floor * _lit(sheet, width, height, horizon)[..., None]
    seen = _mirrored(wall, horizon)
    _, y = grid(width, height)
    fresnel = sheet.depth.mirror * (0.85 - 0.6 * smoothstep(horizon, 1.0, y))
    floor = floor * (1.0 - fresnel)[..., None] + seen * fresnel[..., None]
    sheen = pool(width, height, (0.40, horizon + 0.30 * (1 - horizon)), (0.42, 0.16))
    floor = floor + colour_of(sheet.light.tint) * (0.05 * sheet.depth.mirror * sheen)[..., None]
    return _join(wall, floor.astype(np.float32), horizon, 0.05 if sheet.scene.wall == "softbox" else 0.002)


def _mirrored(wall: Floats, horizon: float) -> Floats:
    """The wall upside down below the horizon, blurred as a polish does."""
    height = wall.shape[0]
    rows = np.abs(2.0 * horizon * height - np.arange(height) - 1)
    return blurred(wall[np.clip(rows, 0, height - 1).astype(np.int32)], 0.012 * max(wall.shape))


def _wood(wall: Floats, sheet: StyleSheet, horizon: float, rng: Rng) -> Floats:
    height, width = wall.shape[:2]
    pale, dark = colour_of(sheet.palette.floor), colour_of(sheet.palette.grain)
    tone = boards(width, height, horizon, rng)[..., None]
    floor = pale * (dark / pale) ** tone
    floor = floor * _lit(sheet, width, height, horizon)[..., None] * colour_of(sheet.light.tint)
    seen = _mirrored(wall, horizon)
    floor = floor + seen * np.float32(sheet.depth.mirror)
    return _join(_shaded(wall, horizon), floor.astype(np.float32), horizon, 0.0015)


def _shaded(wall: Floats, horizon: float) -> Floats:
    """The wall darkens where the table stands against it."""
    height, width = wall.shape[:2]
    _, y = grid(width, height)
    return floats(wall * (1.0 - 0.22 * np.exp(-np.maximum(horizon - y, 0.0) / 0.05))[..., None])


_FLOORS: Final[dict[str, Callable[[Floats, StyleSheet, float, Rng], Floats]]] = {
    "seamless": _seamless,
    "wood": _wood,
    "polished": _polished,
}
