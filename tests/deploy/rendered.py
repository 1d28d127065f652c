"""Rendered manifests as a set of objects that can be asked, read as strictly as nothing in between would."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from imagegenservice.settings import Settings, load

Object = dict[str, Any]
SERVICE = "imagegenerationservice"
FIELDS = {name.upper() for name in Settings.model_fields} | {"GOOGLE_CLOUD_PROJECT"}
"""Every variable that the server reads."""


class Malformed(Exception):
    """The text is no set of Kubernetes objects; the message says where."""


class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that is given twice, of which YAML's readers silently keep one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Malformed(f"line {node.start_mark.line + 1}: the key {key!r} is given twice")
        return super().construct_mapping(node, deep)


def strictly(text: str) -> list[Any]:
    """Every document of *text*, empty ones left out. Raises Malformed."""
    try:
        return [document for document in yaml.load_all(text, _Strict) if document is not None]
    except yaml.YAMLError as exc:
        raise Malformed(str(exc)) from None


@dataclass(frozen=True)
class Pod:
    """The pods of one workload, or a bare pod: `owner` is the object they come from."""

    owner: Object
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def namespace(self) -> str:
        return namespace_of(self.owner)

    @property
    def containers(self) -> list[Object]:
        """Those that run side by side, and those that run before them."""
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]

    @property
    def account(self) -> str:
        return str(self.spec.get("serviceAccountName", "default"))

    def ports(self) -> dict[str, int]:
        """Number of each named container port; unnamed ones under their number."""
        found = [port for container in self.spec["containers"] for port in container.get("ports", [])]
        return {str(port.get("name", port["containerPort"])): int(port["containerPort"]) for port in found}

    def port(self, name: str | int) -> int | None:
        """The number behind a port's name, None when it is not declared."""
        ports = self.ports()
        if isinstance(name, int):
            return name if name in ports.values() else None
        return ports.get(name)


@dataclass(frozen=True)
class Rendered:
    """
    All that one `kubectl kustomize`, `helm template` or file gives.

    `service`: our Deployment's name. `given`: (kind, name) of Secrets and ConfigMaps that the user brings.
    `namespace`: where it is installed; empty for wherever the user says.
    """

    objects: tuple[Object, ...]
    service: str = SERVICE
    given: frozenset[tuple[str, str]] = frozenset()
    namespace: str = ""

    @classmethod
    def parse(cls, text: str, **facts: Any) -> Rendered:
        """*facts* are the other fields. Raises Malformed, for duplicate keys and objects as well."""
        objects = [flat for document in strictly(text) for flat in _flat(document)]
        seen: set[tuple[str, ...]] = set()
        for found in objects:
            if (key := identity(found)) in seen:
                raise Malformed(f"{'/'.join(key)} is given twice")
            seen.add(key)
        return cls(tuple(objects), **facts)

    def __iter__(self) -> Iterator[Object]:
        return iter(self.objects)

    def __add__(self, other: Rendered) -> Rendered:
        return replace(self, objects=(*self.objects, *other.objects))

    def of(self, kind: str) -> list[Object]:
        return [found for found in self.objects if found["kind"] == kind]

    def find(self, kind: str, name: str) -> Object | None:
        """None when it is not there. Raises LookupError when it is there in several namespaces."""
        found = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        if len(found) > 1:
            raise LookupError(f"{kind}/{name} is there {len(found)} times")
        return found[0] if found else None

    def one(self, kind: str, name: str) -> Object:
        """Raises LookupError when it is not there."""
        found = self.find(kind, name)
        if found is None:
            there = sorted("/".join(identity(each)[1:]) for each in self.objects)
            raise LookupError(f"no {kind}/{name} among {', '.join(there)}")
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        """Of every workload, jobs and bare pods included."""
        return [_pod(found) for found in self.objects if _template(found) is not None]

    @property
    def ours(self) -> Pod:
        """Our service's pods. Raises LookupError when the set does not hold them."""
        owner = self.one("Deployment", self.service)
        return next(pod for pod in self.pods if pod.owner is owner)

    @property
    def server(self) -> Object:
        """Our container."""
        return next(each for each in self.ours.spec["containers"] if each["name"] == "server")

    @property
    def env(self) -> dict[str, str]:
        """Our container's environment, what ConfigMaps and Secrets of this set give filled in."""
        return self.environment(self.server)

    @cached_property
    def settings(self) -> Settings:
        """As our server would read them, by `env`. Raises ConfigurationError."""
        found = {name: value for name, value in self.env.items() if name in FIELDS and value}
        return load(**{name.lower(): value for name, value in found.items()})

    def environment(self, container: Object) -> dict[str, str]:
        """As the kubelet makes it, `$(NAME)` included; what comes from elsewhere is `<Kind/name/key>`."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self._all_of(source)
        for entry in container.get("env", []):
            found[entry["name"]] = _expanded(self._value(entry), found)
        return found

    def _value(self, entry: Object) -> str:
        source = entry.get("valueFrom")
        if source is None:
            return str(entry.get("value", ""))
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if reference := source.get(field):
                owner = self.find(kind, reference["name"])
                known = entries(owner) if owner else {}
                return known.get(reference["key"], f"<{kind}/{reference['name']}/{reference['key']}>")
        return f"<{next(iter(source))}>"

    def _all_of(self, source: Object) -> dict[str, str]:
        prefix = source.get("prefix", "")
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if (reference := source.get(field)) and (owner := self.find(kind, reference["name"])):
                return {prefix + name: value for name, value in entries(owner).items()}
        return {}


def entries(owner: Object) -> dict[str, str]:
    """A ConfigMap's or Secret's keys; of a Secret's encoded values only that they are there."""
    encoded = dict.fromkeys(owner.get("data") or {}, "<secret>")
    plain = encoded if owner["kind"] == "Secret" else dict(owner.get("data") or {})
    return {**plain, **(owner.get("stringData") or {}), **dict.fromkeys(owner.get("binaryData") or {}, "")}


def identity(found: Object) -> tuple[str, str, str, str]:
    """What a cluster tells objects apart by: group, kind, namespace and name."""
    group = found["apiVersion"].rpartition("/")[0]
    return group, found["kind"], namespace_of(found), found["metadata"]["name"]


def namespace_of(found: Object) -> str:
    return str(found["metadata"].get("namespace", ""))


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selector; None selects nothing, an empty one everything."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_satisfied(each, labels) for each in selector.get("matchExpressions") or [])


def _satisfied(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise Malformed(f"no such operator: {expression['operator']}")


def _flat(document: Any) -> list[Object]:
    if not isinstance(document, dict) or not {"apiVersion", "kind"} <= document.keys():
        raise Malformed(f"not a Kubernetes object: {str(document)[:80]}")
    if document["kind"] == "List":
        return [flat for item in document["items"] for flat in _flat(item)]
    if not (document.get("metadata") or {}).get("name"):
        raise Malformed(f"a {document['kind']} without a name")
    return [document]


def _template(found: Object) -> Object | None:
    spec = found.get("spec") or {}
    if found["kind"] == "Pod":
        return found
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template")
    return template if isinstance(template, dict) and "containers" in template.get("spec", {}) else None


def _pod(found: Object) -> Pod:
    template = _template(found)
    assert template is not None
    metadata = template.get("metadata") or {}
    return Pod(found, metadata.get("labels") or {}, metadata.get("annotations") or {}, template["spec"])


def _expanded(value: str, known: Mapping[str, str]) -> str:
    for name, text in known.items():
        value = value.replace(f"$({name})", text)
    return value
