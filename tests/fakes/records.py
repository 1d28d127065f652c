"""Generations for unit tests, in a store in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.bulletin import Bulletin
from imagegenservice.model import Brief, Generation, Item, Product
from imagegenservice.records import Records, first, now

BRIEF = Brief(
    items=(Item(product=Product(id="CUP", name="A cup", picture="/cup.jpg"), quantity=1),),
    style="modern",
    style_version=1,
    aspect_ratio="1:1",
    width=256,
    height=256,
    seed=0,
)


def generation(name: str = "g1", **fields: Any) -> Generation:
    created = now()
    whole = {
        "id": name,
        "owner": "",
        "brief": BRIEF,
        "fingerprint": "f",
        "created_at": created,
        "expires_at": created + timedelta(hours=1),
        **fields,
    }
    return first(Generation(**whole))


def records() -> Records:
    return Records(Memory(), Bulletin(interval=0.01))
