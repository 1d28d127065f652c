"""What tests need and a machine may lack: one rule for all of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest
from emulators import NotHere

T = TypeVar("T")


def had(get: Callable[[], T]) -> T:
    """Get it, or skip; where REQUIRE_EMULATORS is 1 nothing may be skipped."""
    try:
        return get()
    except NotHere as exc:
        if os.environ.get("REQUIRE_EMULATORS") == "1":
            pytest.fail(str(exc))
        pytest.skip(str(exc))
