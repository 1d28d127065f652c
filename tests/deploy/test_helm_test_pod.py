"""`helm test`: what its pod runs, run against the real service."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest_asyncio
from edges import SYSTEM, Edge, End, shop, us
from fakes.process import replica
from helm_cases import ASM
from helm_charts import CHART, NAMESPACE, Case, by_new, shop_with_ours
from rendered import SERVICE, matches
from rules_network import refused
from toolbox import ROOT

from imagegenservice.demo.products import PRODUCTS

SOLD = f"helmTest.products={{{PRODUCTS[0].id},{PRODUCTS[1].id}}}"


@pytest_asyncio.fixture
async def serving(tmp_path):
    async with replica(DATA_DIR=str(tmp_path)) as client:
        yield client


def pod(tools, *values, shop=()):
    """The rendered test pod's container."""
    (container,) = by_new(tools, CHART, Case("", values, shop)).one("Pod", f"{SERVICE}-test")["spec"][
        "containers"
    ]
    return container


async def run(container, serving, **more):
    """Exit code and output of the pod's command, with its own environment, where the service really is."""
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    address = serving.process and (await serving.process.logged("serving"))
    ports = f"{address['grpc_port']},{address['http_port']}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *container["command"][1:], *container["args"]),
        env={**env, "SERVICE": "127.0.0.1", "PORTS": ports, "PYTHONPATH": str(ROOT), **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode, output.decode()


async def test_a_picture_is_drawn_and_fetched_and_each_time_a_new_one(tools, serving):
    container = pod(tools, SOLD)
    drawn = set()
    for _ in range(2):
        code, output = await run(container, serving)
        assert code == 0, output
        assert "drawn by compositor" in output
        size, kind = re.search(r"picture of (\d+) bytes (\S+)", output).groups()
        assert (int(size) > 1000, kind) == (True, "image/jpeg")
        drawn.add(re.search(r"http://\S+", output)[0])
    assert len(drawn) == 2


async def test_products_that_the_catalog_does_not_know_fail_it(tools, serving):
    code, output = await run(pod(tools, "helmTest.products={NOSUCHONE1}"), serving)
    assert code == 1
    assert "failed" in output
    code, output = await run(pod(tools, f"helmTest.products={{{PRODUCTS[0].id},NOSUCHONE1}}"), serving)
    assert code == 1
    assert "does not know NOSUCHONE1" in output


async def test_in_a_mesh_it_ends_its_proxy(tools, serving):
    asked = asyncio.get_running_loop().create_future()

    async def answer(reader, writer):
        asked.set_result(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    container = pod(tools, SOLD, shop=ASM)
    assert {"name": "PROXY", "value": "http://127.0.0.1:15020"} in container["env"]
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        code, output = await run(container, serving, PROXY=f"http://127.0.0.1:{port}")
    assert code == 0, output
    assert await asked == b"POST /quitquitquit HTTP/1.1\r\n"


def test_it_is_a_hook_that_no_service_selects(tools):
    found = by_new(tools, CHART, Case("", (), ASM))
    hooks = [each for each in found if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert {each["kind"] for each in hooks} == {"Pod", "ServiceAccount", "NetworkPolicy"}
    labels = found.one("Pod", f"{SERVICE}-test")["metadata"]["labels"]
    assert not matches({"matchLabels": found.one("Service", SERVICE)["spec"]["selector"]}, labels)


def test_policies_let_it_in_and_nothing_else_out_of_it(tools, tmp_path):
    chart = shop_with_ours(tmp_path)
    found = by_new(tools, chart, Case("", (), ASM), "--values", str(CHART / "values.yaml"))
    here = End("the test", found.one("Pod", f"{SERVICE}-test")["metadata"]["labels"])
    dns = End("DNS", {"k8s-app": "kube-dns"}, SYSTEM)
    ways = [Edge(here, us(found), 8080), Edge(here, us(found), 8081), Edge(here, dns, 53, "UDP")]
    assert [refused(found, way) for way in ways] == ["", "", ""]
    assert refused(found, Edge(here, shop(found, "cartservice"), 7070)) != ""
    (rule, *_) = found.one("AuthorizationPolicy", SERVICE)["spec"]["rules"]
    assert f"cluster.local/ns/{NAMESPACE}/sa/{SERVICE}-test" in rule["from"][0]["source"]["principals"]


def test_it_can_be_left_out_with_all_that_lets_it_in(tools):
    found = by_new(tools, CHART, Case("", ("helmTest.create=false",), ASM))
    assert f"{SERVICE}-test" not in str(found.objects)


def test_it_needs_no_more_of_python_than_the_image_has(tools):
    """Its imports are of the service, of its requirements and of the standard library."""
    (script,) = pod(tools)["args"]
    names = set(re.findall(r"^(?:import|from) (\w+)", script, flags=re.MULTILINE))
    assert names - set(sys.stdlib_module_names) == {"grpc", "imagegenservice"}
