"""The Dockerfile keeps its promises, as far as reading tells; no builder is needed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from recipe import DOCKERFILE, ROOT, Stage, stages

from imagegenservice.settings import Settings

PINNED = re.compile(r"python:\d+\.\d+\.\d+-slim@sha256:[0-9a-f]{64}")
BUILD, SERVICE = stages()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_stage_stands_on_the_same_pinned_base() -> None:
    assert PINNED.fullmatch(BUILD.base)
    assert SERVICE.base == BUILD.base


def test_the_service_is_what_is_built_when_no_target_is_named() -> None:
    assert stages()[-1].name == "service"


def test_no_stage_is_bound_to_a_platform() -> None:
    assert [stage.flags for stage in stages()] == [{}, {}]
    assert [each.text for stage in stages() for each in stage.instructions if "PLATFORM" in each.text] == []


def test_dependencies_are_wheels_that_the_lock_knows_by_hash() -> None:
    (install,) = [run.text for run in BUILD.all("RUN") if "pip" in run.text and " install " in run.text]
    for flag in ("--require-hashes", "--only-binary :all:", "--no-compile", "-r requirements.txt"):
        assert flag in install


def test_nothing_is_fetched_but_by_pip() -> None:
    commands = " ".join(run.text for stage in stages() for run in stage.all("RUN"))
    assert re.findall(r"\b(apt|apt-get|apk|curl|wget|gcc|make|git)\b", commands) == []
    assert [each for stage in stages() for each in stage.all("ADD")] == []


def test_what_runs_is_copied_and_pip_does_not_stay() -> None:
    assert {copy.flags.get("from") for copy in SERVICE.all("COPY")} == {"build"}
    (run,) = SERVICE.all("RUN")
    assert "pip uninstall" in run.text
    assert " install " not in run.text.replace("&& install --directory", "")


def test_bytecode_is_made_in_the_build_for_all_that_runs() -> None:
    compiled = " ".join(
        run.text for stage in stages() for run in stage.all("RUN") if "compileall" in run.text
    )
    for place in ("/opt/imagegen/lib", "imagegenservice", "/usr/local/lib/python3"):
        assert place in compiled
    assert compiled.count("compileall") == compiled.count("--invalidation-mode unchecked-hash") == 3


def test_it_runs_as_nobody_in_particular() -> None:
    words = [each.word for each in SERVICE.instructions]
    assert SERVICE.last("USER").text == "1000:1000"
    assert {"RUN", "COPY"}.isdisjoint(words[words.index("USER") :])


def test_its_data_has_a_folder_that_this_user_owns() -> None:
    (run,) = SERVICE.all("RUN")
    assert f"--owner 1000 --group 1000 --mode 0750 {SERVICE.environment['DATA_DIR']}" in run.text


def test_commands_need_no_shell_and_are_modules_of_the_package() -> None:
    for word in ("ENTRYPOINT", "HEALTHCHECK"):
        command = SERVICE.last(word).exec_form
        assert command is not None, word
        assert command[:2] == ["python", "-m"]
        assert find_spec(command[2]) is not None
    assert SERVICE.all("CMD") == []


def test_it_is_stopped_by_the_signal_that_drains_it() -> None:
    assert SERVICE.last("STOPSIGNAL").text == "SIGTERM"


def test_the_ports_are_the_settings_defaults() -> None:
    fields = Settings.model_fields
    assert SERVICE.last("EXPOSE").text == f"{fields['port'].default} {fields['http_port'].default}"


def test_its_environment_is_python_s_and_the_settings() -> None:
    python = {"PATH", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "MALLOC_ARENA_MAX"}
    assert set(SERVICE.environment) - python <= {name.upper() for name in Settings.model_fields}


def test_its_labels_are_those_of_the_project() -> None:
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in SERVICE.labels.items()}
    assert labels["version"] == PROJECT["version"]
    assert labels["licenses"] == PROJECT["license"]
    assert labels["description"] == PROJECT["description"]
    assert labels["title"] == "imagegenerationservice"
    assert SERVICE.base.startswith(labels["base.name"].removeprefix("docker.io/library/") + "@")


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.name)
def test_no_secret_is_an_argument(stage: Stage) -> None:
    names = [name for each in stage.instructions if each.word in {"ARG", "ENV"} for name in each.pairs]
    assert [name for name in names if re.search("KEY|TOKEN|SECRET|PASSWORD", name)] == []
