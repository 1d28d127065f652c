"""What the chart renders, alone and inside the shop's own chart, by an old Helm and by a new one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rendered import Rendered
from rules import Rule, complaints
from toolbox import ROOT, Tools, run

CHART = ROOT / "helm-chart"
TEMPLATE = CHART / "templates/imagegenerationservice.yaml"
SHOP = Path(__file__).parent / "shop-chart"
NAMESPACE = "boutique"
KEY = "a-key-that-is-nowhere-else"


@dataclass(frozen=True)
class Case:
    """
    A choice of values. Keys of our own service are written without their first word.

    `given`: kind and name of what the user brings. `without`: rules that do not hold for it, on purpose.
    """

    name: str
    values: tuple[str, ...] = ()
    shop: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    without: tuple[Rule, ...] = ()
    arguments: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.name

    @property
    def flags(self) -> list[str]:
        """As they stand on Helm's command line."""
        own = [f"imageGenerationService.{value}" for value in ("create=true", *self.values)]
        return [part for value in (*own, *self.shop) for part in ("--set", value)] + list(self.arguments)


def template(helm: Path, chart: Path, flags: Sequence[str]) -> str:
    """What `helm template` prints. Raises toolbox.Failed."""
    return run(helm, "template", "pictures", str(chart), "--namespace", NAMESPACE, *flags)


def rendered(tools: Tools, chart: Path, case: Case, *more: str) -> Rendered:
    """The objects of *case*, which are the same for both Helms."""
    by_old, by_new = (
        Rendered.parse(text, given=frozenset(case.given), namespace=NAMESPACE)
        for text in _by_both(tools, chart, [*case.flags, *more])
    )
    assert _sorted(by_old) == _sorted(by_new)
    return by_new


def by_new(tools: Tools, chart: Path, case: Case, *more: str) -> Rendered:
    """The objects of *case* by the newer Helm alone, where what is asked cannot depend on it."""
    text = template(tools.helm4, chart, [*case.flags, *more])
    return Rendered.parse(text, given=frozenset(case.given), namespace=NAMESPACE)


def _by_both(tools: Tools, chart: Path, flags: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda helm: template(helm, chart, flags), (tools.helm3, tools.helm4)))


def faults(found: Rendered, case: Case) -> list[str]:
    """What the rules say of it."""
    return complaints(found, case.without)


def shop_with_ours(folder: Path) -> Path:
    """The shop's chart with our template among its own and our values beside its own."""
    chart = folder / "shop"
    shutil.copytree(SHOP, chart)
    shutil.copy(TEMPLATE, chart / "templates")
    return chart


def _sorted(found: Rendered) -> list[str]:
    return sorted(map(repr, found.objects))
