"""Rules: what our pods keep and hold: memory, disks, and state that replicas share or do not."""

from __future__ import annotations

import math
import re

from rendered import Object, Rendered, matches
from rules_pods import mine


def memory_is_enough(rendered: Rendered) -> list[str]:
    """The sum of docs/memory.md, and a limit for every container of ours."""
    faults = []
    for pod in mine(rendered):
        for container in pod.containers:
            resources = container.get("resources") or {}
            for kind, names in (("requests", ("cpu", "memory")), ("limits", ("memory",))):
                missing = [name for name in names if name not in (resources.get(kind) or {})]
                faults += [f"{pod.name}: {container['name']}: no {kind} of {name}" for name in missing]
    return faults or _too_small(rendered)


def _too_small(rendered: Rendered) -> list[str]:
    settings, limits = rendered.settings, rendered.server["resources"]["limits"]
    workers = settings.cpu_workers or min(4, math.ceil(quantity(limits.get("cpu", "4"))))
    budget = max(256e6, settings.large_picture_slots * 16 * settings.max_pixels)
    needed = (70 + 12 * max(2, workers) + 104 * workers) * 1e6 + budget
    given = quantity(limits["memory"])
    return [] if given >= needed else [f"{given / 1e6:.0f} MB of memory, {needed / 1e6:.0f} MB needed"]


def quantity(text: str | float) -> float:
    """Kubernetes' numbers: 500m, 2, 768Mi, 1G."""
    units = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is no quantity")
    return float(found[1]) * units[found[2]]


def what_is_written_can_be(rendered: Rendered) -> list[str]:
    """The root is read-only: /tmp and DATA_DIR are mounted, writable, bounded where they fill the node."""
    server = rendered.server
    mounts = {mount["mountPath"]: mount for mount in server.get("volumeMounts", [])}
    faults = [] if "/tmp" in mounts else ["/tmp cannot be written"]
    data = str(rendered.settings.data_dir)
    if own_state(rendered) and (data not in mounts or mounts[data].get("readOnly")):
        faults.append(f"DATA_DIR {data} cannot be written")
    faults += [
        f"the volume {volume['name']} has no sizeLimit"
        for volume in rendered.ours.spec.get("volumes", [])
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {})
    ]
    return faults


def own_state(rendered: Rendered) -> bool:
    """True when a replica knows what no other knows."""
    settings = rendered.settings
    shared = settings.state_store_url.startswith("firestore://") and settings.object_storage_url.startswith(
        "gs://"
    )
    return not shared


def replicas_share_their_state(rendered: Rendered) -> list[str]:
    """Never two with state of their own, not even during an update; more than one are spread and budgeted."""
    spec = rendered.one("Deployment", rendered.service)["spec"]
    scaler = _scaler(rendered)
    most = scaler["spec"]["maxReplicas"] if scaler else spec.get("replicas", 1)
    if own_state(rendered):
        update = (spec.get("strategy") or {}).get("type", "RollingUpdate")
        return [
            *([f"up to {most} replicas with state of their own"] if most > 1 else []),
            *(["an update runs two replicas with state of their own"] if update != "Recreate" else []),
        ]
    faults = (
        ["replicas is set beside an autoscaler, which each apply would undo"]
        if scaler and "replicas" in spec
        else []
    )
    return faults + ([*_alone(rendered), *_one_disk(rendered)] if most > 1 else [])


def _one_disk(rendered: Rendered) -> list[str]:
    """A claim that only one node may mount holds the second replica back for ever."""
    volumes = rendered.ours.spec.get("volumes", [])
    names = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes
        if "persistentVolumeClaim" in volume
    ]
    claims = [claim for name in names if (claim := rendered.find("PersistentVolumeClaim", name))]
    return [
        f"several replicas on the one disk {claim['metadata']['name']}"
        for claim in claims
        if "ReadWriteMany" not in claim["spec"]["accessModes"]
    ]


def _scaler(rendered: Rendered) -> Object | None:
    return next(
        (
            found
            for found in rendered.of("HorizontalPodAutoscaler")
            if found["spec"]["scaleTargetRef"]["name"] == rendered.service
        ),
        None,
    )


def _alone(rendered: Rendered) -> list[str]:
    spread = rendered.ours.spec.get("topologySpreadConstraints", [])
    budgets = [
        found["spec"]
        for found in rendered.of("PodDisruptionBudget")
        if matches(found["spec"].get("selector"), rendered.ours.labels)
    ]
    return [
        *([] if budgets else ["no PodDisruptionBudget"]),
        *([] if spread else ["no topologySpreadConstraints"]),
        *(
            "a spread that does not count our pods"
            for each in spread
            if not matches(each.get("labelSelector"), rendered.ours.labels)
        ),
        *(
            "a PodDisruptionBudget that lets no node be drained"
            for each in budgets
            if each.get("maxUnavailable") == 0
        ),
    ]
