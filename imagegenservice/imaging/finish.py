"""The darkroom: one grade over scene and products (over these weakly), bloom, vignette and grain."""

from __future__ import annotations

import cv2
import numpy as np

from ..styles import Grade
from .colour import REC709, Bytes3, Floats, to_srgb8
from .scene_noise import blurred, colour_of, floats, grid


def finish(scene: Floats, products: Floats, grade: Grade, seed: int) -> Bytes3:
    """The sRGB bytes of a linear picture, in the style.

    `products` (h, w) says where they are: there the grade is applied at `grade.products` of its strength,
    and neither vignette nor bloom takes more than that share.
    """
    height, width = products.shape
    share = 1.0 - (1.0 - np.float32(grade.products)) * products
    lit = _bloomed(scene, grade.bloom, share)
    lit *= (1.0 - (1.0 - _vignette(width, height, grade.vignette)) * share)[..., None]
    shown = to_srgb8(lit)
    change = _change(shown, grade)
    change *= share[..., None]
    change += _grain(width, height, grade.grain, seed)[..., None]
    return np.asarray(cv2.add(shown, change, dtype=cv2.CV_8U), np.uint8)  # rounds and saturates


def _bloomed(scene: Floats, strength: float, share: Floats) -> Floats:
    """Bright light spills over its surroundings, as in a lens."""
    height, width = share.shape
    small = cv2.resize(scene, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    bright = np.maximum(np.asarray(small, np.float32) - np.float32(0.55), 0.0)
    size = max(height, width) / 4
    spill = (blurred(bright, 0.02 * size) + blurred(bright, 0.06 * size)) * np.float32(0.35 * strength)
    whole = np.asarray(cv2.resize(spill, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    whole *= share[..., None]
    whole *= np.maximum(1.0 - scene, 0.0)
    whole += scene
    return whole


def _vignette(width: int, height: int, strength: float) -> Floats:
    x, y = grid(width, height)
    far = ((x - 0.5) / 0.72) ** 2 + ((y - 0.5) / 0.72) ** 2
    return floats(1.0 - np.float32(0.75 * strength) * np.clip(far, 0.0, 1.3) ** 1.5)


def _change(shown: Bytes3, grade: Grade) -> Floats:
    """What contrast, saturation, fade and toning add to each byte: such curves are made by eye, on codes."""
    steps = (np.arange(256, dtype=np.float32) / 255.0)[None, :, None]
    curve = (steps + np.float32(grade.contrast) * _bend(steps)) * 255.0
    bent = np.asarray(cv2.LUT(shown, np.repeat(curve, 3, axis=2)), np.float32)
    grey = np.array([REC709] * 3, np.float32)
    vivid = np.eye(3, dtype=np.float32) * np.float32(1.0 + grade.saturation) - grey * np.float32(
        grade.saturation
    )
    mixed = np.asarray(cv2.transform(bent, vivid * np.float32(1.0 - grade.fade)), np.float32)
    mixed += np.asarray(cv2.LUT(np.asarray(cv2.transform(shown, grey), np.uint8), _toning(grade)), np.float32)
    mixed -= shown
    return mixed


def _toning(grade: Grade) -> Floats:
    """(1, 256, 3) bytes to add by grey level: one colour in the shadows, another in the highlights."""
    level = (np.arange(256, dtype=np.float32) / 255.0)[None, :, None]
    tone = _cast(grade.shadows) * (1.0 - level) ** 2 + _cast(grade.highlights) * level**2
    return floats((tone * grade.toning * (1.0 - grade.fade) + 0.9 * grade.fade) * 255.0)


def _bend(coded: Floats) -> Floats:
    """An S-curve's distance from the straight line: 0 at both ends and in the middle."""
    return floats(2.0 * coded * (1.0 - coded) * (2.0 * coded - 1.0))


def _cast(code: str) -> Floats:
    """What a colour has more or less of than a grey of its own luminance."""
    coded = np.sqrt(colour_of(code))
    return floats(coded - coded @ np.array(REC709, np.float32))


def _grain(width: int, height: int, strength: float, seed: int) -> Floats:
    """Film grain in byte steps; at least a dither, so that smooth walls do not band."""
    rng = np.random.Generator(np.random.PCG64([seed, 9]))
    fine = rng.standard_normal((height, width), dtype=np.float32)
    clump = np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.8), np.float32)
    return floats(np.float32(0.55 + 6.5 * strength) * clump + np.float32(0.3) * fine)
