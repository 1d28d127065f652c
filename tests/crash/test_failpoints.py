"""The points themselves: off unless named, each in one place, and no typo goes unseen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.process import launched

from imagegenservice import failpoints
from imagegenservice.errors import ConfigurationError
from imagegenservice.failpoints import POINTS, arm, crash_at

PACKAGE = Path(failpoints.__file__).parent


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("")


def test_each_point_is_one_line_of_the_code() -> None:
    lines = [
        match[1]
        for path in PACKAGE.rglob("*.py")
        for match in re.finditer(r'crash_at\("([^"]+)"\)', path.read_text())
    ]
    assert Counter(lines) == Counter(POINTS.keys())


def test_an_unarmed_point_does_nothing() -> None:
    for point in POINTS:
        crash_at(point)


@pytest.mark.parametrize(
    "setting", ["nowhere", "intent:0", "intent:x", "intent:1:kill", ":1", "intent:", "INTENT"]
)
def test_a_point_that_does_not_exist_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="before-terminal"):
        arm(setting)


async def test_the_service_does_not_start_with_a_point_that_does_not_exist() -> None:
    async with launched(IMAGEGEN_CRASH_AT="intend") as process:
        assert await process.ended() == 2
        assert "IMAGEGEN_CRASH_AT: 'intend' is none of" in process.errors.decode()


@pytest.mark.parametrize(("setting", "passed"), [("intent", 0), ("intent:1", 0), ("intent:3", 2)])
def test_an_armed_point_kills_at_its_pass(setting: str, passed: int) -> None:
    code = (
        "import sys; from imagegenservice.failpoints import *; arm(sys.argv[1])\n"
        "for n in range(5): crash_at('claimed'); crash_at('intent'); print(n, flush=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, setting],
        check=False,
        capture_output=True,
        timeout=30,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert ended.returncode == -9
    assert len(ended.stdout.splitlines()) == passed


def test_the_other_way_is_to_stand_still() -> None:
    code = "from imagegenservice.failpoints import *; arm('intent:1:stop'); crash_at('intent'); print('on')"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={"PYTHONPATH": str(PACKAGE.parent)}
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(18)
    assert process.communicate(timeout=30)[0] == b"on\n"
