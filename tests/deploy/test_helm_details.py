"""What single values of the chart do to single objects, alone and in the shop's own chart."""

from __future__ import annotations

import base64
import shutil

import pytest
import yaml
from helm_cases import ASM, BUCKET, FIRESTORE, FOUR, GSA, PROJECT
from helm_charts import CHART, KEY, NAMESPACE, SHOP, Case, by_new, shop_with_ours, template
from rendered import SERVICE
from rules_mesh import the_mesh_lets_us_out
from rules_network import isolated, policies_admit_what_is_used

TO_THE_SHOP = {f"{SERVICE}-to-{name}" for name in ("cartservice", "productcatalogservice", "frontend")}


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return shop_with_ours(tmp_path_factory.mktemp("charts"))


@pytest.fixture
def alone(tools):
    def render(*values, shop=(), arguments=()):
        return by_new(tools, CHART, Case("", values, shop, arguments=arguments))

    return render


@pytest.fixture
def dropped_in(tools, shop):
    def render(*values, shop_values=(), arguments=("--values", str(CHART / "values.yaml"))):
        return by_new(tools, shop, Case("", values, shop_values), *arguments)

    return render


def test_nothing_is_made_by_default(tools, shop):
    assert template(tools.helm3, CHART, []).strip() == ""
    assert SERVICE not in template(tools.helm3, shop, [])
    assert SERVICE not in template(tools.helm3, shop, ["--values", str(CHART / "values.yaml")])


def test_the_shops_objects_stay_as_they_are(tools, shop, dropped_in):
    before = by_new(tools, SHOP, Case("", (), ASM))
    after = dropped_in(*FOUR, shop_values=ASM).objects
    assert [found for found in before if found not in after] == []


def test_the_key_is_in_a_secret_and_nowhere_else(alone):
    found = alone(*FOUR)
    secret = found.one("Secret", f"{SERVICE}-gemini")
    assert base64.b64decode(secret["data"]["api-key"]).decode() == KEY
    assert found.env["GEMINI_API_KEY_SECRET"] == "/var/run/secrets/gemini/api-key"
    rest = yaml.safe_dump([each for each in found if each is not secret])
    assert KEY not in rest
    assert base64.b64encode(KEY.encode()).decode() not in rest


def test_another_key_rolls_the_pods_and_the_same_does_not(alone):
    first, again, other = (alone(f"geminiApiKey={key}").ours.annotations for key in ("one", "one", "two"))
    assert first == again != other


def test_the_four_flags_are_what_the_service_reads(alone):
    env = alone(*FOUR).env
    assert (env["GCS_BUCKET"], env["PROJECT_ID"]) == ("pictures-of-carts", "boutique-1")
    assert "GEMINI_API_KEY" not in env


