"""``/moderations``: texts, pictures, and one verdict for each input."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import ModerationCreateResponse

from gensdk.backends.openai import moderation
from gensdk.errors import (
    AuthenticationError,
    InvalidRequestError,
    InvalidResponseError,
    UnsupportedFeatureError,
)
from gensdk.types import URL, Media, ModerationRequest, ModerationResponse
from tests.support.openai_media import PNG, context, loopback
from tests.support.server import answer_error, answer_json

PATH = "/v1/moderations"
MODEL = "omni-moderation-latest"
NAMES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual",
    "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


def result(*over: str) -> dict[str, Any]:
    return {
        "flagged": bool(over),
        "categories": {name: name in over for name in NAMES},
        "category_scores": {name: 0.9 if name in over else 0.01 for name in NAMES},
        "category_applied_input_types": {name: ["text"] for name in NAMES},
    }


def answer(*results: dict[str, Any]) -> dict[str, Any]:
    return {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": list(results)}


async def sent(
    request: ModerationRequest, body: Any, model: str = MODEL
) -> tuple[dict[str, Any], ModerationResponse]:
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_json(body, headers={"x-request-id": "req_m"}))
        response = await moderation.generate(account, request, context(model))
        got = server.requests[0].json()
        assert isinstance(got, dict)
        return got, response


def test_the_sample_answer_is_the_vendors_own_shape() -> None:
    ModerationCreateResponse.model_validate(answer(result("hate")))


async def test_every_text_gets_its_verdict() -> None:
    request = ModerationRequest(inputs=("good", "bad"), extra={"x": 1})
    body, response = await sent(request, answer(result(), result("violence", "hate")))
    assert body == {"model": MODEL, "input": ["good", "bad"], "x": 1}
    good, bad = response.verdicts
    assert (good.flagged, good.categories) == (False, ())
    assert (bad.flagged, bad.categories) == (True, ("hate", "violence"))
    assert bad.scores["self-harm/intent"] == 0.01
    assert bad.scores["violence"] == 0.9
    assert response.flagged
    assert response.model == "omni-moderation-2024-09-26"
    assert (response.provider, response.request_id) == ("openai", "req_m")
    assert response.provider_details == {"id": "modr-1"}


async def test_pictures_are_judged_together_with_their_text() -> None:
    picture = Media(data=PNG)
    request = ModerationRequest(inputs="look", images=(picture, URL("https://x.example/a.png")))
    body, response = await sent(request, answer(result("sexual")))
    assert body["input"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": picture.data_uri()}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ]
    assert len(response.verdicts) == 1
    body, _ = await sent(ModerationRequest(images=(picture,)), answer(result()))
    assert [part["type"] for part in body["input"]] == ["image_url"]


async def test_other_servers_leave_things_out() -> None:
    verdict = {"flagged": True, "categories": {"hate": True, "illicit": None}}
    _, response = await sent(ModerationRequest(inputs="x"), {"results": [verdict]}, "guard")
    assert response.verdicts[0].categories == ("hate",)
    assert response.verdicts[0].scores == {}
    assert response.model == "guard"
    assert response.provider_details == {}
    verdict = {**verdict, "category_scores": {"hate": 0.5, "illicit": None}}
    _, response = await sent(ModerationRequest(inputs="x"), {"results": [verdict]}, "guard")
    assert response.verdicts[0].scores == {"hate": 0.5}


@pytest.mark.parametrize(
    ("inputs", "model"), [(("a", "b"), MODEL), (("a",), "text-moderation-latest")]
)
async def test_pictures_the_model_cannot_judge_are_refused(
    inputs: tuple[str, ...], model: str
) -> None:
    request = ModerationRequest(inputs=inputs, images=(Media(data=PNG),))
    async with loopback() as (server, account):
        with pytest.raises(UnsupportedFeatureError) as caught:
            await moderation.generate(account, request, context(model))
        assert server.requests == []
    assert caught.value.param == "images"


async def test_there_are_no_options() -> None:
    request = ModerationRequest(inputs="x", options={"openai": {"strict": True}})
    with pytest.raises(InvalidRequestError, match="strict"):
        await sent(request, answer(result()))


@pytest.mark.parametrize(
    "body",
    [answer(), answer(result(), result()), {"results": [{"flagged": True}]}, {"id": "x"}, []],
)
async def test_verdicts_that_do_not_fit_the_inputs_are_refused(body: Any) -> None:
    with pytest.raises(InvalidResponseError):
        await sent(ModerationRequest(inputs="x"), body)


async def test_a_failure_is_the_error_of_its_cause() -> None:
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_error(401, {"error": {"message": "no"}}))
        with pytest.raises(AuthenticationError):
            await moderation.generate(account, ModerationRequest(inputs="x"), context(MODEL))
