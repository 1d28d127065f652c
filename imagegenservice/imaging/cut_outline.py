"""The outline of a product: what smooth neutral light and shade, reached from the frame, cannot explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from .colour import Floats, largest_channel, mean_channel
from .cut_edges import DARK
from .cut_edges import walls as find_walls
from .cut_fill import surroundings
from .cut_holes import holes, is_black, paleness, slits
from .cut_masks import Mask, around, dilated, disc, eroded, label
from .cut_peel import without_shade
from .cut_reading import Reading

_COARSE: Final = 4  # flooding through gaps and the table under the product are solved at this reduction
_GAP: Final = 3  # a passage narrower than twice this, on that grid, may be a gap in an outline
_MARGIN: Final = 40  # pixels of table round the product that tell what is behind it
_DEEP: Final = 9  # pixels; the edge filter's halo is narrower, so what is deeper inside is product
_WIDE_GAP: Final = 14  # the same for a product as pale as its table

_Nature = Literal["solid", "glass", "wire"]


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the product is, and what the table looks like behind it."""

    inside: Mask  # (h, w): the product, its see-through parts too, to the middle of its edge
    behind: Floats  # (h, w, 3): the table's ratio with the product's shadow on it, also behind the product
    glass: bool  # the product is mainly see-through
    doubtful: bool  # a large part of it may be lost in a table of the same colour


def lies_flat(outline: Outline, reading: Reading) -> bool:
    """Whether the product looks like clothing laid out flat: large, symmetric, without any modelling.

    What stands shows a light and a shaded side; cloth photographed from above is lit alike everywhere.
    """
    inside = outline.inside
    if outline.glass or not inside.any():
        return False
    own = inside[around(inside, 0)]
    alike = float((own & own[:, ::-1]).sum()) / float((own | own[:, ::-1]).sum())
    level = cv2.GaussianBlur(reading.level, (0, 0), 8.0)[eroded(inside, 12)]
    even = level.size > 0 and float(np.percentile(level, 95) - np.percentile(level, 5)) < 0.12
    return even and alike > 0.85 and inside.mean() > 0.15 and own.mean() < 0.9


