"""Sizes: whatever is asked for, what is sent keeps the model's rule."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gensdk.backends.openai.image_sizes import Size, nearest_size, size_for_ratio
from gensdk.catalog.openai_media import SizeRule, image_model

FREE = image_model("gpt-image-2", "openai").sizes
FIXED = image_model("gpt-image-1.5", "openai").sizes
ANY = image_model("some-model", "compatible").sizes
SIDE = st.integers(1, 16_384)


def keeps(size: Size, rule: SizeRule) -> bool:
    width, height = size
    return (
        width % rule.step == 0
        and height % rule.step == 0
        and max(size) <= rule.max_edge
        and width * height <= rule.max_pixels
        and max(size) <= rule.max_ratio * min(size)
    )


@settings(max_examples=300)
@given(st.tuples(SIDE, SIDE))
@example((16_384, 1))
@example((1, 16_384))
@example((4000, 2100))
@example((25, 9))
@example((2876, 2888))
def test_any_size_becomes_one_the_model_draws(wanted: Size) -> None:
    free = nearest_size(wanted, FREE)
    assert keeps(free, FREE)
    assert nearest_size(free, FREE) == free
    assert nearest_size(wanted, FIXED) in FIXED.fixed
    assert nearest_size(wanted, ANY) == wanted


@settings(max_examples=300)
@given(st.integers(1, 999), st.integers(1, 999))
@example(5, 411)
@example(999, 1)
@example(100, 99)
def test_any_ratio_becomes_about_a_million_pixels(width: int, height: int) -> None:
    size = size_for_ratio(f"{width}:{height}", FREE)
    assert keeps(size, FREE)
    assert 0.5 < size[0] * size[1] / 2**20 < 2
    assert size_for_ratio(f"{width}:{height}", FIXED) in FIXED.fixed


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "4:3", "3:2", "21:9", "3:1"])
def test_the_usual_ratios_are_exact(ratio: str) -> None:
    width, height = size_for_ratio(ratio, FREE)
    first, _, second = ratio.partition(":")
    assert width * int(second) == height * int(first)
