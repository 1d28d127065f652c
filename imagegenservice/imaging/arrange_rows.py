"""Rows on a floor, one behind the other, as large as they can be without hiding each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

HIDDEN: Final = 0.11
"""The share of a piece's box that a piece before it may cover."""
_BEHIND: Final = 0.93
"""Each row further back is shown smaller by this."""
_GAP: Final = 0.09
_TOP: Final = 0.07
_BOTTOM: Final = 0.075


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece to be placed; `badge` is the quantity to print beside it, or 0."""

    item: int
    aspect: float
    weight: float
    hangs: bool
    badge: int
    flat: bool = False
    """It spreads over the ground (glasses, a necklace): it goes in front."""
    plinth: bool = True
    """It may stand on a plinth."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece that has its place, in pixels; `bottom` is where it touches what it stands on."""

    unit: Unit
    left: float
    bottom: float
    width: float
    height: float
    row: int
    stand: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to stand units in rows, the hindmost first; every other row is moved by `shift` of a place."""

    rows: tuple[tuple[Unit, ...], ...]
    shift: float


def ways_of(units: Sequence[Unit], rng: np.random.Generator) -> list[Way]:
    """All reasonable ways to stand `units`: few rows or many, clothes behind them or beside them."""
    hung = [u for u in units if u.hangs]
    standing = sorted((u for u in units if not u.hangs), key=lambda u: (u.flat, -u.weight / u.aspect**0.5))
    flip = bool(rng.integers(2))
    ways = []
    for count in range(min(1, len(standing)), min(4, len(standing)) + 1):
        for split in _splits(standing, count):
            rows = [_crown(row, flip=flip ^ bool(i % 2)) for i, row in enumerate(split)]
            ways += [way for mixed in _with_hung(rows, hung, flip=flip) for way in _shifted(mixed, flip=flip)]
    return ways


def _shifted(rows: tuple[tuple[Unit, ...], ...], *, flip: bool) -> list[Way]:
    """Rows in line, and every other one moved aside, so that it looks through the gaps of the next."""
    if len(rows) == 1:
        return [Way(rows, 0.0)]
    shifts = (0.0, 0.3, 0.55) if sum(len(row) for row in rows) <= 5 else (0.0, 0.3)
    return [Way(rows, -shift if flip else shift) for shift in shifts]


def _with_hung(
    rows: list[tuple[Unit, ...]], hung: Sequence[Unit], *, flip: bool
) -> list[tuple[tuple[Unit, ...], ...]]:
    """What hangs has rows of its own behind the others, or a side or the middle of the hindmost."""
    if not hung:
        return [tuple(rows)]
    ways = [(*_split(hung, count), *rows) for count in range(1, min(2, len(hung)) + 1)]
    if rows and len(hung) <= 3:
        back, rest = rows[0], rows[1:]
        beside = (*back, *hung) if flip else (*hung, *back)
        middle = len(back) // 2
        ways += [(beside, *rest), ((*back[:middle], *hung, *back[middle:]), *rest)]
    return [tuple(tuple(row) for row in way) for way in ways]


def settle(
    ways: Sequence[Way],
    width: int,
    height: int,
    *,
    fill: float,
    rise: float,
    rng: np.random.Generator,
) -> list[Block]:
    """The way that shows the pieces largest, placed in the frame. At least one way and unit are needed."""
    wobble = rng.uniform(-1.0, 1.0, size=64)
    stage = _Stage(width, height, fill, rise, wobble)
    found = [stage.largest(way) for way in ways]
    _, blocks = max(found, key=lambda pair: pair[0])
    return stage.centred(blocks)


def _splits(units: Sequence[Unit], rows: int) -> list[list[list[Unit]]]:
    """Even rows, and rows that grow towards the front."""
    even = _split(units, rows)
    if rows < 2 or len(even[0]) < 2:
        return [even]
    sizes = [len(even[0]) - 1, *(len(row) for row in even[1:-1]), len(even[-1]) + 1]
    ends = np.cumsum(sizes)
    return [even, [list(units[end - size : end]) for size, end in zip(sizes, ends, strict=True)]]


def _split(units: Sequence[Unit], rows: int) -> list[list[Unit]]:
    """Even rows; those in front get one more where it does not come out even. The tall ones stand behind."""
    if not rows:
        return []
    small, more = divmod(len(units), rows)
    sizes = [small + (i >= rows - more) for i in range(rows)]
    ends = np.cumsum(sizes)
    return [list(units[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _crown(row: Sequence[Unit], *, flip: bool) -> tuple[Unit, ...]:
    """The tallest in the middle, copies of a product side by side."""
    groups: dict[int, list[Unit]] = {}
    for unit in row:
        groups.setdefault(unit.item, []).append(unit)
    order: list[Unit] = []
    for i, group in enumerate(groups.values()):
        order = order + group if bool(i % 2) ^ flip else group + order
    return tuple(order)


@dataclass(frozen=True, slots=True)
class _Stage:
    width: int
    height: int
    fill: float
    rise: float
    wobble: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    def largest(self, way: Way) -> tuple[float, list[Block]]:
        """A score to compare ways by, and the blocks at the largest unit size (bisected) that fits."""
        low, high = 1.0, self._most(sum(len(row) for row in way.rows))
        best = self._stand(way, low)
        for _ in range(9):
            middle = (low + high) / 2
            blocks = self._stand(way, middle)
            if self._fits(blocks):
                low, best = middle, blocks
            else:
                high = middle
        left, right = _across(best)
        spread = min(1.0, (right - left) / (self.fill * self.width))
        return low * (1.0 + 0.35 * spread) * (1.0 - 0.025 * len(way.rows)), best

    def _most(self, count: int) -> float:
        """A single thing must not fill the frame like a passport photograph."""
        share = {1: 0.60, 2: 0.50, 3: 0.45}.get(count, 0.42)
        return float(
            share
            * self.fill
            / 0.84
            * (min(self.width, self.height) * (self.width * self.height) ** 0.5) ** 0.5
        )

    def _fits(self, blocks: Sequence[Block]) -> bool:
        left, right = _across(blocks)
        top, bottom = _extent(blocks)
        usable = self.height * (1.0 - _TOP - _BOTTOM) * (0.60 + 0.40 * self.fill / 0.84)
        return right - left <= self.fill * self.width and bottom - top <= usable

    def _size(self, unit: Unit, size: float, behind: int) -> tuple[float, float]:
        scale = size * unit.weight * _BEHIND**behind
        wide, tall = scale * unit.aspect**0.5, scale / unit.aspect**0.5
        shrink = min(1.0, 0.6 * self.height / tall, self.fill * 0.8 * self.width / wide)
        return wide * shrink, tall * shrink

    def _stand(self, way: Way, size: float) -> list[Block]:
        """Front row first, at a base of 0; the rows behind go up as far as they must to be seen."""
        done: list[Block] = []
        for behind, row in enumerate(reversed(way.rows)):
            number = len(way.rows) - 1 - behind
            fresh = self._spread(row, size, behind, number, way.shift if behind % 2 else 0.0)
            done += self._lift(fresh, done, size, behind)
        return _hung_up(done, size)

    def _spread(
        self, row: Sequence[Unit], size: float, behind: int, number: int, shift: float
    ) -> list[Block]:
        sizes = [self._size(unit, size, behind) for unit in row]
        gap = size * (_GAP + (0.08 if behind else 0.0))
        total = sum(w for w, _ in sizes) + gap * (len(row) - 1)
        left = (self.width - total) / 2 + shift * total / len(row)
        blocks = []
        for i, (unit, (wide, tall)) in enumerate(zip(row, sizes, strict=True)):
            wobble = self.wobble[(number * 16 + i) % 64] * gap * 0.3
            blocks.append(Block(unit, left + wobble, 0.0, wide, tall, number))
            left += wide + gap
        return blocks

    def _lift(self, row: list[Block], before: list[Block], size: float, behind: int) -> list[Block]:
        if not before:
            low = self.rise * 0.4 if len(row) <= 2 else 0.0
            at = [self._arc(b) * size * 0.16 for b in row]
            tall = [low * b.height if b.unit.plinth and not b.unit.hangs else 0.0 for b in row]
            return [replace(b, bottom=y - up, stand=up) for b, y, up in zip(row, at, tall, strict=True)]
        floor = -0.36 * size * behind
        bases = [min([floor, *(_clearance(b, front) for front in before)]) for b in row]
        if self.rise:
            tall = [floor - base if b.unit.plinth else 0.0 for b, base in zip(row, bases, strict=True)]
            return [replace(b, bottom=base, stand=up) for b, base, up in zip(row, bases, tall, strict=True)]
        level = min((base for b, base in zip(row, bases, strict=True) if not b.unit.hangs), default=floor)
        return [
            replace(b, bottom=base if b.unit.hangs else level) for b, base in zip(row, bases, strict=True)
        ]

    def _arc(self, block: Block) -> float:
        """The middle of the front row stands nearest: 0 there, less towards the sides."""
        off = (block.left + block.width / 2) / self.width - 0.5
        return -4.0 * off * off

    def centred(self, blocks: list[Block]) -> list[Block]:
        """Moved into the frame: more air above than below, but never less than the margins."""
        top, bottom = _extent(blocks)
        left, right = _across(blocks)
        free = self.height - (bottom - top)
        below = min(max(0.40 * free, _BOTTOM * self.height), free - _TOP * self.height)
        down, aside = self.height - below - bottom, (self.width - left - right) / 2
        apart = min(
            1.12 if len(blocks) < 3 else 1.3, max(1.0, 0.94 * self.fill * self.width / (right - left))
        )
        return [replace(b, bottom=b.bottom + down, left=self._apart(b, aside, apart)) for b in blocks]

    def _apart(self, block: Block, aside: float, factor: float) -> float:
        middle = block.left + aside + block.width / 2 - self.width / 2
        return self.width / 2 + middle * factor - block.width / 2


def _extent(blocks: Sequence[Block]) -> tuple[float, float]:
    return min(b.bottom - b.height for b in blocks), max(b.bottom + b.stand for b in blocks)


def _across(blocks: Sequence[Block]) -> tuple[float, float]:
    return min(b.left for b in blocks), max(b.left + b.width for b in blocks)


def _hung_up(blocks: list[Block], size: float) -> list[Block]:
    """What hangs ends above the feet of all that stands, on the wall, and each row of it hangs level."""
    feet = [b.bottom + b.stand for b in blocks if not b.unit.hangs]
    wall = min(feet) - 0.24 * size if feet else float("inf")
    low = [replace(b, bottom=min(b.bottom, wall), stand=0.0) if b.unit.hangs else b for b in blocks]
    rails: dict[int, float] = {}
    for block in low:
        if block.unit.hangs:
            rails[block.row] = min(rails.get(block.row, float("inf")), block.bottom - block.height)
    return [replace(b, bottom=rails[b.row] + b.height) if b.unit.hangs else b for b in low]


def _clearance(block: Block, front: Block) -> float:
    """The lowest base at which `front` covers no more than HIDDEN of `block`; a rail needs room."""
    if front.unit.hangs:
        return front.bottom - front.height - 0.12 * block.height
    across = min(block.left + block.width, front.left + front.width) - max(block.left, front.left)
    share = across / block.width
    if share <= 0.03:
        return float("inf")
    return front.bottom - front.height + min(HIDDEN / share, 0.2) * block.height