def test_numbers_from_a_file_are_written_as_people_write_them(alone, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("imageGenerationService: {settings: {MAX_PIXELS: 12000000, DRAW_TIMEOUT: 99.5}}")
    env = alone(arguments=("--values", str(values))).env
    assert (env["MAX_PIXELS"], env["DRAW_TIMEOUT"]) == ("12000000", "99.5")


@pytest.mark.parametrize(
    ("values", "shop_values", "image"),
    [
        ((), (), "imagegenerationservice:0.1.0"),
        ((), ("images.repository=r.test/a", "images.tag=v2"), "r.test/a/imagegenerationservice:v2"),
        (("image.tag=v3",), ("images.tag=v2",), "imagegenerationservice:v3"),
        (("image.repository=registry.test/a/b",), ("images.repository=no.test",), "registry.test/a/b:0.1.0"),
        ((f"image.digest=sha256:{'0' * 64}",), (), f"imagegenerationservice@sha256:{'0' * 64}"),
    ],
)  # fmt: skip
def test_the_image_is_our_own_or_as_all_of_the_shops(alone, values, shop_values, image):
    assert alone(*values, shop=shop_values).server["image"] == image


def test_in_the_shops_chart_the_image_is_as_all_of_the_shops(dropped_in):
    assert dropped_in().server["image"] == f"registry.test/shop/{SERVICE}:v0.10.6"


def test_alone_it_is_hardened_and_in_the_shops_chart_as_hard_as_the_shop(alone, dropped_in):
    assert alone().ours.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert alone().server["securityContext"]["readOnlyRootFilesystem"] is True
    assert "seccompProfile" not in dropped_in().ours.spec["securityContext"]
    switched = dropped_in(shop_values=("securityContext.enable=false", "seccompProfile.enable=true"))
    assert switched.ours.spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "securityContext" not in switched.server
    both = dropped_in(shop_values=("securityContext.enable=false",))
    assert "securityContext" not in both.ours.spec


def test_the_account_has_both_sorts_of_annotations(alone):
    found = alone(GSA, "serviceAccount.annotations.mine=1a", shop=("serviceAccounts.annotations.all=1b",))
    assert found.one("ServiceAccount", SERVICE)["metadata"]["annotations"] == {
        "iam.gke.io/gcp-service-account": "pictures@boutique-1.iam.gserviceaccount.com",
        "mine": "1a",
        "all": "1b",
    }


def test_annotations_for_the_cart_alone_leave_ours(alone):
    only = ("serviceAccounts.annotations.all=1b", "serviceAccounts.annotationsOnlyForCartservice=true")
    found = alone(GSA, shop=only).one("ServiceAccount", SERVICE)["metadata"]["annotations"]
    assert list(found) == ["iam.gke.io/gcp-service-account"]


def test_without_accounts_it_is_the_default_one_or_the_one_that_is_named(alone):
    off = ("serviceAccounts.create=false",)
    assert alone(shop=off).ours.account == "default"
    assert alone("serviceAccount.name=drawer", shop=off).ours.account == "drawer"
    assert alone(shop=off).of("ServiceAccount") == []


def test_pods_with_records_of_their_own_are_never_two(alone):
    for values in ((), (BUCKET,), ("persistence.enabled=true",)):
        spec = alone(*values).one("Deployment", SERVICE)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert alone(*FIRESTORE).one("Deployment", SERVICE)["spec"]["strategy"]["type"] == "RollingUpdate"


def test_an_autoscaler_and_the_deployment_do_not_both_say_how_many(alone):
    assert "replicas" not in alone(*FIRESTORE, "autoscaling.enabled=true").one("Deployment", SERVICE)["spec"]


def test_the_claim_outlives_the_release_unless_it_shall_not(alone):
    keep = {"helm.sh/resource-policy": "keep"}
    claim = alone("persistence.enabled=true").one("PersistentVolumeClaim", SERVICE)
    assert claim["metadata"]["annotations"] == keep
    loose = alone("persistence.enabled=true", "persistence.keep=false").one("PersistentVolumeClaim", SERVICE)
    assert "annotations" not in loose["metadata"]


def test_one_pod_has_no_budget(alone):
    assert alone().of("PodDisruptionBudget") == []
    assert alone(*FIRESTORE, "replicas=2", "podDisruptionBudget.create=false").of("PodDisruptionBudget") == []


@pytest.mark.parametrize("kind", ["NetworkPolicy", "AuthorizationPolicy"])
def test_the_shop_is_opened_to_us_unless_it_shall_not(alone, kind):
    names = {found["metadata"]["name"] for found in alone(shop=ASM).of(kind)}
    assert names >= TO_THE_SHOP
    never = {found["metadata"]["name"] for found in alone("openShop=never", shop=ASM).of(kind)}
    assert never & TO_THE_SHOP == set()
    assert SERVICE in never


def test_without_what_opens_the_shop_it_would_be_closed_to_us(dropped_in):
    found = dropped_in("openShop=never", shop_values=ASM)
    assert len(policies_admit_what_is_used(found)) == 2  # the frontend lets everybody in
    assert the_mesh_lets_us_out(found) != []


def test_the_frontends_pictures_are_opened_where_it_is_closed(dropped_in):
    closed = (*ASM, "frontend.externalService=false")
    assert policies_admit_what_is_used(dropped_in(shop_values=closed)) == []
    assert the_mesh_lets_us_out(dropped_in(shop_values=closed)) == []
    shut = dropped_in("openShop=never", shop_values=closed)
    assert any("frontend" in fault for fault in policies_admit_what_is_used(shut))


def test_no_pod_of_the_shop_is_isolated_that_was_not(tools, dropped_in):
    for policies in ((), ASM):
        before = isolated(by_new(tools, SHOP, Case("", (), policies)))
        after = {end for end in isolated(dropped_in(shop_values=policies)) if not end[0].startswith(SERVICE)}
        assert after == before


def test_with_a_base_path_the_pictures_are_below_it(alone):
    found = alone("picturesUrl=http://frontend:80/boutique", shop=ASM)
    (rule,) = found.one("AuthorizationPolicy", f"{SERVICE}-to-frontend")["spec"]["rules"]
    assert rule["to"][0]["operation"]["paths"] == ["/boutique/static/*"]


def test_each_host_that_is_called_is_listed_and_no_other(alone):
    def hosts(*values):
        found = alone(*values, shop=ASM)
        return {host for entry in found.of("ServiceEntry") for host in entry["spec"]["hosts"]}

    assert hosts() == set()
    assert hosts("geminiApiKey=key") == {"generativelanguage.googleapis.com"}
    assert hosts(BUCKET) == {"storage.googleapis.com", "metadata.google.internal"}
    assert hosts(PROJECT, "imageModels={gemini://?vertex=true&location=eu}") == {
        "aiplatform.eu.rep.googleapis.com",
        "metadata.google.internal",
    }
    assert hosts(PROJECT, "imageModels={gemini://?location=europe-west4&vertex=true}") == {
        "europe-west4-aiplatform.googleapis.com",
        "metadata.google.internal",
    }
    assert "iamcredentials.googleapis.com" in hosts("objectStorage=gs://b1/p?url=signed")
    assert hosts("picturesUrl=https://cdn.shop.test/x", "istio.extraHosts={a.test}") == {
        "cdn.shop.test",
        "a.test",
    }


def test_in_a_mesh_nothing_else_can_be_reached(alone):
    spec = alone(*FOUR, shop=ASM).one("Sidecar", SERVICE)["spec"]
    assert spec["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert "./storage.googleapis.com" in spec["egress"][0]["hosts"]


def test_in_a_mesh_the_proxy_comes_first_and_goes_last(alone):
    found = alone("settings.DRAIN_TIMEOUT=20", shop=ASM).ours.annotations["proxy.istio.io/config"]
    assert yaml.safe_load(found) == {
        "holdApplicationUntilProxyStarts": True,
        "terminationDrainDuration": "40s",
    }
    assert "proxy.istio.io/config" not in alone().ours.annotations


def test_the_keys_file_can_be_read_by_whoever_the_pod_runs_as(alone):
    def mode(*shop):
        (volume,) = [each for each in alone(*FOUR, shop=shop).ours.spec["volumes"] if "secret" in each]
        return volume["secret"].get("defaultMode")

    assert mode() == 0o440
    # Without fsGroup the group would be root's.
    assert mode("securityContext.enable=false") is None


def test_without_accounts_everybody_here_may_call(alone):
    off = (*ASM[:3], "serviceAccounts.create=false")
    (rule, *_) = alone(shop=off).one("AuthorizationPolicy", SERVICE)["spec"]["rules"]
    assert rule["from"][0]["source"]["principals"] == [f"cluster.local/ns/{NAMESPACE}/sa/default"]


def test_another_name_is_the_name_of_everything(alone, tools):
    text = template(tools.helm4, CHART, Case("", ("name=pictures", "geminiApiKey=x"), ASM).flags)
    names = {found["metadata"]["name"] for found in yaml.safe_load_all(text)}
    assert {name for name in names if not name.startswith("pictures")} == set()


def test_the_defaults_of_the_shops_keys_are_those_that_are_written_down(tools, tmp_path):
    text = (CHART / "values.yaml").read_text().partition("# --- The shop's keys")[2].split("#\n", 1)[1]
    values = tmp_path / "shop.yaml"
    values.write_text("\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines()))
    flags = Case("", FOUR).flags
    assert len(yaml.safe_load(values.read_text())) == 12
    given = template(tools.helm4, CHART, [*flags, "--values", str(values)])
    assert given == template(tools.helm4, CHART, flags)


def test_the_shops_own_file_of_values_fits(tools):
    others = ("adService.create=true", "cartDatabase.type=redis", "frontend.platform=gcp")
    flags = [*Case("", FOUR, (*ASM, *others)).flags, "--values", str(SHOP / "values.yaml")]
    assert SERVICE in template(tools.helm4, CHART, flags)


@pytest.mark.parametrize("version", ["helm3", "helm4"])
def test_it_can_be_a_dependency(tools, version, tmp_path):
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts/imagegenerationservice")
    (parent / "Chart.yaml").write_text(
        "{apiVersion: v2, name: parent, version: 1.0.0,"
        " dependencies: [{name: imagegenerationservice, version: 0.1.0}]}"
    )
    (parent / "values.yaml").write_text(
        "{global: {anything: 1}, imagegenerationservice: {imageGenerationService: {create: true}}}"
    )
    text = template(getattr(tools, version), parent, [])
    assert {found["kind"] for found in yaml.safe_load_all(text)} == {
        "ServiceAccount",
        "Deployment",
        "Service",
        "Pod",
    }
