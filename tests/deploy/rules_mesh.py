"""Rules: Istio's Sidecar, AuthorizationPolicies and ServiceEntries leave open what the service uses."""

from __future__ import annotations

from fnmatch import fnmatchcase

from edges import is_somebody
from rendered import Object, Pod, Rendered, matches

NAMESPACE = "ours"
"""Stands for the namespace that everything is rendered for."""

Call = tuple[str, str, str, str]
"""Port, method, path of a call, and the name of who is called."""

_OURS = "/hipstershop.ImageGenerationService/"
_RPCS = (
    *("GenerateCartImage", "UploadBackground", "GetImageGenerationStatus"),
    *("WatchImageGeneration", "CancelImageGeneration"),
)


def the_mesh_lets_callers_in(rendered: Rendered) -> list[str]:
    """The frontend may make every call; a stranger none."""
    settings = rendered.settings
    calls = [(str(settings.port), "POST", _OURS + rpc) for rpc in _RPCS]
    calls.append((str(settings.http_port), "GET", "/pictures/0123456789abcdef0123456789abcdef01234567.jpg"))
    faults = [
        f"the frontend may not {call[1]} {call[2]}"
        for call in calls
        if not _may(rendered, "frontend", rendered.ours, call)
    ]
    if _allows(rendered, rendered.ours):
        faults += [
            f"a stranger may {call[1]} {call[2]}"
            for call in calls
            if _may(rendered, "stranger", rendered.ours, call)
        ]
    return faults


def the_mesh_lets_us_out(rendered: Rendered) -> list[str]:
    """We may call the shop, as far as its pods are in the set; only what we call."""
    account = rendered.ours.account
    return [
        f"we may not {call[1]} {call[2]} of {pod.name}"
        for pod in rendered.pods
        for call in _calls(pod.labels.get("app", ""))
        if not _may(rendered, account, pod, call)
    ]


def _calls(app: str) -> list[tuple[str, str, str]]:
    return {
        "cartservice": [("7070", "POST", "/hipstershop.CartService/GetCart")],
        "productcatalogservice": [
            ("3550", "POST", f"/hipstershop.ProductCatalogService/{rpc}")
            for rpc in ("GetProduct", "ListProducts")
        ],
        "frontend": [("8080", "GET", "/static/img/products/mug.jpg")],
    }.get(app, [])


def _may(rendered: Rendered, account: str, pod: Pod, call: tuple[str, str, str]) -> bool:
    policies = _allows(rendered, pod)
    return not policies or any(
        _allowed(rule, account, call) for policy in policies for rule in policy["spec"].get("rules") or []
    )


def _allows(rendered: Rendered, pod: Pod) -> list[Object]:
    return [
        found
        for found in rendered.of("AuthorizationPolicy")
        if found["spec"].get("action", "ALLOW") == "ALLOW"
        and matches(found["spec"].get("selector", {}), pod.labels)
    ]


def _allowed(rule: Object, account: str, call: tuple[str, str, str]) -> bool:
    sources = [each["source"] for each in rule.get("from", [{"source": {}}])]
    operations = [each["operation"] for each in rule.get("to", [{"operation": {}}])]
    return any(_from(each, account) for each in sources) and any(_to(each, call) for each in operations)


def _from(source: Object, account: str) -> bool:
    # A rule for any namespace ends in the account; one that names it names the rendered one.
    names = [f"cluster.local/ns/{NAMESPACE}/sa/{account}"]
    if "principals" in source:
        return any(
            _like(each, name) or each.endswith(f"/sa/{account}")
            for each in source["principals"]
            for name in names
        )
    if "serviceAccounts" in source:
        return any(each.rpartition("/")[2] == account for each in source["serviceAccounts"])
    return True


def _to(operation: Object, call: tuple[str, str, str]) -> bool:
    port, method, path = call
    return all(
        any(_like(pattern, text) for pattern in operation.get(field, ["*"]))
        for field, text in (("ports", port), ("methods", method), ("paths", path))
    )


def _like(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern)


def the_sidecar_knows_our_neighbours(rendered: Rendered) -> list[str]:
    """Every host that we call is among those that our Sidecar is told of; Google's, where it is closed."""
    faults = []
    for sidecar in rendered.of("Sidecar"):
        selector = {"matchLabels": (sidecar["spec"].get("workloadSelector") or {}).get("labels")}
        if not matches(selector, rendered.ours.labels):
            continue
        hosts = [host for each in sidecar["spec"]["egress"] for host in each["hosts"]]
        faults += [
            f"our Sidecar does not know {name}" for name in _neighbours(rendered) if not _known(name, hosts)
        ]
        if (sidecar["spec"].get("outboundTrafficPolicy") or {}).get("mode") == "REGISTRY_ONLY":
            faults += _unlisted(rendered)
    return faults


def _neighbours(rendered: Rendered) -> list[str]:
    names = ["cartservice", "productcatalogservice", "frontend"]
    return [*names, *(["opentelemetrycollector"] if rendered.settings.enable_tracing else [])]


def _known(name: str, hosts: list[str]) -> bool:
    # namespace/host, where the host may begin with a star.
    patterns = [host.rpartition("/")[2] for host in hosts if not host.startswith("istio-system/")]
    return any(pattern == "*" or pattern.split(".")[0] == name for pattern in patterns)


def _unlisted(rendered: Rendered) -> list[str]:
    settings = rendered.settings
    listed = [host for entry in rendered.of("ServiceEntry") for host in entry["spec"]["hosts"]]
    asked = {
        "storage.googleapis.com": settings.object_storage_url.startswith("gs://"),
        "firestore.googleapis.com": settings.state_store_url.startswith("firestore://"),
        "secretmanager.googleapis.com": settings.gemini_api_key_secret.startswith("projects/"),
        "generativelanguage.googleapis.com": any(
            url.startswith("gemini://") and "vertex=true" not in url for url in settings.image_model_urls
        ),
        "metadata.google.internal": is_somebody(rendered),
    }
    return [
        f"no ServiceEntry for {host}"
        for host, is_asked in asked.items()
        if is_asked and not any(_like(each, host) for each in listed)
    ]
