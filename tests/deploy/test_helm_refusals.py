"""What cannot be meant ends the rendering with words that help, before anything is installed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from helm_cases import BUCKET, FIRESTORE, GSA, PROJECT
from helm_charts import CHART, Case, faults, rendered, shop_with_ours, template
from toolbox import ROOT, Failed, run

from imagegenservice.settings import Settings

CONTRADICTIONS = {
    "two pods with SQLite and files": (("replicas=2",), "2 pods cannot share"),
    "two pods with SQLite": (("replicas=2", BUCKET), "2 pods cannot share sqlite"),
    "two pods with state in memory": (("replicas=2", BUCKET, "stateStore=memory://"), "share memory://"),
    "two pods with file storage": (
        ("replicas=2", PROJECT, "stateStore=firestore://", "persistence.enabled=true"),
        "firestore:// and file:///data/pictures",
    ),
    "two pods with pictures in memory": (
        ("replicas=2", PROJECT, "stateStore=firestore://", "objectStorage=memory://"),
        "firestore:// and memory://",
    ),
    "autoscaling with SQLite": (("autoscaling.enabled=true", BUCKET), "6 pods cannot share"),
    "Firestore without a project": ((BUCKET, "stateStore=firestore://"), "Firestore needs a project"),
    "Vertex AI without a project": (("imageModels={gemini://?vertex=true}",), "Vertex AI needs a project"),
    "Gemini without a key": (("imageModels={gemini://}",), "there is no key"),
    "a key that nobody uses": (
        ("geminiApiKey=key", "imageModels={compositor://}"),
        "a key for Gemini that no engine",
    ),
    "two keys": (("geminiApiKey=key", "existingSecret=gemini"), "set one of geminiApiKey"),
    "a bucket and another storage": ((BUCKET, "objectStorage=memory://"), "gcsBucket or objectStorage"),
    "a key's file that is not mounted": (
        ("geminiApiKeySecret=/var/keys/gemini",),
        "no entry of volumeMounts",
    ),
    "records that outlive their pictures": ((PROJECT, "stateStore=firestore://"), "would outlive pictures"),
    "a volume for nothing": ((*FIRESTORE, "persistence.enabled=true"), "nothing to keep"),
    "more pods than the most": (
        (*FIRESTORE, "autoscaling.enabled=true", "autoscaling.maxReplicas=1"),
        "minReplicas is more than",
    ),
    "two ways to name the Google account": (
        (GSA, r"serviceAccount.annotations.iam\.gke\.io/gcp-service-account=x"),
        "workloadIdentity or its annotation",
    ),
    "too little time to end": (("terminationGracePeriodSeconds=150",), "must be more than 150"),
    "too little time for a longer drawing": (("settings.DRAW_TIMEOUT=200",), "must be more than 230"),
    "a variable that another key sets": (
        ("extraEnv[0].name=PORT", "extraEnv[0].value=x"),
        "extraEnv sets PORT",
    ),
    "a variable given twice": (
        ("extraEnv[0].name=A", "extraEnv[0].value=x", "extraEnv[1].name=A", "extraEnv[1].value=x"),
        "extraEnv sets A",
    ),
    "a secret as a plain value": (
        ("extraEnv[0].name=GEMINI_API_KEY", "extraEnv[0].value=key"),
        "GEMINI_API_KEY as a plain value",
    ),
}
MISTAKES = {
    "a misspelt key": ("imageGenerationService.geminiKey=x", "geminiKey"),
    "a misspelt key further down": ("imageGenerationService.image.name=x", "name"),
    "a misspelt setting": ("imageGenerationService.settings.PICTURE_SIZ=512", "PICTURE_SIZ"),
    "a setting that another key sets": ("imageGenerationService.settings.GCS_BUCKET=x", "GCS_BUCKET"),
    "a misspelt key of the shop": ("networkPolicies.crate=true", "crate"),
    "a key that nobody knows": ("imageGeneration.create=true", "imageGeneration"),
    "a word for a number": ("imageGenerationService.replicas=two", "replicas"),
    "no pod": ("imageGenerationService.replicas=0", "replicas"),
    "a word for a switch": ("imageGenerationService.create=yes", "create"),
    "a tag that moves": ("imageGenerationService.image.tag=latest", "tag"),
    "an unknown engine": ("imageGenerationService.imageModels={dalle://}", "imageModels"),
    "an unknown store": ("imageGenerationService.stateStore=redis://", "stateStore"),
    "a file outside the volume": ("imageGenerationService.stateStore=sqlite:////etc/x", "stateStore"),
    "a bucket with its scheme": ("imageGenerationService.gcsBucket=gs://x", "gcsBucket"),
    "a user for a service account": (
        "imageGenerationService.workloadIdentity=me@shop.test",
        "workloadIdentity",
    ),
    "an address without a port": ("imageGenerationService.cartServiceAddr=cartservice", "cartServiceAddr"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_named(tools, name):
    values, words = CONTRADICTIONS[name]
    with pytest.raises(Failed, match="imageGenerationService:") as failed:
        template(tools.helm4, CHART, Case(name, values).flags)
    assert words in str(failed.value)


def test_all_contradictions_are_named_at_once(tools):
    values = ("replicas=2", "imageModels={gemini://}", "terminationGracePeriodSeconds=10")
    for helm in (tools.helm3, tools.helm4):
        with pytest.raises(Failed) as failed:
            template(helm, CHART, Case("three", values).flags)
        assert str(failed.value).count("  * ") == 3


def test_in_the_shops_chart_too(tools, tmp_path):
    flags = [*Case("", ("replicas=2",)).flags, "--values", str(CHART / "values.yaml")]
    with pytest.raises(Failed, match="2 pods cannot share"):
        template(tools.helm4, shop_with_ours(tmp_path), flags)


def test_in_the_shops_chart_our_values_are_missed(tools, tmp_path):
    with pytest.raises(Failed, match=r"values\.yaml beside the chart's own"):
        template(tools.helm4, shop_with_ours(tmp_path), Case("").flags)


def test_workload_identity_needs_an_account(tools):
    with pytest.raises(Failed, match=r"set serviceAccounts\.create"):
        template(tools.helm4, CHART, Case("", (GSA,), ("serviceAccounts.create=false",)).flags)


def test_what_is_switched_off_contradicts_nothing(tools):
    assert template(tools.helm4, CHART, ["--set", "imageGenerationService.replicas=2"]).strip() == ""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_by_the_schema(tools, name):
    value, word = MISTAKES[name]
    for helm in (tools.helm3, tools.helm4):
        with pytest.raises(Failed, match="schema") as failed:
            template(helm, CHART, ["--set", value])
        assert word in str(failed.value)


def test_every_object_of_ours_is_closed():
    """But for those that are Kubernetes' own, whose fields have their own schema."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    open_ones = set(_open(schema["properties"]["imageGenerationService"], ""))
    assert open_ones == {
        *(".affinity", ".extraEnv[].valueFrom", ".tolerations[]", ".topologySpreadConstraints[]"),
        *(".volumes[]", ".volumeMounts[]"),
        *(".networkPolicy.dns[]", ".networkPolicy.extraIngress[]", ".networkPolicy.extraEgress[]"),
    }


