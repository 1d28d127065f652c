"""The lines of the table, and how they are written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("row", "what", "measured", "aim", "", "how it came about")


@dataclass(frozen=True)
class Line:
    """One figure with its aim. `reached` is None where there is nothing to reach."""

    row: str
    what: str
    measured: str
    aim: str
    reached: bool | None
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        verdict = {True: "pass", False: "MISS", None: ""}[self.reached]
        return (self.row, self.what, self.measured, self.aim, verdict, self.note)


def markdown(cells: Sequence[str]) -> str:
    """One line of the table."""
    return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """The median, and between what the values lay."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle}{unit} ({low} to {high})" if len(values) > 1 else f"{middle}{unit}"


def median(values: Sequence[float]) -> float:
    """The one in the middle."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
