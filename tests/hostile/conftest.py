"""The service as an attacker finds it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fakes.service import Service, serving


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A replica that draws offline, with the sample shop, and keeps everything in memory."""
    async with serving() as service:
        yield service
