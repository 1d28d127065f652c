from __future__ import annotations

import pytest
from pydantic import ValidationError

from imagegenservice.styles import NAMES, StyleSheet, sheet_for


@pytest.mark.parametrize("name", NAMES)
def test_each_documented_style_has_a_sheet_of_its_own(name: str) -> None:
    sheet = sheet_for(name)

    assert sheet.name == name
    assert sheet.version >= 1
    assert sheet.words.setting
    assert sheet.words.light


def test_no_two_styles_share_a_wall_or_a_palette() -> None:
    sheets = [sheet_for(name) for name in NAMES]

    assert len({sheet.scene.wall for sheet in sheets}) == len(NAMES)
    assert len({sheet.palette.wall for sheet in sheets}) == len(NAMES)


@pytest.mark.parametrize(
    ("style", "name"),
    [
        ("", "modern"),
        ("   ", "modern"),
        ("VINTAGE", "vintage"),
        (" Luxury ", "luxury"),
        ("dark, cinematic", "luxury"),
        ("retro film look from the 70s", "vintage"),
        ("japandi", "minimalist"),
        ("sunny summer garden", "casual"),
        ("corporate catalogue", "professional"),
        ("qwertz 123 \N{SNOWMAN}", "modern"),
        ("no such style " * 200, "modern"),
    ],
)
def test_free_text_finds_the_closest_sheet_and_else_modern(style: str, name: str) -> None:
    assert sheet_for(style).name == name


def test_a_sheet_is_frozen_and_refuses_unknown_fields() -> None:
    sheet = sheet_for("modern")
    written = sheet.model_dump()

    with pytest.raises(ValidationError):
        sheet.title = "Other"
    with pytest.raises(ValidationError):
        StyleSheet.model_validate({**written, "smell": "fresh"})
    with pytest.raises(ValidationError):
        StyleSheet.model_validate({**written, "palette": {**written["palette"], "wall": "blue"}})


def test_shadows_of_all_styles_fall_to_the_side_where_the_pictures_have_theirs() -> None:
    assert all(sheet_for(name).light.lean > 0 for name in NAMES)
