"""Products come out of their pictures whole, clean-edged, and without their old table."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegenservice.demo.pictures import jpeg
from imagegenservice.imaging.colour import to_linear, to_srgb8
from imagegenservice.imaging.cutout import Cutout, cut_out

SIZE = 480
WHITE = (0.8, 0.79, 0.78)


@dataclass
class Staged:
    """A picture made here, and what went into it."""

    picture: np.ndarray
    alpha: np.ndarray
    colour: tuple[float, float, float]


def coverage(shape, size: int = SIZE) -> np.ndarray:
    """Antialiased coverage of `shape(x, y)`, sampled four times finer each way."""
    fine = (np.arange(size * 4) + 0.5) / 4
    hit = shape(fine[None, :], fine[:, None]).astype(np.float32)
    return cv2.resize(hit, (size, size), interpolation=cv2.INTER_AREA)


def ellipse(x0: float, y0: float, rx: float, ry: float):
    return lambda x, y: ((x - x0) / rx) ** 2 + ((y - y0) / ry) ** 2 < 1


def lit_table(base=WHITE, size: int = SIZE) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size] / size
    fall = 1 - 0.15 * ((x - 0.3) ** 2 + (y - 0.2) ** 2)
    return np.array(base) * fall[..., None]


def soft_shadow(size: int = SIZE) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size]
    dark = 0.5 * np.exp(-(((x - 0.62 * size) / (0.2 * size)) ** 2) - ((y - 0.7 * size) / (0.09 * size)) ** 2)
    return cv2.GaussianBlur(1 - dark, (0, 0), 8)


def photographed(light: np.ndarray, noise: float = 0.004) -> np.ndarray:
    grain = np.random.default_rng(7).normal(0, noise, light.shape)
    coded = to_srgb8(light.astype(np.float32)) / 255 + grain
    return np.clip(np.rint(coded * 255), 0, 255).astype(np.uint8)


def stage(alpha: np.ndarray, colour, base=WHITE, shadow: bool = True) -> Staged:
    table = lit_table(base) * (soft_shadow()[..., None] if shadow else 1)
    mixed = table * (1 - alpha[..., None]) + np.array(colour) * alpha[..., None]
    return Staged(photographed(mixed), alpha, colour)


def placed(cutout: Cutout, values: np.ndarray, staged: Staged) -> np.ndarray:
    """Values of a cutout back at their place in the whole picture (found by the truth's own box)."""
    rows, columns = np.flatnonzero((staged.alpha > 0.5).any(1)), np.flatnonzero((staged.alpha > 0.5).any(0))
    inner = cutout.alpha > 0.5
    top = rows[0] - np.flatnonzero(inner.any(1))[0]
    left = columns[0] - np.flatnonzero(inner.any(0))[0]
    whole = np.zeros((SIZE + 40, SIZE + 40, *values.shape[2:]), np.float32)
    whole[top + 20 : top + 20 + values.shape[0], left + 20 : left + 20 + values.shape[1]] = values
    return whole[20:-20, 20:-20]


def laid_over(cutout: Cutout, scene) -> np.ndarray:
    back = np.broadcast_to(np.array(scene, np.float32), cutout.colour.shape)
    alpha = cutout.alpha[..., None]
    behind = back * cutout.shadow[..., None] * cutout.through + cutout.glow
    return cutout.colour * alpha + (1 - alpha) * behind


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


BALL = ellipse(230, 250, 110, 120)


@pytest.mark.parametrize(
    ("colour", "base"),
    [
        ((0.02, 0.02, 0.02), WHITE),
        ((0.5, 0.04, 0.03), WHITE),
        ((0.03, 0.2, 0.5), WHITE),
        ((0.05, 0.05, 0.05), (0.35, 0.35, 0.35)),
        ((0.45, 0.1, 0.05), (0.8, 0.72, 0.6)),
        ((0.7, 0.5, 0.15), (0.004, 0.004, 0.004)),
    ],
    ids=["black", "red", "blue", "grey backdrop", "cast backdrop", "dark backdrop"],
)
def test_a_product_is_cut_along_its_edge(colour, base):
    staged = stage(coverage(BALL), colour, base)
    cutout = cut_out(staged.picture)
    found = placed(cutout, cutout.alpha, staged)
    assert cutout.kind == "cut"
    assert overlap(found, staged.alpha) > 0.98
    assert np.abs(found - staged.alpha).mean() < 0.004


@pytest.mark.parametrize("colour", [(0.02, 0.02, 0.02), (0.45, 0.05, 0.04)])
def test_no_pale_rim_of_the_old_table_is_left(colour):
    staged = stage(coverage(BALL), colour)
    cutout = cut_out(staged.picture)
    truth = staged.alpha[..., None] * np.array(staged.colour)
    excess = placed(cutout, laid_over(cutout, 0.0), staged) - truth
    rim = cv2.dilate((abs(staged.alpha - 0.5) < 0.49).astype(np.uint8), np.ones((7, 7))) > 0
    assert excess[rim].max() < 0.12
    assert excess[rim].mean() < 0.012


def test_no_dark_rim_appears_on_a_bright_scene():
    staged = stage(coverage(BALL), (0.5, 0.04, 0.03), shadow=False)
    cutout = cut_out(staged.picture)
    bright = np.array([0.1, 0.9, 0.1])
    truth = staged.alpha[..., None] * np.array(staged.colour) + (1 - staged.alpha[..., None]) * bright
    seen = placed(cutout, laid_over(cutout, bright), staged)
    known = placed(cutout, np.ones_like(cutout.alpha), staged) > 0
    assert np.abs(seen - truth)[known].mean() < 0.01


def test_the_shadow_is_shadow_and_no_product():
    staged = stage(coverage(BALL), (0.03, 0.03, 0.03))
    cutout = cut_out(staged.picture)
    shade = placed(cutout, cutout.shadow, staged)
    beside = (staged.alpha < 0.001) & (soft_shadow() < 0.7)
    assert placed(cutout, cutout.alpha, staged)[beside].mean() < 0.01
    assert shade[beside].mean() == pytest.approx(soft_shadow()[beside].mean(), abs=0.08)


def test_the_shadow_ends_softly_inside_the_arrays():
    cutout = cut_out(stage(coverage(BALL), (0.03, 0.03, 0.03)).picture)
    frame = np.concatenate([cutout.shadow[0], cutout.shadow[-1], cutout.shadow[:, 0], cutout.shadow[:, -1]])
    assert frame.min() > 0.99
    assert cutout.shadow.min() < 0.8
    assert np.abs(np.diff(cutout.shadow, axis=0)).max() < 0.05


def test_one_sees_through_the_hole_of_a_handle():
    def cup(x, y):
        ring = ellipse(130, 250, 75, 80)(x, y) & ~ellipse(130, 250, 48, 52)(x, y)
        return ellipse(260, 250, 95, 120)(x, y) | ring

    staged = stage(coverage(cup), (0.04, 0.03, 0.05))
    cutout = cut_out(staged.picture)
    found = placed(cutout, cutout.alpha, staged)
    hole = coverage(ellipse(125, 250, 38, 42)) > 0.99
    assert found[hole & (staged.alpha == 0)].max() < 0.05
    assert overlap(found, staged.alpha) > 0.97


def test_a_line_two_pixels_wide_is_kept_whole():
    def lollipop(x, y):
        return ellipse(240, 330, 70, 70)(x, y) | ((abs(x - 0.3 * y - 141) < 1.0) & (y > 90) & (y < 300))

    staged = stage(coverage(lollipop), (0.02, 0.02, 0.02))
    cutout = cut_out(staged.picture)
    found = placed(cutout, cutout.alpha, staged)
    line = found[100:250].max(axis=1)
    assert line.min() > 0.6


def test_a_pale_product_on_white_is_not_eaten():
    alpha = coverage(BALL)
    x = np.arange(SIZE)[None, :]
    shade = np.broadcast_to(0.4 + 0.18 * np.clip(1 - ((x - 200) / 130) ** 2, 0, 1), (SIZE, SIZE))
    light = lit_table() * (1 - alpha[..., None]) + np.repeat(shade[..., None], 3, 2) * alpha[..., None]
    staged = Staged(photographed(light), alpha, (0.5, 0.5, 0.5))
    cutout = cut_out(staged.picture)
    assert cutout.kind == "cut"
    assert overlap(placed(cutout, cutout.alpha, staged), alpha) > 0.97


def test_a_pastel_product_on_white_is_not_eaten():
    staged = stage(coverage(BALL), (0.8, 0.6, 0.6))
    cutout = cut_out(staged.picture)
    assert cutout.kind == "cut"
    assert overlap(placed(cutout, cutout.alpha, staged), staged.alpha) > 0.97


def test_a_pale_dial_inside_a_dark_ring_belongs_to_the_product():
    ring, dial = coverage(ellipse(240, 240, 120, 120)), coverage(ellipse(240, 240, 100, 100))
    light = lit_table() * (1 - ring[..., None]) + 0.03 * (ring - dial)[..., None] + 0.9 * dial[..., None]
    staged = Staged(photographed(light), ring, (0.9, 0.9, 0.9))
    cutout = cut_out(staged.picture)
    assert overlap(placed(cutout, cutout.alpha, staged), ring) > 0.98


def test_an_even_shadow_with_a_firm_edge_is_no_product_either():
    box = coverage(lambda x, y: (abs(x - 200) < 80) & (abs(y - 240) < 80))
    cast = coverage(lambda x, y: (abs(x - 250) < 80) & (y > 225) & (y < 315))
    table = lit_table() * (1 - 0.4 * cv2.GaussianBlur(cast, (0, 0), 1.5))[..., None]
    light = table * (1 - box[..., None]) + np.array([0.06, 0.15, 0.4]) * box[..., None]
    staged = Staged(photographed(light), box, (0.06, 0.15, 0.4))
    cutout = cut_out(staged.picture)
    beside = (cast > 0.99) & (cv2.dilate(box, np.ones((9, 9))) == 0)
    assert overlap(placed(cutout, cutout.alpha, staged), box) > 0.96
    assert placed(cutout, cutout.shadow, staged)[beside].mean() < 0.75


def wire_rack() -> Staged:
    """Grey wires, 7 pixels wide, crossing over a table that lies partly in shadow."""

    def bars(x, y):
        upright = ((x - 90) % 50 < 7) & (x > 90) & (x < 400) & (y > 100) & (y < 388)
        across = ((y - 100) % 60 < 7) & (y > 100) & (y < 388) & (x > 90) & (x < 397)
        return upright | across

    return stage(coverage(bars), (0.09, 0.09, 0.09))


def test_wire_goods_are_no_glass():
    staged = wire_rack()
    cutout = cut_out(staged.picture)
    found = placed(cutout, cutout.alpha, staged)
    gaps = cv2.dilate(staged.alpha, np.ones((9, 9))) == 0
    assert (cutout.through == 1).all()
    assert found[staged.alpha > 0.99].mean() > 0.9
    assert found[gaps].mean() < 0.02


def grainy_contact_shadow() -> Staged:
    """A red cylinder whose dark, noisy shadow takes some of its colour next to it."""
    body = coverage(lambda x, y: (abs(x - 220) < 90) & (y > 120) & (y < 330))
    near = cv2.GaussianBlur(body, (0, 0), 14)
    shade = 0.75 * np.clip(2 * near, 0, 1) * (np.mgrid[0:SIZE, 0:SIZE][0] > 250)
    shade = cv2.GaussianBlur(shade.astype(np.float32), (0, 0), 6)
    speckles = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, (SIZE, SIZE)), (0, 0), 1.5)
    bounce = 1 - shade[..., None] * np.array([0.9, 1.08, 1.08])
    table = lit_table() * bounce * (1 + 0.2 * shade * speckles)[..., None]
    colour = (0.4, 0.03, 0.02)
    light = table * (1 - body[..., None]) + np.array(colour) * body[..., None]
    return Staged(photographed(np.clip(light, 0, 1)), body, colour)


