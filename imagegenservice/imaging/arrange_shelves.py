"""Shelves for carts that no floor would hold, so that each of fifty products is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .arrange_rows import Block, Unit

_TALL: Final = 0.80
"""The share of a compartment's height that its tallest piece may take."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A board: its upper edge's row and its ends, in pixels."""

    top: float
    left: float
    right: float


def shelve(units: Sequence[Unit], width: int, height: int, fill: float) -> tuple[list[Block], list[Shelf]]:
    """Rows of equal height on boards; as many as show the pieces largest. In pixels of the frame."""
    count = len(units)
    options = [(_size(count, rows, width, height), rows) for rows in range(2, min(count, 14) + 1)]
    rows = max(options)[1]
    margin = width * (1.0 - max(fill, 0.84)) / 2 * 0.8
    pitch = height * 0.86 / rows
    boards = [Shelf(height * 0.06 + pitch * i, margin, width - margin) for i in range(rows + 1)]
    blocks: list[Block] = []
    for number, (row, board) in enumerate(zip(_deal(units, rows), boards[1:], strict=True)):
        blocks += _stand(row, board, pitch, number)
    return blocks, boards


def _size(count: int, rows: int, width: int, height: int) -> float:
    across = -(-count // rows)
    return min(width * 0.88 / across, height * 0.86 * _TALL / rows)


def _deal(units: Sequence[Unit], rows: int) -> list[list[Unit]]:
    ends = [round(len(units) * (i + 1) / rows) for i in range(rows)]
    return [list(units[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _stand(row: Sequence[Unit], board: Shelf, pitch: float, number: int) -> list[Block]:
    """Each piece gets a share of the board by its width; the hung ones hang from the board above."""
    shares = [min(max(u.aspect, 0.5), 2.0) ** 0.5 for u in row]
    left, room = board.left, board.right - board.left
    blocks = []
    for unit, share in zip(row, shares, strict=True):
        cell = room * share / sum(shares)
        tall = min(pitch * _TALL * min(0.72 + 0.28 * unit.weight, 1.0), cell * 0.88 / unit.aspect)
        wide = tall * unit.aspect
        bottom = board.top - pitch * 0.91 + tall if unit.hangs else board.top
        blocks.append(Block(unit, left + (cell - wide) / 2, bottom, wide, tall, number))
        left += cell
    return blocks
