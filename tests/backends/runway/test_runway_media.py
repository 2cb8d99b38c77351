"""Runway's pictures, speech and sound effects against a loopback server."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gensdk.backends.runway import RunwayImageOptions, RunwaySoundOptions, RunwaySpeechOptions
from gensdk.errors import InvalidRequestError, InvalidResponseError, UnsupportedFeatureError
from gensdk.types import ImageResponse, Media, MusicResponse, SpeechResponse
from tests.backends.runway.loopback import MP3, TASK, body, loopback, posts, task
from tests.support.openai_media import PNG
from tests.support.server import answer_bytes, answer_json

PICTURE = Media(data=PNG)
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
SOUND = Media(data=MP3)


async def drawn(model: str, **asked: Any) -> tuple[Any, dict[str, str], ImageResponse]:
    async with loopback(PNG) as (server, client):
        response = await client.image("a boat", model=f"runway:{model}", **asked)
        assert posts(server)[0].path == "/v1/text_to_image"
    return body(server), _notes(response), response


async def spoken(model: str, **asked: Any) -> tuple[Any, dict[str, str], SpeechResponse]:
    async with loopback(MP3) as (server, client):
        response = await client.speech("Hello", model=f"runway:{model}", **asked)
        assert posts(server)[0].path == "/v1/text_to_speech"
    return body(server), _notes(response), response


async def sounded(model: str, **asked: Any) -> tuple[Any, dict[str, str], MusicResponse]:
    async with loopback(MP3) as (server, client):
        response = await client.music("a door", model=f"runway:{model}", **asked)
        assert posts(server)[0].path == "/v1/sound_effect"
    return body(server), _notes(response), response


def _notes(response: Any) -> dict[str, str]:
    return {note.parameter or "": note.kind for note in response.warnings}


# ------------------------------------------------------------------------------------- pictures
async def test_the_least_picture() -> None:
    told, notes, response = await drawn("gen4_image")
    assert told == {"model": "gen4_image", "promptText": "a boat", "ratio": "1024:1024"}
    assert (response.images[0].data, notes) == (PNG, {})
    assert response.provider_details == {"credits": 60.0}


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("gpt_image_2", "auto"), ("muse_image", "auto"), ("seedream5_pro", "auto_1k"),
        ("seedream5_lite", "2048:2048"), ("gemini_image3_pro", "1024:1024"),
        ("gemini_image3.1_flash", "1024:1024"), ("ideogram_4_0", None), ("brand_new", None),
    ],
)  # fmt: skip
async def test_the_shape_where_nothing_is_said(model: str, ratio: str | None) -> None:
    told, notes, _ = await drawn(model)
    assert (told.get("ratio"), notes) == (ratio, {})


async def test_a_picture_with_pictures_and_their_names() -> None:
    told, notes, _ = await drawn(
        "gen4_image_turbo",
        images=[PICTURE, PICTURE],
        size="1920x1080",
        seed=4,
        moderation="low",
        options={"runway": RunwayImageOptions(tags=("cat",))},
    )
    assert told["referenceImages"] == [{"uri": DATA, "tag": "cat"}, {"uri": DATA}]
    assert (told["ratio"], told["seed"]) == ("1920:1080", 4)
    assert told["contentModeration"] == {"publicFigureThreshold": "low"}
    assert notes == {}


async def test_every_field_of_gpt_image() -> None:
    told, notes, _ = await drawn(
        "gpt_image_2_5_sunburst", n=3, quality="max", background="transparent", size="auto"
    )
    assert told == {
        "model": "gpt_image_2_5_sunburst", "promptText": "a boat", "ratio": "auto",
        "outputCount": 3, "quality": "max", "background": "transparent",
    }  # fmt: skip
    assert notes == {}


@pytest.mark.parametrize(
    ("model", "asked", "told", "noted"),
    [
        ("grok_imagine_image_2", {"quality": "max"}, {"quality": "medium"}, "adapted"),
        ("grok_imagine_image_2", {"quality": "draft"}, {"quality": "low"}, None),
        ("gpt_image_2", {"quality": "auto"}, {"quality": "auto"}, None),
        ("gen4_image", {"quality": "high"}, {}, "unsupported"),
        ("gen4_image", {"quality": "auto"}, {}, None),
        ("bria_fibo_1_5", {"format": "jpeg"}, {"outputFormat": "jpeg"}, None),
        ("bria_fibo_1_5", {"format": "webp"}, {"outputFormat": "png"}, "adapted"),
        ("gen4_image", {"format": "png"}, {}, "unsupported"),
        ("gpt_image_2_5_flare", {"background": "transparent"}, {}, "unsupported"),
        ("gen4_image", {"background": "auto"}, {}, None),
        ("gen4_image", {"moderation": "strict"}, {}, "unsupported"),
        ("gpt_image_2", {"moderation": "auto"}, {}, None),
        ("gpt_image_2", {"seed": 1}, {}, "unsupported"),
        ("gpt_image_2", {"n": 1}, {}, None),
        ("gen4_image", {"aspect_ratio": "16:9"}, {"ratio": "1920:1080"}, None),
        ("gen4_image", {"size": "1000x1000"}, {"ratio": "1024:1024"}, "adapted"),
        ("ideogram_4_0", {"aspect_ratio": "1:1"}, {"ratio": "2048:2048"}, None),
        ("brand_new", {"quality": "max"}, {"quality": "max"}, None),
        ("brand_new", {"format": "webp"}, {"outputFormat": "webp"}, None),
        ("brand_new", {"background": "opaque"}, {"background": "opaque"}, None),
    ],
)
async def test_choices(model: str, asked: Any, told: Any, noted: str | None) -> None:
    (name,) = asked
    given, notes, _ = await drawn(model, **asked)
    ignored = {"model", "promptText"} | ({"ratio"} - set(told))
    assert {key: value for key, value in given.items() if key not in ignored} == told
    assert notes.get(name) == noted


async def test_what_no_picture_has_is_dropped_with_a_note() -> None:
    asked: Any = {
        "style": "anime", "negative_prompt": "x", "steps": 9, "guidance_scale": 3, "strength": 0.5,
        "compression": 50, "user_id": "u",
    }  # fmt: skip
    told, notes, _ = await drawn("gen4_image", **asked)
    assert set(told) == {"model", "promptText", "ratio"}
    assert notes == dict.fromkeys(asked, "unsupported")


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("gen4_image_turbo", {}, "images"),
        ("gen4_image", {"images": [PICTURE] * 4}, "up to 3"),
        ("recraft_v4_1_vector", {"images": [PICTURE]}, "words only"),
        ("ideogram_4_5", {"images": [PICTURE], "mask": PICTURE}, "maskUri"),
        ("gemini_image3_pro", {"n": 2}, "1, 4"),
        ("gen4_image", {"options": {"runway": {"grounding": True}}}, "options.grounding"),
        ("gen4_image", {"options": {"runway": {"tags": ["a"]}}}, "options.tags"),
    ],
)
async def test_pictures_refused_before_sending(model: str, asked: Any, said: str) -> None:
    async with loopback(PNG) as (server, client):
        with pytest.raises(UnsupportedFeatureError, match=said):
            await client.image("x", model=f"runway:{model}", **asked)
        assert server.requests == []


async def test_several_pictures_of_a_model_that_makes_one_are_refused() -> None:
    async with loopback(PNG) as (server, client):
        with pytest.raises(UnsupportedFeatureError, match="1 of n pictures"):
            await client.image("x", model="runway:gen4_image", n=2)
        assert server.requests == []


async def test_half_a_picture_is_none() -> None:
    async with loopback(PNG[:-12]) as (_, client):
        with pytest.raises(InvalidResponseError, match="cut off"):
            await client.image("x", model="runway:gen4_image")


async def test_several_pictures_of_one_task() -> None:
    async with loopback(PNG) as (server, client):
        urls = [f"{server.url}/out/{index}" for index in range(4)]
        server.on("GET", TASK, answer_json(task("SUCCEEDED", output=urls)))
        for url in urls:
            server.on("GET", url.removeprefix(server.url), answer_bytes(PNG, "image/png"))
        response = await client.image("x", model="runway:gemini_image3_pro", n=4)
    assert len(response.images) == 4
    assert body(server)["outputCount"] == 4


# --------------------------------------------------------------------------------------- speech
async def test_the_least_speech_has_a_voice() -> None:
    told, notes, response = await spoken("eleven_multilingual_v2")
    assert told == {
        "model": "eleven_multilingual_v2", "promptText": "Hello",
        "voice": {"type": "runway-preset", "presetId": "Maya"},
    }  # fmt: skip
    assert (response.audio.data, response.audio.media_type, notes) == (MP3, "audio/mpeg", {})


async def test_every_field_of_eleven_v3() -> None:
    options = RunwaySpeechOptions(stability=0.4, use_speaker_boost=True)
    told, notes, _ = await spoken(
        "eleven_v3", voice="Leslie", speed=2, language="de", seed=3, format="mp3",
        instructions="softly", options={"runway": options},
    )  # fmt: skip
    assert told["voice"]["presetId"] == "Leslie"
    assert (told["speed"], told["languageCode"], told["seed"]) == (1.2, "de", 3)
    assert (told["stability"], told["useSpeakerBoost"]) == (0.4, True)
    assert notes == {"speed": "adapted", "instructions": "unsupported"}


async def test_what_multilingual_has_not() -> None:
    asked: Any = {"speed": 1.1, "language": "de", "seed": 1, "format": "wav", "sample_rate": 16000}
    told, notes, _ = await spoken("eleven_multilingual_v2", **asked)
    assert set(told) == {"model", "promptText", "voice"}
    assert notes == dict.fromkeys(asked, "unsupported")


async def test_formats_and_rates_of_seed_audio() -> None:
    told, notes, _ = await spoken("seed_audio", format="opus", sample_rate=22_050)
    assert (told["outputFormat"], told["sampleRate"]) == ("ogg_opus", 24_000)
    assert notes == {"sample_rate": "adapted"}
    told, notes, _ = await spoken("seed_audio", format="flac")
    assert (told["outputFormat"], notes) == ("wav", {"format": "adapted"})


async def test_speech_refused_before_sending() -> None:
    async with loopback(MP3) as (server, client):
        with pytest.raises(UnsupportedFeatureError, match="voice"):
            await client.speech("x", model="runway:seed_audio", voice="Maya")
        with pytest.raises(UnsupportedFeatureError, match="1000 characters"):
            await client.speech("Well. " * 400, model="runway:eleven_multilingual_v2")
        assert server.requests == []


# --------------------------------------------------------------------------------------- sounds
async def test_a_sound_effect() -> None:
    told, notes, response = await sounded(
        "eleven_text_to_sound_v2", duration_s=2.5, options={"runway": RunwaySoundOptions(loop=True)}
    )
    assert told == {
        "model": "eleven_text_to_sound_v2", "promptText": "a door", "duration": 2.5, "loop": True,
    }  # fmt: skip
    assert (response.audio.data, notes) == (MP3, {})


async def test_every_field_of_mirelo() -> None:
    told, notes, _ = await sounded(
        "mirelo_sfx_2_0", seed=5, negative_prompt="music", format="flac", sample_rate=44_100
    )
    assert told == {
        "model": "mirelo_sfx_2_0", "promptText": "a door", "duration": 5.0, "seed": 5,
        "negativePrompt": "music", "format": "flac",
    }  # fmt: skip
    assert notes == {"sample_rate": "unsupported"}


async def test_a_sound_of_a_sound() -> None:
    told, notes, _ = await sounded("seed_audio", reference_audio=SOUND, duration_s=3)
    data = base64.b64encode(MP3).decode()
    assert told["referenceAudios"] == [f"data:audio/mpeg;base64,{data}"]
    assert notes == {"duration_s": "unsupported"}


async def test_what_no_sound_has_is_dropped_with_a_note() -> None:
    asked: Any = {
        "lyrics": "la", "bpm": 90, "key": "C minor", "steps": 9, "guidance_scale": 3, "seed": 1,
        "negative_prompt": "x", "format": "wav",
    }  # fmt: skip
    told, notes, _ = await sounded("eleven_text_to_sound_v2", duration_s=40, **asked)
    assert told["duration"] == 30
    expected = dict.fromkeys(asked, "unsupported") | {"duration_s": "adapted"}
    assert notes == expected


@pytest.mark.parametrize(
    "asked", [{"duration_s": 90}, {"reference_audio": SOUND}, {"prompt": "", "lyrics": "la"}]
)
async def test_sounds_refused_before_sending(asked: Any) -> None:
    async with loopback(MP3) as (server, client):
        with pytest.raises(UnsupportedFeatureError):
            model = "runway:eleven_text_to_sound_v2"
            await client.music(asked.pop("prompt", "x"), model=model, **asked)
        assert server.requests == []


async def test_a_speaker_is_no_painter() -> None:
    async with loopback() as (server, client):
        for verb in ("image", "music", "video"):
            with pytest.raises((InvalidRequestError, UnsupportedFeatureError)):
                await getattr(client, verb)("x", model="runway:eleven_v3")
        assert server.requests == []
