"""Signed-distance shapes for the sample shop's pictures: what the little renderer marches its rays against.

Points are float32 arrays of shape (3, N), y up, the table at y = 0. A shape answers (N,) distances, negative
inside. Formulas of the basic solids are the usual closed forms of Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Shape = Callable[[Floats], Floats]
Vector = tuple[float, float, float]

CELL = 0.006
"""Pitch of the baked plane grids, in scene units (an object is about 2 units tall)."""


def column(vector: ArrayLike) -> Floats:
    """A (3, 1) float32 column that broadcasts over points."""
    return np.asarray(vector, np.float32).reshape(3, 1)


def length(*parts: Floats) -> Floats:
    """Euclidean length of the components."""
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total += part * part
    return np.asarray(np.sqrt(total), np.float32)


def normalised(vectors: Floats) -> Floats:
    """The (3, N) vectors at length one."""
    return np.asarray(vectors / np.maximum(length(*vectors), np.float32(1e-9)), np.float32)


def smoothstep(low: float, high: float, x: Floats) -> Floats:
    """The cubic 0..1 ramp between two values; `low` may be the larger."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def sphere(centre: Vector, radius: float) -> Shape:
    """A ball."""
    c = column(centre)
    return lambda p: length(*(p - c)) - np.float32(radius)


def ellipsoid(centre: Vector, radii: Vector) -> Shape:
    """An ellipsoid; first-order distance, good near the surface."""
    c, r = column(centre), column(radii)

    def distance(p: Floats) -> Floats:
        q = (p - c) / r
        near, slope = length(*q), length(*(q / r))
        return np.asarray(near * (near - 1) / np.maximum(slope, np.float32(1e-6)), np.float32)

    return distance


def rounded_box(centre: Vector, half: Vector, radius: float) -> Shape:
    """A box of half extents `half` (rounding included) with rounded edges."""
    c, h = column(centre), column(half) - np.float32(radius)

    def distance(p: Floats) -> Floats:
        q = np.abs(p - c) - h
        outside = length(*np.maximum(q, 0)) - np.float32(radius)
        return np.asarray(outside + np.minimum(q.max(axis=0), 0), np.float32)

    return distance


def cylinder(centre: Vector, radius: float, half: float, rounding: float = 0.01) -> Shape:
    """An upright cylinder with rounded rims."""
    x, y, z = (np.float32(value) for value in centre)

    def distance(p: Floats) -> Floats:
        across = length(p[0] - x, p[2] - z) - np.float32(radius - rounding)
        along = np.abs(p[1] - y) - np.float32(half - rounding)
        outside = length(np.maximum(across, 0), np.maximum(along, 0)) - np.float32(rounding)
        return np.asarray(outside + np.minimum(np.maximum(across, along), 0), np.float32)

    return distance


def capsule(start: Vector, end: Vector, radius: float, end_radius: float | None = None) -> Shape:
    """A rod with round ends whose radius runs evenly from one end to the other."""
    a, b = column(start), column(end)
    axis = b - a
    taper = np.float32((radius if end_radius is None else end_radius) - radius)
    squared = np.float32((axis * axis).sum())

    def distance(p: Floats) -> Floats:
        q = p - a
        t = np.clip((q * axis).sum(axis=0) / squared, 0, 1)
        return np.asarray(length(*(q - axis * t)) - np.float32(radius) - taper * t, np.float32)

    return distance


def torus(centre: Vector, ring: float, tube: float) -> Shape:
    """A ring lying flat."""
    c = column(centre)

    def distance(p: Floats) -> Floats:
        x, y, z = p - c
        return length(length(x, z) - np.float32(ring), y) - np.float32(tube)

    return distance


def rotation(axis: int, degrees: float) -> Floats:
    """The (3, 3) matrix turning about x (0), y (1) or z (2)."""
    angle = np.deg2rad(degrees)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3, dtype=np.float32)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def placed(shape: Shape, turn: Floats, offset: Vector = (0, 0, 0)) -> Shape:
    """The shape turned by a matrix, then moved."""
    c, back = column(offset), np.ascontiguousarray(turn.T)
    return lambda p: shape(back @ (p - c))


def union(*shapes: Shape) -> Shape:
    """All shapes as one."""

    def distance(p: Floats) -> Floats:
        nearest = shapes[0](p)
        for shape in shapes[1:]:
            nearest = np.minimum(nearest, shape(p))
        return nearest

    return distance


def blended(width: float, *shapes: Shape) -> Shape:
    """All shapes as one, with fillets of about `width` (polynomial smooth minimum)."""

    def distance(p: Floats) -> Floats:
        nearest = shapes[0](p)
        for shape in shapes[1:]:
            other = shape(p)
            h = np.maximum(width - np.abs(nearest - other), 0) / np.float32(width)
            nearest = np.minimum(nearest, other) - h * h * np.float32(width / 4)
        return nearest

    return distance


def cut(shape: Shape, *tools: Shape) -> Shape:
    """The shape without the tools."""

    def distance(p: Floats) -> Floats:
        left = shape(p)
        for tool in tools:
            left = np.maximum(left, -tool(p))
        return left

    return distance


def displaced(
    shape: Shape, height: Callable[[Floats], Floats], slack: float = 0.8, reach: float = 0.12
) -> Shape:
    """The shape raised by `height(p)`; far away the cheap distance less `reach` is given.

    `slack` scales the distance down so that the march does not step over what was raised.
    """

    def distance(p: Floats) -> Floats:
        d = shape(p) - np.float32(reach)
        near = np.flatnonzero(d < reach)
        d[near] = (d[near] + np.float32(reach) - height(p[:, near])) * np.float32(slack)
        return d

    return distance


def line(*texts: str) -> Floats:
    """The (K, 2) points written as "x,y x,y ...", one text after the other."""
    pairs = " ".join(texts).split()
    return np.array([[float(value) for value in pair.split(",")] for pair in pairs], np.float32)


def curve(*texts: str, steps: int = 14) -> Floats:
    """A smooth (K, 2) line through the points "x,y x,y ..." (uniform Catmull-Rom spline)."""
    knots = line(*texts)
    padded = np.vstack([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[:, None]
    spans = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        spans.append(0.5 * (2 * b + (c - a) * t + bend))
    return np.vstack([*spans, knots[-1:]]).astype(np.float32)
