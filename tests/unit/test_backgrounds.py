from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegenservice.backgrounds import decode_base64, own_key
from imagegenservice.errors import PictureRefused

LIMIT = 1000
NAME = "0123456789abcdef0123456789abcdef01234567"


@given(st.binary(min_size=1, max_size=LIMIT))
def test_what_was_encoded_is_decoded(data: bytes) -> None:
    plain = base64.b64encode(data).decode()
    assert decode_base64(plain, LIMIT) == data
    assert decode_base64(f"data:image/svg+xml;base64,{plain}", LIMIT) == data
    assert decode_base64(base64.encodebytes(data).decode(), LIMIT) == data
    assert decode_base64(f" \t{plain}\r\n", LIMIT) == data


@given(st.text(max_size=80) | st.text(alphabet="QUJD+/= \n", max_size=16))
def test_any_text_is_decoded_strictly_or_refused(text: str) -> None:
    try:
        data = decode_base64(text, LIMIT)
    except PictureRefused:
        return
    assert base64.b64encode(data).decode()[:-3] == "".join(text.split())[: (len(data) + 2) // 3 * 4 - 3]


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "AA", "AAA", "A===", "AA=A", "====", "QUJD=", "QUJDRA", "QQ==QQ=="),
        *(
            "QU-D",
            "QU_D",
            "QUJD\0",
            "QUJ\x0bD",
            "QUJD\u00a0",
            "\uff31\uff35\uff2a\uff24",
            '"QUJD"',
            "b'QUJD'",
            "QUJD;",
        ),
        *("data:image/png;base64", "data:,QUJD", "data:text/plain;base64,QUJD", "data:image/png,QUJD"),
        "data:image/png;base64,data:image/png;base64,QUJD",
    ],
)
def test_what_is_not_standard_base64_is_refused(text: str) -> None:
    with pytest.raises(PictureRefused) as caught:
        decode_base64(text, LIMIT)
    assert caught.value.reason == "BASE64_INVALID"


def test_the_size_is_checked_before_anything_is_decoded() -> None:
    with pytest.raises(PictureRefused) as caught:
        decode_base64("!" * 2000, LIMIT)
    assert caught.value.reason == "IMAGE_TOO_LARGE"
    assert decode_base64(base64.b64encode(bytes(LIMIT)).decode(), LIMIT) == bytes(LIMIT)
    with pytest.raises(PictureRefused) as caught:
        decode_base64(base64.b64encode(bytes(LIMIT + 1)).decode(), LIMIT)
    assert caught.value.reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8081/", "https://shop.example/a/b/", "gs://bucket/prefix/", "/", "", "//host/"]
)
def test_our_own_address_is_recognised_by_its_path(base: str) -> None:
    key = f"backgrounds/{NAME}.png"
    assert own_key(base + key) == key
    assert own_key(f"{base}{key}?X-Goog-Signature=1#x") == key


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://h/pictures/{NAME}.jpg",
        f"http://h/backgrounds/{NAME}.gif",
        f"http://h/backgrounds/{NAME[:-1]}.jpg",
        f"http://h/backgrounds/{NAME.upper()}.jpg",
        f"http://h/backgrounds/x/{NAME}.jpg",
        f"http://h/backgrounds/{NAME}.jpg/",
        f"http://h/backgrounds/../pictures/{NAME}.jpg",
        f"http://h/x?backgrounds/{NAME}.jpg",
        f"http://h/xbackgrounds/{NAME}.jpg",
        f"http://h/backgrounds%2f{NAME}.jpg",
        f"http://h/backgrounds/{NAME}.jpg\n/x",
        "http://[",
    ],
)
def test_every_other_address_is_not_ours(url: str) -> None:
    assert own_key(url) is None
