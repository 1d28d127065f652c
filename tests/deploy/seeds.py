"""Defects, one at a time, each with the rule that must complain of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rendered import Object, strictly
from rules import Rule


class Parts:
    """The objects of a set by kind, for changing them."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def __getitem__(self, place: str) -> Object:
        """Kind, or Kind/name."""
        kind, _, name = place.partition("/")
        return next(
            each
            for each in self.objects
            if each["kind"] == kind and each["metadata"]["name"] == (name or "imagegenerationservice")
        )

    @property
    def pod(self) -> Object:
        spec: Object = self["Deployment"]["spec"]["template"]["spec"]
        return spec

    @property
    def server(self) -> Object:
        container: Object = self.pod["containers"][0]
        return container

    def env(self, name: str, value: str | None = None, **source: Any) -> None:
        """Set a variable, or take it away."""
        kept = [entry for entry in self.server["env"] if entry["name"] != name]
        new = [{"name": name, "valueFrom": source}] if source else [{"name": name, "value": value}]
        self.server["env"] = kept + (new if source or value is not None else [])

    def add(self, text: str) -> None:
        self.objects += strictly(text)

    def drop(self, place: str) -> None:
        self.objects.remove(self[place])


@dataclass(frozen=True)
class Seed:
    """`plant` puts the defect into a set that has none; `rule` must name `words`."""

    name: str
    rule: Rule
    words: str
    plant: Callable[[Parts], object]


def text_of(kind: str, api: str, spec: str, name: str = "imagegenerationservice") -> str:
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
