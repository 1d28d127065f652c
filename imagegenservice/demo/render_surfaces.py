"""What the sample shop's products are made of: colour, gloss and grain, computed from points in space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .render_shapes import Floats, Vector, column, length, smoothstep

_LATTICE = 64
_VALUES = np.random.Generator(np.random.PCG64(20)).random(_LATTICE**3, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Surface:
    """The look of N points: linear RGB (3, N) or (3, 1), roughness (N,) or a number."""

    colour: Floats
    """Diffuse albedo."""
    mirror: Floats
    """Reflectance at normal incidence (about 0.04 for glaze and lacquer, the colour itself for metals)."""
    roughness: Floats
    """GGX alpha, 0.005 (polished) to 1."""
    glow: Floats
    """Light given off."""


Indices = NDArray[np.int32]
Paint = Callable[[Floats], Surface]
Height = Callable[[Floats], Floats]


def linear(code: str) -> Floats:
    """A (3, 1) linear colour from 'rrggbb' (sRGB transfer function, IEC 61966-2-1)."""
    value = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    return column(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


def noise(p: Floats, scale: float | Vector, shift: float = 0.0) -> Floats:
    """Smooth value noise 0..1 with about one bump per 1/scale units."""
    q = p * column(scale if isinstance(scale, tuple) else (scale, scale, scale)) + np.float32(shift + 512)
    cell = np.floor(q)
    f = q - cell
    f *= f * (3 - 2 * f)
    i = cell.astype(np.int32)
    x0, y0, z0 = i % _LATTICE
    x1, y1, z1 = (i + 1) % _LATTICE

    def row(y: Indices, z: Indices) -> Floats:
        base = (z * _LATTICE + y) * _LATTICE
        a, b = _VALUES[base + x0], _VALUES[base + x1]
        return np.asarray(a + (b - a) * f[0], np.float32)

    near = row(y0, z0)
    near += (row(y1, z0) - near) * f[1]
    far = row(y0, z1)
    far += (row(y1, z1) - far) * f[1]
    return np.asarray(near + (far - near) * f[2], np.float32)


def clouds(p: Floats, scale: float | Vector, octaves: int = 4) -> Floats:
    """Fractal noise about 0..1."""
    total = np.zeros(p.shape[1], np.float32)
    factor, weight = np.float32(1), 0.5
    for octave in range(octaves):
        total += noise(p * factor, scale, octave * 17.3) * np.float32(weight)
        factor, weight = factor * np.float32(2.03), weight / 2
    return total


def specks(p: Floats, scale: float | Vector, size: float) -> Floats:
    """Round dots 0..1 of many sizes, at most one in each cell of the given scale; `size` in cells."""
    bent = p + np.float32(0.006) * (
        np.stack([noise(p, 30.0, s) for s in (2.0, 22.0, 42.0)]) - np.float32(0.5)
    )
    q = bent * column(scale if isinstance(scale, tuple) else (scale, scale, scale)) + np.float32(512)
    cell = np.floor(q)
    x, y, z = cell.astype(np.int32) % _LATTICE
    key = (z * _LATTICE + y) * _LATTICE + x
    jitter = np.stack([_VALUES[(key * 7 + step) % _VALUES.size] for step in (1, 2, 3)])
    away = length(*(q - cell - np.float32(0.3) - jitter * np.float32(0.4)))
    radius = np.float32(size) * _VALUES[(key * 7 + 4) % _VALUES.size] ** 2
    return np.asarray(smoothstep(0.04, -0.04, away - radius) * (radius > 0.06), np.float32)


def plain(colour: Floats, mirror: float | Floats = 0.04, roughness: float | Floats = 0.5) -> Surface:
    """A surface from a diffuse colour and its gloss."""
    reflect = np.full((3, 1), mirror, np.float32) if isinstance(mirror, float) else mirror
    return Surface(colour, reflect, np.asarray(roughness, np.float32), np.zeros((3, 1), np.float32))


def glaze(code: str, speckle: str = "", roughness: float = 0.06) -> Paint:
    """A ceramic glaze, thinner and lighter here and there, with iron specks if a speckle colour is given."""
    base, spots = linear(code), linear(speckle or code)

    def paint(p: Floats) -> Surface:
        tone = 0.86 + 0.28 * clouds(p, 2.2)
        colour = base * tone
        if speckle:
            cover = np.maximum(specks(p, 13.0, 0.30), 0.8 * specks(p, 31.0, 0.32))
            colour = colour + (spots - colour) * cover * np.float32(0.85)
        return plain(colour, 0.05, roughness + 0.05 * noise(p, 5.0))

    return paint


def matte(code: str, roughness: float = 0.55, variation: float = 0.12, mirror: float = 0.035) -> Paint:
    """A dull surface with slight clouds."""
    base = linear(code)
    return lambda p: plain(base * (1 - variation / 2 + variation * clouds(p, 4.0)), mirror, roughness)


def metal(code: str, roughness: float = 0.12, wear: float = 0.06) -> Paint:
    """A bare metal of the given reflectance; `wear` varies its polish."""
    base = linear(code)

    def paint(p: Floats) -> Surface:
        patches = clouds(p, 3.0)
        return plain(np.zeros((3, 1), np.float32), base * (0.94 + 0.1 * patches), roughness + wear * patches)

    return paint


def wood(light: str, dark: str, along: int = 1, ring: float = 9.0, lacquer: float = 0.28) -> Paint:
    """Timber with its grain running along an axis (0, 1, 2): bent growth rings, fibres and pores."""
    pale, deep = linear(light), linear(dark)
    others = [axis for axis in range(3) if axis != along]
    squeeze = [1.0, 1.0, 1.0]
    squeeze[along] = 0.12

    def paint(p: Floats) -> Surface:
        q = p * column(squeeze)
        bent = q + np.float32(0.10) * (
            np.stack([noise(q, 2.2, s) for s in (0.0, 31.0, 57.0)]) - np.float32(0.5)
        )
        radius = length(bent[others[0]] - np.float32(0.55), bent[others[1]] + np.float32(0.9)) * np.float32(
            ring
        )
        phase = radius + 0.35 * noise(q, 9.0, 4.0)
        phase -= np.floor(phase)
        late = smoothstep(0.25, 0.92, phase) * smoothstep(1.0, 0.93, phase)
        fibre = noise(q, 70.0, 3.0)
        pores = smoothstep(0.74, 0.84, noise(q, 120.0, 8.0))
        mix = np.clip(0.62 * late + 0.28 * fibre + 0.25 * pores + 0.25 * (clouds(q, 1.5) - 0.5), 0, 1)
        return plain(pale + (deep - pale) * mix, 0.04, lacquer + 0.15 * fibre)

    return paint


def leather(code: str) -> Paint:
    """Waxed leather, darker in its creases."""
    base = linear(code)

    def paint(p: Floats) -> Surface:
        tone = 0.72 + 0.5 * clouds(p, 2.5) - 0.22 * creases(p)
        return plain(base * tone, 0.04, 0.30 + 0.15 * noise(p, 8.0))

    return paint


def creases(p: Floats) -> Floats:
    """The net of fine creases in leather, 0..1."""
    bent = p + np.float32(0.02) * (np.stack([noise(p, 12.0, s) for s in (1.0, 21.0, 41.0)]) - np.float32(0.5))
    fine = np.abs(noise(bent, 34.0) - np.float32(0.5)) * 2
    finer = np.abs(noise(bent, 55.0, 7.0) - np.float32(0.5)) * 2
    return np.asarray(np.maximum(smoothstep(0.22, 0.0, fine), 0.7 * smoothstep(0.25, 0.0, finer)), np.float32)


def painted(choose: Callable[[Floats], Floats], inside: Paint, outside: Paint) -> Paint:
    """Two paints mixed by `choose(p)`: 1 is the first, 0 the second."""

    def paint(p: Floats) -> Surface:
        w, a, b = choose(p), inside(p), outside(p)
        return Surface(
            a.colour * w + b.colour * (1 - w),
            a.mirror * w + b.mirror * (1 - w),
            a.roughness * w + b.roughness * (1 - w),
            a.glow * w + b.glow * (1 - w),
        )

    return paint
