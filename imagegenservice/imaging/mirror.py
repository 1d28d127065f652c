"""What a polished floor shows of the things that stand on it."""

from __future__ import annotations

import cv2
import numpy as np

from .colour import Floats
from .piece import Piece
from .scene_noise import blurred, floats


def reflect(scene: Floats, piece: Piece, strength: float) -> None:
    """Draws the mirror image of `piece` below it into `scene`, fading with the distance from the ground."""
    x0, y0, x1, y1 = piece.box
    colour, alpha = piece.colour[y0:y1, x0:x1], piece.alpha[y0:y1, x0:x1]
    height, width = alpha.shape
    reach = max(2, height // 2)
    ground = _ground(piece, width, height)
    first = int(ground.min())
    rows = np.arange(first, height + reach, dtype=np.float32)[:, None]
    source = (2.0 * ground[None, :] - rows).astype(np.float32)
    columns = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :], source.shape)
    far = np.maximum(rows - ground[None, :], 0.0) / np.float32(reach)
    fade = np.minimum(rows - ground[None, :], 1.0).clip(0.0) * np.exp(-2.2 * far) * (1.0 - far).clip(0.0)
    seen = _sampled(np.dstack([colour, alpha]), np.ascontiguousarray(columns), source)
    seen = blurred(seen * floats(fade * strength)[..., None], max(0.8, 0.006 * height))
    _over(scene, seen, piece.x + x0, piece.y + y0 + first)


def _ground(piece: Piece, width: int, height: int) -> Floats:
    """Per column the row where the floor is under it: the front of a round foot, and its middle elsewhere."""
    left, right = piece.foot
    middle, half = (left + right) / 2, max(1.0, (right - left) / 2)
    turn = np.clip((np.arange(width, dtype=np.float32) + 0.5 - middle) / half, -1.0, 1.0)
    deep = min(0.42 * half, 0.2 * height)
    return floats(height - deep * (1.0 - np.sqrt(1.0 - turn * turn)))


def _sampled(layers: Floats, columns: Floats, rows: Floats) -> Floats:
    seen = cv2.remap(layers, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(seen, np.float32)


def _over(scene: Floats, layers: Floats, x: int, y: int) -> None:
    height, width = scene.shape[:2]
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + layers.shape[1]), min(height, y + layers.shape[0])
    if x0 < x1 and y0 < y1:
        part, cut = scene[y0:y1, x0:x1], layers[y0 - y : y1 - y, x0 - x : x1 - x]
        part *= 1.0 - cut[..., 3:]
        part += cut[..., :3]
