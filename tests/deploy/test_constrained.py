"""What is rendered is started for real, as a node would start it, and lives from start to SIGTERM."""

from __future__ import annotations

import asyncio
import io
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from container import Container, container_of
from fakes.service import CUP, VASE
from helm_charts import CHART, Case, template
from needed import had
from node import Pod, check_node, started
from PIL import Image
from recipe import stages
from rendered import Rendered
from toolbox import ROOT, Tools, run

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2 as pb

HEALTH_CHECK = stages()[-1].last("HEALTHCHECK").exec_form or []


@dataclass(frozen=True)
class Life:
    """What was seen from outside, from the first process to the last."""

    container: Container
    seconds_to_serving: float
    probes: dict[str, str]
    status: dict[str, str]
    root_options: list[str]
    writable: list[str]
    healthy: tuple[int, str]
    drawn: pb.GetStatusResponse
    picture: bytes
    neighbours: dict[str, str]
    peak: int | None
    probe_while_draining: str
    healthy_while_draining: tuple[int, str]
    in_flight: pb.GetStatusResponse
    code: int
    seconds_to_end: float
    logged: list[str]
    errors: str


async def live(container: Container, folder: Path) -> Life:
    begin = time.monotonic()
    async with asyncio.timeout(110), started(container, folder) as pod:
        seconds = await _serving(pod, begin)
        probes = {name: await pod.probe(port, within) for name, port, within in container.probes}
        status, root_options, writable = pod.status, pod.root_options, await _writable(pod)
        healthy = await pod.execute(*HEALTH_CHECK)
        ordered = await pod.client.generate(user_id=SHOPPER)
        drawn = (await pod.client.watch(ordered.generation_id, user_id=SHOPPER))[-1]
        picture = (await pod.fetch(drawn.image_url)).content
        neighbours = (await pod.fetch("http://localhost/readyz")).json()["neighbours"]
        order = await pod.client.generate(CUP, VASE, style_preference="vintage")
        # It is followed from before the signal on: that call is not cut either.
        following = asyncio.create_task(pod.client.ended(order.generation_id))
        await pod.client.at_stage(order.generation_id, "drawing")
        end = time.monotonic()
        pod.signal(signal.SIGTERM)
        await pod.process.logged("draining")
        port = int(container.environment["PORT"])
        draining, unhealthy = await pod.probe(port), await pod.execute(*HEALTH_CHECK)
        in_flight = await following
        peak = pod.group.peak if pod.group else None
        code = await pod.process.ended()
    return Life(
        container=container,
        seconds_to_serving=seconds,
        probes=probes,
        status=status,
        root_options=root_options,
        writable=writable,
        healthy=healthy,
        drawn=drawn,
        picture=picture,
        neighbours=neighbours,
        peak=peak,
        probe_while_draining=draining,
        healthy_while_draining=unhealthy,
        in_flight=in_flight,
        code=code,
        seconds_to_end=time.monotonic() - end,
        logged=[line["message"] for line in pod.process.lines],
        errors=pod.process.errors.decode(),
    )


async def _serving(pod: Pod, begin: float) -> float:
    name, port, within = next(each for each in pod.container.probes if each[0] == "startupProbe")
    while await pod.probe(port, within) != "SERVING":
        if pod.process.process.returncode is not None:
            await pod.process.ended()
            raise AssertionError(f"it did not start: {pod.process.errors.decode()}")
        assert time.monotonic() - begin < pod.container.startup_seconds, f"the {name} gives up"
        await asyncio.sleep(0.05)
    return time.monotonic() - begin


async def _writable(pod: Pod) -> list[str]:
    """Every folder near the root that its user may write into; the kernel's own are not asked."""
    kernel = ("-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/dev")
    near = ("-maxdepth", "2", "(", *kernel, ")", "-prune", "-o", "-type", "d", "-writable", "-print")
    _, output = await pod.execute("find", "/", *near)
    return [line for line in output.splitlines() if line.startswith("/")]


