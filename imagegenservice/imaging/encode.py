"""Pixels become a file that says what it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .media import MEDIA_TYPES, SUFFIXES, Format
from .plain import opaque

if TYPE_CHECKING:
    # The children that only decode and encode do without NumPy.
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MEDIA_TYPES", "SUFFIXES", "Format", "encode", "encode_image", "xmp"]

# IPTC's NewsCodes vocabulary; Iptc4xmpExt:DigitalSourceType is the property that readers look for.
SOURCE_TYPE_BASE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" \
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="imagegenservice" \
Iptc4xmpExt:DigitalSourceType="{source}"/>\
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def encode(pixels: NDArray[np.uint8], form: Format, quality: int, source_type: str = "") -> bytes:
    """
    Encode sRGB pixels, (height, width, 3 or 4). JPEG has no transparency: it is laid over white.

    *source_type* is a term of IPTC's digital source type vocabulary, written as XMP; none: no metadata.
    """
    return encode_image(Image.fromarray(pixels), form, quality, source_type)


def encode_image(image: Image.Image, form: Format, quality: int, source_type: str = "") -> bytes:
    """The same for an image of Pillow's, of mode RGB or RGBA and without metadata of its own."""
    if form == "jpeg":
        image = opaque(image)
    extra: dict[str, object] = {"xmp": xmp(source_type)} if source_type else {}
    out = io.BytesIO()
    if form == "jpeg":
        # 4:4:4: product photos have fine saturated edges. Not optimized: Pillow would guess how much memory
        # that takes, and guesses too low for noise.
        image.save(out, "JPEG", quality=quality, subsampling=0, progressive=False, **extra)
    elif form == "webp":
        image.save(out, "WEBP", quality=quality, method=4, **extra)
    else:
        image.save(out, "PNG", compress_level=6, **_png(extra))
    return out.getvalue()


def _png(extra: dict[str, object]) -> dict[str, object]:
    from_xmp = extra.get("xmp")
    if not isinstance(from_xmp, bytes):
        return {}
    chunks = PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", from_xmp.decode())
    return {"pnginfo": chunks}


def xmp(source_type: str) -> bytes:
    """The XMP packet that names *source_type*."""
    return _XMP.format(source=SOURCE_TYPE_BASE + source_type).encode()
