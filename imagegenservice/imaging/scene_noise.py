"""Smooth random fields and light shapes, the raw material that every drawn scene is made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from .colour import Floats, to_linear


def floats(values: ArrayLike) -> Floats:
    """`values` at single precision, which is all that light needs here."""
    return np.asarray(values, np.float32)


def colour_of(code: str) -> Floats:
    """Linear RGB of "#rrggbb"."""
    return to_linear(np.frombuffer(bytes.fromhex(code[1:]), np.uint8))


def grid(width: int, height: int) -> tuple[Floats, Floats]:
    """The pixel centres' places across (1, width) and down (height, 1), each 0..1."""
    across = (np.arange(width) + 0.5) / width
    down = (np.arange(height) + 0.5) / height
    return floats(across[None, :]), floats(down[:, None])


def smoothstep(low: float, high: float, values: Floats) -> Floats:
    """0 below `low`, 1 above `high`, Hermite in between (low may exceed high to fall instead of rise)."""
    width = high - low if abs(high - low) > 1e-6 else 1e-6
    share = np.clip((values - np.float32(low)) / np.float32(width), 0.0, 1.0)
    return floats(share * share * (3.0 - 2.0 * share))


def noise(rng: np.random.Generator, width: int, height: int, columns: int, rows: int) -> Floats:
    """A smooth field, about -1..1, with `columns` x `rows` hills and valleys."""
    if columns * 8 > width:  # fine noise has no room to show how it is interpolated, and this is much quicker
        fine = rng.uniform(-1.0, 1.0, size=(max(1, rows), max(1, columns))).astype(np.float32)
        return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    small = (24 * columns, 24 * rows)  # smooth enough to be enlarged
    if 2 * small[0] < width and 2 * small[1] < height:
        return floats(
            cv2.resize(noise(rng, *small, columns, rows), (width, height), interpolation=cv2.INTER_CUBIC)
        )
    # One more ring of random values than is shown: the borders of a cubic resize are flat.
    seeds = rng.uniform(-1.0, 1.0, size=(rows + 3, columns + 3)).astype(np.float32)
    step_x, step_y = columns / width, rows / height
    x = np.arange(width, dtype=np.float32) * np.float32(step_x) + 1.0
    y = np.arange(height, dtype=np.float32) * np.float32(step_y) + 1.0
    return _sample(seeds, x, y)


def _sample(seeds: Floats, x: Floats, y: Floats) -> Floats:
    across = _cubic(seeds.T, x).T
    return _cubic(np.ascontiguousarray(across), y)


def _cubic(values: Floats, at: Floats) -> Floats:
    """Catmull-Rom along the first axis, for all columns at once."""
    base = np.minimum(at.astype(np.int32), values.shape[0] - 3)
    t = (at - base).astype(np.float32)[:, None]
    a, b, c, d = (values[np.clip(base + k, 0, values.shape[0] - 1)] for k in (-1, 0, 1, 2))
    steep = 2.0 * a - 5.0 * b + 4.0 * c - d
    bend = 3.0 * (b - c) + d - a
    return floats(b + 0.5 * t * (c - a + t * (steep + t * bend)))


def clouds(rng: np.random.Generator, width: int, height: int, cells: int, octaves: int = 4) -> Floats:
    """Fractal noise about -1..1: each octave twice as fine and half as strong; `cells` across the width."""
    total = np.zeros((height, width), np.float32)
    strength = 0.5
    for _ in range(octaves):
        rows = max(1, round(cells * height / width))
        total += np.float32(strength) * noise(rng, width, height, cells, rows)
        cells, strength = cells * 2, strength / 2
    return total


def pool(width: int, height: int, centre: tuple[float, float], radius: tuple[float, float]) -> Floats:
    """A round patch of light, 1 in its centre; centre and radii as shares of the frame, a Gaussian."""
    x, y = grid(width, height)
    return np.exp(-(((x - centre[0]) / radius[0]) ** 2) - ((y - centre[1]) / radius[1]) ** 2).astype(
        np.float32
    )


def blurred(image: Floats, sigma: float) -> Floats:
    """A Gaussian blur that is done on a smaller picture when the eye cannot tell."""
    if sigma < 0.3:
        return image
    shrink = max(1, int(sigma / 2.5))
    height, width = image.shape[:2]
    if shrink == 1 or min(height, width) < 4 * shrink:
        return _gauss(image, sigma)
    small = cv2.resize(
        image, (max(1, width // shrink), max(1, height // shrink)), interpolation=cv2.INTER_AREA
    )
    soft = _gauss(floats(small), sigma / shrink)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _gauss(image: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
