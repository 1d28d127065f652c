"""Lamp, notebook and throw: the products with linen, leather, paper and wool."""

from __future__ import annotations

import numpy as np

from .render_camera import View
from .render_planes import lathe
from .render_scene import Part, Scene
from .render_shapes import (
    Floats,
    Shape,
    capsule,
    curve,
    displaced,
    length,
    line,
    rounded_box,
    smoothstep,
    sphere,
    union,
)
from .render_surfaces import (
    Paint,
    Surface,
    clouds,
    creases,
    leather,
    linear,
    metal,
    noise,
    plain,
    wood,
)


def lamp() -> tuple[Scene, View]:
    """A table lamp: a turned walnut foot, a brass neck and a linen shade, lit."""
    foot = "0,0.02 0.44,0 0.5,0.03 0.49,0.09 0.3,0.16 0.2,0.26 0.34,0.55 0.36,0.75"
    turned = lathe(curve(foot, "0.24,1.02 0.12,1.18 0.13,1.25 0.11,1.28 0,1.285"))
    neck = union(capsule((0, 1.2, 0), (0, 1.55, 0), 0.045), sphere((0, 2.42, 0), 0.05))
    spokes = [capsule((0, 2.30, 0), (0.5 * np.cos(a), 2.30, 0.5 * np.sin(a)), 0.012) for a in (0.4, 2.5, 4.6)]
    rod = capsule((0, 1.5, 0), (0, 2.42, 0), 0.018)
    shade = lathe(line("0.86,1.42 0.873,1.428 0.55,2.352 0.535,2.36 0.53,2.35 0.845,1.43"))
    parts = [
        Part(turned, wood("86583a", "5a3720", 1, 15.0)),
        Part(union(neck, rod, *spokes), metal("e2c285", 0.12)),
        Part(shade, _linen, _weave),
        Part(sphere((0, 1.86, 0), 0.17), _opal),
    ]
    return Scene(parts), View((0, 1.16, 0), 3.7, 22, 12)


def _linen(p: Floats) -> Surface:
    """Unbleached linen with slubs and two hems, lit from within."""
    angle, slant = np.arctan2(p[2], p[0]) * np.float32(70), p[1] * np.float32(85)
    warp = noise(np.stack([angle, slant * 0.06, angle * 0]), 1.6)
    weft = noise(np.stack([angle * 0.05, slant, angle * 0]), 1.6, 9.0)
    hem = smoothstep(0.012, 0.004, np.abs(np.abs(p[1] - 1.89) - np.float32(0.40)))
    tone = 0.80 + 0.16 * warp + 0.16 * weft - 0.1 * hem
    look = plain(linear("e9dfcb") * tone, 0.02, 0.8)
    warmth = np.exp(-((p[1] - np.float32(1.80)) ** 2) * 4) * tone
    return Surface(look.colour, look.mirror, look.roughness, linear("ffcf8f") * warmth * np.float32(0.20))


def _weave(p: Floats) -> Floats:
    """Relief of the linen's threads."""
    angle = np.arctan2(p[2], p[0])
    return np.asarray(0.0012 * np.sin(angle * 260) * np.sin(p[1] * 240), np.float32)


def _opal(p: Floats) -> Surface:
    """An opal bulb that is on."""
    look = plain(linear("f0e8da"), 0.0, np.full(p.shape[1], 0.5, np.float32))
    return Surface(look.colour, look.mirror, look.roughness, linear("ffdcae") * np.float32(1.8))


def notebook() -> tuple[Scene, View]:
    """A leather-bound notebook, closed with a band, its ribbon showing."""
    boards = [rounded_box((0, y, 0), (0.86, 0.028, 1.20), 0.026) for y in (0.028, 0.352)]
    spine = rounded_box((-0.845, 0.19, 0), (0.035, 0.19, 1.20), 0.034)
    block = rounded_box((-0.01, 0.19, 0), (0.82, 0.15, 1.15), 0.01)
    tan = leather("9a5a2e")

    def stitched(p: Floats) -> Surface:
        look = tan(p)
        edge = np.minimum(np.float32(0.86) - np.abs(p[0]), np.float32(1.20) - np.abs(p[2]))
        thread = smoothstep(0.010, 0.007, np.abs(edge - np.float32(0.075)))
        run = np.where(np.float32(0.86) - np.abs(p[0]) < np.float32(1.20) - np.abs(p[2]), p[2], p[0])
        dash = smoothstep(0.08, 0.16, np.abs((run * 16) % 1 - 0.5))
        cover = thread * dash * (p[1] > 0.37)
        colour = look.colour * (1 - cover) + linear("e2c79a") * cover
        burnish = 1 - 0.35 * smoothstep(0.03, 0.0, edge)
        return Surface(colour * burnish, look.mirror, look.roughness, look.glow)

    def grain(p: Floats) -> Floats:
        edge = np.minimum(np.float32(0.86) - np.abs(p[0]), np.float32(1.20) - np.abs(p[2]))
        groove = smoothstep(0.018, 0.0, np.abs(edge - np.float32(0.075))) * (p[1] > 0.34)
        return np.asarray(-0.0035 * creases(p) - 0.006 * groove + 0.006 * clouds(p, 3.0, 2), np.float32)

    def leaves(p: Floats) -> Surface:
        sheet = noise(np.stack([p[0] * 0.4, p[1] * 95, p[2] * 0.4]), 1.0)
        return plain(linear("efe4cb") * (0.70 + 0.34 * sheet), 0.02, 0.8)

    band = union(
        rounded_box((0.60, 0.388, 0), (0.045, 0.011, 1.212), 0.008),
        rounded_box((0.60, 0.19, 1.208), (0.045, 0.205, 0.010), 0.008),
        rounded_box((0.60, 0.19, -1.208), (0.045, 0.205, 0.010), 0.008),
    )
    parts = [
        Part(union(*boards, spine), stitched, grain),
        Part(block, leaves, lambda p: 0.003 * noise(np.stack([p[0] * 0.4, p[1] * 95, p[2] * 0.4]), 1.0)),
        Part(band, _ribbed("2b2622")),
        Part(_ribbon(), _ribbed("8f2f2a")),
    ]
    return Scene(parts), View((0.05, 0.12, 0.12), 3.9, 36, 32)


