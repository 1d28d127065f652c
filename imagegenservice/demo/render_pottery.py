"""Cup, vase and carafe: the products that come off a potter's wheel or a glass-blower's pipe."""

from __future__ import annotations

import numpy as np

from .render_camera import View
from .render_planes import lathe, wire
from .render_scene import Glass, Part, Scene
from .render_shapes import Floats, blended, curve, cut, displaced, length, line, smoothstep, sphere
from .render_surfaces import Surface, clouds, glaze, linear, matte, noise, painted, plain, specks


def cup() -> tuple[Scene, View]:
    """A round stoneware cup, green outside, cream inside, its foot left bare."""
    wall = "0,0.05 0.5,0.05 0.56,0 0.66,0.03 0.86,0.28 0.965,0.72 0.91,1.25"
    lip = "0.822,1.62 0.8,1.652 0.77,1.62"
    inner = "0.845,1.25 0.895,0.75 0.79,0.34 0.62,0.18 0.4,0.14 0,0.14"
    body = lathe(curve(wall, lip, inner))
    hollow = lathe(np.vstack([curve(inner)[::-1], line("0.76,1.9 0,1.9")]))
    loop = curve("0.82,1.3 1.08,1.38 1.33,1.24 1.37,0.86 1.19,0.54 0.88,0.44")
    handle = cut(wire(loop, lambda t: 0.085 + 0.05 * (2 * t - 1) ** 4, 1.35), hollow)
    outside = glaze("2c6455", "0f1f1b")
    glazed = painted(lambda p: smoothstep(0.03, 0.015, hollow(p)), glaze("f0e6d4", roughness=0.05), outside)
    foot = painted(
        lambda p: smoothstep(0.13, 0.10, p[1] + 0.03 * noise(p, 5.0)), matte("b58d68", 0.7), glazed
    )
    return Scene([Part(blended(0.09, body, handle), foot)]), View((0.2, 0.74, 0), 3.5, 27, -18)


def vase() -> tuple[Scene, View]:
    """A matte vase whose flutes wind about its belly."""
    wall = "0,0.02 0.36,0 0.5,0.1 0.8,0.62 0.86,1.05 0.64,1.62 0.33,1.98"
    neck = "0.27,2.18 0.33,2.4 0.345,2.43 0.325,2.445 0.29,2.4 0.22,2.18"
    turned = lathe(curve(wall, neck, "0.26,1.96 0.5,1.6 0.5,0.5 0,0.2"))

    def flutes(p: Floats) -> Floats:
        angle = np.arctan2(p[2], p[0]) * 22 + p[1] * np.float32(2.6)
        wave = np.abs(np.sin(angle / 2))
        deep = smoothstep(0.06, 0.3, p[1]) * smoothstep(2.14, 1.7, p[1])
        return np.asarray((wave - 0.7) * 0.068 * deep * np.minimum(length(p[0], p[2]), 0.85), np.float32)

    def clay(p: Floats) -> Surface:
        groove = flutes(p) * 14
        tone = 0.93 + 0.10 * clouds(p, 5.0) + 0.12 * groove
        dust = smoothstep(0.72, 0.80, noise(p, 75.0)) * np.float32(0.10)
        return plain(linear("c4826a") * (tone - dust), 0.03, 0.6)

    shape = displaced(turned, flutes, 0.75, 0.06)
    part = Part(shape, clay, lambda p: 0.0016 * clouds(p, 45.0, 2))
    return Scene([part]), View((0.05, 1.14, 0), 3.5, 24, 10)


def carafe() -> tuple[Scene, View]:
    """A blown carafe with a cork ball on its mouth."""
    wall = "0,0.05 0.5,0.014 0.72,0.04 0.8,0.15 0.79,0.45 0.66,0.95 0.42,1.38"
    neck = "0.275,1.68 0.255,1.92 0.31,2.14 0.335,2.19 0.32,2.205 0.295,2.18"
    inner = "0.215,1.92 0.235,1.68 0.38,1.36 0.62,0.93 0.748,0.45 0.755,0.22 0.66,0.14"
    body = lathe(curve(wall, neck, inner, "0.4,0.115 0,0.12", steps=40), 0.0035)
    bark = linear("c99c69")

    def cork(p: Floats) -> Surface:
        grain = clouds(p, 11.0)
        pits = np.maximum(specks(p, (19.0, 8.0, 19.0), 0.34), specks(p, (34.0, 20.0, 34.0), 0.34))
        tone = (0.72 + 0.5 * grain) * (1 - 0.6 * pits)
        return plain(np.asarray(bark * tone, np.float32), 0.03, 0.7)

    def pores(p: Floats) -> Floats:
        return -0.006 * specks(p, (19.0, 8.0, 19.0), 0.36) + 0.003 * clouds(p, 40.0, 2)

    ball = Part(sphere((0, 2.36, 0), 0.315), cork, pores)
    glass = Glass(body, absorb=(0.5, 0.19, 0.25))
    return Scene([ball], glass), View((0, 1.25, 0), 3.8, 23, 0)
