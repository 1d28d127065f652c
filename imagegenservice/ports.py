"""
What the core needs from the outside world.

One Protocol for each neighbour. Adapters subclass them by name, so that mypy checks each against its
port, and tests/contract/ checks how each behaves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from .model import Brief, CartLine, Document, Drawing, Picture, Product, Reference, SourceType
from .neighbours import Neighbours
from .urls import AdapterUrl


class Secret(Protocol):
    """A secret that may change while we run."""

    @abstractmethod
    async def read(self) -> str:
        """The current value. Raises Unavailable when there is none to be had."""

    @abstractmethod
    def distrust(self) -> None:
        """Say that the value was rejected, so that the next read looks again."""


class Darkroom(Protocol):
    """
    Work on pixels, out of this process, within bounds of time and memory.

    Pictures come in as bytes and go out encoded from upright sRGB pixels alone. Every method raises
    PictureRefused for anything that is not a readable JPEG, PNG or WebP within its limits. The sides of what
    comes out are in pixels.
    """

    @abstractmethod
    def prepare(self) -> None:
        """Get ready to compose, so that the first order does not wait. Does not block."""

    @abstractmethod
    async def develop(self, data: bytes, *, max_side: int) -> Picture:
        """An upload, no longer than *max_side*, in the configured format. Raises Overloaded when busy."""

    @abstractmethod
    async def reference(self, data: bytes, *, max_side: int, quality: int) -> Picture:
        """A JPEG on white, no longer than *max_side*, for an image model to look at."""

    @abstractmethod
    async def fill(self, data: bytes, width: int, height: int, source_type: SourceType) -> Picture:
        """What an image model made, cropped around its centre to the ratio, at this size, with provenance."""

    @abstractmethod
    async def compose(
        self,
        brief: Brief,
        references: Sequence[Reference],
        background: bytes | None,
        source_type: SourceType,
        progress: Callable[[float], None],
        *,
        cache_bytes: int,
    ) -> Picture:
        """
        The cart's picture, composed of the products' own pixels, with provenance.

        A product's picture that cannot be read leaves a card with its name; PictureRefused is for the
        background. *progress* hears shares from 0 to 1, from any thread. Cut-outs are kept for the next
        picture in *cache_bytes* of memory a child. Raises EngineAway when it does not get to its end.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an adapter may use of the service that opens it."""

    darkroom: Darkroom
    data_dir: Path
    project: str
    gemini_key: Secret | None
    neighbours: Neighbours = field(default_factory=Neighbours)


class Adapter(Protocol):
    """What every port shares: it is opened from a URL, and closed."""

    @classmethod
    @abstractmethod
    def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AbstractAsyncContextManager[Self]:
        """Open it, also while its cloud is away. Raises ConfigurationError where the URL is wrong."""


class PaidCallSlot(Protocol):
    """One call that costs money, between its intent and its outcome."""

    @abstractmethod
    def answered(
        self, *, model_version: str = "", usage: Mapping[str, int] | None = None, detail: str = ""
    ) -> None:
        """The provider answered, whatever it said: it is billed, and not asked again."""

    @abstractmethod
    def declined(self, detail: str) -> None:
        """The provider said that it did not do it (or was never reached): nothing is billed."""


class Commission(Protocol):
    """One order as an image model sees it."""

    brief: Brief
    references: Sequence[Reference]
    """In the order of brief.items."""
    background: bytes | None

    @property
    @abstractmethod
    def time_left(self) -> float:
        """Seconds in which an answer is still of use."""

    @abstractmethod
    def progress(self, share: float) -> None:
        """Say how far the drawing is, 0 to 1. From any thread; never blocks."""

    @abstractmethod
    def paid_call(self, engine: str) -> AbstractAsyncContextManager[PaidCallSlot]:
        """
        Store the intent on entering and the outcome on leaving; make the one call in between.

        Leaving without `answered` or `declined` records the outcome as unknown, and raises OutcomeUnknown
        in place of the exception that ended the block (cancellation excepted). Raises OutcomeUnknown on
        entering when an earlier call of this generation is still open.
        """


class ImageModel(Adapter, Protocol):
    """Turns a commission into pixels."""

    name: str
    """What answers and metrics call it, for example gemini/gemini-nano-banana-2.1."""
    paid: bool
    """True when a call costs money."""
    concurrency: int
    """How many drawings it makes at once."""

    @abstractmethod
    async def draw(self, commission: Commission) -> Drawing:
        """
        Draw exactly the items of the brief, at its size.

        Raises ContentBlocked (a refusal), EngineAway (may work later), OutcomeUnknown, or another
        DrawingFailed (will not work).
        """


class ObjectStorage(Adapter, Protocol):
    """
    Keeps bytes under keys like pictures/0f…a2.jpg. Keys are made by the core, never by a caller.

    Every method raises Unavailable when the storage does not answer in time, and Overloaded when it is
    full or too many calls wait.
    """

    @abstractmethod
    async def put(self, key: str, data: bytes, media_type: str) -> None:
        """
        Store *data*, whole or not at all; later readers see exactly these bytes.

        Keys name their content: when the key is taken, equal bytes are a success and others raise
        AlreadyExists. What was put again counts as stored now.
        """

    @abstractmethod
    async def get(self, key: str) -> bytes:
        """Raises KeyNotFound."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Nothing happens when there is none."""

    @abstractmethod
    async def list_older(self, prefix: str, before: datetime, limit: int) -> list[str]:
        """Keys below *prefix* that were stored before that time, at most *limit*."""

    @abstractmethod
    async def url(self, key: str) -> str | None:
        """An absolute URL that a browser can read for a while, or None: our own HTTP door serves it."""