def _ribbon() -> Shape:
    """The tail of the bookmark, which leaves the block at the front and lies on the table."""
    ends = [
        (-0.25, 0.14, 1.1),
        (-0.25, 0.12, 1.22),
        (-0.23, 0.03, 1.32),
        (-0.20, 0.012, 1.48),
        (-0.10, 0.012, 1.66),
    ]
    ease = np.linspace(0, 4, 25)
    smooth = [np.interp(ease, range(5), [point[axis] for point in ends]) for axis in range(3)]
    smooth = [np.convolve(np.pad(values, 3, mode="edge"), np.ones(7) / 7, "valid") for values in smooth]
    path = [(float(x), float(y), float(z)) for x, y, z in zip(*smooth, strict=True)]
    rods = [capsule(a, b, 0.05) for a, b in zip(path[::2], path[2::2], strict=False)]
    whole = union(*rods)

    def flat(p: Floats) -> Floats:
        centre = np.interp(p[2], [point[2] for point in path], [point[1] for point in path]).astype(
            np.float32
        )
        return np.asarray(
            np.maximum(whole(p), np.abs(p[1] - centre) * np.float32(0.7) - np.float32(0.008)), np.float32
        )

    return flat


def _ribbed(code: str) -> Paint:
    """Woven band."""
    base = linear(code)
    return lambda p: plain(base * (0.8 + 0.4 * noise(p, 60.0)), 0.03, 0.6)


STITCH = 0.098
"""Width of a knitted stitch on the throw; its height is four fifths of that."""


def _knit(u: Floats, v: Floats) -> Floats:
    """Height 0..1 of stocking stitch: two slanted legs a stitch, columns along v."""
    x = u / np.float32(STITCH)
    across = (x - np.floor(x)) * 2 - 1
    leg = np.abs(across)
    y = v / np.float32(STITCH * 0.8) - leg * np.float32(0.85)
    along = y - np.floor(y) - np.float32(0.5)
    body = 1 - (2 * (leg - np.float32(0.5))) ** 2
    bead = 1 - (2 * along) ** 2
    return np.asarray(np.sqrt(np.clip(body, 0, 1)) * np.sqrt(np.clip(bead * 0.8 + 0.2, 0, 1)), np.float32)


def throw() -> tuple[Scene, View]:
    """A knitted throw, folded to a stack of three."""
    radius, half_x, half_z = 0.17, 1.05, 0.78
    layers = [(0.17, 0.0, 0.0), (0.49, 0.02, -0.015), (0.81, -0.015, 0.01)]

    def unrolled(p: Floats) -> tuple[Floats, Floats]:
        """Cloth coordinates: across, and the way over the top and down the rounded front."""
        layer = np.clip(np.round((p[1] - np.float32(0.17)) / np.float32(0.32)), 0, 2)
        y = p[1] - np.float32(0.17) - layer * np.float32(0.32)
        straight = np.float32(half_z - radius)
        over = np.maximum(np.abs(p[2]) - straight, 0)
        side = np.maximum(np.abs(p[0]) - np.float32(half_x - radius), 0)
        reach = length(side, over)
        stretch = np.float32(radius) * np.arctan2(reach, y) / np.maximum(reach, np.float32(1e-6))
        u = np.sign(p[0]) * (np.minimum(np.abs(p[0]), np.float32(half_x - radius)) + side * stretch)
        v = np.sign(p[2]) * (np.minimum(np.abs(p[2]), straight) + over * stretch)
        return np.asarray(u + layer * 0.03, np.float32), np.asarray(v, np.float32)

    def slumped(p: Floats) -> Floats:
        return p + np.float32(0.10) * (
            np.stack([noise(p, 1.1, s) for s in (3.0, 23.0, 43.0)]) - np.float32(0.5)
        )

    def sag(p: Floats) -> Floats:
        return np.asarray(0.06 * (clouds(p, 1.4, 2) - 0.4), np.float32)

    def height(p: Floats) -> Floats:
        return sag(p) + np.float32(0.032) * _knit(*unrolled(slumped(p)))

    def wool(p: Floats) -> Surface:
        u, v = unrolled(slumped(p))
        deep = _knit(u, v)
        ply = noise(np.stack([u * 9 + v * 14, v * 9, p[1] * 9]), 3.0)
        fuzz = noise(p, 90.0)
        tone = 0.42 + 0.42 * deep + 0.18 * ply + 0.16 * fuzz
        return plain(linear("d69a2d") * tone, 0.02, 0.9)

    stack = union(*[rounded_box((x, y, z), (half_x, radius, half_z), radius - 0.01) for y, x, z in layers])
    shape = displaced(lambda p: stack(slumped(p)), height, 0.62, 0.12)
    part = Part(shape, wool, lambda p: 0.004 * noise(p, 70.0))
    return Scene([part]), View((0, 0.42, 0), 3.9, 28, -26)
