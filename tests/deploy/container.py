"""What a container runtime is told to start: a rendered container, laid over the image's own defaults."""

from __future__ import annotations

from dataclasses import dataclass

from recipe import Stage, stages
from rendered import Object, Rendered

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, order=True)
class Volume:
    """An empty folder at `path`: on disk, or in memory with `size` bytes."""

    path: str
    in_memory: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Container:
    """Everything that decides how the process lives, and nothing else: equal ones live equally."""

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    working_dir: str
    user: int
    group: int
    groups: tuple[int, ...]
    read_only: bool
    drop_all: bool
    no_new_privileges: bool
    memory: int | None
    volumes: tuple[Volume, ...]
    probes: tuple[tuple[str, int, float], ...]
    """Name, port and seconds to answer of each gRPC probe."""
    startup_seconds: float
    """How long it may take until the startup probe gives it up."""
    grace: int

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.env)


def container_of(rendered: Rendered) -> Container:
    """Our container. Raises LookupError for what no test can provide: secrets, foreign volumes."""
    server, pod = rendered.server, rendered.ours.spec
    image = stages()[-1]
    mine, everyones = server.get("securityContext", {}), pod.get("securityContext", {})
    user, group = (int(part) for part in image.last("USER").text.split(":"))
    startup = server.get("startupProbe", {})
    return Container(
        command=_command(server, image),
        env=tuple(sorted({**image.environment, **_known(rendered.env)}.items())),
        working_dir=server.get("workingDir", image.last("WORKDIR").text),
        user=mine.get("runAsUser", everyones.get("runAsUser", user)),
        group=mine.get("runAsGroup", everyones.get("runAsGroup", group)),
        groups=(everyones["fsGroup"],) if "fsGroup" in everyones else (),
        read_only=mine.get("readOnlyRootFilesystem", False),
        drop_all=mine.get("capabilities", {}).get("drop") == ["ALL"],
        no_new_privileges=mine.get("allowPrivilegeEscalation") is False,
        memory=quantity(server["resources"].get("limits", {}).get("memory")),
        volumes=tuple(sorted(_volume(mount, pod) for mount in server.get("volumeMounts", []))),
        probes=tuple(sorted(_probes(server))),
        startup_seconds=startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3),
        grace=pod.get("terminationGracePeriodSeconds", 30),
    )


def quantity(text: str | int | None) -> int | None:
    """Kubernetes' number of bytes."""
    if text is None:
        return None
    for unit, factor in _UNITS.items():
        if str(text).endswith(unit):
            return int(float(str(text).removesuffix(unit)) * factor)
    return int(text)


def _command(server: Object, image: Stage) -> tuple[str, ...]:
    """As the kubelet puts it together: a command replaces the entrypoint, and drops the image's arguments."""
    entrypoint = server.get("command") or image.last("ENTRYPOINT").exec_form
    return (*entrypoint, *server.get("args", []))


def _known(env: dict[str, str]) -> dict[str, str]:
    if foreign := [name for name, value in env.items() if value.startswith("<")]:
        raise LookupError(f"comes from outside the rendered set: {', '.join(foreign)}")
    return env


def _volume(mount: Object, pod: Object) -> Volume:
    source = next(each for each in pod["volumes"] if each["name"] == mount["name"])
    if "persistentVolumeClaim" in source:
        return Volume(mount["mountPath"])
    if "emptyDir" not in source:
        raise LookupError(f"comes from outside the rendered set: the volume {mount['name']}")
    wanted = source["emptyDir"] or {}
    in_memory = wanted.get("medium") == "Memory"
    return Volume(mount["mountPath"], in_memory, quantity(wanted.get("sizeLimit")) if in_memory else None)


def _probes(server: Object) -> list[tuple[str, int, float]]:
    named = {name: server[name]["grpc"] for name in server if name.endswith("Probe")}
    return [(name, grpc["port"], server[name].get("timeoutSeconds", 1)) for name, grpc in named.items()]
