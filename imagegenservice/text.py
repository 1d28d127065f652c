"""Text of shoppers and of the catalog is hostile until it has passed through here."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, combining, normalize

_LOOKED_AT: Final = 16  # how many times its limit a text may be long; what lies behind is not looked at

_JOINERS: Final = "\u200c\u200d"  # scripts and emoji need them, although they are format characters
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

# Variation selectors and joiners are invisible, so a run of them can carry a hidden message. An emoji
# needs at most two in a row (U+FE0F U+200D).
_HIDDEN_RUN: Final = re.compile("([\ufe00-\ufe0f\u200c\u200d]{2})[\ufe00-\ufe0f\u200c\u200d]+")
_SELECTOR_SUPPLEMENT: Final = range(0xE0100, 0xE01F0)

_MARKS: Final = 30
"""Combining marks in a row, as in the stream-safe text format (UAX #15, 13): NFC is quadratic in them."""
_PARTS: Final = 4
"""NFC joins so many code points into one at most."""


def fits(text: str, limit: int) -> bool:
    """True if *text* has at most *limit* code points after NFC."""
    if len(text) <= limit:
        return True
    return len(text) <= _PARTS * limit and len(normalize("NFC", text)) <= limit


def clean(text: str, limit: int) -> str:
    """
    One line of visible text, NFC, at most *limit* code points.

    White space of any kind becomes one space. Control and format characters (C0, C1, bidi controls, tags),
    surrogates, private and unassigned code points are dropped, and so are more than 30 combining marks in a
    row. Only the first 16 * *limit* code points are looked at, so that the work is bounded.
    """
    visible = _stream_safe("".join(_visible(char) for char in text[: _LOOKED_AT * limit]))
    line = " ".join(normalize("NFC", visible).split())
    return _HIDDEN_RUN.sub(r"\1", line)[:limit].rstrip()


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    if char in _JOINERS:
        return char
    return "" if category(char) in _DROPPED or ord(char) in _SELECTOR_SUPPLEMENT else char


def _stream_safe(text: str) -> str:
    marks, kept = 0, []
    for char in text:
        marks = marks + 1 if combining(char) else 0
        if marks <= _MARKS:
            kept.append(char)
    return "".join(kept)
