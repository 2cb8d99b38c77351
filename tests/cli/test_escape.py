"""Nothing a model writes has power over a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gensdk.cli.escape import Escaper, json_text, visible
from tests.cli.stage import EVIL, SHOWN

DANGEROUS = "".join(map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0)])) + (
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069"
    "\ufeff\ufff9\ue000\U000e0041\ud83d"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b]8;;https://a.example\x1b\\x", r"\x1b]8;;https://a.example\x1b\x"),
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("\x1b[2K\x1b[1A", r"\x1b[2K\x1b[1A"),
        ("\x9b31m", r"\x9b31m"),
        ("\x1bPq\x1b\\ \x90q\x9c", r"\x1bPq\x1b\ \x90q\x9c"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("over\rwrite", r"over\rwrite"),
        ("\x7f\x08", r"\x7f\x08"),
        ("tab\tline\nend\r\n", "tab\tline\nend\n"),
        ("ünï çödé 日本 👨\u200d👩 \u0645\u06cc\u200c\u062e soft\u00adhyphen", None),
    ],
)
def test_golden(text: str, shown: str | None) -> None:
    assert visible(text) == (text if shown is None else shown)


def test_every_dangerous_character_is_shown_as_ascii() -> None:
    for char in DANGEROUS:
        assert visible(f"a{char}b").isascii(), hex(ord(char))
        assert visible(f"a{char}b") != f"a{char}b"


def test_a_stream_is_escaped_across_its_pieces() -> None:
    escaper = Escaper()
    assert "".join(map(escaper.feed, EVIL)) + escaper.end() == SHOWN


def test_a_carriage_return_waits_for_what_follows() -> None:
    escaper = Escaper()
    assert escaper.feed("a\r") == "a"
    assert escaper.feed("\nb\r") == "\nb"
    assert escaper.feed("c\r") == r"\rc"
    assert escaper.end() == r"\r"
    assert escaper.end() == ""


@given(st.lists(st.text()))
def test_pieces_and_the_whole_give_the_same(pieces: list[str]) -> None:
    escaper = Escaper()
    streamed = "".join(map(escaper.feed, pieces)) + escaper.end()
    assert streamed == visible("".join(pieces))
    assert not set(streamed) & set(DANGEROUS)


@given(st.text() | st.dictionaries(st.text(), st.text()))
def test_json_is_plain_json_without_power(value: object) -> None:
    for ascii_only in (False, True):
        text = json_text(value, ascii_only=ascii_only)
        assert json.loads(text) == value
        assert not set(text) & set(DANGEROUS)
        assert not ascii_only or text.isascii()


def test_json_keeps_readable_letters() -> None:
    assert json_text({"a": "ü\u202e\x7f\x9b"}, indent=None) == r'{"a": "ü\u202e\u007f\u009b"}'
    assert json_text("ü", ascii_only=True) == r'"\u00fc"'
