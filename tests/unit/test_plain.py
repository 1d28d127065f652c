from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagegenservice.imaging.plain import fit


def fitted(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(fit(Image.fromarray(pixels), width, height))


def stripes(width: int, height: int) -> np.ndarray:
    """Black, with a white left and right quarter."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 4] = pixels[:, -(width // 4) :] = 255
    return pixels


def test_a_picture_of_the_right_size_is_left_alone():
    pixels = stripes(40, 20)
    np.testing.assert_array_equal(fitted(pixels, 40, 20), pixels)


def test_a_picture_of_another_ratio_is_cut_around_its_centre():
    cut = fitted(stripes(80, 20), 20, 20)
    assert cut.shape == (20, 20, 3)
    assert cut.max() == 0


def test_a_picture_of_the_same_ratio_is_resized_whole():
    small = fitted(stripes(80, 40), 40, 20)
    np.testing.assert_array_equal(small, stripes(40, 20))
    assert fitted(stripes(80, 40), 160, 80).shape == (80, 160, 3)


def test_what_is_transparent_becomes_white():
    clear = np.zeros((8, 8, 4), np.uint8)
    assert fitted(clear, 4, 4).min() == 255


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 500), (500, 1), (3, 7)])
def test_a_picture_of_any_size_becomes_the_ordered_one(width, height):
    pixels = np.full((height, width, 3), 7, np.uint8)
    assert fitted(pixels, 64, 48).shape == (48, 64, 3)
