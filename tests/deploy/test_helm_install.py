"""What an installation asks the cluster, and what it tells the user afterwards."""

from __future__ import annotations

import re

import pytest
from cluster import cluster, kubeconfig
from helm_cases import ASM, BUCKET, FIRESTORE, FOUR, GSA, PROJECT
from helm_charts import CHART, KEY, NAMESPACE, Case
from rendered import SERVICE, Rendered
from toolbox import run

DRY = ("--dry-run=server", "--disable-openapi-validation")
OURS = {SERVICE, f"{SERVICE}-test"}


def policy(name, selector, version="networking.k8s.io/v1", kind="NetworkPolicy", **labels):
    field = "podSelector" if kind == "NetworkPolicy" else "selector"
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {field: selector}}


def authorization(name, selector):
    return policy(name, selector, "security.istio.io/v1beta1", "AuthorizationPolicy")


def app(name):
    return {"matchLabels": {"app": name}}


@pytest.fixture
def install(tools, tmp_path):
    """A dry run that asks the cluster, by both Helms: the objects and the notes."""

    def installed(*objects, values=(), shop=ASM):
        with cluster(*objects) as address:
            config = kubeconfig(address, tmp_path)
            flags = ["--namespace", NAMESPACE, "--kubeconfig", str(config), *Case("", values, shop).flags]
            texts = [
                run(helm, "install", "pictures", str(CHART), *DRY, *flags)
                for helm in (tools.helm3, tools.helm4)
            ]
        first, second = (_split(text) for text in texts)
        assert first[1] == second[1]
        return second

    return installed


def _split(text):
    body, _, notes = text.partition("\nNOTES:\n")
    manifest = body.partition("\nMANIFEST:\n")[2]
    return Rendered.parse(manifest, namespace=NAMESPACE), notes.strip()


def names(found, kind):
    return {each["metadata"]["name"] for each in found.of(kind)} - OURS


def test_where_the_shop_has_no_policies_none_of_its_services_is_given_a_first_one(install):
    found, _ = install()
    assert names(found, "NetworkPolicy") == names(found, "AuthorizationPolicy") == set()
    assert found.find("NetworkPolicy", SERVICE) is not None


def test_only_the_services_that_have_policies_are_opened(install):
    found, _ = install(
        policy("carts", app("cartservice")),
        policy("ads", app("adservice")),
        authorization("catalog", app("productcatalogservice")),
    )
    assert names(found, "NetworkPolicy") == {f"{SERVICE}-to-cartservice"}
    assert names(found, "AuthorizationPolicy") == {f"{SERVICE}-to-productcatalogservice"}


def test_a_policy_for_all_closes_every_service(install):
    found, _ = install(policy("deny-all", {}), authorization("deny-all", {}))
    everyone = {f"{SERVICE}-to-{name}" for name in ("cartservice", "productcatalogservice", "frontend")}
    assert names(found, "NetworkPolicy") == names(found, "AuthorizationPolicy") == everyone


def test_our_own_policies_of_an_earlier_installation_do_not_count(install):
    found, _ = install(policy(f"{SERVICE}-to-cartservice", app("cartservice"), app=SERVICE))
    assert names(found, "NetworkPolicy") == set()


def test_it_can_be_decided_beforehand(install):
    found, _ = install(values=("openShop=always",))
    assert f"{SERVICE}-to-cartservice" in names(found, "NetworkPolicy")


def test_the_notes_say_what_is_on_and_what_comes_next(install):
    _, notes = install(
        values=(*FIRESTORE, GSA, f"geminiApiKey={KEY}", "replicas=3", "publicUrl=https://x.test")
    )
    for line in (
        "engines      gemini://, compositor://",
        "pictures     gs://pictures-of-carts",
        "records      firestore://",
        "pods         3",
        "identity     pictures@boutique-1.iam.gserviceaccount.com",
        "policies     network, sidecar, authorization",
        "traces       off",
        "IMAGE_GENERATION_SERVICE_ADDR=imagegenerationservice:8080",
        "kubectl patch sidecar frontend",
        "helm test pictures --namespace boutique",
        "which is paid for",
    ):
        assert line in notes
    assert KEY not in notes
    assert "end with it" not in notes


def test_the_notes_warn_of_what_is_lost(install):
    _, notes = install(shop=())
    assert "end with it" in notes
    assert "publicUrl" in notes
    assert "kubectl patch sidecar" not in notes
    assert "policies     none" in notes
    _, notes = install(values=(BUCKET,), shop=())
    assert "end with it" in notes
    _, notes = install(values=("persistence.enabled=true",), shop=())
    assert "end with it" not in notes
    _, notes = install(
        values=(*FIRESTORE, "autoscaling.enabled=true"), shop=("googleCloudOperations.tracing=true",)
    )
    assert re.search(r"pods +2 to 6, by load", notes)
    assert re.search(r"traces +to opentelemetrycollector:4317", notes)


def test_the_notes_of_what_is_off_say_how_to_switch_it_on(tools, tmp_path):
    with cluster() as address:
        flags = [*DRY, "--kubeconfig", str(kubeconfig(address, tmp_path))]
        text = run(tools.helm4, "install", "pictures", str(CHART), *flags)
    assert "--set imageGenerationService.create=true" in _split(text)[1]


def test_an_installation_with_the_four_flags_renders(install):
    found, _ = install(values=FOUR, shop=())
    assert found.env["PROJECT_ID"] == PROJECT.partition("=")[2]