def _open(schema, path):
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from _open(inner, f"{path}.{name}")
    if "items" in schema:
        yield from _open(schema["items"], f"{path}[]")


def test_every_value_is_in_the_schema_and_every_key_of_the_schema_in_the_values():
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["imageGenerationService"]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(values) == ["imageGenerationService"]
    assert set(_paths_of_values(values["imageGenerationService"])) == set(_paths_of_schema(schema))


def _paths_of_values(values, path=""):
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in {"settings", "requests", "limits"}:
            yield from _paths_of_values(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def _paths_of_schema(schema, path=""):
    for name, inner in schema["properties"].items():
        if "properties" in inner and name != "settings":
            yield from _paths_of_schema(inner, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def test_the_settings_are_those_of_the_service_that_no_other_key_sets(tools):
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["imageGenerationService"]
    offered = set(schema["properties"]["settings"]["properties"])
    everything = (
        *(PROJECT, BUCKET, "geminiApiKey=key", "settings=null", "publicUrl=https://x.test"),
        *("stateStore=memory://", "imageModels={gemini://}"),
        *("pictureUrlAllowlist={https://x.test/}", "backgroundUrlAllowlist={https://x.test/}"),
    )
    case = Case("", everything, ("googleCloudOperations.tracing=true",))
    names = {entry["name"] for entry in rendered(tools, CHART, case).server["env"]}
    secret = {"GEMINI_API_KEY", "OWNER_HASH_KEY"}
    assert offered & (names | secret) == set()
    fields = {name.upper() for name in Settings.model_fields}
    assert offered | names | secret | {"OBJECT_STORAGE", "IMAGEGEN_CRASH_AT"} == fields


@pytest.mark.parametrize("version", ["helm3", "helm4"])
def test_lint_has_nothing_to_say(tools, version, tmp_path):
    helm = getattr(tools, version)
    run(helm, "lint", "--strict", str(CHART))
    run(helm, "lint", "--strict", str(CHART), "--set", "imageGenerationService.create=true")
    run(helm, "lint", "--strict", str(shop_with_ours(tmp_path)), "--values", str(CHART / "values.yaml"))


def test_the_versions_are_those_of_the_package():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = Path(CHART.parent, "pyproject.toml").read_text()
    assert f'\nversion = "{chart["version"]}"\n' in project
    assert chart["appVersion"] == chart["version"]


def test_the_readmes_tables_are_those_of_the_values():
    run(Path(sys.executable), str(ROOT / "docs/chart_table.py"), "--check")


def test_the_readmes_example_of_production_renders_and_keeps_every_rule(tools, tmp_path):
    (example,) = re.findall(
        r"^```yaml\n(.*?)^```", (CHART / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    values = tmp_path / "values.yaml"
    values.write_text(example.replace("PROJECT", "boutique-1").replace("BUCKET", "pictures-of-carts"))
    case = Case("production", arguments=("--values", str(values)))
    assert faults(rendered(tools, CHART, case), case) == []