def _open_table(walls: Mask, gap: int) -> Mask:
    """The free area reached from the frame without squeezing through gaps."""
    height, width = walls.shape
    size = (max(1, width // _COARSE), max(1, height // _COARSE))
    free = cv2.resize((~walls).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.6
    roomy = eroded(free, gap)
    _, labels, stats = label(roomy, 4)
    reached = np.zeros(len(stats), bool)
    for rim in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        reached[rim] = True
    reached &= stats[:, cv2.CC_STAT_AREA] > 0.002 * size[0] * size[1]
    reached[0] = False
    around = dilated(np.asarray(reached[labels], np.bool_), gap + 1)
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


def _with_pale_body(inside: Mask, walls: Mask, reading: Reading) -> tuple[Mask, bool]:
    """Add what a pale product's broken outline encloses, if not just the table; and whether in doubt."""
    if paleness(inside, reading, 0.62) < 0.7:
        return inside, False
    wide = _without_dust(~_open_table(walls, _WIDE_GAP))
    table = surroundings(reading.level[..., None], eroded(~wide, 2), _COARSE)[..., 0]
    off = np.minimum(cv2.absdiff(reading.level, table), np.abs(reading.level - 1))
    count, labels, stats = label(wide & ~inside, 4)
    areas = np.maximum(stats[:, cv2.CC_STAT_AREA], 1)
    exact = np.bincount(labels[off < 0.025], minlength=count) / areas
    large = areas > 0.25 * float(inside.sum())
    large[0] = False
    added = np.asarray((large & (exact < 0.4))[labels], np.bool_)
    return inside | added, bool((large & (exact >= 0.4) & (exact < 0.8)).any())


def _smoothed(inside: Mask) -> Mask:
    """Glass has smooth outlines, but too faint ones to follow to the pixel."""
    whole = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, disc(5))
    soft = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 4.0)
    return np.asarray(soft > 0.5, np.bool_)


def _without_bites(inside: Mask) -> Mask:
    """Fill the bites in a pale product's outline where its shade happens to be the table's."""
    size = (inside.shape[1], inside.shape[0])
    small = (max(1, size[0] // _COARSE), max(1, size[1] // _COARSE))
    coarse = cv2.resize(inside.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    coarse = cv2.copyMakeBorder(coarse, 8, 8, 8, 8, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, disc(6))[8:-8, 8:-8]
    whole = cv2.resize(closed, size, interpolation=cv2.INTER_LINEAR) > 0.5
    _, labels, stats = label(np.asarray(whole & ~inside, np.bool_), 4)
    areas = stats[:, cv2.CC_STAT_AREA]
    bite = (areas > 200) & (areas < 0.03 * float(inside.sum()))  # what is less is but a rounded inner corner
    bite[0] = False
    return np.asarray(inside | bite[labels], np.bool_)


def _runs_on(inside: Mask, walls: Mask, reading: Reading) -> bool:
    """Whether the table goes on unchanged just inside the outline, as between the wires of a basket.

    Even clear glass is darker along its outline than the table beside it.
    """
    size = (inside.shape[1], inside.shape[0])
    small = (max(1, size[0] // _COARSE), max(1, size[1] // _COARSE))
    beside = np.asarray(eroded(~inside, 1), np.float32)
    parts = cv2.resize(cv2.merge([beside, reading.level * beside]), small, interpolation=cv2.INTER_AREA)
    share, seen = cv2.split(cv2.resize(cv2.GaussianBlur(parts, (0, 0), 9.0 / _COARSE), size))
    table = seen / np.maximum(share, 1e-4)
    light = (reading.tint < reading.hue) & (reading.level > 0.7)
    next_to = inside & ~walls & light & (share > 0.01)
    same = np.abs(reading.level - table)[next_to] < 0.02
    return len(same) > 100 and float(same.mean()) > 0.6


def _is_glass(inside: Mask, walls: Mask, reading: Reading, table: Floats) -> bool:
    """Whether most of the product lets the table through: neutral, near the table's light, dark lines."""
    deep = eroded(inside, 9)
    total = max(1, int(deep.sum()))
    clear = deep & (reading.tint < reading.hue) & (reading.level > 0.5)
    off = np.abs(reading.level - mean_channel(table))
    alike = float((clear & ~walls & (off < 0.08)).sum()) / total
    if clear.sum() <= 0.45 * total or alike <= 0.1:
        return False
    line = cv2.morphologyEx(reading.level, cv2.MORPH_CLOSE, disc(5)) - reading.level > 0.08
    lines = float((line & inside).sum()) / max(1, int(inside.sum()))
    return lines > (0.05 if alike > 0.45 else 0.08)  # large clear panes have few lines


def _sharpened(inside: Mask, table_seen: Mask, solid: Mask, reading: Reading, table: Floats) -> Mask:
    """Move the outline onto the steepest edge near it (watershed between sure product and sure table)."""
    off = largest_channel(np.asarray(cv2.absdiff(reading.ratio, table), np.float32))
    strongest = cv2.dilate(off, np.ones((31, 31), np.uint8))
    clear = off / np.maximum(strongest, 2 * reading.edge)
    shade = (reading.tint < reading.hue) & (reading.level > DARK) & (reading.level < 1.03)
    sure = solid | (inside & (clear > 0.35) & ~shade & eroded(inside, 5))
    if is_black(inside, reading):
        sure |= inside & (clear > 0.6)
    else:
        line = reading.detail > 6 * reading.edge  # grey wire is as light as shade, but sharp
        sure |= eroded(inside, _DEEP) | (inside & (clear > 0.6) & (line | ~shade))
    markers = np.where(sure, 2, 0).astype(np.int32)
    markers[table_seen & ~sure] = 1
    seen = np.clip(reading.ratio * 160, 0, 255).astype(np.uint8)
    cv2.watershed(seen, markers)
    found = markers > 1
    found[[0, -1]], found[:, [0, -1]] = inside[[0, -1]], inside[:, [0, -1]]  # watershed leaves the frame out
    return np.asarray(found, np.bool_)


def _nature(inside: Mask, walls: Mask, reading: Reading, table: Floats) -> _Nature:
    if _runs_on(inside, walls, reading):
        return "wire"
    return "glass" if _is_glass(inside, walls, reading, table) else "solid"


def _refined(inside: Mask, walls: Mask, reading: Reading) -> tuple[Mask, _Nature]:
    """The product inside a rough outline, in the same window as the rest, and what it is made of."""
    table_seen = eroded(~inside, 2)
    table = surroundings(reading.ratio, table_seen, _COARSE)
    nature = _nature(inside, walls, reading, table)
    if nature != "glass":
        shown, solid = holes(inside, walls, reading, table)
        inside = _without_dust(without_shade(inside & ~shown, reading))
        table_seen = eroded(~inside, 2)
        table = surroundings(reading.ratio, table_seen, _COARSE)
    else:
        solid = eroded(inside, 6)
    return _without_dust(_sharpened(inside, table_seen, solid, reading, table)), nature


def _finished(inside: Mask, nature: _Nature, reading: Reading, table: Floats) -> Mask:
    if nature == "glass":
        return _smoothed(inside)
    pale = 0.0 if nature == "wire" else paleness(inside, reading, 0.62)
    if pale > 0.7:
        return _without_bites(inside)
    return inside if pale > 0.35 else np.asarray(inside & ~slits(inside, reading, table), np.bool_)


def find_outline(reading: Reading) -> Outline:
    """Separate the product from its table."""
    walls = find_walls(reading)
    rough, doubtful = _with_pale_body(_without_dust(~_open_table(walls, _GAP)), walls, reading)
    window = around(rough, _MARGIN)
    part = reading.part(window)
    found, nature = _refined(rough[window], walls[window], part)
    inside = np.zeros_like(rough)
    inside[window] = found
    table = surroundings(reading.ratio, eroded(~inside, 4), _COARSE)
    inside[window] = _finished(found, nature, part, table[window])
    if found.sum() - inside.sum() > 200:  # a shadow was taken for product at first: it belongs to the table
        table = surroundings(reading.ratio, eroded(~inside, 4), _COARSE)
    return Outline(inside, table, nature == "glass", doubtful)
