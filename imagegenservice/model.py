"""The words of the service as frozen values. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that can be written down as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CartLine(Value):
    """How many of which product."""

    product_id: str
    quantity: int


class Product(Value):
    """A product as the catalog describes it. `picture` is a path below the shop, or an absolute URL."""

    id: str
    name: str
    description: str = ""
    picture: str = ""
    categories: tuple[str, ...] = ()


class Item(Value):
    """A product of an order and how many of it."""

    product: Product
    quantity: int


class Brief(Value):
    """What to draw. A snapshot: nothing that changes later changes it."""

    items: tuple[Item, ...]
    style: str
    style_version: int
    background: str = ""
    """The object key of the background; empty: a scene is made for the style."""
    aspect_ratio: str
    width: int
    height: int
    seed: int


class Status(StrEnum):
    """What became of a generation, as the wire says it."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    GATHERING = "gathering"
    DRAWING = "drawing"
    FINISHING = "finishing"
    STORING = "storing"
    DONE = "done"


class SourceType(StrEnum):
    """How a picture came to be: terms of IPTC's digital source type vocabulary."""

    TRAINED = "trainedAlgorithmicMedia"
    COMPOSITE_CAPTURE = "compositeCapture"
    COMPOSITE_SYNTHETIC = "compositeSynthetic"


class Asset(Value):
    """A stored picture."""

    key: str
    media_type: str
    width: int
    height: int
    size: int
    sha256: str
    source_type: str = ""


class Fault(Value):
    """Why a generation, or an engine, failed."""

    reason: str
    message: str


class EngineFault(Fault):
    """Why this engine did not draw."""

    engine: str


class PaidCall(Value):
    """
    A line of the ledger. It is stored before the call is made.

    `open`: made, perhaps, and not answered yet. `answered`: answered, and so billed. `declined`: the
    provider said that it did not do it. `unknown`: the answer was lost.
    """

    id: str
    engine: str
    started_at: datetime
    outcome: Literal["open", "answered", "declined", "unknown"] = "open"
    detail: str = ""
    model_version: str = ""
    usage: dict[str, int] = {}


class Revision(Value):
    """What a watcher is told at one change of a generation."""

    number: int
    status: Status
    stage: Stage
    progress: int
    at: datetime


class Generation(Value):
    """The record of one order."""

    id: str
    owner: str
    """A keyed hash; empty for an anonymous order."""
    kind: Literal["cart"] = "cart"
    brief: Brief
    fingerprint: str
    status: Status = Status.PROCESSING
    stage: Stage = Stage.QUEUED
    progress: int = 0
    revision: int = 1
    history: tuple[Revision, ...] = ()
    engine: str = ""
    engine_faults: tuple[EngineFault, ...] = ()
    asset: Asset | None = None
    fault: Fault | None = None
    from_cache: bool = False
    left_out: tuple[str, ...] = ()
    attempts: int = 0
    ledger: tuple[PaidCall, ...] = ()
    created_at: datetime
    completed_at: datetime | None = None
    expires_at: datetime
    trace: str = ""
    """The W3C traceparent of the call that ordered it, so that the drawing joins its trace."""

    @property
    def finished(self) -> bool:
        """True once nothing about it changes any more."""
        return self.status is not Status.PROCESSING


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture in memory."""

    data: bytes
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An item of a brief with its product's picture, as it was fetched; None where none was to be had."""

    item: Item
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """What an image model made: a picture that is fit to be stored, and how it came to be."""

    picture: Picture
    source_type: SourceType


@dataclass(frozen=True, slots=True)
class Document:
    """
    What a state store keeps: a body under (kind, id), changed by compare-and-set on its version.

    `tag` is found by equality. A document is gone for its readers from `expires_at` on.
    """

    kind: str
    id: str
    body: dict[str, Any]
    tag: str = ""
    expires_at: datetime | None = None
    version: str = ""
    """Set by the store, opaque; empty before the first write."""


RATIOS: dict[str, tuple[int, int]] = {
    "1:1": (1, 1),
    "4:3": (4, 3),
    "3:4": (3, 4),
    "16:9": (16, 9),
    "9:16": (9, 16),
    "3:2": (3, 2),
    "2:3": (2, 3),
}


def size_of(aspect_ratio: str, long_side: int) -> tuple[int, int]:
    """Width and height in pixels; both even, the longer one *long_side*."""
    across, down = RATIOS[aspect_ratio]
    short_side = 2 * round(long_side * min(across, down) / max(across, down) / 2)
    return (long_side, short_side) if across >= down else (short_side, long_side)
