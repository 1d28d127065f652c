"""What a round left behind, read past the code that wrote it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.cloud.firestore_v1 import AsyncClient

Documents = dict[str, dict[str, dict[str, Any]]]
"""kind -> id -> body."""


def in_file(path: Path) -> Documents:
    """Everything in a SQLite file."""
    found: Documents = defaultdict(dict)
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    for kind, name, body in connection.execute("SELECT kind, id, body FROM documents"):
        found[kind][name] = json.loads(body)
    connection.close()
    return dict(found)


async def in_emulator(client: AsyncClient, prefix: str, kinds: Iterable[str]) -> Documents:
    """What the emulator's collections hold."""
    found: Documents = defaultdict(dict)
    for kind in kinds:
        async for there in client.collection(f"{prefix}-{kind}").stream():
            found[kind][there.id] = json.loads(there.get("body"))
    return dict(found)


def objects(folder: Path) -> dict[str, bytes]:
    """Every stored picture, past the code that stores them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".unfinished" not in path.parts
    }


def bill(path: Path) -> list[dict[str, Any]]:
    """What the model would charge for, as it wrote it down before it answered."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
