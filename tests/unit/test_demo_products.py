"""The sample shop's products and the pictures that the project made of them."""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imagegenservice.demo.pictures import BACKGROUNDS, background, jpeg
from imagegenservice.demo.products import PRODUCTS
from imagegenservice.demo.render import SCENES, render
from imagegenservice.demo.render_backgrounds import render_background

IDS = [product.id for product in PRODUCTS]


def decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_every_product_has_its_own_id_name_and_picture() -> None:
    assert len(PRODUCTS) >= 9
    for values in (IDS, [p.name for p in PRODUCTS], [p.picture for p in PRODUCTS]):
        assert len(set(values)) == len(PRODUCTS)
    assert set(SCENES) == set(IDS)


@pytest.mark.parametrize("product", PRODUCTS, ids=IDS)
def test_a_product_is_fit_for_a_catalog(product) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", product.id)
    assert product.description
    assert product.categories
    assert product.units * 100 + product.nanos // 10_000_000 == product.cents > 0


@pytest.mark.parametrize("product_id", IDS)
def test_a_picture_shows_its_product_whole_on_near_white(product_id) -> None:
    data = jpeg(product_id)
    assert data[:3] == b"\xff\xd8\xff"
    picture = decoded(data)
    assert picture.shape == (800, 800, 3)
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    border = np.concatenate([edge.reshape(-1, 3) for edge in edges])
    assert border.mean() > 222
    assert border.min() > 195
    middle = picture[250:550, 250:550].astype(float)
    assert np.abs(middle - border.mean(axis=0)).max(axis=2).max() > 60


def test_an_unknown_product_has_no_picture() -> None:
    with pytest.raises(KeyError):
        jpeg("NO-SUCH-THING")


@pytest.mark.parametrize("product_id", ["VASE-FLUTE02", "CUP-FERN01", "CARAFE-CORK03"])
def test_the_renderer_makes_the_kept_picture_again(product_id) -> None:
    again = render(product_id, size=100, rays=8).astype(float)
    kept = cv2.resize(decoded(jpeg(product_id)), (100, 100), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(again - kept).mean() < 2.5
    other = cv2.resize(decoded(jpeg("LAMP-LINEN04")), (100, 100), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(again - other).mean() > 6


def test_rendering_twice_gives_the_same_pixels() -> None:
    assert np.array_equal(render("CUP-FERN01", size=48, rays=2), render("CUP-FERN01", size=48, rays=2))


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_is_kept_as_the_renderer_makes_it(name) -> None:
    kept = decoded(background(name))
    assert kept.shape == (960, 1280, 3)
    again = render_background(name, 320, 240).astype(float)
    small = cv2.resize(kept, (320, 240), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(again - small).mean() < 4


def test_an_unknown_background_is_refused() -> None:
    with pytest.raises(KeyError):
        background("../products")
