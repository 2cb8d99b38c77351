"""The table and the bodies held against the vendor's own package, where it is installed.

``runwayml`` is no dependency: ``pip install runwayml`` beside this repository runs these tests.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from pydantic import TypeAdapter

from gensdk.catalog.runway import ROWS, VERSION
from gensdk.types import Media
from tests.backends.runway.loopback import CREATED, body, loopback, task
from tests.support.openai_media import PNG

runwayml = pytest.importorskip("runwayml")

PICTURE = Media(data=PNG)
TOLD_APART = {"model", "prompt_text", "ratio", "prompt_image", "video_uri", "prompt_video"}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("video", "gen4.5", {"seed": 1, "options": {"runway": {"public_figure_threshold": "low"}}}),
    ("video", "veo3.1", {"audio": True, "negative_prompt": "x", "duration_s": 8}),
    ("video", "veo3.1_fast", {"first_frame": PICTURE, "last_frame": PICTURE}),
    ("video", "gen4_turbo", {"first_frame": PICTURE, "aspect_ratio": "1:1"}),
    ("video", "seedance2_5", {"references": [PICTURE], "format": "mov", "resolution": "1080p"}),
    ("video", "hailuo3", {"aspect_ratio": "4:3", "resolution": "1440p"}),
    ("video", "aleph2", {"video": Media(data=b"\0\0\0\x18ftypisom" + bytes(9))}),
    ("image", "gen4_image", {"images": [PICTURE], "seed": 3, "size": "1920x1080"}),
    ("image", "gpt_image_2_5_flare", {"n": 2, "quality": "xhigh", "background": "opaque"}),
    ("image", "bria_fibo_1_5", {"format": "jpeg"}),
    ("speech", "eleven_multilingual_v2", {}),
    ("speech", "eleven_v3", {"speed": 0.8, "language": "de", "seed": 1, "voice": "Leslie"}),
    ("speech", "seed_audio", {"format": "opus", "sample_rate": 16000}),
    ("music", "eleven_text_to_sound_v2", {"duration_s": 2}),
    ("music", "mirelo_sfx_2_0", {"format": "wav", "negative_prompt": "x", "seed": 1}),
]


def bare(hint: Any) -> Any:
    """A type without ``Required`` and ``Annotated`` around it."""
    while get_origin(hint) is Annotated or "Required" in str(get_origin(hint)):
        hint = get_args(hint)[0]
    return hint


def needed(hint: Any) -> bool:
    return "Required" in str(get_origin(hint))


def words(hint: Any) -> tuple[Any, ...]:
    """The words of a literal, also of one that stands beside ``str``."""
    hint = bare(hint)
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((words(part) for part in get_args(hint) if words(part)), ())


def bodies(endpoint: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Models of an endpoint, with the type of their body and its fields."""
    module = importlib.import_module(f"runwayml.types.{endpoint}_create_params")
    (union,) = (found for name, found in vars(module).items() if name.endswith("CreateParams"))
    for kind in get_args(union):
        hints = get_type_hints(kind, include_extras=True)
        (model,) = words(hints["model"])
        yield model, kind, hints


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


@pytest.mark.parametrize("endpoint", sorted({row.endpoint for row in ROWS}))
def test_the_rows_say_what_the_package_says(endpoint: str) -> None:
    rows = {model: row for row in ROWS if row.endpoint == endpoint for model in row.models}
    seen = dict[str, Any]()
    for model, _, hints in bodies(endpoint):
        row = seen[model] = rows[model]
        assert row.fields == frozenset(camel(name) for name in hints if name not in TOLD_APART)
        assert row.ratios == words(hints.get("ratio", str)), model
        assert row.ratio_needed == needed(hints.get("ratio", str)), model
        assert row.duration_needed == needed(hints.get("duration", str)), model
        assert row.qualities == words(hints.get("quality", str)), model
        assert row.backgrounds == words(hints.get("background", str)), model
        assert row.rates == words(hints.get("sample_rate", str)), model
        assert set(row.resolutions) == {
            word.lower() for word in words(hints.get("resolution", str))
        }
        assert row.last_frame <= ("prompt_image" in hints), model
        if endpoint == "video_to_video":
            assert row.video_field in {camel(name) for name in hints}, model
        if found := [one for one in words(hints.get("duration", str)) if isinstance(one, int)]:
            assert row.durations == tuple(found), model
    assert seen.keys() == rows.keys()


@pytest.mark.parametrize(("verb", "model", "asked"), REQUESTS)
async def test_bodies_are_what_the_package_would_send(
    verb: str, model: str, asked: dict[str, Any]
) -> None:
    made = {"image": PNG, "speech": b"ID3\x04\x00" + bytes(9), "music": b"ID3\x04\x00" + bytes(9)}
    async with loopback(made.get(verb, b"\0\0\0\x18ftypisom" + bytes(9))) as (server, client):
        await getattr(client, verb)("a boat", model=f"runway:{model}", **asked)
        endpoint = server.requests[0].path.removeprefix("/v1/")
    told = _snake(body(server))
    kind = next(kind for name, kind, _ in bodies(endpoint) if name == model)
    kind.__pydantic_config__ = {"extra": "forbid"}
    TypeAdapter(kind).validate_python(told)


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub("([A-Z])", lambda at: f"_{at[1].lower()}", name): _snake(item)
            for name, item in value.items()
        }
    return [_snake(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "answer",
    [
        task("PENDING"),
        task("THROTTLED"),
        task("RUNNING", progress=0.5),
        task("SUCCEEDED", output=["https://x"]),
        task("FAILED", failure="no", failureCode="INTERNAL"),
        task("CANCELLED"),
    ],
)
def test_the_fixtures_are_answers_of_the_package(answer: dict[str, Any]) -> None:
    kinds = importlib.import_module("runwayml.types.task_retrieve_response")
    kind = getattr(kinds, answer["status"].title())
    assert kind.model_validate(answer, strict=False).status == answer["status"]
    made = importlib.import_module("runwayml.types.text_to_video_create_response")
    assert made.TextToVideoCreateResponse.model_validate(CREATED).estimated_cost.credits == 60


def test_the_version_is_the_packages() -> None:
    account = runwayml.RunwayML(api_key="key", max_retries=0)
    assert account.runway_version == VERSION
    assert str(account.base_url).startswith("https://api.dev.runwayml.com")
    account.close()
