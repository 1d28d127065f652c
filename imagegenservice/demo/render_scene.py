"""Scenes of the little renderer: pieces on a table, and how rays find them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .render_light import Studio, table_grain
from .render_shapes import Floats, Shape, column, normalised
from .render_surfaces import Height, Paint, Surface

TOUCH = np.float32(0.0008)
"""A ray nearer than this has arrived."""
LIFT = np.float32(0.004)
"""New rays start this far off their surface."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a product: shape, what it is made of, and a fine relief that only bends the light."""

    shape: Shape
    paint: Paint
    relief: Height | None = None


@dataclass(frozen=True, slots=True)
class Glass:
    """A clear piece: light is bent by `index` and loses exp(-absorb · way) in it."""

    shape: Shape
    absorb: tuple[float, float, float] = (0.25, 0.12, 0.16)
    index: float = 1.5
    shade: float = 0.80
    """What of the key light passes straight through."""


@dataclass
class Scene:
    """Pieces standing on the table y = 0, and their bounding box, which is found by sampling."""

    parts: Sequence[Part]
    glass: Glass | None = None
    studio: Studio = field(default_factory=Studio)

    def __post_init__(self) -> None:
        axis = np.linspace(-3.2, 3.2, 65, dtype=np.float32)
        grid = np.stack(np.meshgrid(axis, axis + np.float32(3.2), axis, indexing="ij")).reshape(3, -1)
        near = grid[:, self.distance(grid) < 0.09]
        self.low = near.min(axis=1)[:, None] - np.float32(0.11)
        self.high = near.max(axis=1)[:, None] + np.float32(0.11)

    def solid(self, p: Floats) -> Floats:
        """Distance to the nearest solid piece."""
        nearest = np.full(p.shape[1], 9, np.float32)
        for part in self.parts:
            np.minimum(nearest, part.shape(p), out=nearest)
        return nearest

    def distance(self, p: Floats) -> Floats:
        """Distance to the nearest surface; glass counts from both sides."""
        return np.minimum(self.solid(p), np.abs(self.glass.shape(p))) if self.glass else self.solid(p)

    def span(self, o: Floats, d: Floats, far: Floats) -> tuple[Floats, Floats]:
        """Where each ray enters and leaves the bounding box, before `far`."""
        inverse = 1 / np.where(np.abs(d) < 1e-7, np.float32(1e-7), d)
        a, b = (self.low - o) * inverse, (self.high - o) * inverse
        near = np.maximum(np.minimum(a, b).max(axis=0), 0)
        return near, np.minimum(np.maximum(a, b).min(axis=0), far)


def march(shape: Shape, o: Floats, d: Floats, near: Floats, far: Floats, steps: int = 160) -> Floats:
    """Way (N,) along each ray to the shape between near and far, infinite where it is missed."""
    found = np.full(near.shape, np.inf, np.float32)
    alive = np.flatnonzero(near < far)
    o, d, t, far = o[:, alive], d[:, alive], near[alive], far[alive]
    for step in range(steps):
        if not alive.size:
            break
        h = shape(o + d * t)
        t = t + h
        if step % 3 == 2:
            arrived = h < TOUCH
            found[alive[arrived]] = t[arrived]
            keep = np.flatnonzero(~arrived & (t < far))
            alive, o, d, t, far = alive[keep], o[:, keep], d[:, keep], t[keep], far[keep]
    return found


def to_table(o: Floats, d: Floats) -> Floats:
    """Way (N,) along each ray to the table, infinite for rays that rise."""
    falling = d[1] < -1e-5
    height = np.maximum(o[1], np.float32(1e-4))
    return np.where(falling, -height / np.where(falling, d[1], -1), np.inf).astype(np.float32)


def gradient(shape: Shape, p: Floats, e: float = 0.003) -> Floats:
    """Unit normals (3, N) of a shape by four taps at a tetrahedron's corners."""
    total = np.zeros_like(p)
    for corner in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
        k = column(corner)
        total += k * shape(p + k * np.float32(e))
    return normalised(total)


def raised(part: Part) -> Shape:
    """The part's shape with its fine relief."""
    relief = part.relief
    if relief is None:
        return part.shape
    return lambda p: part.shape(p) - relief(p)


@dataclass(slots=True)
class Hit:
    """Where rays ended: way (inf: nowhere), points, normals and surface (columns of those that hit)."""

    way: Floats
    point: Floats
    normal: Floats
    surface: Surface


def find(scene: Scene, o: Floats, d: Floats) -> Hit:
    """Follow rays to the first solid piece or the table; glass is not there for them."""
    table = to_table(o, d)
    near, far = scene.span(o, d, table)
    way = march(scene.solid, o, d, near, far)
    return describe(scene, o, d, way, table)


def describe(scene: Scene, o: Floats, d: Floats, way: Floats, table: Floats) -> Hit:
    """Points, normals and materials of rays that meet a piece at `way` or else the table at `table`."""
    count = way.size
    on_piece = np.flatnonzero(np.isfinite(way))
    reach = np.minimum(way, table)
    point = o + d * np.where(np.isfinite(reach), reach, 0)
    normal = np.repeat(column((0, 1, 0)), count, axis=1)
    colour = np.repeat(table_grain(point)[None], 3, axis=0)
    mirror, rough = np.zeros((3, count), np.float32), np.ones(count, np.float32)
    glow = np.zeros((3, count), np.float32)
    nearest = np.argmin(np.stack([part.shape(point[:, on_piece]) for part in scene.parts]), axis=0)
    for index, part in enumerate(scene.parts):
        mine = on_piece[nearest == index]
        if not mine.size:
            continue
        p = point[:, mine]
        normal[:, mine] = gradient(raised(part), p)
        look = part.paint(p)
        colour[:, mine], mirror[:, mine] = look.colour, look.mirror
        rough[mine], glow[:, mine] = look.roughness, look.glow
    return Hit(reach, point, normal, Surface(colour, mirror, rough, glow))
