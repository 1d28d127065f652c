"""An order in a test's hands: it keeps the ledger in a list, and holds an image model to its port."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from imagegenservice.errors import OutcomeUnknown
from imagegenservice.model import Brief, Drawing, Item, Product, Reference, size_of
from imagegenservice.ports import Commission, PaidCallSlot


@dataclass
class Call(PaidCallSlot):
    engine: str
    outcome: str = "open"
    detail: str = ""
    model_version: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)

    def answered(
        self, *, model_version: str = "", usage: Mapping[str, int] | None = None, detail: str = ""
    ) -> None:
        assert self.outcome == "open"
        self.outcome, self.detail = "answered", detail
        self.model_version, self.usage = model_version, dict(usage or {})

    def declined(self, detail: str) -> None:
        assert self.outcome == "open"
        self.outcome, self.detail = "declined", detail


class TestCommission(Commission):
    """`calls` is the ledger; `shares` what progress was told."""

    __test__ = False

    def __init__(
        self,
        brief: Brief,
        pictures: Sequence[bytes | None],
        background: bytes | None = None,
        *,
        seconds: float = 30.0,
    ) -> None:
        self.brief = brief
        self.references = [Reference(*pair) for pair in zip(brief.items, pictures, strict=True)]
        self.background = background
        self.calls: list[Call] = []
        self.shares: list[float] = []
        self._until = asyncio.get_running_loop().time() + seconds

    @property
    def time_left(self) -> float:
        return self._until - asyncio.get_running_loop().time()

    @property
    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.calls]

    def progress(self, share: float) -> None:
        self.shares.append(share)

    @asynccontextmanager
    async def paid_call(self, engine: str) -> AsyncIterator[Call]:
        if any(call.outcome in {"open", "unknown"} for call in self.calls):
            raise OutcomeUnknown
        call = Call(engine)
        self.calls.append(call)
        try:
            yield call
        except Exception as exc:
            if call.outcome != "open":
                raise
            call.outcome = "unknown"
            raise OutcomeUnknown from exc
        except BaseException:
            call.outcome = "unknown" if call.outcome == "open" else call.outcome
            raise
        if call.outcome == "open":
            call.outcome = "unknown"


def pixels_of(drawing: Drawing) -> np.ndarray:
    """What is seen of it: (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(drawing.picture.data)).convert("RGB"))


def brief_of(
    names: Sequence[str], *, ratio: str = "1:1", side: int = 256, style: str = "modern", quantity: int = 1
) -> Brief:
    """One item for each name, with ids P1, P2, …"""
    width, height = size_of(ratio, side)
    items = tuple(
        Item(product=Product(id=f"P{number}", name=name, description=f"A fine {name}."), quantity=quantity)
        for number, name in enumerate(names, 1)
    )
    return Brief(
        items=items, style=style, style_version=1, aspect_ratio=ratio, width=width, height=height, seed=7
    )
