"""Linear light and back."""

from __future__ import annotations

import numpy as np
import pytest

from imagegenservice.imaging.colour import (
    decoded,
    largest_channel,
    luminance,
    mean_channel,
    to_linear,
    to_srgb8,
)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def test_every_byte_survives_the_way_to_light_and_back():
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert (to_srgb8(to_linear(every)) == every).all()


def test_known_values_of_the_srgb_curve():
    light = to_linear(np.array([[0, 10, 55, 128, 188, 255]], np.uint8))
    assert light.dtype == np.float32
    assert light[0] == pytest.approx([0.0, 0.003035, 0.038204, 0.215861, 0.502886, 1.0], abs=2e-6)


def test_bytes_are_the_nearest_ones():
    light = np.linspace(0, 1, 200_001, dtype=np.float32)
    assert np.abs(to_srgb8(light) - _encoded(light.astype(np.float64))).max() < 0.53


def test_light_outside_the_range_is_clipped_and_nan_is_black():
    odd = np.array([np.nan, -1.0, -np.inf, 2.0, np.inf], np.float32)
    assert to_srgb8(odd).tolist() == [0, 0, 0, 255, 255]


@pytest.mark.parametrize("shape", [(0, 3), (1,), (1, 1, 3), (2, 5, 3), (4, 7)])
def test_any_shape_is_kept(shape: tuple[int, ...]):
    values = np.full(shape, 200, np.uint8)
    assert to_linear(values).shape == shape
    assert (to_srgb8(to_linear(values)) == values).all()
    assert decoded(np.zeros(shape, np.float32)).shape == shape


def test_a_view_with_strides_is_read_right():
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert (to_srgb8(to_linear(picture[:, ::2])) == picture[:, ::2]).all()


def test_gamma_coded_floats_decode_between_the_bytes():
    coded = np.array([127.0, 127.5, 128.0], np.float32) / 255
    low, middle, high = decoded(coded)
    assert low < middle < high
    assert high == pytest.approx(0.215861, abs=1e-5)


def test_luminance_weighs_green_most():
    assert luminance(np.eye(3, dtype=np.float32)) == pytest.approx([0.2126, 0.7152, 0.0722])
    assert luminance(np.ones((2, 3, 3), np.float32)).shape == (2, 3)
    assert luminance(np.zeros((0, 3), np.float32)).shape == (0,)


def test_channels_are_reduced_pixel_by_pixel():
    picture = np.array([[[1, 2, 6], [4, 0, 2]]], np.float32)
    assert largest_channel(picture).tolist() == [[6, 4]]
    assert mean_channel(picture) == pytest.approx(np.array([[3, 2]]))
