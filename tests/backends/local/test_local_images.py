"""Pictures of this machine through the front door: fields, seeds, formats, kinds of models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gensdk
from gensdk.backends.local import LocalBackend, LocalImageOptions
from gensdk.errors import (
    ContentBlockedError,
    InvalidRequestError,
    UnsupportedFeatureError,
)
from tests.support import tiny_pipelines
from tests.support.local_pictures import count_runs, distance, opened, saved
from tests.support.local_pictures import said_of as said

PROMPT = "a red cat"

# What diffusers 0.42's schedulers do with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
async def client(backend: LocalBackend) -> AsyncIterator[gensdk.Client]:
    async with gensdk.Client(backends={"local": backend}) as client:
        yield client


@pytest.fixture(scope="session")
def painter(models: Path) -> str:
    """A Stable Diffusion whose makers want two steps."""
    make = tiny_pipelines.stable_diffusion
    return f"local:{saved(models, 'sd', make, num_inference_steps=2, guidance_scale=3.0)}"


def rename_weights(folder: Path) -> None:
    """Say of the files that they are in half precision, as published folders do."""
    for file in list(folder.glob("*/*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))


async def test_a_picture(client: gensdk.Client, painter: str) -> None:
    answer = await client.image(PROMPT, model=painter, seed=7)
    assert answer.images[0].media_type == "image/png"
    assert opened(answer.images[0]).size == (64, 64)
    assert (answer.seed, answer.reproducible, answer.warnings) == (7, True, ())
    assert answer.provider_details == {
        "pipeline": "StableDiffusionPipeline",
        "scheduler": "DDIMScheduler",
        "steps": 2,
        "guidance_scale": 3.0,
        "size": "64x64",
        "device": "cpu",
        "dtype": "float32",
    }
    assert answer.cost is None


async def test_a_seed_of_its_own_gives_the_picture_again(
    client: gensdk.Client, painter: str
) -> None:
    free = await client.image(PROMPT, model=painter)
    other = await client.image(PROMPT, model=painter)
    assert free.seed is not None
    assert free.seed != other.seed
    assert not free.reproducible
    assert distance(free.images[0], other.images[0]) > 1
    again = await client.image(PROMPT, model=painter, seed=free.seed)
    assert again.images == free.images


@pytest.mark.parametrize("scheduler", [None, "euler_a"])
async def test_a_picture_is_the_same_alone_and_in_a_batch(
    client: gensdk.Client,
    painter: str,
    monkeypatch: pytest.MonkeyPatch,
    scheduler: str | None,
) -> None:
    from diffusers import StableDiffusionPipeline

    runs = count_runs(monkeypatch, StableDiffusionPipeline)
    options = {"local": LocalImageOptions(scheduler=scheduler)}
    four = await client.image(PROMPT, model=painter, n=4, seed=20, steps=3, options=options)
    assert runs == [4]
    for index in range(4):
        alone = await client.image(PROMPT, model=painter, seed=20 + index, steps=3, options=options)
        assert distance(four.images[index], alone.images[0]) <= 1
    assert runs == [4, 1, 1, 1, 1]
    assert distance(four.images[0], four.images[1]) > 1


async def test_the_largest_seed(client: gensdk.Client, painter: str) -> None:
    answer = await client.image(PROMPT, model=painter, seed=2**63 - 1, n=2)
    assert answer.seed == 2**63 - 1
    alone = await client.image(PROMPT, model=painter, seed=0)
    assert distance(answer.images[1], alone.images[0]) <= 1


async def test_words_count(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "seed": 1}
    plain = await client.image(PROMPT, **fields)
    assert (await client.image("a blue boat", **fields)).images != plain.images
    assert (await client.image(PROMPT, negative_prompt="ugly", **fields)).images != plain.images
    assert (await client.image(PROMPT, guidance_scale=9, **fields)).images != plain.images
    without = await client.image(PROMPT, guidance_scale=1, negative_prompt="ugly", **fields)
    assert "no effect with guidance_scale=1" in said(without)["negative_prompt"]


@pytest.mark.parametrize(
    ("fields", "size", "noted"),
    [
        ({"size": "64x96"}, (64, 96), {}),
        ({"size": (61, 33)}, (64, 32), {"size": "64x32"}),
        ({"size": "auto"}, (64, 64), {}),
        ({"aspect_ratio": "4:1"}, (128, 32), {}),
        ({"aspect_ratio": "16:9"}, (88, 48), {"aspect_ratio": "88x48"}),
        ({"size": (1, 1)}, (8, 8), {"size": "8x8"}),
    ],
)
async def test_sizes(
    client: gensdk.Client,
    painter: str,
    fields: dict[str, Any],
    size: tuple[int, int],
    noted: dict[str, str],
) -> None:
    answer = await client.image(PROMPT, model=painter, seed=1, **fields)
    assert opened(answer.images[0]).size == size
    assert {warning.parameter: warning.sent for warning in answer.warnings} == noted
    assert all(warning.kind == "adapted" for warning in answer.warnings)


async def test_formats(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "seed": 1}
    sizes = {}
    for kind in ("jpeg", "webp"):
        for compression in (5, 95):
            answer = await client.image(PROMPT, format=kind, compression=compression, **fields)
            assert answer.images[0].media_type == f"image/{kind}"
            assert opened(answer.images[0]).size == (64, 64)
            sizes[kind, compression] = len(answer.images[0])
    assert sizes["jpeg", 5] < sizes["jpeg", 95]
    assert sizes["webp", 5] < sizes["webp", 95]
    other = await client.image(PROMPT, format="gif", compression=5, **fields)
    assert other.images[0].media_type == "image/png"
    assert said(other)["format"].startswith("adapted")
    assert "format='jpeg'" in said(other)["compression"]


async def test_preferences_it_has_not_are_noted(client: gensdk.Client, painter: str) -> None:
    answer = await client.image(
        PROMPT,
        model=painter,
        style="vivid",
        background="transparent",
        moderation="low",
        user_id="u",
        strength=0.5,
    )
    assert set(said(answer)) == {"style", "background", "moderation", "user_id", "strength"}
    assert all(text.startswith("unsupported") for text in said(answer).values())
    with pytest.raises(UnsupportedFeatureError):
        await client.image(PROMPT, model=painter, style="vivid", unsupported="error")
    with pytest.raises(UnsupportedFeatureError, match="extra"):
        await client.image(PROMPT, model=painter, extra={"a": 1})


async def test_quality_is_a_number_of_steps(client: gensdk.Client, painter: str) -> None:
    draft = await client.image(PROMPT, model=painter, quality="draft")
    assert draft.provider_details["steps"] == 1
    assert said(draft)["quality"] == "adapted: painted in 1 steps instead of 2"
    high = await client.image(PROMPT, model=painter, quality="max")
    assert high.provider_details["steps"] == 4
    usual = await client.image(PROMPT, model=painter, quality="standard")
    assert (usual.provider_details["steps"], usual.warnings) == (2, ())
    both = await client.image(PROMPT, model=painter, quality="max", steps=1)
    assert both.provider_details["steps"] == 1
    assert "steps says it already" in said(both)["quality"]


async def test_a_prompt_that_is_not_read_to_its_end(client: gensdk.Client, painter: str) -> None:
    long = await client.image("cat " * 60, model=painter)
    assert "reads the first 77" in said(long)["prompt"]


async def test_another_scheduler_for_one_call(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "seed": 3, "steps": 4}
    own = await client.image(PROMPT, **fields)
    for name in ("euler", "dpm++", "UniPCMultistepScheduler", "heun", "ddpm", "pndm", "dpm++_sde"):
        other = await client.image(PROMPT, options={"local": {"scheduler": name}}, **fields)
        assert other.images != own.images
        assert other.provider_details["scheduler"] == name
    assert (await client.image(PROMPT, **fields)).images == own.images
    with pytest.raises(InvalidRequestError, match=r"runs with ddim.*euler") as caught:
        await client.image(PROMPT, options={"local": {"scheduler": "os.system"}}, **fields)
    assert caught.value.param == "options"
    with pytest.raises(InvalidRequestError, match="LocalImageOptions"):
        await client.image(PROMPT, options={"local": {"sampler": "euler"}}, **fields)


async def test_clip_skip(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "seed": 3}
    own = await client.image(PROMPT, **fields)
    other = await client.image(PROMPT, options={"local": {"clip_skip": 1}}, **fields)
    assert other.images != own.images
    with pytest.raises(InvalidRequestError, match="1 layers can be left out"):
        await client.image(PROMPT, options={"local": {"clip_skip": 2}}, **fields)


async def test_flow_matching(models: Path, client: gensdk.Client) -> None:
    model = f"local:{saved(models, 'flux', tiny_pipelines.flux)}"
    fields: dict[str, Any] = {"model": model, "steps": 2, "size": (64, 48), "seed": 1}
    three = await client.image(PROMPT, n=3, **fields)
    alone = await client.image(PROMPT, **(fields | {"seed": 3}))
    assert opened(alone.images[0]).size == (64, 48)
    assert distance(three.images[2], alone.images[0]) <= 1
    negative = await client.image(PROMPT, negative_prompt="ugly", **fields)
    assert "was not made for one" in said(negative)["negative_prompt"]
    lcm = await client.image(PROMPT, options={"local": {"scheduler": "lcm"}}, **fields)
    assert lcm.images != three.images[:1]
    with pytest.raises(InvalidRequestError, match="runs with euler, lcm"):
        await client.image(PROMPT, options={"local": {"scheduler": "ddim"}}, **fields)


async def test_a_model_without_words(models: Path, client: gensdk.Client) -> None:
    model = f"local:{saved(models, 'ddpm', tiny_pipelines.ddpm)}"
    fields: dict[str, Any] = {"model": model, "steps": 3, "seed": 5}
    two = await client.image(PROMPT, n=2, **fields)
    assert "was not taught words" in said(two)["prompt"]
    assert opened(two.images[0]).size == (16, 16)
    alone = await client.image("anything", **(fields | {"seed": 6}))
    assert distance(two.images[1], alone.images[0]) <= 1
    other = await client.image("anything", size="64x64", guidance_scale=2, **fields)
    assert said(other)["size"] == "adapted: this model paints 16x16 only"
    assert "no guidance" in said(other)["guidance_scale"]
    with pytest.raises(UnsupportedFeatureError, match="words"):
        await client.image("anything", unsupported="error", **fields)
    with pytest.raises(UnsupportedFeatureError, match="takes no picture"):
        await client.image("anything", images=two.images, **fields)


async def test_a_model_of_classes(models: Path, client: gensdk.Client) -> None:
    model = f"local:{saved(models, 'dit', tiny_pipelines.dit)}"
    fields: dict[str, Any] = {"model": model, "steps": 2, "seed": 5}
    by_name = await client.image("Goldfish", **fields)
    by_number = await client.image("1", n=2, **fields)
    assert distance(by_name.images[0], by_number.images[0]) <= 1
    assert by_name.warnings == ()
    assert (await client.image("tench", **fields)).images != by_name.images
    with pytest.raises(InvalidRequestError, match="near: goldfish"):
        await client.image("a goldfisch", **fields)
    with pytest.raises(InvalidRequestError, match="there is no 1000"):
        await client.image("1000", **fields)


async def test_what_the_models_own_filter_holds_back(models: Path, client: gensdk.Client) -> None:
    def censored() -> Any:
        checker, pictures = tiny_pipelines.safety_checker()
        checker.concept_embeds_weights.data.fill_(-10)  # everything is over the threshold
        return tiny_pipelines.stable_diffusion(
            safety_checker=checker, feature_extractor=pictures, requires_safety_checker=True
        )

    model = f"local:{saved(models, 'censored', censored)}"
    with pytest.raises(ContentBlockedError) as caught:
        await client.image(PROMPT, model=model, steps=2, n=2)
    assert (caught.value.stage, caught.value.categories) == ("output", ("nsfw",))
    assert caught.value.billed == "no"


async def test_a_pipeline_answers_no_other_ability(client: gensdk.Client, painter: str) -> None:
    with pytest.raises(gensdk.errors.GenSDKError, match="text"):
        await client.text(PROMPT, model=painter)


async def test_half_precision_files_run_as_float32_here(
    models: Path, client: gensdk.Client, make_backend: Callable[..., LocalBackend]
) -> None:
    def half() -> Any:
        return tiny_pipelines.stable_diffusion().to(torch.float16)

    folder = saved(models, "half", half)
    answer = await client.image(PROMPT, model=f"local:{folder}", steps=2, seed=1)
    assert answer.provider_details["dtype"] == "float32"
    rename_weights(folder)
    async with gensdk.Client(backends={"fresh": make_backend(name="fresh")}) as fresh:
        variant = await fresh.image(PROMPT, model=f"fresh:{folder}", steps=2, seed=1)
    assert variant.images == answer.images
