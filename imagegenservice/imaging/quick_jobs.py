"""The children that decode and encode, and need neither NumPy nor OpenCV for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from .encode import encode_image
from .headers import Limits
from .plain import fit, opaque, plain
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
    """A picture cropped and resized to exactly `width` x `height`, saying how it came to be."""
    image = fit(plain(buffers[0], Limits(*head["limits"])), head["width"], head["height"])
    return {}, encode_image(image, head["form"], head["quality"], head["source"])


JOBS: Final[Mapping[str, Job]] = {"develop": develop, "fill": fill}

if __name__ == "__main__":
    Image.preinit()
    serve(JOBS)
