"""Rules: how our pods run, by what the server really does (imagegenservice/settings.py, docs/memory.md)."""

from __future__ import annotations

import re
from typing import Any

from rendered import FIELDS, Object, Pod, Rendered

from imagegenservice.adapters.tables import IMAGE_MODELS, OBJECT_STORAGE, STATE_STORES
from imagegenservice.errors import ConfigurationError
from imagegenservice.urls import AdapterUrl

VENDORS = re.compile(r"OTEL_[A-Z_]+|GOOGLE_(APPLICATION_CREDENTIALS|GEMINI_BASE_URL|VERTEX_BASE_URL)")
SECRETS = ("GEMINI_API_KEY", "OWNER_HASH_KEY")
HTTP_PROBES = ("/healthz", "/readyz")


def mine(rendered: Rendered) -> list[Pod]:
    """Every pod of ours, a chart's test included."""
    return [pod for pod in rendered.pods if pod.owner["metadata"]["name"].startswith(rendered.service)]


def names_are_settings(rendered: Rendered) -> list[str]:
    """A misspelt variable is silently ignored by the server: here it is not."""
    return [
        f"{name} is no setting of the server"
        for name in rendered.env
        if name not in FIELDS and not VENDORS.fullmatch(name)
    ]


def names_are_given_once(rendered: Rendered) -> list[str]:
    """The schemas let a list have a name twice; the last one wins."""
    faults = []
    for pod in mine(rendered):
        for container in pod.containers:
            names = [entry["name"] for entry in container.get("env", [])]
            faults += [f"{pod.name}: {name} is given twice" for name in set(names) if names.count(name) > 1]
    return faults


def values_are_understood(rendered: Rendered) -> list[str]:
    """The server would start with them: values are of their types, URLs are of adapters, and whole."""
    faults = [
        f"{name}: {value} names what is not known" for name, value in rendered.env.items() if "$(" in value
    ]
    try:
        settings = rendered.settings
        for table, urls in (
            (IMAGE_MODELS, settings.image_model_urls),
            (OBJECT_STORAGE, [settings.object_storage_url]),
            (STATE_STORES, [settings.state_store_url]),
        ):
            for text in urls:
                url = AdapterUrl.parse(text)
                table.load(url.scheme)
                faults += _half(url, settings.project_id)
    except ConfigurationError as exc:
        faults.append(str(exc))
    return faults


def _half(url: AdapterUrl, project: str) -> list[str]:
    options = dict(url.query)
    vertex = url.scheme == "gemini" and options.get("vertex") == "true"
    checks = {
        "names no bucket": url.scheme == "gs" and not url.host,
        "names no project": url.scheme == "firestore" and not (url.host or project),
        "has no project": vertex and not (options.get("project") or project),
    }
    return [f"{url.text} {fault}" for fault, holds in checks.items() if holds]


def secrets_are_kept(rendered: Rendered) -> list[str]:
    """No key as a plain value."""
    return [
        f"{entry['name']} is a plain value"
        for entry in rendered.server.get("env", [])
        if entry["name"] in SECRETS and "value" in entry
    ]


