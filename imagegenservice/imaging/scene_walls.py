"""What stands behind the products: six walls, drawn in linear light for one camera and one key light."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from ..styles import StyleSheet
from .colour import Floats
from .scene_noise import blurred, clouds, colour_of, floats, grid, noise, pool, smoothstep

Rng = np.random.Generator


def draw_wall(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """(height, width, 3) linear light of the style's wall, lit from the upper left, without the floor.

    `horizon` is the row, as a share of the height, where the wall will meet the floor.
    """
    painted = _WALLS[sheet.scene.wall](sheet, width, height, horizon, rng)
    return painted * _key(sheet, width, height)[..., None] * colour_of(sheet.light.tint)


def _key(sheet: StyleSheet, width: int, height: int) -> Floats:
    light = pool(width, height, (0.36, 0.26), (0.62, 0.70))
    return floats(1.06 - sheet.light.falloff * (1.0 - light))


def _flat(code: str, width: int, height: int) -> Floats:
    return np.broadcast_to(colour_of(code), (height, width, 3)).astype(np.float32)


def _mix(below: Floats, colour: Floats, share: Floats) -> Floats:
    return floats(below + (colour - below) * share[..., None])


def _cove(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """A seamless cove with one disc of colour and the light of a window."""
    wall = _flat(sheet.palette.wall, width, height)
    side = 0.62 if rng.random() < 0.5 else 0.40
    radius = 0.27 * min(width, height) if horizon > 0.36 else 0.20 * min(width, height)
    centre = (side * width, (horizon - 0.06) * height - radius * 0.35)
    disc = _disc(width, height, centre, radius)
    fallen = (centre[0] + radius * 0.10, centre[1] + radius * 0.08)
    shade = blurred(_disc(width, height, fallen, radius), radius * 0.12)
    wall *= (1.0 - 0.28 * shade * (1.0 - disc))[..., None]
    return floats(
        _mix(wall, colour_of(sheet.palette.accent), disc) * _window(sheet, width, height, rng)[..., None]
    )


def _disc(width: int, height: int, centre: tuple[float, float], radius: float) -> Floats:
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5 - np.float32(centre[0])
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5 - np.float32(centre[1])
    return floats(np.clip(np.float32(radius + 0.5) - np.sqrt(x * x + y * y), 0.0, 1.0))


def _window(sheet: StyleSheet, width: int, height: int, rng: Rng, strength: float = 0.22) -> Floats:
    """The light of a window with bars, slanting over the wall: a factor around 1."""
    scale = max(width, height)
    mask = np.zeros((height, width), np.uint8)
    left = (0.02 + 0.10 * rng.random()) * width
    top, pane_w, pane_h, bar = -0.05 * height, 0.20 * scale, 0.24 * scale, 0.018 * scale
    for column in range(2):
        for row in range(3):
            x, y = left + column * (pane_w + bar), top + row * (pane_h + bar) + column * 0.06 * scale
            slant = 0.30 * (y - top)
            corners = [(x + slant, y), (x + pane_w + slant, y + 0.05 * scale)]
            corners += [(px + 0.30 * pane_h, py + pane_h) for px, py in reversed(corners)]
            cv2.fillPoly(mask, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
    soft = blurred(mask.astype(np.float32) / 255.0, scale * (0.004 + 0.022 * sheet.light.softness))
    return floats(1.0 - strength * 0.4 + strength * soft)


def _plaster(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """Old plaster: stains, strokes of the trowel and the grain of sand."""
    del horizon
    stains = clouds(rng, width, height, 3, 4)
    strokes = noise(rng, width, height, 26, 70) * noise(rng, width, height, 7, 9)
    sand = noise(rng, width, height, max(8, width // 3), max(8, height // 3))
    tone = 1.0 + 0.20 * stains + 0.07 * strokes + 0.035 * sand
    wall = _flat(sheet.palette.wall, width, height) * tone[..., None]
    worn = smoothstep(0.18, 0.55, clouds(rng, width, height, 4, 4))
    wall = _mix(wall, colour_of(sheet.palette.wall) * np.array([1.25, 1.2, 1.12], np.float32), 0.35 * worn)
    return wall * _window(sheet, width, height, rng, 0.55)[..., None]


def _niche(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """A quiet wall with one arched recess, its left cheek in shadow and its right one lit."""
    fine = noise(rng, width, height, width // 4, height // 4)
    wall = _flat(sheet.palette.wall, width, height) * (1.0 + 0.012 * fine)[..., None]
    half = 0.25 * min(width, height) + 0.06 * width
    centre = (0.5 + 0.05 * rng.uniform(-1, 1)) * width
    top = max((horizon - 0.42), 0.07) * height
    arch = _arch(width, height, centre, half, top)
    depth = half * 0.13
    back = _arch(width, height, centre + depth, half, top + depth * 0.5)
    inner = _mix(wall, colour_of(sheet.palette.accent), np.ones((height, width), np.float32))
    cheek = blurred(back, half * 0.10)
    inner = inner * (0.74 + 0.28 * cheek)[..., None]
    x, _ = grid(width, height)
    lit = smoothstep((centre - half) / width, (centre + half) / width, x)
    inner = inner * (0.95 + 0.10 * lit)[..., None]
    return floats(wall + (inner - wall) * arch[..., None])


def _arch(width: int, height: int, centre: float, half: float, top: float) -> Floats:
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5 - np.float32(centre)
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5 - np.float32(top + half)
    far = np.where(y < 0, np.sqrt(x * x + y * y), np.abs(x))
    return floats(np.clip(np.float32(half + 0.5) - far, 0.0, 1.0))


def _marble(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """Dark marble: veins where a warped field crosses zero, and a line of brass."""
    base = colour_of(sheet.palette.wall)
    wall = floats(base * (1.0 + 0.75 * clouds(rng, width, height, 3, 4))[..., None])
    pale = floats(colour_of(sheet.palette.accent) * 0.5 + 0.10)
    at = _warp(rng, width, height)
    for cells, share, fine in ((2, 0.62, 0.010), (3, 0.30, 0.016), (5, 0.22, 0.007)):
        field = np.abs(_warped(clouds(rng, width, height, cells, 4), at))
        patchy = smoothstep(-0.15, 0.35, clouds(rng, width, height, 3, 2))
        core = np.exp(field * np.float32(-1.0 / fine)) + 0.22 * np.exp(field * np.float32(-1.0 / (7 * fine)))
        wall = _mix(wall, pale, floats(np.clip(share * core * patchy, 0.0, 1.0)))
    return _brass(wall, sheet, horizon)


def _warp(rng: Rng, width: int, height: int) -> tuple[Floats, Floats]:
    """Where each pixel looks: along the slope of the veins, and aside by noise."""
    bend = np.float32(0.16 * width)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    across = 0.8 * x + 0.5 * y + bend * clouds(rng, width, height, 4, 4)
    down = 0.9 * y - 0.2 * across + bend * clouds(rng, width, height, 4, 4)
    return floats(across), floats(down)


def _warped(field: Floats, at: tuple[Floats, Floats]) -> Floats:
    return floats(cv2.remap(field, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))


def _brass(wall: Floats, sheet: StyleSheet, horizon: float) -> Floats:
    height, width = wall.shape[:2]
    thick = max(1.0, 0.004 * max(width, height))
    row = np.abs(np.arange(height, dtype=np.float32) - np.float32((horizon - 0.012) * height))[:, None]
    line = np.clip(thick - row, 0.0, 1.0) * np.ones((1, width), np.float32)
    x, _ = grid(width, height)
    shine = 0.25 + 1.1 * np.exp(-(((x - 0.40) / 0.22) ** 2))
    metal = colour_of(sheet.palette.metal) * shine[..., None]
    return floats(wall + (metal - wall) * line[..., None])


def _sunlit(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """A painted wall with the sun coming through a window and through leaves."""
    del horizon
    fine = clouds(rng, width, height, 24, 3)
    wall = _flat(sheet.palette.wall, width, height) * (1.0 + 0.02 * fine)[..., None]
    sun = (_window(sheet, width, height, rng, 1.0) - 0.6) * (1.0 - 0.8 * _leaves(width, height, rng))
    warm = np.array([1.0, 0.95, 0.84], np.float32)
    return floats(wall * (0.74 + 0.62 * sun[..., None] * warm))


def _leaves(width: int, height: int, rng: Rng) -> Floats:
    """The shadow of a few twigs with leaves: 0..1."""
    scale = max(width, height)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(4):
        start = np.array([rng.uniform(0.15, 0.9) * width, -0.05 * height])
        angle, bend = rng.uniform(0.6, 2.2), rng.uniform(-0.05, 0.05)
        for step in range(14):
            start = start + 0.045 * scale * np.array([np.cos(angle), np.sin(angle)])
            angle += bend
            for side in (-1, 1):
                turn = angle + side * 0.9
                centre = start + side * 0.0 + 0.035 * scale * np.array([np.cos(turn), np.sin(turn)])
                axes = (int(0.036 * scale * (1 - step / 22)), int(0.012 * scale))
                spot = (int(centre[0]), int(centre[1]))
                cv2.ellipse(mask, spot, axes, np.degrees(turn), 0, 360, 255, -1, cv2.LINE_AA)
    return blurred(mask.astype(np.float32) / 255.0, scale * 0.008)


def _softbox(sheet: StyleSheet, width: int, height: int, horizon: float, rng: Rng) -> Floats:
    """A studio backdrop with the halo of a light behind the products."""
    del rng
    halo = pool(width, height, (0.5, horizon), (0.48, 0.42 * max(width / height, 0.8)))
    wall = _flat(sheet.palette.wall, width, height) * np.float32(0.62)
    return _mix(wall, colour_of(sheet.palette.floor), 0.92 * halo)


_WALLS: Final[dict[str, Callable[[StyleSheet, int, int, float, Rng], Floats]]] = {
    "cove": _cove,
    "plaster": _plaster,
    "niche": _niche,
    "marble": _marble,
    "sunlit": _sunlit,
    "softbox": _softbox,
}
