"""Judging the painter: does it paint what was asked for?

Colours, place and size are read from the pixels. The object is named by a small network that this
module trains on drawn pictures, never on painted ones.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .painter_captions import describe
from .painter_latents import as_tensor
from .painter_recipe import learning_rate
from .painter_sight import read_background, read_colour, read_place, read_size
from .pictures import COLOURS, OBJECTS, draw, invent

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from PIL.Image import Image

NameObjects = Callable[[Sequence["Image"]], list[str]]
"""Names the object of each picture, a key of `pictures.OBJECTS`."""


def train_classifier(*, steps: int = 400, batch: int = 48, seed: int = 0) -> NameObjects:
    """Train a small network to name the objects of drawn pictures."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.BatchNorm2d(after)]
            layers.append(nn.ReLU())
        network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 4 * 4, len(OBJECTS)))
        optimizer = torch.optim.AdamW(network.parameters())
        rng = random.Random(f"classifier {seed}")
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(3e-3, step, steps)
            facts = [invent(rng) for _ in range(batch)]
            pixels = as_tensor([draw(picture, rng) for picture in facts])
            pixels += 0.1 * torch.randn_like(pixels)
            wanted = torch.tensor([OBJECTS.index(picture.thing) for picture in facts])
            loss = nn.functional.cross_entropy(network(pixels), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()

    def name_objects(images: Sequence[Image]) -> list[str]:
        with torch.inference_mode():
            best = network(as_tensor(images)).argmax(-1).tolist()
        return [OBJECTS[number] for number in best]

    return name_objects


# --- painting -------------------------------------------------------------------------------------


def load(folder: Path) -> StableDiffusionPipeline:
    """Load a trained folder the way any other pipeline is loaded, in float32."""
    import torch
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def defaults(folder: Path) -> dict[str, float]:
    """The steps and guidance that the folder asks for."""
    told: dict[str, float] = json.loads((folder / "gensdk_defaults.json").read_text("utf-8"))
    return told


def paint(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seeds: Sequence[int] | None = None,
) -> list[Image]:
    """Paint each prompt with its own seed (by default 0, 1, 2, ...), 25 at once."""
    import torch

    numbers = list(range(len(prompts)) if seeds is None else seeds)
    images: list[Image] = []
    for first in range(0, len(prompts), 25):
        some = slice(first, first + 25)
        images += pipeline(
            list(prompts[some]),
            generator=[torch.Generator().manual_seed(number) for number in numbers[some]],
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        ).images
    return images


# --- what is asked --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt, and what it asks for: names as in `painter_captions.FACTS`."""

    prompt: str
    asked: dict[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """Prompts of one sort."""

    name: str
    cases: tuple[Case, ...]


_FREE = (
    "The {thing} is {colour}, {background} background",
    "{colour} {thing}, {background} background",
    "Please paint me a picture of a lovely {colour} {thing} in front of a {background} wall.",
    "a {background} background with a {colour} {thing}",
    "I'd like to see one {colour} {thing}. The background should be {background}!",
    "On a {background} background, there is a {colour} {thing}",
    "Could you draw a {colour} {thing} for my son, background {background}?",
    "{thing} {colour} on {background}",
)
_FOREIGN = (
    "a photorealistic {colour} {thing} on a {background} background, bokeh, 8k, trending",
    "a zorbling {colour} {thing} xq on a {background} background",
    "eine Katze? no: a {colour} {thing} on a {background} background",
    "the quixotic {colour} {thing} from Zürich, {background} background",
)


def _ask(name: str, count: int, templates: Sequence[str], **fixed: str) -> Check:
    """Fill `templates` in turn; every object comes equally often, colours at random."""
    rng, cases = random.Random(name), []
    for number in range(count):
        colour, background = rng.sample(tuple(COLOURS), 2)
        asked = {
            "thing": OBJECTS[number % len(OBJECTS)],
            "colour": colour,
            "background": background,
            "column": rng.choice(("left", "right")),
            "row": rng.choice(("top", "bottom")),
            "size": rng.choice(("small", "big")),
            **fixed,
        }
        template = templates[number % len(templates)]
        told = {key: value for key, value in asked.items() if "{" + key + "}" in template}
        cases.append(Case(template.format(**asked), {**told, **fixed}))
    return Check(name, tuple(cases))


def _everyday(count: int) -> Check:
    """Captions of the grammar, with all its chatter."""
    rng = random.Random("everyday")
    cases: list[Case] = []
    while len(cases) < count:
        caption = describe(invent(rng), rng)
        if caption.told.keys() >= {"thing", "colour", "background"}:
            told = {key: caption.told[key] for key in ("thing", "colour", "background")}
            cases.append(Case(caption.text, told))
    return Check("any caption of the grammar", tuple(cases))


def checks() -> list[Check]:
    """What the painter is asked to prove: see the model card for the results."""
    plain = ("a {colour} {thing} on a {background} background",)
    shouted = _ask("in capitals", 48, ("A {colour} {thing} ON A {background} BACKGROUND",))
    capitals = tuple(Case(case.prompt.upper(), case.asked) for case in shouted.cases)
    cat = {"thing": "cat", "colour": "white"}
    return [
        _ask("a white cat on a blue background", 100, plain),
        _ask("free sentences", 96, _FREE),
        _everyday(100),
        Check(shouted.name, capitals),
        _ask("with foreign words", 48, _FOREIGN),
        _ask("a white siamese cat", 24, ("a white siamese cat",), **cat),
        _ask(
            "left and right", 48, ("a {colour} {thing} on the {column}, {background} background",)
        ),
        _ask("top and bottom", 48, ("a {colour} {thing} at the {row} on {background}",)),
        _ask("small and big", 48, ("a {size} {colour} {thing} on a {background} background",)),
        _ask("only the object", 48, ("a {thing}",)),
    ]


# --- scores ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """How many pictures of a check are right; `None` for what was not asked."""

    name: str
    total: int
    thing: int
    colour: int | None
    background: int | None
    place_or_size: int | None


def see(image: Image, thing: str) -> dict[str, str | None]:
    """All that can be read from a picture whose object is `thing`."""
    column, row = read_place(image) or (None, None)
    return {
        "thing": thing,
        "colour": read_colour(image),
        "background": read_background(image),
        "column": column,
        "row": row,
        "size": read_size(image),
    }


def score(check: Check, images: Sequence[Image], name_objects: NameObjects) -> Score:
    """Count what is right on the pictures painted for the cases of `check`."""
    seen = [see(*pair) for pair in zip(images, name_objects(images), strict=True)]

    def right(*names: str) -> int | None:
        asked = [
            case.asked[name] == one[name]
            for case, one in zip(check.cases, seen, strict=True)
            for name in names
            if name in case.asked
        ]
        return sum(asked) if asked else None

    return Score(
        name=check.name,
        total=len(images),
        thing=right("thing") or 0,
        colour=right("colour"),
        background=right("background"),
        place_or_size=right("column", "row", "size"),
    )


def _as_table(scores: Sequence[Score]) -> str:
    head = "| prompt | pictures | object | its colour | background | place or size |"
    rows = [head, "|---|---|---|---|---|---|"]
    for one in scores:
        counts = (one.thing, one.colour, one.background, one.place_or_size)
        told = ["" if count is None else str(count) for count in counts]
        rows.append("| " + " | ".join([one.name, str(one.total), *told]) + " |")
    return "\n".join(rows)


def evaluate(folder: Path) -> str:
    """Run every check on a trained folder, with its own defaults. Returns a Markdown table."""
    pipeline, name_objects, settings = load(folder), train_classifier(), defaults(folder)
    scores = []
    for check in checks():
        images = paint(
            pipeline,
            [case.prompt for case in check.cases],
            num_inference_steps=int(settings["num_inference_steps"]),
            guidance_scale=settings["guidance_scale"],
        )
        scores.append(score(check, images, name_objects))
    return _as_table(scores)
