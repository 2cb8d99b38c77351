"""The words for little pictures: what people might write to have one painted.

`describe` writes a caption for a picture of `pictures.invent`, and tells which facts it mentions.
Pure Python; a caption depends only on the `random.Random` handed in.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .pictures import COLOURS, COLUMNS, NATURAL, OBJECTS, ROWS, SIZES, Picture

FACTS: dict[str, tuple[str, ...]] = {
    "thing": OBJECTS,
    "colour": tuple(COLOURS),
    "background": tuple(COLOURS),
    "column": COLUMNS,
    "row": ROWS,
    "size": tuple(SIZES),
    "siamese": ("yes",),
}
"""What a caption may tell about a picture, each with its possible values."""

_NOUNS = {
    "cat": ("cat", "cat", "cat", "kitty", "kitten", "cats", "pussycat", "tomcat"),
    "dog": ("dog", "dog", "dog", "puppy", "doggy", "dogs", "hound"),
    "house": ("house", "house", "home", "cottage", "hut", "houses", "building"),
    "tree": ("tree", "tree", "tree", "trees", "oak", "oak tree", "apple tree"),
    "star": ("star", "star", "star", "stars"),
    "boat": ("boat", "boat", "ship", "sailboat", "sailing boat", "boats", "yacht"),
    "fish": ("fish", "fish", "fish", "fishes", "goldfish"),
    "flower": ("flower", "flower", "flower", "flowers", "blossom", "daisy", "tulip"),
    "sun": ("sun", "sun", "sun", "sunshine", "suns"),
    "car": ("car", "car", "car", "cars", "automobile", "auto", "vehicle"),
    "robot": ("robot", "robot", "robot", "robots", "android", "bot"),
    "moon": ("moon", "moon", "moon", "crescent", "half moon", "crescent moon"),
}
_STRANGERS = (
    "dinosaur", "banana", "king", "guitar", "mountain", "elephant", "castle", "pizza", "dragon",
    "teapot", "bicycle", "queen", "wizard", "cake", "bridge", "book", "horse", "chair",
)  # fmt: skip
_COLOUR_WORDS = {
    "red": ("red", "red", "red", "crimson", "scarlet", "dark red", "bright red"),
    "orange": ("orange", "orange", "orange", "bright orange", "ginger"),
    "yellow": ("yellow", "yellow", "yellow", "golden", "gold", "bright yellow"),
    "green": ("green", "green", "green", "dark green", "light green", "emerald"),
    "blue": ("blue", "blue", "blue", "light blue", "dark blue", "navy", "azure"),
    "purple": ("purple", "purple", "purple", "violet", "lilac"),
    "pink": ("pink", "pink", "pink", "rosy", "light pink"),
    "brown": ("brown", "brown", "brown", "dark brown", "chocolate"),
    "black": ("black", "black", "black", "jet black", "pitch black"),
    "white": ("white", "white", "white", "snow white", "snowy"),
    "gray": ("gray", "grey", "gray", "grey", "silver", "light gray"),
}
_SCENES = {
    "green": ("in the grass", "on a meadow", "on the lawn"),
    "blue": ("in the sky", "in the water", "on the sea", "at sea"),
    "black": ("at night", "in the dark", "in the night", "in space"),
    "white": ("in the snow", "on snow", "on paper"),
    "yellow": ("on the sand", "on the beach", "in the desert"),
    "orange": ("at sunset",),
    "brown": ("on the earth", "on wood"),
    "gray": ("in the fog", "in the mist"),
}
_SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium", "medium sized", "normal"),
    "big": ("big", "large", "huge", "giant", "great big"),
}
_COLUMN_WORDS = {"left": ("left",), "center": ("center", "centre", "middle"), "right": ("right",)}
_ROW_WORDS = {
    "top": ("top", "upper"),
    "middle": ("middle", "center", "centre"),
    "bottom": ("bottom", "lower"),
}
_PRAISE = (
    "nice", "cute", "lovely", "beautiful", "pretty", "happy", "friendly", "funny", "simple", "old",
    "young", "fluffy", "sweet", "fat", "fast", "shiny", "round", "wooden", "sleepy", "lonely",
)  # fmt: skip
_ASKING = (
    "a picture of", "a painting of", "a drawing of", "an image of", "a photo of", "draw", "paint",
    "please draw", "please paint", "draw me", "paint me", "an illustration of", "i want",
    "can you draw", "could you paint", "show me", "i would like to see", "picture of",
    "generate an image of", "create a picture of", "make me a picture with", "here is", "there is",
)  # fmt: skip
_AFTER = (
    "please", "high quality", "highly detailed", "digital art", "cartoon", "4k", "flat design",
    "for my daughter", "oil painting", "clip art", "for children", "minimalist", "thank you",
    "watercolor", "in the style of a children's book", "photorealistic", "best quality",
)  # fmt: skip
_ABOUT = ("{}", "that is {}", "which is {}", "colored {}", "coloured {}", "in {}", "painted {}")


@dataclass(frozen=True, slots=True)
class Caption:
    """Words for a picture.

    Attributes:
        text: The words.
        told: The facts in them, name (a key of `FACTS`) to value; what is not said is not in it.
    """

    text: str
    told: dict[str, str]


def _stranger(rng: random.Random) -> str:
    """A word that means nothing here."""
    if rng.random() < 0.4:
        return rng.choice(_STRANGERS)
    return "".join(rng.choices("aabcdeefghiijklmnoopqrstuuvwxyz", k=rng.randint(2, 9)))


def _mentioned(picture: Picture, rng: random.Random) -> dict[str, str]:
    """Which facts to tell: nearly always those that are not as everybody would expect them."""
    told: dict[str, str] = {}
    if rng.random() < 0.97:
        told["thing"] = picture.thing
    expected = picture.colour in NATURAL[picture.thing]
    if rng.random() < (0.75 if expected else 0.97):
        told["colour"] = picture.colour
    if rng.random() < 0.9:
        told["background"] = picture.background
    usual = Picture(picture.thing, picture.colour, picture.background)
    for name in ("column", "row", "size"):
        is_usual = getattr(picture, name) == getattr(usual, name)
        if rng.random() < (0.05 if is_usual else 0.97):
            told[name] = getattr(picture, name)
    if picture.siamese:
        told["siamese"] = "yes"
    return told


def _article(words: str, rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.12:
        return words
    if kind < 0.35:
        return f"the {words}"
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _subject(told: dict[str, str], rng: random.Random) -> tuple[str, list[str]]:
    """The object with its adjectives, and what is said of it in clauses of their own."""
    noun = rng.choice(_NOUNS[told["thing"]]) if "thing" in told else _stranger(rng)
    before, clauses = [], []
    if "size" in told:
        before.append(rng.choice(_SIZE_WORDS[told["size"]]))
    if rng.random() < 0.15:
        before.append(rng.choice(_PRAISE) if rng.random() < 0.7 else _stranger(rng))
    behind = ""
    if "colour" in told:
        word = rng.choice(_COLOUR_WORDS[told["colour"]])
        way = rng.random()
        if way < 0.75:
            before.append(word)
        elif way < 0.9:
            behind = " " + rng.choice(_ABOUT).format(word)
        else:
            again = noun if rng.random() < 0.5 else rng.choice(("object", "thing"))
            clauses.append(
                rng.choice((f"the {again} is {word}", f"it is {word}", f"{again} {word}"))
            )
    if rng.random() < 0.1:
        rng.shuffle(before)
    if "siamese" in told:
        before.append("siamese")
    return _article(" ".join([*before, noun]) + behind, rng), clauses


def _ground(told: dict[str, str], rng: random.Random) -> str:
    colour = told["background"]
    if colour in _SCENES and rng.random() < 0.12:
        return rng.choice(_SCENES[colour])
    word = rng.choice(_COLOUR_WORDS[colour])
    behind = rng.choice(("background", "background", "background", "backdrop", "ground", "wall"))
    return rng.choice(
        (
            f"on a {word} {behind}", f"on a {word} {behind}", f"on {word} {behind}", f"on {word}",
            f"with a {word} {behind}", f"{word} {behind}", f"in front of a {word} {behind}",
            f"against a {word} {behind}", f"and a {word} {behind}", f"the {behind} is {word}",
            f"{behind}: {word}", f"{behind} {word}", f"before a {word} {behind}",
        )
    )  # fmt: skip


def _place(told: dict[str, str], rng: random.Random) -> str:
    words = []
    if "row" in told:
        words.append(rng.choice(_ROW_WORDS[told["row"]]))
    if "column" in told:
        words.append(rng.choice(_COLUMN_WORDS[told["column"]]))
    said = " ".join(words)
    end = rng.choice(("", "", " corner", " side", " of the picture", " of the image"))
    return (
        rng.choice((f"on the {said}", f"at the {said}", f"in the {said}", f"to the {said}", said))
        + end
    )


def _join(parts: list[str], rng: random.Random) -> str:
    text = parts[0]
    for part in parts[1:]:
        text += rng.choice(
            (" ", " ", ", ", ", ", ". ", " and " if part.startswith("the ") else " ")
        )
        text += part
    return text


def describe(picture: Picture, rng: random.Random) -> Caption:
    """Write a caption for `picture`; mostly plain, sometimes with foreign words and chatter."""
    told = _mentioned(picture, rng)
    subject, clauses = _subject(told, rng)
    if rng.random() < 0.3:
        subject = f"{rng.choice(_ASKING)} {subject}"
    others = [_ground(told, rng)] if "background" in told else []
    if "column" in told or "row" in told:
        others.append(_place(told, rng))
    others += clauses
    if rng.random() < 0.4:
        rng.shuffle(others)
    parts = [subject, *others]
    if others and rng.random() < 0.15:  # "on a blue background, a white cat"
        parts = [others[0], subject, *others[1:]]
    if rng.random() < 0.12:
        parts.append(rng.choice(_AFTER))
    words = _join(parts, rng).split(" ")
    if rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), _stranger(rng))
    text = " ".join(words) + rng.choice(("", "", ".", "!"))
    return Caption(text[0].upper() + text[1:] if rng.random() < 0.3 else text, told)
