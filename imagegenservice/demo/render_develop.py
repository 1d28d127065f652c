"""From linear light to the bytes of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .render_shapes import Floats


def develop(linear: Floats, white: float = 1.17) -> NDArray[np.uint8]:
    """The sRGB bytes of a product picture: exposure, slight vignette, a trace of bloom."""
    y, x = np.mgrid[-1 : 1 : linear.shape[0] * 1j, -1 : 1 : linear.shape[1] * 1j].astype(np.float32)
    light = linear * (np.float32(white) * (1 - 0.05 * (x * x + y * y)))[..., None]
    bright = np.maximum(light - 1, 0)
    light = light + 0.06 * cv2.GaussianBlur(bright, (0, 0), light.shape[0] / 90)
    return encode(light)


def encode(light: Floats) -> NDArray[np.uint8]:
    """The sRGB bytes of linear light (IEC 61966-2-1), with a shoulder above 0.8 and a trace of grain."""
    knee = np.float32(0.8)
    rolled = knee + (1 - knee) * (1 - np.exp(-(np.maximum(light, knee) - knee) / (1 - knee)))
    light = np.clip(np.where(light > knee, rolled, light), 0, 1)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    grain = np.random.Generator(np.random.PCG64(3)).normal(0, 0.6, light.shape[:2]).astype(np.float32)
    return np.asarray(np.clip(code + grain[..., None] + 0.5, 0, 255), np.uint8)
