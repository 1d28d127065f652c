"""Light adds up in linear values only, so every part of the compositor passes through this door."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes3 = NDArray[np.uint8]
Floats = NDArray[np.float32]

REC709: Final = (0.2126, 0.7152, 0.0722)
"""Luminance weights of linear red, green and blue: ITU-R BT.709, which sRGB shares its primaries with."""

_WEIGHTS: Final = np.array([REC709], np.float32)
_EVEN_WEIGHTS: Final = np.full((1, 3), 1 / 3, np.float32)
_STEPS: Final = 65535  # 16 bits: the steepest part of the curve still has 19 steps to each sRGB byte
_SCALE: Final = np.array([_STEPS], np.float32)


def _decoding(steps: int) -> Floats:
    coded = np.arange(steps + 1) / steps
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encoding() -> NDArray[np.uint8]:
    light = np.arange(_STEPS + 1) / _STEPS
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(coded * 255.0).astype(np.uint8)


# IEC 61966-2-1 (sRGB) both ways.
_TO_LIGHT: Final = _decoding(255).reshape(1, -1)
_FINE_TO_LIGHT: Final = _decoding(_STEPS).reshape(1, -1)
_TO_BYTE: Final = _encoding().reshape(1, -1)


def to_linear(srgb_u8: NDArray[np.uint8]) -> Floats:
    """Linear light 0..1 of sRGB bytes; any shape, kept as it is."""
    if not srgb_u8.size:
        return np.zeros(srgb_u8.shape, np.float32)
    light: Floats = np.asarray(cv2.LUT(srgb_u8.reshape(1, -1), _TO_LIGHT), np.float32)
    return light.reshape(srgb_u8.shape)


def decoded(coded: Floats) -> Floats:
    """Linear light of gamma-coded sRGB 0..1 floats, to 16 bits; any shape; what lies outside is clipped."""
    if not coded.size:
        return np.zeros(coded.shape, np.float32)
    capped = np.minimum(coded.reshape(1, -1), np.float32(1.0))
    steps = cv2.multiply(capped, _SCALE, dtype=cv2.CV_16U)
    light = np.asarray(cv2.LUT(steps, _FINE_TO_LIGHT), np.float32)
    return light.reshape(coded.shape)


def to_srgb8(linear: Floats) -> NDArray[np.uint8]:
    """The nearest sRGB bytes of linear light; any shape; what lies outside 0..1 is clipped, NaN becomes 0."""
    if not linear.size:
        return np.zeros(linear.shape, np.uint8)
    capped = np.minimum(linear.reshape(1, -1), np.float32(1.0))
    steps = cv2.multiply(capped, _SCALE, dtype=cv2.CV_16U)  # saturates below, too
    coded = np.asarray(cv2.LUT(steps, _TO_BYTE), np.uint8)
    return coded.reshape(linear.shape)


def luminance(linear: Floats) -> Floats:
    """(..., 3) linear RGB to (...) relative luminance."""
    if not linear.size:
        return np.zeros(linear.shape[:-1], np.float32)
    light = np.asarray(cv2.transform(linear.reshape(-1, 1, 3), _WEIGHTS), np.float32)
    return light.reshape(linear.shape[:-1])


def largest_channel(values: Floats) -> Floats:
    """(h, w, 3) to the (h, w) largest of the three channels; much quicker than a reduction."""
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])


def mean_channel(values: Floats) -> Floats:
    """(h, w, 3) to the (h, w) mean of the three channels."""
    return np.asarray(cv2.transform(values, _EVEN_WEIGHTS), np.float32)
