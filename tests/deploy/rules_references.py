"""Rules: whatever one object says of another is true of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rendered import Object, Pod, Rendered, entries, matches
from rules_pods import mine
from rules_schema import label

SHOP = {
    "cartservice": (7070,),
    "productcatalogservice": (3550,),
    "frontend": (80,),
    "opentelemetrycollector": (4317,),
}
"""Services that the shop brings, which need not be in the set."""

_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\$\{|\b(TODO|FIXME|XXX)\b|change[-_ ]?me|replace[-_ ]?me|placeholder|\byour[-_]|\bmy[-_]"
    r"|_VAL\b|_ID_HERE|GSA_ID|\bexample\b",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"(?P<name>[a-z0-9][a-z0-9./:_-]*?)(:(?P<tag>[\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?")


def what_pods_name_is_there(rendered: Rendered) -> list[str]:
    """Secrets, ConfigMaps with their keys, claims and service accounts."""
    faults = []
    for pod in mine(rendered):
        if pod.account != "default" and rendered.find("ServiceAccount", pod.account) is None:
            faults.append(f"{pod.name}: no ServiceAccount/{pod.account}")
        faults += [f"{pod.name}: {fault}" for fault in _missing(rendered, pod)]
    return faults


def _missing(rendered: Rendered, pod: Pod) -> Iterator[str]:
    for kind, reference, keys in _named(pod):
        name = reference.get("name") or reference.get("secretName") or reference.get("claimName")
        if reference.get("optional") or (kind, name) in rendered.given:
            continue
        owner = rendered.find(kind, name)
        if owner is None:
            yield f"no {kind}/{name}"
        elif kind != "PersistentVolumeClaim":
            yield from (f"no {key} in {kind}/{name}" for key in keys if key not in entries(owner))


def _named(pod: Pod) -> Iterator[tuple[str, Object, list[str]]]:
    for container in pod.containers:
        for entry in container.get("env", []):
            source = entry.get("valueFrom") or {}
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in source:
                    yield kind, source[field], [source[field]["key"]]
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field], []
    for volume in pod.spec.get("volumes", []):
        parts = [volume, *(volume.get("projected") or {}).get("sources", [])]
        for field, kind in (
            ("configMap", "ConfigMap"),
            ("secret", "Secret"),
            ("persistentVolumeClaim", "PersistentVolumeClaim"),
        ):
            for part in parts:
                if field in part:
                    yield kind, part[field], [item["key"] for item in part[field].get("items", [])]
    for reference in pod.spec.get("imagePullSecrets", []):
        yield "Secret", reference, []


def mounts_have_volumes(rendered: Rendered) -> list[str]:
    """And volumes are mounted."""
    faults = []
    for pod in mine(rendered):
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        mounted = {mount["name"] for each in pod.containers for mount in each.get("volumeMounts", [])}
        faults += [f"{pod.name}: no volume {name}" for name in sorted(mounted - volumes)]
        faults += [f"{pod.name}: the volume {name} is mounted nowhere" for name in sorted(volumes - mounted)]
    return faults


def services_lead_to_pods(rendered: Rendered) -> list[str]:
    """Each port of our Service is one that the server opens, under the name of its protocol."""
    service = rendered.find("Service", rendered.service)
    if service is None:
        return [f"no Service/{rendered.service}"]
    faults = []
    if not matches({"matchLabels": service["spec"]["selector"]}, rendered.ours.labels):
        faults.append(f"Service/{rendered.service} selects none of our pods")
    settings = rendered.settings
    spoken = {settings.port: "grpc", settings.http_port: "http"}
    for port in service["spec"]["ports"]:
        number = rendered.ours.port(port.get("targetPort", port["port"]))
        protocol = port.get("name", "").partition("-")[0]
        if number not in spoken:
            faults.append(f"Service port {port['port']} leads to {port.get('targetPort')}, which is not open")
        elif protocol != spoken[number]:
            faults.append(f"Service port {port['port']} is named {protocol!r} and speaks {spoken[number]}")
    declared = set(rendered.ours.ports().values())
    return faults + [f"the container does not declare {port}" for port in spoken if port not in declared]


def selectors_agree(rendered: Rendered) -> list[str]:
    """A workload's selector finds its own pods."""
    return [
        f"{pod.name}: its selector does not find its own pods"
        for pod in mine(rendered)
        if "selector" in (spec := pod.owner["spec"]) and not matches(spec["selector"], pod.labels)
    ]


