"""Paper and print: cards for products whose picture cannot be cut out or is missing, and quantity badges."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from .colour import Bytes3, Floats, to_srgb8
from .cutout import Cutout
from .scene_noise import colour_of, floats

_FACE: Final = "sans"
"""OpenCV's built-in typeface: no font files, and it knows Latin, Greek, Cyrillic, CJK, Arabic and Hebrew."""


def rounded(width: int, height: int, radius: float) -> Floats:
    """(height, width) coverage of a rectangle with round corners that fills it."""
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2)[None, :] - (width / 2 - radius)
    y = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2)[:, None] - (height / 2 - radius)
    outside = np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0)) + np.minimum(np.maximum(x, y), 0.0)
    return floats(np.clip(np.float32(radius + 0.5) - outside, 0.0, 1.0))


def mounted(picture: Floats, paper: str, border: float) -> Cutout:
    """A linear (h, w, 3) picture as a card: a paper border (share of the longer side) and round corners."""
    height, width = picture.shape[:2]
    long = max(height, width)
    rim = round(border * long)
    tall, wide = height + 2 * rim, width + 2 * rim
    sheet = np.broadcast_to(colour_of(paper), (tall, wide, 3)).astype(np.float32)
    sheet[rim : rim + height, rim : rim + width] = picture
    alpha = rounded(wide, tall, 0.028 * long)
    # A card is as thick as its edge is dark: a thin line tells it from a wall of the same colour.
    inner = np.zeros_like(alpha)
    line = max(1, round(0.003 * long))
    inner[line:-line, line:-line] = rounded(wide - 2 * line, tall - 2 * line, 0.026 * long)
    sheet *= (1.0 - 0.16 * (alpha - inner))[..., None]
    clear = np.ones((tall, wide, 3), np.float32)
    nothing = np.zeros((tall, wide, 3), np.float32)
    ones = np.ones((tall, wide), np.float32)
    return Cutout(
        sheet, alpha, clear, nothing, ones, (0, 0, wide, tall), lying=False, kind="card", quality=1.0
    )


def name_card(name: str, paper: str, ink: str, size: int = 480) -> Bytes3:
    """(1.25 * size, size, 3) sRGB: a product's name set on paper, for a product without a picture."""
    height = round(size * 1.25)
    card = np.broadcast_to(_byte(paper), (height, size, 3)).copy()
    colour = _byte(ink)
    room = size * 0.76
    lines, points = _fitted(_printable(name), room, height * 0.55)
    pitch = points * 1.28
    top = height * 0.5 - pitch * (len(lines) - 1) / 2
    for number, line in enumerate(lines):
        wide = _measure(line, points)[0]
        _write(card, line, (size - wide) / 2, top + number * pitch + points * 0.35, colour, points)
    _rule(card, colour, size, height)
    return card


def _rule(card: Bytes3, colour: Bytes3, size: int, height: int) -> None:
    """A short line above and below, so that a card looks made and not missing."""
    ink = tuple(int(v) for v in colour)
    for row in (0.14, 0.86):
        y, half = round(height * row), round(size * 0.08)
        cv2.line(card, (size // 2 - half, y), (size // 2 + half, y), ink, max(1, size // 160), cv2.LINE_AA)


def badge(quantity: int, height: int, paper: str, ink: str) -> tuple[Bytes3, Floats]:
    """A small pill with "times `quantity`": sRGB colours and coverage, `height` pixels high."""
    text, points = f"\N{MULTIPLICATION SIGN}{quantity}", max(6, round(height * 0.56))
    wide = max(height, round(_measure(text, points)[0] + height * 0.72))
    face = np.broadcast_to(_byte(paper), (height, wide, 3)).copy()
    measured = _measure(text, points)[0]
    _write(face, text, (wide - measured) / 2, height * 0.5 + points * 0.36, _byte(ink), points)
    return face, rounded(wide, height, height / 2)


def _printable(name: str) -> str:
    """One line of what can be set in type: no control characters, no pictograms outside the basic plane."""
    kept = [" " if unicodedata.category(c)[0] in "ZC" else c for c in name if ord(c) < 0x10000]
    return " ".join("".join(kept).split())[:80] or "…"


def _fitted(text: str, width: float, height: float) -> tuple[Sequence[str], int]:
    """The largest type, 52 points down to 13, at which the text fits when wrapped; too long a text is cut."""
    for points in range(52, 12, -3):
        lines = _wrapped(text, width, points)
        fits = all(_measure(line, points)[0] <= width for line in lines)
        if fits and len(lines) * points * 1.28 <= height:
            return lines, points
    return _wrapped(_chopped(text), width, 14)[: int(height / (14 * 1.28))], 14


def _chopped(text: str) -> str:
    """Words longer than a line are broken."""
    return " ".join(word[i : i + 20] for word in text.split(" ") for i in range(0, len(word), 20))


def _wrapped(text: str, width: float, points: int) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _measure(f"{lines[-1]} {word}", points)[0] <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _measure(text: str, points: int) -> tuple[int, int]:
    x, y, wide, tall = cv2.getTextSize((4096, 256), text, (0, 0), cv2.FontFace(_FACE), points, 400)
    del x, y
    return int(wide), int(tall)


def _write(card: Bytes3, text: str, x: float, y: float, colour: Bytes3, points: int) -> None:
    ink = tuple(int(v) for v in colour)
    cv2.putText(card, text, (round(x), round(y)), ink, cv2.FontFace(_FACE), points, 400)


def _byte(code: str) -> Bytes3:
    return to_srgb8(colour_of(code))
