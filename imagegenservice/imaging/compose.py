"""The engine that never alters a product: cut-outs on a set, in its light, with their shadows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..styles import StyleSheet
from .arrange import Arrangement, Place, Shape, arrange
from .arrange_scale import weight_of
from .colour import Bytes3, Floats, to_linear
from .cutout import Cutout
from .finish import finish
from .light import match
from .mirror import reflect
from .piece import Piece, fitted, piece_of
from .scene_photo import HORIZON
from .scene_props import Stand, clips, plinth, rail, shelf_boards, stand_under
from .scene_set import build_set
from .shadow import ShadowMap
from .typeset import badge, mounted, name_card

_CARD: Final = 0.9
"""The weight of a card: what is printed on it has no size."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A product to show."""

    name: str
    quantity: int
    cutout: Cutout | None
    """None: no picture was to be had; a card with the name stands in for it."""


def compose(
    subjects: Sequence[Subject],
    background: Bytes3 | None,
    sheet: StyleSheet,
    width: int,
    height: int,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> Bytes3:
    """(height, width, 3) sRGB: every subject, whole and visible, on `background` or on a set of the style.

    `background` is (h, w, 3) sRGB of any size; it is cropped to the frame. At least one subject is needed.
    `progress` hears shares of the work done, ending with 1. The same arguments give the same bytes.
    """
    cutouts = [_shown(subject, sheet) for subject in subjects]
    plan = plan_for(subjects, cutouts, sheet, width, height, seed, on_photo=background is not None)
    progress(0.1)
    picture = _Picture(*build_set(sheet, background, width, height, plan.horizon / height, seed), sheet)
    progress(0.4)
    picture.furnish(plan)
    for number, row in enumerate(_rows(plan)):
        picture.place_row([(place, cutouts[place.item]) for place in row], plan)
        progress(0.4 + 0.4 * (number + 1) / (1 + max(p.row for p in plan.places)))
    done = finish(picture.scene, picture.covered, sheet.grade, seed)
    _badges(done, plan, sheet)
    progress(1.0)
    return done


def plan_for(
    subjects: Sequence[Subject],
    cutouts: Sequence[Cutout],
    sheet: StyleSheet,
    width: int,
    height: int,
    seed: int,
    *,
    on_photo: bool,
) -> Arrangement:
    """Where `compose` will put the subjects, whose cut-outs or cards are `cutouts`.

    On a photograph things stand on its own ground or on a table, and not on plinths.
    """
    shapes = [_shape(subject, cutout) for subject, cutout in zip(subjects, cutouts, strict=True)]
    rise = 0.0 if on_photo else sheet.layout.rise
    horizon = HORIZON if on_photo else sheet.scene.horizon
    return arrange(shapes, width, height, fill=sheet.layout.fill, rise=rise, horizon=horizon, seed=seed)


def _shown(subject: Subject, sheet: StyleSheet) -> Cutout:
    if subject.cutout is None:
        return mounted(
            to_linear(name_card(subject.name, sheet.palette.paper, sheet.palette.ink)),
            sheet.palette.paper,
            0.0,
        )
    if subject.cutout.kind == "card":
        x0, y0, x1, y1 = subject.cutout.box
        return mounted(subject.cutout.colour[y0:y1, x0:x1], sheet.palette.paper, 0.045)
    return subject.cutout


def _aspect(cutout: Cutout) -> float:
    x0, y0, x1, y1 = cutout.box
    return min(max((x1 - x0) / max(1, y1 - y0), 0.12), 8.0)


def _shape(subject: Subject, cutout: Cutout) -> Shape:
    flat = _flat(cutout)
    return Shape(
        aspect=_aspect(cutout),
        weight=weight_of(subject.name) if cutout.kind == "cut" else _CARD,
        hangs=cutout.lying,
        quantity=max(1, subject.quantity),
        flat=flat,
        plinth=not flat and cutout.kind == "cut",
        repeats=cutout.kind == "cut",
    )


def _flat(cutout: Cutout) -> bool:
    """Little of its box is covered: thin parts reach over the table, as those of glasses do."""
    x0, y0, x1, y1 = cutout.box
    clear = cutout.through[y0:y1:4, x0:x1:4].mean(axis=2)
    solid = np.maximum(cutout.alpha[y0:y1:4, x0:x1:4], 1.0 - clear)
    return not cutout.lying and x1 - x0 > 1.05 * (y1 - y0) and float((solid > 0.3).mean()) < 0.36


def _rows(plan: Arrangement) -> list[list[Place]]:
    numbers = sorted({place.row for place in plan.places})
    return [[place for place in plan.places if place.row == number] for number in numbers]


class _Picture:
    """The picture while it is made: light so far, and where products are."""

    def __init__(self, scene: Floats, mirror: float, sheet: StyleSheet) -> None:
        self.scene = scene
        self._mirror = mirror
        self.sheet = sheet
        self._height, self._width = int(scene.shape[0]), int(scene.shape[1])
        self.covered = np.zeros((self._height, self._width), np.float32)

    def furnish(self, plan: Arrangement) -> None:
        """Puts up the shelves, if there are any."""
        if plan.shelves:
            shelf_boards(self.scene, plan.shelves, self.sheet)

    def place_row(self, row: Sequence[tuple[Place, Cutout]], plan: Arrangement) -> None:
        """Sets a row down: first all its shadows, then its stands and the products themselves."""
        places = [(fitted(cutout, place), cutout) for place, cutout in row]
        pieces = [(place, piece_of(cutout, place, self.sheet.light.lean)) for place, cutout in places]
        stands = {id(piece): stand_under(p, piece.foot, self._width) for p, piece in pieces if p.stand}
        hung = [place for place, _ in pieces if place.hangs]
        if hung and not plan.shelves:
            rail(self.scene, min(place.top for place in hung), self.sheet)
        self._shade(pieces, stands, plan)
        for place, piece in pieces:
            if stand := stands.get(id(piece)):
                self._raise(piece, stand)
            elif self._mirror > 0.1 and not place.hangs and not plan.shelves:
                reflect(self.scene, piece, self._mirror)
            gain = match(self._around(place))
            piece.lay(self.scene, self.covered, gain, own_shadow=not place.hangs and not place.stand)
            if place.hangs:
                clips(self.scene, place, piece.body, self.sheet)

    def _raise(self, piece: Piece, stand: Stand) -> None:
        """Draws a stand, and the shadow that the piece casts on its upper face."""
        plinth(self.scene, stand, self.sheet)
        x0, y0, x1, y1 = stand.frame
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(self._width, x1), min(self._height, y1)
        if x0 >= x1 or y0 >= y1:
            return
        _, face = stand.cover(x0, y0, x1, y1)
        shadow = ShadowMap((x0, y0, x1, y1), self.sheet.light)
        shadow.stand(piece.outline())
        self.scene[y0:y1, x0:x1] *= (1.0 - (1.0 - shadow.transmission()) * face)[..., None]

    def _shade(
        self, pieces: Sequence[tuple[Place, Piece]], stands: dict[int, Stand], plan: Arrangement
    ) -> None:
        """Shadows fall on the set, and weakly on products that stand behind."""
        window = self._window([place for place, _ in pieces])
        shadows = ShadowMap(window, self.sheet.light)
        for place, piece in pieces:
            outline = piece.outline()
            if place.hangs or plan.shelves:
                shadows.hang(outline, 0.022 * max(self._height, self._width))
            if stand := stands.get(id(piece)):
                shadows.stand(stand.outline())
            elif not place.hangs:
                shadows.stand(outline, cast=0.35 if plan.shelves else 0.75 if piece.brings_shadow else 1.0)
        x0, y0, x1, y1 = window
        weak = 1.0 - 0.7 * self.covered[y0:y1, x0:x1]
        self.scene[y0:y1, x0:x1] *= (1.0 - (1.0 - shadows.transmission()) * weak)[..., None]

    def _window(self, row: Sequence[Place]) -> tuple[int, int, int, int]:
        """All of the frame's width, and the rows that shadows of `row` can reach."""
        height, width = self._height, self._width
        around = 0.06 * max(height, width)
        top, bottom = min(p.top for p in row) - around, max(p.bottom + p.stand for p in row) + 2 * around
        return 0, max(0, int(top) // 2 * 2), width, min(height, max(1, int(bottom)))

    def _around(self, place: Place) -> Floats:
        height, width = self._height, self._width
        spread = 0.3 * place.width
        x0, x1 = max(0, int(place.left - spread)), min(width, int(place.right + spread) + 1)
        y0, y1 = max(0, int(place.top)), min(height, int(place.bottom + spread) + 1)
        return self.scene[y0 : max(y1, y0 + 1) : 4, x0 : max(x1, x0 + 1) : 4]


def _badges(done: Bytes3, plan: Arrangement, sheet: StyleSheet) -> None:
    """Quantities that are not shown: at the foot of the piece, or on its shelf's edge like a price tag."""
    height, width = done.shape[:2]
    size = max(width, height)
    for place in plan.places:
        if not place.badge:
            continue
        tall = round(min(max(0.15 * place.height, 0.022 * size), 0.042 * size))
        face, cover = badge(place.badge, tall, sheet.palette.paper, sheet.palette.ink)
        shelf = min((s.top for s in plan.shelves if s.top > place.bottom - 2), default=place.bottom)
        middle, row = (place.left + place.right) / 2 - face.shape[1] / 2, shelf - 0.1 * tall
        if not plan.shelves:
            middle, row = place.right - 0.6 * face.shape[1], place.bottom - 0.9 * tall
        x = min(max(0, round(middle)), width - face.shape[1])
        y = min(max(0, round(row)), height - tall)
        part = done[y : y + tall, x : x + face.shape[1]]
        part[:] = np.rint(part + (face.astype(np.float32) - part) * (0.94 * cover)[..., None]).astype(
            np.uint8
        )