def scalers_have_targets(rendered: Rendered) -> list[str]:
    """An autoscaler's target and the requests that its percentages are of."""
    faults = []
    for scaler in rendered.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if rendered.find(target["kind"], target["name"]) is None:
            faults.append(f"{label(scaler)}: no {target['kind']}/{target['name']}")
        elif target["name"] == rendered.service:
            requests = (rendered.server.get("resources") or {}).get("requests") or {}
            names = [
                metric["resource"]["name"] for metric in scaler["spec"]["metrics"] if "resource" in metric
            ]
            faults += [f"{label(scaler)}: no request of {name}" for name in names if name not in requests]
    return faults


def what_selects_our_pods_does(rendered: Rendered) -> list[str]:
    """Budgets and monitors that bear our name find our pods and a port of theirs."""
    faults = []
    for found in (*rendered.of("PodDisruptionBudget"), *rendered.of("PodMonitoring")):
        if not found["metadata"]["name"].startswith(rendered.service):
            continue
        if not matches(found["spec"]["selector"], rendered.ours.labels):
            faults.append(f"{label(found)} selects none of our pods")
        for endpoint in found["spec"].get("endpoints", []):
            if rendered.ours.port(endpoint["port"]) != rendered.settings.http_port:
                faults.append(f"{label(found)}: no metrics at port {endpoint['port']}")
            if endpoint.get("path", "/metrics") != "/metrics":
                faults.append(f"{label(found)}: no metrics at {endpoint['path']}")
    return faults


def addresses_lead_somewhere(rendered: Rendered) -> list[str]:
    """host:port of every neighbour, and the frontend's of ours, is a port of a Service."""
    faults = []
    settings = rendered.settings
    asked = {
        "CART_SERVICE_ADDR": settings.cart_service_addr,
        "PRODUCT_CATALOG_SERVICE_ADDR": settings.product_catalog_service_addr,
        "PICTURES_URL": settings.pictures_url.partition("://")[2].partition("/")[0],
    }
    if settings.enable_tracing:
        asked["COLLECTOR_SERVICE_ADDR"] = settings.collector_service_addr
    faults = [f"{name}: {fault}" for name, text in asked.items() for fault in _nowhere(rendered, text)]
    for name, text in _frontend(rendered).items():
        if name.startswith("IMAGE_GENERATION_SERVICE"):
            faults += [f"the frontend's {name}: {fault}" for fault in _nowhere(rendered, text)]
    return faults


def _frontend(rendered: Rendered) -> dict[str, str]:
    pods = [pod for pod in rendered.pods if pod.owner["metadata"]["name"] == "frontend"]
    servers = [each for pod in pods for each in pod.containers if each["name"] == "server"]
    return {name: value for server in servers for name, value in rendered.environment(server).items()}


def _nowhere(rendered: Rendered, address: str) -> list[str]:
    host, _, port = address.rpartition(":")
    name = host.split(".")[0]
    service = rendered.find("Service", name)
    if service is not None:
        ports: tuple[Any, ...] = tuple(each["port"] for each in service["spec"]["ports"])
    else:
        ports = SHOP.get(name, ())
    return [] if port.isdigit() and int(port) in ports else [f"no Service has {address!r}"]


def images_are_named(rendered: Rendered) -> list[str]:
    """With a version, and not the one that moves."""
    faults = []
    for pod in mine(rendered):
        for container in pod.containers:
            image = container.get("image", "")
            found = _IMAGE.fullmatch(image)
            if found is None or not (found["tag"] or "@" in image) or found["tag"] == "latest":
                faults.append(f"{pod.name}: the image {image!r} has no fixed version")
    return faults


def nothing_is_left_to_fill_in(rendered: Rendered) -> list[str]:
    """No placeholder in any text of any object."""
    return [
        f"{label(found)}: {text!r} looks like a placeholder"
        for found in rendered
        for text in _texts(found)
        if _PLACEHOLDER.search(text)
    ]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
