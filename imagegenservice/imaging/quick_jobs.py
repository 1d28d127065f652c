"""The children that decode and encode, and need neither NumPy nor OpenCV for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from .encode import encode_image, xmp
from .headers import Limits
from .plain import fit, opaque, plain
from .rewrap import rewrapped
from .wire import Head
from .worker import Job, Note, serve

# Each is imported while nothing waits for it yet.
PLUGINS: Final = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)


def develop(head: Head, buffers: Sequence[bytes], _: Note) -> tuple[Head, bytes]:
    """A picture from outside, as a plain one of `form` whose longer side is at most `max_side`."""
    image = plain(buffers[0], Limits(*head["limits"]), head["max_side"])
    if head["opaque"]:
        image = opaque(image)
    return {}, encode_image(image, head["form"], head["quality"])


def fill(head: Head, buffers: Sequence[bytes], _: Note) -> tuple[Head, bytes]:
    """
    A picture cropped and resized to exactly `width` x `height`, saying how it came to be.

    One that is so already is not coded again, which would cost sharpness and time.
    """
    width, height = head["width"], head["height"]
    decoded = plain(buffers[0], Limits(*head["limits"]))
    if head["form"] == "jpeg" and (again := rewrapped(buffers[0], width, height, xmp(head["source"]))):
        return {}, again
    image = fit(decoded, width, height)
    return {}, encode_image(image, head["form"], head["quality"], head["source"])


JOBS: Final[Mapping[str, Job]] = {"develop": develop, "fill": fill}

if __name__ == "__main__":
    Image.preinit()
    serve(JOBS)
