from __future__ import annotations

import itertools

import numpy as np
import pytest

from imagegenservice.imaging.colour import Bytes3, to_linear
from imagegenservice.imaging.compose import Subject, compose
from imagegenservice.imaging.cutout import Cutout
from imagegenservice.imaging.scene_photo import ground_line
from imagegenservice.imaging.typeset import badge, name_card
from imagegenservice.styles import NAMES, sheet_for

RATIOS = [(512, 512), (512, 384), (384, 512), (512, 288), (288, 512), (512, 341), (341, 512)]
RED, GREEN, BLUE, GREY = (200, 40, 30), (40, 150, 60), (40, 70, 180), (128, 128, 128)


def thing(
    colour: tuple[int, int, int],
    width: int = 160,
    height: int = 180,
    *,
    lying: bool = False,
    glass: bool = False,
) -> Cutout:
    """An egg of one colour, as a cut-out with a margin for its shadow."""
    tall, wide = height + 20, width + 40
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float32)
    inside = ((x - 10 - width / 2) / (width / 2)) ** 2 + ((y - 10 - height / 2) / (height / 2)) ** 2 < 1
    alpha = inside.astype(np.float32) * (0.0 if glass else 1.0)
    paint = np.broadcast_to(to_linear(np.array(colour, np.uint8)), (tall, wide, 3)).astype(np.float32)
    through = np.ones((tall, wide, 3), np.float32)
    glow = np.zeros((tall, wide, 3), np.float32)
    if glass:
        through[inside] = (0.7, 0.8, 0.75)
        glow[inside] = 0.04
    shadow = np.ones((tall, wide), np.float32)
    shadow[-30:-10, wide - 40 :] = 0.8
    box = (10, 10, 10 + width, 10 + height)
    return Cutout(paint, alpha, through, glow, shadow, box, lying=lying, kind="cut", quality=0.9)


def photograph(width: int = 300, height: int = 200) -> Bytes3:
    rng = np.random.Generator(np.random.PCG64(1))
    return rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def render(
    subjects: list[Subject],
    style: str = "modern",
    size: tuple[int, int] = (512, 512),
    seed: int = 3,
    **other: object,
) -> Bytes3:
    background = other.get("background")
    assert background is None or isinstance(background, np.ndarray)
    return compose(subjects, background, sheet_for(style), *size, seed)


