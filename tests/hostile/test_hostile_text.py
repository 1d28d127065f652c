"""Every parser of foreign text: for any input it gives what its contract says, or its contract's error."""

from __future__ import annotations

import base64
import logging
import time
import unicodedata
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagegenservice import spans
from imagegenservice.adapters.shop.grpc_shop import product_from
from imagegenservice.adapters.shop.pictures import HttpPictures, _safe_path
from imagegenservice.backgrounds import decode_base64, own_key
from imagegenservice.errors import ConfigurationError, FetchFailed, ImageGenError, PictureRefused
from imagegenservice.gallery import KEY
from imagegenservice.logs import JsonFormatter
from imagegenservice.model import CartLine
from imagegenservice.order import check_lines, check_order, check_user_id
from imagegenservice.pb import demo_pb2
from imagegenservice.settings import load
from imagegenservice.text import clean, fits
from imagegenservice.url_guard import UrlGuard
from imagegenservice.urls import AdapterUrl, Options

T = TypeVar("T")

ANY = st.text(st.characters(), max_size=200)
"""Of every code point, lone surrogates included."""
URLISH = st.text(st.sampled_from("htps:/\\@%#?.;[]0127f:ax-\n\t \u00ad\u3002"), max_size=60)
FORMAT = {"Cc", "Cs", "Co", "Cn"}


def outcome(parse: Callable[[], T]) -> tuple[T | None, ImageGenError | None]:
    """What it gives, or one of our own errors; any other is a failure."""
    try:
        return parse(), None
    except ImageGenError as exc:
        return None, exc


@given(ANY, st.integers(1, 300))
@example("a\u200d\u200d\u200d\u200db", 10)
@example("\u0301" * 500, 64)
@example("\U000e0041\U000e0042x\u202ey", 8)
def test_clean_text_is_one_visible_line_in_nfc_within_its_limit(text: str, limit: int) -> None:
    found = clean(text, limit)
    assert len(found) <= limit
    assert found == found.strip()
    assert not any(unicodedata.category(char) in FORMAT or char in "\r\n\t\x85\u2028\u2029" for char in found)
    assert not any(0xE0000 <= ord(char) <= 0xE01EF or 0x202A <= ord(char) <= 0x202E for char in found)
    assert not any(0x2066 <= ord(char) <= 0x2069 for char in found)
    found.encode()


@given(
    st.lists(st.sampled_from(["a", "\u0301", "\u0316", "\u0327", "e", "\u1f82"]), max_size=600),
    st.integers(1, 200),
)
def test_what_fits_is_what_nfc_says_fits(parts: list[str], limit: int) -> None:
    text = "".join(parts)
    assert fits(text, limit) == (len(unicodedata.normalize("NFC", text)) <= limit or len(text) <= limit)


def test_lengths_count_after_nfc() -> None:
    assert check_user_id("e\u0301" * 256)
    with pytest.raises(ImageGenError):
        check_user_id("\u00e9" * 257)
    assert check_order(user_id="u", style="e\u0301" * 64).style == "\u00e9" * 64


@pytest.mark.parametrize(
    "text", ["\u0301\u0316" * 1_000_000, "a\u0327\u0301" * 500_000, "\u202e" * 3_000_000]
)
def test_megabytes_of_marks_cost_nothing(text: str) -> None:
    begin = time.perf_counter()
    clean(text, 500)
    assert not fits(text, 256)
    with pytest.raises(ImageGenError):
        check_order(user_id=text, style=text)
    product_from(
        demo_pb2.Product(id="P", name=text[:100_000], description=text[:100_000], picture=text[:100_000])
    )
    assert time.perf_counter() - begin < 1


@given(
    st.one_of(ANY, st.text("AQgw/+-_= \r\n\t,;:", max_size=80), st.binary(max_size=80).map(base64.b64encode))
)
@example("data:image/png;base64,")
@example("QQ==QQ==")
@example("QQ=")
@example("QQ\u0661=")
def test_base64_is_bytes_or_a_refusal(text: str | bytes) -> None:
    plain = text.decode() if isinstance(text, bytes) else text
    data, error = outcome(lambda: decode_base64(plain, 50))
    if data is None:
        assert isinstance(error, PictureRefused)
        assert error.reason in {"BASE64_INVALID", "IMAGE_TOO_LARGE"}
        assert plain not in str(error) or len(plain) < 20
    else:
        assert len(data) <= 50
        assert set("".join(plain.split()).rpartition(",")[2]) <= set(base64.b64encode(data).decode()) | set(
            plain
        )


@given(st.binary(max_size=50))
def test_base64_of_any_bytes_is_those_bytes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    if data:
        assert decode_base64(text, 500) == data
        assert decode_base64(f"data:image/png;base64,{text[:7]}\r\n {text[7:]}\t", 500) == data


@given(st.one_of(ANY, URLISH))
@example("https://[/backgrounds/x")
@example("backgrounds/" + "0" * 40 + ".jpg")
def test_an_own_key_is_a_key_or_nothing(text: str) -> None:
    for url in (text, f"https://x.test/{text}", f"/backgrounds/{text}"):
        key = own_key(url)
        assert key is None or (KEY.fullmatch(key) and key.startswith("backgrounds/"))


