"""A cut-out at the size and place it has in the picture, ready to be laid over the scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .arrange import Place
from .colour import Floats
from .cutout import Cutout
from .shadow import SHRINK, Outline, lower_edge


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
        """The first and the last column of the box that touch the ground, or nearly so."""
        edge, covered = lower_edge(self.body)
        low = np.flatnonzero(covered & (edge >= 0.86 * self.body.shape[0]))
        return (float(low[0]), float(low[-1] + 1)) if low.size else (0.0, float(self.body.shape[1]))

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
            under *= self.shadow[cut][..., None] ** np.float32(0.85)
        if self.through is not None and self.glow is not None:
            under *= self.through[cut]
            under += self.glow[cut] * gain
        under *= (1.0 - alpha)[..., None]
        under += self.colour[cut] * gain
        mark = covered[y0:y1, x0:x1]
        np.maximum(mark, alpha if self.through is None else self._whole(cut), out=mark)

    def _whole(self, cut: tuple[slice, slice]) -> Floats:
        assert self.through is not None  # noqa: S101
        clear = 1.0 - self.through[cut].mean(axis=2)
        return np.maximum(self.alpha[cut], clear).astype(np.float32)


def piece_of(cutout: Cutout, place: Place, lean: float = 1.0) -> Piece:
    """`cutout` scaled so that its object fills the box of `place`; `lean` > 0 where shadows fall to the right."""
    x0, y0, x1, y1 = cutout.box
    scale_x, scale_y = place.width / (x1 - x0), place.height / (y1 - y0)
    tall, wide = cutout.alpha.shape
    size = (max(1, round(wide * scale_x)), max(1, round(tall * scale_y)))
    how = cv2.INTER_AREA if scale_x < 1.0 else cv2.INTER_CUBIC

    def scaled(layer: Floats) -> Floats:
        return np.clip(cv2.resize(layer, size, interpolation=how), 0.0, None).astype(np.float32)

    glassy = bool(cutout.glow.max() > 0.004 or cutout.through.min() < 0.996)
    box = (
        round(x0 * scale_x),
        round(y0 * scale_y),
        max(round(x0 * scale_x) + 1, min(size[0], round(x1 * scale_x))),
        max(round(y0 * scale_y) + 1, min(size[1], round(y1 * scale_y))),
    )
    return Piece(
        colour=scaled(cutout.colour * cutout.alpha[..., None]),
        alpha=np.minimum(scaled(cutout.alpha), 1.0),
        through=np.minimum(scaled(cutout.through), 1.0) if glassy else None,
        glow=scaled(cutout.glow) if glassy else None,
        shadow=np.minimum(scaled(cutout.shadow), 1.0),
        x=round(place.left) - box[0],
        y=round(place.bottom) - box[3],
        box=box,
        brings_shadow=_agrees(cutout, lean),
    )


def _agrees(cutout: Cutout, lean: float) -> bool:
    """Whether its own shadow lies on the side on which this scene's shadows fall, and is more than a trace."""
    dark = 1.0 - cutout.shadow
    total = float(dark.sum())
    if total < 0.01 * cutout.alpha.sum() or cutout.lying:
        return False
    across = float((dark.sum(axis=0) * np.arange(dark.shape[1])).sum()) / total
    x0, _, x1, _ = cutout.box
    return (across - (x0 + x1) / 2) * lean > 0
