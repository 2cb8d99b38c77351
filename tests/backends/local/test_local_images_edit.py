"""Pictures made from pictures, on tiny pipelines that share one set of weights."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.errors import InvalidRequestError, RequestTooLargeError, UnsupportedFeatureError
from gensdk.types import URL, Media
from tests.support import tiny_pipelines
from tests.support.local_pictures import count_runs, distance, file_of, gradient, opened, saved
from tests.support.local_pictures import said_of as said

PROMPT = "a red cat"


@pytest.fixture
async def client(backend: LocalBackend) -> AsyncIterator[gensdk.Client]:
    async with gensdk.Client(backends={"local": backend}) as client:
        yield client


@pytest.fixture(scope="session")
def painter(models: Path) -> str:
    make = tiny_pipelines.stable_diffusion
    return f"local:{saved(models, 'sd', make, num_inference_steps=2, guidance_scale=3.0)}"


def mask_of(size: tuple[int, int] = (64, 64), box: tuple[int, ...] = (0, 0, 32, 64)) -> Media:
    """A mask whose box is to be edited."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    return file_of(mask)


async def test_from_a_picture(client: gensdk.Client, painter: str) -> None:
    source = file_of(gradient())
    fields: dict[str, Any] = {"model": painter, "seed": 2, "steps": 4, "images": [source]}
    edited = await client.image(PROMPT, **fields)
    assert edited.provider_details["pipeline"] == "StableDiffusionImg2ImgPipeline"
    assert opened(edited.images[0]).size == (64, 64)
    assert edited.warnings == ()
    little = await client.image(PROMPT, strength=0.25, **fields)
    assert little.images != edited.images
    again = await client.image(PROMPT, strength=0.25, **fields)
    assert again.images == little.images
    two = await client.image(PROMPT, strength=0.25, n=2, **fields)
    assert distance(two.images[0], little.images[0]) <= 1
    plain = await client.image(PROMPT, model=painter, seed=2, steps=4)
    assert plain.provider_details["pipeline"] == "StableDiffusionPipeline"


