"""The README's grpcurl lines, run as they stand there."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from fakes.service import photo

ROOT = Path(__file__).parents[2]
GRPCURL = Path(sys.executable).parent / "grpcurl"


def commands() -> list[str]:
    """Every line that begins with `$ grpcurl`, its continuations joined."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line[2:] for line in text.splitlines() if line.startswith("$ grpcurl")]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.split("/")[-1].split()[-1])
async def test_the_line_works_as_it_stands(command, service, tmp_path):
    (tmp_path / "table.jpg").write_bytes(photo(320, 240))
    done = await service.drawn(user_id="demo-shopper")
    command = re.sub(r'"generation_id": "\w+"', f'"generation_id": "{done.generation_id}"', command)
    command = command.replace("localhost:8080", f"127.0.0.1:{service.running.grpc.port}")
    command = command.replace("grpcurl", shlex.quote(str(GRPCURL)), 1)
    process = await asyncio.create_subprocess_shell(
        command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0, errors.decode()
    if "describe" not in command and "Watch" not in command:
        answer = json.loads(output)
        assert answer["status"] in {"completed", "success", "SERVING"}


def test_there_are_lines_to_run():
    assert len(commands()) >= 6
