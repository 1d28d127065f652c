"""Where each product stands: whole, visible and plausibly large, for one item or for fifty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from .arrange_rows import Block, Unit, settle, ways_of
from .arrange_shelves import Shelf, shelve

OPEN_FLOOR: Final = 10
"""More than this many pieces stand on shelves: a floor would hide those at the back."""
_COPIES: Final = 3
_PIECES: Final = 7
_FULL: Final = 0.88  # many pieces need the frame, however much air a style would like
"""Copies of a product are shown up to so many of each, while so many pieces in all are not exceeded."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the arrangement needs to know of a product."""

    aspect: float
    """Width by height of the object's box."""
    weight: float
    """How large to show it, 1 being ordinary (see `arrange_scale.weight_of`)."""
    hangs: bool
    """It hangs on a rail (clothes) and does not stand."""
    quantity: int
    flat: bool = False
    """It spreads over the ground (glasses, a necklace): it goes in front."""
    plinth: bool = True
    """It may stand on a plinth: it has a foot to stand on."""
    repeats: bool = True
    """It may be shown more than once for its quantity."""


@dataclass(frozen=True, slots=True)
class Place:
    """One piece in the picture, in pixels; the box is the object's, without its shadow."""

    item: int
    left: float
    top: float
    right: float
    bottom: float
    row: int
    """0 is the hindmost."""
    hangs: bool
    stand: float
    """Height of the plinth below it; 0 is none."""
    badge: int
    """The quantity to print beside it; 0 where all pieces are shown or another piece of it carries it."""

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The whole composition. `places` are in drawing order, the hindmost first."""

    places: tuple[Place, ...]
    horizon: float
    """The row where floor and wall meet."""
    shelves: tuple[Shelf, ...]
    """Boards the pieces stand on; empty where they stand on the floor."""


def arrange(
    shapes: Sequence[Shape], width: int, height: int, *, fill: float, rise: float, horizon: float, seed: int
) -> Arrangement:
    """Places every product of `shapes` in a frame of `width` x `height` pixels; each is named by its index.

    `fill` is the share of the frame to use, `rise` the height of stands (0: none) by an item's height,
    `horizon` the share of the height at which the floor would begin if it were up to the style.
    Deterministic for a seed, which varies the order from left to right and the spacing a little.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    units = _pieces(shapes)
    fill += max(0.0, _FULL - fill) * min(1.0, (len(units) - 1) / 7)
    if len(units) > OPEN_FLOOR:
        return _on_shelves(_singles(shapes), width, height, fill)
    block = settle(ways_of(units, rng), width, height, fill=fill, rise=rise, rng=rng)
    return _on_floor(block, height, horizon)


def _singles(shapes: Sequence[Shape]) -> list[Unit]:
    return [
        Unit(i, s.aspect, s.weight, s.hangs, s.quantity if s.quantity > 1 else 0, s.flat, s.plinth)
        for i, s in enumerate(shapes)
    ]


def _pieces(shapes: Sequence[Shape]) -> list[Unit]:
    """One unit a product, and copies of it while there is room; the last copy carries what is not shown."""
    several = sum(shape.quantity > 1 and shape.repeats for shape in shapes)
    extra = max(0, _PIECES - len(shapes)) // max(1, several)
    units: list[Unit] = []
    for single, shape in zip(_singles(shapes), shapes, strict=True):
        shown = min(shape.quantity, _COPIES, 1 + extra) if shape.repeats else 1
        units += [replace(single, badge=0)] * (shown - 1)
        units.append(single if shown < shape.quantity else replace(single, badge=0))
    return units


def _on_shelves(units: list[Unit], width: int, height: int, fill: float) -> Arrangement:
    blocks, shelves = shelve(units, width, height, fill)
    places = [_place(block, block.row) for block in blocks]
    return Arrangement(tuple(places), float(height), tuple(shelves))


def _on_floor(blocks: list[Block], height: int, horizon: float) -> Arrangement:
    hung = [b.bottom for b in blocks if b.unit.hangs]
    standing = [b.bottom + b.stand for b in blocks if not b.unit.hangs]
    line = horizon * height
    if standing:
        line = min(line, min(standing) - 0.05 * height)
    if hung and standing:
        line = max(line, 0.65 * max(hung) + 0.35 * min(standing))
    elif hung:
        line = max(line, max(hung) + 0.05 * height)
    places = [_place(block, block.row) for block in sorted(blocks, key=lambda b: (b.row, b.bottom))]
    return Arrangement(tuple(places), min(max(line, 0.2 * height), 0.95 * height), ())


def _place(block: Block, row: int) -> Place:
    return Place(
        item=block.unit.item,
        left=block.left,
        top=block.bottom - block.height,
        right=block.left + block.width,
        bottom=block.bottom,
        row=row,
        hangs=block.unit.hangs,
        stand=block.stand,
        badge=block.unit.badge,
    )
