"""Every dependency has a wheel for both platforms of the image, so that nothing is compiled on either."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from recipe import ROOT, stages

LOCK = ROOT / "requirements.txt"
VERSION = re.match(r"python:(\d+\.\d+)", stages()[-1].base)
OUT_OF_REACH = ("error sending request", "failed to fetch", "dns error", "timed out", "network")


def resolved(platform: str, folder: Path) -> tuple[int, str]:
    """What uv would install there from nothing but wheels of the lock's hashes: exit code and words."""
    assert VERSION is not None
    command = [
        *(str(Path(sys.executable).parent / "uv"), "pip", "install", "--dry-run", "--no-deps", "--no-config"),
        *("--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)),
        *("--python-platform", platform, "--python-version", VERSION[1], "--target", str(folder)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


def of_index(platform: str, folder: Path) -> tuple[int, str]:
    """The same, or a skip where no package index answers."""
    code, words = resolved(platform, folder)
    if code and any(sign in words.lower() for sign in OUT_OF_REACH):
        if os.environ.get("REQUIRE_EMULATORS") == "1":
            pytest.fail(words)
        pytest.skip(f"no package index: {words[-200:]}")
    return code, words


@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28"])
def test_the_lock_is_installed_from_wheels_alone(platform: str, tmp_path: Path) -> None:
    code, words = of_index(platform, tmp_path)
    assert code == 0, words
    assert "opencv-python-headless" in words


def test_a_platform_without_wheels_is_noticed(tmp_path: Path) -> None:
    code, words = of_index("aarch64-unknown-linux-musl", tmp_path)
    assert code != 0
    assert "building from source is disabled" in words


def test_every_dependency_is_pinned_with_hashes() -> None:
    entries = re.split(r"\n(?=\S)", re.sub(r"\\\n\s*", " ", LOCK.read_text()).strip())
    wrong = [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert wrong == []
    assert len(entries) > 40
