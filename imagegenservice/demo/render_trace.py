"""A small path tracer: key light, one bounce, mirror bounce and real refraction in glass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .render_light import TABLE, facet, fresnel, hemisphere
from .render_scene import LIFT, Glass, Hit, Scene, describe, find, gradient, march, to_table
from .render_shapes import Floats, column, length, normalised


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
    """What the camera sees along N rays, in parts for the denoiser: `dull * light + rest`."""

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
    passed = np.asarray(absorbed * np.where(kept, 1, 1 - share), np.float32)
    image = np.asarray(room * share * ~leaving * ~kept, np.float32)
    start = np.asarray(p + np.where(kept, n, -n) * LIFT, np.float32)
    return start, onward, passed, image
