"""The photographer's studio: a big soft key light, a white room, softboxes for glossy things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .render_shapes import Floats, Vector, column, normalised, smoothstep

TABLE = np.float32(0.80)
"""Albedo of the seamless table."""


@dataclass(frozen=True, slots=True)
class Box:
    """A softbox far away: its middle's direction, half width, half height (tangents), radiance."""

    towards: Vector
    half: tuple[float, float]
    radiance: float

    def seen(self, d: Floats) -> Floats:
        """Radiance (N,) that the box sends back along the directions."""
        c = normalised(column(self.towards))
        u = normalised(np.cross(c[:, 0], (0, 1, 0)).astype(np.float32).reshape(3, 1))
        v = np.cross(u[:, 0], c[:, 0]).astype(np.float32).reshape(3, 1)
        front = (d * c).sum(axis=0)
        ahead = np.maximum(front, np.float32(1e-3))
        across, up = np.abs((d * u).sum(axis=0)) / ahead, np.abs((d * v).sum(axis=0)) / ahead
        w, h = self.half
        shape = smoothstep(w * 1.12, w * 0.9, across) * smoothstep(h * 1.12, h * 0.9, up)
        # brighter in its middle, as cloth in front of a lamp is
        middle = 1 - 0.35 * np.minimum((across / w) ** 2 + (up / h) ** 2, 1)
        return np.asarray(shape * middle * (front > 0) * np.float32(self.radiance), np.float32)


@dataclass(frozen=True, slots=True)
class Studio:
    """The light of a picture. Radiances are relative; the exposure makes the table near-white."""

    key: Vector = (-9.0, 17.0, 1.0)
    """Middle of the key light, a square facing the object."""
    key_half: float = 5.0
    key_share: float = 0.50
    """Part of the table's light that comes from the key; the rest comes from the room."""
    boxes: tuple[Box, ...] = (
        Box((-3.6, 5.4, 2.0), (0.42, 0.42), 6.5),
        Box((4.6, 2.2, 0.6), (0.16, 0.75), 3.6),
        Box((-5.0, 2.0, -1.8), (0.22, 0.5), 2.2),
        Box((0.3, 3.2, -5.0), (0.9, 0.28), 1.6),
        Box((-3.6, 1.5, 3.0), (0.26, 0.8), 3.0),
    )

    def key_basis(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Middle and the two half axes of the key light and its normal, each (3, 1)."""
        middle = column(self.key)
        normal = normalised(column((0, 0.6, 0)) - middle)
        u = normalised(np.cross(normal[:, 0], (0, 1, 0)).astype(np.float32).reshape(3, 1))
        v = np.cross(u[:, 0], normal[:, 0]).astype(np.float32).reshape(3, 1)
        return middle, u * np.float32(self.key_half), v * np.float32(self.key_half), normal

    def key_scale(self) -> np.float32:
        """Turns the cosine at a surface into irradiance / pi; key_share on the open table.

        The key is taken to be far off, so the table stays evenly white to the frame's border.
        """
        middle, _, _, _ = self.key_basis()
        return np.float32(self.key_share / float(normalised(middle)[1, 0]))

    def room(self, d: Floats) -> Floats:
        """Radiance (N,) of the room without the softboxes: what lights dull surfaces."""
        up = np.clip(d[1], 0, 1)
        side = 1 + 0.22 * np.clip(-d[0], -1, 1) + 0.10 * d[2]
        return np.asarray((0.72 + 0.42 * up) * side * np.float32(1 - self.key_share), np.float32)

    def mirrored(self, d: Floats) -> Floats:
        """Radiance (3, N) that a mirror sees: dark cards between softboxes, slightly warm and cold sides."""
        up = np.clip(d[1], 0, 1)
        walls = 0.20 + 0.5 * smoothstep(0.15, 0.95, up) + 0.16 * smoothstep(0.35, 0.0, up)
        walls *= 0.8 + 0.25 * smoothstep(-0.6, 0.8, -d[0])
        total = walls
        for box in self.boxes:
            total = total + box.seen(d)
        tint = np.clip(d[0], -1, 1) * np.float32(0.03)
        return np.stack([total * (1 - tint), total, total * (1 + tint)]).astype(np.float32)

    def around(self, n: Floats) -> Floats:
        """Mean radiance (N,) over the hemisphere about a normal: room above, table below."""
        lit = np.float32(1 - self.key_share)
        return np.asarray(
            (0.86 + 0.10 * n[1]) * lit - 0.06 * n[0] * lit + 0.2 * np.maximum(-n[1], 0), np.float32
        )


def table_grain(p: Floats) -> Floats:
    """Albedo (N,) of the table: white with the least trace of unevenness."""
    return np.asarray(TABLE * (1 - 0.004 * np.sin(p[0] * 1.3 + 0.4) * np.sin(p[2] * 1.1)), np.float32)


def hemisphere(n: Floats, u: Floats, v: Floats) -> Floats:
    """Cosine-weighted directions (3, N) about the normals from two uniform numbers each."""
    z = 1 - 2 * u
    r = np.sqrt(np.maximum(1 - z * z, 0))
    turn = np.float32(2 * np.pi) * v
    return normalised(n * np.float32(1.0001) + np.stack([r * np.cos(turn), r * np.sin(turn), z]))


def facet(n: Floats, alpha: Floats, u: Floats, v: Floats) -> Floats:
    """Microfacet normals (3, N) drawn from the GGX distribution (Walter et al. 2007, eq. 35-36)."""
    cosine = np.sqrt((1 - u) / np.maximum(1 + (alpha * alpha - 1) * u, np.float32(1e-6)))
    sine = np.sqrt(np.maximum(1 - cosine * cosine, 0))
    turn = np.float32(2 * np.pi) * v
    helper = np.where(np.abs(n[1]) < 0.9, column((0, 1, 0)), column((1, 0, 0)))
    t = normalised(np.cross(helper, n, axis=0).astype(np.float32))
    b = np.cross(n, t, axis=0).astype(np.float32)
    return normalised(t * (sine * np.cos(turn)) + b * (sine * np.sin(turn)) + n * cosine)


def fresnel(mirror: Floats, cosine: Floats) -> Floats:
    """Schlick's reflectance (3, N) from that at normal incidence."""
    return mirror + (1 - mirror) * (1 - np.clip(cosine, 0, 1)) ** 5
