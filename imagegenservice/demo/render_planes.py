"""Shapes made from a drawn line, turned on a lathe or bent as a wire; its distances are baked in a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .render_shapes import CELL, Floats, Shape, length


class Grid:
    """Values on a plane grid, read bilinearly; distances stay lower bounds outside of it."""

    def __init__(self, values: Floats, origin: tuple[float, float], cell: float, margin: float = 0) -> None:
        """`margin`: how far within the grid the line lies; 0 for values that are no distances."""
        self._margin = np.float32(margin)
        self._flat = values.ravel()
        self._rows, self._columns = values.shape
        self._origin, self._cell = origin, np.float32(cell)

    def at(self, x: Floats, y: Floats) -> Floats:
        """The value at plane points; the first coordinate runs along columns."""
        u = (x - np.float32(self._origin[0])) / self._cell
        v = (y - np.float32(self._origin[1])) / self._cell
        cu, cv = np.clip(u, 0, self._columns - 1.001), np.clip(v, 0, self._rows - 1.001)
        beyond = length(u - cu, v - cv) * self._cell
        i, j = cu.astype(np.int32), cv.astype(np.int32)
        cu -= i
        cv -= j
        k = j * self._columns + i
        flat = self._flat
        low = flat[k] * (1 - cu) + flat[k + 1] * cu
        k += self._columns
        high = flat[k] * (1 - cu) + flat[k + 1] * cu
        value = low + (high - low) * cv
        if not self._margin:
            return np.asarray(value, np.float32)
        outside = np.maximum(value - beyond, beyond + self._margin)
        return np.asarray(np.where(beyond > 0, outside, value), np.float32)


def _bake(
    line: Floats, closed: bool, margin: float, cell: float
) -> tuple[Floats, Floats, tuple[float, float]]:
    """Distance to the line (signed if closed), the place along it (0..1) and the grid's origin."""
    low, high = line.min(axis=0) - margin, line.max(axis=0) + margin
    x = np.arange(low[0], high[0] + cell, cell, dtype=np.float32)[None, :]
    y = np.arange(low[1], high[1] + cell, cell, dtype=np.float32)[:, None]
    ends = np.roll(line, -1, axis=0) if closed else line[1:]
    best = np.full((y.size, x.size), np.inf, np.float32)
    place = np.zeros_like(best)
    inside = np.zeros(best.shape, bool)
    for index, (a, b) in enumerate(zip(line, ends, strict=False)):
        e = b - a
        squared = float(e @ e)
        if squared < 1e-12:
            continue
        t = np.clip(((x - a[0]) * e[0] + (y - a[1]) * e[1]) / np.float32(squared), 0, 1)
        d = (x - a[0] - e[0] * t) ** 2 + (y - a[1] - e[1] * t) ** 2
        nearer = d < best
        np.copyto(best, d, where=nearer)
        np.copyto(place, (t + np.float32(index)) / np.float32(len(ends)), where=nearer)
        if e[1]:
            crosses = (a[1] > y) != (b[1] > y)
            inside ^= crosses & (x < a[0] + (y - a[1]) * (e[0] / e[1]))
    distance = np.sqrt(best)
    return (
        (np.where(inside, -distance, distance) if closed else distance),
        place,
        (float(low[0]), float(low[1])),
    )


def lathe(outline: Floats, cell: float = CELL) -> Shape:
    """A solid of revolution about y, from the closed (K, 2) outline of (radius, height)."""
    margin = 4 * cell
    distance, _, origin = _bake(outline, closed=True, margin=margin, cell=cell)
    grid = Grid(distance, origin, cell, margin)
    return lambda p: grid.at(length(p[0], p[2]), p[1])


def wire(line: Floats, radius: Callable[[Floats], Floats], flat: float = 1.0, cell: float = CELL) -> Shape:
    """A tube along a line in the x, y plane; `radius` of the place (0..1), `flat` > 1 widens it along z."""
    thickest = float(radius(np.linspace(0, 1, 33, dtype=np.float32)).max())
    margin = thickest * 1.5 + 4 * cell
    distance, place, origin = _bake(line, closed=False, margin=margin, cell=cell)
    to_line, along = Grid(distance, origin, cell, margin), Grid(place, origin, cell)

    def tube(p: Floats) -> Floats:
        across = to_line.at(p[0], p[1])
        return length(across, p[2] / np.float32(flat)) - radius(np.clip(along.at(p[0], p[1]), 0, 1))

    return tube
