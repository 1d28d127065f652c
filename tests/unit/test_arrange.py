from __future__ import annotations

import itertools

import numpy as np
import pytest

from imagegenservice.imaging.arrange import Arrangement, Place, Shape, arrange
from imagegenservice.imaging.arrange_scale import weight_of

FRAMES = [(1024, 1024), (1024, 768), (768, 1024), (1024, 576), (576, 1024), (1024, 683), (683, 1024)]


def cart(count: int, quantity: int = 1, seed: int = 1) -> list[Shape]:
    """Shapes as carts have them: mugs, bottles, glasses, every fifth a shirt."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return [
        Shape(
            aspect=float(rng.uniform(0.4, 2.2)),
            weight=float(rng.uniform(0.7, 1.5)),
            hangs=i % 5 == 4,
            quantity=quantity,
            flat=i % 5 == 2,
            plinth=i % 5 != 2,
        )
        for i in range(count)
    ]


def placed(shapes: list[Shape], width: int, height: int, seed: int = 3, rise: float = 0.28) -> Arrangement:
    return arrange(shapes, width, height, fill=0.84, rise=rise, horizon=0.46, seed=seed)


def hidden_share(place: Place, front: Place) -> float:
    across = min(place.right, front.right) - max(place.left, front.left)
    down = min(place.bottom, front.bottom) - max(place.top, front.top)
    return max(0.0, across) * max(0.0, down) / (place.width * place.height)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 9, 10, 11, 20, 50])
def test_every_product_stands_whole_inside_the_frame(frame: tuple[int, int], count: int) -> None:
    plan = placed(cart(count), *frame)

    assert {place.item for place in plan.places} == set(range(count))
    for place in plan.places:
        assert place.left >= 0
        assert place.top >= 0
        assert place.right <= frame[0]
        assert place.bottom + place.stand <= frame[1]
        assert place.width >= 0.02 * max(frame)
        assert place.height >= 0.02 * max(frame)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 8, 10, 14, 50])
@pytest.mark.parametrize("rise", [0.0, 0.28])
def test_nothing_hides_another_product(frame: tuple[int, int], count: int, rise: float) -> None:
    plan = placed(cart(count, seed=count), *frame, rise=rise)

    for behind, front in itertools.combinations(plan.places, 2):
        assert hidden_share(behind, front) <= 0.13


def test_the_aspect_of_a_product_is_kept() -> None:
    shapes = cart(6)

    for place in placed(shapes, 1024, 1024).places:
        assert place.width / place.height == pytest.approx(shapes[place.item].aspect, rel=1e-6)


def test_one_product_is_the_hero_of_its_picture() -> None:
    (place,) = placed([Shape(1.0, 1.0, hangs=False, quantity=1)], 1024, 1024).places

    assert 0.4 * 1024 <= place.height <= 0.7 * 1024
    assert abs((place.left + place.right) / 2 - 512) < 0.1 * 1024


def test_what_hangs_ends_above_the_floor_on_which_the_others_stand() -> None:
    for count in (2, 5, 8):
        plan = placed(cart(5)[4:] + cart(count)[: count - 1], 1024, 1024)
        feet = [place.bottom + place.stand for place in plan.places if not place.hangs]
        hems = [place.bottom for place in plan.places if place.hangs]

        assert hems
        assert max(hems) <= plan.horizon <= min(feet)


def test_the_same_seed_gives_the_same_places_and_another_seed_others() -> None:
    shapes = cart(6)

    assert placed(shapes, 1024, 1024, seed=5) == placed(shapes, 1024, 1024, seed=5)
    assert placed(shapes, 1024, 1024, seed=5) != placed(shapes, 1024, 1024, seed=6)


@pytest.mark.parametrize(
    ("quantity", "pieces", "badge"), [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 3, 4), (999, 3, 999)]
)
def test_a_few_copies_are_shown_and_more_are_counted(quantity: int, pieces: int, badge: int) -> None:
    plan = placed([Shape(1.0, 1.0, hangs=False, quantity=quantity)], 1024, 1024)

    assert len(plan.places) == pieces
    assert [place.badge for place in plan.places if place.badge] == ([badge] if badge else [])


def test_in_a_full_cart_each_product_shows_once_and_its_quantity_is_counted() -> None:
    plan = placed(cart(50, quantity=999), 1024, 1024)

    assert len(plan.places) == 50
    assert all(place.badge == 999 for place in plan.places)
    assert plan.shelves


def test_shelves_carry_what_stands_on_them() -> None:
    plan = placed(cart(23), 1024, 1024)
    boards = [shelf.top for shelf in plan.shelves]

    for place in plan.places:
        if not place.hangs:
            assert min(abs(place.bottom - board) for board in boards) < 1e-6


def test_sizes_follow_the_things_but_stay_readable() -> None:
    assert weight_of("Earrings") < weight_of("Mug") < weight_of("Tank Top") <= 1.5
    assert weight_of("Candle Holder") < weight_of("Table Lamp")
    assert weight_of("") == weight_of("Xyzzy") == 1.0
    assert 0.7 <= weight_of("RING") <= 1.0
