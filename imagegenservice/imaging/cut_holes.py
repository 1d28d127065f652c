"""Pale parts inside an outline are told apart here: product, shadow, or table seen through a hole."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats, largest_channel, mean_channel
from .cut_masks import Labels, Mask, Window, dilated, eroded, label
from .cut_reading import Reading

_WALL: Final = 14  # pixels an edge and the filter's halo on both its sides may take
_BLACK: Final = 0.35  # level below which a product counts as black
_BOUNCE: Final = 0.28  # share of its own tint that a product gives to the shade beside it, at most
_SOFT: Final = (
    3.3  # edge strength, in limits, below which a patch fades into the table; a product's rim is above
)


def paleness(inside: Mask, reading: Reading, level: float) -> float:
    """The share of the product that is neutral and, relative to the table, lighter than `level`."""
    pale = inside & (reading.tint < reading.hue) & (reading.level > level)
    return float(pale.sum()) / max(1.0, float(inside.sum()))


def is_black(inside: Mask, reading: Reading) -> bool:
    """Whether most of the product is darker than any shade beside it."""
    return float((inside & (reading.level < _BLACK)).sum()) > 0.5 * float(inside.sum())


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
    if float(off.mean()) > -0.04 and not _is_sharply_bounded(own, window, reading):
        return False
    return smooth and neutral and (exact > 0.55 if share > 0.2 else exact > 0.4 or near)


def _is_sharply_bounded(own: Mask, window: Window, reading: Reading) -> bool:
    """Whether there is a clear edge near most of an area's rim; reflections in polished metal fade away."""
    clear = dilated(np.asarray(reading.detail[window] > 3 * reading.edge[window], np.bool_), 6)
    rim = own & ~eroded(own, 1)
    return float(clear[rim].mean()) > 0.72


def _is_body(own: Mask, near: Mask, level: Floats, detail: Floats, table: Floats) -> bool:
    """Whether a pale smooth area is a part of the product that lies at its edge, such as a white sole.

    All are windows round the area; `near` is what is close to open table. Towards that a part of the product
    ends in a sharp edge, a shadow in a soft one: the edge filter answers with a sixth of a sharp
    step's height. What is dark or strongly coloured nearby has edges of its own and is left out.
    """
    rim = own & ~eroded(own, 1)
    if own.sum() < 300 or near[rim].mean() < 0.5:
        return False
    busy = dilated(np.asarray(cv2.absdiff(level, table) > 0.3, np.bool_), 7)
    edge = dilated(own, _WALL) & near & ~own & ~busy
    if edge.sum() < 0.5 * rim.sum():
        return False
    step = abs(float(np.median(level[own])) - float(np.median(table[edge])))
    return step > 0.04 and float(np.percentile(detail[edge], 95)) > 0.125 * step


def holes(inside: Mask, walls: Mask, reading: Reading, table: Floats) -> tuple[Mask, Mask]:
    """Smooth areas inside the outline: those that show the table, and those that are surely product."""
    count, labels, stats = label(inside & ~walls, 4)
    shown, solid, whole = np.zeros(count, bool), np.zeros(count, bool), float(inside.sum())
    near, under = dilated(~inside, _WALL), mean_channel(table)
    areas = stats[:, cv2.CC_STAT_AREA]
    for rank, number in enumerate(np.argsort(-areas)[:160]):
        if number == 0 or areas[number] < (20 if rank < 40 else 200):
            continue
        window = _grown(stats[number], _WALL + 2, inside.shape)
        own = np.asarray(labels[window] == number, np.bool_)
        part = reading.part(window)
        solid[number] = _is_body(own, near[window], part.level, part.detail, under[window])
        like = _is_table(own, window, reading, table, float(areas[number]) / whole)
        shown[number] = like and not solid[number]
    return np.asarray(shown[labels], np.bool_), np.asarray(solid[labels], np.bool_)


def _grown(stats: NDArray[np.int32], margin: int, shape: tuple[int, ...]) -> Window:
    x, y, width, height = (int(v) for v in stats[:4])
    return (
        slice(max(0, y - margin), min(shape[0], y + height + margin)),
        slice(max(0, x - margin), min(shape[1], x + width + margin)),
    )


