"""The tools, and what they render, once for all tests."""

from __future__ import annotations

import pytest
from building import Kubectl
from needed import had
from toolbox import Tools, get_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Helm and kubectl, or a skip; where REQUIRE_EMULATORS is 1 nothing may be skipped."""
    return had(get_tools)


@pytest.fixture(scope="session")
def kubectl(tools: Tools) -> Kubectl:
    """The old one, which most tests ask."""
    return Kubectl(tools.old_kubectl)
