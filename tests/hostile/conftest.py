"""The real service as a process, so that its memory and that of its children can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.process import Replica, replica


@pytest.fixture
async def attacked(tmp_path: Path) -> AsyncIterator[Replica]:
    """A replica with the default limits of pictures."""
    async with replica(DATA_DIR=str(tmp_path), CPU_WORKERS="2", PICTURE_SIZE="512") as service:
        yield service
