"""Defects of how our pods run."""

from __future__ import annotations

import rules_pods as pods
import rules_state as state
from seeds import Parts, Seed
from seeds_objects import SCALER


def _shared(it: Parts) -> None:
    it.env("STATE_STORE", "firestore://boutique-1234")
    it.env("OBJECT_STORAGE", "gs://boutique-pictures")
    it.pod["topologySpreadConstraints"] = []
    it["Deployment"]["spec"] |= {"replicas": 3, "strategy": {"type": "RollingUpdate"}}


OF_THE_POD = (
    Seed(
        "a variable that the server does not read",
        *(pods.names_are_settings, "GEMINI_KEY"),
        lambda it: it.env("GEMINI_KEY", "1"),
    ),
    Seed(
        "a variable that is given twice",
        *(pods.names_are_given_once, "PORT"),
        lambda it: it.server["env"].append({"name": "PORT", "value": "9100"}),
    ),
    Seed(
        "a value of the wrong type",
        *(pods.values_are_understood, "CPU_WORKERS"),
        lambda it: it.env("CPU_WORKERS", "two"),
    ),
    Seed(
        "an adapter that does not exist",
        *(pods.values_are_understood, "redis"),
        lambda it: it.env("STATE_STORE", "redis://redis-cart:6379"),
    ),
    Seed(
        "a bucket that was not given",
        *(pods.values_are_understood, "gs:// names no bucket"),
        lambda it: it.env("OBJECT_STORAGE", "gs://"),
    ),
    Seed(
        "a variable made of one that comes after it",
        *(pods.values_are_understood, "OBJECT_STORAGE"),
        lambda it: (
            it.env("OBJECT_STORAGE", "gs://$(GCS_BUCKET)"),
            it.env("GCS_BUCKET", "boutique-pictures"),
        ),
    ),
    Seed(
        "a key as a plain value",
        *(pods.secrets_are_kept, "GEMINI_API_KEY"),
        lambda it: it.env("GEMINI_API_KEY", "AIza0123"),
    ),
    Seed("root", *(pods.restricted, "runAsUser"), lambda it: it.pod["securityContext"].update(runAsUser=0)),
    Seed(
        "no security context at all",
        *(pods.restricted, "allowPrivilegeEscalation"),
        lambda it: (it.server.pop("securityContext"), it.pod.pop("securityContext")),
    ),
    Seed(
        "a root that can be written",
        *(pods.restricted, "readOnlyRootFilesystem"),
        lambda it: it.server["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    Seed(
        "a folder of the host",
        *(pods.restricted, "forbidden type"),
        lambda it: (
            it.pod["volumes"][0].update(emptyDir=None, hostPath={"path": "/data"})
            or it.pod["volumes"][0].pop("emptyDir")
        ),
    ),
    Seed(
        "an init container with all it likes",
        *(pods.restricted, "init: "),
        lambda it: it.pod.update(initContainers=[{"name": "init", "image": "busybox:1.37"}]),
    ),
    Seed(
        "a token of the API server",
        *(pods.no_token_is_mounted, "token"),
        lambda it: it.pod.update(automountServiceAccountToken=True),
    ),
    Seed(
        "an HTTP probe of the gRPC port",
        *(pods.probes_fit, "HTTP is spoken on 8081"),
        lambda it: it.server.update(readinessProbe={"httpGet": {"path": "/healthz", "port": 8080}}),
    ),
    Seed(
        "a gRPC probe of the HTTP port",
        *(pods.probes_fit, "gRPC is spoken on 8080"),
        lambda it: it.server["livenessProbe"]["grpc"].update(port=8081),
    ),
    Seed(
        "a probe of a page that is not there",
        *(pods.probes_fit, "no /health"),
        lambda it: it.server.update(readinessProbe={"httpGet": {"path": "/health", "port": "http"}}),
    ),
    Seed("no probe", *(pods.probes_fit, "startupProbe"), lambda it: it.server.pop("startupProbe")),
    Seed(
        "a liveness that kills busy pods",
        *(pods.probes_fit, "kills within"),
        lambda it: it.server["livenessProbe"].update(periodSeconds=5, failureThreshold=3),
    ),
    Seed(
        "a liveness of a second's patience",
        *(pods.probes_fit, "waits less"),
        lambda it: it.server["livenessProbe"].pop("timeoutSeconds"),
    ),
    Seed(
        "the shop's own grace period",
        *(pods.grace_is_enough, "5 is not longer than 150"),
        lambda it: it.pod.update(terminationGracePeriodSeconds=5),
    ),
    Seed(
        "a longer drawing than the grace period",
        *(pods.grace_is_enough, "160 is not longer"),
        lambda it: it.env("DRAW_TIMEOUT", "300"),
    ),
    Seed("no delay", *(pods.grace_is_enough, "DRAIN_DELAY"), lambda it: it.env("DRAIN_DELAY")),
    Seed(
        "the shop's own memory",
        *(state.memory_is_enough, "134 MB"),
        lambda it: it.server["resources"]["limits"].update(memory="128Mi"),
    ),
    Seed(
        "more slots than memory",
        *(state.memory_is_enough, "needed"),
        lambda it: it.env("LARGE_PICTURE_SLOTS", "3"),
    ),
    Seed(
        "no memory limit",
        *(state.memory_is_enough, "no limits of memory"),
        lambda it: it.server["resources"].pop("limits"),
    ),
    Seed(
        "no place for temporary files",
        *(state.what_is_written_can_be, "/tmp"),
        lambda it: it.server["volumeMounts"].pop(),
    ),
    Seed(
        "state that is written elsewhere",
        *(state.what_is_written_can_be, "/var/pictures"),
        lambda it: it.env("DATA_DIR", "/var/pictures"),
    ),
    Seed(
        "an emptyDir that may fill the node",
        *(state.what_is_written_can_be, "no sizeLimit"),
        lambda it: it.pod["volumes"][0].update(emptyDir={}),
    ),
    Seed(
        "two replicas with state in memory",
        *(state.replicas_share_their_state, "2 replicas"),
        lambda it: (it.env("STATE_STORE", "memory://"), it["Deployment"]["spec"].update(replicas=2)),
    ),
    Seed(
        "an autoscaler over SQLite",
        *(state.replicas_share_their_state, "4 replicas"),
        lambda it: it.add(SCALER.replace("TARGET", "imagegenerationservice")),
    ),
    Seed(
        "an update that runs two",
        *(state.replicas_share_their_state, "update"),
        lambda it: it["Deployment"]["spec"].pop("strategy"),
    ),
    Seed("three without a budget", *(state.replicas_share_their_state, "PodDisruptionBudget"), _shared),
    Seed("three on one node", *(state.replicas_share_their_state, "topologySpread"), _shared),
)
