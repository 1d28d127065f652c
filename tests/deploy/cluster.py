"""A stand-in for a cluster's API server, as much of it as Helm asks before it installs anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

GROUPS = {
    "v1": ("serviceaccounts", "services", "secrets", "pods", "persistentvolumeclaims", "namespaces"),
    "apps/v1": ("deployments",),
    "autoscaling/v2": ("horizontalpodautoscalers",),
    "policy/v1": ("poddisruptionbudgets",),
    "networking.k8s.io/v1": ("networkpolicies",),
    "networking.istio.io/v1beta1": ("sidecars", "serviceentries"),
    "security.istio.io/v1beta1": ("authorizationpolicies",),
}
KINDS = {
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "serviceaccounts": "ServiceAccount",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "networkpolicies": "NetworkPolicy",
    "serviceentries": "ServiceEntry",
    "authorizationpolicies": "AuthorizationPolicy",
}


@contextmanager
def cluster(*objects: dict[str, Any]) -> Iterator[str]:
    """The address of a cluster whose namespaces hold *objects* and a service account, and nothing else."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler([account, *objects]))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(address: str, folder: Path) -> Path:
    """A file that leads kubectl and Helm to *address*."""
    file = folder / "kubeconfig"
    entry = {"name": "here", "cluster": {"server": address}}
    context = {"name": "here", "context": {"cluster": "here", "user": "nobody"}}
    users = [{"name": "nobody", "user": {}}]
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "here", "clusters": [entry]}
    file.write_text(yaml.safe_dump({**content, "contexts": [context], "users": users}))
    return file


def _handler(objects: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = _answer(self.path.partition("?")[0].strip("/"), objects)
            body = json.dumps(
                answer
                or {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "status": "Failure",
                    "reason": "NotFound",
                    "code": 404,
                }
            ).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    return Handler


def _answer(path: str, objects: list[dict[str, Any]]) -> dict[str, Any] | None:
    if path == "version":
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(each) for each in GROUPS if "/" in each],
        }
    version = path.partition("/")[2]
    if version in GROUPS:
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": [_resource(each) for each in GROUPS[version]],
        }
    return _asked(version, objects)


def _group(version: str) -> dict[str, Any]:
    entry = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [entry], "preferredVersion": entry}


def _resource(plural: str) -> dict[str, Any]:
    return {
        "name": plural,
        "singularName": "",
        "namespaced": plural != "namespaces",
        "kind": _kind(plural),
        "verbs": ["get", "list", "create"],
    }


def _kind(plural: str) -> str:
    return KINDS.get(plural, plural.removesuffix("s").capitalize())


def _asked(path: str, objects: list[dict[str, Any]]) -> dict[str, Any] | None:
    version, inside, rest = path.partition("/namespaces/")
    if not inside or "/" not in rest:
        return None
    _, plural, *names = rest.split("/")
    found = [each for each in objects if (each["apiVersion"], each["kind"]) == (version, _kind(plural))]
    if not names:
        return {"apiVersion": version, "kind": f"{_kind(plural)}List", "metadata": {}, "items": found}
    return next((each for each in found if each["metadata"]["name"] == names[0]), None)
