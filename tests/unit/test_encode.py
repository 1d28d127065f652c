from __future__ import annotations

import io
from typing import get_args
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from imagegenservice.imaging.decode import Limits, decode
from imagegenservice.imaging.encode import MEDIA_TYPES, SUFFIXES, Format, encode
from imagegenservice.model import SourceType

FORMATS = get_args(Format)
LIMITS = Limits(pixels=1_000_000, side=2000, bytes=10_000_000)


def ramp(channels: int = 3) -> np.ndarray:
    pixels = np.zeros((48, 64, channels), np.uint8)
    pixels[..., 0] = np.arange(64) * 4
    pixels[..., 1] = np.arange(48)[:, None] * 5
    if channels == 4:
        pixels[..., 3] = 255
        pixels[:24, :, 3] = 0
    return pixels


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_encoded_is_a_picture_of_that_format(form: Format) -> None:
    data = encode(ramp(), form, 92)
    image = Image.open(io.BytesIO(data))
    assert image.get_format_mimetype() == MEDIA_TYPES[form]
    assert image.size == (64, 48)
    assert np.abs(decode(data, LIMITS).astype(int) - ramp()).mean() < 4
    assert MEDIA_TYPES[form] in SUFFIXES


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("source", list(SourceType))
def test_a_picture_says_in_xmp_how_it_was_made(form: Format, source: SourceType) -> None:
    image = Image.open(io.BytesIO(encode(ramp(), form, 92, str(source))))
    image.load()
    packet = image.info["XML:com.adobe.xmp"].encode() if form == "png" else image.info["xmp"]
    root = ET.fromstring(packet)
    [description] = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    term = description.attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
    assert term == f"http://cv.iptc.org/newscodes/digitalsourcetype/{source}"


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_source_nothing_is_written_but_the_picture(form: Format) -> None:
    data = encode(ramp(), form, 92)
    assert b"xmp" not in data.lower()
    assert b"Exif" not in data
    assert "icc_profile" not in Image.open(io.BytesIO(data)).info


def test_what_is_transparent_lies_on_white_in_a_jpeg_and_stays_in_the_others() -> None:
    flat = decode(encode(ramp(4), "jpeg", 95), LIMITS)
    assert flat.shape == (48, 64, 3)
    assert flat[5].min() > 240
    for form in ("png", "webp"):
        assert decode(encode(ramp(4), form, 95), LIMITS)[5, 5, 3] == 0


@pytest.mark.parametrize("form", FORMATS)
def test_equal_pixels_are_equal_bytes(form: Format) -> None:
    assert encode(ramp(), form, 92, "compositeSynthetic") == encode(ramp(), form, 92, "compositeSynthetic")
