"""
Builds the container around itself and becomes its process: python sandbox.py ORDER.json

Runs as root in fresh mount and process namespaces, and leaves all of that behind. The order is `Order` of
node.py. In the container there is a root file system of nothing but what the image would have: the
system's libraries, Python, the dependencies and the package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom")


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def bind(source: Path, target: Path, *, writable: bool = False) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount("--bind", source, target)
    if not writable:
        mount("-o", "remount,bind,ro,nosuid", target)


def lay_out(root: Path, order: dict[str, Any]) -> None:
    """The file system, as far as the image and the runtime bring it."""
    mount("-t", "tmpfs", "-o", "mode=0755,size=16m", "image", root)
    for name in ("bin", "lib", "lib64", "sbin", "usr"):
        here = Path("/", name)
        if here.is_symlink():
            (root / name).symlink_to(here.readlink())
        elif here.is_dir():
            bind(here, root / name)
    for source, target in order["files"]:
        bind(Path(source), root / target.lstrip("/"))
    lay_out_etc(root / "etc", order)
    for name, kind in (("proc", "proc"), ("sys", "sysfs")):
        (root / name).mkdir()
        mount("-t", kind, "-o", "ro" if kind == "sysfs" else "rw", kind, root / name)
    (root / "dev/shm").mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "mode=1777,size=64m", "shm", root / "dev/shm")
    for name in DEVICES:
        bind(Path("/dev", name), root / "dev" / name, writable=True)


def lay_out_etc(etc: Path, order: dict[str, Any]) -> None:
    """Names lead to the shop that runs beside the container; there is no other name server."""
    etc.mkdir()
    (etc / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in ["localhost", *order["hosts"]]))
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nimagegen:x:1000:1000::/data:/usr/sbin/nologin\n")
    (etc / "group").write_text("root:x:0:\nimagegen:x:1000:\n")
    for name in ("ld.so.cache", "alternatives", "ssl"):
        if Path("/etc", name).exists():
            bind(Path("/etc", name), etc / name)


def mount_volumes(root: Path, order: dict[str, Any]) -> None:
    """As the kubelet does it: empty, and open to the pod's group."""
    group = order["groups"][0] if order["groups"] else 0
    for volume in order["volumes"]:
        target = root / volume["path"].lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        if volume["in_memory"]:
            size = f",size={volume['size']}" if volume["size"] else ""
            mount("-t", "tmpfs", "-o", f"mode=2770,gid={group}{size}", "memory", target)
        else:
            Path(volume["source"]).mkdir()
            shutil.chown(volume["source"], "root", group)
            Path(volume["source"]).chmod(0o2770 if order["groups"] else 0o777)
            bind(Path(volume["source"]), target, writable=True)


def without_privileges(order: dict[str, Any]) -> list[str]:
    groups = ",".join(map(str, order["groups"]))
    return [
        *("/usr/bin/setpriv", f"--reuid={order['user']}", f"--regid={order['group']}"),
        f"--groups={groups}" if groups else "--clear-groups",
        *(("--bounding-set=-all", "--inh-caps=-all") if order["drop_all"] else ()),
        *(("--no-new-privs",) if order["no_new_privileges"] else ()),
    ]


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    if order["group_file"]:
        Path(order["group_file"]).write_text("0")
    root = Path(order["root"])
    lay_out(root, order)
    mount_volumes(root, order)
    if order["read_only"]:
        mount("-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir(order["working_dir"])
    os.umask(0o022)
    command = [*without_privileges(order), *order["command"]]
    os.execve(command[0], command, order["env"])


if __name__ == "__main__":
    main()
