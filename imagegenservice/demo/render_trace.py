"""A small path tracer over signed distances: key light, one bounce, mirror bounce, real refraction in glass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .render_light import (
    TABLE,
    Studio,
    facet,
    fresnel,
    hemisphere,
    table_grain,
)
from .render_shapes import Floats, Shape, column, length, normalised
from .render_surfaces import Height, Paint, Surface, plain

TOUCH = np.float32(0.0008)
"""A ray nearer than this has arrived."""
LIFT = np.float32(0.004)
"""New rays start this far off their surface."""
NDInt = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


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


def lit(scene: Scene, p: Floats, n: Floats, u: Floats, v: Floats) -> Floats:
    """Irradiance / pi (N,) from one random point of the key light, shadows counted."""
    studio = scene.studio
    middle, across, up, _ = studio.key_basis()
    to = middle + across * (2 * u - 1) + up * (2 * v - 1) - p
    far = length(*to)
    d = to / far
    strength = (d * n).sum(axis=0) * studio.key_scale()
    seen = np.flatnonzero(strength > 0)
    result = np.zeros_like(far)
    o, d = p[:, seen] + n[:, seen] * LIFT, d[:, seen]
    near, end = scene.span(o, d, far[seen])
    passed = strength[seen] * np.isinf(march(scene.solid, o, d, near, end, 90))
    if scene.glass:
        passed *= through_glass(scene.glass, o, d, near, end)
    result[seen] = passed
    return result


def openness(scene: Scene, p: Floats, n: Floats) -> Floats:
    """How open to the room points are, 0..1, from the distances at two heights over them."""
    total = np.zeros(p.shape[1], np.float32)
    for height in (0.12, 0.42):
        over = p + n * np.float32(height)
        free = np.minimum(scene.solid(over), np.maximum(over[1], 0) + np.float32(0.02))
        total += np.clip(free / np.float32(height), 0, 1)
    return np.asarray(0.06 + 0.47 * total, np.float32)


def through_glass(glass: Glass, o: Floats, d: Floats, near: Floats, end: Floats) -> Floats:
    """What of the light (N,) passes the glass unbent: little where it meets the glass edge-on."""
    way = march(lambda p: np.abs(glass.shape(p)), o, d, near, end, 70)
    met = np.flatnonzero(np.isfinite(way))
    passed = np.ones_like(near)
    slope = np.abs((gradient(glass.shape, o[:, met] + d[:, met] * way[met]) * d[:, met]).sum(axis=0))
    passed[met] = glass.shade * (1 - (1 - np.clip(slope * 1.15, 0, 1)) ** 3)
    return passed


def secondary(scene: Scene, o: Floats, d: Floats, u: Floats, v: Floats, mirror: bool) -> Floats:
    """Radiance (3, N) along bounced rays: what they meet is lit by the key and, roughly, by the room."""
    hit = find(scene, o, d)
    result = scene.studio.mirrored(d) if mirror else np.repeat(scene.studio.room(d)[None], 3, axis=0)
    met = np.flatnonzero(np.isfinite(hit.way))
    p, n, look = hit.point[:, met], hit.normal[:, met], hit.surface
    light = lit(scene, p, n, u[met], v[met]) + scene.studio.around(n) * openness(scene, p, n)
    metal = look.mirror[:, met]
    bounced = d[:, met] - n * (2 * (d[:, met] * n).sum(axis=0))
    above = scene.studio.mirrored(bounced) if mirror else scene.studio.room(bounced)
    shine = metal * np.where(bounced[1] > 0, above, TABLE)
    result[:, met] = look.colour[:, met] * light + shine + look.glow[:, met]
    return result


@dataclass(slots=True)
class Sight:
    """What the camera sees along N rays, kept apart for the denoiser; the radiance is `dull * light + rest`."""

    dull: Floats
    """Diffuse albedo (3, N), less what lies before it takes away."""
    light: Floats
    rest: Floats
    normal: Floats


def shade(scene: Scene, d: Floats, hit: Hit, u: Floats) -> Sight:
    """What hit points send towards the camera; `u` is (8, N) of uniform numbers."""
    p, n, look = hit.point, hit.normal, hit.surface
    light = lit(scene, p, n, u[0], u[1])[None].repeat(3, axis=0)
    lifted = p + n * LIFT
    light += secondary(scene, lifted, hemisphere(n, u[2], u[3]), u[4], u[5], mirror=False)
    dull, rest = look.colour, look.glow
    glossy = np.flatnonzero(look.mirror.max(axis=0) > 0)
    alpha = look.roughness[glossy]
    half = facet(n[:, glossy], alpha, u[6, glossy], u[7, glossy])
    view = d[:, glossy]
    cosine = -(view * half).sum(axis=0)
    out = view + half * (2 * cosine)
    above = (out * n[:, glossy]).sum(axis=0) > 0
    weight = fresnel(look.mirror[:, glossy], cosine) * above * (1 - 0.35 * alpha)
    seen = secondary(scene, lifted[:, glossy], normalised(out), u[0, glossy], u[1, glossy], mirror=True)
    dull[:, glossy] *= 1 - weight.max(axis=0)
    rest[:, glossy] += weight * np.minimum(seen, 8)
    return Sight(dull, light, rest, n)


def radiance(scene: Scene, o: Floats, d: Floats, u: Floats) -> Sight:
    """What camera rays see, glass included."""
    if scene.glass is None:
        return shade(scene, d, find(scene, o, d), u)
    return _radiance_through(scene, scene.glass, o, d, u)


def _radiance_through(scene: Scene, glass: Glass, o: Floats, d: Floats, u: Floats) -> Sight:
    """Bend rays through the glass, gather the mirror image on each face, then shade what they end at."""
    passed, gained = np.ones_like(d), np.zeros_like(d)
    o, d = o.copy(), d.copy()
    going = np.arange(d.shape[1])
    for _ in range(9):
        ray, origin = d[:, going], o[:, going]
        near, far = scene.span(origin, ray, to_table(origin, ray))
        way = march(scene.distance, origin, ray, near, far)
        point = origin + ray * np.where(np.isfinite(way), way, 0)
        at = np.isfinite(way) & (np.abs(glass.shape(point)) < scene.solid(point))
        going, ray, point, way = going[at], ray[:, at], point[:, at], way[at]
        if not going.size:
            break
        o[:, going], d[:, going], factor, image = bend(scene, glass, ray, point, way)
        gained[:, going] += passed[:, going] * image
        passed[:, going] *= factor
    table = to_table(o, d)
    near, far = scene.span(o, d, table)
    hit = describe(scene, o, d, march(scene.solid, o, d, near, far), table)
    lost = np.isinf(hit.way)
    ends = shade(scene, d, hit, u)
    ends.dull[:, lost] = 0
    ends.rest[:, lost] = scene.studio.mirrored(d[:, lost])
    return Sight(ends.dull * passed, ends.light, ends.rest * passed + gained, ends.normal)


def bend(
    scene: Scene, glass: Glass, d: Floats, p: Floats, way: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """New origin, direction, what passes (3, N) and the mirror image gained (3, N) at a face of the glass."""
    n = gradient(glass.shape, p)
    leaving = (d * n).sum(axis=0) > 0
    n = np.where(leaving, -n, n)
    ratio = np.where(leaving, np.float32(glass.index), np.float32(1 / glass.index))
    cosine = -(d * n).sum(axis=0)
    inner = 1 - ratio * ratio * (1 - cosine * cosine)
    kept = inner <= 0
    steep = np.where(leaving, np.sqrt(np.maximum(inner, 0)), cosine)
    share = fresnel(np.full((1, 1), 0.04, np.float32), steep)[0]
    mirrored = d + n * (2 * cosine)
    bent = d * ratio + n * (ratio * cosine - np.sqrt(np.maximum(inner, 0)))
    onward = normalised(np.where(kept, mirrored, bent).astype(np.float32))
    absorbed = np.exp(-column(glass.absorb) * np.minimum(way, 3) * leaving)
    room = np.where(mirrored[1] > 0, scene.studio.mirrored(mirrored), TABLE)
    image = room * share * ~leaving * ~kept
    start = p + np.where(kept, n, -n) * LIFT
    return start, onward, (absorbed * np.where(kept, 1, 1 - share)).astype(np.float32), image.astype(np.float32)
