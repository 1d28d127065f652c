"""The tools, and what they render, once for all tests."""

from __future__ import annotations

import os

import pytest
from building import Kubectl
from emulators import NotHere
from toolbox import Tools, get_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Helm and kubectl, or a skip; where REQUIRE_EMULATORS is 1 nothing may be skipped."""
    try:
        return get_tools()
    except NotHere as exc:
        if os.environ.get("REQUIRE_EMULATORS") == "1":
            pytest.fail(str(exc))
        pytest.skip(str(exc))


@pytest.fixture(scope="session")
def kubectl(tools: Tools) -> Kubectl:
    """The old one, which most tests ask."""
    return Kubectl(tools.old_kubectl)
