"""Rules: what an API server would refuse. Kubernetes' own kinds by its schemas, the others by ours."""

from __future__ import annotations

import base64
import binascii
from functools import cache
from typing import Any

from foreign_kinds import FOREIGN
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource
from rendered import Object, Rendered, identity, namespace_of

OLDEST, NEWEST = "1.29", "1.37"
"""Kubernetes' versions that are promised to take what we render."""


def valid_for_kubernetes(rendered: Rendered) -> list[str]:
    """Closed schemas: a field that does not exist is refused as well as one of a wrong type."""
    return [
        f"{label(found)}: {error.json_path}: {error.message[:300]}"
        for found in rendered
        for validator in _validators(found)
        for error in validator.iter_errors(found)
    ] + [
        f"{label(found)}: no schema knows {found['apiVersion']}"
        for found in rendered
        if not _validators(found)
    ]


def secrets_can_be_decoded(rendered: Rendered) -> list[str]:
    """The schemas know no base64."""
    faults = []
    for secret in rendered.of("Secret"):
        for key, value in (secret.get("data") or {}).items():
            try:
                base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                faults.append(f"{label(secret)}: {key} is not base64")
    return faults


def in_any_namespace(rendered: Rendered) -> list[str]:
    """A namespace that is written down is the one that was asked for."""
    return [
        f"{label(found)}: the namespace {where} is written down"
        for found in rendered
        if (where := namespace_of(found)) not in ("", rendered.namespace)
    ]


def label(found: Object) -> str:
    """Kind/name, for people."""
    _, kind, _, name = identity(found)
    return f"{kind}/{name}"


def _validators(found: Object) -> list[Draft202012Validator]:
    kind, version = found["kind"], found["apiVersion"]
    if own := FOREIGN.get((version, kind)):
        return [Draft202012Validator(own)]
    return [each for each in (_of_kubernetes(kind, version, at) for at in (OLDEST, NEWEST)) if each]


@cache
def _of_kubernetes(kind: str, version: str, kubernetes: str) -> Draft202012Validator | None:
    group, _, name = version.rpartition("/")
    file = f"{kind.lower()}-{group.split('.')[0] + '-' if group else ''}{name}.json"
    try:
        schema = schema_contents(f"{_folder(kubernetes)}/{file}", kubernetes)
    except FileNotFoundError:
        return None
    registry: Registry[Any] = Resource.from_contents(schema) @ _definitions(kubernetes)
    return Draft202012Validator(schema, registry=registry)


@cache
def _definitions(kubernetes: str) -> Registry[Any]:
    definitions = schema_contents(f"{_folder(kubernetes)}/_definitions.json", kubernetes)
    return Resource.from_contents(definitions) @ Registry()


def _folder(kubernetes: str) -> str:
    return f"kubernetes-json-schema/v{kubernetes}.0-local-strict"
