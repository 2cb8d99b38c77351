"""Runway's videos against a server that speaks its wire format, through the front door."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gensdk import URL
from gensdk.backends.runway import RunwayVideoOptions
from gensdk.errors import InvalidRequestError, RequestTooLargeError, UnsupportedFeatureError
from gensdk.types import Media
from tests.backends.runway.loopback import CANARY, MP4, body, loopback, posts
from tests.support.openai_media import PNG

PICTURE = Media(data=PNG)
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
FILM = Media(data=MP4)
FILM_DATA = f"data:video/mp4;base64,{base64.b64encode(MP4).decode()}"


async def sent(model: str, prompt: str = "a boat", **asked: Any) -> tuple[str, Any, dict[str, str]]:
    """Endpoint, body, and what was noted of which field."""
    async with loopback() as (server, client):
        response = await client.video(prompt, model=f"runway:{model}", **asked)
        assert response.videos[0].data == MP4
    notes: dict[str, str] = {note.parameter or "": note.kind for note in response.warnings}
    return posts(server)[0].path.removeprefix("/v1/"), body(server), notes


async def test_the_least_request_fills_in_what_the_api_needs() -> None:
    async with loopback() as (server, client):
        response = await client.video("a boat", model="runway:gen4.5")
    first = server.requests[0]
    assert first.path == "/v1/text_to_video"
    assert first.headers["authorization"] == f"Bearer {CANARY}"
    assert first.headers["x-runway-version"] == "2024-11-06"
    assert body(server) == {
        "model": "gen4.5", "promptText": "a boat", "ratio": "1280:720", "duration": 5,
    }  # fmt: skip
    assert response.videos[0].media_type == "video/mp4"
    assert response.provider_details == {"credits": 60.0}
    assert (response.provider, response.model) == ("runway", "gen4.5")
    assert response.cost is None
    assert response.warnings == ()
    fetched = server.requests[-1]
    assert (fetched.target, fetched.headers.get("authorization")) == ("/out/0?_jwt=signed", None)


async def test_every_field_of_veo() -> None:
    endpoint, told, notes = await sent(
        "veo3.1",
        duration_s=6,
        size="1920x1080",
        seed=2**32 + 7,
        audio=False,
        negative_prompt="rain",
        extra={"newField": 1},
    )
    assert endpoint == "text_to_video"
    assert told == {
        "model": "veo3.1", "promptText": "a boat", "ratio": "1920:1080", "duration": 6, "seed": 7,
        "audio": False, "negativePrompt": "rain", "newField": 1,
    }  # fmt: skip
    assert notes == {"seed": "adapted"}


async def test_from_pictures() -> None:
    endpoint, told, notes = await sent("veo3.1", first_frame=PICTURE, last_frame=PICTURE)
    assert endpoint == "image_to_video"
    assert told["promptImage"] == [
        {"position": "first", "uri": DATA},
        {"position": "last", "uri": DATA},
    ]
    assert notes == {}
    address = "https://cdn.example/first.png"
    _, told, _ = await sent("gen4_turbo", first_frame=URL(address))
    assert told["promptImage"] == address
    _, told, _ = await sent("gen4_turbo", first_frame=URL("runway://upload-1"))
    assert told["promptImage"] == "runway://upload-1"


async def test_the_shape_follows_the_first_frame() -> None:
    tall = PNG[:16] + (720).to_bytes(4, "big") + (1280).to_bytes(4, "big") + PNG[24:]
    _, told, notes = await sent("gen4_turbo", first_frame=Media(data=tall))
    assert (told["ratio"], notes) == ("720:1280", {})
    _, told, notes = await sent("kling3.0_pro", first_frame=Media(data=tall))
    assert (told["ratio"], notes) == ("1080:1920", {})
    _, told, notes = await sent("hailuo3", first_frame=Media(data=tall))
    assert (told["ratio"], notes) == ("adaptive", {})
    _, told, notes = await sent("wan3", first_frame=Media(data=tall))
    assert (told["ratio"], notes) == ("auto_720p", {})


async def test_a_video_is_changed() -> None:
    endpoint, told, notes = await sent("aleph2", video=FILM, duration_s=4)
    assert (endpoint, told) == (
        "video_to_video", {"model": "aleph2", "promptText": "a boat", "videoUri": FILM_DATA},
    )  # fmt: skip
    assert notes == {"duration_s": "unsupported"}
    _, told, _ = await sent("seedance2", video=FILM, references=[PICTURE], size="1280x720")
    assert (told["promptVideo"], told["references"]) == (FILM_DATA, [{"uri": DATA}])


@pytest.mark.parametrize(
    ("model", "asked", "told", "adapted"),
    [
        ("gen4.5", {"size": "1280x720"}, {"ratio": "1280:720"}, ()),
        ("gen4.5", {"size": "1024x1024"}, {"ratio": "1280:720"}, ("size",)),
        ("gen4.5", {"aspect_ratio": "9:16"}, {"ratio": "720:1280"}, ()),
        ("gen4.5", {"aspect_ratio": "9:16", "resolution": "720p"}, {"ratio": "720:1280"}, ()),
        ("gen4.5", {"resolution": "1080p"}, {"ratio": "1280:720"}, ("resolution",)),
        ("seedance2", {"aspect_ratio": "16:9"}, {"ratio": "1280:720"}, ()),
        ("seedance2", {"aspect_ratio": "16:9", "resolution": "4k"}, {"ratio": "3840:2160"}, ()),
        ("seedance2", {"resolution": "1080p"}, {"ratio": "1920:1080"}, ()),
        ("wan3", {"resolution": "1080p"}, {"ratio": "auto_1080p"}, ()),
        ("wan3", {}, {}, ()),
        ("hailuo3", {"aspect_ratio": "4:3"}, {"ratio": "4:3"}, ()),
        ("hailuo3", {"resolution": "1440p"}, {"resolution": "2k"}, ()),
        ("hailuo3", {"size": "1366x768"}, {"ratio": "16:9", "resolution": "768p"}, ("size",)),
        (
            "grok_imagine_1_5",
            {"aspect_ratio": "3:2", "resolution": "1080p"},
            {"ratio": "3:2", "resolution": "1080p"},
            (),
        ),
        ("h3_max", {"resolution": "720p"}, {"resolution": "768p"}, ("resolution",)),
        ("brand_new", {"aspect_ratio": "9:16"}, {"ratio": "720:1280"}, ()),
        ("brand_new", {"size": "640x480"}, {"ratio": "640:480"}, ()),
    ],
)
async def test_shapes(model: str, asked: Any, told: Any, adapted: Any) -> None:
    _, given, notes = await sent(model, **asked)
    assert {name: given[name] for name in ("ratio", "resolution") if name in given} == told
    assert notes == dict.fromkeys(adapted, "adapted")


async def test_shapes_that_follow_the_picture_are_dropped_with_a_note() -> None:
    asked: Any = {"first_frame": PICTURE, "aspect_ratio": "1:1", "resolution": "1080p"}
    _, told, notes = await sent("kling_4", **asked)
    assert (told["ratio"], notes) == ("auto_1080p", {"aspect_ratio": "unsupported"})
    _, told, notes = await sent("kling_4", first_frame=PICTURE, size="1280x720")
    assert (told["ratio"], notes) == ("auto_720p", {"size": "adapted"})
    _, told, notes = await sent("kling2.5_turbo_pro", first_frame=PICTURE, size="1920x1080")
    assert ("ratio" in told, notes) == (False, {"size": "unsupported"})


@pytest.mark.parametrize(
    ("model", "wanted", "given", "adapted"),
    [("gen4.5", 10.4, 10, True), ("veo3.1", 5, 4, True), ("gen4_turbo", 3, 3, False)],
)
async def test_lengths(model: str, wanted: float, given: int, adapted: bool) -> None:
    more: Any = {"first_frame": PICTURE} if model == "gen4_turbo" else {}
    _, told, notes = await sent(model, duration_s=wanted, **more)
    assert (told["duration"], "duration_s" in notes) == (given, adapted)


async def test_what_a_model_has_not_is_dropped_with_a_note() -> None:
    _, told, notes = await sent(
        "gen4.5", audio=True, negative_prompt="x", fps=24, steps=9, guidance_scale=3,
        user_id="u", format="mov",
    )  # fmt: skip
    assert set(told) == {"model", "promptText", "ratio", "duration"}
    names = ("audio", "negative_prompt", "fps", "steps", "guidance_scale", "user_id", "format")
    assert notes == dict.fromkeys(names, "unsupported")
    _, told, notes = await sent("seedance2_5", format="mov", audio=True)
    assert (told["outputFormat"], told["audio"], notes) == ("mov", True, {})


async def test_options_by_the_models_own_fields() -> None:
    options = {"runway": RunwayVideoOptions(public_figure_threshold="low", output_format="mp4")}
    _, told, _ = await sent("gen4.5", options=options)
    assert told["contentModeration"] == {"publicFigureThreshold": "low"}
    assert told["outputFormat"] == "mp4"
    _, told, _ = await sent("brand_new", options={"runway": {"cfg_scale": 0.5}})
    assert told["cfgScale"] == 0.5


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("gen4_turbo", {}, "first_frame"),
        ("aleph2", {}, "'video'"),
        ("gen4.5", {"video": FILM}, "'video'"),
        ("aleph2", {"first_frame": PICTURE}, "first_frame"),
        ("gen4.5", {"first_frame": PICTURE, "last_frame": PICTURE}, "last_frame"),
        ("veo3.1", {"last_frame": PICTURE}, "last_frame"),
        ("gen4.5", {"references": [PICTURE]}, "references"),
        ("seedance2", {"references": [PICTURE] * 10}, "up to 9"),
        ("seedance2", {"video": FILM, "first_frame": PICTURE}, "first_frame"),
        ("veo3.1", {"duration_s": 30}, "4, 6, 8"),
        ("gen4.5", {"n": 2}, "n videos"),
        ("gen4.5", {"options": {"runway": {"mode": "extend"}}}, "options.mode"),
    ],
)
async def test_refused_before_anything_is_sent(model: str, asked: Any, said: str) -> None:
    async with loopback() as (server, client):
        with pytest.raises(UnsupportedFeatureError, match=said):
            await client.video("x", model=f"runway:{model}", **asked)
        assert server.requests == []


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"first_frame": FILM}, InvalidRequestError),
        ({"first_frame": Media(data=PNG + bytes(5 * 2**20))}, RequestTooLargeError),
        ({"options": {"runway": {"nothing": 1}}}, InvalidRequestError),
        ({"extra": {"model": "other"}}, InvalidRequestError),
    ],
)
async def test_wrong_before_anything_is_sent(asked: Any, error: type[Exception]) -> None:
    async with loopback() as (server, client):
        with pytest.raises(error):
            await client.video("x", model="runway:gen4.5", **asked)
        assert server.requests == []


async def test_a_model_for_pictures_makes_no_video() -> None:
    async with loopback() as (server, client):
        with pytest.raises(UnsupportedFeatureError):
            await client.video("x", model="runway:gen4_image")
        assert client.capabilities("runway:gen4_image").abilities == {"image"}
        assert client.capabilities("runway:brand_new").jobs == {"image", "music", "speech", "video"}
        assert server.requests == []