@given(st.one_of(ANY, URLISH))
def test_the_guard_never_fails_in_another_way(text: str) -> None:
    guard = UrlGuard(["https://a.test/x/"])
    for url in (text, f"https://a.test{text}", f"https://a.test/x/{text}", f"https://{text}/x/y"):
        target, error = outcome(lambda url=url: guard.check(url))  # type: ignore[misc]
        if target is None:
            assert error is not None
            assert error.reason == "URL_NOT_ALLOWED"
        else:
            # Whoever else reads this URL reads the same.
            parts = urlsplit(url)
            assert (parts.scheme, parts.hostname, parts.path) == ("https", "a.test", target.path)


@given(st.lists(ANY, max_size=4))
def test_answers_of_a_name_server_are_addresses_or_refused(answers: list[str]) -> None:
    with pytest.raises(ImageGenError):
        UrlGuard([]).choose(answers)


@given(st.one_of(ANY, URLISH))
def test_a_picture_path_is_plain_or_refused(text: str) -> None:
    try:
        path = _safe_path(text)
    except FetchFailed:
        return
    assert path.isascii()
    assert not set(path.split("/")) & {"", ".", ".."}
    assert urlsplit(f"http://h/{path}").path == f"/{path}"


@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("user_id", "style", "background_url", "aspect_ratio", "idempotency_key"), ANY),
            "lines": st.lists(
                st.builds(CartLine, product_id=ANY, quantity=st.integers(-(2**31), 2**31 - 1)), max_size=60
            ),
            "seed": st.integers(-(2**63), 2**63 - 1),
            "wait": st.floats(),
        }
    )
)
def test_an_order_is_in_order_or_refused_by_name(fields: dict[str, object]) -> None:
    order, error = outcome(lambda: check_order(**fields))  # type: ignore[arg-type]
    if order is None:
        assert error is not None
        assert error.reason.startswith("INVALID_")
        assert len(error.public) < 300
    else:
        assert 0 <= order.wait <= 60
        assert order.style == clean(order.style, 64).lower()
        assert len(order.request_hash) == 64


@given(st.lists(st.builds(CartLine, product_id=st.sampled_from(["A", "B"]), quantity=st.integers(1, 999))))
def test_lines_of_one_product_are_one_line_within_the_limit(lines: list[CartLine]) -> None:
    if len(lines) <= 50:
        merged = check_lines(lines)
        assert len({line.product_id for line in merged}) == len(merged)
        assert all(1 <= line.quantity <= 999 for line in merged)


class Knobs(Options):
    timeout: float = 1.0
    name: str = ""


@given(
    st.one_of(
        ANY, URLISH, URLISH.map(lambda tail: f"gs://bucket/{tail}"), ANY.map(lambda tail: f"gs://b?{tail}")
    )
)
@example("gs://[")
@example("gs://a\u2100b/")
@example("gs://b?a=1&a=2")
def test_an_adapters_url_is_read_or_a_wrong_setting(text: str) -> None:
    try:
        url = AdapterUrl.parse(text)
        url.options(Knobs)
    except ConfigurationError:
        return
    assert url.scheme
    assert "@" not in url.host


SETTINGS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)


@settings(max_examples=60)
@given(
    SETTINGS,
    st.sampled_from(["port", "image_models", "background_url_allowlist", "max_uploads", "log_level"]),
)
def test_settings_are_read_or_named(text: str, name: str) -> None:
    chosen, error = outcome(lambda: load(**{name: text}))
    if chosen is None:
        assert isinstance(error, ConfigurationError)
        assert "\n" not in str(error)
        assert name.upper() in str(error)
        return
    if name.endswith(("models", "allowlist")):
        found = getattr(chosen, name)
        assert all(part and part == part.strip() and "," not in part for part in found)


@given(ANY, ANY, ANY)
@example("00-" + "0" * 32 + "-" + "0" * 16 + "-01", "", "")
def test_a_place_in_a_trace_is_whole_or_none(parent: str, state: str, baggage: str) -> None:
    place = spans.read_place(parent, state, baggage)
    assert place is None or (len(place.trace_id), len(place.span_id)) == (32, 16)


@given(ANY, ANY)
def test_any_value_is_one_line_of_a_log(message: str, value: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, message, None, None)
    record.value = [value * 100, {"k": value}]
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 20_000


@pytest.mark.parametrize(
    "base",
    [
        "",
        "frontend",
        "ftp://a/",
        "http://",
        "http://[",
        "http://a b/",
        "http://a@b/",
        "http://a/?x",
        "http://a/#x",
    ],
)
def test_a_wrong_base_of_the_pictures_is_a_wrong_setting(base: str) -> None:
    with pytest.raises(ConfigurationError, match="PICTURES_URL"):
        HttpPictures(base, None, None, None)  # type: ignore[arg-type]
