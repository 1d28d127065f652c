"""What each of Gemini's image models takes and costs: they differ, and change with every release."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Final

log = logging.getLogger(__name__)

SIDES: Final = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
"""The longer side of a square picture of each size, in pixels; other ratios come out no shorter."""

_TEN: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_FOURTEEN: Final = (*_TEN, "1:4", "4:1", "1:8", "8:1")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What one model takes. `references` counts all input images, the background too."""

    id: str
    sizes: tuple[str, ...]
    """From small to large; empty: it has one size, and refuses to be asked for any."""
    ratios: tuple[str, ...]
    references: int
    seed: bool
    """True where the model takes a seed."""
    usd_per_picture: float | None
    """List price of one picture of about 1024 px; None where none is published."""
    successor: str = ""
    """Google's own advice where the model is deprecated."""

    def size_for(self, long_side: int) -> str | None:
        """The smallest size that is no smaller than *long_side*, else the largest; None: do not ask."""
        big_enough = (size for size in self.sizes if SIDES[size] >= long_side)
        return next(big_enough, self.sizes[-1] if self.sizes else None)

    def ratio_for(self, width: int, height: int) -> str:
        """The ratio that is nearest to width : height."""
        return min(self.ratios, key=lambda ratio: abs(math.log(_quotient(ratio) * height / width)))


DEFAULT_MODEL: Final = "gemini-nano-banana-2.1"

# Ids, sizes, ratios, references and prices: Google's model pages and changelog as of November 2026.
# gemini-nano-banana-2.1 answers 400 to size 512 and to a seed.
_CARDS: Final = {
    card.id: card
    for card in (
        ModelCard(DEFAULT_MODEL, ("1K", "2K", "4K"), _FOURTEEN, 14, seed=False, usd_per_picture=0.034),
        ModelCard("gemini-3-pro-image", ("1K", "2K", "4K"), _TEN, 14, seed=False, usd_per_picture=0.134),
        ModelCard("gemini-3.1-flash-lite-image", ("1K",), _TEN, 14, seed=False, usd_per_picture=None),
        ModelCard(
            "gemini-3.1-flash-image",
            ("512", "1K", "2K", "4K"),
            _FOURTEEN,
            14,
            seed=False,
            usd_per_picture=0.067,
            successor=DEFAULT_MODEL,
        ),
        ModelCard(
            "gemini-2.5-flash-image",
            (),
            _TEN,
            3,
            seed=True,
            usd_per_picture=0.039,
            successor="gemini-3.1-flash-lite-image",
        ),
    )
}
KNOWN: Final = tuple(_CARDS)


def card_of(model: str) -> ModelCard:
    """The card of *model*; an unknown id is taken for a successor of the default model, with a warning."""
    card = _CARDS.get(model)
    if card is None:
        log.warning(
            "The image model %r is not in the table (%s): it is asked as %s would be.",
            model,
            ", ".join(KNOWN),
            DEFAULT_MODEL,
        )
        return replace(_CARDS[DEFAULT_MODEL], id=model, usd_per_picture=None)
    if card.successor:
        log.warning("Google has deprecated %s and advises to use %s.", model, card.successor)
    return card


def _quotient(ratio: str) -> float:
    across, down = ratio.split(":")
    return int(across) / int(down)
