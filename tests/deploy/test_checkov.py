"""Checkov finds nothing in what is rendered, built and provisioned but what is skipped for a reason."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from building import KUSTOMIZE
from helm_cases import CASES
from helm_charts import CHART, template
from judge import Verdict, get_checkov, judged
from needed import had
from recipe import DOCKERFILE
from rendered import strictly
from toolbox import ROOT, Tools, run

CONFIG = ROOT / ".checkov.yaml"
((SETTINGS),) = strictly(CONFIG.read_text())
SKIPPED = set(SETTINGS["skip-check"])
ONLY_ALONE = {"CKV2_K8S_6"}
"""Asks whether any policy in the folder selects the pod: in a folder of all renderings one does."""
OF_TEST_PODS = {"CKV_K8S_8", "CKV_K8S_9"}
"""Ask for probes, which a pod that ends by itself does not need."""
CHOSEN = {
    *("create alone", "the four flags", "three pods", "autoscaling", "a volume"),
    *("network policies and tracing", "a mesh and everything"),
}
pytestmark = pytest.mark.timeout(900)
"""The first run installs it."""


@pytest.fixture(scope="module")
def verdicts(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """One run for everything: most of its time is its start."""
    checkov = had(get_checkov)
    folder = tmp_path_factory.mktemp("judged")
    for case in CASES:
        if case.name in CHOSEN:
            text = template(tools.helm4, CHART, case.flags)
            (folder / f"chart-{case.name.replace(' ', '-')}.yaml").write_text(text)
    for path in sorted([*(KUSTOMIZE / "tests").iterdir(), KUSTOMIZE / "overlays/debug"]):
        (folder / f"kustomize-{path.name}.yaml").write_text(run(tools.new_kubectl, "kustomize", str(path)))
    for path in (*(ROOT / "kubernetes-manifests").glob("*.yaml"), DOCKERFILE):
        shutil.copy(path, folder)
    shutil.copytree(ROOT / "terraform", folder / "terraform")
    return judged(checkov, folder)


def test_it_has_read_every_kind_of_tree(verdicts: dict[str, Verdict]) -> None:
    assert set(verdicts) == {"kubernetes", "dockerfile", "terraform"}
    assert [each.unread for each in verdicts.values()] == [()] * 3
    assert verdicts["kubernetes"].passed > 1000
    assert verdicts["dockerfile"].passed > 50
    assert verdicts["terraform"].passed > 5
    assert {case.name for case in CASES} >= CHOSEN


def test_it_finds_nothing_but_what_is_skipped_for_a_reason(verdicts: dict[str, Verdict]) -> None:
    found = [fault for verdict in verdicts.values() for fault in verdict.failed if fault[0] not in SKIPPED]
    wrong = [
        fault
        for fault in found
        if not (fault[0] in OF_TEST_PODS and re.search(r" Pod\.\S+-test$", fault[2]))
        and not _of_debugging(fault)
    ]
    assert sorted(wrong) == []


def _of_debugging(fault: tuple[str, str, str]) -> bool:
    """A process that stands at a breakpoint has no probes on purpose."""
    return fault[0] in OF_TEST_PODS and fault[2].startswith("/kustomize-debug.yaml Deployment.")


def test_nothing_is_skipped_any_more_that_would_pass(verdicts: dict[str, Verdict]) -> None:
    failed = {check for verdict in verdicts.values() for check, _, _ in verdict.failed}
    assert SKIPPED - failed == ONLY_ALONE


def test_every_skip_has_its_reason() -> None:
    lines = CONFIG.read_text().partition("skip-check:\n")[2].splitlines()
    checks = [number for number, line in enumerate(lines) if line.startswith("  - ")]
    assert len(checks) == len(SKIPPED)
    assert [lines[number] for number in checks if not re.match(r"  # \S.{20}", lines[number - 1])] == []


def test_a_pod_without_hardening_is_found(tools: Tools, tmp_path: Path, verdicts: dict[str, Verdict]) -> None:
    del verdicts  # it is installed
    flags = ["--set", "imageGenerationService.create=true", "--set", "securityContext.enable=false"]
    (tmp_path / "bare.yaml").write_text(template(tools.helm4, CHART, flags))
    found = {check for check, _, _ in judged(get_checkov(), tmp_path)["kubernetes"].failed}
    assert {"CKV_K8S_22", "CKV_K8S_28", "CKV_K8S_20"} & found
    assert found - SKIPPED
