"""Watering can, clock and spectacles: the products of brass and steel."""

from __future__ import annotations

import numpy as np

from .render_camera import View
from .render_light import Studio
from .render_planes import lathe, wire
from .render_scene import Glass, Part, Scene
from .render_shapes import (
    Floats,
    Shape,
    blended,
    capsule,
    column,
    curve,
    cut,
    cylinder,
    ellipsoid,
    length,
    placed,
    rotation,
    smoothstep,
    sphere,
    torus,
    union,
)
from .render_surfaces import Surface, clouds, glaze, linear, matte, metal, noise, plain


def watering_can() -> tuple[Scene, View]:
    """A small brass watering can with a long bent spout."""
    wall = "0,0.02 0.68,0 0.72,0.02 0.72,0.06 0.7,0.09 0.6,0.55 0.49,1.02"
    lip = "0.485,1.06 0.51,1.085 0.505,1.115 0.48,1.115 0.455,1.07"
    inner = "0.465,1 0.575,0.55 0.66,0.12 0.5,0.06 0,0.06"
    body = lathe(curve(wall, lip, inner))
    hollow = cylinder((0, 0.7, 0), 0.47, 0.6)
    line = curve("0.5,0.2 0.85,0.34 1.12,0.78 1.32,1.28 1.66,1.44")
    spout = cut(wire(line, lambda t: 0.125 - 0.085 * t**0.8), hollow)
    mouth = capsule((1.66, 1.44, 0), (1.71, 1.455, 0), 0.043, 0.058)
    loop = curve("-0.1,1.07 -0.3,1.62 -0.85,1.72 -1.14,1.22 -0.98,0.62 -0.63,0.36")
    handle = wire(loop, lambda t: 0.042 + 0 * t, 1.5)
    bridge = capsule((-0.10, 1.09, -0.47), (-0.10, 1.09, 0.47), 0.035)
    brass = metal("e6c98c", 0.13, 0.05)
    shape = union(blended(0.05, body, spout, mouth), blended(0.04, cut(handle, hollow), bridge))
    part = Part(shape, brass, lambda p: 0.0002 * noise(p, (6.0, 140.0, 6.0)) + 0.002 * clouds(p, 3.0, 2))
    return Scene([part]), View((0.27, 0.74, 0), 3.9, 26, -14)


def _dial(p: Floats) -> Floats:
    """Ink (N,) on the clock's dial, from points with the dial's middle as origin."""
    radius, angle = length(p[0], p[1]), np.arctan2(p[0], p[1])
    hour = np.abs((angle * np.float32(6 / np.pi) + 0.5) % 1 - 0.5) * np.float32(np.pi / 6) * radius
    minute = np.abs((angle * np.float32(30 / np.pi) + 0.5) % 1 - 0.5) * np.float32(np.pi / 30) * radius
    marks = smoothstep(0.026, 0.020, hour) * smoothstep(0.44, 0.446, radius) * smoothstep(0.58, 0.574, radius)
    dots = (
        smoothstep(0.010, 0.006, minute) * smoothstep(0.606, 0.61, radius) * smoothstep(0.642, 0.638, radius)
    )
    return np.asarray(np.maximum(marks, dots), np.float32)


def _paper(p: Floats) -> Surface:
    """The printed dial, from points with its middle as origin."""
    ink = _dial(p)
    return plain(linear("f3ecd9") * (1 - ink) + linear("23262b") * ink, 0.03, 0.5)


def clock() -> tuple[Scene, View]:
    """A twin-bell alarm clock, lacquered blue, ten past ten."""
    lean = rotation(0, -9)
    middle = (0.0, 0.98, 0.0)
    tip = rotation(0, 90)
    shell = lathe(curve("0,-0.34 0.62,-0.34 0.76,-0.27 0.8,0 0.8,0.3 0.775,0.345 0.735,0.33"))
    case = cut(placed(shell, tip), placed(cylinder((0, 0.33, 0), 0.735, 0.10), tip))
    ring = placed(torus((0, 0.335, 0), 0.768, 0.040), tip)
    face = placed(cylinder((0, 0.22, 0), 0.74, 0.02), tip)
    hands = union(
        capsule((0.03, -0.03, 0.275), (-0.30, 0.24, 0.275), 0.022, 0.016),
        capsule((-0.05, -0.03, 0.295), (0.44, 0.29, 0.295), 0.016, 0.010),
        ellipsoid((0, 0, 0.28), (0.045, 0.045, 0.03)),
    )
    alarm = capsule((0, 0.03, 0.262), (0.10, -0.30, 0.262), 0.009)

    def stand(shape: Shape) -> Shape:
        return placed(shape, lean, middle)

    steel = metal("e3dfd8", 0.07, 0.03)
    dome = placed(cylinder((0, 0.315, 0), 0.735, 0.012, 0.006), tip)
    parts = [
        Part(stand(case), glaze("24486b", roughness=0.05)),
        Part(stand(ring), steel),
        Part(stand(face), lambda p: _paper(lean.T @ (p - column(middle)))),
        Part(stand(hands), matte("17191d", 0.3)),
        Part(stand(alarm), matte("b5432f", 0.4)),
        Part(stand(_bells()), steel),
        Part(_feet(), steel),
    ]
    return Scene(
        parts,
        Glass(stand(dome), (0.05, 0.05, 0.05), shade=0.95),
        Studio(key=(-12.0, 24.0, 15.0), key_half=8.0),
    ), View((0, 0.97, 0), 3.45, 22, -24)


