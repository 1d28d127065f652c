"""A rough outline is drawn in to real edges here: what lies outside them is shade on the table."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from .cut_masks import Mask, dilated, disc, eroded, label
from .cut_reading import Reading

_BLACK: Final = 0.3  # a contact shadow is hardly darker than this ratio (gamma-coded)
_LIT: Final = 1.15  # a caustic is hardly brighter
_STAIN: Final = 8.0  # colour that a product throws on its table, in hue limits, per unit of darkness
_STEP: Final = 0.25  # times the hue limit: what a coloured edge answers to a filter 3 pixels wide
_GRAIN: Final = 0.04  # grain of a shadow, in the edge filter's answer, per unit of its darkness
_OPEN: Final = 0.2  # share of its rim that shade has in common with the table; a leak into a product has less
_MOST: Final = 0.12  # of the rough outline; more than this is no rim of shade but a pale product


def without_shade(inside: Mask, reading: Reading) -> Mask:
    """The rough outline `inside` less the smooth shade or light in it that is open to the table."""
    shade = np.clip(1 - reading.level, 0, 1) * np.float32(_GRAIN)
    edges = reading.detail > np.maximum(reading.edge, shade)
    step = np.asarray(cv2.absdiff(reading.tint, cv2.GaussianBlur(reading.tint, (0, 0), 3.0)), np.float32)
    edges |= step > _STEP * reading.hue
    stained = np.clip(_STAIN * (1 - reading.level) + np.float32(0.8), 0.8, 3.0) * np.float32(reading.hue)
    own = edges | (reading.tint > stained) | (reading.level < _BLACK) | (reading.level > _LIT)
    barred = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    free = np.asarray(inside & ~barred, np.bool_)
    count, labels, stats = label(free, 4)
    beside = np.bincount(labels[free & dilated(~inside, 1)], minlength=count)
    rim = np.bincount(labels[free & ~eroded(free, 1)], minlength=count)
    open_ones = (beside > _OPEN * rim) & (stats[:, cv2.CC_STAT_AREA] < _MOST * float(inside.sum()))
    open_ones[0] = False
    left = inside & ~open_ones[labels]
    return np.asarray(cv2.morphologyEx(left.astype(np.uint8), cv2.MORPH_OPEN, disc(2)) > 0, np.bool_)
