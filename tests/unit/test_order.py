from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegenservice.errors import InvalidInput
from imagegenservice.model import CartLine
from imagegenservice.order import MAX_QUANTITY, Order, cart_lines, check_lines, check_order

T = TypeVar("T")
IDS = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=6)
QUANTITIES = st.integers(1, 999)
LINES = st.lists(st.builds(CartLine, product_id=IDS, quantity=QUANTITIES), min_size=1, max_size=50)
ANY_LINES = st.lists(st.builds(CartLine, product_id=st.text(max_size=8), quantity=st.integers()), max_size=60)


def order(**fields: Any) -> Order:
    return check_order(**{"user_id": "ann", "lines": [CartLine(product_id="CUP", quantity=1)], **fields})


def tried(work: Callable[[], T]) -> T | InvalidInput:
    """What it gives, or how it is refused."""
    try:
        return work()
    except InvalidInput as exc:
        return exc


@given(LINES)
def test_lines_within_the_limits_are_merged_and_nothing_else_happens_to_them(lines: list[CartLine]) -> None:
    checked = check_lines(lines)
    ids = [line.product_id for line in checked]
    assert ids == list(dict.fromkeys(line.product_id for line in lines))
    for line in checked:
        ordered = sum(other.quantity for other in lines if other.product_id == line.product_id)
        assert line.quantity == min(ordered, MAX_QUANTITY)


@given(ANY_LINES)
def test_whatever_stands_in_the_shops_cart_is_made_to_fit_or_refused_in_words(lines: list[CartLine]) -> None:
    checked = tried(lambda: cart_lines(lines))
    if isinstance(checked, InvalidInput):
        assert checked.field == "cart_items"
        return
    assert all(1 <= line.quantity <= MAX_QUANTITY for line in checked)
    assert len({line.product_id for line in checked}) == len(checked)


@given(
    user_id=st.text(max_size=300),
    style=st.text(max_size=80),
    background_url=st.text(max_size=40),
    lines=ANY_LINES,
    aspect_ratio=st.sampled_from(["", "1:1", "16:9", "7:7"]) | st.text(max_size=5),
    seed=st.integers(-(2**31), 2**31 - 1),
    idempotency_key=st.text(max_size=300),
    wait=st.floats(),
)
def test_a_request_is_an_order_or_is_refused_with_the_field_that_is_wrong(**fields: Any) -> None:
    checked = tried(lambda: check_order(**fields))
    if isinstance(checked, InvalidInput):
        assert checked.reason == f"INVALID_{checked.field.upper()}"
        assert str(checked).startswith(f"{checked.field}: ")
        return
    assert checked.lines or checked.user_id
    assert len(checked.request_hash) == 64
    assert 0 <= checked.wait <= 60


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_order()
    assert caught.value.field == "user_id"


def test_items_without_a_shopper_are_an_anonymous_order() -> None:
    assert order(user_id="").user_id == ""


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "bob"},
        {"style": "vintage"},
        {"background_url": "/backgrounds/x"},
        {"lines": [CartLine(product_id="CUP", quantity=2)]},
        {"lines": []},
        {"aspect_ratio": "4:3"},
        {"seed": 1},
    ],
)
def test_every_field_that_changes_the_picture_changes_the_hash_of_the_request(other: dict[str, Any]) -> None:
    assert order(**other).request_hash != order().request_hash


def test_the_key_and_the_wait_do_not_change_the_hash_and_equal_words_are_equal() -> None:
    assert order(idempotency_key="k", wait=5).request_hash == order().request_hash
    assert order(style=" Modern ").request_hash == order(style="").request_hash
    assert order(aspect_ratio="1:1").request_hash == order().request_hash


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), -0.001, 60.001])
def test_a_wait_that_is_no_time_is_refused(wait: float) -> None:
    with pytest.raises(InvalidInput, match="between 0 and 60 seconds"):
        order(wait=wait)
