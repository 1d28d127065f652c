"""A setting that nobody thought of when the manifests were written is noticed when it is made."""

from __future__ import annotations

from building import KUSTOMIZE, Kubectl
from rendered import FIELDS

LEFT_ALONE = {
    "HOST": "all of a pod's addresses is right",
    "PICTURE_URL_ALLOWLIST": "the user's",
    "BACKGROUND_URL_ALLOWLIST": "the user's",
    "GEMINI_API_KEY": "a file is better",
    "GOOGLE_CLOUD_PROJECT": "PROJECT_ID says it",
    "PUBLIC_URL": "the user's; the frontend does not need it",
    "OWNER_HASH_KEY": "made once, kept in the state store",
    "PICTURE_SIZE": "the default",
    "PICTURE_FORMAT": "the default",
    "MAX_UPLOAD_BYTES": "the default",
    "MAX_PIXELS": "the default, for which the memory limit is worked out",
    "MAX_SIDE": "the default",
    "PICTURE_DAYS": "the default",
    "BACKGROUND_DAYS": "the default",
    "QUEUE_SIZE": "the default",
    "OWNER_QUEUE_SIZE": "the default",
    "DRAW_TIMEOUT": "the default, for which the grace period is worked out",
    "FALL_THROUGH_ON_REFUSAL": "the default",
    "UNKNOWN_OUTCOME_RETRIES": "the default",
    "LEASE_SECONDS": "the default",
    "LARGE_PICTURE_SLOTS": "the default, for which the memory limit is worked out",
    "MAX_CALLS": "the default",
    "MAX_STREAMS": "the default",
    "MAX_UPLOADS": "the default",
    "OWNER_CALLS": "the default",
    "DRAIN_TIMEOUT": "the default, for which the grace period is worked out",
    "ENABLE_REFLECTION": "the default",
    "LOG_LEVEL": "the default",
    "DISABLE_PROFILER": "there is no profiler",
    "IMAGEGEN_CRASH_AT": "for tests of crashes",
}
"""Settings that no manifest of ours sets, and why."""


def test_every_setting_is_set_somewhere_or_left_alone_for_a_reason(kubectl: Kubectl) -> None:
    used = {
        variable
        for folder in (KUSTOMIZE / "tests").iterdir()
        for variable in kubectl.ours(f"tests/{folder.name}").env
    }

    assert used | set(LEFT_ALONE) == FIELDS
    assert not used & set(LEFT_ALONE)
