"""Text of shoppers and of the catalog is hostile until it has passed through here."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

_LOOKED_AT: Final = 16  # how many times its limit a text may be long; what lies behind is not looked at

_JOINERS: Final = "\u200c\u200d"  # scripts and emoji need them, although they are format characters
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

# Variation selectors and joiners are invisible, so a run of them can carry a hidden message. An emoji
# needs at most two in a row (U+FE0F U+200D).
_HIDDEN_RUN: Final = re.compile("([\ufe00-\ufe0f\u200c\u200d]{2})[\ufe00-\ufe0f\u200c\u200d]+")
_SELECTOR_SUPPLEMENT: Final = range(0xE0100, 0xE01F0)


def clean(text: str, limit: int) -> str:
    """
    One line of visible text, NFC, at most *limit* code points.

    White space of any kind becomes one space. Control and format characters (C0, C1, bidi controls, tags),
    surrogates, private and unassigned code points are dropped. Only the first 16 * *limit* code points are
    looked at, so that the work is bounded.
    """
    visible = "".join(_visible(char) for char in text[: _LOOKED_AT * limit])
    line = " ".join(normalize("NFC", visible).split())
    return _HIDDEN_RUN.sub(r"\1", line)[:limit].rstrip()


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    if char in _JOINERS:
        return char
    return "" if category(char) in _DROPPED or ord(char) in _SELECTOR_SUPPLEMENT else char
