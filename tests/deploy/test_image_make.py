"""`make image`, `kind-load` and `push` with engines that only write down what they are told."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from helm_charts import CHART, Case, template
from recipe import ROOT
from rendered import Rendered, strictly
from toolbox import Tools, run

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NAME = "imagegenerationservice"
IMAGE = f"docker.io/library/{NAME}:{VERSION}"
PUSHED = f"registry.test/shop/{NAME}"
ENGINES = ("docker", "podman", "buildah")

TOOLS = ("make", "sh", "sed", "mkdir", "rm", "printf")
"""All else that the targets call; no engine of this machine's is on the path."""

Make = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(engine, *arguments): what make printed, and the lines that engines were called with."""
    log = tmp_path / "log"
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (programs / tool).symlink_to(found)
    (tmp_path / "tree").mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "tree" / name)

    def make(engine: str, *arguments: str, fails: bool = False) -> tuple[str, list[str]]:
        for name in {engine, "kind", "docker"}:
            # A docker whose daemon is away is there all the same.
            away = "exit 1" if name == "docker" != engine else ""
            (programs / name).write_text(f'#!/bin/sh\n{away}\n[ "$1" = info ] || echo {name} "$@" >> {log}\n')
            (programs / name).chmod(0o755)
        done = subprocess.run(
            [programs / "make", "--no-print-directory", *arguments],
            cwd=tmp_path / "tree",
            env={"PATH": str(programs), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stderr
        return done.stdout, log.read_text().splitlines() if log.exists() else []

    return make


@pytest.mark.parametrize("engine", ENGINES)
def test_the_image_is_built_by_whatever_engine_is_there(engine: str, make: Make) -> None:
    _, (build,) = make(engine, "image")
    assert build.startswith(f"{engine} build ")
    assert f"--tag {IMAGE} ." in build
    assert "--label org.opencontainers.image.revision=" in build
    assert ("--format docker" in build) == (engine != "docker")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_local_cluster_gets_it_under_the_name_that_manifests_mean(engine: str, make: Make) -> None:
    _, calls = make(engine, "kind-load", "CLUSTER=boutique")
    assert calls[0].startswith(f"{engine} build ")
    assert IMAGE in calls[1]
    assert calls[2] == "kind load image-archive build/image.tar --name boutique"


@pytest.mark.parametrize("engine", ENGINES)
def test_publishing_pushes_it_for_this_platform(engine: str, make: Make) -> None:
    _, calls = make(engine, "push", "REGISTRY=registry.test/shop")
    assert calls[1:] == [f"{engine} tag {IMAGE} {PUSHED}:{VERSION}", f"{engine} push {PUSHED}:{VERSION}"]


@pytest.mark.parametrize("engine", ENGINES)
def test_publishing_for_several_platforms_makes_one_name_for_all(engine: str, make: Make) -> None:
    both = "linux/amd64,linux/arm64"
    _, calls = make(engine, "push", "REGISTRY=registry.test/shop", f"PLATFORMS={both}")
    assert f"--platform {both}" in calls[0]
    assert f"{PUSHED}:{VERSION}" in calls[0]
    assert "--push" in calls[0] or "manifest push --all" in calls[1]


def test_publishing_asks_where_to(make: Make) -> None:
    printed, calls = make("docker", "push", fails=True)
    assert "make push REGISTRY=" in printed
    assert calls == []


def test_the_printed_flag_makes_the_chart_use_what_was_published(make: Make, tools: Tools) -> None:
    printed, _ = make("docker", "push", "REGISTRY=registry.test/shop")
    (flags,) = re.findall(r"Helm:\n\s+(.*)", printed)
    found = Rendered.parse(template(tools.helm4, CHART, [*Case("").flags, *flags.split()]))
    assert found.server["image"] == f"{PUSHED}:{VERSION}"


def test_the_printed_lines_make_kustomize_use_what_was_published(
    make: Make, tools: Tools, tmp_path: Path
) -> None:
    printed, _ = make("docker", "push", "REGISTRY=registry.test/shop")
    lines = printed.partition("Kustomize:\n")[2]
    assert set(strictly(lines)[0]) == {"images"}
    shutil.copytree(ROOT / "kustomize/components/image-generation", tmp_path / "component")
    (tmp_path / "kustomization.yaml").write_text(f"components:\n  - component\n{lines}")
    found = Rendered.parse(run(tools.old_kubectl, "kustomize", str(tmp_path)))
    assert found.server["image"] == f"{PUSHED}:{VERSION}"
