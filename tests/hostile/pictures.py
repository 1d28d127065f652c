"""Pictures that attack: each with what the service must say of it. MARK is in all that must not survive."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

MARK = b"MARK-7f3a-of-the-attacker"
OK, LARGE, UNREADABLE, FORMAT = "OK", "IMAGE_TOO_LARGE", "IMAGE_UNREADABLE", "UNSUPPORTED_FORMAT"
EITHER = frozenset({OK, UNREADABLE})
CORNERS = ((220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250))
"""Top left, top right, bottom left, bottom right of what is upright."""


@dataclass(frozen=True)
class Case:
    """`verdicts` are the reasons that are right, or OK; `upright` when its corners can be told."""

    name: str
    data: bytes
    verdicts: frozenset[str]
    upright: bool = False


def case(name: str, data: bytes, *verdicts: str, upright: bool = False) -> Case:
    return Case(name, data, frozenset(verdicts), upright)


def corners(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = slice(height // 2), slice(width // 2)
    low, right = slice(height // 2, None), slice(width // 2, None)
    for part, colour in zip(((top, left), (top, right), (low, left), (low, right)), CORNERS, strict=True):
        pixels[part] = colour
    return Image.fromarray(pixels)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def noise(side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8))


# PNG, written by hand


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + chunk(b"IEND")


def small_png(*extra: bytes) -> bytes:
    return png(4, 4, *extra, rows=(b"\0" + bytes(12)) * 4)


# WebP, written by hand


def riff(*parts: bytes) -> bytes:
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def part(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def vp8l(width: int, height: int) -> bytes:
    """The 38-byte bomb: a picture of one colour, and of any size."""
    bits = (width - 1) | (height - 1) << 14
    return riff(part(b"VP8L", b"\x2f" + struct.pack("<I", bits) + b"\x88\x88\x08" + bytes(10)))


def vp8x(width: int, height: int, flags: int, *parts: bytes) -> bytes:
    canvas = bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff(part(b"VP8X", canvas), *parts)


# JPEG, taken apart


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def after_start(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def with_scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = saved(corners(side, side), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The frame header says another size."""
    at = next(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at >= 0)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def structures(data: bytes) -> list[int]:
    """Where the parts of a file begin."""
    if data.startswith(b"\x89PNG"):
        kinds = (b"IHDR", b"IDAT", b"IEND", b"tEXt", b"gAMA")
        return sorted({data.find(kind) - 4 for kind in kinds if kind in data})
    if data.startswith(b"RIFF"):
        return [4, 8, 12, 16, 20, 30]
    return [at for at in range(2, len(data)) if data[at] == 0xFF and data[at + 1] not in {0, 0xFF}]


