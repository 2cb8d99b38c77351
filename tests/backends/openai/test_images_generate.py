"""``/images/generations``: the body that is sent, and the pictures that come back."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from gensdk.backends.openai import images
from gensdk.backends.openai.options_media import OpenAIImageOptions, OpenAISpeechOptions
from gensdk.catalog.compatible import PRESETS, Dialect
from gensdk.catalog.openai_media import image_model
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    UnsupportedFeatureError,
)
from gensdk.types import ImageRequest, ImageResponse
from tests.support.openai_media import (
    AZURE,
    JPEG,
    OMNI,
    PNG,
    SERVER,
    SVG,
    b64,
    context,
    downloads,
    loopback,
)
from tests.support.server import answer_error, answer_json

PATH = "/v1/images/generations"
GPT2 = "gpt-image-2"
GPT25 = "gpt-image-2.5-flare"
ANSWER = {
    "created": 1_760_000_000,
    "data": [{"b64_json": b64(PNG)}],
    "background": "opaque",
    "output_format": "png",
    "quality": "medium",
    "size": "1024x1024",
    "usage": {
        "input_tokens": 12,
        "input_tokens_details": {"image_tokens": 2, "text_tokens": 10},
        "output_tokens": 1056,
        "output_tokens_details": {"image_tokens": 1050, "text_tokens": 6},
        "total_tokens": 1068,
    },
}


async def sent(
    request: ImageRequest, model: str, dialect: Dialect | None = None, **settings: Any
) -> tuple[dict[str, Any], ImageResponse]:
    """The body that a request becomes, and its response."""
    where = {} if dialect is None else {"dialect": dialect}
    async with loopback(**where) as (server, account):
        server.on("POST", PATH, answer_json(ANSWER, headers={"x-request-id": "req_1"}))
        response = await images.generate(account, request, context(model, **settings))
        assert server.requests[0].headers["authorization"] == "Bearer sk-test"
        body = server.requests[0].json()
        assert isinstance(body, dict)
        return body, response


def notes(response: ImageResponse) -> list[tuple[str, str | None, Any]]:
    return [(note.kind, note.parameter, note.sent) for note in response.warnings]


def test_the_sample_answer_is_the_vendors_own_shape() -> None:
    from openai.types import ImageModel, ImagesResponse

    ImagesResponse.model_validate(ANSWER, strict=True)
    named = {"gpt-image-1", "chatgpt-image-latest", *get_args(ImageModel)}
    assert {image_model(name, "vllm").shape for name in named} == {"gpt-image", "dall-e"}


async def test_an_unset_field_is_never_sent() -> None:
    body, response = await sent(ImageRequest(prompt="a cat"), GPT2)
    assert body == {"model": GPT2, "prompt": "a cat"}
    assert response.images[0].data == PNG
    assert response.images[0].media_type == "image/png"
    assert response.provider == "openai"
    assert response.model == GPT2
    assert response.request_id == "req_1"
    assert response.warnings == ()
    assert not response.reproducible
    assert response.seed is None
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens) == (12, 1056)
    assert (usage.input_image_tokens, usage.output_image_tokens) == (2, 1050)
    assert response.provider_details == {
        "created": 1_760_000_000,
        "size": "1024x1024",
        "quality": "medium",
        "background": "opaque",
        "output_format": "png",
    }


async def test_every_field_of_todays_shape() -> None:
    request = ImageRequest(
        prompt="a cat",
        n=3,
        size="1536x864",
        quality="max",
        background="transparent",
        format="webp",
        compression=80,
        moderation="low",
        user_id="u1",
        options={"openai": OpenAIImageOptions(complexity="high")},
        extra={"prompt_rewriter": False},
    )
    body, response = await sent(request, GPT25)
    assert body == {
        "model": GPT25,
        "prompt": "a cat",
        "n": 3,
        "size": "1536x864",
        "quality": "max",
        "background": "transparent",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "safety_identifier": "u1",
        "complexity": "high",
        "prompt_rewriter": False,
    }
    assert notes(response) == [("other", "n", None)]
    assert response.warnings[0].message == "3 pictures were asked for, 1 came"


@pytest.mark.parametrize(
    ("asked", "model", "quality", "adapted"),
    [
        ("auto", GPT2, "auto", False),
        ("draft", GPT2, "low", False),
        ("standard", GPT2, "medium", False),
        ("high", GPT2, "high", False),
        ("xhigh", GPT2, "high", True),
        ("max", GPT2, "high", True),
        ("xhigh", GPT25, "xhigh", False),
        ("draft", "dall-e-3", "standard", True),
        ("standard", "dall-e-3", "standard", False),
        ("high", "dall-e-3", "hd", False),
        ("max", "dall-e-3", "hd", True),
    ],
)
async def test_quality(asked: Any, model: str, quality: str, adapted: bool) -> None:
    body, response = await sent(ImageRequest(prompt="a cat", quality=asked), model)
    assert body["quality"] == quality
    assert notes(response) == ([("adapted", "quality", quality)] if adapted else [])


@pytest.mark.parametrize(
    ("field", "value", "model", "size"),
    [
        ("size", "auto", GPT2, "auto"),
        ("size", (1000, 700), GPT2, "992x704"),
        ("size", "8000x8000", GPT2, "2880x2880"),
        ("size", "3840x2160", GPT2, "3840x2160"),
        ("size", "3000x100", GPT2, "944x320"),
        ("size", "100x3000", GPT2, "320x944"),
        ("size", "1024x1536", "gpt-image-1.5", "1024x1536"),
        ("size", "1600x900", "gpt-image-1.5", "1536x1024"),
        ("size", "300x300", "dall-e-2", "256x256"),
        ("size", "1000x1000", "dall-e-3", "1024x1024"),
        ("aspect_ratio", "16:9", GPT2, "1280x720"),
        ("aspect_ratio", "1:9", GPT2, "592x1776"),
        ("aspect_ratio", "100:99", GPT2, "1024x1024"),
        ("aspect_ratio", "9:16", "gpt-image-1-mini", "1024x1536"),
        ("aspect_ratio", "16:9", "dall-e-3", "1792x1024"),
    ],
)
async def test_size(field: str, value: Any, model: str, size: str) -> None:
    body, response = await sent(ImageRequest.model_validate({"prompt": "x", field: value}), model)
    assert body["size"] == size
    given = "x".join(map(str, value)) if isinstance(value, tuple) else value
    assert notes(response) == ([] if given == size else [("adapted", field, size)])


@pytest.mark.parametrize("field", ["size", "quality"])
async def test_a_model_without_auto_uses_its_own_default(field: str) -> None:
    request = ImageRequest.model_validate({"prompt": "x", field: "auto"})
    body, response = await sent(request, "dall-e-3")
    assert field not in body
    assert notes(response) == [("adapted", field, None)]


async def test_what_the_newer_models_cannot_is_dropped_with_a_note() -> None:
    request = ImageRequest(
        prompt="a cat",
        seed=7,
        negative_prompt="dogs",
        steps=20,
        guidance_scale=4.0,
        strength=0.5,
        style="vivid",
        compression=50,
        options={"openai": {"input_fidelity": "high"}},
    )
    body, response = await sent(request, GPT2)
    assert body == {"model": GPT2, "prompt": "a cat"}
    dropped = ["compression", "seed", "negative_prompt", "steps", "guidance_scale", "strength"]
    expected = [*dropped, "style", "input_fidelity"]
    assert notes(response) == [("unsupported", name, None) for name in expected]
    assert not response.reproducible
    with pytest.raises(UnsupportedFeatureError) as caught:
        await sent(request, GPT2, unsupported="error")
    assert caught.value.param == "compression"


async def test_the_strictest_filter_is_auto() -> None:
    body, response = await sent(ImageRequest(prompt="x", moderation="strict"), GPT2)
    assert body["moderation"] == "auto"
    assert notes(response) == [("adapted", "moderation", "auto")]


@pytest.mark.parametrize(
    ("request_fields", "parameter"),
    [
        ({"format": "svg", "n": 2}, "n"),
        ({"format": "jpeg", "background": "transparent"}, "background"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"options": {"openai": {"frame_count": 4}}}, "frame_count"),
        ({"options": {"openai": {"svg_model": "m"}}}, "svg_model"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_the_network(
    request_fields: dict[str, Any], parameter: str
) -> None:
    request = ImageRequest.model_validate({"prompt": "a cat", **request_fields})
    async with loopback() as (server, account):
        with pytest.raises(UnsupportedFeatureError) as caught:
            await images.generate(account, request, context(GPT2))
        assert server.requests == []
    assert caught.value.param == parameter
    assert caught.value.provider == "openai"
    assert caught.value.billed == "no"


@pytest.mark.parametrize(
    ("options", "param", "says"),
    [
        ({"partial_images": 4}, "options.openai.partial_images", "less than or equal to 3"),
        ({"colour": "red"}, "options.openai.colour", "Extra inputs are not permitted"),
        ({"svg_effort": "low"}, "options.openai", "svg_effort needs svg_model"),
        (OpenAISpeechOptions(), "options", "OpenAISpeechOptions; give OpenAIImageOptions"),
    ],
)
async def test_wrong_options_are_named(options: Any, param: str, says: str) -> None:
    request = ImageRequest(prompt="x", options={"openai": options})
    async with loopback() as (server, account):
        with pytest.raises(InvalidRequestError, match=says) as caught:
            await images.generate(account, request, context(GPT2))
        assert server.requests == []
    assert caught.value.param == param


async def test_extra_may_not_contradict_the_request() -> None:
    request = ImageRequest(prompt="x", size="auto", extra={"size": "1x1"})
    async with loopback() as (_, account):
        with pytest.raises(InvalidRequestError, match="'size'"):
            await images.generate(account, request, context(GPT2))


async def test_gif_and_svg_carry_their_own_fields() -> None:
    gif = OpenAIImageOptions(frame_count=4, frame_duration_ms=100)
    body, _ = await sent(ImageRequest(prompt="x", format="gif", options={"openai": gif}), GPT25)
    assert body["output_format"] == "gif"
    assert (body["frame_count"], body["frame_duration_ms"]) == (4, 100)
    svg = OpenAIImageOptions(svg_model="gpt-6-luna", svg_effort="low")
    body, _ = await sent(ImageRequest(prompt="x", format="svg", options={"openai": svg}), GPT25)
    assert body["svg"] == {"model": "gpt-6-luna", "reasoning": {"effort": "low"}}


async def test_an_svg_with_a_long_preamble_is_a_picture() -> None:
    answer = {"data": [{"b64_json": b64(SVG)}], "output_format": "svg", "svg_usage": {"model": "m"}}
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_json(answer))
        response = await images.generate(account, ImageRequest(prompt="x"), context(GPT2))
    assert response.images[0].media_type == "image/svg+xml"
    assert response.images[0].data == SVG
    assert response.provider_details["svg_usage"] == {"model": "m"}


# ------------------------------------------------------------------------------ other shapes
async def test_the_retired_shape() -> None:
    request = ImageRequest(
        prompt="a cat", n=1, size="1792x1024", quality="high", style="natural", user_id="u1"
    )
    body, response = await sent(request, "dall-e-3", AZURE)
    assert body == {
        "model": "dall-e-3",
        "prompt": "a cat",
        "size": "1792x1024",
        "quality": "hd",
        "style": "natural",
        "user": "u1",
        "response_format": "b64_json",
    }
    assert response.provider == "azure"
    request = ImageRequest(prompt="x", style="noir", format="webp", moderation="low", n=2)
    body, response = await sent(request, "dall-e-3", AZURE)
    assert body == {"model": "dall-e-3", "prompt": "x", "n": 2, "response_format": "b64_json"} | {}
    assert [note[1] for note in notes(response)] == ["format", "moderation", "style", "n"]


async def test_png_is_what_the_retired_shape_gives_anyway() -> None:
    request = ImageRequest(prompt="x", format="png", quality="high", background="opaque")
    body, response = await sent(request, "dall-e-2")
    assert "output_format" not in body
    assert [note[1] for note in notes(response)] == ["quality", "background"]


async def test_a_deployment_may_say_what_it_is() -> None:
    options = {"azure": {"shape": "dall-e", "response_format": "url"}}
    body, _ = await sent(ImageRequest(prompt="x", quality="max", options=options), "drawer", AZURE)
    assert body["quality"] == "hd"
    assert body["response_format"] == "url"
    body, _ = await sent(ImageRequest(prompt="x", quality="max"), "drawer", AZURE)
    assert body["quality"] == "max"
    assert "response_format" not in body
    options = {"openai": {"shape": "server"}}
    body, _ = await sent(ImageRequest(prompt="x", size="33x77", options=options), "drawer", AZURE)
    assert body == {"model": "drawer", "prompt": "x", "size": "33x77"}


async def test_a_server_of_open_models_gets_what_its_dialect_lists() -> None:
    request = ImageRequest(
        prompt="a cat",
        size="1000x700",
        seed=7,
        negative_prompt="dogs",
        steps=20,
        guidance_scale=4.0,
        quality="high",
        format="jpeg",
        user_id="u1",
    )
    body, response = await sent(request, "Qwen/Qwen-Image", OMNI)
    assert body == {
        "model": "Qwen/Qwen-Image",
        "prompt": "a cat",
        "size": "1000x700",
        "output_format": "jpeg",
        "negative_prompt": "dogs",
        "seed": 7,
        "num_inference_steps": 20,
        "guidance_scale": 4.0,
        "response_format": "b64_json",
    }
    assert [note[1] for note in notes(response)] == ["quality", "user_id"]
    assert response.reproducible
    assert response.seed == 7
    body, _ = await sent(ImageRequest(prompt="x", steps=4), "flux", PRESETS["together"])
    assert body["steps"] == 4
    body, response = await sent(ImageRequest(prompt="x", user_id="u", style="oil"), "m", SERVER)
    assert body["user"] == "u"
    assert [note[1] for note in notes(response)] == ["style"]


# ----------------------------------------------------------------------------------- answers
async def answered(answer: Any, model: str = "dall-e-3", **settings: Any) -> ImageResponse:
    async with loopback(SERVER) as (server, account):
        server.on("POST", PATH, answer_json(answer, headers={"x-request-id": "req_9"}))
        return await images.generate(account, ImageRequest(prompt="x"), context(model, **settings))


async def test_addresses_are_fetched_before_they_expire() -> None:
    fetch = downloads(a_png=PNG, b_jpg=JPEG)
    answer = {
        "created": 1,
        "data": [
            {"url": "https://cdn.example/a.png?sig=1", "revised_prompt": "a white cat"},
            {"url": "https://cdn.example/b.jpg"},
            {"url": "data:image/png;base64," + b64(PNG)},
        ],
    }
    response = await answered(answer, collect=fetch)
    assert [image.data for image in response.images] == [PNG, JPEG, PNG]
    assert response.images[1].media_type == "image/jpeg"
    assert response.revised_prompt == "a white cat"
    assert fetch.asked == ["https://cdn.example/a.png?sig=1", "https://cdn.example/b.jpg"]


async def test_odd_facts_beside_a_good_picture_do_no_harm() -> None:
    answer = {
        "created": "yesterday",
        "size": [1, 1],
        "seed": 41,
        "model": "flux-dev",
        "usage": "none",
        "data": [{"b64_json": "data:image/png;base64," + b64(PNG), "revised_prompt": 5}],
    }
    response = await answered(answer)
    assert response.images[0].data == PNG
    assert response.seed == 41
    assert response.model == "flux-dev"
    assert response.provider_details == {}
    assert response.usage.total_tokens is None


async def test_withheld_pictures_are_a_block_and_not_a_success() -> None:
    with pytest.raises(ContentBlockedError) as caught:
        await answered({"created": 1, "data": []})
    assert caught.value.stage == "output"
    assert caught.value.request_id == "req_9"
    assert caught.value.billed == "maybe"
    verdicts = {"hate": {"filtered": True}, "violence": {"filtered": False}, "error": "odd"}
    with pytest.raises(ContentBlockedError) as caught:
        await answered({"data": [{"content_filter_results": verdicts}]})
    assert caught.value.categories == ("hate",)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"data": [{"revised_prompt": "x"}]}, "neither bytes nor an address"),
        ({"data": None}, "data"),
        ({"created": 1}, "data: Field required"),
        ({"data": [{"b64_json": b64(b"<html><body>busy</body></html>")}]}, "text/html"),
        ({"data": [{"b64_json": "@@@@"}]}, "not valid base64"),
        ("what", "the answer"),
    ],
)
async def test_what_is_no_picture_is_refused(answer: Any, says: str) -> None:
    with pytest.raises(InvalidResponseError, match=says) as caught:
        await answered(answer)
    assert caught.value.provider == "gpu"
    assert caught.value.status == 200
    assert "busy" not in str(caught.value)


async def test_an_error_inside_a_200_is_that_error() -> None:
    with pytest.raises(GenSDKError) as caught:
        await answered({"error": {"message": "no", "code": "content_policy_violation"}})
    assert isinstance(caught.value, ContentBlockedError)
    assert caught.value.billed == "maybe"


async def test_a_blocked_prompt_says_which_rule() -> None:
    body = {
        "error": {
            "message": "Rejected by the safety system. safety_violations=[violence, self-harm].",
            "type": "image_generation_user_error",
            "code": "moderation_blocked",
            "param": None,
        }
    }
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_error(400, body))
        with pytest.raises(ContentBlockedError) as caught:
            await images.generate(account, ImageRequest(prompt="x"), context(GPT2))
    assert caught.value.categories == ("violence", "self-harm")
    assert caught.value.status == 400


async def test_a_refused_seed_is_not_reproducible() -> None:
    refusal = {"error": {"message": "Unknown parameter", "code": "unknown_parameter"}}
    refusal["error"]["param"] = "seed"
    async with loopback(OMNI) as (server, account):
        server.on("POST", PATH, answer_error(400, refusal), answer_json(ANSWER))
        request = ImageRequest(prompt="x", seed=7)
        response = await images.generate(account, request, context("Qwen/Qwen-Image"))
        assert "seed" not in server.requests[1].json()
    assert not response.reproducible
    assert response.seed is None
    assert notes(response) == [("unsupported", "seed", None)]
