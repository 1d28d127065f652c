from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from imagegenservice.imaging.encode import xmp
from imagegenservice.imaging.rewrap import rewrapped

MARKER = b"MARKER-OF-SOMEBODY"
XMP = xmp("trainedAlgorithmicMedia")
SIZE = (96, 64)


def jpeg(size: tuple[int, int] = SIZE, mode: str = "RGB", **options: object) -> bytes:
    rng = np.random.default_rng(7)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, **options)
    return out.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = MARKER.decode()
    return tags


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        jpeg(),
        jpeg(progressive=True),
        jpeg(subsampling=0),
        jpeg(optimize=True),
        jpeg(comment=MARKER),
        jpeg(exif=exif(1)),
        jpeg(xmp=MARKER),
        jpeg() + MARKER,
        jpeg(restart_marker_blocks=3),
    ],
    ids=["plain", "progressive", "444", "optimized", "comment", "exif", "xmp", "trailer", "restarts"],
)
def test_the_pixels_stay_as_they_are_and_nothing_else_does(data: bytes) -> None:
    again = rewrapped(data, *SIZE, XMP)
    assert again is not None
    assert pixels(again) == pixels(data)
    assert MARKER not in again
    with Image.open(io.BytesIO(again)) as image:
        assert image.info["xmp"] == XMP
        assert set(image.info) <= {
            *("jfif", "jfif_version", "jfif_density", "jfif_unit", "dpi", "xmp"),
            *("progressive", "progression"),
        }
    assert again.endswith(b"\xff\xd9")


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", SIZE).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        png(),
        jpeg(size=(64, 96)),
        jpeg(mode="L"),
        jpeg(mode="CMYK"),
        jpeg(exif=exif(6)),
        jpeg(icc_profile=PROFILE),
        jpeg(keep_rgb=True),
    ],
    ids=["png", "size", "grey", "cmyk", "turned", "profile", "rgb"],
)
def test_what_must_be_coded_again_is_left_to_others(data: bytes) -> None:
    assert rewrapped(data, *SIZE, XMP) is None


@pytest.mark.parametrize("cut", [3, 20, 40, -1, -2])
def test_a_part_that_is_not_whole_is_left_to_others(cut: int) -> None:
    data = jpeg()
    try:
        again = rewrapped(data[:cut], *SIZE, XMP)
    except OSError:
        return  # the decoder complains, as it does before this is asked
    assert again is None
