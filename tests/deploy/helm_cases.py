"""The choices of values that are promised to work, each alone and inside the shop's own chart."""

from __future__ import annotations

from helm_charts import KEY, Case
from rules_mesh import the_mesh_lets_callers_in
from rules_network import policies_admit_nothing_else
from rules_pods import restricted
from rules_references import addresses_lead_somewhere

ASM = (
    "networkPolicies.create=true",
    "sidecars.create=true",
    "authorizationPolicies.create=true",
    "serviceAccounts.create=true",
)
"""All policies on, as the shop itself is tested with a service mesh."""
BUCKET, PROJECT = "gcsBucket=pictures-of-carts", "projectId=boutique-1"
FIRESTORE = (BUCKET, PROJECT, "stateStore=firestore://")
FOUR = (BUCKET, PROJECT, f"geminiApiKey={KEY}")
GSA = "workloadIdentity=pictures@boutique-1.iam.gserviceaccount.com"
VERTEX = "imageModels={gemini://?vertex=true&location=europe-west4,compositor://}"
POLICIES = ("networkPolicies.create=true",)
TRACING = ("opentelemetryCollector.create=true", "googleCloudOperations.tracing=true")
ANTI = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"

CASES = (
    Case("create alone"),
    Case("the four flags", FOUR),
    Case("bucket under Workload Identity", (BUCKET, PROJECT, GSA)),
    Case("Firestore", FIRESTORE),
    Case("three pods", (*FIRESTORE, GSA, "replicas=3")),
    Case("autoscaling", (*FIRESTORE, GSA, "autoscaling.enabled=true")),
    Case("a database of its own", (BUCKET, "stateStore=firestore://boutique-1/pictures", "replicas=2")),
    Case("a Secret that is there", (BUCKET, "existingSecret=gemini"), given=(("Secret", "gemini"),)),
    Case("Secret Manager", (PROJECT, "geminiApiKeySecret=projects/boutique-1/secrets/gemini")),
    Case(
        "a key mounted by CSI",
        (
            "geminiApiKeySecret=/var/keys/gemini",
            "volumes[0].name=keys",
            "volumes[0].csi.driver=secrets-store.csi.k8s.io",
            "volumeMounts[0].name=keys",
            "volumeMounts[0].mountPath=/var/keys",
        ),
    ),
    Case("Vertex AI", (PROJECT, GSA, VERTEX)),
    Case("signed URLs", ("objectStorage=gs://pictures/of/carts?url=signed", PROJECT, GSA)),
    Case("everything in memory", ("stateStore=memory://", "objectStorage=memory://")),
    Case("a volume", ("persistence.enabled=true", "persistence.storageClass=standard-rwo")),
    Case(
        "a claim that is there",
        ("persistence.enabled=true", "persistence.existingClaim=disk"),
        given=(("PersistentVolumeClaim", "disk"),),
    ),
    Case(
        "the sample shop",
        ("cartServiceAddr=demo://", "productCatalogServiceAddr=demo://"),
        without=(addresses_lead_somewhere,),
    ),
    Case("network policies", shop=POLICIES),
    Case("network policies and the four flags", FOUR, POLICIES),
    Case("network policies and a key alone", (f"geminiApiKey={KEY}",), POLICIES),
    Case("network policies and Google's services", (*FIRESTORE, GSA, VERTEX, "replicas=2"), POLICIES),
    Case("network policies and tracing", shop=(*POLICIES, *TRACING)),
    Case("network policies and metrics", ("podMonitoring.create=true",), POLICIES),
    Case("sidecars", shop=("sidecars.create=true",)),
    Case("authorization policies", shop=("authorizationPolicies.create=true",)),
    Case("a mesh", shop=ASM),
    Case("a mesh and the four flags", FOUR, ASM),
    Case("a mesh and everything", (*FIRESTORE, GSA, VERTEX, "autoscaling.enabled=true"), (*ASM, *TRACING)),
    Case("a mesh of Google's", (*FIRESTORE, "istio.managed=true"), ASM),
    Case(
        "a mesh and foreign pictures",
        (
            "pictureUrlAllowlist={https://pictures.shop.test/}",
            "backgroundUrlAllowlist={http://old.shop.test/b/}",
        ),
        ASM,
        without=(policies_admit_nothing_else,),
    ),
    Case(
        "no accounts",
        shop=(
            "serviceAccounts.create=false",
            "networkPolicies.create=true",
            "authorizationPolicies.create=true",
        ),
        # Everybody in the namespace is the same account then.
        without=(the_mesh_lets_callers_in,),
    ),
    Case("tracing", shop=TRACING),
    Case(
        "metrics where the cluster has them",
        shop=("googleCloudOperations.metrics=true",),
        arguments=(
            "--api-versions",
            "monitoring.googleapis.com/v1",
        ),
    ),
    Case("no seccomp profile", shop=("seccompProfile.enable=false",), without=(restricted,)),
    Case("no security context", shop=("securityContext.enable=false",), without=(restricted,)),
    Case(
        "placed with care",
        (
            "nodeSelector.pool=pictures",
            "tolerations[0].key=pictures",
            "tolerations[0].operator=Exists",
            "priorityClassName=low",
            f"{ANTI}.weight=1",
            f"{ANTI}.podAffinityTerm.topologyKey=kubernetes.io/hostname",
            "podLabels.team=pictures",
            "podAnnotations.note=kept",
            "resources.limits.memory=1Gi",
        ),
    ),
    Case(
        "other settings",
        (
            "settings.MAX_PIXELS=12000000",
            "settings.ENABLE_REFLECTION=false",
            "publicUrl=https://shop.test/pictures",
            "extraEnv[0].name=OWNER_HASH_KEY",
            "extraEnv[0].valueFrom.secretKeyRef.name=owners",
            "extraEnv[0].valueFrom.secretKeyRef.key=hash",
        ),
        given=(("Secret", "owners"),),
    ),
    Case(
        "an image of its own",
        ("image.repository=registry.test/pictures", "image.tag=1.2.3", "image.pullSecrets[0].name=registry"),
        given=(("Secret", "registry"),),
    ),
)
