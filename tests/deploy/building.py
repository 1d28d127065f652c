"""Builds kustomizations, those of the repository and others made of its components."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rendered import Rendered
from toolbox import ROOT, run

KUSTOMIZE = ROOT / "kustomize"
COMPONENTS = KUSTOMIZE / "components"
SHOP = Path(__file__).parent / "shop"
KEY = frozenset({("Secret", "imagegenerationservice-gemini")})
"""What a user of image-generation-gemini brings."""

PARTS = {
    "image-generation": ("",),
    "image-generation-pvc": ("", "pvc"),
    "image-generation-pvc-gemini": ("", "pvc", "gemini"),
    "image-generation-gcs-firestore": ("", "gcs", "firestore", "gemini-secret-manager"),
    "image-generation-hpa-gemini-vertex": ("", "hpa", "gemini-vertex"),
    "image-generation-all": ("", "gcs", "firestore", "hpa", "gemini-vertex", "istio"),
}
"""What each combination is made of; policies and operations are put beside it by the tests."""

SETTINGS = {
    "PROJECT_ID": "boutique-1234",
    "GCS_BUCKET": "boutique-pictures",
    "GEMINI_API_KEY_SECRET": "projects/boutique-1234/secrets/gemini",
}


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One of the programs, and what was built with it."""

    program: Path
    built: dict[str, Rendered] = field(default_factory=dict, compare=False)

    def build(self, folder: Path) -> Rendered:
        """What is in *folder* now. Raises Failed with what kubectl says, Malformed for duplicate keys."""
        return Rendered.parse(run(self.program, "kustomize", str(folder)), given=KEY)

    def ours(self, name: str) -> Rendered:
        """A folder of kustomize/, built once."""
        if name not in self.built:
            self.built[name] = self.build(KUSTOMIZE / name)
        return self.built[name]

    def compose(self, *parts: str | Path, base: Path | None = None, also: str = "") -> Rendered:
        """An overlay of *parts* (folders, or the ends of our components' names) in this order on *base*."""
        scratch = ROOT / "build/kustomizations"
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            text = kustomization([_folder(part) for part in parts], base, Path(folder)) + also
            (Path(folder) / "kustomization.yaml").write_text(text)
            if text not in self.built:  # the paths in it are the same from every scratch folder
                self.built[text] = self.build(Path(folder))
        return self.built[text]


def settings(**values: str | None) -> str:
    """The lines with which a user sets what our components ask for; all of it unless *values* are given."""
    given = {name: value for name, value in (values or SETTINGS).items() if value is not None}
    chosen = "".join(f"      - {name}={value}\n" for name, value in given.items())
    return f"configMapGenerator:\n  - name: imagegenerationservice-settings\n    literals:\n{chosen}"


def kustomization(components: list[Path], base: Path | None, folder: Path) -> str:
    """The text of a kustomization.yaml in *folder*."""
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization"]
    if base:
        lines += ["resources:", f"  - {os.path.relpath(base, folder)}"]
    lines += ["components:", *(f"  - {os.path.relpath(part, folder)}" for part in components), ""]
    return "\n".join(lines)


def _folder(part: str | Path) -> Path:
    if isinstance(part, Path):
        return part
    return COMPONENTS / f"image-generation-{part}" if part else COMPONENTS / "image-generation"
