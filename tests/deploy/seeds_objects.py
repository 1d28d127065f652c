"""Defects of objects and of what they say of each other."""

from __future__ import annotations

from collections.abc import Callable

import rules_references as references
import rules_schema as schema
from seeds import Parts, Seed, text_of

SCALER = text_of(
    "HorizontalPodAutoscaler",
    "autoscaling/v2",
    "{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: TARGET}, maxReplicas: 4, metrics: "
    "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}",
)
_BUDGET = text_of(
    "PodDisruptionBudget", "policy/v1", "{maxUnavailable: 1, selector: {matchLabels: {app: another}}}"
)
_MONITOR = text_of(
    "PodMonitoring",
    "monitoring.googleapis.com/v1",
    "{selector: {matchLabels: {app: imagegenerationservice}}, endpoints: [{port: PORT, interval: 30s}]}",
)


_FRONTEND = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec:
      containers:
        - name: server
          image: shop.invalid/frontend:1
          env: [{name: IMAGE_GENERATION_SERVICE_ADDR, value: "ADDRESS"}]
"""


def _frontend_calls(address: str) -> Callable[[Parts], object]:
    return lambda it: it.add(_FRONTEND.replace("ADDRESS", address))


def _secret_key(it: Parts, key: str = "api-key", data: str = "a2V5") -> None:
    it.add(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: keys}}\ndata: {{api-key: '{data}'}}\n")
    it.env("GEMINI_API_KEY", secretKeyRef={"name": "keys", "key": key})


OF_THE_OBJECTS = (
    Seed(
        "a field of another kind",
        *(schema.valid_for_kubernetes, "replicaCount"),
        lambda it: it["Deployment"]["spec"].update(replicaCount=2),
    ),
    Seed(
        "a number where text belongs",
        *(schema.valid_for_kubernetes, "8080"),
        lambda it: it.server["env"].append({"name": "HOST", "value": 8080}),
    ),
    Seed(
        "a kind that no schema knows",
        *(schema.valid_for_kubernetes, "no schema"),
        lambda it: it.add(text_of("Widget", "widgets.invalid/v1", "{}")),
    ),
    Seed(
        "a misspelt field of a mesh",
        *(schema.valid_for_kubernetes, "host"),
        lambda it: it.add(text_of("Sidecar", "networking.istio.io/v1", "{egress: [{host: ['./*']}]}")),
    ),
    Seed(
        "a Secret's placeholder that is no base64",
        *(schema.secrets_can_be_decoded, "not base64"),
        lambda it: _secret_key(it, data="<base64-encoded-key>"),
    ),
    Seed(
        "a namespace that is written down",
        *(schema.in_any_namespace, "default"),
        lambda it: it["Service"]["metadata"].update(namespace="default"),
    ),
    Seed(
        "a placeholder",
        *(references.nothing_is_left_to_fill_in, "YOUR_BUCKET"),
        lambda it: it.env("GCS_BUCKET", "YOUR_BUCKET"),
    ),
    Seed(
        "a Secret that is not there",
        *(references.what_pods_name_is_there, "no Secret/keys"),
        lambda it: it.env("GEMINI_API_KEY", secretKeyRef={"name": "keys", "key": "api-key"}),
    ),
    Seed(
        "a key that its Secret has not",
        *(references.what_pods_name_is_there, "no other in Secret/keys"),
        lambda it: _secret_key(it, key="other"),
    ),
    Seed(
        "a ConfigMap that is not there",
        *(references.what_pods_name_is_there, "no ConfigMap/settings"),
        lambda it: it.server.update(envFrom=[{"configMapRef": {"name": "settings"}}]),
    ),
    Seed(
        "a service account that is not there",
        *(references.what_pods_name_is_there, "no ServiceAccount"),
        lambda it: it.drop("ServiceAccount"),
    ),
    Seed(
        "a claim that is not there",
        *(references.what_pods_name_is_there, "no PersistentVolumeClaim/pictures"),
        lambda it: it.pod["volumes"].append(
            {"name": "pictures", "persistentVolumeClaim": {"claimName": "pictures"}}
        ),
    ),
    Seed(
        "a mount without its volume",
        *(references.mounts_have_volumes, "no volume tmp"),
        lambda it: it.pod["volumes"].pop(),
    ),
    Seed(
        "a Service whose port leads nowhere",
        *(references.services_lead_to_pods, "9100"),
        lambda it: it["Service"]["spec"]["ports"][1].update(targetPort=9100),
    ),
    Seed(
        "a Service that calls gRPC http",
        *(references.services_lead_to_pods, "speaks grpc"),
        lambda it: it["Service"]["spec"]["ports"][0].update(name="http-api"),
    ),
    Seed(
        "a Service that selects nobody",
        *(references.services_lead_to_pods, "selects none"),
        lambda it: it["Service"]["spec"].update(selector={"app": "imagegenservice"}),
    ),
    Seed(
        "a Deployment that does not find its pods",
        *(references.selectors_agree, "does not find"),
        lambda it: it["Deployment"]["spec"]["selector"]["matchLabels"].update(app="imagegenservice"),
    ),
    Seed(
        "an autoscaler of another Deployment",
        *(references.scalers_have_targets, "no Deployment/imagegenservice"),
        lambda it: it.add(SCALER.replace("TARGET", "imagegenservice")),
    ),
    Seed(
        "an autoscaler by a request that is not made",
        *(references.scalers_have_targets, "no request of cpu"),
        lambda it: (
            it.server["resources"]["requests"].pop("cpu"),
            it.add(SCALER.replace("TARGET", "imagegenerationservice")),
        ),
    ),
    Seed(
        "a budget for other pods",
        *(references.what_selects_our_pods_does, "selects none"),
        lambda it: it.add(_BUDGET),
    ),
    Seed(
        "metrics read from the gRPC port",
        *(references.what_selects_our_pods_does, "no metrics at port grpc"),
        lambda it: it.add(_MONITOR.replace("PORT", "grpc")),
    ),
    Seed(
        "a neighbour at a port that it has not",
        *(references.addresses_lead_somewhere, "CART_SERVICE_ADDR"),
        lambda it: it.env("CART_SERVICE_ADDR", "cartservice:8080"),
    ),
    Seed(
        "a frontend that calls a port that the Service has not",
        *(references.addresses_lead_somewhere, "9100"),
        _frontend_calls("imagegenerationservice:9100"),
    ),
    Seed(
        "a frontend that calls another name",
        *(references.addresses_lead_somewhere, "imagegenservice:8080"),
        _frontend_calls("imagegenservice:8080"),
    ),
    Seed(
        "the version that moves",
        *(references.images_are_named, "latest"),
        lambda it: it.server.update(image="imagegenerationservice:latest"),
    ),
    Seed(
        "an image without a version, from a registry with a port",
        *(references.images_are_named, "registry:5000"),
        lambda it: it.server.update(image="registry:5000/imagegenerationservice"),
    ),
)
