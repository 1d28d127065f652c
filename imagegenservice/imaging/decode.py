"""A picture from outside as an array, for those that compute with pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .headers import Header, Limits, Undecodable, inspect
from .plain import plain

__all__ = ["Header", "Limits", "Undecodable", "decode", "inspect"]


def decode(data: bytes, limits: Limits, max_side: int = 0) -> NDArray[np.uint8]:
    """
    Decode the first frame to upright sRGB, (height, width, 3), or 4 where there is transparency.

    With *max_side* the picture is made smaller so that its longer side fits. Raises Undecodable.
    """
    return np.asarray(plain(data, limits, max_side), dtype=np.uint8)
