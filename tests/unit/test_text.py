from __future__ import annotations

import sys
import unicodedata

import pytest

from imagegenservice.text import clean


def test_plain_text_stays_as_it_is():
    assert clean("Löffel, 3 cm (Édition № 5) 眼鏡", 100) == "Löffel, 3 cm (Édition № 5) 眼鏡"


def test_letters_are_composed():
    assert clean("Cafe\u0301", 100) == "Café"


def test_letters_are_composed_across_what_is_dropped():
    assert clean("Cafe\u2066\u0301", 100) == "Café"


WHITE = ["\n", "\r\n", "\t", "\u2028", "\u2029", "\u00a0", "\u3000", "\x85", " \n "]
CONTROLS = ["\0", "\x1b", "\x7f", "\x9b"]
BIDI = ["\u202e", "\u2066", "\u200e", "\u061c"]
TAGS = ["\U000e0041", "\U000e0001", "\U000e0100"]
OTHERS = ["\ud800", "\udfff", "\ue000", "\uffff", "\U0010ffff", "\ufeff", "\u200b", "\u00ad"]


@pytest.mark.parametrize("space", WHITE, ids=ascii)
def test_white_space_becomes_one_space(space):
    assert clean(f"{space}a{space}b{space}", 100) == "a b"


@pytest.mark.parametrize("hidden", CONTROLS + BIDI + TAGS + OTHERS, ids=ascii)
def test_what_cannot_be_seen_is_dropped(hidden):
    assert clean(f"a{hidden}b", 100) == "ab"


def test_every_code_point_gives_text_that_can_be_encoded_and_holds_no_control():
    for start in range(0, sys.maxunicode + 1, 512):
        line = clean("".join(map(chr, range(start, min(start + 512, sys.maxunicode + 1)))), 512)
        line.encode()
        assert not {unicodedata.category(char) for char in line} & {"Cc", "Cs", "Co", "Cn"}


@pytest.mark.parametrize("text", ["👩\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "क्\u200dष"])
def test_scripts_and_emoji_keep_their_joiners(text):
    assert clean(text, 100) == text


def test_a_run_of_invisible_selectors_carries_no_message():
    assert clean("a" + "\ufe00\ufe0f" * 100 + "b", 1000) == "a\ufe00\ufe0fb"


def test_it_is_cut_at_the_limit_on_a_code_point():
    assert clean("😀" * 10, 3) == "😀😀😀"
    assert clean("ab cd", 3) == "ab"


def test_cutting_counts_composed_letters():
    assert clean("e\u0301" * 5, 5) == "é" * 5


def test_cleaning_twice_changes_nothing():
    text = "  a\u202e\nb " + "\ufe0f" * 5 + " e\u0301 \U000e0041 "
    assert clean(clean(text, 20), 20) == clean(text, 20)


def test_text_far_behind_the_limit_is_not_looked_at():
    assert clean("\0" * 10_000_000 + "late", 10) == ""


def test_nothing_stays_nothing():
    assert clean("", 10) == ""
    assert clean("\u200e \n", 10) == ""
