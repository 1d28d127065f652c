"""Products are taken out of their shop pictures here, so that they can stand in another scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .backdrop import Backdrop, fit_backdrop
from .colour import Bytes3, Floats, decoded, luminance, to_linear
from .cut_fill import spread
from .cut_glass import Glass, see_through
from .cut_matte import soften
from .cut_outline import Mask, Outline, eroded, find_outline, lies_flat
from .cut_reading import Reading, read

_LONGEST: Final = 1024  # pixels; larger pictures are reduced first
_SMALLEST: Final = 40  # pixels; a picture this small is shown whole
_FADE: Final = 0.12  # of the product's size: the room round it in which the shadow fades out


@dataclass(frozen=True, slots=True)
class Cutout:
    """A product taken out of its picture; all arrays share (h, w), cropped to the product with its shadow.

    Laid over a linear scene: colour * alpha + (1 - alpha) * (scene * shadow * through + glow).
    """

    colour: Floats  # (h, w, 3) straight linear colour of the opaque part; edges are free of the old backdrop
    alpha: Floats  # (h, w) 0..1 opaque coverage
    through: Floats  # (h, w, 3) what see-through parts let pass of what is behind; 1 is everything
    glow: Floats  # (h, w, 3) linear light that see-through parts add on top; 0 is none
    shadow: Floats  # (h, w) what the product's soft shadow on its old table lets pass; 1 is no shadow
    box: tuple[int, int, int, int]  # x0, y0, x1, y1 of the product without its shadow in these arrays
    lying: bool  # photographed from above, lying flat: to be hung or laid rather than stood on a floor
    kind: Literal["cut", "card"]  # a card is the whole picture with rounded corners
    quality: float  # 0..1


def cut_out(picture: NDArray[np.uint8]) -> Cutout:
    """Cut the product out of an sRGB picture (h, w, 3), or (h, w, 4) with straight alpha; h and w at least 1.

    A picture that cannot be cut out well becomes a card. Never raises for such a picture.
    """
    picture = _reduced(picture)
    if picture.shape[2] == 4:
        if _really_transparent(picture[..., 3]):
            return _from_alpha(picture)
        picture = np.ascontiguousarray(picture[..., :3])
    if min(picture.shape[:2]) < _SMALLEST:
        return _card(picture)
    coded = picture.astype(np.float32) * np.float32(1 / 255)
    backdrop = fit_backdrop(coded)
    if backdrop.agreement < 0.6:
        return _card(picture)
    reading = read(coded, backdrop)
    outline = find_outline(reading)
    quality = _quality(backdrop, reading, outline)
    if quality < 0.5:
        return _card(picture)
    return _cut(picture, backdrop, reading, outline, quality)


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _LONGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    if picture.shape[2] == 3:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = picture[..., 3:].astype(np.float32) / 255
    heavy = cv2.resize(picture[..., :3] * alpha, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[..., None]
    return np.rint(np.dstack([heavy / np.maximum(share, 1e-4), share * 255])).clip(0, 255).astype(np.uint8)


def _really_transparent(alpha: NDArray[np.uint8]) -> bool:
    """Some of the picture is clear and some is not."""
    return bool((alpha < 128).mean() > 0.005 and (alpha > 64).any())


def _from_alpha(picture: NDArray[np.uint8]) -> Cutout:
    """Trust the picture's own transparency; colours of clear pixels are carried out from opaque ones."""
    alpha = picture[..., 3].astype(np.float32) / np.float32(255)
    own = to_linear(np.ascontiguousarray(picture[..., :3]))
    colour = np.where(alpha[..., None] > 0.9, own, spread(own, np.where(alpha > 0.5, alpha, np.float32(0))))
    window = _window(alpha > 0.02, np.ones_like(alpha))
    alpha, colour = alpha[window], np.asarray(colour[window], np.float32)
    clear = np.ones_like(colour)
    return Cutout(
        colour, alpha, clear, clear * 0, clear[..., 0].copy(), _box(alpha > 0.02), False, "cut", 0.95
    )


