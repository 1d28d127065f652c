from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegenservice.processors import usable

HERE = len(os.sched_getaffinity(0))


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.write_text("4:cpuset,cpu:/pod/box\n3:memory:/pod\n0::/pod/box\n")
    return path


@pytest.mark.parametrize(
    ("quota", "processors"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", HERE)]
)
def test_a_quota_of_version_2_is_held(tmp_path: Path, own: Path, quota: str, processors: int) -> None:
    assert usable(written(tmp_path / "v2", cpu__max=quota), own) == processors


def test_the_tightest_quota_of_all_groups_counts(tmp_path: Path, own: Path) -> None:
    root = written(tmp_path / "v2", cpu__max="max 100000")
    written(root / "pod" / "box", cpu__max="900000 100000")
    written(root / "pod", cpu__max="40000 100000")
    assert usable(root, own) == 1


def test_a_quota_of_version_1_is_held_and_minus_one_is_none(tmp_path: Path, own: Path) -> None:
    root = tmp_path / "v1"
    written(root / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert usable(root, own) == HERE
    written(root / "cpu" / "pod", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert usable(root, own) == 1


def test_where_nothing_is_said_all_processors_are_used(tmp_path: Path) -> None:
    assert usable(tmp_path / "none", tmp_path / "nothing") == HERE


def test_what_cannot_be_read_is_no_quota(tmp_path: Path, own: Path) -> None:
    assert usable(written(tmp_path / "v2", cpu__max="what?"), own) == HERE
