"""The product's outline: everything that smooth neutral light and shade, reached from the frame, cannot explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats
from .cut_edges import DARK
from .cut_edges import walls as find_walls
from .cut_fill import surroundings
from .cut_reading import Reading

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]
Window = tuple[slice, slice]

_COARSE: Final = 4  # flooding through gaps and the table under the product are solved at this reduction
_GAP: Final = 3  # a passage narrower than twice this, on that grid, may be a gap in a faint outline


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the product is, and what the table looks like behind it."""

    inside: Mask  # (h, w): the product, its see-through parts too, to the middle of its edge
    behind: Floats  # (h, w, 3): the table's ratio with the product's shadow on it, filled in behind the product
    glass: bool  # the product is mainly see-through


def disc(radius: int) -> NDArray[np.uint8]:
    """A round structuring element of that radius."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)


def eroded(mask: Mask, radius: int) -> Mask:
    """The mask without its rim; the picture's frame does not count as a rim."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), disc(radius)) > 0, np.bool_)


def dilated(mask: Mask, radius: int) -> Mask:
    """The mask with a rim added."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc(radius)) > 0, np.bool_)


def label(mask: Mask, neighbours: int = 8) -> tuple[int, Labels, NDArray[np.int32]]:
    """Connected parts of a mask: their number with the outside, the labels, and OpenCV's statistics."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=neighbours)
    return count, np.asarray(labels, np.int32), np.asarray(stats, np.int32)