def bombs() -> Iterator[Case]:
    for width, height in ((9400, 9400), (13300, 13300), (16384, 16384), (16384, 1526), (1, 16384 + 0)):
        good = width * height <= 25_000_000
        verdicts = (OK, UNREADABLE) if good else (LARGE,)
        yield case(f"webp of 38 bytes, {width}x{height}", vp8l(width, height), *verdicts)
    for width, height in ((5001, 5000), (16385, 1), (1, 16385), (1, 89_000_000), (50_000, 50_000)):
        yield case(f"png of zeros, {width}x{height}", png(width, height, rows=bytes(100_000)), LARGE)
    for size in (2**31 - 1, 2**32 - 1):
        yield case(f"png, side {size}", png(size, size), LARGE, UNREADABLE)
    yield case("png, grey 1 bit, 180 MP", png(13_400, 13_400, depth=1, colour=0), LARGE)
    yield case("png, 16 bits rgba, 36 MP", png(6000, 6000, depth=16, colour=6), LARGE)
    yield case("png, side 0", png(0, 5), UNREADABLE)
    whole = zlib.compress(bytes(5000 * (1 + 625)), 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", whole) + chunk(b"IEND")
    yield case("png of the limit, 25 MP in 4 kB", bomb, OK)
    yield case("webp of the limit, 25 MP", vp8l(5000, 5000), *EITHER)
    for width, height in ((65_500, 65_500), (5001, 5000), (16_385, 2)):
        yield case(
            f"jpeg that says {width}x{height}", with_size(saved(noise(), "JPEG"), width, height), LARGE
        )
    for width, height in ((0, 10), (10, 0)):
        lying = with_size(saved(noise(), "JPEG"), width, height)
        yield case(f"jpeg that says {width}x{height}", lying, UNREADABLE)
    inner = vp8l(9400, 9400)[12:]
    yield case("webp with a small canvas and a large picture", vp8x(16, 16, 0, inner), LARGE)
    yield case("webp with a large canvas", vp8x(2**24, 2**24, 0, vp8l(4, 4)[12:]), LARGE)
    frame = bytes(6) + struct.pack("<I", 9399)[:3] + struct.pack("<I", 9399)[:3] + bytes(4) + inner
    moving = vp8x(16, 16, 2, part(b"ANIM", bytes(6)), part(b"ANMF", frame))
    yield case("webp with a frame larger than its canvas", moving, LARGE)


def lies() -> Iterator[Case]:
    jpeg = saved(noise(), "JPEG")
    yield case("jpeg that says more rows than it has", with_size(jpeg, 64, 4000), *EITHER)
    yield case("jpeg that says more columns than it has", with_size(jpeg, 4000, 64), *EITHER)
    yield case("jpeg that says less than it has", with_size(jpeg, 8, 8), *EITHER)
    frame = jpeg[(at := jpeg.index(b"\xff\xc0")) : at + 19]
    yield case("jpeg with two frame headers", jpeg[:at] + frame + jpeg[at:], UNREADABLE)
    yield case("jpeg without a scan", jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9", UNREADABLE)
    yield case("jpeg, a segment of length 1", jpeg[:2] + b"\xff\xe1\0\1" + jpeg[2:], UNREADABLE)
    yield case("jpeg, a segment beyond the end", jpeg[:2] + b"\xff\xe1\xff\xff" + jpeg[2:90], UNREADABLE)
    yield case("png that says more than it has", png(4000, 4000, rows=bytes(300)), UNREADABLE)
    yield case("png that says less than it has", png(2, 2, rows=bytes(3_000_000)), *EITHER)
    yield case("png without rows", png(4, 4), UNREADABLE)
    yield case("png, colour type 5", png(4, 4, colour=5, rows=bytes(100)), UNREADABLE)
    yield case("png, depth 3", png(4, 4, depth=3, rows=bytes(100)), UNREADABLE)
    yield case("png, palette without a palette", png(4, 4, colour=3, rows=bytes(20)), *EITHER)
    yield case("png, chunk of 4 GB", small_png()[:33] + b"\xff\xff\xff\xffIDAT", UNREADABLE)
    yield case("webp, riff longer than the file", b"RIFF\xff\xff\xff\x7f" + vp8l(4, 4)[8:], *EITHER)
    yield case("webp, chunk longer than the file", riff(b"VP8 \xff\xff\xff\x7fabc"), UNREADABLE)
    yield case("webp without a picture", riff(), UNREADABLE)
    yield case("jpeg's first bytes, then a png", b"\xff\xd8\xff" + small_png(), UNREADABLE)
    yield case("png's first bytes, then a jpeg", b"\x89PNG\r\n\x1a\n" + jpeg, UNREADABLE)
    yield case("webp's first bytes, then a jpeg", b"RIFF\x00\x10\0\0WEBP" + jpeg, UNREADABLE)


def floods() -> Iterator[Case]:
    yield case("jpeg, 201 scans more", with_scans(64, 201), UNREADABLE)
    yield case("jpeg, 20,000 scans", with_scans(512, 20_000), UNREADABLE)
    yield case("jpeg, 150 scans of 2 MP", with_scans(1448, 150), *EITHER)
    jpeg = saved(corners(), "JPEG")
    empty = segment(0xE5, b"")
    yield case("jpeg, a million empty segments", after_start(jpeg, empty * 1_000_000), UNREADABLE)
    comment = segment(0xFE, MARK * 2600)
    yield case("jpeg, 4 MB of comments", after_start(jpeg, comment * 62), OK)
    yield case(
        "jpeg, restart markers in their thousands", jpeg[:-2] + b"\xff\xd0" * 500_000 + b"\xff\xd9", *EITHER
    )
    yield case("png, 100,000 chunks", small_png(chunk(b"teSt") * 100_000), UNREADABLE)
    yield case("png, 9,000 chunks", small_png(chunk(b"teSt") * 9000), OK)
    bomb = zlib.compress(bytes(200_000_000), 9)
    yield case("png, zTXt of 200 MB", small_png(chunk(b"zTXt", b"k\0\0" + bomb)), *EITHER)
    yield case("png, iTXt of 200 MB", small_png(chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)), *EITHER)
    yield case("png, a profile of 200 MB", small_png(chunk(b"iCCP", b"p\0\0" + bomb)), *EITHER)
    texts = b"".join(chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(900_000), 9)) for n in range(300))
    yield case("png, 300 texts of 1 MB", small_png(texts), *EITHER)
    yield case(
        "png, rows of 200 MB for 4 x 4",
        small_png().replace(chunk(b"IDAT", zlib.compress((b"\0" + bytes(12)) * 4)), chunk(b"IDAT", bomb)),
        *EITHER,
    )
    control = chunk(b"acTL", struct.pack(">II", 10_000, 0))
    yield case("apng that announces 10,000 frames", small_png(control), UNREADABLE)
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 4, 4, 0, 0, 1, 10, 0, 0))
    quiet = chunk(b"acTL", struct.pack(">II", 2, 0))
    yield case("apng that has more frames than it says", small_png(quiet, frame * 5000), UNREADABLE)
    few = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(3)]
    yield case("apng of 3 frames", saved(few[0], "PNG", save_all=True, append_images=few[1:]), OK)
    yield case("webp of 3 frames", saved(few[0], "WEBP", save_all=True, append_images=few[1:]), OK)
    one = bytes(16) + vp8l(1, 1)[12:]
    many = vp8x(1, 1, 2, part(b"ANIM", bytes(6)), *[part(b"ANMF", one)] * 9000)
    yield case("webp of 9,000 frames", many, UNREADABLE)
    yield case("webp of 20,000 chunks", riff(part(b"teSt", b"") * 20_000, vp8l(4, 4)[12:]), UNREADABLE)


