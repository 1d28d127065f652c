"""Cut-outs are kept for the next picture with the same product, at a third of their size in use."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats
from .cutout import Cutout

Halves = NDArray[np.float16]
"""11 bits of precision, more than the 8 that a picture ends in, down to its darkest tones."""


_CLEAR: Final = 0.996
"""What lets so much light through, and adds as little of its own, is no glass: half a step of sRGB."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A cut-out at rest. `through` and `glow` are None for an opaque product."""

    rest: Cutout
    """All but the arrays."""
    colour: Halves
    alpha: Halves
    through: Halves | None
    glow: Halves | None
    shadow: Halves

    @property
    def size(self) -> int:
        """Bytes."""
        arrays = (self.colour, self.alpha, self.through, self.glow, self.shadow)
        return sum(array.nbytes for array in arrays if array is not None)


def pack(cutout: Cutout) -> Packed:
    """Put a cut-out to rest."""
    opaque = bool(cutout.through.min() >= _CLEAR and cutout.glow.max() <= 1 - _CLEAR)
    nothing = np.zeros((0,), np.float32)
    return Packed(
        rest=replace(cutout, colour=nothing, alpha=nothing, through=nothing, glow=nothing, shadow=nothing),
        colour=cutout.colour.astype(np.float16),
        alpha=cutout.alpha.astype(np.float16),
        through=None if opaque else cutout.through.astype(np.float16),
        glow=None if opaque else cutout.glow.astype(np.float16),
        shadow=cutout.shadow.astype(np.float16),
    )


def unpack(packed: Packed, longest: int) -> Cutout:
    """Wake a cut-out, made smaller where it is longer than *longest* pixels."""
    height, width = packed.alpha.shape
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    alpha = _woken(packed.alpha, size)
    colour = _woken(packed.colour, size) if scale == 1.0 else _colour(packed, alpha, size)
    return replace(
        packed.rest,
        colour=colour,
        alpha=alpha,
        through=_even(1, colour) if packed.through is None else _woken(packed.through, size),
        glow=_even(0, colour) if packed.glow is None else _woken(packed.glow, size),
        shadow=_woken(packed.shadow, size),
        box=packed.rest.box if scale == 1.0 else _box(packed.rest.box, scale, size),
    )


def _colour(packed: Packed, alpha: Floats, size: tuple[int, int]) -> Floats:
    """Straight colour, of which clear pixels have no say in their neighbours'."""
    heavy = packed.colour.astype(np.float32) * packed.alpha.astype(np.float32)[..., None]
    small = cv2.resize(heavy, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small / np.maximum(alpha, 1e-4)[..., None], np.float32)


def _even(value: float, like: Floats) -> Floats:
    """The same everywhere, in the memory of one; to be read only."""
    return np.broadcast_to(np.float32(value), like.shape)


def _box(box: tuple[int, int, int, int], scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = int(box[0] * scale), int(box[1] * scale)
    right, bottom = min(size[0], math.ceil(box[2] * scale)), min(size[1], math.ceil(box[3] * scale))
    return min(left, size[0] - 1), min(top, size[1] - 1), right, bottom


def _woken(array: Halves, size: tuple[int, int]) -> Floats:
    whole = array.astype(np.float32)
    if (whole.shape[1], whole.shape[0]) == size:
        return whole
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.float32)


class CutoutCache:
    """The latest cut-outs, by the hash of their picture's bytes; bounded in bytes."""

    def __init__(self) -> None:
        self._bytes = 0
        self._kept: OrderedDict[str, Packed] = OrderedDict()

    def get(self, key: str) -> Packed | None:
        """The cut-out of a picture that was cut before."""
        packed = self._kept.get(key)
        if packed is not None:
            self._kept.move_to_end(key)
        return packed

    def put(self, key: str, packed: Packed, max_bytes: int) -> None:
        """Keep a cut-out, and let older ones go for it."""
        if packed.size > max_bytes or key in self._kept:
            return
        self._kept[key] = packed
        self._bytes += packed.size
        while self._bytes > max_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].size