def looks_like(
    picture: Bytes3, colour: tuple[int, int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where the hue is that of `colour`: its strongest channel leads by most of its lead there."""
    channel = int(np.argmax(colour))
    others = [c for c in range(3) if c != channel]
    lead = picture[..., channel].astype(int) - picture[..., others].astype(int).max(axis=2)
    wanted = colour[channel] - max(colour[c] for c in others)
    return np.asarray(lead > 0.6 * wanted)


@pytest.mark.parametrize("style", NAMES)
def test_every_product_is_to_be_seen_in_every_style(style: str) -> None:
    subjects = [
        Subject("Mug", 1, thing(BLUE)),
        Subject("Jar", 1, thing(GREEN)),
        Subject("Vase", 1, thing(RED)),
    ]

    picture = render(subjects, style)

    assert picture.shape == (512, 512, 3)
    assert picture.dtype == np.uint8
    for colour in (BLUE, GREEN, RED):
        assert looks_like(picture, colour).mean() > 0.01


@pytest.mark.parametrize("style", NAMES)
def test_the_colours_of_a_product_stay_its_own(style: str) -> None:
    for colour in (RED, GREEN, BLUE, GREY):
        picture = render([Subject("Mug", 1, thing(colour))], style).astype(float)
        middle = picture[230:290, 240:280].reshape(-1, 3).mean(axis=0)

        assert np.abs(middle - colour).max() < 26
        assert np.abs(middle - colour).mean() < 16


@pytest.mark.parametrize("style", NAMES)
@pytest.mark.parametrize("size", RATIOS)
def test_all_styles_draw_all_ratios(style: str, size: tuple[int, int]) -> None:
    subjects = [Subject("Mug", 1, thing(BLUE)), Subject("Tank Top", 2, thing(RED, lying=True))]

    picture = render(subjects, style, size)

    assert picture.shape == (size[1], size[0], 3)
    assert picture.std() > 5


def test_the_six_styles_are_six_pictures() -> None:
    pictures = [render([Subject("Mug", 1, thing(BLUE))], style).astype(float) for style in NAMES]

    for one, other in itertools.combinations(pictures, 2):
        assert np.abs(one - other).mean() > 6


@pytest.mark.parametrize("background", [None, photograph()])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(background: Bytes3 | None) -> None:
    subjects = [Subject("Mug", 2, thing(BLUE)), Subject("Shirt", 1, thing(RED, lying=True))]

    first, again, other = (render(subjects, seed=seed, background=background) for seed in (7, 7, 8))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_picture_does_not_depend_on_what_was_drawn_before() -> None:
    subjects = [Subject("Mug", 1, thing(BLUE))]
    first = render(subjects, "luxury")

    for style in NAMES:
        render([Subject("Jar", 3, thing(GREEN))], style, seed=11)

    assert np.array_equal(first, render(subjects, "luxury"))


def test_a_product_without_a_picture_gets_a_card_with_its_name() -> None:
    with_name = render([Subject("Bamboo Glass Jar", 1, None)])
    with_other = render([Subject("Mug", 1, None)])

    assert not np.array_equal(with_name, with_other)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " \x00\n",
        "a" * 400,
        "word " * 90,
        "\N{TEACUP WITHOUT HANDLE}\N{PARTY POPPER}",
        "قدح القهوة",
        "马克杯",
        "Кружка",
    ],
)
def test_any_name_can_be_set_in_type(name: str) -> None:
    card = name_card(name, "#ffffff", "#000000", size=240)

    assert card.shape == (300, 240, 3)
    margin = np.concatenate([card[:, :8].reshape(-1, 3), card[:, -8:].reshape(-1, 3)])
    assert (margin == 255).all()
    assert (card < 128).any()


def test_a_card_keeps_its_picture_and_gets_a_border() -> None:
    photo = to_linear(np.full((90, 120, 3), RED, np.uint8))
    clear = np.ones_like(photo)
    card = Cutout(photo, clear[..., 0], clear, 0 * clear, clear[..., 0], (0, 0, 120, 90), False, "card", 0.1)

    picture = render([Subject("Poster", 1, card)], "minimalist")

    assert looks_like(picture, RED).mean() > 0.05
    assert (picture.min(axis=2) > 235).any()


def test_a_shadow_lies_under_what_stands() -> None:
    empty = render([Subject("Mug", 1, thing(GREY))], "minimalist").astype(float)
    rows = np.flatnonzero(np.abs(empty[:, 256] - 128).max(axis=1) < 30)
    foot = int(rows.max())

    assert empty[foot + 2 : foot + 8, 236:276].mean() < empty[foot + 50 : foot + 60, 236:276].mean() - 12


def test_glass_lets_the_scene_through() -> None:
    picture = render([Subject("Bottle", 1, thing(GREY, glass=True))], "minimalist").astype(float)

    assert picture[230:290, 240:280].mean() > 140


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 3), (3000, 40)])
def test_a_background_of_any_size_becomes_a_scene(size: tuple[int, int]) -> None:
    picture = render([Subject("Mug", 1, thing(BLUE))], background=photograph(*size), size=(256, 256))

    assert picture.shape == (256, 256, 3)
    assert looks_like(picture, BLUE).mean() > 0.02


def test_the_shoppers_photograph_is_to_be_recognised() -> None:
    half = np.zeros((200, 300, 3), np.uint8)
    half[:, :150], half[:, 150:] = (220, 60, 40), (40, 60, 220)

    picture = render([Subject("Mug", 1, thing(GREY))], background=half).astype(float)

    assert picture[20:120, 20:120, 0].mean() > picture[20:120, 20:120, 2].mean() + 80
    assert picture[20:120, 400:490, 2].mean() > picture[20:120, 400:490, 0].mean() + 80


@pytest.mark.parametrize("style", ["modern", "luxury"])
def test_fifty_products_of_any_quantity_fit(style: str) -> None:
    colours = (RED, GREEN, BLUE)
    subjects = [
        Subject(f"Thing {i}", (1, 3, 999)[i % 3], thing(colours[i % 3], lying=i % 7 == 6)) for i in range(50)
    ]

    picture = render(subjects, style, (768, 768))

    for colour in colours:
        assert looks_like(picture, colour).mean() > 0.02


def test_a_quantity_that_is_not_shown_is_printed() -> None:
    few = render([Subject("Mug", 3, thing(BLUE))])
    many = render([Subject("Mug", 12, thing(BLUE))])

    changed = np.abs(few.astype(int) - many).max(axis=2) > 40
    assert 0 < changed.mean() < 0.02


def test_a_badge_grows_with_its_number() -> None:
    short, _ = badge(2, 40, "#ffffff", "#000000")
    long, cover = badge(999, 40, "#ffffff", "#000000")

    assert short.shape[0] == long.shape[0] == 40
    assert long.shape[1] > short.shape[1]
    assert cover[0, 0] == 0
    assert cover[20, 30] == 1


def test_extreme_shapes_are_shown_whole() -> None:
    subjects = [Subject("Belt", 1, thing(BLUE, 400, 14)), Subject("Pole", 1, thing(RED, 14, 400))]

    picture = render(subjects)

    for colour in (BLUE, RED):
        assert looks_like(picture, colour).mean() > 0.001


def test_progress_rises_to_one() -> None:
    heard: list[float] = []

    compose([Subject("Mug", 1, thing(BLUE))], None, sheet_for("modern"), 128, 128, 1, heard.append)

    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_product_is_never_stretched_nor_blown_up() -> None:
    pole = render([Subject("Pole", 1, thing(RED, 8, 400))], "minimalist")
    small = render([Subject("Ring", 1, thing(BLUE, 20, 20))], "minimalist")

    rows, columns = (np.flatnonzero(looks_like(pole, RED).any(axis=axis)) for axis in (1, 0))
    assert np.ptp(rows) > 12 * np.ptp(columns)
    rows, columns = (np.flatnonzero(looks_like(small, BLUE).any(axis=axis)) for axis in (1, 0))
    assert 40 < np.ptp(columns) < 64
    assert 40 < np.ptp(rows) < 64


def test_a_cutout_of_one_pixel_does_no_harm() -> None:
    one = np.ones((1, 1, 3), np.float32)
    speck = Cutout(
        one, one[..., 0], one, 0 * one, one[..., 0], (0, 0, 1, 1), lying=False, kind="cut", quality=0.0
    )

    assert render([Subject("Speck", 999, speck), Subject("Mug", 1, thing(BLUE))], "luxury").shape == (
        512,
        512,
        3,
    )


def test_a_table_in_light_and_shade_is_ground_and_a_busy_picture_is_not() -> None:
    y, x = np.mgrid[0:240, 0:320]
    shade = np.where((x // 40 + y // 30) % 2, 1.0, 0.7)[..., None]
    table = (np.array((190, 140, 90)) * shade).astype(np.uint8)
    table[:110] = (120, 160, 210)
    busy = table.copy()
    busy[170:220, 100:220] = (30, 90, 200)

    assert 0.4 <= ground_line(table) <= 0.55
    assert ground_line(busy) == 1.0
    assert ground_line(photograph()) == 1.0
