"""Wood: boards that run from left to right, with rings, fibres and pores."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from .colour import Floats
from .scene_noise import floats, grid, noise

BOARDS: Final = 5
_LINES: Final = 72
"""Texture rows a board; its grain is sampled from these in perspective."""
_NEAR: Final = 0.8
"""How far the far edge of the table is shrunk against the near one: 0.8 / 1.8 of its size."""


def boards(width: int, height: int, horizon: float, rng: np.random.Generator) -> Floats:
    """(height, width) how dark the wood is, about 0..1, on a table from the row `horizon` (a share) down."""
    _, column = grid(1, height)
    rows = column[:, 0]
    down = np.clip((rows - horizon) / max(1e-3, 1.0 - horizon), 0.0, 1.0)
    zoom = _NEAR + down
    depth = floats((1.0 / _NEAR - 1.0 / zoom) / (1.0 / _NEAR - 1.0 / (_NEAR + 1.0)))
    number = np.minimum((depth * BOARDS).astype(np.int32), BOARDS - 1)
    slide = rng.uniform(0.0, 0.5, BOARDS).astype(np.float32)[number]
    texture = _texture(rng, width + width // 2)
    x = (
        (np.arange(width, dtype=np.float32)[None, :] / width - 0.5) / zoom[:, None] * 0.62
        + 0.42
        + slide[:, None]
    )
    y = np.repeat((depth * BOARDS * _LINES)[:, None], width, axis=1)
    figure = np.asarray(
        cv2.remap(texture, (x * width).astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR), np.float32
    )
    tint = rng.uniform(-0.14, 0.14, BOARDS).astype(np.float32)[number]
    streaks = noise(rng, width, height, width // 7, height)
    return floats(figure + 0.07 * streaks + tint[:, None] + _seams(depth)[:, None])


def _seams(depth: Floats) -> Floats:
    """The dark line between two boards, with the lit edge of the next one under it."""
    place = depth * BOARDS
    off = place - np.rint(place)
    inside = (place > 0.3) & (place < BOARDS - 0.2)
    line = 0.9 * np.exp(-((off / 0.012) ** 2)) - 0.16 * np.exp(-(((off - 0.035) / 0.018) ** 2))
    return floats(np.where(inside, line, 0.0))


def _texture(rng: np.random.Generator, wide: int) -> Floats:
    """(BOARDS * _LINES, wide) of grain: rings bent by slow noise, fibres, and pores as short dark dashes."""
    rows = BOARDS * _LINES
    y = np.arange(rows, dtype=np.float32)[:, None]
    board = np.floor(y / _LINES)
    bend = noise(rng, wide, rows, 5, 9) + 0.35 * noise(rng, wide, rows, 12, 20)
    heart = rng.uniform(0.2, 0.8, BOARDS).astype(np.float32)[board.astype(np.int32)]
    off = (y / _LINES - board - heart) * 2.2 + 0.55 * bend
    rings = 0.5 + 0.5 * np.sin(26.0 * np.sqrt(np.abs(off) + 0.02) + 3.0 * board)
    fibres = noise(rng, wide, rows, 14, rows // 3) + 0.7 * noise(rng, wide, rows, 30, rows // 2)
    pores = np.clip(noise(rng, wide, rows, 90, rows // 2) - 0.35, 0.0, 1.0)
    slow = noise(rng, wide, rows, 4, 6)
    return floats(0.36 + 0.24 * (rings**1.6 - 0.4) + 0.14 * fibres + 0.55 * pores + 0.10 * slow)
