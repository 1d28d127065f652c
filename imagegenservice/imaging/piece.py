"""A cut-out at the size and place it has in the picture, ready to be laid over the scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from .arrange import Place
from .colour import Floats, mean_channel
from .cutout import Cutout
from .scene_noise import floats
from .shadow import SHRINK, Outline, lower_edge

_ENLARGED: Final = 3.0
"""No picture is enlarged more than this: a small one stays small rather than soft."""


@dataclass(frozen=True, slots=True)
class Piece:
    """All arrays share their size; (x, y) is where their upper left corner lies in the frame."""

    colour: Floats
    """Premultiplied by alpha."""
    alpha: Floats
    through: Floats | None
    glow: Floats | None
    shadow: Floats
    x: int
    y: int
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 of the object in these arrays."""
    brings_shadow: bool
    """Its own shadow falls as this scene's do, and is used."""

    @property
    def body(self) -> Floats:
        """The object's silhouette, glass included: what stops or bends light."""
        x0, y0, x1, y1 = self.box
        solid = self.alpha[y0:y1, x0:x1]
        if self.through is None:
            return solid
        clear = 1.0 - self.through[y0:y1, x0:x1].mean(axis=2)
        return np.asarray(np.maximum(solid, np.minimum(1.0, 3.0 * clear)), np.float32)

    @property
    def foot(self) -> tuple[float, float]:
        """The first and the last column of the box that touch the ground: of all its feet together."""
        edge, covered = lower_edge(self.body)
        height, width = self.body.shape
        reach = max(1, round(0.06 * width))
        around = cv2.dilate(edge[None, :], np.ones((1, 2 * reach + 1), np.uint8))[0]
        lowest = np.flatnonzero(covered & (edge >= around) & (edge >= 0.72 * height))
        feet = [_foot_at(edge, int(column), height, reach) for column in lowest]
        low = [foot for foot in feet if foot]
        return (min(f[0] for f in low), max(f[1] for f in low)) if low else (0.0, float(width))

    def outline(self) -> Outline:
        """The silhouette at a shadow map's resolution."""
        x0, y0, x1, y1 = self.box
        size = (max(1, (x1 - x0) // SHRINK), max(1, (y1 - y0) // SHRINK))
        small = np.asarray(cv2.resize(self.body, size, interpolation=cv2.INTER_AREA), np.float32)
        top = (self.y + y0) / SHRINK
        return Outline(small, round((self.x + x0) / SHRINK), round(top), round(top) + size[1])

    def lay(self, scene: Floats, covered: Floats, gain: Floats, *, own_shadow: bool) -> None:
        """Blends it over `scene` (linear) with its colour times `gain`, and marks it in `covered`."""
        height, width = covered.shape
        x0, y0 = max(0, self.x), max(0, self.y)
        x1, y1 = min(width, self.x + self.alpha.shape[1]), min(height, self.y + self.alpha.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        cut = (slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x))
        under, alpha = scene[y0:y1, x0:x1], self.alpha[cut]
        if own_shadow and self.brings_shadow:
            under *= self.shadow[cut][..., None]
        if self.through is not None and self.glow is not None:
            under *= self.through[cut]
            under += self.glow[cut] * gain
        under *= (1.0 - alpha)[..., None]
        under += self.colour[cut] * gain
        mark = covered[y0:y1, x0:x1]
        if self.through is not None:
            alpha = np.maximum(alpha, 1.0 - mean_channel(self.through[cut]))
        np.maximum(mark, alpha, out=mark)


def _foot_at(edge: Floats, column: int, height: int, reach: int) -> tuple[float, float] | None:
    """The columns around the lowest one over which the outline rises no steeper than a base seen from above.

    None where the outline is not on the ground and only passes by.
    """
    step = max(2, reach // 2)
    left, right = column, column
    while left >= step and edge[left - step] >= edge[left] - 0.8 * step:
        left -= step
    while right + step < edge.size and edge[right + step] >= edge[right] - 0.8 * step:
        right += step
    rises = left > step and right + step < edge.size and right - left > reach
    return (float(left), float(right + 1)) if rises or edge[column] >= 0.98 * height else None


def fitted(cutout: Cutout, place: Place) -> Place:
    """`place` made smaller where `cutout` has another aspect or too few pixels to fill it."""
    x0, y0, x1, y1 = cutout.box
    scale = min(place.width / (x1 - x0), place.height / (y1 - y0), _ENLARGED)
    half, tall = scale * (x1 - x0) / 2, scale * (y1 - y0)
    middle = (place.left + place.right) / 2
    top, bottom = (place.top, place.top + tall) if place.hangs else (place.bottom - tall, place.bottom)
    return replace(place, left=middle - half, right=middle + half, top=top, bottom=bottom)


def piece_of(cutout: Cutout, place: Place, lean: float = 1.0) -> Piece:
    """`cutout` with its object filling the box of `place`, which must have its aspect (see `fitted`).

    `lean` > 0 where shadows fall to the right.
    """
    x0, y0, x1, y1 = cutout.box
    scale = place.width / (x1 - x0)
    tall, wide = cutout.alpha.shape
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC

    def scaled(layer: Floats) -> Floats:
        return floats(np.clip(cv2.resize(layer, size, interpolation=how), 0.0, None))

    left, top = min(round(x0 * scale), size[0] - 1), min(round(y0 * scale), size[1] - 1)
    right = max(left + 1, min(size[0], round(x1 * scale)))
    bottom = max(top + 1, min(size[1], round(y1 * scale)))
    glassy = bool(cutout.glow.max() > 0.004 or cutout.through.min() < 0.996)
    return Piece(
        colour=scaled(cutout.colour * cutout.alpha[..., None]),
        alpha=np.minimum(scaled(cutout.alpha), 1.0),
        through=np.minimum(scaled(cutout.through), 1.0) if glassy else None,
        glow=scaled(cutout.glow) if glassy else None,
        shadow=np.minimum(scaled(cutout.shadow), 1.0),
        x=round(place.left) - left,
        y=round(place.top) - top if place.hangs else round(place.bottom) - bottom,
        box=(left, top, right, bottom),
        brings_shadow=_agrees(cutout, lean),
    )


def _agrees(cutout: Cutout, lean: float) -> bool:
    """Whether its own shadow falls to the side where this scene's shadows fall, and is more than a trace."""
    dark = 1.0 - cutout.shadow
    total = float(dark.sum())
    if total < 0.01 * cutout.alpha.sum() or cutout.lying:
        return False
    across = float((dark.sum(axis=0) * np.arange(dark.shape[1])).sum()) / total
    x0, _, x1, _ = cutout.box
    return (across - (x0 + x1) / 2) * lean > 0