def _open_table(walls: Mask) -> Mask:
    """The free area reached from the frame without squeezing through gaps."""
    height, width = walls.shape
    size = (max(1, width // _COARSE), max(1, height // _COARSE))
    free = cv2.resize((~walls).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.6
    roomy = eroded(free, _GAP)
    _, labels, stats = label(roomy, 4)
    reached = np.zeros(len(stats), bool)
    for rim in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        reached[rim] = True
    reached &= stats[:, cv2.CC_STAT_AREA] > 0.002 * size[0] * size[1]
    reached[0] = False
    around = dilated(np.asarray(reached[labels], np.bool_), _GAP + 1)
    around = cv2.resize(around.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return np.asarray(around & ~walls, np.bool_)


def _without_dust(inside: Mask) -> Mask:
    """Drop specks: parts far smaller than the largest."""
    count, labels, stats = label(inside)
    if count <= 1:
        return inside
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= max(12, 0.012 * int(areas[1:].max()))
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def _is_table(own: Mask, window: Window, reading: Reading, table: Floats, share: float) -> bool:
    """Whether a smooth area that the product encloses is the table seen through a hole of it.

    `share` is its part of the product's filled outline: the larger, the closer must it match the table.
    """
    level = reading.level[window][own]
    off = level - table[window][own].mean(axis=-1)
    smooth = float(reading.detail[window][own].mean()) < 2.2 * reading.weave + 0.002
    neutral = float(reading.tint[window][own].mean()) < 0.7 * reading.hue
    exact = float((np.minimum(np.abs(off), np.abs(level - 1)) < 0.025).mean())
    near = -0.16 < float(off.mean()) < 0.08 and 0.7 < float(level.mean()) < 1.03 and float(off.std()) < 0.06
    return smooth and neutral and (exact > 0.55 if share > 0.2 else exact > 0.4 or near)


def _holes(inside: Mask, walls: Mask, reading: Reading, table: Floats) -> Mask:
    """Smooth areas inside the outline that show the table."""
    count, labels, stats = label(inside & ~walls, 4)
    found, whole = np.zeros(count, bool), float(inside.sum())
    areas = stats[:, cv2.CC_STAT_AREA]
    for number in np.argsort(-areas)[:40]:
        if number == 0 or areas[number] < 20:
            continue
        x, y, width, height = (int(v) for v in stats[number, :4])
        window = (slice(y, y + height), slice(x, x + width))
        own = np.asarray(labels[window] == number, np.bool_)
        found[number] = _is_table(own, window, reading, table, float(areas[number]) / whole)
    return np.asarray(found[labels], np.bool_)


def _smoothed(inside: Mask) -> Mask:
    """Glass has smooth outlines, but too faint ones to follow to the pixel."""
    whole = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, disc(5))
    soft = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 4.0)
    return np.asarray(soft > 0.5, np.bool_)


def _slits(inside: Mask, reading: Reading, table: Floats) -> Mask:
    """Openings too narrow to be told by their smoothness: pale patches that are just the table's colour.

    Only looked for in products that are not pale themselves.
    """
    pale = inside & (reading.level > 0.62) & (reading.tint < reading.hue)
    none = np.zeros_like(inside)
    if pale.sum() > 0.35 * inside.sum():
        return none
    like = np.asarray(pale & (np.abs(reading.ratio - table).max(axis=-1) < 0.06), np.bool_)
    count, labels, stats = label(pale, 4)
    areas = stats[:, cv2.CC_STAT_AREA]
    alike = np.bincount(labels[like], minlength=count) / areas
    light = np.bincount(labels[like], weights=table[..., 1][like], minlength=count)
    light = light / np.maximum(alike * areas, 1)
    found = (areas >= 30) & (alike > 0.5) & (light > 0.75)
    found[0] = False
    return np.asarray(found[labels], np.bool_)


def _is_glass(inside: Mask, walls: Mask, reading: Reading, table: Floats) -> bool:
    """Whether most of the product lets the table through: neutral, near the table's light, with dark lines."""
    deep = eroded(inside, 9)
    total = max(1, int(deep.sum()))
    clear = deep & (reading.tint < reading.hue) & (reading.level > 0.5)
    off = np.abs(reading.level - table.mean(axis=-1))
    like_table = clear & ~walls & (off < 0.08)
    line = cv2.morphologyEx(reading.level, cv2.MORPH_CLOSE, disc(5)) - reading.level > 0.08
    lines = float((line & inside).sum()) / max(1, int(inside.sum()))
    return bool(clear.sum() > 0.45 * total and like_table.sum() > 0.1 * total and lines > 0.08)


def _sharpened(inside: Mask, table_seen: Mask, reading: Reading, table: Floats, glass: bool) -> Mask:
    """Move the outline onto the steepest edge near it (watershed between sure product and sure table)."""
    off = np.abs(reading.ratio - table).max(axis=-1)
    strongest = cv2.dilate(off, np.ones((31, 31), np.uint8))
    clear = off / np.maximum(strongest, 2 * reading.edge)
    shade = (reading.tint < reading.hue) & (reading.level > DARK) & (reading.level < 1.03)
    pale = glass or float((inside & shade).sum()) > 0.6 * float(inside.sum())
    sure = inside & ((clear > 0.6) | ((clear > 0.35) & ~shade & eroded(inside, 5)))
    if pale:
        sure |= eroded(inside, 6 if glass else 8)
    markers = np.where(sure, 2, 0).astype(np.int32)
    markers[table_seen & ~sure] = 1
    seen = np.clip(reading.ratio * 160, 0, 255).astype(np.uint8)
    cv2.watershed(seen, markers)
    found = markers > 1
    found[[0, -1]], found[:, [0, -1]] = inside[[0, -1]], inside[:, [0, -1]]  # watershed leaves the frame out
    return np.asarray(found, np.bool_)


def find_outline(reading: Reading) -> Outline:
    """Separate the product from its table."""
    walls = find_walls(reading)
    inside = _without_dust(~_open_table(walls))
    table_seen = eroded(~inside, 2)
    table = surroundings(reading.ratio, table_seen, _COARSE)
    glass = _is_glass(inside, walls, reading, table)
    if not glass:
        holes = _holes(inside, walls, reading, table)
        inside &= ~holes
        table_seen |= eroded(holes, 2)
        table = surroundings(reading.ratio, table_seen, _COARSE)
    inside = _without_dust(_sharpened(inside, table_seen, reading, table, glass))
    table = surroundings(reading.ratio, eroded(~inside, 4), _COARSE)
    if glass:
        inside = _smoothed(inside)
    else:
        inside &= ~_slits(inside, reading, table)
    return Outline(inside, table, glass)
