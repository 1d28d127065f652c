"""Terraform's files parse and are whole, and say what docs/google-cloud.md and the code say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from needed import had

ROOT = Path(__file__).parents[2]
sys.path.append(str(Path(__file__).parent / "frontend"))

from workshop import python_tools  # noqa: E402

from imagegenservice import (  # noqa: E402
    backgrounds,
    fingerprints,
    gallery,
    holder,
    idempotency,
    keyring,
    records,
)
from imagegenservice.adapters.object_storage.gcs import GcsOptions  # noqa: E402
from imagegenservice.adapters.state_store.firestore import Firestore, FirestoreOptions  # noqa: E402
from imagegenservice.settings import Settings  # noqa: E402
from imagegenservice.urls import AdapterUrl  # noqa: E402

FILES = sorted((ROOT / "terraform").glob("*.tf"))
TEXT = "\n".join(file.read_text(encoding="utf-8") for file in FILES)
GUIDE = (ROOT / "docs/google-cloud.md").read_text(encoding="utf-8")
PARSE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import hcl2
print(json.dumps([hcl2.load(open(name)) for name in sys.argv[2:]]))
"""

SWEPT_ALONE = {backgrounds.KIND, fingerprints.KIND, records.KIND, idempotency.KIND}
"""What sweep.py deletes without looking: a record that is simply old."""
NEEDED_WHEN_EXPIRED = {gallery.KIND, holder.KIND}
KEPT_FOR_EVER = {keyring._KIND}


def local(name: str) -> set[str]:
    """The strings in a set among the locals."""
    found = re.search(rf"\b{name}\s*=\s*toset\(\[([^\]]*)\]\)", TEXT)
    assert found, name
    return set(re.findall(r'"([a-z]+)"', found[1]))


def roles(text: str) -> set[str]:
    return set(re.findall(r"roles/[A-Za-z.]+\b", text))


@pytest.mark.timeout(600)  # it may have to fetch the parser first
def test_every_file_parses() -> None:
    tools = had(python_tools)
    command = [sys.executable, "-W", "error", "-c", PARSE, str(tools), *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(FILES) == 3


def test_what_is_used_is_declared_and_what_is_declared_is_used() -> None:
    assert set(re.findall(r"\bvar\.(\w+)", TEXT)) == set(re.findall(r'^variable "(\w+)"', TEXT, re.MULTILINE))
    block = re.search(r"^locals \{(.*?)^\}", TEXT, re.MULTILINE | re.DOTALL)
    assert block
    names = set(re.findall(r"^  (\w+)\s*=", block[1], re.MULTILINE))
    assert set(re.findall(r"\blocal\.(\w+)", TEXT)) == names
    made = set(re.findall(r'^resource "(\w+)" "(\w+)"', TEXT, re.MULTILINE))
    used = set(re.findall(r"\b(google_\w+)\.(\w+)\b", TEXT))
    assert used - {("google_project", "this")} <= made


def test_every_variable_says_what_it_is_for() -> None:
    for block in re.findall(r'^variable "\w+" \{\n(.*?)^\}', TEXT, re.MULTILINE | re.DOTALL):
        assert "description = " in block
        assert "type        = " in block


def test_the_guide_and_terraform_grant_the_same_roles() -> None:
    table = GUIDE.partition("## What they may do")[2].partition("### ")[0]
    commands = "\n".join(re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL))
    assert roles(TEXT) == roles(table) == roles(commands)
    assert len(roles(TEXT)) == 6


def test_no_role_is_wider_than_its_work() -> None:
    for role in roles(TEXT + GUIDE):
        assert not re.search(r"[aA]dmin|owner|editor", role), role


def test_records_that_are_needed_when_they_expire_have_no_ttl() -> None:
    assert local("expiring") == SWEPT_ALONE
    assert local("kinds") == SWEPT_ALONE | NEEDED_WHEN_EXPIRED | KEPT_FOR_EVER
    loops = [set(kinds.split()) for kinds in re.findall(r"for kind in ([a-z ]+); do", GUIDE)]
    assert loops == [local("expiring"), local("kinds")]


def test_those_are_all_the_kinds_that_the_code_has() -> None:
    package = (ROOT / "imagegenservice").rglob("*.py")
    found = {
        name
        for file in package
        for name in re.findall(
            r'^_?KIND(?:: Final)? = "(\w+)"', file.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert found == local("kinds")


def test_the_collections_are_called_as_the_adapter_calls_them() -> None:
    prefix = FirestoreOptions().prefix
    assert f'default     = "{prefix}"' in TEXT
    assert "${var.firestore_prefix}-${each.value}" in TEXT
    assert f"--collection-group={prefix}-$kind" in GUIDE
    assert "expires_at" in (Firestore.__doc__ or "")


def test_the_settings_that_come_out_are_the_services() -> None:
    output = TEXT.partition('output "settings"')[2].partition('output "annotations"')[0]
    names = set(re.findall(r"\b([A-Z][A-Z_]{4,})\s*=", output))
    assert names == {"PROJECT_ID", "OBJECT_STORAGE", "STATE_STORE", "GEMINI_API_KEY_SECRET", "IMAGE_MODELS"}
    assert names <= {name.upper() for name in Settings.model_fields}
    url = AdapterUrl.parse("firestore://my-project/(default)?prefix=imagegen")
    assert (url.host, url.path.strip("/"), url.options(FirestoreOptions).prefix) == (
        *("my-project", "(default)"),
        "imagegen",
    )
    assert AdapterUrl.parse("gs://my-shop-pictures?url=signed").options(GcsOptions).url == "signed"


def test_the_bucket_waits_longer_than_a_picture_may_be_kept() -> None:
    days = re.search(r'variable "lifecycle_days" \{.*?default\s*= (\d+)', TEXT, re.DOTALL)
    assert days
    assert int(days[1]) > 2 * Settings.model_fields["picture_days"].default
    assert f'"age": {days[1]}' in GUIDE
