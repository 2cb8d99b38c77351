"""Cutting at stop strings: the same text however it arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gensdk.backends.openai.stop import StopCutter, cut

SMALL = st.text("ab|", max_size=12)
STOPS = st.lists(st.text("ab|", min_size=1, max_size=3), min_size=1, max_size=3)


@given(pieces=st.lists(SMALL, max_size=5), stops=STOPS)
def test_pieces_are_cut_where_the_whole_is(pieces: list[str], stops: list[str]) -> None:
    whole, stopped = cut("".join(pieces), stops)
    cutter = StopCutter(stops)
    shown = "".join(cutter.add(piece) for piece in pieces)
    assert not any(stop in shown for stop in stops)
    assert shown + cutter.flush() == whole
    assert cutter.stopped == stopped


def test_the_stop_string_that_is_complete_first_wins() -> None:
    assert cut("xabc", ["abc", "b"]) == ("xa", True)
    assert cut("xab", ["b", "ab"]) == ("x", True)
    assert cut("xab", []) == ("xab", False)


def test_nothing_comes_after_the_cut() -> None:
    cutter = StopCutter(["|"])
    assert (cutter.add("a|b"), cutter.add("c"), cutter.flush()) == ("a", "", "")
    assert StopCutter([]).add("a|b") == "a|b"
