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
from .cut_masks import Mask, around, eroded
from .cut_matte import soften
from .cut_outline import Outline, find_outline, lies_flat
from .cut_reading import Reading, read

_LONGEST: Final = 1024  # pixels; larger pictures are reduced first
_SHORTEST: Final = 480  # pixels; smaller pictures are enlarged first
_SMALLEST: Final = 40  # pixels; a picture this small is shown whole
_SMOOTH: Final = 4  # shadows are worked out at this reduction
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
        picture = _flattened(picture)
    if min(picture.shape[:2]) < _SMALLEST:
        return _card(picture)
    try:
        cut = _from_backdrop(_enlarged(picture))
    except (ArithmeticError, ValueError, IndexError, cv2.error):  # a picture no step was made for
        cut = None
    return cut if cut and _is_finite(cut) else _card(picture)


def _is_finite(cut: Cutout) -> bool:
    arrays = (cut.colour, cut.alpha, cut.through, cut.glow, cut.shadow)
    return all(bool(np.isfinite(np.vdot(values, values))) for values in arrays)


def _from_backdrop(picture: Bytes3) -> Cutout | None:
    """The product without its backdrop, or None where it does not come off well."""
    coded = picture.astype(np.float32) * np.float32(1 / 255)
    backdrop = fit_backdrop(coded)
    if backdrop.agreement < 0.6:
        return None
    reading = read(coded, backdrop)
    outline = find_outline(reading)
    quality = _quality(backdrop, reading, outline)
    if quality < 0.5:
        return None
    return _cut(picture, backdrop, reading, outline, quality)


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at a bounded size; transparent pixels do not bleed into others."""
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


def _enlarged(picture: Bytes3) -> Bytes3:
    """The picture at a size that the filters' widths, which are in pixels, are made for."""
    scale = _SHORTEST / max(picture.shape[:2])
    if scale <= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _flattened(picture: NDArray[np.uint8]) -> Bytes3:
    """A picture with next to no transparency, over white."""
    share = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * share + 255 * (1 - share)).astype(np.uint8)


def _really_transparent(alpha: NDArray[np.uint8]) -> bool:
    """Some of the picture is clear and some is not."""
    return bool((alpha < 128).mean() > 0.005 and (alpha > 64).any())


def _from_alpha(picture: NDArray[np.uint8]) -> Cutout:
    """Trust the picture's own transparency; colours of clear pixels are carried out from opaque ones."""
    alpha = picture[..., 3].astype(np.float32) / np.float32(255)
    own = to_linear(np.ascontiguousarray(picture[..., :3]))
    colour = np.where(alpha[..., None] > 0.9, own, spread(own, np.where(alpha > 0.5, alpha, np.float32(0))))
    window = around(np.asarray(alpha > 0.02, np.bool_), 1)
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
    clear = np.maximum(reading.detail / reading.edge, reading.tint / reading.hue)
    near = cv2.dilate(clear, np.ones((7, 7), np.uint8))
    lost = float((near[rim] < 1).mean())  # share of the outline that follows no edge of the picture
    ragged = 50 * max(0.0, lost - (0.06 if outline.glass else 0.03))  # clear cuts lose less, bitten ones more
    return float(np.clip(backdrop.agreement - 0.5 * frame - 6 * reading.weave - ragged, 0, 1))


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the True pixels, or the whole where there are none."""
    rows, columns = around(mask, 0)
    return columns.start, rows.start, columns.stop, rows.stop


def _shadow(backdrop: Backdrop, outline: Outline) -> Floats:
    """The neutral part of what darkens the table, near the product; 1 where there is none."""
    height, width = outline.inside.shape
    size = (max(1, width // _SMOOTH), max(1, height // _SMOOTH))
    light = np.asarray(cv2.resize(backdrop.light, size, interpolation=cv2.INTER_AREA), np.float32)
    ratio = np.asarray(cv2.resize(outline.behind, size, interpolation=cv2.INTER_AREA), np.float32)
    full = luminance(decoded(light))
    raw = luminance(decoded(light * ratio)) / np.maximum(full, 1e-3)
    lit = np.clip(full / 0.1 - 0.2, 0, 1)  # on a black table there is no shadow to be seen
    away = cv2.resize((~outline.inside).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    far = cv2.distanceTransform(away, cv2.DIST_L2, 3)
    rows, columns = around(outline.inside, 0)
    reach = 0.25 * max(rows.stop - rows.start, columns.stop - columns.start) / _SMOOTH
    dark = np.clip((1 - raw - 0.02) / 0.98, 0, 1) * lit * np.clip(2 - far / reach, 0, 1)
    soft = cv2.resize(np.asarray(dark, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 - soft, np.float32)


def _faded(shadow: Floats) -> Floats:
    """The shadow without a hard edge where the arrays end."""
    keep = np.minimum(_ends(shadow.shape[0])[:, None], 1) * np.minimum(_ends(shadow.shape[1])[None, :], 1)
    return np.asarray(1 - (1 - shadow) * (keep * keep * (3 - 2 * keep)), np.float32)


def _ends(length: int) -> Floats:
    """0 at both ends of a line of pixels, growing to 1 within a twelfth of it, and beyond 1."""
    steps = np.arange(length, dtype=np.float32)
    return np.asarray(np.minimum(steps, steps[::-1]) / max(1.0, length / 12), np.float32)


def _kept(outline: Outline, shadow: Floats) -> tuple[slice, slice]:
    """What to keep of the picture: the product and the shadow that is seen, with room for it to fade out."""
    dark = shadow < 0.985
    rows, columns = around(outline.inside, 0)
    size = max(rows.stop - rows.start, columns.stop - columns.start)
    return around(outline.inside | dark, max(4, round(_FADE * size)) if dark.any() else 4)


def _cut(picture: Bytes3, backdrop: Backdrop, reading: Reading, outline: Outline, quality: float) -> Cutout:
    shadow = _shadow(backdrop, outline)
    window = _kept(outline, shadow)
    linear = to_linear(picture[window])
    table = decoded(backdrop.light[window] * outline.behind[window])
    alpha, colour = soften(linear, table, outline.inside[window])
    if outline.glass:  # its edge has nearly the table's colour, so only its shape tells the coverage
        whole = outline.inside[window].astype(np.float32)
        alpha = np.asarray(cv2.GaussianBlur(whole, (0, 0), 1.2), np.float32)
        glass = see_through(linear, table, reading.part(window), alpha)
    else:
        glass = _opaque(alpha)
    return Cutout(
        colour,
        glass.solid,
        glass.through,
        glass.glow,
        _faded(shadow[window]),
        _box(np.asarray(alpha > 0.02, np.bool_)),
        lies_flat(outline, reading),
        "cut",
        quality,
    )


def _opaque(alpha: Floats) -> Glass:
    clear = np.ones((*alpha.shape, 3), np.float32)
    return Glass(alpha, clear, clear * 0)
