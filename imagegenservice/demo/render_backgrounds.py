"""Rooms for the sample shop's uploads: a table in focus, and what lies behind it softly out of focus."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .render_develop import encode
from .render_shapes import Floats, smoothstep
from .render_surfaces import clouds, linear, noise, specks

WIDTH, HEIGHT = 1280, 960
HORIZON = 0.40
"""Where the table's far edge would vanish, from the top, as a part of the height."""


def _seed(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(number))


def _plane(width: int, height: int, edge: float) -> tuple[Floats, Floats, Floats]:
    """Table coordinates (across, away) of each pixel and what share of it is table, edge included."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    down = np.maximum((y + 0.5) / height - np.float32(HORIZON - 0.22), np.float32(1e-3))
    away = np.float32(1.15) / down
    across = ((x + 0.5) / width - np.float32(0.5)) * np.float32(width / height) * away * np.float32(0.95)
    limit = edge * height
    return across, away, smoothstep(limit - 2.5, limit + 2.5, y)


def _points(across: Floats, away: Floats, height: float = 0.0) -> Floats:
    """(3, N) points for the procedural textures."""
    flat = np.full(across.size, height, np.float32)
    return np.stack([across.ravel(), flat, away.ravel()])


def _discs(width: int, height: int, lights: int, radius: float, seed: int) -> Floats:
    """Out-of-focus lights (height, width, 3): soft-edged discs, most of them in the upper part."""
    rng = _seed(seed)
    canvas = np.zeros((height // 2, width // 2, 3), np.float32)
    for _ in range(lights):
        centre = (int(rng.uniform(0, width) * 8), int(rng.beta(1.4, 2.6) * height * 0.75 * 8))
        size = int(radius * rng.uniform(0.5, 1.25) * 8)
        warmth = rng.uniform(0, 1)
        colour = np.array([1.0, 0.80 + 0.12 * warmth, 0.45 + 0.4 * warmth]) * rng.uniform(0.06, 0.5)
        layer = np.zeros_like(canvas)
        cv2.circle(layer, centre, size, colour.tolist(), -1, cv2.LINE_AA, 4)
        cv2.circle(layer, centre, size, (colour * 1.2).tolist(), 2, cv2.LINE_AA, 4)
        canvas += layer
    return np.asarray(cv2.resize(_blurred(canvas, radius / 24), (width, height)), np.float32)


def _blurred(image: Floats, sigma: float) -> Floats:
    """Gaussian blur; wide ones on a smaller image, which the eye cannot tell."""
    step = max(1, int(sigma / 5))
    small = (max(1, image.shape[1] // step), max(1, image.shape[0] // step))
    soft = cv2.GaussianBlur(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (0, 0), sigma / step)
    return np.asarray(cv2.resize(soft, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _planks(across: Floats, away: Floats) -> tuple[Floats, Floats]:
    """Colour (N, 3) and gloss (N,) of oak boards that run from left to right."""
    board = np.floor(away / np.float32(0.5))
    within = away / np.float32(0.5) - board
    shift = board * np.float32(7.31) % 5
    q = _points(across + shift, away)
    stretched = q * np.array([[0.16], [1], [1]], np.float32) + board.ravel() * np.float32(3.7)
    bend = noise(stretched, 2.0) + 0.5 * noise(stretched, 5.0, 3.0)
    rings = (stretched[2] * 9 + bend * 2.6) % 1
    late = smoothstep(0.2, 0.9, rings) * smoothstep(1.0, 0.9, rings)
    fine = clouds(q * np.array([[0.05], [1], [1]], np.float32), 150.0, 3)
    fibre = 0.5 * noise(q * np.array([[0.06], [1], [1]], np.float32), 70.0) + 0.6 * fine
    pores = smoothstep(0.68, 0.80, noise(q * np.array([[0.045], [1], [1]], np.float32), 210.0, 5.0))
    hue = (board * np.float32(0.377) % 1).ravel()
    mix = np.clip(0.26 * late + 0.50 * fibre + 0.30 * pores + 0.30 * hue - 0.15, 0, 1)
    colour = linear("c99a68").T * (1 - mix[:, None]) + linear("7a4d2a").T * mix[:, None]
    seam = smoothstep(0.018, 0.004, np.minimum(within, 1 - within).ravel())
    return colour * (1 - 0.75 * seam[:, None]), 1 - 0.6 * seam - 0.3 * pores


def _terrazzo(across: Floats, away: Floats) -> tuple[Floats, Floats]:
    """Colour (N, 3) and gloss (N,) of a pale stone sill with chips."""
    q = _points(across, away)
    tone = 0.93 + 0.10 * (clouds(q, 1.3) - 0.5) + 0.05 * (noise(q, 60.0) - 0.5)
    colour = linear("d9d3c8").T * tone[:, None]
    for step, (code, scale) in enumerate(
        [("a99a88", 13.0), ("77736c", 19.0), ("bd9279", 23.0), ("f0ebe2", 16.0)]
    ):
        turned = q + np.array([[0.37], [0.11], [0.53]], np.float32) * step
        chip = specks(turned, scale, 0.46)[:, None] * 0.75
        colour = colour * (1 - chip) + linear(code).T * chip
    return colour, np.ones(q.shape[1], np.float32)


def _window_light(across: Floats, away: Floats, bars: bool) -> Floats:
    """Sunlight through leaves, and through a window's bars: 0 shade, 1 sun, edges soft."""
    u, v = across * np.float32(0.9) + away * np.float32(0.55), away - across * np.float32(0.28)
    grid = smoothstep(0.06, 0.16, np.abs((u / np.float32(1.15)) % 1 - 0.5))
    grid *= smoothstep(0.05, 0.13, np.abs((v / np.float32(1.5) + 0.32) % 1 - 0.5))
    pane = smoothstep(-1.9, -1.5, u) * smoothstep(3.6, 3.1, u)
    shade = smoothstep(0.42, 0.66, clouds(_points(across, away), (1.7, 1.0, 1.7), 3)).reshape(across.shape)
    return np.asarray((grid * pane if bars else 1) * (1 - np.float32(0.75) * shade), np.float32)


