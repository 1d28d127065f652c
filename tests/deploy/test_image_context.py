"""What is sent to the builder: .dockerignore, read as builders read it, on a tree with everything in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from recipe import ROOT, stages

IGNORED = (
    *(".env", ".git/config", ".venv/bin/python", "data/state.sqlite3", "data/pictures/p/a.jpg"),
    *("tests/conftest.py", "key.json", "service-account.json", "build/tools/helm", "helm-chart/values.yaml"),
    *("kustomize/overlays/production/settings.env", "demo-picture.jpg", ".dockerignore", "Dockerfile"),
    *("imagegenservice/__pycache__/app.cpython-314.pyc", "imagegenservice/adapters/__pycache__/web.pyc"),
    *("imagegenservice/.env", "imagegenservice/key.json", "imagegenservice/adapters/key.pem"),
)


def patterns() -> list[tuple[bool, re.Pattern[str]]]:
    """(True for those with a !, the pattern), in order."""
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    return [(line.startswith("!"), _pattern(line.removeprefix("!").strip("/"))) for line in kept]


def _pattern(text: str) -> re.Pattern[str]:
    """Go's filepath.Match with **, which matches a path and all below it."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(parts.get(piece, piece if piece.startswith("[") else re.escape(piece))
                   for piece in re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|[^*?[]+", text))  # fmt: skip
    return re.compile(f"{body}(?:/.*)?")


def sent(path: str) -> bool:
    """Whether the builder gets this file: the last pattern that matches decides."""
    verdicts = [included for included, pattern in patterns() if pattern.fullmatch(path)]
    return verdicts[-1] if verdicts else True


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", IGNORED)
def test_no_secret_data_or_test_is_sent(path: str) -> None:
    assert not sent(path)


def test_of_the_tree_only_what_the_service_needs_is_sent() -> None:
    needed = {"LICENSE", "requirements.txt"}
    assert {path for path in tracked() if sent(path) and not path.startswith("imagegenservice/")} == needed


def test_all_of_the_package_is_sent_but_what_only_type_checkers_read() -> None:
    package = [path for path in tracked() if path.startswith("imagegenservice/")]
    assert {Path(path).suffix for path in package if sent(path)} == {".py", ".typed", ".toml", ".jpg"}
    assert {Path(path).suffix for path in package if not sent(path)} == {".pyi"}


def test_all_that_the_dockerfile_copies_is_sent() -> None:
    sources = [word for copy in stages()[0].all("COPY") for word in copy.text.split()[:-1]]
    assert sorted(sources) == ["LICENSE", "imagegenservice", "requirements.txt"]
    assert all(any(sent(path) and path.startswith(source) for path in tracked()) for source in sources)