async def test_the_libraries_say_nothing_on_the_way_to_an_edit(
    client: gensdk.Client, painter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoPipelineForImage2Image
    from transformers.utils import logging

    made, levels = AutoPipelineForImage2Image.from_pipe, []

    def heard(pipe: Any) -> Any:
        levels.append(logging.get_verbosity())
        return made(pipe)

    monkeypatch.setattr(AutoPipelineForImage2Image, "from_pipe", heard)
    await client.image(PROMPT, model=painter, images=[file_of(gradient())])
    assert levels == [logging.ERROR]


async def test_edits_share_a_run_and_keep_their_sources(
    client: gensdk.Client, painter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline

    runs = count_runs(monkeypatch, StableDiffusionImg2ImgPipeline)
    answer = await client.image(PROMPT, model=painter, images=[file_of(gradient())], n=3, seed=4)
    assert runs == [3]
    assert len(set(answer.images)) == 3


async def test_the_least_strength_is_one_step(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "images": [file_of(gradient())]}
    none = await client.image(PROMPT, strength=0, steps=49, **fields)
    assert said(none)["strength"].startswith("adapted")
    one = await client.image(PROMPT, steps=1, **fields)
    assert one.warnings == ()


@pytest.mark.parametrize(
    ("source", "fields", "size", "noted"),
    [
        ((64, 64), {}, (64, 64), None),
        ((80, 48), {}, (80, 48), None),
        ((61, 40), {}, (64, 40), "size"),
        ((640, 320), {}, (88, 48), "size"),
        ((64, 64), {"size": "32x64"}, (32, 64), None),
        ((64, 64), {"aspect_ratio": "4:1"}, (128, 32), None),
    ],
)
async def test_sizes(
    client: gensdk.Client,
    painter: str,
    source: tuple[int, int],
    fields: dict[str, Any],
    size: tuple[int, int],
    noted: str | None,
) -> None:
    answer = await client.image(
        PROMPT, model=painter, images=[file_of(gradient(*source))], **fields
    )
    assert opened(answer.images[0]).size == size
    assert set(said(answer)) == ({noted} if noted else set())


async def test_only_the_transparent_part_of_the_mask_changes(
    client: gensdk.Client, painter: str
) -> None:
    picture = gradient()
    answer = await client.image(
        PROMPT, model=painter, images=[file_of(picture)], mask=mask_of(), seed=3, steps=3
    )
    assert answer.provider_details["pipeline"] == "StableDiffusionInpaintPipeline"
    before, after = numpy.asarray(picture), numpy.asarray(opened(answer.images[0]))
    assert (before[:, 32:] == after[:, 32:]).all()
    assert (before[:, :32] != after[:, :32]).mean() > 0.5
    two = await client.image(
        PROMPT, model=painter, images=[file_of(picture)], mask=mask_of(), seed=3, steps=3, n=2
    )
    assert distance(two.images[0], answer.images[0]) <= 1


async def test_a_model_made_for_masks_alone(models: Path, client: gensdk.Client) -> None:
    from diffusers import StableDiffusionInpaintPipeline

    def inpainter() -> Any:
        parts = tiny_pipelines.stable_diffusion(channels=9).components
        return StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)

    model = f"local:{saved(models, 'inpaint', inpainter)}"
    picture = file_of(gradient())
    fields: dict[str, Any] = {"model": model, "steps": 2}
    answer = await client.image(PROMPT, images=[picture], mask=mask_of(), **fields)
    assert answer.images
    with pytest.raises(UnsupportedFeatureError, match="give images"):
        await client.image(PROMPT, **fields)
    with pytest.raises(UnsupportedFeatureError, match="takes no picture"):
        await client.image(PROMPT, images=[picture], **fields)


async def test_flow_matching_edits(models: Path, client: gensdk.Client) -> None:
    model = f"local:{saved(models, 'flux', tiny_pipelines.flux)}"
    fields: dict[str, Any] = {
        "model": model,
        "steps": 3,
        "seed": 1,
        "images": [file_of(gradient())],
    }
    edited = await client.image(PROMPT, **fields)
    assert edited.provider_details["pipeline"] == "FluxImg2ImgPipeline"
    masked = await client.image(PROMPT, mask=mask_of(), **fields)
    before, after = numpy.asarray(gradient()), numpy.asarray(opened(masked.images[0]))
    assert (before[:, 32:] == after[:, 32:]).all()
    assert (before[:, :32] != after[:, :32]).mean() > 0.5


async def test_pictures_that_cannot_be_used(client: gensdk.Client, painter: str) -> None:
    fields: dict[str, Any] = {"model": painter, "steps": 1}
    good = file_of(gradient())
    with pytest.raises(InvalidRequestError, match="images is no picture") as caught:
        await client.image(PROMPT, images=[Media(data=b"\x89PNG\r\n\x1a\nnothing")], **fields)
    assert caught.value.param == "images"
    with pytest.raises(InvalidRequestError, match="no picture"):
        await client.image(PROMPT, images=[Media(data=good.data[:60])], **fields)
    with pytest.raises(InvalidRequestError, match="no transparent pixels"):
        await client.image(PROMPT, images=[good], mask=good, **fields)
    with pytest.raises(InvalidRequestError, match="32x32 pixels, the first picture 64x64"):
        await client.image(PROMPT, images=[good], mask=mask_of((32, 32)), **fields)
    with pytest.raises(UnsupportedFeatureError, match="one picture to start from, not 2"):
        await client.image(PROMPT, images=[good, good], **fields)
    assert (await client.image(PROMPT, **fields)).images, "nothing of it harms the next call"


async def test_a_picture_of_too_many_pixels(
    client: gensdk.Client, painter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gensdk.backends.local.pictures._MOST_PIXELS", 64 * 64 - 1)
    with pytest.raises(RequestTooLargeError, match="64x64"):
        await client.image(PROMPT, model=painter, images=[file_of(gradient())])


def png_of(width: int, height: int) -> Media:
    """A file that says it is so large, and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"0")), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return Media(data=b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize("side", [9_000, 12_000, 30_000])
async def test_a_bomb_is_too_large_however_large(
    client: gensdk.Client, painter: str, side: int
) -> None:
    with pytest.raises(RequestTooLargeError, match="over the limit") as caught:
        await client.image(PROMPT, model=painter, images=[png_of(side, side)])
    assert caught.value.param == "images"


async def test_a_source_is_not_stretched_beyond_any_model(
    client: gensdk.Client, painter: str
) -> None:
    with pytest.raises(RequestTooLargeError, match="16384x16384") as caught:
        await client.image(PROMPT, model=painter, images=[file_of(gradient())], size="16384x16384")
    assert caught.value.param == "size"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
async def test_a_picture_of_16_bits_is_as_grey_as_one_of_8(
    client: gensdk.Client, painter: str, kind: str
) -> None:
    levels = numpy.arange(64 * 64).reshape(64, 64) * 16
    deep = Image.fromarray(levels.astype("uint16"))
    plain = Image.fromarray((levels // 256).astype("uint8"))
    fields: dict[str, Any] = {"model": painter, "seed": 2}
    one = await client.image(PROMPT, images=[file_of(deep, kind)], **fields)
    other = await client.image(PROMPT, images=[file_of(plain)], **fields)
    assert distance(one.images[0], other.images[0]) <= 1
    floats = Image.fromarray(levels.astype("float32"))
    with pytest.raises(InvalidRequestError, match="no picture that can be read"):
        await client.image(PROMPT, images=[file_of(floats, "TIFF")], **fields)


async def test_what_a_transparent_picture_hides_is_not_seen(
    client: gensdk.Client, painter: str
) -> None:
    seen = numpy.asarray(gradient().convert("RGBA")).copy()
    seen[:32] = (255, 255, 255, 0)
    hides = seen.copy()
    hides[:32, :, :3] = 7
    fields: dict[str, Any] = {"model": painter, "seed": 2}
    pictures = [file_of(Image.fromarray(one)) for one in (seen, hides)]
    one, other = [await client.image(PROMPT, images=[picture], **fields) for picture in pictures]
    assert one.images == other.images


async def test_a_file_that_another_program_would_have_to_run(
    client: gensdk.Client, painter: str
) -> None:
    with pytest.raises(InvalidRequestError, match="EPS is not read"):
        await client.image(PROMPT, model=painter, images=[file_of(gradient(), "EPS")])


async def test_a_picture_that_lies_on_its_side(client: gensdk.Client, painter: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    tall = gradient(64, 48)
    data = file_of(tall, "JPEG").data
    with Image.open(io.BytesIO(data)) as file:
        turned = io.BytesIO()
        file.save(turned, "JPEG", exif=exif)
    answer = await client.image(
        PROMPT, model=painter, images=[Media(data=turned.getvalue())], steps=2
    )
    assert opened(answer.images[0]).size == (48, 64)


async def test_a_picture_by_address_is_fetched(backend: LocalBackend, painter: str) -> None:
    from gensdk.spec import Context
    from gensdk.types import ImageRequest

    asked: list[str] = []

    async def fetch(url: URL) -> Media:
        asked.append(url.url)
        return file_of(gradient())

    request = ImageRequest(prompt=PROMPT, images=(URL("https://example.org/a.png"),), steps=1)
    context = Context(model=painter.removeprefix("local:"), fetch=fetch)
    answer = await backend.image(request, context)
    assert asked == ["https://example.org/a.png"]
    assert answer.provider_details["pipeline"] == "StableDiffusionImg2ImgPipeline"
