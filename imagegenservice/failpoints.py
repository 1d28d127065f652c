"""Places where a test may have this process die, or stand still, to prove that nothing is lost there."""

from __future__ import annotations

import os
import re
import signal
from typing import Final, Literal

from .errors import ConfigurationError

Point = Literal[
    "key-claimed",
    "before-accept",
    "accepted",
    "before-reply",
    "claimed",
    "intent",
    "calling",
    "answered",
    "outcome-stored",
    "held",
    "uploaded",
    "indexed",
    "before-terminal",
    "terminal",
    "swept",
    "removing",
    "draining",
    "handed-back",
]

POINTS: Final[dict[Point, str]] = {
    "key-claimed": "the idempotency key is stored, the record is not",
    "before-accept": "all is checked, the record is not stored",
    "accepted": "the record is stored, nobody was told",
    "before-reply": "the answer is ready, and not sent",
    "claimed": "the fingerprint is claimed, the drawing has not begun",
    "intent": "the intent of a paid call is stored, the call is not made",
    "calling": "the paid call is sent, its answer is not there",
    "answered": "the paid call is answered, its outcome is not stored",
    "outcome-stored": "the outcome of a paid call is stored, its picture is in memory",
    "held": "the picture's name is kept, its bytes are not stored",
    "uploaded": "the picture's bytes are stored, no record names them",
    "indexed": "the picture is known under its fingerprint, its generation is not finished",
    "before-terminal": "the last write of a generation is about to be made",
    "terminal": "the last write of a generation is made",
    "swept": "the sweep took over a generation, and has not begun with it",
    "removing": "the sweep marked an expired picture, its bytes are still there",
    "draining": "SIGTERM came, nothing is handed back",
    "handed-back": "a drain handed a generation back, and has not ended",
}
"""Every point, and how things stand there."""

_SETTING: Final = re.compile(r"([a-z-]+)(?::([1-9]\d{0,5}))?(?::(stop))?")


class _Armed:
    """What is to happen, and how often its point was passed. Empty names mean nothing."""

    point = ""
    passes = 1
    signal = signal.SIGKILL


_armed = _Armed()


def arm(setting: str) -> None:
    """
    Have the process killed at a point: `name`, `name:n` (at its n-th pass), `name:n:stop` (SIGSTOP instead).

    An empty setting disarms. Raises ConfigurationError for anything else, which names the points.
    """
    match = _SETTING.fullmatch(setting)
    if setting and (match is None or match[1] not in POINTS):
        raise ConfigurationError(
            f"IMAGEGEN_CRASH_AT: {setting!r} is none of {', '.join(POINTS)}, each with :n or :n:stop"
        )
    _armed.point = match[1] if match else ""
    _armed.passes = int(match[2] or 1) if match else 1
    _armed.signal = signal.SIGSTOP if match and match[3] else signal.SIGKILL


def crash_at(point: Point) -> None:
    """One line in the code at each point. Does nothing unless that point is armed."""
    if _armed.point == point:
        _armed.passes -= 1
        if _armed.passes == 0:
            os.kill(os.getpid(), _armed.signal)
