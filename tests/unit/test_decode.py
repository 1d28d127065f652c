from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from imagegenservice.imaging.decode import Limits, Undecodable, decode, inspect

LIMITS = Limits(pixels=1_000_000, side=2000, bytes=200_000)
RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)


def corners() -> Image.Image:
    """Another colour in each corner, wider than high."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:], pixels[20:, :30], pixels[20:, 30:] = RED, GREEN, BLUE, WHITE
    return Image.fromarray(pixels)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def close(pixel: Any, colour: tuple[int, ...], by: int = 12) -> bool:
    return bool(np.abs(np.asarray(pixel, int)[:3] - colour).max() <= by)


def refused(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Undecodable) as caught:
        decode(data, limits)
    assert str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_three_formats_become_srgb(form: str) -> None:
    pixels = decode(saved(corners(), form, quality=95), LIMITS)
    assert (pixels.shape, pixels.dtype) == ((40, 60, 3), np.uint8)
    assert close(pixels[5, 5], RED)
    assert close(pixels[35, 55], WHITE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    upright = corners()
    # What a camera stores so that a viewer that applies the tag shows it upright.
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns[orientation]
    stored = upright.transpose(turn) if turn is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, "JPEG", quality=95, subsampling=0, exif=exif)
    pixels = decode(data, LIMITS)
    assert pixels.shape == (40, 60, 3)
    for (y, x), colour in {(5, 5): RED, (5, 55): GREEN, (35, 5): BLUE, (35, 55): WHITE}.items():
        assert close(pixels[y, x], colour)
    viewed = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(viewed, pixels), "as Pillow's own viewer sees it"


@pytest.mark.parametrize("value", [0, 9, 99, 65535])
def test_an_orientation_that_there_is_not_is_passed_over(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert close(decode(saved(corners(), "JPEG", exif=exif), LIMITS)[5, 5], RED, 30)


@pytest.mark.filterwarnings("ignore:(Corrupt|Possibly corrupt) EXIF:UserWarning")
def test_broken_exif_does_not_cost_the_picture() -> None:
    for exif in (
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 50,
    ):
        assert decode(saved(corners(), "JPEG", exif=exif), LIMITS).shape == (40, 60, 3)


def test_transparency_is_kept_and_its_absence_too() -> None:
    clear = corners().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((60, 40)))
    pixels = decode(saved(clear), LIMITS)
    assert pixels.shape == (40, 60, 4)
    assert pixels[0, 0, 3] < 20
    assert pixels[39, 0, 3] > 235


def test_a_palette_and_its_transparent_colour_are_read() -> None:
    palette = corners().quantize(4)
    assert close(decode(saved(palette), LIMITS)[5, 5], RED)
    through = palette.getpixel((5, 5))
    pixels = decode(saved(palette, transparency=through), LIMITS)
    assert pixels.shape == (40, 60, 4)
    assert pixels[5, 5, 3] == 0
    assert pixels[35, 55, 3] == 255


def test_grey_with_and_without_alpha_is_read() -> None:
    assert close(decode(saved(corners().convert("L")), LIMITS)[35, 55], WHITE)
    grey = corners().convert("LA")
    grey.putalpha(100)
    pixels = decode(saved(grey), LIMITS)
    assert pixels.shape == (40, 60, 4)
    assert set(np.unique(pixels[..., 3])) == {100}
    assert decode(saved(corners().convert("1")), LIMITS).shape == (40, 60, 3)


def test_sixteen_bits_are_scaled_and_not_clipped_to_white() -> None:
    ramp = np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)
    pixels = decode(saved(Image.fromarray(ramp)), LIMITS)
    assert abs(int(pixels[20, 0, 0]) - 128) < 4
    assert pixels[0, 0, 0] == 0
    assert pixels[39, 59, 0] == 255


def test_the_inks_of_print_become_light() -> None:
    cmyk = corners().convert("CMYK")
    pixels = decode(saved(cmyk, "JPEG", quality=95), LIMITS)
    assert close(pixels[5, 5], RED, 40)
    assert close(pixels[35, 55], WHITE, 20)


def test_a_profile_is_applied_and_a_broken_one_passed_over() -> None:
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, swapped, b"no profile at all", srgb[:100]):
        pixels = decode(saved(corners(), icc_profile=profile), LIMITS)
        assert close(pixels[5, 5], RED)


def test_a_picture_is_made_smaller_and_never_larger() -> None:
    data = saved(corners().resize((600, 400)), "JPEG")
    assert decode(data, LIMITS, max_side=150).shape == (100, 150, 3)
    assert decode(data, LIMITS, max_side=5000).shape == (400, 600, 3)
    assert decode(saved(corners()), LIMITS, max_side=1).shape == (1, 1, 3)


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        png(1001, 1000),
        png(2001, 1),
        png(1, 2001),
        png(50_000, 50_000),
        png(2**31 - 1, 2**31 - 1),
        png(9400, 9400),
        bytes.fromhex("52494646 1a000000 57454250 5650384c 0e000000 2f")
        + (13_299 | 13_299 << 14).to_bytes(4, "little")
        + bytes(9),
    ],
)
def test_what_is_too_large_is_refused_from_its_header(data: bytes) -> None:
    assert refused(data) == "IMAGE_TOO_LARGE"


def test_the_limits_themselves_are_allowed() -> None:
    assert inspect(png(1000, 1000), LIMITS).width == 1000
    assert inspect(png(2000, 1), LIMITS).format == "PNG"


def test_too_many_bytes_are_refused_whatever_they_are() -> None:
    assert refused(bytes(200_001)) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"<html>502</html>",
        b"PK\x03\x04",
        b"version https://git-lfs.github.com/spec/v1",
        saved(corners(), "GIF"),
        saved(corners(), "BMP"),
        saved(corners(), "TIFF"),
        saved(corners(), "ICO"),
        saved(corners(), "PPM"),
        saved(corners(), "TGA"),
    ],
)
def test_other_formats_are_refused(data: bytes) -> None:
    assert refused(data) == "UNSUPPORTED_FORMAT"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_is_cut_off_is_refused_and_not_filled_with_grey(form: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    data = saved(Image.fromarray(noise), form)
    assert refused(data[: int(len(data) * share)]) in {"IMAGE_UNREADABLE", "UNSUPPORTED_FORMAT"}


def test_a_damaged_header_is_refused() -> None:
    data = bytearray(saved(corners()))
    data[data.index(b"IHDR") + 18] ^= 0xFF  # a byte of its checksum
    assert refused(bytes(data)) in {"IMAGE_UNREADABLE", "UNSUPPORTED_FORMAT"}


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_is_taken_and_too_many_are_refused(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), (n, 0, 255 - n)) for n in range(120)]
    few = saved(frames[0], form, save_all=True, append_images=frames[1:5], lossless=True)
    assert close(decode(few, LIMITS)[4, 4], (0, 0, 255))
    many = saved(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    assert refused(many) == "IMAGE_UNREADABLE"


def test_random_damage_is_refused_or_read_and_never_anything_else() -> None:
    rng = np.random.default_rng(7)
    for form in ("JPEG", "PNG", "WEBP"):
        whole = saved(corners(), form)
        for _ in range(60):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), 4):
                data[at] = rng.integers(256)
            assert reason_or_shape(bytes(data)) in {
                *("IMAGE_UNREADABLE", "IMAGE_TOO_LARGE", "UNSUPPORTED_FORMAT"),
                *(3, 4),
            }


def reason_or_shape(data: bytes) -> str | int:
    try:
        return int(decode(data, LIMITS).shape[2])
    except Undecodable as exc:
        return exc.reason
