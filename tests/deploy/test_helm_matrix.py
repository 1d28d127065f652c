"""Every promised choice of values, alone and in the shop's own chart, by both Helms and under all rules."""

from __future__ import annotations

import pytest
from helm_cases import CASES
from helm_charts import CHART, faults, rendered, shop_with_ours

HARDENED = ("--set", "seccompProfile.enable=true")


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return shop_with_ours(tmp_path_factory.mktemp("charts"))


def test_there_are_enough_of_them():
    assert len(CASES) >= 20
    assert len({case.flags[1:].__repr__() for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alone_it_keeps_every_rule(tools, case):
    assert faults(rendered(tools, CHART, case), case) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_in_the_shops_chart_it_keeps_every_rule(tools, case, shop):
    # What the shop leaves off is switched on first, so that a case may switch it off again.
    hardened = [] if any("seccomp" in value for value in case.shop) else HARDENED
    values = ("--values", str(CHART / "values.yaml"))
    assert faults(rendered(tools, shop, case, *values, *hardened), case) == []
