"""Without a rebuild: the bridge starts as its manifest says, the page is the shop's own with a line more."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import yaml
from emulators import answers, free_port
from workshop import FRONTEND, ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FRONTEND / name).read_text(encoding="utf-8")))


def container(name: str) -> dict[str, Any]:
    [deployment] = [one for one in objects(name) if one["kind"] == "Deployment"]
    [found] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_bridge_is_told_only_what_it_reads() -> None:
    told = {variable["name"] for variable in container("bridge.yaml")["env"]}
    read = set(re.findall(r'os\.environ(?:\.get)?[(\[]"(\w+)"', (FRONTEND / "bridge.py").read_text()))
    assert told <= read
    assert read - told == {"BASE_URL", "IMAGE_GENERATION_SERVICE_HTTP_ADDR"}
    assert container("bridge.yaml")["image"] == f"imagegenerationservice:{VERSION}"


async def test_the_bridge_starts_and_answers_with_nothing_but_its_manifests_variables(tmp_path: Path) -> None:
    port = free_port()
    variables = {one["name"]: one["value"] for one in container("bridge.yaml")["env"]}
    environment = {**variables, "PORT": str(port), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, str(FRONTEND / "bridge.py"), env=environment, cwd=tmp_path
    )
    try:
        address = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(_until, answers(f"{address}/healthz"))
        async with httpx2.AsyncClient(cookies={"shop_session-id": "a"}) as client:
            answer = await client.get(f"{address}/imagegen/generations/x")
        assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")
        bridge.terminate()
        assert await asyncio.wait_for(bridge.wait(), 20) in {0, -15}
    finally:
        if bridge.returncode is None:
            bridge.kill()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_every_file_and_volume_that_is_named_is_there() -> None:
    [component] = objects("kustomization.yaml")
    files = component["configMapGenerator"][0]["files"]
    for name in (*component["resources"], *files, component["patches"][0]["path"], "route.yaml"):
        assert (FRONTEND / name).is_file(), name
    keys = {Path(name).name for name in files}
    for manifest in ("bridge.yaml", "frontend-patch.yaml"):
        [deployment] = [one for one in objects(manifest) if one["kind"] == "Deployment"]
        volumes = {one["name"]: one["configMap"] for one in deployment["spec"]["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in container(manifest)["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            assert volume["name"] in {"imagegen-page", "imagegen-cart"}
            assert {item["key"] for item in volume.get("items", [])} <= keys


def test_the_guides_line_puts_the_dialog_before_the_footer(tmp_path: Path) -> None:
    guide = (ROOT / "docs/frontend.md").read_text(encoding="utf-8")
    found = re.search(r"\$ sed '([^']+)'", guide)
    assert found
    page = tmp_path / "cart.html"
    page.write_text('{{ define "cart" }}\n<p>ours</p>\n    {{ template "footer" . }}\n{{ end }}\n')
    done = subprocess.run(["sed", found[1], str(page)], capture_output=True, text=True, check=True)
    assert '{{ template "imagegen_studio" . }}{{ template "footer" . }}' in done.stdout
