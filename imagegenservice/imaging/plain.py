"""The one place where a picture from outside is decoded: upright, sRGB, eight bits, and nothing else."""

from __future__ import annotations

import io
import warnings
from typing import Final

from PIL import Image, ImageCms

from .headers import Limits, Undecodable, inspect

FORMATS: Final = ("JPEG", "PNG", "WEBP")

# Pillow only warns of less than twice its own limit, which is far beyond ours.
warnings.simplefilter("error", Image.DecompressionBombWarning)

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def plain(data: bytes, limits: Limits, max_side: int = 0) -> Image.Image:
    """
    Decode the first frame to upright sRGB: mode RGB, or RGBA where there is transparency; no metadata.

    With *max_side* the picture is made smaller so that its longer side fits. Raises Undecodable.
    """
    inspect(data, limits)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if max_side:
                image.draft(None, (max_side, max_side))  # JPEG only, and never below it
            return _plain(image, max_side)
    except MemoryError:
        raise
    except Exception as exc:
        raise Undecodable("IMAGE_UNREADABLE", "the picture is damaged and cannot be read") from exc


def opaque(image: Image.Image) -> Image.Image:
    """On white, as a shop shows it."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """Cut the largest centred part of the ratio width : height, and resize it; opaque."""
    across, down = image.size
    inner_across = max(1, min(across, round(down * width / height)))
    inner_down = max(1, min(down, round(across * height / width)))
    left, top = (across - inner_across) // 2, (down - inner_down) // 2
    inner = opaque(image.crop((left, top, left + inner_across, top + inner_down)))
    if inner.size == (width, height):
        return inner
    # The mean of the pixels that fall together is free of ringing; between pixels it would be steps.
    smaller = inner.size[0] >= width
    return inner.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.LANCZOS)


def _plain(image: Image.Image, max_side: int) -> Image.Image:
    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    turn = _turn(image)
    image.load()
    small = _eight_bit(image)
    if max_side and max(small.size) > max_side:
        # As sharp as needed at a third of what LANCZOS costs, which would be half of the whole upload.
        small = small.resize(_contained(small.size, max_side), Image.Resampling.HAMMING)
    upright = small if turn is None else small.transpose(turn)
    bare = _srgb(upright, profile, mode)
    # What a format keeps in `info` (a profile, EXIF, comments) some encoders would write again.
    bare.info.clear()
    return bare


def _contained(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The size at which the longer side fits; a line stays a line."""
    width, height = (max(1, round(side * max_side / max(size))) for side in size)
    return width, height


def _turn(image: Image.Image) -> Image.Transpose | None:
    # Broken EXIF raises in ways of its own, and must not cost the picture.
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001
        return None
    return _TURNS.get(value) if isinstance(value, int) else None


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16 bits to white; scale them instead.
        return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.mode in {"P", "PA"}:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _srgb(image: Image.Image, profile: bytes | None, mode: str) -> Image.Image:
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "L"}:
        try:
            return _converted(image, profile, mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that does not fit is as good as none
    return image.convert(mode)


def _converted(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    converted = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
    if converted is None:
        raise ValueError("the profile gave nothing")
    result = converted.convert(mode)
    if mode == "RGBA" and image.mode == "RGBA":
        result.putalpha(image.getchannel("A"))
    return result
