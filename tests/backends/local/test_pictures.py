"""The grammar that teaches the built-in painter: pictures and the words for them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

pytest.importorskip("PIL")

from gensdk.backends.local.demo import painter_captions as captions
from gensdk.backends.local.demo import painter_sight as sight
from gensdk.backends.local.demo import pictures
from gensdk.backends.local.demo.pictures import COLOURS, OBJECTS, Picture


def _drawn(picture: Picture, seed: int = 0) -> bytes:
    return bytes(pictures.draw(picture, random.Random(seed)).tobytes())


def _written(seed: int, count: int) -> list[tuple[Picture, captions.Caption]]:
    rng = random.Random(seed)
    invented = (pictures.invent(rng) for _ in range(count))
    return [(picture, captions.describe(picture, rng)) for picture in invented]


def test_a_seed_decides_everything() -> None:
    assert _written(3, 200) == _written(3, 200)
    assert _written(3, 200) != _written(4, 200)
    cat = Picture("cat", "white", "blue")
    assert _drawn(cat, 1) == _drawn(cat, 1)
    assert _drawn(cat, 1) != _drawn(cat, 2)


@pytest.mark.parametrize("thing", OBJECTS)
def test_every_object_has_every_colour_on_every_background(thing: str) -> None:
    for colour in COLOURS:
        for background in COLOURS.keys() - {colour}:
            for size in pictures.SIZES:
                drawn = pictures.draw(
                    Picture(thing, colour, background, size=size), random.Random(0)
                )
                assert drawn.size == (pictures.SIZE, pictures.SIZE)
                assert drawn.mode == "RGB"
                assert sight.read_colour(drawn) == colour, (background, size)
                assert sight.read_background(drawn) == background, (colour, size)


@pytest.mark.parametrize("thing", OBJECTS)
@pytest.mark.parametrize("column", pictures.COLUMNS)
@pytest.mark.parametrize("row", pictures.ROWS)
def test_an_object_is_where_it_should_be(thing: str, column: str, row: str) -> None:
    right = 0
    for seed in range(10):
        picture = Picture(thing, "red", "white", column, row, "small")
        drawn = pictures.draw(picture, random.Random(seed))
        right += sight.read_place(drawn) == (column, row)
    assert right >= 9


def test_an_object_is_as_big_as_it_should_be() -> None:
    right = 0
    for picture, _ in _written(5, 300):
        right += sight.read_size(pictures.draw(picture, random.Random(0))) == picture.size
    assert right >= 290


def test_the_objects_look_different() -> None:
    """No two of them share their outline: each pair differs on an eighth of its common pixels."""

    def outline(thing: str) -> set[int]:
        drawn = pictures.draw(Picture(thing, "red", "white", size="big"), random.Random(0))
        names = sight.name_colours(drawn)
        return {number for number, name in enumerate(names) if name != "white"}

    outlines = [outline(thing) for thing in OBJECTS]
    for number, one in enumerate(outlines):
        for other in outlines[:number]:
            assert len(one ^ other) > len(one | other) / 8


def test_a_siamese_cat_has_dark_points() -> None:
    plain = Picture("cat", "white", "green", size="big")
    dark = {"black", "brown"}

    def points(picture: Picture) -> int:
        names = Counter(sight.name_colours(pictures.draw(picture, random.Random(0))))
        return sum(names[name] for name in dark)

    assert points(replace(plain, siamese=True)) > points(plain) + 100


def test_edges_are_smooth() -> None:
    drawn = pictures.draw(Picture("star", "white", "black", size="big"), random.Random(0))
    pixels = drawn.convert("L").tobytes()
    assert sum(60 < pixel < 200 for pixel in pixels) > 50


def test_an_empty_picture_has_nothing_to_read() -> None:
    from PIL import Image

    empty = Image.new("RGB", (64, 64), COLOURS["blue"])
    assert sight.read_background(empty) == "blue"
    assert sight.read_colour(empty) is None
    assert sight.read_place(empty) is None
    assert sight.read_size(empty) is None


def test_all_that_can_be_painted_is_invented_and_told() -> None:
    seen: dict[str, set[object]] = {name: set() for name in captions.FACTS}
    told: dict[str, set[str]] = {name: set() for name in captions.FACTS}
    for picture, caption in _written(0, 5000):
        assert picture.colour != picture.background
        for name in captions.FACTS:
            seen[name].add(getattr(picture, name))
            told[name] |= {caption.told[name]} if name in caption.told else set()
    assert seen.pop("siamese") == {True, False}
    assert all(seen[name] == set(captions.FACTS[name]) for name in seen)
    assert all(told[name] == set(captions.FACTS[name]) for name in told)


def test_a_caption_tells_the_truth() -> None:
    for picture, caption in _written(1, 3000):
        for name, value in caption.told.items():
            fact = getattr(picture, name)
            assert (fact if name != "siamese" else "yes" if fact else "no") == value
        words = caption.text.lower()
        assert ("siamese" in words) == picture.siamese
        if caption.told.get("size") == "big":
            assert any(word in words for word in ("big", "large", "huge", "giant"))


def test_what_is_not_as_expected_is_nearly_always_told() -> None:
    written = _written(2, 3000)
    small = [caption for picture, caption in written if picture.size == "small"]
    odd = [caption for picture, caption in written if picture.colour == "purple"]
    assert sum("size" in caption.told for caption in small) > 0.9 * len(small)
    assert sum("colour" in caption.told for caption in odd) > 0.9 * len(odd)


def test_captions_are_clean_and_differ() -> None:
    texts = [caption.text for _, caption in _written(4, 3000)]
    assert len(set(texts)) > 2900
    for text in texts:
        assert text == text.strip()
        assert "{" not in text
        assert not any(a == " " and b in " .,!" for a, b in pairwise(text)), text


def test_the_grammar_needs_nothing_heavy() -> None:
    code = (
        "import sys; from gensdk.backends.local.demo import painter_captions, pictures; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
