from __future__ import annotations

import numpy as np
import pytest

from imagegenservice.adapters.image_models.gemini_models import DEFAULT_MODEL, KNOWN, card_of
from imagegenservice.adapters.image_models.gemini_pictures import fit
from imagegenservice.model import RATIOS, size_of


@pytest.mark.parametrize("model", KNOWN)
@pytest.mark.parametrize("ratio", RATIOS)
def test_every_model_takes_every_ratio_that_can_be_ordered(model, ratio):
    assert card_of(model).ratio_for(*size_of(ratio, 1024)) == ratio


def test_a_ratio_that_no_model_has_becomes_the_nearest():
    card = card_of(DEFAULT_MODEL)
    assert card.ratio_for(1000, 990) == "1:1"
    assert card.ratio_for(5000, 1000) == "4:1"


@pytest.mark.parametrize(
    ("side", "size"), [(1, "1K"), (1024, "1K"), (1025, "2K"), (4096, "4K"), (9999, "4K")]
)
def test_the_smallest_size_that_suffices_is_chosen(side, size):
    assert card_of(DEFAULT_MODEL).size_for(side) == size


def test_a_model_of_one_size_is_not_asked_for_any():
    assert card_of("gemini-2.5-flash-image").size_for(2048) is None


def test_the_default_is_in_the_table_and_not_deprecated(caplog):
    assert not card_of(DEFAULT_MODEL).successor
    assert not caplog.records


def test_a_deprecated_model_names_its_successor(caplog):
    assert card_of("gemini-3.1-flash-image").successor in caplog.text


def test_an_unknown_model_keeps_its_id_and_has_no_price(caplog):
    card = card_of("gemini-of-tomorrow")
    assert (card.id, card.usd_per_picture) == ("gemini-of-tomorrow", None)
    assert "gemini-of-tomorrow" in caplog.text


def stripes(width: int, height: int) -> np.ndarray:
    """Black, with a white left and right quarter."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 4] = pixels[:, -(width // 4) :] = 255
    return pixels


def test_a_picture_of_the_right_size_is_left_alone():
    pixels = stripes(40, 20)
    np.testing.assert_array_equal(fit(pixels, 40, 20), pixels)


def test_a_picture_of_another_ratio_is_cut_around_its_centre():
    cut = fit(stripes(80, 20), 20, 20)
    assert cut.shape == (20, 20, 3)
    assert cut.max() == 0


def test_a_picture_of_the_same_ratio_is_resized_whole():
    small = fit(stripes(80, 40), 40, 20)
    np.testing.assert_array_equal(small, stripes(40, 20))
    assert fit(stripes(80, 40), 160, 80).shape == (80, 160, 3)


def test_what_is_transparent_becomes_white():
    clear = np.zeros((8, 8, 4), np.uint8)
    assert fit(clear, 4, 4).min() == 255


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 500), (500, 1), (3, 7)])
def test_a_picture_of_any_size_becomes_the_ordered_one(width, height):
    pixels = np.full((height, width, 3), 7, np.uint8)
    assert fit(pixels, 64, 48).shape == (48, 64, 3)
