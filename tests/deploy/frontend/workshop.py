"""Gets and builds what the frontend's tests need: a Go, its packages, a browser and its driver."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from emulators import NotHere

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
FRONTEND: Final = ROOT / "integrations/frontend"
BUILD: Final = ROOT / "build/frontend"
MODULE: Final = "github.com/GoogleCloudPlatform/microservices-demo/src/frontend"
"""The name that the shop's frontend has for Go."""
PATIENCE: Final = 600

GO_PACKAGES: Final = (
    *("golang-google-grpc-dev", "golang-google-protobuf-dev", "golang-github-golang-protobuf-1-5-dev"),
    *("golang-google-genproto-dev", "golang-golang-x-net-dev", "golang-golang-x-sys-dev"),
    *("golang-golang-x-text-dev", "golang-github-gorilla-mux-dev", "golang-github-sirupsen-logrus-dev"),
    *("protoc-gen-go-1-5", "protoc-gen-go-grpc"),
)
"""Debian's: the libraries that the shop's frontend stands on, as far as our two files use them."""


def python_tools() -> Path:
    """A folder with what requirements.txt lists. Raises NotHere when it cannot be had."""
    lock = HERE / "requirements.txt"
    named = f"{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}-{sys.version_info.minor}"
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--no-compile", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)),
    ]
    return _once(BUILD / f"tools-{named}", lambda folder: _run([*command, "--target", str(folder)]))


def go_packages() -> Path:
    """A folder with Debian's packages, unpacked. Raises NotHere where they cannot be had."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise NotHere("Go's gRPC comes from Debian's packages; this machine has no apt-get")
    named = hashlib.sha256(" ".join(GO_PACKAGES).encode()).hexdigest()[:12]
    return _once(BUILD / f"packages-{named}", _unpack)


def _unpack(folder: Path) -> None:
    folder.mkdir()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        # apt downloads as a user of its own, who may not write here; as root it then does so itself.
        command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *GO_PACKAGES]
        try:
            _run(command, cwd=scratch)
        except NotHere:
            _run(["apt-get", "update", "-qq"])  # a fresh machine has no lists yet
            _run(command, cwd=scratch)
        for package in sorted(Path(scratch).glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(folder)])


def browser() -> Path:
    """A Chromium. Raises NotHere where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    raise NotHere("no browser: apt-get install chromium")


class Go:
    """A Go and a place where our files lie beside a stand-in of the shop's."""

    def __init__(self) -> None:
        if platform.system() != "Linux":
            raise NotHere("Go's packages are Debian's")
        self.root = python_tools() / "go"
        self.packages = go_packages()
        self.path = BUILD / "gopath"
        self.source = self.path / "src" / MODULE
        self.environment = {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/tmp"),
            "GOROOT": str(self.root),
            "GOPATH": f"{self.path}:{self.packages / 'usr/share/gocode'}",
            "GO111MODULE": "off",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
        }

    def lay_out(self) -> None:
        """Our two files, the stand-in, and the stubs that protoc makes by the lines of docs/frontend.md."""
        shutil.rmtree(self.path, ignore_errors=True)
        (self.source / "genproto").mkdir(parents=True)
        for file in (*FRONTEND.glob("*.go"), HERE / "shop/main.go"):
            shutil.copy(file, self.source)
        protos = self.source.parents[1] / "protos"
        protos.mkdir()
        for proto in ("demo.proto", "imagegen.proto"):
            shutil.copy(ROOT / "protos" / proto, protos)
        lines = stub_lines()
        # The shop has the stubs of its own protos already; here they are made in the same way.
        for proto in ("demo.proto", "imagegen.proto"):
            script = f'protoc() {{ {sys.executable} -m grpc_tools.protoc "$@"; }}\n'
            self._bash(script + lines.replace(" imagegen.proto", f" {proto}"))

    def _bash(self, script: str) -> None:
        environment = {**os.environ, "PATH": f"{self.packages / 'usr/bin'}:{os.environ['PATH']}"}
        command = ["bash", "-euc", script]
        shop = self.source.parents[1]
        done = subprocess.run(command, cwd=shop, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the lines of docs/frontend.md:\n{done.stderr}")

    def __call__(self, *arguments: str) -> str:
        """Run the go command in the frontend's folder. Raises RuntimeError with what it said."""
        done = subprocess.run(
            ["go", *arguments],
            cwd=self.source,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"go {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def built(self) -> Path:
        """The stand-in shop with our files in it. Raises RuntimeError when they do not compile."""
        self.lay_out()
        program = BUILD / "shop"
        self("build", "-o", str(program), ".")
        return program


def stub_lines() -> str:
    """The lines of docs/frontend.md that make the stubs, as a script."""
    guide = (ROOT / "docs/frontend.md").read_text(encoding="utf-8")
    block = guide.partition("**1. The stubs.**")[2].partition("```console\n")[2].partition("```")[0]
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines())


def _once(folder: Path, make: object) -> Path:
    """Make a folder whole or not at all."""
    assert callable(make)
    if not folder.is_dir():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            made = Path(scratch) / "made"
            make(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # somebody else was faster: then it is there
                    raise
    return folder


def _run(command: list[str], cwd: str | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise NotHere(f"{' '.join(command[:3])} …: {done.stderr.strip()[-600:]}")
