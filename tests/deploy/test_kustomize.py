"""Every component alone, with a shop and with its policies, by an old and a new kubectl."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from building import COMPONENTS, KUSTOMIZE, PARTS, SETTINGS, SHOP, Kubectl, settings
from edges import ISTIOD, Edge, us
from rendered import SERVICE, Rendered, strictly
from rules import complaints
from rules_network import isolated, policies_admit_what_is_used, refused
from toolbox import ROOT, Failed, Tools

BASE = SHOP / "base"
ALL_COMPONENTS = sorted(path.name for path in COMPONENTS.iterdir())
COMBINATIONS = sorted(path.name for path in (KUSTOMIZE / "tests").iterdir())


@pytest.mark.parametrize("name", ALL_COMPONENTS)
def test_each_component_builds_alone(name: str, kubectl: Kubectl) -> None:
    found = kubectl.ours(f"components/{name}")

    assert complaints(found) == []
    # What has nothing to patch adds nothing.
    assert all(each["metadata"]["name"].startswith(SERVICE) for each in found)


@pytest.mark.parametrize("name", ALL_COMPONENTS)
def test_a_new_kubectl_builds_each_component_alike(name: str, kubectl: Kubectl, tools: Tools) -> None:
    assert Kubectl(tools.new_kubectl).ours(f"components/{name}") == kubectl.ours(f"components/{name}")


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_new_kubectl_builds_each_combination_alike(
    parts: tuple[str, ...], kubectl: Kubectl, tools: Tools
) -> None:
    chosen = (SHOP / "network-policies", *parts, "operations", "network-policies")

    new = Kubectl(tools.new_kubectl).compose(*chosen, base=BASE, also=settings())

    assert new == kubectl.compose(*chosen, base=BASE, also=settings())


@pytest.mark.parametrize("name", COMBINATIONS)
def test_each_combination_holds_by_itself(name: str, kubectl: Kubectl) -> None:
    assert complaints(kubectl.ours(f"tests/{name}")) == []


def test_each_component_is_in_a_combination_and_in_the_list() -> None:
    listed = {
        Path(part).name
        for name in COMBINATIONS
        for kustomization in strictly((KUSTOMIZE / "tests" / name / "kustomization.yaml").read_text())
        for part in kustomization["components"]
    }

    assert listed == set(ALL_COMPONENTS)
    assert set(PARTS) == set(COMBINATIONS)
    readme = (KUSTOMIZE / "README.md").read_text()
    assert all(
        f"-{name.removeprefix('image-generation-')}`" in readme for name in listed - {"image-generation"}
    )


@pytest.mark.parametrize("name", ALL_COMPONENTS)
def test_no_path_leads_out_of_a_component(name: str, tmp_path: Path, kubectl: Kubectl) -> None:
    shutil.copytree(COMPONENTS / name, tmp_path / name)

    assert kubectl.build(tmp_path / name) == kubectl.ours(f"components/{name}")
    assert (COMPONENTS / name / "README.md").is_file()


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_each_combination_joins_the_shop(parts: tuple[str, ...], kubectl: Kubectl) -> None:
    found = kubectl.compose(*parts, "operations", base=BASE, also=settings())

    assert complaints(found) == []
    (server,) = found.one("Deployment", "frontend")["spec"]["template"]["spec"]["containers"]
    assert found.environment(server)["IMAGE_GENERATION_SERVICE_ADDR"] == f"{SERVICE}:8080"
    assert found.environment(server)["CART_SERVICE_ADDR"] == "cartservice:7070"


def test_the_shop_is_changed_nowhere_else(kubectl: Kubectl) -> None:
    alone = kubectl.build(BASE)
    everything = PARTS["image-generation-all"]
    with_us = kubectl.compose(*everything, "operations", "network-policies", base=BASE, also=settings())

    changed = [each for each in alone if each not in with_us.objects]
    assert [each["metadata"]["name"] for each in changed] == ["frontend"]


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_after_the_shops_policies_ours_admit_all_that_is_used(
    parts: tuple[str, ...], kubectl: Kubectl
) -> None:
    theirs = SHOP / "network-policies"
    found = kubectl.compose(theirs, *parts, "operations", "network-policies", base=BASE, also=settings())

    # For its collector the shop has no policy but the one that closes everything.
    collector = "opentelemetrycollector"
    refused = f"us to {collector}:4317/TCP: refused as ingress of {collector}"
    assert complaints(found) == [f"policies_admit_what_is_used: {refused}"]


def test_a_frontend_that_is_closed_is_opened_for_its_pictures(kubectl: Kubectl) -> None:
    closed = (SHOP / "network-policies", SHOP / "closed-frontend")

    without = policies_admit_what_is_used(kubectl.compose(*closed, "", base=BASE))
    found = kubectl.compose(*closed, "", "network-policies", base=BASE)

    assert "us to frontend:8080/TCP: refused as egress of us" in without
    assert complaints(found) == []


def test_a_collector_that_has_a_policy_is_opened(kubectl: Kubectl) -> None:
    closed = (SHOP / "network-policies", SHOP / "collector-policy")

    found = kubectl.compose(*closed, "", "operations", "network-policies", base=BASE, also=settings())

    assert complaints(found) == []


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_before_the_shops_policies_ours_build_but_open_nothing_of_the_shop(
    parts: tuple[str, ...], kubectl: Kubectl
) -> None:
    theirs = SHOP / "network-policies"
    found = kubectl.compose(*parts, "network-policies", theirs, base=BASE, also=settings())

    closed = {"cartservice": 7070, "productcatalogservice": 3550}
    assert complaints(found) == [
        f"policies_admit_what_is_used: us to {name}:{port}/TCP: refused as ingress of {name}"
        for name, port in closed.items()
    ]


def test_patches_of_the_overlay_itself_open_the_shop_in_either_order(kubectl: Kubectl) -> None:
    theirs = SHOP / "network-policies"
    readme = (COMPONENTS / "image-generation-network-policies/README.md").read_text()
    patches = readme.partition("```yaml\n")[2].partition("```")[0]

    for order in (("", theirs), (theirs, "")):
        found = kubectl.compose(*order, base=BASE, also=patches)
        ours = replace(
            found,
            objects=tuple(
                each
                for each in found
                if each["kind"] != "NetworkPolicy" or each["metadata"]["name"] != "deny-all"
            ),
        )
        assert policies_admit_what_is_used(ours) == []


@pytest.mark.parametrize("theirs", [False, True], ids=["open shop", "closed shop"])
def test_no_policy_of_ours_closes_a_service_that_was_open(theirs: bool, kubectl: Kubectl) -> None:
    policies = (SHOP / "network-policies",) if theirs else ()
    before = kubectl.compose(*policies, "", base=BASE)
    after = kubectl.compose(*policies, "", "network-policies", base=BASE)

    ours = {(SERVICE, "Ingress"), (SERVICE, "Egress")}
    assert isolated(after) - isolated(before) <= ours
    assert isolated(after) >= ours
    assert us(after).labels == us(before).labels


def test_in_a_mesh_the_shops_authorization_lets_us_in(kubectl: Kubectl) -> None:
    theirs = SHOP / "authorization-policies"
    found = kubectl.compose(theirs, "", "istio", base=BASE)
    without = kubectl.compose(theirs, "", base=BASE)

    assert complaints(found) == []
    assert [fault.split(":")[0] for fault in complaints(without)] == ["the_mesh_lets_us_out"] * 4


def test_in_a_mesh_the_sidecar_reaches_its_control_plane_through_our_policies(kubectl: Kubectl) -> None:
    meshed, plain = (kubectl.compose("", *mesh, "network-policies", base=BASE) for mesh in (("istio",), ()))

    assert refused(meshed, Edge(us(meshed), ISTIOD, 15012)) == ""
    assert refused(plain, Edge(us(plain), ISTIOD, 15012)) == "refused as egress of us"


def test_the_production_overlay_says_what_is_not_filled_in(kubectl: Kubectl) -> None:
    with pytest.raises(Failed, match=r"data\.GOOGLE_SERVICE_ACCOUNT. is missing"):
        kubectl.build(KUSTOMIZE / "overlays/production")


def test_the_production_overlay_holds_once_it_is_filled_in(kubectl: Kubectl, tmp_path: Path) -> None:
    account = "pictures@boutique-1234.iam.gserviceaccount.com"
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    overlay = tmp_path / "kustomize/overlays/production"
    asked = [
        line.partition("=")[0].lstrip("#") for line in (overlay / "settings.env").read_text().splitlines()[1:]
    ]
    values = {**SETTINGS, "GOOGLE_SERVICE_ACCOUNT": account}
    (overlay / "settings.env").write_text("".join(f"{name}={values[name]}\n" for name in asked))

    found = kubectl.build(overlay)

    assert complaints(found) == []
    annotations = found.one("ServiceAccount", SERVICE)["metadata"]["annotations"]
    assert annotations == {"iam.gke.io/gcp-service-account": account}


@pytest.mark.parametrize("missing", ["GCS_BUCKET", "PROJECT_ID"])
def test_a_value_that_is_left_out_stops_the_pod(missing: str, kubectl: Kubectl) -> None:
    found = kubectl.compose("", "hpa", also=settings(**{**SETTINGS, missing: None}))

    assert [fault for fault in complaints(found) if f"no {missing} in ConfigMap/{SERVICE}-settings" in fault]


@pytest.mark.parametrize("empty", ["GCS_BUCKET", "PROJECT_ID"])
def test_a_value_that_is_empty_stops_the_server(empty: str, kubectl: Kubectl, tmp_path: Path) -> None:
    found = kubectl.compose("", "hpa", also=settings(**{**SETTINGS, empty: ""}))
    env = {**found.env, "DATA_DIR": str(tmp_path), "PORT": "0", "HTTP_PORT": "0", "PYTHONPATH": str(ROOT)}

    server = subprocess.run(
        [sys.executable, "-m", "imagegenservice"],
        env=env,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert server.returncode == 2
    assert {"GCS_BUCKET": "gs://: write gs://bucket", "PROJECT_ID": "firestore://: write"}[
        empty
    ] in server.stderr
    assert [fault for fault in complaints(found) if fault.startswith("values_are_understood")]


def test_the_components_manifest_is_the_plain_one() -> None:
    plain = ROOT / "kubernetes-manifests/imagegenerationservice.yaml"
    copy = COMPONENTS / "image-generation/imagegenerationservice.yaml"

    assert copy.read_text() == plain.read_text()


def test_an_image_is_named_once_and_replaced_by_its_name(kubectl: Kubectl) -> None:
    images = (
        f"images:\n  - name: {SERVICE}\n    newName: registry.invalid/shop/{SERVICE}\n    newTag: 1.2.3\n"
    )

    found = kubectl.compose("", also=images)

    assert found.server["image"] == f"registry.invalid/shop/{SERVICE}:1.2.3"


def test_a_namespace_is_the_users(kubectl: Kubectl) -> None:
    found = kubectl.compose("", "istio", "network-policies", also="namespace: pictures\n")

    assert complaints(replace(found, namespace="pictures")) == []
    assert {each["metadata"]["namespace"] for each in found} == {"pictures"}


def test_one_disk_for_several_replicas_is_noticed(kubectl: Kubectl) -> None:
    found = kubectl.compose("", "pvc", "hpa", also=settings())

    assert complaints(found) == [f"replicas_share_their_state: several replicas on the one disk {SERVICE}"]


def test_the_autoscaled_service_is_the_one_of_firestore_and_the_bucket(kubectl: Kubectl) -> None:
    scaled = kubectl.compose("", "hpa", also=settings())
    chosen = kubectl.compose("", "gcs", "firestore", also=settings())

    assert scaled.env == chosen.env


@pytest.mark.parametrize("parts", [("pvc", "gemini"), ("hpa", "gcs", "firestore")])
def test_components_give_the_same_in_any_order(parts: tuple[str, ...], kubectl: Kubectl) -> None:
    others = ("operations", "istio", "network-policies")
    one = kubectl.compose("", *parts, *others, also=settings())
    other = kubectl.compose("", *reversed((*parts, *others)), also=settings())

    assert _unordered(one) == _unordered(other)


def _unordered(found: Rendered) -> list[str]:
    def sorted_out(value: object) -> object:
        if isinstance(value, dict):
            return sorted((key, sorted_out(inner)) for key, inner in value.items())
        if isinstance(value, list):
            return sorted((sorted_out(inner) for inner in value), key=repr)
        return value

    return sorted(repr(sorted_out(each)) for each in found)
