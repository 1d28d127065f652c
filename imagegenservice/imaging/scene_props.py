"""What is put into a set for the products: plinths, the rail for clothes, shelves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from ..styles import StyleSheet
from .arrange import Place
from .arrange_shelves import Shelf
from .colour import Floats
from .scene_noise import blurred, colour_of
from .shadow import SHRINK, Outline

PITCH: Final = 0.40
"""Height by width of a circle on the floor: the sine of the camera's angle, about 24 degrees above."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A round plinth, in pixels: its upper face's centre, its radius and its height."""

    x: float
    y: float
    radius: float
    tall: float

    @property
    def deep(self) -> float:
        """Half the height of its upper face as the camera sees it."""
        return self.radius * PITCH

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 around all that is seen of it."""
        return (
            int(self.x - self.radius - 2),
            int(self.y - self.deep - 2),
            int(self.x + self.radius + 3),
            int(self.y + self.tall + self.deep + 3),
        )

    def cover(self, x0: int, y0: int, x1: int, y1: int) -> tuple[Floats, Floats]:
        """The coverage of its side and of its upper face in a window of the frame."""
        x, y = self.across(x0, x1) * np.float32(self.radius), self._down(y0, y1)
        bow = self.deep * np.sqrt(1.0 - np.clip(x / self.radius, -1.0, 1.0) ** 2)
        inside = np.clip(self.radius + 0.5 - np.abs(x), 0.0, 1.0)
        body = inside * np.clip(y + 0.5, 0.0, 1.0) * np.clip(self.tall + bow - y + 0.5, 0.0, 1.0)
        far = np.sqrt((x / self.radius) ** 2 + (y / self.deep) ** 2)
        return body.astype(np.float32), np.clip((1.0 - far) * self.deep + 0.5, 0.0, 1.0).astype(np.float32)

    def across(self, x0: int, x1: int) -> Floats:
        """(1, x1 - x0): -1 at its left edge, 1 at its right one."""
        return ((np.arange(x0, x1, dtype=np.float32) + 0.5 - np.float32(self.x)) / np.float32(self.radius))[
            None, :
        ]

    def _down(self, y0: int, y1: int) -> Floats:
        return (np.arange(y0, y1, dtype=np.float32) + 0.5 - np.float32(self.y))[:, None]

    def outline(self) -> Outline:
        """Its silhouette at a shadow map's resolution."""
        x0, y0, x1, y1 = self.frame
        body, face = self.cover(x0, y0, x1, y1)
        solid = np.ascontiguousarray(np.maximum(body, face)[::SHRINK, ::SHRINK])
        return Outline(solid, x0 // SHRINK, y0 // SHRINK, (self.y + self.tall + self.deep) / SHRINK)


def stand_under(place: Place, foot: tuple[float, float], width: int) -> Stand:
    """The plinth for a piece at `place` that touches the ground over the columns `foot` of its box."""
    wide = foot[1] - foot[0]
    radius = max(0.5 * wide * 1.30, 0.34 * place.width) + 0.014 * width
    back = 0.5 * PITCH * min(wide, radius)
    return Stand(place.left + (foot[0] + foot[1]) / 2, place.bottom - back, radius, place.stand)


def plinth(scene: Floats, stand: Stand, sheet: StyleSheet) -> None:
    """Draws `stand` into `scene`, lit from the left, its rim catching the light."""
    x0, y0, x1, y1 = stand.frame
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(scene.shape[1], x1), min(scene.shape[0], y1)
    if x0 >= x1 or y0 >= y1:
        return
    body, face = stand.cover(x0, y0, x1, y1)
    turn = np.clip(stand.across(x0, x1), -1.0, 1.0)
    round_ = np.sqrt(1.0 - turn * turn)
    y = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(stand.y)
    skin = colour_of(sheet.palette.prop) * colour_of(sheet.light.tint)
    lit = 0.34 + 0.56 * np.clip(-0.60 * turn + 0.72 * round_, 0.0, 1.0) + 0.07 * np.clip(turn - 0.5, 0.0, 1.0)
    lit = lit * (1.0 - 0.20 * np.clip((y - stand.deep) / max(stand.tall, 1.0), 0.0, 1.0))
    part = scene[y0:y1, x0:x1]
    if sheet.depth.mirror > 0.1:
        _mirrored(scene, stand, skin * lit[-1:, :, None], (x0, x1), sheet.depth.mirror)
    part += (skin * lit[..., None] - part) * body[..., None]
    above = (1.0 - 0.10 * turn) * (1.0 + 0.05 * y / stand.deep)
    part += (skin * above[..., None] - part) * face[..., None]
    rim = body * np.exp(-(((y - stand.deep * round_) / max(1.0, 0.0016 * scene.shape[0])) ** 2))
    glint = rim * (0.15 + 0.75 * np.exp(-(((turn + 0.45) / 0.4) ** 2)))
    edge = colour_of(sheet.palette.metal if sheet.scene.stands == "discs" else "#ffffff")
    part += (edge - part) * glint[..., None]


def _mirrored(scene: Floats, stand: Stand, side: Floats, span: tuple[int, int], strength: float) -> None:
    """The side of a plinth again, upside down in a polished floor, fading."""
    y0 = max(0, int(stand.y + stand.tall))
    y1 = min(scene.shape[0], int(stand.y + stand.tall + stand.deep + min(stand.tall, 0.2 * scene.shape[0])))
    if y0 >= y1:
        return
    turn = stand.across(*span)
    foot = stand.y + stand.tall + stand.deep * np.sqrt(1.0 - np.clip(turn, -1.0, 1.0) ** 2)
    off = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - foot
    inside = np.clip((1.0 - np.abs(turn)) * stand.radius + 0.5, 0.0, 1.0)
    cover = inside * np.clip(off + 0.5, 0.0, 1.0) * np.clip(stand.tall - off, 0.0, 1.0)
    cover = cover * np.exp(-np.maximum(off, 0.0) / (0.06 * scene.shape[0])) * np.float32(strength)
    part = scene[y0:y1, span[0] : span[1]]
    part += (side - part) * cover[..., None]


def rail(scene: Floats, top: float, sheet: StyleSheet) -> None:
    """Draws a rod from side to side of the frame above what hangs from the row `top` down, and its shadow."""
    size = max(scene.shape[:2])
    _rod(scene, top - 0.018 * size, max(2.0, 0.0045 * size), sheet)


def _rod(scene: Floats, level: float, thick: float, sheet: StyleSheet) -> None:
    height, width = scene.shape[:2]
    y = np.arange(height, dtype=np.float32) + 0.5 - np.float32(level)
    shade = np.exp(-(((y - 5 * thick) / (2.2 * thick)) ** 2)) * 0.28 * sheet.light.shadow
    dim = np.flatnonzero(shade > 1e-3)
    scene[dim] *= (1.0 - shade[dim])[:, None, None]
    turn = np.clip(y / thick, -1.0, 1.0)
    round_ = np.sqrt(1.0 - turn * turn)
    lit = (
        0.25
        + 0.75 * np.clip(-0.6 * turn + 0.6 * round_, 0.0, 1.0)
        + 0.5 * np.exp(-(((turn + 0.45) / 0.25) ** 2))
    )
    cover = np.clip(thick + 0.5 - np.abs(y), 0.0, 1.0)
    metal = colour_of(sheet.palette.metal)[None, :] * lit[:, None]
    across = (np.arange(width, dtype=np.float32) / width)[None, :, None]
    tone = metal[:, None, :] * (1.15 - 0.45 * across)
    rows = np.flatnonzero(cover > 0)
    part = scene[rows]
    scene[rows] = part + (tone[rows] - part) * cover[rows, None, None]


def clips(scene: Floats, place: Place, alpha: Floats, sheet: StyleSheet) -> None:
    """Two small clips that hold what hangs at `place` to its rail; `alpha` is its silhouette at that size."""
    size = max(scene.shape[:2])
    reach = 0.018 * size
    for column, row in _held(alpha):
        x, y = place.left + column, place.top + row
        half = min(0.0055 * size, 0.022 * place.height)
        _clip(scene, x, place.top - reach, y + 2.2 * half, half, sheet)


def _held(alpha: Floats) -> list[tuple[int, int]]:
    """(column, row) of the highest covered pixel in the left and in the right half."""
    solid = alpha > 0.5
    first = np.where(solid.any(axis=0), np.argmax(solid, axis=0), alpha.shape[0])
    middle = alpha.shape[1] // 2
    held = []
    for start, part in ((0, first[:middle]), (middle, first[middle:])):
        near = np.flatnonzero(part <= part.min() + 0.02 * alpha.shape[0])
        column = int(start + np.median(near))
        held.append((column, int(first[column])))
    return held


def _clip(scene: Floats, x: float, top: float, bottom: float, half: float, sheet: StyleSheet) -> None:
    x0, x1 = max(0, int(x - half - 2)), min(scene.shape[1], int(x + half + 3))
    y0, y1 = max(0, int(top)), min(scene.shape[0], int(bottom + 2))
    if x0 >= x1 or y0 >= y1:
        return
    u = (np.arange(x0, x1, dtype=np.float32)[None, :] + 0.5 - np.float32(x)) / half
    y = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5
    jaw = bottom - 4.2 * half
    wide = np.where(y < jaw, 0.24, 1.0)
    cover = np.clip((wide - np.abs(u)) * half + 0.5, 0.0, 1.0) * np.clip(bottom - y + 0.5, 0.0, 1.0)
    lit = 0.35 + 0.75 * np.exp(-(((u / wide + 0.35) / 0.55) ** 2))
    part = scene[y0:y1, x0:x1]
    part += (colour_of(sheet.palette.metal) * lit[..., None] - part) * cover[..., None]


def shelf_boards(scene: Floats, shelves: Sequence[Shelf], sheet: StyleSheet) -> None:
    """Draws the boards, a lit upper edge, and their shadow on the wall below."""
    height, width = scene.shape[:2]
    thick = 0.012 * height
    mask = np.zeros((height, width), np.uint8)
    for shelf in shelves:
        corners = (round(shelf.left), round(shelf.top)), (round(shelf.right), round(shelf.top + thick))
        cv2.rectangle(mask, *corners, 255, -1)
    board = mask.astype(np.float32) / 255.0
    drop = round(1.6 * thick)
    fallen = np.zeros_like(board)
    fallen[drop:, round(0.4 * thick) :] = board[:-drop, : width - round(0.4 * thick)]
    scene *= (1.0 - 0.55 * sheet.light.shadow * blurred(fallen, thick * 1.1))[..., None]
    y = np.arange(height, dtype=np.float32)[:, None]
    lit = np.full((height, 1), 0.72, np.float32)
    edge = np.zeros((height, 1), np.float32)
    for shelf in shelves:
        edge += np.exp(-(((y - shelf.top) / (0.22 * thick)) ** 2))
    shine = colour_of(sheet.palette.metal if sheet.scene.stands == "discs" else "#ffffff")
    wood = colour_of(sheet.palette.prop) * (lit + 0.4 * edge)[..., None]
    wood = wood + (shine - wood) * (0.45 * edge * board)[..., None]
    scene += (wood - scene) * board[..., None]
