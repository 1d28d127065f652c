"""Closed schemas of the kinds that Kubernetes itself does not know, as far as a shop uses them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer"}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
ANYTHING: Schema = {}


def some(item: Schema) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def closed(required: str = "", **fields: Schema) -> Schema:
    """An object with these fields and no others; *required* names those that must be there."""
    return {
        "type": "object",
        "properties": fields,
        "required": required.split(),
        "additionalProperties": False,
    }


def _kind(spec: Schema) -> Schema:
    metadata = closed("name", name=TEXT, namespace=TEXT, labels=MAP, annotations=MAP)
    return closed("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec)


_ISTIO_PORT = closed(
    "number name protocol",
    number=PORT,
    name=TEXT,
    protocol=one_of("HTTP", "HTTPS", "GRPC", "HTTP2", "MONGO", "TCP", "TLS"),
    targetPort=PORT,
)
# https://istio.io/latest/docs/reference/config/networking/service-entry/
_SERVICE_ENTRY = closed(
    "hosts ports",
    hosts=some(TEXT),
    addresses=some(TEXT),
    ports=some(_ISTIO_PORT),
    location=one_of("MESH_EXTERNAL", "MESH_INTERNAL"),
    resolution=one_of("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
    endpoints=some(closed("address", address=TEXT, ports={"type": "object", "additionalProperties": PORT})),
    exportTo=some(TEXT),
)
# https://istio.io/latest/docs/reference/config/networking/sidecar/
_SIDECAR = closed(
    workloadSelector=closed("labels", labels=MAP),
    egress=some(closed("hosts", hosts=some(TEXT), port=_ISTIO_PORT, bind=TEXT, captureMode=TEXT)),
    outboundTrafficPolicy=closed("mode", mode=one_of("REGISTRY_ONLY", "ALLOW_ANY")),
)
_TEXTS = some(TEXT)
_SOURCE = closed(
    **dict.fromkeys(
        ("principals", "notPrincipals", "namespaces", "notNamespaces", "ipBlocks", "serviceAccounts"), _TEXTS
    )
)
_OPERATION = closed(
    **dict.fromkeys(("hosts", "ports", "methods", "paths", "notPaths", "notMethods", "notPorts"), _TEXTS)
)
# https://istio.io/latest/docs/reference/config/security/authorization-policy/
_AUTHORIZATION = closed(
    selector=closed("matchLabels", matchLabels=MAP),
    action=one_of("ALLOW", "DENY", "AUDIT", "CUSTOM"),
    rules={
        "type": "array",
        "items": closed(
            **{"from": some(closed("source", source=_SOURCE))},
            to=some(closed("operation", operation=_OPERATION)),
        ),
    },
)
_DESTINATION = closed("host", host=TEXT, trafficPolicy={"type": "object"}, exportTo=_TEXTS)
_VIRTUAL_SERVICE = closed(
    "hosts", hosts=_TEXTS, gateways=_TEXTS, http=some({"type": "object"}), exportTo=_TEXTS
)
# https://github.com/GoogleCloudPlatform/prometheus-engine/blob/main/doc/api.md
_POD_MONITORING = closed(
    "selector endpoints",
    selector=closed(matchLabels=MAP, matchExpressions=some({"type": "object"})),
    endpoints=some(
        closed(
            "port interval",
            port={"anyOf": [TEXT, PORT]},
            interval={"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
            timeout={"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
            path=TEXT,
            scheme=one_of("http", "https"),
        )
    ),
    targetLabels=closed(metadata=_TEXTS, fromPod=some(closed("from", **{"from": TEXT}, to=TEXT))),
)
# https://gateway-api.sigs.k8s.io/reference/spec/
_GATEWAY = closed(
    "gatewayClassName listeners",
    gatewayClassName=TEXT,
    listeners=some(
        closed(
            "name port protocol", name=TEXT, port=PORT, protocol=TEXT, hostname=TEXT, allowedRoutes=ANYTHING
        )
    ),
)
_ROUTE = closed(
    parentRefs=some(closed("name", name=TEXT, namespace=TEXT, sectionName=TEXT)),
    hostnames=_TEXTS,
    rules=some(
        closed(
            matches=some({"type": "object"}),
            filters=some({"type": "object"}),
            backendRefs=some(closed("name port", name=TEXT, port=PORT, weight=NUMBER)),
        )
    ),
)

FOREIGN: dict[tuple[str, str], Schema] = {
    (version, kind): _kind(spec)
    for versions, kind, spec in (
        (("networking.istio.io/v1", "networking.istio.io/v1beta1"), "ServiceEntry", _SERVICE_ENTRY),
        (("networking.istio.io/v1", "networking.istio.io/v1beta1"), "Sidecar", _SIDECAR),
        (("networking.istio.io/v1", "networking.istio.io/v1beta1"), "DestinationRule", _DESTINATION),
        (("networking.istio.io/v1", "networking.istio.io/v1beta1"), "VirtualService", _VIRTUAL_SERVICE),
        (("security.istio.io/v1", "security.istio.io/v1beta1"), "AuthorizationPolicy", _AUTHORIZATION),
        (("monitoring.googleapis.com/v1",), "PodMonitoring", _POD_MONITORING),
        (("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"), "Gateway", _GATEWAY),
        (("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"), "HTTPRoute", _ROUTE),
    )
    for version in versions
}