TRAILERS = {
    "zip": b"PK\x03\x04" + bytes(26) + MARK,
    "html": b"<html><script>alert('" + MARK + b"')</script>",
    "php": b"<?php system('" + MARK + b"'); ?>",
    "pdf": b"%PDF-1.7\n" + MARK,
    "shell": b"\n#!/bin/sh\n" + MARK,
    "another jpeg": saved(Image.new("RGB", (8, 8)), "JPEG") + MARK,
}


def polyglots() -> Iterator[Case]:
    for form in ("JPEG", "PNG", "WEBP"):
        data = saved(corners(), form, quality=95)
        for name, trailer in TRAILERS.items():
            yield case(f"{form} with {name} behind it", data + trailer, OK, upright=True)
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = MARK.decode(), MARK
    exif[0x8825] = {1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 0.0), 29: MARK.decode()}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + MARK
    for form in ("JPEG", "PNG", "WEBP"):
        for name, options in {
            "exif and gps": {"exif": exif},
            "a profile": {"icc_profile": profile},
            "xmp": {"xmp": b"<x:xmpmeta>" + MARK + b"</x:xmpmeta>"},
        }.items():
            if form == "PNG" and name == "xmp":
                continue
            yield case(f"{form} with {name}", saved(corners(), form, **options), OK, upright=True)
    jpeg = saved(corners(), "JPEG", quality=95)
    for marker in (0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE):
        data = after_start(jpeg, segment(marker, b"x\0" + MARK))
        yield case(f"jpeg with a segment {marker:x}", data, OK, upright=True)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", MARK.decode())
    text.add_itxt("XML:com.adobe.xmp", MARK.decode())
    text.add(b"prVt", MARK)
    yield case("png with texts", saved(corners(), "PNG", pnginfo=text), OK, upright=True)
    data = saved(corners(), "PNG")
    script = data.replace(b"IEND", b"IEND" + MARK) + MARK
    yield case("png with bytes inside its end", script, OK, UNREADABLE)
    webp = saved(corners(), "WEBP", quality=95)
    with_part = riff(webp[12:], part(b"EXIF", MARK), part(b"XMP ", MARK), part(b"evil", MARK))
    yield case("webp with parts that it does not announce", with_part, OK, upright=True)


def truncations() -> Iterator[Case]:
    for form in ("JPEG", "PNG", "WEBP"):
        data = saved(noise(), form)
        places = structures(data)[:24] + [len(data) * n // 8 for n in range(1, 8)] + [len(data) - 1]
        for at in sorted(set(places)):
            near_end = at >= len(data) - (2 if form == "JPEG" else 12)
            verdicts = {UNREADABLE, FORMAT} | ({OK} if near_end else set())
            yield case(f"{form} cut at {at} of {len(data)}", data[:at], *verdicts)


def damages() -> Iterator[Case]:
    dice = random.Random(11)
    for form in ("JPEG", "PNG", "WEBP"):
        whole = saved(noise(), form)
        for number in range(12):
            data = bytearray(whole)
            for _ in range(1 + number):
                data[dice.randrange(len(data))] = dice.randrange(256)
            yield case(f"{form} damaged, {number}", bytes(data), OK, UNREADABLE, LARGE, FORMAT)
        zeroed = whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2)
        yield case(f"{form}, its second half zeroed", zeroed, *EITHER)
        text = whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield case(f"{form} that went through a text mode", text, OK, UNREADABLE, FORMAT)
        as_text = whole.decode("utf-8", "replace").encode()
        yield case(f"{form} that was read as UTF-8", as_text, UNREADABLE, FORMAT)


