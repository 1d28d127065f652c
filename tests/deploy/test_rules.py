"""The rules catch what they are for: a set without defects, and every defect put into it alone."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from building import COMPONENTS, SHOP
from rendered import Malformed, Rendered, matches, strictly
from rules import OF_ANY_SET, OF_OURS, complaints
from seeds import Parts, Seed
from seeds_objects import OF_THE_OBJECTS
from seeds_pods import OF_THE_POD
from seeds_policies import OF_THE_MESH, OF_THE_POLICIES
from toolbox import ROOT

PLAIN = ROOT / "kubernetes-manifests/imagegenerationservice.yaml"
MESH = COMPONENTS / "image-generation-istio"
FILES = (
    COMPONENTS / "image-generation-network-policies/policies.yaml",
    SHOP / "base/shop.yaml",
    *(MESH / name for name in ("authorization.yaml", "sidecar.yaml", "service-entries.yaml")),
)
"""What is put beside our manifest where policies are looked at."""


def read(*files: Path) -> Parts:
    return Parts([document for file in files for document in strictly(file.read_text())])


def in_the_cloud() -> Parts:
    """With policies, in a mesh, on Google's APIs."""
    parts = read(PLAIN, *FILES)
    parts.env("OBJECT_STORAGE", "gs://boutique-pictures")
    labels = parts["Deployment"]["spec"]["template"]["metadata"]["labels"]
    labels |= {f"imagegenerationservice/uses-google-{what}": "true" for what in ("apis", "identity")}
    return parts


def rendered(parts: Parts) -> Rendered:
    return Rendered(tuple(copy.deepcopy(parts.objects)))


@pytest.mark.parametrize("parts", [read(PLAIN), in_the_cloud()], ids=["plain", "in the cloud"])
def test_a_set_without_defects_has_no_complaints(parts: Parts) -> None:
    assert complaints(rendered(parts)) == []


@pytest.mark.parametrize("seed", [*OF_THE_OBJECTS, *OF_THE_POD], ids=lambda seed: seed.name)
def test_a_defect_of_the_pod_is_named(seed: Seed) -> None:
    parts = read(PLAIN)
    seed.plant(parts)

    assert [fault for fault in seed.rule(rendered(parts)) if seed.words in fault]


@pytest.mark.parametrize("seed", [*OF_THE_POLICIES, *OF_THE_MESH], ids=lambda seed: seed.name)
def test_a_defect_of_the_policies_is_named(seed: Seed) -> None:
    parts = in_the_cloud()
    seed.plant(parts)

    assert [fault for fault in seed.rule(rendered(parts)) if seed.words in fault]


def test_every_rule_is_shown_to_catch_something() -> None:
    assert {seed.rule for seed in (*OF_THE_OBJECTS, *OF_THE_POD, *OF_THE_POLICIES, *OF_THE_MESH)} == {
        *OF_ANY_SET,
        *OF_OURS,
    }


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="line 4: the key 'annotations' is given twice"):
        Rendered.parse(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {}\n  annotations: {}\n"
        )


def test_an_object_that_is_given_twice_is_refused() -> None:
    twice = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\n" * 2

    with pytest.raises(Malformed, match="ServiceAccount//a is given twice"):
        Rendered.parse(twice)


@pytest.mark.parametrize(
    "text", ["just text", "kind: Service", "apiVersion: v1\nkind: Service\nmetadata: {}", "a: ["]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Rendered.parse(text)


@pytest.mark.parametrize(
    ("operator", "values", "there"),
    [("In", ["a"], True), ("NotIn", ["a"], False), ("Exists", [], True), ("DoesNotExist", [], False)],
)
def test_selectors_are_understood(operator: str, values: list[str], there: bool) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}

    assert matches(selector, {"app": "a"}) is there
    assert matches({}, {"app": "a"})
    assert not matches(None, {"app": "a"})
