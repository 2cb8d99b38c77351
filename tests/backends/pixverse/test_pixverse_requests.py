"""What PixVerse is sent, through the front door."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from gensdk import URL
from gensdk.backends.pixverse import PixVerseVideoOptions
from gensdk.errors import InvalidRequestError, RequestTooLargeError, UnsupportedFeatureError
from gensdk.types import Media
from tests.backends.pixverse.loopback import BASE, CANARY, MP4, body, created, loopback
from tests.support.openai_media import PNG

PICTURE = Media(data=PNG, name="in.png")
FILM = Media(data=MP4, name="in.mp4")
PLAIN = {"duration": 5, "quality": "720p"}


async def sent(model: str, prompt: str = "a boat", **asked: Any) -> tuple[str, Any, dict[str, str]]:
    """Service, body, and what was noted of which field."""
    async with loopback() as (server, client):
        response = await client.video(prompt, model=f"pixverse:{model}", **asked)
        assert response.videos[0].data == MP4
    notes: dict[str, str] = {note.parameter or "": note.kind for note in response.warnings}
    return *body(server), notes


async def test_the_least_request() -> None:
    async with loopback() as (server, client):
        response = await client.video("a boat", model="pixverse:v6")
    first = server.requests[0]
    assert first.path == f"{BASE}/video/text/generate"
    assert first.headers["api-key"] == CANARY
    assert "authorization" not in first.headers
    UUID(first.headers["ai-trace-id"])
    plain = {"model": "v6", "prompt": "a boat", "aspect_ratio": "16:9", **PLAIN}
    assert body(server) == ("text", plain)
    assert (response.seed, response.warnings) == (11, ())
    assert response.provider_details == {"outputWidth": 1280, "outputHeight": 720, "size": 52}
    assert "api-key" not in server.requests[-1].headers


async def test_every_field_of_v6() -> None:
    options = PixVerseVideoOptions(multi_clip=True, template_id=3, water_mark=False)
    service, told, notes = await sent(
        "v6", duration_s=12, size="1920x1080", seed=2**31 + 4, negative_prompt="rain",
        audio=True, options={"pixverse": options}, extra={"off_peak_mode": True},
    )  # fmt: skip
    assert service == "text"
    assert told == {
        "model": "v6", "prompt": "a boat", "duration": 12, "quality": "1080p",
        "aspect_ratio": "16:9", "seed": 4, "negative_prompt": "rain",
        "generate_audio_switch": True, "generate_multi_clip_switch": True, "template_id": 3,
        "water_mark": False, "off_peak_mode": True,
    }  # fmt: skip
    assert notes == {"seed": "adapted"}


async def test_pictures_are_uploaded_first() -> None:
    async with loopback() as (server, client):
        await client.video("x", model="pixverse:v6", first_frame=PICTURE, last_frame=PICTURE)
    paths = [one.path.removeprefix(BASE) for one in server.requests[:3]]
    assert paths == ["/image/upload", "/image/upload", "/video/transition/generate"]
    (part,) = server.requests[0].form()
    assert (part.name, part.filename, part.content) == ("image", "in.png", PNG)
    assert part.content_type == "image/png"
    frames = {"first_frame_img": 901, "last_frame_img": 902}
    assert body(server)[1] == {"model": "v6", "prompt": "x", **PLAIN, **frames}
    traces = [one.headers["ai-trace-id"] for one in server.requests[:-1]]
    assert len(set(traces)) == len(traces)


async def test_from_one_picture_the_shape_follows() -> None:
    service, told, notes = await sent("v5", first_frame=PICTURE, aspect_ratio="1:1")
    assert (service, told) == ("img", {"model": "v5", "prompt": "a boat", **PLAIN, "img_id": 901})
    assert notes == {"aspect_ratio": "unsupported"}


async def test_references_are_named() -> None:
    options = PixVerseVideoOptions(reference_names=("cat",), reference_kinds=("subject",))
    given: Any = {"references": [PICTURE, PICTURE], "options": {"pixverse": options}}
    service, told, notes = await sent("c1", "@cat sleeps", **given)
    assert service == "fusion"
    assert told["image_references"] == [
        {"type": "subject", "ref_name": "cat", "img_id": 901},
        {"type": "subject", "ref_name": "image2", "img_id": 902},
    ]
    assert (told["prompt"], told["aspect_ratio"], notes) == ("@cat sleeps", "16:9", {})
    _, told, notes = await sent("c1", "they dance", references=[PICTURE], negative_prompt="x")
    assert told["prompt"] == "@image1 they dance"
    assert notes == {"prompt": "adapted", "negative_prompt": "unsupported"}


async def test_a_video_is_made_longer() -> None:
    async with loopback() as (server, client):
        await client.video("on and on", model="pixverse:v6", video=FILM)
        (part,) = server.requests[0].form()
        assert (part.name, part.content) == ("file", MP4)
        assert server.requests[0].path == f"{BASE}/media/upload"
    assert body(server) == (
        "extend", {"model": "v6", "prompt": "on and on", **PLAIN, "video_media_id": 700},
    )  # fmt: skip
    async with loopback() as (server, client):
        await client.video("x", model="pixverse:v6", video=URL("https://cdn.example/a.mp4"))
        (part,) = server.requests[0].form()
        assert (part.name, part.text) == ("file_url", "https://cdn.example/a.mp4")
    service, told, _ = await sent("v6", options={"pixverse": {"source_video_id": 77}})
    assert (service, told["source_video_id"]) == ("extend", 77)


@pytest.mark.parametrize(
    ("model", "asked", "told", "adapted"),
    [
        ("v6", {"aspect_ratio": "21:9"}, ("21:9", "720p"), ()),
        ("v5", {"aspect_ratio": "21:9"}, ("16:9", "720p"), ("aspect_ratio",)),
        ("v6", {"resolution": "360p"}, ("16:9", "360p"), ()),
        ("v6", {"resolution": "4k"}, ("16:9", "1080p"), ("resolution",)),
        ("v6", {"size": "1080x1920"}, ("9:16", "1080p"), ()),
        ("v6", {"size": "1000x1000"}, ("1:1", "1080p"), ("size",)),
        ("brand-new", {"aspect_ratio": "3:2"}, ("3:2", "720p"), ()),
    ],
)
async def test_shapes(model: str, asked: Any, told: tuple[str, str], adapted: Any) -> None:
    _, given, notes = await sent(model, **asked)
    assert (given["aspect_ratio"], given["quality"]) == told
    assert notes == dict.fromkeys(adapted, "adapted")


@pytest.mark.parametrize(
    ("model", "asked", "given", "adapted"),
    [
        ("v6", {"duration_s": 1}, 1, False),
        ("v6", {"duration_s": 7.4}, 7, True),
        ("v5", {"duration_s": 6}, 5, True),
        ("v5.6", {"duration_s": 10}, 10, False),
        ("v5.6", {"duration_s": 10, "resolution": "1080p"}, 8, True),
    ],
)
async def test_lengths(model: str, asked: Any, given: int, adapted: bool) -> None:
    _, told, notes = await sent(model, **asked)
    assert (told["duration"], "duration_s" in notes) == (given, adapted)


async def test_what_a_model_has_not_is_dropped_with_a_note() -> None:
    asked: Any = {
        "audio": True, "fps": 24, "steps": 9, "guidance_scale": 3, "user_id": "u", "format": "gif",
    }  # fmt: skip
    _, told, notes = await sent("v5", **asked)
    assert set(told) == {"model", "prompt", "duration", "quality", "aspect_ratio"}
    assert notes == dict.fromkeys(asked, "unsupported")
    _, told, notes = await sent("v5", audio=False, format="mp4")
    assert (set(told), notes) == ({"model", "prompt", "duration", "quality", "aspect_ratio"}, {})


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("v6", {"references": [PICTURE]}, "takes none"),
        ("v5", {"references": [PICTURE] * 4}, "up to 3"),
        ("c1", {"video": FILM}, "longer"),
        ("v6", {"last_frame": PICTURE}, "last_frame"),
        ("c1", {"references": [PICTURE], "first_frame": PICTURE}, "together"),
        ("v6", {"video": FILM, "first_frame": PICTURE}, "together"),
        ("v6", {"video": FILM, "last_frame": PICTURE}, "last_frame"),
        ("v6", {"duration_s": 60}, "seconds"),
        ("v5", {"duration_s": 12, "resolution": "1080p"}, "5 seconds at 1080p"),
        ("v6", {"n": 2}, "n videos"),
        ("v6", {"options": {"pixverse": {"style": "anime"}}}, "style"),
        ("v6", {"options": {"pixverse": {"motion_mode": "fast"}}}, "motion_mode"),
        ("c1", {"options": {"pixverse": {"reference_names": ["a"]}}}, "reference_names"),
    ],
)
async def test_refused_before_anything_is_sent(model: str, asked: Any, said: str) -> None:
    async with loopback() as (server, client):
        with pytest.raises(UnsupportedFeatureError, match=said):
            await client.video("x", model=f"pixverse:{model}", **asked)
        assert server.requests == []


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"first_frame": FILM}, InvalidRequestError),
        ({"first_frame": PICTURE, "last_frame": FILM}, InvalidRequestError),
        ({"first_frame": Media(data=PNG + bytes(20 * 2**20))}, RequestTooLargeError),
        ({"video": PICTURE}, InvalidRequestError),
        ({"options": {"pixverse": {"nothing": 1}}}, InvalidRequestError),
        ({"extra": {"quality": "8k"}}, InvalidRequestError),
    ],
)
async def test_wrong_before_anything_is_sent(asked: Any, error: type[Exception]) -> None:
    async with loopback() as (server, client):
        with pytest.raises(error):
            await client.video("x", model="pixverse:v6", **asked)
        assert created(server) == []
        assert server.requests == []
