"""The darkroom: one grade over scene and products (over these at reduced strength), bloom, vignette and grain."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ..styles import Grade
from .colour import REC709, Bytes3, Floats, to_srgb8
from .scene_noise import blurred, colour_of, grid

_STEPS: Final = 1023


def finish(scene: Floats, products: Floats, grade: Grade, seed: int) -> Bytes3:
    """sRGB bytes of a linear picture in the style.

    `products` (h, w) says where they are: there the grade is applied at `grade.products` of its strength,
    and neither vignette nor bloom takes more than that share.
    """
    share = 1.0 - (1.0 - np.float32(grade.products)) * products
    lit = _bloomed(scene, grade.bloom, share)
    lit *= (1.0 - (1.0 - _vignette(scene.shape[1], scene.shape[0], grade.vignette)) * share)[..., None]
    shown = to_srgb8(lit)
    graded = _graded(shown, grade)
    mixed = shown + (graded - shown) * share[..., None]
    mixed += _grain(shown.shape, grade.grain, seed)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _bloomed(scene: Floats, strength: float, share: Floats) -> Floats:
    """Bright light spills over its surroundings, as in a lens."""
    small = cv2.resize(scene, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    bright = np.maximum(np.asarray(small, np.float32) - np.float32(0.55), 0.0)
    spill = blurred(bright, 0.02 * max(scene.shape[:2]) / 4) + blurred(
        bright, 0.06 * max(scene.shape[:2]) / 4
    )
    whole = cv2.resize(spill, (scene.shape[1], scene.shape[0]), interpolation=cv2.INTER_LINEAR)
    glow = np.asarray(whole, np.float32) * (np.float32(0.35 * strength) * share)[..., None]
    return (scene + glow * np.maximum(1.0 - scene, 0.0)).astype(np.float32)


def _vignette(width: int, height: int, strength: float) -> Floats:
    x, y = grid(width, height)
    far = ((x - 0.5) / 0.72) ** 2 + ((y - 0.5) / 0.72) ** 2
    return (1.0 - np.float32(0.75 * strength) * np.clip(far, 0.0, 1.3) ** 1.5).astype(np.float32)


def _graded(shown: Bytes3, grade: Grade) -> Floats:
    """Contrast, fade and split toning on coded values, where such curves are made by eye."""
    coded = shown.astype(np.float32) / np.float32(255.0)
    grey = coded @ np.array(REC709, np.float32)
    coded = grey[..., None] + (coded - grey[..., None]) * np.float32(1.0 + grade.saturation)
    curve = coded + np.float32(grade.contrast) * _bend(coded)
    low = (1.0 - grey) ** 2 * np.float32(grade.toning)
    high = grey**2 * np.float32(grade.toning)
    tone = _cast(grade.shadows) * low[..., None] + _cast(grade.highlights) * high[..., None]
    lifted = (curve + tone) * np.float32(1.0 - grade.fade) + np.float32(grade.fade * 0.9)
    return (np.clip(lifted, 0.0, 1.0) * 255.0).astype(np.float32)


def _bend(coded: Floats) -> Floats:
    """An S-curve's distance from the straight line: 0 at both ends and in the middle."""
    held = np.clip(coded, 0.0, 1.0)
    return (2.0 * held * (1.0 - held) * (2.0 * held - 1.0)).astype(np.float32)


def _cast(code: str) -> Floats:
    """What a colour has more or less of than a grey of its own luminance."""
    coded = np.sqrt(colour_of(code))
    return (coded - coded @ np.array(REC709, np.float32)).astype(np.float32)


def _grain(shape: tuple[int, ...], strength: float, seed: int) -> Floats:
    """Film grain in byte steps; at least a dither, so that smooth walls do not band."""
    rng = np.random.Generator(np.random.PCG64([seed, 9]))
    fine = rng.standard_normal(shape[:2], dtype=np.float32)
    clump = cv2.GaussianBlur(fine, (0, 0), 0.8)
    return (np.float32(0.55 + 6.5 * strength) * np.asarray(clump, np.float32) + 0.3 * fine)[..., None]