def test_no_scrap_of_a_dark_grainy_contact_shadow_is_kept():
    staged = grainy_contact_shadow()
    cutout = cut_out(staged.picture)
    found = placed(cutout, cutout.alpha, staged)
    beside = cv2.dilate(staged.alpha, np.ones((5, 5))) == 0
    assert found[beside].sum() < 250  # pixels, of some 38000
    assert found[staged.alpha > 0.99].mean() > 0.98


def glass_tumbler() -> Staged:
    body = coverage(lambda x, y: (abs(x - 240) < 90) & (y > 100) & (y < 380))
    edge = np.clip(body * (1 - cv2.GaussianBlur(body, (0, 0), 5)) * 2.8, 0, 1)
    lines = coverage(lambda x, y: (abs(x - 240) < 88) & ((abs(y - 150) < 2.5) | (abs(y - 340) < 3.5)))
    passed = (1 - 0.08 * body) * (1 - 0.75 * edge) * (1 - 0.5 * lines)
    return Staged(photographed(lit_table() * passed[..., None]), body, (0.0, 0.0, 0.0))


def test_what_stands_behind_glass_shows_through_it():
    cutout = cut_out(glass_tumbler().picture)
    x0, y0, x1, y1 = cutout.box
    middle = (
        slice((3 * y0 + 2 * y1) // 5, (2 * y0 + 3 * y1) // 5),
        slice((3 * x0 + x1) // 4, (x0 + 3 * x1) // 4),
    )
    red, black = laid_over(cutout, (0.8, 0.02, 0.02))[middle], laid_over(cutout, 0.0)[middle]
    assert cutout.alpha[middle].max() < 0.05
    assert red[..., 0].mean() > 0.6
    assert red[..., 1].mean() < 0.2
    assert black.mean() > 0.02  # yet it is not invisible in the dark
    assert cutout.through.min() < 0.6  # and its edges stay dark


def test_glass_over_its_old_table_looks_as_it_did():
    staged = glass_tumbler()
    cutout = cut_out(staged.picture)
    x0, y0, x1, y1 = cutout.box
    again = laid_over(cutout, lit_table().mean(axis=(0, 1)))[y0:y1, x0:x1]
    rows, columns = np.flatnonzero((staged.alpha > 0.5).any(1)), np.flatnonzero((staged.alpha > 0.5).any(0))
    window = to_linear(staged.picture)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    again = cv2.resize(again, (window.shape[1], window.shape[0]))
    assert np.abs(again[20:-20, 20:-20] - window[20:-20, 20:-20]).mean() < 0.06


def test_an_opaque_product_lets_nothing_through_by_itself():
    cutout = cut_out(stage(coverage(BALL), (0.03, 0.03, 0.03)).picture)
    assert (cutout.through == 1).all()
    assert (cutout.glow == 0).all()


def sample(product: str) -> np.ndarray:
    coded = cv2.imdecode(np.frombuffer(jpeg(product), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(coded, cv2.COLOR_BGR2RGB)


def test_the_sample_carafe_is_glass_with_a_solid_stopper():
    cutout = cut_out(sample("CARAFE-CORK03"))
    x0, y0, x1, y1 = cutout.box
    middle, upper = (x0 + x1) // 2, y0 + (y1 - y0) // 9
    assert cutout.kind == "cut"
    assert cutout.alpha[y0 + (y1 - y0) * 6 // 10, middle] < 0.1
    assert cutout.alpha[upper, middle] > 0.9


def test_one_sees_between_the_wires_of_the_sample_spectacles():
    cutout = cut_out(sample("SPECS-ROUND05"))
    x0, y0, x1, y1 = cutout.box
    assert cutout.kind == "cut"
    assert cutout.alpha[y0:y1, x0:x1].mean() < 0.25
    assert x1 - x0 > 600  # both temples are there to their ends


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def blotches() -> np.ndarray:
    wild = cv2.GaussianBlur(np.random.default_rng(5).normal(0, 1, (300, 400, 3)), (0, 0), 9)
    return np.clip(128 + 700 * wild, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        noise((200, 300, 3)),
        blotches(),
        np.full((300, 300, 3), 250, np.uint8),
        np.zeros((300, 300, 3), np.uint8),
        stage(coverage(BALL), (0.02, 0.02, 0.02)).picture[::20, ::20],
        stage(coverage(BALL), (0.02, 0.02, 0.02)).picture[165:335, 150:310],
    ],
    ids=["noise", "busy", "all white", "all black", "tiny", "filled to the frame"],
)
def test_what_cannot_be_cut_out_becomes_a_card_with_round_corners(picture):
    card = cut_out(np.ascontiguousarray(picture))
    height, width = card.alpha.shape
    assert card.kind == "card"
    assert card.box == (0, 0, width, height)
    assert card.alpha[height // 2, width // 2] == 1
    assert card.alpha[0, width // 2] > 0.999
    assert card.alpha[0, 0] < 0.6
    assert (to_srgb8(card.colour) == picture).all()


def test_a_transparent_picture_keeps_its_own_edge():
    alpha = coverage(BALL)
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    rgba[..., :3][alpha > 0] = (200, 30, 20)
    rgba[..., 3] = np.rint(alpha * 255)
    cutout = cut_out(rgba)
    x0, y0, x1, y1 = cutout.box
    rows, columns = np.flatnonzero((alpha > 0.02).any(1)), np.flatnonzero((alpha > 0.02).any(0))
    truth = alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert cutout.kind == "cut"
    assert np.abs(cutout.alpha[y0:y1, x0:x1] - truth).max() < 0.003
    assert cutout.colour[cutout.alpha > 0.1].min(axis=0) == pytest.approx(
        to_linear(np.array([200, 30, 20], np.uint8)), abs=0.02
    )


def test_an_opaque_alpha_channel_changes_nothing():
    staged = stage(coverage(BALL), (0.4, 0.05, 0.05))
    opaque = np.dstack([staged.picture, np.full((SIZE, SIZE), 255, np.uint8)])
    assert (cut_out(opaque).alpha == cut_out(staged.picture).alpha).all()


def test_a_product_that_leaves_the_frame_is_cut_where_it_does_not():
    staged = stage(coverage(ellipse(60, 250, 150, 120)), (0.4, 0.03, 0.03), shadow=False)
    cutout = cut_out(staged.picture)
    assert cutout.kind == "cut"
    assert cutout.box[0] == 0
    assert cutout.alpha[cutout.alpha.shape[0] // 2, 0] == 1


def test_a_large_picture_is_worked_on_at_a_bounded_size():
    staged = stage(coverage(BALL), (0.4, 0.05, 0.05))
    large = cv2.resize(staged.picture, (2400, 2400), interpolation=cv2.INTER_CUBIC)
    cutout = cut_out(large)
    assert cutout.kind == "cut"
    assert max(cutout.alpha.shape) <= 1024


def test_clothing_laid_out_flat_is_known_to_lie():
    def vest(x, y):
        body = (abs(x - 240) < 120 + 20 * np.sin(y / 60)) & (y > 180) & (y < 430)
        straps = (abs(abs(x - 240) - 95) < 22) & (y > 50) & (y < 190)
        return body | straps

    assert cut_out(stage(coverage(vest), (0.03, 0.03, 0.04), shadow=False).picture).lying
    assert not cut_out(glass_tumbler().picture).lying


def test_the_same_picture_gives_the_same_cutout():
    staged = stage(coverage(BALL), (0.4, 0.05, 0.05))
    one, other = cut_out(staged.picture), cut_out(staged.picture.copy())
    for field in fields(Cutout):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(a, b), field.name


def sound(cutout: Cutout) -> None:
    shape = cutout.alpha.shape
    assert cutout.colour.shape == cutout.through.shape == cutout.glow.shape == (*shape, 3)
    assert cutout.shadow.shape == shape
    for values in (cutout.colour, cutout.alpha, cutout.through, cutout.glow, cutout.shadow):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
    x0, y0, x1, y1 = cutout.box
    assert 0 <= x0 < x1 <= shape[1]
    assert 0 <= y0 < y1 <= shape[0]
    assert 0 <= cutout.quality <= 1


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 90), (90, 1), (2, 3), (41, 900), (40, 40), (43, 41), (1500, 50)]
)
@pytest.mark.parametrize("channels", [3, 4])
def test_odd_sizes_give_sound_arrays(shape, channels):
    for picture in (
        np.full((*shape, channels), 255, np.uint8),
        np.zeros((*shape, channels), np.uint8),
        noise((*shape, channels)),
    ):
        sound(cut_out(picture))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    base=st.integers(0, 255),
    spots=st.lists(
        st.tuples(
            st.integers(0, 119), st.integers(0, 99), st.integers(1, 40), st.tuples(*[st.integers(0, 255)] * 3)
        ),
        max_size=5,
    ),
    clear=st.booleans(),
)
def test_any_picture_gives_sound_arrays(base, spots, clear):
    picture = np.full((100, 120, 4 if clear else 3), base, np.uint8)
    for x, y, radius, colour in spots:
        cv2.circle(picture, (x, y), radius, (*colour, 255)[: picture.shape[2]], -1, cv2.LINE_AA)
    sound(cut_out(picture))
