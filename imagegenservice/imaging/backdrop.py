"""A cut-out starts from the empty backdrop behind the whole product, as it was lit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour import Floats

_GRID: Final = 96  # longest side of the reduced picture the light is fitted on, pixels
_BAND: Final = 0.05  # width of the frame that is taken for backdrop at first, as a share of each side
_TUKEY: Final = 4.685  # cut of Tukey's biweight at 95 % efficiency for normal noise
_EVEN: Final = 0.012  # smallest scale of residuals, sRGB 0..1: three 8-bit steps of vignetting or JPEG


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The empty backdrop in gamma-coded sRGB 0..1."""

    light: Floats  # (h, w, 3)
    plain: NDArray[np.bool_]  # (h, w): pixels that the fit explains
    agreement: float  # share of the picture's frame that the fit explains, 0..1


def _terms(height: int, width: int) -> Floats:
    """(height, width, 6) quadratic monomials of coordinates in -1..1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)


def _frame(height: int, width: int) -> NDArray[np.bool_]:
    rows, columns = max(1, round(height * _BAND)), max(1, round(width * _BAND))
    band = np.ones((height, width), bool)
    band[rows : height - rows, columns : width - columns] = False
    return band


def _solve(terms: Floats, values: Floats, weights: Floats) -> Floats:
    """Weighted least squares, a little drawn towards no curvature so that few samples cannot bend the fit."""
    calm = np.diag([0.0, 1e-3, 1e-3, 1e-2, 1e-2, 1e-2]) * float(weights.sum()) + np.eye(6) * 1e-6
    weighted = terms * weights[:, None]
    solution = np.linalg.solve(weighted.T @ terms + calm, weighted.T @ values)
    return solution.astype(np.float32)


def _misfit(terms: Floats, values: Floats, fit: Floats) -> Floats:
    worst: Floats = np.abs(values - terms @ fit).max(axis=-1)
    return worst


def _robust(terms: Floats, values: Floats) -> tuple[Floats, float]:
    """Iteratively reweighted fit (L1, then Tukey's biweight) and the scale of what it leaves over."""
    weights = np.ones(len(values), np.float32)
    scale = _EVEN
    for step in range(10):
        fit = _solve(terms, values, weights)
        left = _misfit(terms, values, fit)
        scale = max(1.4826 * float(np.median(left)), _EVEN)
        tukey = np.clip(1 - (left / (_TUKEY * scale)) ** 2, 0, 1) ** 2
        weights = np.asarray(1 / np.maximum(left, _EVEN) if step < 4 else tukey + 1e-4, np.float32)
    return fit, scale


def fit_backdrop(picture: Floats) -> Backdrop:
    """Fit the light of the empty backdrop to the frame of the picture, then to all that agrees with it.

    `picture` is (h, w, 3) gamma-coded sRGB 0..1. The light is a quadratic surface for each channel.
    """
    height, width = picture.shape[:2]
    reduce = min(1.0, _GRID / max(height, width))
    size = (max(1, round(width * reduce)), max(1, round(height * reduce)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    terms, frame = _terms(size[1], size[0]), _frame(size[1], size[0])
    fit, scale = _robust(terms[frame], small[frame])
    plain = _misfit(terms, small, fit) < 2.5 * scale
    if plain.sum() > 32:
        fit = _solve(terms[plain], small[plain], np.ones(int(plain.sum()), np.float32))
    plain = _misfit(terms, small, fit) < 2.5 * scale
    light = cv2.resize(np.clip(terms @ fit, 0, 1), (width, height), interpolation=cv2.INTER_LINEAR)
    spread = cv2.resize(plain.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return Backdrop(np.asarray(light, np.float32), spread > 0, float(plain[frame].mean()))