def _card(picture: Bytes3) -> Cutout:
    """The whole picture, its corners rounded by a twelfth of its shorter side."""
    height, width = picture.shape[:2]
    colour = to_linear(picture)
    radius = min(height, width) / 12
    y = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2)[:, None] - (height / 2 - radius)
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2)[None, :] - (width / 2 - radius)
    away = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    alpha = np.clip(radius + 0.5 - away, 0, 1).astype(np.float32)
    clear = np.ones_like(colour)
    box = (0, 0, width, height)
    return Cutout(colour, alpha, clear, clear * 0, clear[..., 0].copy(), box, False, "card", 0.3)


def _quality(backdrop: Backdrop, reading: Reading, outline: Outline) -> float:
    """How far the cut is to be trusted: a calm backdrop, and a clear outline round some of it."""
    inside = outline.inside
    area = float(inside.mean())
    frame = float(np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).mean())
    if not 0.002 < area < 0.93 or frame > 0.45 or reading.weave > 0.012 or outline.doubtful:
        return 0.0
    rim = inside & ~eroded(inside, 1)
    near = cv2.dilate(reading.detail / reading.edge, np.ones((7, 7), np.uint8))
    lost = float((near[rim] < 1).mean())  # share of the outline that follows no edge of the picture
    return float(
        np.clip(backdrop.agreement - 0.5 * frame - 6 * reading.weave - max(0.0, lost - 0.05) * 2, 0, 1)
    )


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the True pixels, or the whole where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, mask.shape[1], mask.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _window(product: Mask, shadow: Floats) -> tuple[slice, slice]:
    """What to keep: the product, some room round it, and its shadow as far as it is seen."""
    x0, y0, x1, y1 = _box(product)
    room = max(2, round(_FADE * max(x1 - x0, y1 - y0))) if (shadow < 1).any() else 1
    dark = shadow < 0.985
    if dark.any():
        left, top, right, bottom = _box(dark)
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
    height, width = product.shape
    return slice(max(0, y0 - room), min(height, y1 + room)), slice(max(0, x0 - room), min(width, x1 + room))


def _shadow(table: Floats, light: Floats, inside: Mask) -> Floats:
    """The neutral part of what darkens the table, near the product; 1 where there is none."""
    raw = luminance(table) / np.maximum(luminance(light), 1e-3)
    raw = np.asarray(cv2.GaussianBlur(raw, (0, 0), 1.5), np.float32)
    dark = np.clip((1 - raw - 0.02) / 0.98, 0, 1)
    far = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
    x0, y0, x1, y1 = _box(inside)
    near = np.clip(2 - far / (0.25 * max(x1 - x0, y1 - y0)), 0, 1)
    return np.asarray(1 - dark * near, np.float32)


def _faded(shadow: Floats) -> Floats:
    """The shadow without a hard edge where the arrays end."""
    height, width = shadow.shape
    y = np.minimum(np.arange(height), np.arange(height)[::-1]).astype(np.float32) / max(1.0, 0.08 * height)
    x = np.minimum(np.arange(width), np.arange(width)[::-1]).astype(np.float32) / max(1.0, 0.08 * width)
    keep = np.minimum(y, 1)[:, None] * np.minimum(x, 1)[None, :]
    keep = keep * keep * (3 - 2 * keep)
    return np.asarray(1 - (1 - shadow) * keep, np.float32)


def _cut(picture: Bytes3, backdrop: Backdrop, reading: Reading, outline: Outline, quality: float) -> Cutout:
    linear = to_linear(picture)
    table, light = decoded(backdrop.light * outline.behind), decoded(backdrop.light)
    alpha, colour = soften(linear, table, outline.inside)
    if outline.glass:  # its edge has nearly the table's colour, so only its shape tells the coverage
        alpha = np.asarray(cv2.GaussianBlur(outline.inside.astype(np.float32), (0, 0), 1.2), np.float32)
    shadow = _shadow(table, light, outline.inside)
    seen = np.asarray(alpha > 0.02, np.bool_)
    glass = see_through(linear, table, reading, alpha) if outline.glass else _opaque(alpha)
    window = _window(seen, shadow)
    return Cutout(
        colour[window],
        glass.solid[window],
        glass.through[window],
        glass.glow[window],
        _faded(shadow[window]),
        _box(seen[window]),
        lies_flat(outline, reading),
        "cut",
        quality,
    )


def _opaque(alpha: Floats) -> Glass:
    clear = np.ones((*alpha.shape, 3), np.float32)
    return Glass(alpha, clear, clear * 0)
