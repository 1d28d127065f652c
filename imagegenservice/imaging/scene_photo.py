"""The shopper's own photograph as a set: its own ground where it has one, else a table in front of it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ..styles import StyleSheet
from .colour import Bytes3, Floats, luminance, to_linear
from .scene_noise import blurred, clouds, colour_of, floats, grid, noise, pool, smoothstep

HORIZON: Final = 0.60
"""Where the table would begin if it were up to the photograph, most of which is to be seen."""
_CALM: Final = 0.30
"""The share of the frame that has to be calm, from the bottom up, to be taken for ground."""
_SPREAD: Final = 0.11
"""How far the chromaticities of ground may lie from their middle; light and shade do not count."""
_BUSY: Final = 5.0
"""Mean step between neighbours (bytes, 96 pixels across) above which a row of pixels is no plain ground."""
_POLISH: Final = 0.24
"""How much of the products the table mirrors."""


def stage_photo(
    photo: Bytes3, sheet: StyleSheet, width: int, height: int, horizon: float, seed: int
) -> tuple[Floats, float]:
    """(height, width, 3) linear light: `photo` cropped to the frame, with ground, and how much that mirrors.

    Below the row `horizon` (a share of the height) lies the photograph's own ground, where it is calm enough
    to be one; else a polished table that mirrors what is behind it, so that it has the photograph's colours.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 5]))
    whole = _cover(photo, width, height)
    line = ground_line(whole)
    if line <= horizon:
        return _on_own_ground(to_linear(whole), line), 0.0
    need = max(2, round(height * min(1.0, horizon + 0.04)))
    frame = np.empty((height, width, 3), np.uint8)
    frame[:need] = _cover(photo, width, need)
    frame[need:] = frame[need - 1]
    behind = blurred(to_linear(frame), 0.0035 * max(width, height))
    return _table(behind, sheet, horizon, rng), _POLISH


def ground_line(picture: Bytes3) -> float:
    """The share of the height where calm ground begins that reaches to the bottom; 1 if there is none.

    Ground is what keeps one colour, in light and in shade, all across the frame. Found on five photographs:
    two tables pass, and a cup on a saucer, a cat and a launch pad do not.
    """
    small = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA)
    soft = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32) + np.float32(4.0)
    hue = soft / soft.sum(axis=2, keepdims=True)
    usual = np.median(hue[72:].reshape(-1, 3), axis=0)
    spread = np.percentile(np.abs(hue - usual).sum(axis=2), 90, axis=1)
    steps = np.abs(np.diff(soft, axis=1)).mean(axis=(1, 2))
    other = np.flatnonzero((spread > _SPREAD) | (steps > _BUSY))
    line = (int(other[-1]) + 1) / 96 if other.size else 0.0
    return max(line, 0.3) if line <= 1.0 - _CALM else 1.0


def _on_own_ground(scene: Floats, line: float) -> Floats:
    """What is further away than the products is out of focus; a wash of shade gives the ground weight."""
    height, width = scene.shape[:2]
    _, y = grid(width, height)
    soft = blurred(scene, 0.007 * max(width, height))
    sharper = blurred(scene, 0.0018 * max(width, height))
    far = smoothstep(line + 0.10, line - 0.08, y)[..., None]
    mixed = sharper + (soft - sharper) * far
    return floats(mixed * (1.0 - 0.12 * smoothstep(line, 1.0, y))[..., None])


def _cover(photo: Bytes3, width: int, height: int) -> Bytes3:
    """The middle of the photograph in the size and shape asked for."""
    tall, wide = photo.shape[:2]
    scale = max(width / wide, height / tall)
    across, down = min(wide, max(1, round(width / scale))), min(tall, max(1, round(height / scale)))
    x, y = (wide - across) // 2, round((tall - down) * 0.6)
    part = np.ascontiguousarray(photo[y : y + down, x : x + across, :3])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (width, height), interpolation=how), np.uint8)


def _table(behind: Floats, sheet: StyleSheet, horizon: float, rng: np.random.Generator) -> Floats:
    height, width = behind.shape[:2]
    _, y = grid(width, height)
    rows = np.clip(np.abs(2.0 * horizon * height - np.arange(height) - 1), 0, height - 1).astype(np.int32)
    seen = blurred(behind[rows], 0.03 * max(width, height))
    body = _surface(_surroundings(behind[: max(1, int(horizon * height))]), sheet)
    body = body * (1.0 + 0.04 * clouds(rng, width, height, 3, 3))[..., None]
    mirror = 0.45 - 0.27 * smoothstep(horizon, 1.0, y)
    table = body + (seen - body) * mirror[..., None]
    light = pool(width, height, (0.42, horizon + 0.4 * (1 - horizon)), (0.8, 0.6))
    table = (
        table * (0.74 + 0.38 * light + 0.008 * noise(rng, width, height, width // 3, height // 3))[..., None]
    )
    wall = behind * (1.0 - 0.35 * np.exp(-np.maximum(horizon - y, 0.0) / 0.035))[..., None]
    edge = np.exp(-(((y - horizon - 0.003) / 0.0022) ** 2))[..., None]
    table = table * (1.0 + 0.35 * edge)
    below = smoothstep(horizon - 0.0015, horizon + 0.0015, y)[..., None]
    return floats(wall + (table - wall) * below)


def _surroundings(behind: Floats) -> Floats:
    """The mean colour of what is below on both sides: the ground of most pictures, not their subject."""
    height, width = behind.shape[:2]
    low, side = behind[height // 2 :], max(1, width // 4)
    return floats(np.concatenate([low[:, :side], low[:, -side:]], axis=1).mean(axis=(0, 1)))


def _surface(mean: Floats, sheet: StyleSheet) -> Floats:
    """The photograph's own colour with a little of the style's floor, at the photograph's lightness."""
    own = colour_of(sheet.palette.floor)
    ratio = float(luminance(mean)) / max(float(luminance(own)), 1e-3)
    return floats(own * np.float32(min(max(ratio, 0.05), 4.0)) * 0.25 + mean * 0.75)
