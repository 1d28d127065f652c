"""Reads a Dockerfile: its stages, and what a container of the last one is given."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the images that it builds upon."""


@dataclass(frozen=True)
class Instruction:
    """`flags` are its --name=value."""

    word: str
    text: str
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def exec_form(self) -> list[str] | None:
        """The words of a command that no shell reads, None when one does."""
        text = self.text.removeprefix("CMD ") if self.word == "HEALTHCHECK" else self.text
        return json.loads(text) if text.startswith("[") else None

    @property
    def pairs(self) -> dict[str, str]:
        """The names and values of an ENV, LABEL or ARG."""
        return {name: value for name, _, value in (word.partition("=") for word in shlex.split(self.text))}


@dataclass(frozen=True)
class Stage:
    """`base` is the reference after FROM."""

    base: str
    name: str
    flags: Mapping[str, str]
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [each for each in self.instructions if each.word == word]

    def last(self, word: str) -> Instruction:
        """Raises LookupError when there is none."""
        found = self.all(word)
        if not found:
            raise LookupError(f"the stage {self.name} has no {word}")
        return found[-1]

    @property
    def environment(self) -> dict[str, str]:
        """What its ENVs make of the base's."""
        known = {"PATH": BASE_PATH, "LANG": "C.UTF-8"}
        for each in self.all("ENV"):
            known |= {name: _expanded(value, known) for name, value in each.pairs.items()}
        return known

    @property
    def labels(self) -> dict[str, str]:
        return {name: text for each in self.all("LABEL") for name, text in each.pairs.items()}


def stages(path: Path = DOCKERFILE) -> list[Stage]:
    """Every stage, in order."""
    found: list[Stage] = []
    for each in _instructions(path.read_text()):
        if each.word == "FROM":
            base, *rest = each.text.split()
            found.append(Stage(base, rest[1] if len(rest) == 2 else "", each.flags))
        elif found:
            found[-1].instructions.append(each)
    return found


def _instructions(text: str) -> list[Instruction]:
    without_comments = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", without_comments).splitlines()
    return [_instruction(line.strip()) for line in lines if line.strip()]


def _instruction(line: str) -> Instruction:
    word, _, text = line.partition(" ")
    flags: dict[str, str] = {}
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    return Instruction(word.upper(), text.strip(), flags)


def _expanded(value: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: known.get(found[1], ""), value)
