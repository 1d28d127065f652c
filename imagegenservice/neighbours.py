"""Who is away is left alone for a while: not every caller waits for them, and everybody can see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .breaker import Breaker
from .errors import LeftAlone, Overloaded, Unavailable, Unwell

FAILURES: Final = 5
"""In a row, until a neighbour counts as away."""
_PATIENCE: Final = 2.5
"""Seconds after which a call that was given up counts as a failure."""


class Neighbour:
    """A service that this one asks, behind a breaker."""

    def __init__(self, name: str, breaker: Breaker) -> None:
        self.name = name
        self.breaker = breaker

    @contextmanager
    def asked(self) -> Iterator[None]:
        """
        Around one call. Raises LeftAlone, at once, while the neighbour is away.

        What counts as a failure: Unavailable, and a call that its caller gave up after a while. Every other
        end is an answer, Unwell included.
        """
        if not self.breaker.attempt():
            raise LeftAlone(self.name.replace("_", " "), self.breaker.pause_left)
        begin = time.monotonic()
        try:
            yield
        except asyncio.CancelledError:
            if time.monotonic() - begin > _PATIENCE:
                self.breaker.failed()
            raise
        except Unwell:
            self.breaker.succeeded()
            raise
        except Unavailable:
            self.breaker.failed()
            raise
        except Overloaded:
            raise  # a limit of our own: they were not asked
        except Exception:
            self.breaker.succeeded()
            raise
        self.breaker.succeeded()


class Neighbours:
    """All of them, by name."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def add(self, name: str, pause: float) -> Neighbour:
        """Make one that is left alone for *pause* seconds at a time while it is away."""
        neighbour = Neighbour(name, Breaker(FAILURES, pause))
        self._breakers[name] = neighbour.breaker
        return neighbour

    def show(self, name: str, breaker: Breaker) -> None:
        """Take somebody in who has a breaker already."""
        self._breakers[name] = breaker

    @property
    def breakers(self) -> dict[str, Breaker]:
        """Everybody's."""
        return dict(self._breakers)

    def states(self) -> dict[str, str]:
        """ok, or away: they failed several times in a row, and have not answered since."""
        return {name: "away" if breaker.tripped else "ok" for name, breaker in self._breakers.items()}
