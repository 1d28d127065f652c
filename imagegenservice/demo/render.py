"""Makes the sample shop's pictures: `python -m imagegenservice.demo.render [FOLDER] [NAME...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .products import PRODUCTS
from .render_backgrounds import BACKGROUNDS, render_background
from .render_camera import View
from .render_develop import develop
from .render_metalware import clock, spectacles, watering_can
from .render_pottery import carafe, cup, vase
from .render_scene import Scene
from .render_shapes import Floats
from .render_softgoods import lamp, notebook, throw
from .render_trace import radiance

SCENES = {
    "CUP-FERN01": cup,
    "VASE-FLUTE02": vase,
    "CARAFE-CORK03": carafe,
    "LAMP-LINEN04": lamp,
    "SPECS-ROUND05": spectacles,
    "CLOCK-BELL06": clock,
    "CAN-BRASS07": watering_can,
    "NOTE-TAN08": notebook,
    "THROW-OCHRE09": throw,
}
"""What builds each product's scene."""
RAYS = 24
"""Rays through each pixel of a picture."""
CHUNK = 24_000
"""Rays followed at once: their arrays stay in the processor's cache."""


def samples(count: int, pairs: int, seed: int) -> Floats:
    """(pairs, 2, count) well-spread points: Roberts' R2 sequence, shuffled per pair."""
    rng = np.random.Generator(np.random.PCG64(seed))
    index = np.stack([rng.permutation(count) for _ in range(pairs)]).astype(np.float64)
    points = np.stack([index * 0.7548776662466927, index * 0.5698402909980532], axis=1)
    return (points % 1).astype(np.float32)


def expose(scene: Scene, view: View, size: int, rays: int) -> Floats:
    """The picture (size, size, 3) in linear light before the tone curve."""
    spread = samples(rays, 6, 5)
    offsets = np.random.Generator(np.random.PCG64(11)).random((12, size * size), dtype=np.float32)
    layers = np.zeros((12, size * size), np.float32)
    for start in range(0, size * size, CHUNK):
        pixels = np.arange(start, min(start + CHUNK, size * size))
        for ray in range(rays):
            u = (spread[:, :, ray].reshape(12, 1) + offsets[:, pixels]) % 1
            x = (pixels % size + u[0]) / np.float32(size) * 2 - 1
            y = 1 - (pixels // size + u[1]) / np.float32(size) * 2
            o, d = view.rays(x.astype(np.float32), y.astype(np.float32), u[2], u[3])
            seen = radiance(scene, o, d, u[4:])
            rest = np.minimum(seen.rest, 3)
            layers[:, pixels] += np.concatenate([seen.dull, seen.dull * seen.light, rest, seen.normal])
    images = (layers / np.float32(rays)).reshape(4, 3, size, size).transpose(0, 2, 3, 1)
    dull, diffuse, rest, normal = images
    light = diffuse / np.maximum(dull, np.float32(1e-4))
    glints = smoothed(rest, [normal * 10, dull * 5], 2)
    return dull * smoothed(light, [normal * 4, dull * 5]) + glints


def smoothed(light: Floats, guides: list[Floats], levels: int = 3) -> Floats:
    """The light without its grain: an a-trous filter (Dammertz et al. 2010) held back by the guides."""
    taps = {-2: 1.0, -1: 4.0, 0: 6.0, 1: 4.0, 2: 1.0}
    guide = np.concatenate(guides, axis=2)
    for level in range(levels):
        total, weights = np.zeros_like(light), np.zeros((*light.shape[:2], 1), np.float32)
        tone = cv2.GaussianBlur(np.log(light.mean(axis=2) + np.float32(0.02)), (0, 0), 1.0)[..., None]
        for dy, ky in taps.items():
            for dx, kx in taps.items():
                shift = (dy << level, dx << level)
                apart = ((guide - _moved(guide, shift)) ** 2).sum(axis=2, keepdims=True)
                apart += ((tone - _moved(tone, shift)) / np.float32(0.10)) ** 2
                w = np.exp(-apart) * np.float32(kx * ky)
                total += w * _moved(light, shift)
                weights += w
        light = np.asarray(total / weights, np.float32)
    return light


def _moved(image: Floats, shift: tuple[int, int]) -> Floats:
    """The image shifted by (rows, columns), its border repeated."""
    rows = np.clip(np.arange(image.shape[0]) + shift[0], 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) + shift[1], 0, image.shape[1] - 1)
    return np.asarray(image[rows][:, columns], np.float32)


def render(product_id: str, size: int = 800, rays: int = RAYS) -> NDArray[np.uint8]:
    """The product's picture (size, size, 3), sRGB. KeyError for a product that the shop does not sell."""
    scene, view = SCENES[product_id]()
    return develop(expose(scene, view, size, rays))


def write(folder: Path, names: list[str]) -> None:
    """Write the named pictures and backgrounds (all if none is named) as JPEGs."""
    wanted: dict[str, Callable[[], NDArray[np.uint8]]] = {
        Path(product.picture).stem: partial(render, product.id) for product in PRODUCTS
    }
    wanted |= {name: partial(render_background, name) for name in BACKGROUNDS}
    for name in names or wanted:
        picture = cv2.cvtColor(wanted[name](), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "pictures"), sys.argv[2:])
