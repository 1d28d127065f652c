"""Rules: NetworkPolicies admit what the service uses and nothing else, looked at from both ends."""

from __future__ import annotations

import ipaddress
from typing import Any

from edges import Edge, End, needed, unwanted, us
from rendered import Object, Rendered, matches

OURS = {"kubernetes.io/metadata.name": "ours"}
"""The labels of the namespace that everything is rendered for."""


def policies_admit_what_is_used(rendered: Rendered) -> list[str]:
    """Holds without any policy as well: then everything is admitted."""
    return [f"{edge}: {refusal}" for edge in needed(rendered) if (refusal := refused(rendered, edge))]


def policies_admit_nothing_else(rendered: Rendered) -> list[str]:
    """Only looked at when there is a policy for us."""
    if not _for(rendered, us(rendered), "Ingress") or not _for(rendered, us(rendered), "Egress"):
        return []
    return [
        f"{edge}: admitted" for edge in unwanted(rendered) if not refused(rendered, edge, (us(rendered),))
    ]


def refused(rendered: Rendered, edge: Edge, ends: tuple[End, ...] | None = None) -> str:
    """At which end it is refused; empty when it is admitted. *ends*: only their policies are looked at."""
    for end, other, direction in (
        (edge.source, edge.target, "Egress"),
        (edge.target, edge.source, "Ingress"),
    ):
        if ends is not None and end.name not in {each.name for each in ends}:
            continue
        policies = _for(rendered, end, direction)
        if policies and not any(_admits(rendered, each, edge, other, direction) for each in policies):
            return f"refused as {direction.lower()} of {end.name}"
    return ""


def isolated(rendered: Rendered) -> set[tuple[str, str]]:
    """(app, direction) of every pod that some policy selects: from then on it is closed by default."""
    return {
        (pod.labels.get("app", pod.name), direction)
        for pod in rendered.pods
        for direction in ("Ingress", "Egress")
        if _for(rendered, End(pod.name, pod.labels), direction)
    }


def _for(rendered: Rendered, end: End, direction: str) -> list[Object]:
    if end.address or end.namespace is not None:
        return []
    return [
        found
        for found in rendered.of("NetworkPolicy")
        if matches(found["spec"].get("podSelector", {}), end.labels) and direction in _types(found)
    ]


def _types(policy: Object) -> list[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]


def _admits(rendered: Rendered, policy: Object, edge: Edge, other: End, direction: str) -> bool:
    way, side = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
    return any(
        _port(rendered, rule.get("ports"), edge) and _peer(rule.get(way), other)
        for rule in policy["spec"].get(side) or []
    )


def _port(rendered: Rendered, ports: list[Object] | None, edge: Edge) -> bool:
    if not ports:
        return True
    for each in ports:
        wanted = each.get("port")
        if isinstance(wanted, str):
            wanted = _named(rendered, edge.target, wanted)
        last = each.get("endPort", wanted)
        if each.get("protocol", "TCP") == edge.protocol and (wanted is None or wanted <= edge.port <= last):
            return True
    return False


def _named(rendered: Rendered, target: End, name: str) -> int:
    numbers = [pod.port(name) for pod in rendered.pods if pod.labels == target.labels]
    return next((number for number in numbers if number), -1)


def _peer(peers: list[Object] | None, other: End) -> bool:
    return not peers or any(_is(peer, other) for peer in peers)


def _is(peer: dict[str, Any], other: End) -> bool:
    if block := peer.get("ipBlock"):
        return bool(other.address) and _within(block, other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        namespace = OURS if other.namespace is None else other.namespace
        if not matches(peer["namespaceSelector"], namespace):
            return False
    elif other.namespace is not None:
        return False
    return "podSelector" not in peer or matches(peer["podSelector"], other.labels)


def _within(block: Object, address: str) -> bool:
    here = ipaddress.ip_address(address)
    inside = [here in ipaddress.ip_network(each) for each in (block["cidr"], *block.get("except", []))]
    return inside[0] and not any(inside[1:])