def _manifest(_: Tools) -> str:
    return (ROOT / "kubernetes-manifests/imagegenerationservice.yaml").read_text()


def _component(name: str) -> Callable[[Tools], str]:
    return lambda tools: run(tools.new_kubectl, "kustomize", str(ROOT / "kustomize/components" / name))


def _chart(*values: str) -> Callable[[Tools], str]:
    return lambda tools: template(tools.helm4, CHART, Case("", values).flags)


RENDERINGS: dict[str, Callable[[Tools], str]] = {
    "manifest": _manifest,
    "component": _component("image-generation"),
    "chart": _chart(),
    "chart, everything in memory": _chart("stateStore=memory://", "objectStorage=memory://"),
}
"""All that needs no cloud. What renders the same container shares one life."""


@pytest.fixture(scope="module")
def lives(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Life | BaseException]:
    """Of every rendering; side by side, since much of a life is waiting."""
    had(check_node)
    containers = {name: container_of(Rendered.parse(render(tools))) for name, render in RENDERINGS.items()}
    folders = {each: tmp_path_factory.mktemp("node") for each in containers.values()}

    async def all_at_once() -> list[Life | BaseException]:
        return await asyncio.gather(*(live(*each) for each in folders.items()), return_exceptions=True)

    lived = dict(zip(folders, asyncio.run(all_at_once()), strict=True))
    return {name: lived[container] for name, container in containers.items()}


@pytest.fixture(params=RENDERINGS)
def life(request: pytest.FixtureRequest, lives: dict[str, Life | BaseException]) -> Life:
    found = lives[request.param]
    if isinstance(found, BaseException):
        raise found
    return found


def test_it_serves_long_before_the_startup_probe_gives_up(life: Life) -> None:
    assert life.seconds_to_serving < life.container.startup_seconds / 3
    assert life.probes == dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), "SERVING")


def test_it_runs_as_nobody_with_no_capability(life: Life) -> None:
    assert life.status["Uid"].split() == ["1000"] * 4
    assert life.status["Gid"].split() == ["1000"] * 4
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(life.status[name], 16) == 0, name
    assert life.status["NoNewPrivs"] == "1"


def test_it_may_write_nowhere_but_into_its_volumes(life: Life) -> None:
    volumes = {volume.path for volume in life.container.volumes}
    assert "ro" in life.root_options
    assert volumes <= set(life.writable)
    assert [path for path in life.writable if not any(f"{path}/".startswith(f"{v}/") for v in volumes)] == []


def test_the_image_s_health_check_agrees_with_the_probes(life: Life) -> None:
    assert life.healthy == (0, "")
    assert life.healthy_while_draining[0] == 1
    assert "503" in life.healthy_while_draining[1]


def test_it_draws_the_cart_of_the_shop_that_it_is_told_of(life: Life) -> None:
    assert life.drawn.status == "completed", life.drawn
    assert life.drawn.engine == "compositor"
    assert life.drawn.products_left_out == []
    assert {life.neighbours[name] for name in ("cart", "catalog", "pictures")} == {"ok"}
    with Image.open(io.BytesIO(life.picture)) as picture:
        assert picture.size == (life.drawn.width, life.drawn.height)


def test_it_stays_within_its_memory(life: Life) -> None:
    assert life.container.memory is not None
    if life.peak is None:
        pytest.skip("no control group may be made here")
    assert life.peak < life.container.memory


def test_on_sigterm_it_turns_away_new_calls_finishes_what_it_draws_and_ends(life: Life) -> None:
    assert life.probe_while_draining == "NOT_SERVING"
    assert life.in_flight.status == "completed", life.in_flight
    assert life.code == 0
    assert life.logged[-1] == "drained"
    assert life.seconds_to_end < life.container.grace


def test_it_complains_of_nothing(life: Life) -> None:
    assert life.errors == ""
