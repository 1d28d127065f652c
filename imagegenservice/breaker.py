"""A breaker: what failed again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Opens after *limit* failures in a row, and lets one through every *pause* seconds from then on."""

    def __init__(
        self, limit: int = 5, pause: float = 30, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    @property
    def open(self) -> bool:
        """True while calls are to be left out."""
        return self._failures >= self._limit and self._clock() < self._retry_at

    @property
    def tripped(self) -> bool:
        """True from the last of *limit* failures until a success, also while somebody tries."""
        return self._failures >= self._limit

    @property
    def pause_left(self) -> float:
        """Seconds until the next attempt may be made."""
        return max(0.0, self._retry_at - self._clock())

    def attempt(self) -> bool:
        """Whether a call may be made now. After a pause one caller may, and the pause begins anew."""
        if self.open:
            return False
        if self._failures >= self._limit:
            self._retry_at = self._clock() + self._pause
        return True

    def succeeded(self) -> None:
        """Close it."""
        self._failures = 0

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1
        if self._failures >= self._limit:
            self._retry_at = self._clock() + self._pause
