"""A rough outline is drawn in here to real edges: what lies outside them is shade on the table, not product."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from .cut_masks import Mask, dilated, disc, label
from .cut_reading import Reading

_BLACK: Final = 0.3  # a contact shadow is hardly darker than this ratio (gamma-coded)
_LIT: Final = 1.15  # a caustic is hardly brighter
_STAIN: Final = 3.0  # times the hue limit: colour that a product throws on its table is hardly stronger
_STEP: Final = 0.25  # times the hue limit: what a coloured edge answers to a filter 3 pixels wide
_GRAIN: Final = 0.05  # grain of a shadow, in the edge filter's answer, per unit of its darkness
_MOST: Final = 0.12  # of the rough outline; more than this is no rim of shade but a pale product


def without_shade(inside: Mask, reading: Reading) -> Mask:
    """The rough outline `inside` less what is open to the table without an edge between: smooth shade or light."""
    shade = np.clip(1 - reading.level, 0, 1) * np.float32(_GRAIN)
    edges = reading.detail > np.maximum(reading.edge, shade)
    stain = np.asarray(cv2.absdiff(reading.tint, cv2.GaussianBlur(reading.tint, (0, 0), 3.0)), np.float32)
    edges |= stain > _STEP * reading.hue
    own = edges | (reading.tint > _STAIN * reading.hue) | (reading.level < _BLACK) | (reading.level > _LIT)
    barred = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    _, labels, stats = label(np.asarray(inside & ~barred, np.bool_), 4)
    open_ones = np.zeros(len(stats), bool)
    open_ones[np.unique(labels[dilated(~inside, 1)])] = True
    open_ones &= stats[:, cv2.CC_STAT_AREA] < _MOST * float(inside.sum())
    open_ones[0] = False
    left = inside & ~open_ones[labels]
    return np.asarray(cv2.morphologyEx(left.astype(np.uint8), cv2.MORPH_OPEN, disc(2)) > 0, np.bool_)
