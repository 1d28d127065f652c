"""Checkov in an environment of its own below build/, and what it says of a folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators import NotHere
from toolbox import ROOT

LOCK = ROOT / "requirements-checkov.txt"
PATIENCE = 800
"""Seconds for the download of some 80 MB, and for unpacking 300."""


@dataclass(frozen=True)
class Verdict:
    """`passed`: how many checks. `failed`: (check, what it means, file and object)."""

    passed: int
    failed: frozenset[tuple[str, str, str]]
    unread: tuple[str, ...]


def get_checkov() -> Path:
    """Install it unless that was done before. Raises NotHere when it cannot be had."""
    # Named after the lock, so that a new version is a new environment.
    folder = ROOT / "build/checkov" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    if not (folder / "complete").exists():
        uv = str(Path(sys.executable).parent / "uv")
        make = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)]
        fill = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), "--require-hashes"]
        for command in (make, [*fill, "--requirement", str(LOCK)]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if done.returncode:
                raise NotHere(f"checkov cannot be installed: {done.stderr.strip()[-500:]}")
        (folder / "complete").touch()
    return folder / "bin/checkov"


def judged(checkov: Path, folder: Path) -> dict[str, Verdict]:
    """What it says of all below *folder*, nothing skipped, for each framework that it found there."""
    command = [
        *(str(checkov), "--directory", str(folder), "--framework", "kubernetes", "dockerfile", "terraform"),
        *("--skip-download", "--compact", "--output", "json", "--soft-fail"),
    ]
    # From a folder without .checkov.yaml, so that it skips nothing; and without a word to its maker.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        timeout=110,
        check=True,
    )
    found = json.loads(done.stdout)
    return {each["check_type"]: _verdict(each) for each in (found if isinstance(found, list) else [found])}


def _verdict(found: dict[str, Any]) -> Verdict:
    results = found["results"]
    failed = frozenset(
        (each["check_id"], each["check_name"], f"{each['file_path']} {each['resource']}")
        for each in results["failed_checks"]
    )
    return Verdict(found["summary"]["passed"], failed, tuple(results["parsing_errors"]))
