"""skaffold.yaml names what is there, and each profile deploys the image that it builds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helm_charts import CHART, template
from recipe import stages
from rendered import Rendered, strictly
from toolbox import ROOT, Tools, run

NAME = "imagegenerationservice"
(CONFIG,) = strictly((ROOT / "skaffold.yaml").read_text())
PROFILES = {profile["name"]: profile for profile in CONFIG["profiles"]}
DOCS = (ROOT / "docs/skaffold.md").read_text()


def with_profile(name: str) -> dict[str, Any]:
    """manifests and deploy, as Skaffold lays a profile over them: field by field, then its patches."""
    profile = PROFILES[name]
    merged = {part: {**CONFIG[part], **profile.get(part, {})} for part in ("manifests", "deploy")}
    for patch in profile.get("patches", []):
        *above, last = patch["path"].strip("/").split("/")
        target: Any = merged
        for step in above:
            target = target[step]
        assert patch["op"] == "remove"
        del target[last]
    return merged


def test_the_artifact_is_what_manifests_name_and_what_the_dockerfile_ends_in() -> None:
    (artifact,) = CONFIG["build"]["artifacts"]
    assert artifact["image"] == NAME
    assert artifact["docker"]["target"] == stages()[-1].name
    assert set(CONFIG["build"]["platforms"]) == {"linux/amd64", "linux/arm64"}


def test_by_default_the_plain_manifest_is_applied() -> None:
    (manifest,) = CONFIG["manifests"]["rawYaml"]
    found = Rendered.parse((ROOT / manifest).read_text())
    assert found.server["image"].partition(":")[0] == NAME
    assert {forward["resourceName"] for forward in CONFIG["portForward"]} == {NAME}
    ports = {port["name"] for port in found.one("Service", NAME)["spec"]["ports"]}
    assert {forward["port"] for forward in CONFIG["portForward"]} <= ports


def test_all_profiles_are_there() -> None:
    assert set(PROFILES) == {"gcp", "gcb", "debug", "helm"}


@pytest.mark.parametrize("name", ["gcp", "debug"])
def test_a_profile_of_kustomize_replaces_the_plain_manifest(name: str) -> None:
    manifests = with_profile(name)["manifests"]
    assert set(manifests) == {"kustomize"}
    assert [(ROOT / path / "kustomization.yaml").is_file() for path in manifests["kustomize"]["paths"]] == [
        True
    ]


def test_a_stopped_process_is_not_ended_while_it_is_debugged(tools: Tools) -> None:
    (path,) = PROFILES["debug"]["manifests"]["kustomize"]["paths"]
    server = Rendered.parse(run(tools.old_kubectl, "kustomize", str(ROOT / path))).server
    assert not {"livenessProbe", "readinessProbe"} & server.keys()
    assert {"name": "LOG_LEVEL", "value": "DEBUG"} in server["env"]


def test_the_chart_is_given_the_image_that_was_built(tools: Tools) -> None:
    deployed = with_profile("helm")
    assert deployed["manifests"] == {} if "manifests" in deployed else True
    assert set(deployed["deploy"]) == {"helm"}
    (release,) = deployed["deploy"]["helm"]["releases"]
    assert ROOT / release["chartPath"] == CHART
    known = {f"IMAGE_REPO_{NAME}": "r.test/shop/built", f"IMAGE_TAG_{NAME}": "v1-2-gabc"}
    values = dict(release["setValues"])
    for key, text in release["setValueTemplates"].items():
        values[key] = re.sub(r"\{\{\.(\w+)\}\}", lambda found: known[found[1]], text)
    flags = [word for key, value in values.items() for word in ("--set", f"{key}={str(value).lower()}")]
    found = Rendered.parse(template(tools.helm4, CHART, flags))
    assert found.server["image"] == "r.test/shop/built:v1-2-gabc"


def _lines(name: str) -> Any:
    (block,) = re.findall(rf"<!-- {name}: begin -->\n```yaml\n(.*?)```", DOCS, re.DOTALL)
    (found,) = strictly(block)
    return found


def test_the_lines_for_the_shop_lead_into_this_repository() -> None:
    (artifact,) = _lines("artifact")
    assert artifact == {"image": NAME, "context": f"src/{NAME}", "docker": {"target": "service"}}
    for path in (*_lines("path"), *_lines("component")["components"]):
        assert (ROOT / path.partition(f"src/{NAME}/")[2] / "kustomization.yaml").is_file(), path


def test_the_docs_name_every_profile() -> None:
    assert [name for name in PROFILES if f"`skaffold run -p {name}" not in DOCS and name != "debug"] == []
    assert "`skaffold debug`" in DOCS
