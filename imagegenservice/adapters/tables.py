"""Every adapter that the service knows. A new one is its own file and one line here."""

from __future__ import annotations

from ..ports import ImageModel, ObjectStorage, StateStore
from . import Table

IMAGE_MODELS = Table[ImageModel](
    "image model",
    {
        "compositor": "image_models.compositor:Compositor",
        "gemini": "image_models.gemini:Gemini",
    },
)
OBJECT_STORAGE = Table[ObjectStorage](
    "object storage",
    {
        "file": "object_storage.filesystem:Filesystem",
        "gs": "object_storage.gcs:Gcs",
        "memory": "object_storage.memory:Memory",
    },
)
STATE_STORES = Table[StateStore](
    "state store",
    {
        "firestore": "state_store.firestore:Firestore",
        "memory": "state_store.memory:Memory",
        "sqlite": "state_store.sqlite:Sqlite",
    },
)