def modes() -> Iterator[Case]:
    turns = (None, None, 0, 3, 1, 5, 2, 6, 4)  # what a camera stores for 1 to 8; Image.Transpose's numbers
    for form in ("JPEG", "PNG", "WEBP"):
        for orientation in (*range(1, 9), 99):
            turn = turns[orientation] if orientation < 9 else None
            stored = corners() if turn is None else corners().transpose(Image.Transpose(turn))
            exif = Image.Exif()
            exif[0x0112] = orientation
            options = {"quality": 95} if form != "PNG" else {}
            data = saved(stored, form, exif=exif, **options)
            yield case(f"{form}, orientation {orientation}", data, OK, upright=True)
    image = corners()
    wide = np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)
    clear = image.convert("RGBA")
    clear.putalpha(128)
    yield case("cmyk", saved(image.convert("CMYK"), "JPEG", quality=95), OK)
    yield case("grey", saved(image.convert("L"), "PNG"), OK)
    yield case("1 bit", saved(image.convert("1"), "PNG"), OK)
    yield case("16 bits", saved(Image.fromarray(wide), "PNG"), OK)
    yield case("16 bits rgb", png(4, 4, depth=16, rows=(b"\0" + bytes(24)) * 4), OK)
    yield case("palette", saved(image.quantize(4), "PNG"), OK, upright=True)
    palette = saved(image.quantize(4), "PNG", transparency=bytes([0, 128, 255, 255]))
    yield case("palette with transparency", palette, OK)
    yield case("grey with alpha", saved(clear.convert("LA"), "PNG"), OK)
    yield case("rgb with alpha", saved(clear, "PNG"), OK)
    yield case("webp with alpha", saved(clear, "WEBP"), OK)
    yield case("interlaced by hand", small_png().replace(b"IHDR", b"IHDR", 1), OK)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield case("a profile of another space", saved(image, "PNG", icc_profile=lab), OK, upright=True)
    yield case("a broken profile", saved(image, "PNG", icc_profile=b"none" + MARK), OK, upright=True)
    for number, broken in enumerate(
        (b"garbage", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08" + b"\xff" * 60)
    ):
        data = saved(image, "JPEG", quality=95, exif=b"Exif\0\0" + broken + MARK)
        yield case(f"broken exif, {number}", data, OK, upright=True)


def strangers() -> Iterator[Case]:
    image = corners()
    for form in (
        "GIF",
        "BMP",
        "TIFF",
        "ICO",
        "PPM",
        "TGA",
        "DDS",
        "PCX",
        "SGI",
        "JPEG2000",
        "AVIF",
        "PDF",
        "EPS",
    ):
        yield case(f"a {form}", saved(image, form), FORMAT)
    many = [Image.new("P", (8, 8), n) for n in range(200)]
    yield case("a gif of 200 frames", saved(many[0], "GIF", save_all=True, append_images=many[1:]), FORMAT)
    texts = {
        "nothing but a byte": b"x",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "xxe": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><svg>&b;</svg>",
        "laughs": b"<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><l>&b;</l>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file",
        "mvg": b"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 'url(http://169.254.169.254/)'",
        "html": b"<!doctype html><title>502 Bad Gateway</title>",
        "zip": b"PK\x03\x04" + bytes(60),
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "psd": b"8BPS\0\1" + bytes(40),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
        "riff, but sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
        "elf": b"\x7fELF" + bytes(60),
        "fits": b"SIMPLE  =                    T" + bytes(60),
        "zeros": bytes(5000),
        "a jpeg behind a byte": b"\0" + saved(image, "JPEG"),
    }
    for name, data in texts.items():
        yield case(name, data, FORMAT)


def all_pictures() -> list[Case]:
    """In an order that repeats."""
    groups = (bombs, lies, floods, polyglots, truncations, damages, modes, strangers)
    return [one for group in groups for one in group()]
