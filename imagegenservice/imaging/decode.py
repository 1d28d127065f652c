"""The one place where a picture from outside becomes pixels."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP")
MAX_FRAMES: Final = 100

# Pillow only warns of less than twice its own limit, which is far beyond ours.
warnings.simplefilter("error", Image.DecompressionBombWarning)


class Undecodable(Exception):
    """A picture that is refused: a stable reason and words for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken in."""

    pixels: int
    side: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says about itself before it is decoded."""

    format: str
    width: int
    height: int


def decode(data: bytes, limits: Limits, max_side: int = 0) -> NDArray[np.uint8]:
    """
    Decode the first frame to upright sRGB, (height, width, 3), or 4 where there is transparency.

    With *max_side* the picture is made smaller so that its longer side fits. Raises Undecodable.
    """
    header = inspect(data, limits)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if max_side and header.format == "JPEG":
                image.draft(None, (2 * max_side, 2 * max_side))
            return _pixels(image, max_side)
    except MemoryError:
        raise
    except Exception as exc:
        raise Undecodable("IMAGE_UNREADABLE", "the picture is damaged and cannot be read") from exc


def inspect(data: bytes, limits: Limits) -> Header:
    """Read the header alone. Raises Undecodable for what must not be decoded."""
    if len(data) > limits.bytes:
        raise Undecodable(
            "IMAGE_TOO_LARGE", f"the picture has {len(data)} bytes; at most {limits.bytes} are taken"
        )
    header = _header(data)
    too_long = max(header.width, header.height) > limits.side
    if too_long or header.width * header.height > limits.pixels:
        raise Undecodable(
            "IMAGE_TOO_LARGE",
            f"the picture has {header.width} x {header.height} pixels; at most {limits.pixels} in all "
            f"and {limits.side} a side are taken",
        )
    return header


def _header(data: bytes) -> Header:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            header = Header(str(image.format), *image.size)
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise Undecodable("IMAGE_TOO_LARGE", "the picture has too many pixels") from exc
    except UnidentifiedImageError as exc:
        raise Undecodable("UNSUPPORTED_FORMAT", "this is not a JPEG, PNG or WebP picture") from exc
    except Exception as exc:
        raise Undecodable("IMAGE_UNREADABLE", "the picture is damaged and cannot be read") from exc
    if frames > MAX_FRAMES:
        raise Undecodable("IMAGE_UNREADABLE", f"the picture has more than {MAX_FRAMES} frames")
    return header


def _pixels(image: Image.Image, max_side: int) -> NDArray[np.uint8]:
    profile = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    orientation = _orientation(image)
    image.load()
    upright = image.transpose(orientation) if orientation is not None else image
    if max_side and max(upright.size) > max_side:
        upright = ImageOps.contain(_eight_bit(upright), (max_side, max_side), Image.Resampling.LANCZOS)
    plain = _srgb(_eight_bit(upright), profile, "RGBA" if transparent else "RGB")
    return np.asarray(plain, dtype=np.uint8)


def _orientation(image: Image.Image) -> Image.Transpose | None:
    # Broken EXIF raises in ways of its own, and must not cost the picture.
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001
        return None
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return turns.get(value) if isinstance(value, int) else None


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16 bits to white; scale them instead.
        wide = np.asarray(image, dtype=np.float32)
        return Image.fromarray(np.clip(wide / 257.0 + 0.5, 0, 255).astype(np.uint8))
    if image.mode in {"P", "PA"}:
        return image.convert("RGBA")
    return image


def _srgb(image: Image.Image, profile: bytes | None, mode: str) -> Image.Image:
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "L"}:
        try:
            return _convert_profile(image, profile, mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that does not fit is as good as none
    return image.convert(mode)


def _convert_profile(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
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
