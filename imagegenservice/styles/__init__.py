"""What a style looks like, as data: words for an image model, and numbers for the compositor."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

NAMES: Final = ("modern", "vintage", "minimalist", "luxury", "casual", "professional")
"""The documented styles; the first is the one that is used when nobody asked for any."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Hex = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Sentence = Annotated[str, Field(min_length=1, max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_Part):
    """What an image model is told about the style."""

    setting: Sentence
    light: Sentence
    mood: Sentence
    camera: Sentence


class Scene(_Part):
    """Which set is built: what stands behind the products, and what carries them."""

    wall: Literal["cove", "plaster", "niche", "marble", "sunlit", "softbox"]
    floor: Literal["seamless", "wood", "polished"]
    stands: Literal["plinths", "discs", "none"]
    rail: Literal["rod", "wood"]
    horizon: Annotated[float, Field(ge=0.3, le=0.7)]
    """Where the floor meets the wall, as a share of the height from the top, when nothing hangs."""


class Palette(_Part):
    """sRGB colours of the set."""

    wall: Hex
    floor: Hex
    accent: Hex
    grain: Hex
    """The darkest lines of a wooden floor."""
    prop: Hex
    metal: Hex
    ink: Hex
    paper: Hex


class Light(_Part):
    """The key light. Shadows fall by `lean` (to the right) and `reach` (up the picture) per height."""

    tint: Hex
    lean: Annotated[float, Field(ge=-1.5, le=1.5)]
    reach: Annotated[float, Field(ge=-0.6, le=0.6)]
    softness: Share
    shadow: Share
    falloff: Share
    """How much darker the set is far from the light: 0 is even."""


class Grade(_Part):
    """The finish. 0 is "leave it alone" for each value; `products` is the share of it that products get."""

    contrast: Annotated[float, Field(ge=-0.5, le=0.6)]
    saturation: Annotated[float, Field(ge=-0.8, le=0.5)]
    fade: Annotated[float, Field(ge=0.0, le=0.2)]
    shadows: Hex
    highlights: Hex
    toning: Share
    vignette: Share
    grain: Share
    bloom: Share
    products: Annotated[float, Field(ge=0.0, le=0.6)]


class Depth(_Part):
    """How far the set is out of focus (share of the long side), and how much a floor mirrors."""

    blur: Annotated[float, Field(ge=0.0, le=0.05)]
    mirror: Share


class Layout(_Part):
    """How full the frame is: `fill` is the share of its width and height that the products may take."""

    fill: Annotated[float, Field(ge=0.4, le=0.95)]
    rise: Annotated[float, Field(ge=0.0, le=0.5)]
    """The height of a back row's stand, as a share of the item's."""


class StyleSheet(_Part):
    """One style. `version` changes whenever a picture made with it would look different."""

    name: Annotated[str, Field(min_length=1, max_length=32)]
    version: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=1, max_length=60)]
    keywords: tuple[str, ...]
    """Lower-case words of other people's style names that mean this one."""
    words: Words
    scene: Scene
    palette: Palette
    light: Light
    grade: Grade
    depth: Depth
    layout: Layout


def sheet_for(style: str) -> StyleSheet:
    """The sheet of a documented style; for other text the sheet that most of its words name, else modern."""
    wanted = style.strip().lower()
    if wanted in NAMES:
        return _sheets()[wanted]
    asked = set(re.findall(r"[\w]+", wanted))
    scored = [(len(asked & {name, *sheet.keywords}), name) for name, sheet in _sheets().items()]
    score, best = max(scored, key=lambda pair: pair[0])
    return _sheets()[best if score else NAMES[0]]


@cache
def _sheets() -> dict[str, StyleSheet]:
    return {name: _read(name) for name in NAMES}


def _read(name: str) -> StyleSheet:
    text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return StyleSheet(name=name, **tomllib.loads(text))