def _bells() -> Shape:
    """Two bells, the hammer between them and the handle above, about the case's middle."""
    cap = lathe(curve("0,0.25 0.2,0.22 0.33,0.1 0.37,-0.03 0.385,-0.05 0.36,-0.05 0.3,0.06 0,0.19"))
    pieces = []
    for side in (-1.0, 1.0):
        place = (side * 0.47, 0.86, 0.0)
        pieces.append(placed(cap, rotation(2, -side * 30), place))
        pieces.append(capsule((side * 0.36, 0.70, 0), (side * 0.60, 1.09, 0), 0.03))
        pieces.append(sphere((side * 0.605, 1.10, 0), 0.05))
    hammer = union(capsule((0, 0.7, 0), (0, 1.0, 0), 0.018), capsule((-0.07, 1.0, 0), (0.07, 1.0, 0), 0.05))
    loop = wire(curve("-0.6,1.1 -0.48,1.3 0,1.42 0.48,1.3 0.6,1.1"), lambda t: 0.028 + 0 * t)
    return union(*pieces, hammer, loop)


def _feet() -> Shape:
    """Two tapered legs in front and a short one behind."""
    legs = [capsule((side * 0.48, 0.42, 0.05), (side * 0.66, 0.035, 0.18), 0.06, 0.035) for side in (-1, 1)]
    back = [capsule((side * 0.40, 0.40, -0.15), (side * 0.50, 0.03, -0.30), 0.05, 0.03) for side in (-1, 1)]
    return union(*legs, *back)


def spectacles() -> tuple[Scene, View]:
    """Round reading glasses: a thin brass frame with horn-coloured tips, lying open."""
    upright = rotation(0, 90)
    rims, lenses, pads = [], [], []
    for side in (-1.0, 1.0):
        middle = (side * 0.80, 0.70, 0.0)
        rims.append(placed(torus((0, 0, 0), 0.64, 0.030), upright, middle))
        disc = cut(
            cylinder((0, 0, 0), 0.628, 0.10),
            sphere((0, -3.46, 0), 3.47),
        )
        bulge = sphere((0, -3.46, 0), 3.505)
        lenses.append(placed(_both(disc, bulge), upright, middle))
        pads.append(ellipsoid((side * 0.21, 0.60, -0.13), (0.035, 0.10, 0.055)))
        rims.append(capsule((side * 0.25, 0.78, -0.01), (side * 0.215, 0.64, -0.12), 0.013))
        rims.append(capsule((side * 1.43, 0.84, 0), (side * 1.53, 0.86, -0.05), 0.035))
    bridge = wire(curve("-0.19,0.83 -0.12,0.92 0,0.95 0.12,0.92 0.19,0.83"), lambda t: 0.027 + 0 * t)
    arm = curve("0.05,0.87 1,0.865 1.95,0.83 2.25,0.72 2.45,0.47 2.58,0.1")
    temples = [
        placed(wire(arm, lambda t: 0.021 + 0 * t), rotation(1, 90), (side * 1.53, 0, 0)) for side in (-1, 1)
    ]
    sleeve = curve("1.72,0.845 1.95,0.83 2.25,0.72 2.45,0.47 2.58,0.06")
    tips = [
        placed(wire(sleeve, lambda t: 0.040 + 0.018 * t, 1.3), rotation(1, 90), (side * 1.53, 0, 0))
        for side in (-1, 1)
    ]

    def horn(p: Floats) -> Surface:
        flame = smoothstep(0.42, 0.62, clouds(p, 5.5))
        return plain(linear("6d3312") * (1 - flame) + linear("1d0f09") * flame, 0.05, 0.10)

    brass = metal("e2c285", 0.08, 0.05)
    parts = [
        Part(union(*rims, bridge, *temples), brass),
        Part(union(*tips), horn),
        Part(union(*pads), glaze("e8e2d6")),
    ]
    glass = Glass(union(*lenses), (1.6, 1.2, 1.0), shade=0.86)
    return Scene(parts, glass), View((0.0, 0.42, -1.0), 4.8, 27, 25)


def _both(first: Shape, second: Shape) -> Shape:
    """Where both shapes are."""
    return lambda p: np.maximum(first(p), second(p))