def restricted(rendered: Rendered) -> list[str]:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, and a read-only root."""
    return [f"{pod.name}: {fault}" for pod in mine(rendered) for fault in _unrestricted(pod)]


def _unrestricted(pod: Pod) -> list[str]:
    around = pod.spec.get("securityContext") or {}
    faults = [f"{field} is on" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    faults += [
        f"the volume {volume['name']} is of a forbidden type"
        for volume in pod.spec.get("volumes", [])
        if not volume.keys()
        & {
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        }
    ]
    for container in pod.containers:
        faults += [f"{container['name']}: {fault}" for fault in _loose(container, around)]
        if any("hostPort" in port for port in container.get("ports", [])):
            faults.append(f"{container['name']}: a port of the host")
    return faults


def _loose(container: Object, around: Object) -> list[str]:
    own = container.get("securityContext") or {}
    both = {**around, **own}
    wanted: dict[str, tuple[Any, Any]] = {
        "runAsNonRoot": (both.get("runAsNonRoot"), True),
        "allowPrivilegeEscalation": (own.get("allowPrivilegeEscalation"), False),
        "privileged": (own.get("privileged", False), False),
        "readOnlyRootFilesystem": (own.get("readOnlyRootFilesystem"), True),
        "capabilities.drop": ((own.get("capabilities") or {}).get("drop"), ["ALL"]),
        "capabilities.add": ((own.get("capabilities") or {}).get("add", []), []),
        "seccompProfile": ((both.get("seccompProfile") or {}).get("type"), "RuntimeDefault"),
        "runAsUser": (both.get("runAsUser"), 1000),
    }
    return [f"{name} is {found!r}" for name, (found, good) in wanted.items() if found != good]


def no_token_is_mounted(rendered: Rendered) -> list[str]:
    """Nothing of ours asks the API server; Workload Identity asks the metadata server."""
    accounts = {found["metadata"]["name"]: found for found in rendered.of("ServiceAccount")}
    return [
        f"{pod.name}: a service account's token is mounted"
        for pod in mine(rendered)
        if pod.spec.get(
            "automountServiceAccountToken",
            accounts.get(pod.account, {}).get("automountServiceAccountToken", True),
        )
    ]


def probes_fit(rendered: Rendered) -> list[str]:
    """Each asks a port that the server opens, in the protocol that it speaks there; liveness is generous."""
    faults = []
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = rendered.server.get(name)
        faults += [f"{name}: {fault}" for fault in (_unfit(rendered, probe) if probe else ["there is none"])]
    if not faults:
        faults += _hasty(rendered.server)
    return faults


def _unfit(rendered: Rendered, probe: Object) -> list[str]:
    settings = rendered.settings
    if "grpc" in probe:
        service = probe["grpc"].get("service") or ""
        port = probe["grpc"]["port"]
        return [
            *([f"gRPC is spoken on {settings.port}, not {port}"] if port != settings.port else []),
            *(
                [f"no health of {service!r} is known"]
                if service not in ("", "hipstershop.ImageGenerationService")
                else []
            ),
        ]
    if "httpGet" in probe:
        asked = rendered.ours.port(probe["httpGet"]["port"])
        path = probe["httpGet"].get("path", "/")
        return [
            *(
                [f"HTTP is spoken on {settings.http_port}, not {asked}"]
                if asked != settings.http_port
                else []
            ),
            *([f"the server has no {path}"] if path not in HTTP_PROBES else []),
        ]
    return ["asks neither gRPC nor HTTP"]


def _hasty(server: Object) -> list[str]:
    startup, liveness = server["startupProbe"], server["livenessProbe"]
    checks = {
        "startupProbe: gives up within 30 s": _span(startup) < 30,
        "livenessProbe: kills within 60 s of silence": _span(liveness) < 60,
        "livenessProbe: waits less than 5 s for an answer": liveness.get("timeoutSeconds", 1) < 5,
        "livenessProbe: /readyz is not for it": (liveness.get("httpGet") or {}).get("path") == "/readyz",
    }
    return [fault for fault, holds in checks.items() if holds]


def _span(probe: Object) -> int:
    return int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))


def grace_is_enough(rendered: Rendered) -> list[str]:
    """Longer than the longest drawing and the drain."""
    settings = rendered.settings
    needed = settings.draw_timeout + settings.drain_delay + settings.drain_timeout
    given = rendered.ours.spec.get("terminationGracePeriodSeconds", 30)
    faults = (
        [] if given > needed else [f"terminationGracePeriodSeconds {given} is not longer than {needed:g}"]
    )
    if settings.drain_delay < 1:
        faults.append("DRAIN_DELAY is 0: calls arrive after the server has refused them")
    return faults
