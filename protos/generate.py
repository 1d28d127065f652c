"""Generate imagegenservice/pb from these files, or with --check say whether it is up to date."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
GENERATED = PROTOS.parent / "imagegenservice" / "pb"
SOURCES = ("demo.proto", "imagegen.proto")
MARKER = '"""Generated from protos/ by `make proto`. Do not edit."""\n'


def generate(folder: Path) -> None:
    """Write the modules and their type stubs to *folder*."""
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    includes = [f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}"]
    # The plugins stand beside the interpreter; its folder is on PATH only in an activated environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if protoc.main(["protoc", *includes, *outputs, *SOURCES]):
        raise SystemExit("protoc failed")
    for path in folder.glob("*.py*"):
        path.write_text(_relative(path.read_text()))
    (folder / "__init__.py").write_text(MARKER)


def _relative(text: str) -> str:
    # protoc knows no Python packages: it writes `import demo_pb2` for a neighbour.
    text = re.sub(r"^import ((?:demo|imagegen)_pb2)\b", r"from . import \1", text, flags=re.MULTILINE)
    return re.sub(r"^from ((?:demo|imagegen)_pb2) import", r"from .\1 import", text, flags=re.MULTILINE)


def stale() -> list[str]:
    """Name the generated files that differ from what the sources give now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {path.name: path.read_text() for path in Path(folder).iterdir()}
    names = fresh.keys() | {path.name for path in GENERATED.glob("*.py*")}
    present = {name: (GENERATED / name).read_text() for name in names if (GENERATED / name).exists()}
    return sorted(name for name in names if fresh.get(name) != present.get(name))


if __name__ == "__main__":
    if "--check" in sys.argv:
        if names := stale():
            sys.exit(f"imagegenservice/pb is out of date ({', '.join(names)}): run `make proto`")
    else:
        GENERATED.mkdir(exist_ok=True)
        generate(GENERATED)