def _wall(width: int, height: int) -> Floats:
    """A warm wall with a window at the left and a plant at the right, far out of focus."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    light = np.exp(-((x - 0.15) ** 2) * 1.6)[..., None]
    wall = linear("b9a58c").T[None] * (0.30 + 0.75 * light)
    frame = smoothstep(0.02, 0.05, x) * smoothstep(0.50, 0.47, x) * smoothstep(0.36, 0.33, y)
    bar = smoothstep(0.008, 0.022, np.abs(x - 0.26)) * smoothstep(0.008, 0.022, np.abs(y - 0.14))
    pane = (frame * bar)[..., None]
    wall = wall * (1 - pane) + np.array([1.5, 1.46, 1.36], np.float32) * pane
    leaf = clouds(_points(x, y), (9.0, 1.0, 6.0), 3).reshape(x.shape)
    plant = smoothstep(0.10, 0.42, leaf) * smoothstep(0.34, 0.14, np.hypot(x - 1.12, y - 0.14))
    plant = plant[..., None]
    return np.asarray(wall * (1 - plant) + linear("4d6238").T[None] * plant, np.float32)


def _garden(width: int, height: int) -> Floats:
    """A garden in the morning behind a window pane, far out of focus."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    leaf = clouds(_points(x, y), (3.4, 1.0, 4.0), 4).reshape(x.shape)[..., None]
    green = linear("3f5a2e").T[None] * (1 - leaf) + linear("b9c77a").T[None] * leaf
    sky = smoothstep(0.24, 0.0, y + 0.25 * (leaf[..., 0] - 0.5))[..., None]
    scene = green * (0.55 + 0.8 * leaf) * (1 - sky) + np.array([1.25, 1.28, 1.3], np.float32) * sky
    post = smoothstep(0.035, 0.028, np.abs(x - 0.93))[..., None]
    return np.asarray(scene * (1 - post) + linear("e9e6df").T[None] * 0.62 * post, np.float32)


def _lay(
    table: Callable[[Floats, Floats], tuple[Floats, Floats]],
    behind: Floats,
    light: Callable[[Floats, Floats], Floats],
    edge: float = 0.40,
) -> Floats:
    """The table before its surroundings: lit, mirroring what is behind it, sharp only where it is near."""
    height, width = behind.shape[:2]
    across, away, share = _plane(width, height, edge)
    colour, gloss = table(across, away)
    top = colour.reshape(height, width, 3) * light(across, away)
    limit = int(edge * height)
    mirror = np.zeros_like(behind)
    rows = np.clip(2 * limit - np.arange(limit, height), 0, limit)
    mirror[limit:] = behind[rows]
    mirror = _blurred(mirror, height / 28)
    slant = np.clip(away / away[limit:].max(), 0, 1)[..., None] ** 2
    top = top + mirror * (0.03 + 0.16 * slant) * gloss.reshape(height, width, 1)
    far = smoothstep(edge + 0.20, edge, np.linspace(0, 1, height, dtype=np.float32))[:, None, None]
    farther = smoothstep(edge + 0.07, edge, np.linspace(0, 1, height, dtype=np.float32))[:, None, None]
    top = top * (1 - far) + _blurred(top, height / 400) * far
    top = top * (1 - farther) + _blurred(top, height / 160) * farther
    cover = _blurred(share, height / 240)[..., None]
    return np.asarray(behind * (1 - cover) + top * cover, np.float32)


def render_background(name: str, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A background (height, width, 3), sRGB. KeyError for an unknown name."""
    return BACKGROUNDS[name](width * 2, height * 2)


def _halved(light: Floats) -> NDArray[np.uint8]:
    half = (light.shape[1] // 2, light.shape[0] // 2)
    return encode(np.asarray(cv2.resize(light, half, interpolation=cv2.INTER_AREA), np.float32))


def _oak_table(width: int, height: int) -> NDArray[np.uint8]:
    """Oak boards in the sun before a warm wall."""
    sun, shade = np.array([1.25, 1.08, 0.80], np.float32), np.array([0.40, 0.42, 0.46], np.float32)
    behind = _blurred(_wall(width, height), height / 62)
    return _halved(
        _lay(_planks, behind, lambda u, v: shade + sun * _window_light(u, v, bars=True)[..., None])
    )


def _window_sill(width: int, height: int) -> NDArray[np.uint8]:
    """A stone sill before a garden."""
    sun, shade = np.array([0.50, 0.46, 0.38], np.float32), np.array([0.52, 0.54, 0.56], np.float32)
    behind = _blurred(_garden(width, height), height / 55) + _discs(width, height, 36, height / 30, 4)
    return _halved(
        _lay(_terrazzo, behind, lambda u, v: shade + sun * _window_light(u, v, bars=False)[..., None])
    )


BACKGROUNDS = {"oak_table": _oak_table, "window_sill": _window_sill}