def _evenly_shaded(labels: Labels, areas: NDArray[np.int32], reading: Reading) -> Mask:
    """For each label, whether it is a cast shadow: one even darkening of the table."""
    calm = (reading.detail < 3 * reading.weave + 0.001) & (labels > 0)
    part, level = labels[calm], reading.level[calm]
    count = np.maximum(np.bincount(part, minlength=len(areas)), 1)
    mean = np.bincount(part, weights=level, minlength=len(areas)) / count
    square = np.bincount(part, weights=level * level, minlength=len(areas)) / count
    tint = np.bincount(part, weights=reading.tint[calm], minlength=len(areas)) / count
    even = np.sqrt(np.maximum(square - mean * mean, 0)) < 0.02
    return np.asarray(even & (count > 0.4 * areas) & (mean < 0.93) & (tint < 0.5 * reading.hue), np.bool_)


def slits(inside: Mask, reading: Reading, table: Floats) -> Mask:
    """Pale patches of a product that is not pale itself: openings that show the table, shadows beside it.

    The first are of the table's very colour; the second lie open to the table along much of their rim, and
    are small and end softly, or are even.
    """
    found, stained = np.zeros_like(inside), _stain(inside, reading)
    kinds = [(0.62, reading.hue, 0.13), (0.35, 1.4 * reading.hue, 0.13), (0.25, stained, 0.25)]
    for level, tint, faint in kinds if stained else kinds[:1]:  # a grey product's own greys are like shade
        pale = inside & ~found & (reading.level > level) & (reading.tint < tint)
        found |= _open_patches(pale, inside & ~found, reading, table, faint)
    return found


def _stain(inside: Mask, reading: Reading) -> float:
    """How strong a tint shade may have that a coloured product throws light on; 0 for others."""
    whole = int(inside.sum())
    own = reading.tint[inside & (reading.tint > 1.5 * reading.hue)]
    neutral = int((inside & (reading.tint < reading.hue)).sum())
    if own.size <= 0.4 * whole or neutral > 0.3 * whole:
        return 0.0
    return float(np.clip(_BOUNCE * float(np.median(own)), 1.4 * reading.hue, 3 * reading.hue))


def _open_patches(pale: Mask, inside: Mask, reading: Reading, table: Floats, faint: float) -> Mask:
    """Those of the pale patches that are openings, or shadow or light beside the product."""
    whole = float(inside.sum())
    like = largest_channel(np.asarray(cv2.absdiff(reading.ratio, table), np.float32)) < 0.06
    count, labels, stats = label(pale, 4)
    areas = np.maximum(stats[:, cv2.CC_STAT_AREA], 1)
    alike = np.bincount(labels[like], minlength=count) / areas
    lit = np.bincount(labels.ravel(), weights=table[..., 1].ravel(), minlength=count) / areas
    rim = np.bincount(labels[pale & ~eroded(pale, 1)], minlength=count)
    last = dilated(~inside, 1) & pale
    outer = np.bincount(labels[last], minlength=count)
    soft = np.bincount(labels[last & (reading.detail < _SOFT * reading.edge)], minlength=count) > 0.5 * outer
    off = np.asarray(cv2.absdiff(reading.level, mean_channel(table)), np.float32)
    soft |= np.bincount(labels.ravel(), weights=off.ravel(), minlength=count) < faint * areas
    pure = np.bincount(labels[reading.level > 0.62], minlength=count) > 0.99 * areas  # not grey product
    if is_black(inside, reading):
        soft |= pure  # what is pale beside black is table, however sharply a fold's shadow ends
    opening = (areas >= 30) & (alike > 0.5) & (lit > 0.75)
    sliver = soft & (outer > 0.4 * rim) & (areas >= 6) & (areas < 0.03 * whole)
    cast = pure & (outer > 0.25 * rim) & _evenly_shaded(labels, areas, reading)
    found = opening | sliver | cast
    found[0] = False
    return np.asarray(found[labels], np.bool_)
