"""The plain manifest, and the YAML of the whole repository."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cluster import cluster, kubeconfig
from rendered import SERVICE, Rendered
from rules import complaints
from rules_state import own_state
from toolbox import ROOT, Tools, run

PLAIN = ROOT / "kubernetes-manifests/imagegenerationservice.yaml"


@pytest.fixture(scope="module")
def plain() -> Rendered:
    """What `kubectl apply -f` is given."""
    return Rendered.parse(PLAIN.read_text())


def test_the_plain_manifest_holds(plain: Rendered) -> None:
    assert complaints(plain) == []


def test_the_plain_manifest_needs_no_cloud_account(plain: Rendered) -> None:
    settings = plain.settings

    assert own_state(plain)
    assert settings.image_model_urls == ("compositor://",)
    assert settings.cart_service_addr == "cartservice:7070"
    assert settings.product_catalog_service_addr == "productcatalogservice:3550"
    assert settings.pictures_url == "http://frontend:80"
    assert not plain.of("Secret")
    assert not plain.of("ConfigMap")


def test_the_image_is_this_version_of_ours(plain: Rendered) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert plain.server["image"] == f"{SERVICE}:{version}"
    assert plain.server["imagePullPolicy"] == "IfNotPresent"


def test_the_shape_is_the_shops(plain: Rendered) -> None:
    assert [each["kind"] for each in plain] == ["ServiceAccount", "Service", "Deployment"]
    assert {each["metadata"]["name"] for each in plain} == {SERVICE}
    assert all(each["metadata"]["labels"] == {"app": SERVICE} for each in plain)
    ports = {port["name"]: port["port"] for port in plain.one("Service", SERVICE)["spec"]["ports"]}
    assert ports == {"grpc": 8080, "http": 8081}


@pytest.mark.parametrize("how", [("-f", PLAIN), ("-k", ROOT / "kustomize/components/image-generation")])
@pytest.mark.parametrize("version", ["old", "new"])
def test_kubectl_applies_it_as_it_is_in_any_namespace(
    how: tuple[str, Path], version: str, tools: Tools, tmp_path: Path
) -> None:
    program = tools.old_kubectl if version == "old" else tools.new_kubectl
    with cluster() as address:
        config = kubeconfig(address, tmp_path)
        flags = (
            "--kubeconfig",
            str(config),
            "--namespace",
            "pictures",
            "--dry-run=client",
            "--validate=false",
        )
        said = run(program, "apply", *flags, *map(str, how))

    kinds = ("serviceaccount", "service", "deployment.apps")
    assert said.splitlines() == [f"{kind}/{SERVICE} created (dry run)" for kind in kinds]


def test_all_yaml_is_in_one_style() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0