class StateStore(Adapter, Protocol):
    """
    Keeps documents, each changed by compare-and-set on its version.

    A write that was confirmed survives the death of the process (memory:// excepted). Bodies are JSON
    objects of at most 900 kB. Every method raises Unavailable when the store does not answer in time, and
    Overloaded when it is full or too many calls wait; a write that raised Unavailable may have happened.
    """

    @abstractmethod
    async def create(self, document: Document) -> Document:
        """Store a new document, return it with its version. Replaces an expired one. Raises AlreadyExists."""

    @abstractmethod
    async def get(self, kind: str, id: str) -> Document | None:  # noqa: A002 - the document's own word
        """The document, unless there is none or it has expired."""

    @abstractmethod
    async def replace(self, document: Document) -> Document:
        """
        Store *document* if its version is still the stored one; return it with the new version.

        Raises VersionConflict when the document was changed or deleted in between.
        """

    @abstractmethod
    async def delete(self, document: Document) -> None:
        """Delete it if its version is still the stored one. Raises VersionConflict."""

    @abstractmethod
    async def tagged(self, kind: str, tag: str, limit: int) -> list[Document]:
        """Documents of *kind* with this tag, at most *limit*, oldest first."""

    @abstractmethod
    async def expired(self, kind: str, limit: int) -> list[Document]:
        """Documents of *kind* that have expired and are not deleted yet, at most *limit*, oldest first."""


class Carts(Protocol):
    """The shop's carts."""

    @abstractmethod
    async def lines(self, user_id: str) -> Sequence[CartLine]:
        """An unknown shopper has an empty cart. Raises Unavailable."""


class Catalog(Protocol):
    """The shop's products."""

    @abstractmethod
    async def products(self, ids: Collection[str]) -> Mapping[str, Product]:
        """The products that exist, by id. Raises Unavailable."""


class ProductPictures(Protocol):
    """The bytes behind Product.picture."""

    @abstractmethod
    async def fetch(self, address: str) -> bytes:
        """Raises FetchFailed (there is none, or not allowed), Unavailable (may work later)."""


class Web(Protocol):
    """Pictures at foreign addresses, behind the one URL guard."""

    @abstractmethod
    async def fetch(self, url: str) -> bytes:
        """Raises UrlNotAllowed, FetchFailed, Unavailable."""
