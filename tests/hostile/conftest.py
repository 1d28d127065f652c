"""The service as an attacker finds it: in this process, or as one of its own whose memory can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.process import Replica, replica
from fakes.service import Service, serving


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A replica that draws offline, with the sample shop, and keeps everything in memory."""
    async with serving() as service:
        yield service


@pytest.fixture
async def attacked(tmp_path: Path) -> AsyncIterator[Replica]:
    """A replica with the default limits of pictures."""
    async with replica(DATA_DIR=str(tmp_path), CPU_WORKERS="2", PICTURE_SIZE="512") as service:
        yield service
