from __future__ import annotations

import pytest

from imagegenservice.adapters.image_models.gemini_models import DEFAULT_MODEL, KNOWN, card_of
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
