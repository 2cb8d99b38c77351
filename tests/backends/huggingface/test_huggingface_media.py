"""Pictures, speech, transcripts and vectors at the providers behind the router."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import gensdk
from gensdk.backends.huggingface import (
    HuggingFaceEmbedOptions,
    HuggingFaceImageOptions,
)
from gensdk.backends.huggingface.errors import HUB as HUB_VENDOR
from gensdk.backends.huggingface.providers import Providers
from gensdk.catalog.huggingface import Task
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobFailedError,
    ModelNotFoundError,
    OutcomeUnknownError,
    OverloadedError,
    ServerError,
    UnsupportedFeatureError,
)
from gensdk.spec import Context
from gensdk.toolkit import KeyedAccount, Notes
from gensdk.types import Media
from tests.support.huggingface import (
    CANARY,
    HUB,
    MODEL,
    PICTURE,
    SOUND,
    entry,
    loopback,
    mapping,
    posted,
)
from tests.support.server import (
    LoopbackServer,
    answer_bytes,
    answer_error,
    answer_json,
)

BASE64 = base64.b64encode(PICTURE.data).decode()
DRAWN = answer_json({"data": [{"b64_json": BASE64}]}, headers={"x-request-id": "r1"})
T2I: Task = "text-to-image"
I2I: Task = "image-to-image"
TTS, ASR, EMBED = "text-to-speech", "automatic-speech-recognition", "feature-extraction"


async def test_a_picture_at_the_first_provider_of_the_account() -> None:
    entries = (entry("unheard-of", T2I), entry("groq", T2I), entry("together", T2I, "v/flux"))
    async with loopback(*entries, bill_to="my-org") as (server, client):
        server.on("POST", "/together/v1/images/generations", DRAWN)
        reply = await client.image(
            "a cat",
            model=f"huggingface:{MODEL}",
            size="512x256",
            seed=7,
            steps=4,
            guidance_scale=2.5,
            negative_prompt="dogs",
            options={"huggingface": HuggingFaceImageOptions(scheduler="euler")},
            extra={"disable_safety_checker": True},
        )
    asked, sent = server.requests
    assert (asked.path, asked.query) == (HUB, {"expand": "inferenceProviderMapping"})
    assert asked.headers["authorization"] == sent.headers["authorization"] == f"Bearer {CANARY}"
    assert sent.headers["x-hf-bill-to"] == "my-org"
    assert "x-hf-bill-to" not in asked.headers
    assert sent.json() == {
        "prompt": "a cat",
        "response_format": "base64",
        "model": "v/flux",
        "width": 512,
        "height": 256,
        "seed": 7,
        "steps": 4,
        "guidance_scale": 2.5,
        "negative_prompt": "dogs",
        "scheduler": "euler",
        "disable_safety_checker": True,
    }
    assert reply.images[0].data == PICTURE.data
    assert reply.provider_details == {"provider": "together", "provider_model": "v/flux"}
    assert (reply.request_id, reply.cost, reply.warnings) == ("r1", None, ())
    assert (reply.seed, reply.reproducible) == (7, True)


async def test_hugging_faces_own_servers_need_no_lookup_and_send_the_picture_itself() -> None:
    async with loopback() as (server, client):
        path = f"/hf-inference/models/{MODEL}"
        server.on("POST", path, answer_bytes(PICTURE.data, "image/png"))
        reply = await client.image("a cat", model=f"huggingface:{MODEL}:hf-inference")
        await client.image(
            "a hat", model=f"huggingface:{MODEL}:hf-inference", images=[PICTURE], extra={"x": 1}
        )
    first, second = server.requests
    assert first.json() == {"inputs": "a cat", "parameters": {}}
    assert first.headers["accept"] == "image/png"
    assert second.json() == {"inputs": BASE64, "parameters": {"prompt": "a hat", "x": 1}}
    assert reply.images == (PICTURE.model_copy(update={"name": None}),)


async def test_fal_answers_with_addresses_and_the_seed() -> None:
    async with loopback(entry("fal-ai", T2I, "fal-ai/flux/dev")) as (server, client):
        made = {
            "images": [{"url": f"{server.url}/files/picture.png", "content_type": "image/png"}],
            "seed": 99,
            "has_nsfw_concepts": [True],
        }
        server.on("POST", "/fal-ai/fal-ai/flux/dev", answer_json(made))
        reply = await client.image("a cat", model=f"huggingface:{MODEL}", aspect_ratio="16:9")
    fetched = server.requests[-1]
    assert posted(server)[0].json() == {
        "prompt": "a cat",
        "image_size": {"width": 1376, "height": 768},
    }
    assert fetched.path == "/files/picture.png"
    assert "authorization" not in fetched.headers
    assert (reply.seed, reply.reproducible) == (99, True)
    notes = {note.parameter: note.kind for note in reply.warnings}
    assert notes == {"aspect_ratio": "adapted", None: "other"}


async def test_a_lora_of_the_hub_is_named_to_the_provider() -> None:
    facts = {"adapter": "lora", "adapterWeightsPath": "w.safetensors"}
    lora = entry("fal-ai", T2I, "fal-ai/lora", **facts)
    async with loopback(lora, entry("replicate", T2I, "r/m", **facts)) as (server, client):
        server.on("POST", "*", answer_error(400, {"detail": "enough"}))
        for provider in ("fal-ai", "replicate"):
            with pytest.raises(InvalidRequestError, match="enough"):
                await client.image("a cat", model=f"huggingface:{MODEL}:{provider}")
    first, second = (one.json() for one in posted(server))
    path = f"https://huggingface.co/{MODEL}/resolve/main/w.safetensors"
    assert first == {
        "prompt": "a cat",
        "loras": [{"path": path, "scale": 1}],
        "model_name": "stabilityai/stable-diffusion-xl-base-1.0",
    }
    assert second["input"]["lora_weights"] == f"https://huggingface.co/{MODEL}"


def queue_of(provider: str, server: LoopbackServer) -> None:
    """A queue that has work for two looks, in the provider's own words."""
    file = f"{server.url}/files/picture.png"
    if provider == "fal-ai":
        place = "/fal-ai/vendor/requests/w1"
        url = "https://queue.fal.run/vendor/requests/w1"
        begun: dict[str, Any] = {"status": "IN_QUEUE", "request_id": "w1", "response_url": url}
        states: list[Any] = [{"status": "IN_PROGRESS"}, {"status": "COMPLETED"}]
        server.on("POST", "/fal-ai/vendor/name", answer_json(begun))
        server.on("GET", f"{place}/status", *map(answer_json, states))
        server.on("GET", place, answer_json({"images": [{"url": file}]}))
    elif provider == "replicate":
        begun = {"id": "w1", "status": "starting", "output": None}
        states = [{**begun, "status": "processing"}, {"status": "succeeded", "output": [file]}]
        server.on("POST", "/replicate/v1/models/vendor/name/predictions", answer_json(begun, 201))
        server.on("GET", "/replicate/v1/predictions/w1", *map(answer_json, states))
    elif provider == "wavespeed":
        url = "https://api.wavespeed.ai/api/v3/predictions/w1/result"
        begun = {"code": 200, "data": {"id": "w1", "status": "created", "urls": {"get": url}}}
        states = [{"data": {"status": "processing"}},
                  {"data": {"status": "completed", "outputs": [file]}}]  # fmt: skip
        server.on("POST", "/wavespeed/api/v3/vendor/name", answer_json(begun))
        server.on("GET", "/wavespeed/api/v3/predictions/w1/result", *map(answer_json, states))
    else:
        begun = {"id": "w1", "task_status": "PROCESSING", "model": "vendor/name"}
        states = [begun, {"task_status": "SUCCESS", "image_result": [{"url": file}]}]
        path = "/zai-org/api/paas/v4"
        server.on("POST", f"{path}/async/images/generations", answer_json(begun))
        server.on("GET", f"{path}/async-result/w1", *map(answer_json, states))


@pytest.mark.parametrize(
    ("provider", "task"),
    [("fal-ai", I2I), ("replicate", T2I), ("replicate", I2I), ("wavespeed", T2I),
     ("wavespeed", I2I), ("zai-org", T2I)],
)  # fmt: skip
async def test_queued_pictures_are_waited_for(provider: str, task: str) -> None:
    async with loopback(entry(provider, task)) as (server, client):
        queue_of(provider, server)
        images = [PICTURE] if task == I2I else []
        reply = await client.image("a cat", model=f"huggingface:{MODEL}", images=images)
    assert reply.images[0].data == PICTURE.data
    assert len(posted(server)) == 1
    looks = [one for one in server.requests if "w1" in one.path]
    assert len(looks) == (3 if provider == "fal-ai" else 2)
    for look in (*looks, *posted(server)):
        assert look.headers["authorization"] == f"Bearer {CANARY}"
        if provider == "fal-ai":
            assert look.query == {"_subdomain": "queue"}


@pytest.mark.parametrize(
    ("provider", "state", "error"),
    [
        ("replicate", {"status": "failed", "error": "NSFW"}, JobFailedError),
        ("replicate", {"status": "canceled"}, JobFailedError),
        ("wavespeed", {"data": {"status": "failed", "error": "bad"}}, JobFailedError),
        ("zai-org", {"task_status": "FAIL"}, JobFailedError),
        ("replicate", {"status": "succeeded", "output": None}, InvalidResponseError),
        ("zai-org", {"task_status": "SUCCESS", "image_result": []}, InvalidResponseError),
    ],
)
async def test_queued_work_that_fails_is_an_error_that_may_be_billed(
    provider: str, state: dict[str, Any], error: type[GenSDKError]
) -> None:
    async with loopback(entry(provider, T2I)) as (server, client):
        queue_of(provider, server)
        for path in ("/replicate/v1/predictions/w1", "/wavespeed/api/v3/predictions/w1/result",
                     "/zai-org/api/paas/v4/async-result/w1"):  # fmt: skip
            server.on("GET", path, answer_json(state))
        with pytest.raises(error) as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}")
    assert caught.value.billed == "maybe"
    assert len(posted(server)) == 1


async def test_a_look_that_fails_in_passing_is_repeated_and_the_request_never() -> None:
    async with loopback(entry("replicate", T2I), client={"retry": gensdk.Retry()}) as (server, c):
        queue_of("replicate", server)
        file = f"{server.url}/files/picture.png"
        down, up = answer_error(502, "down"), {"status": "succeeded", "output": file}
        server.on("GET", "/replicate/v1/predictions/w1", down, down, answer_json(up))
        reply = await c.image("a cat", model=f"huggingface:{MODEL}")
        assert reply.images[0].data == PICTURE.data
        server.on("GET", "/replicate/v1/predictions/w1", down)
        with pytest.raises(OutcomeUnknownError, match="took the work on") as caught:
            await c.image("a cat", model=f"huggingface:{MODEL}")
    assert (caught.value.billed, caught.value.job_id) == ("maybe", "w1")
    assert len(posted(server)) == 2


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_work_that_was_taken_on_is_not_asked_for_elsewhere(status: int) -> None:
    async with loopback(entry("replicate", T2I)) as (server, client):
        queue_of("replicate", server)
        server.on("GET", "/replicate/v1/predictions/w1", answer_error(status, {"error": "no"}))
        server.on("POST", f"/hf-inference/models/{MODEL}", answer_bytes(PICTURE.data, "image/png"))
        route = [f"huggingface:{MODEL}", f"huggingface:{MODEL}:hf-inference"]
        with pytest.raises(OutcomeUnknownError, match="took the work on") as caught:
            await client.image("a cat", model=route)
    assert (caught.value.billed, caught.value.job_id) == ("maybe", "w1")
    assert len(posted(server)) == 1


async def test_the_outcome_of_fals_queue_is_asked_for_again() -> None:
    async with loopback(entry("fal-ai", I2I)) as (server, client):
        queue_of("fal-ai", server)
        place, down = "/fal-ai/vendor/requests/w1", answer_error(503, "down")
        made = {"images": [{"url": f"{server.url}/files/picture.png"}] * 20}
        server.on("GET", place, down, down, answer_json(made))
        call: dict[str, Any] = {"model": f"huggingface:{MODEL}", "images": [PICTURE]}
        reply = await client.image("a hat", **call)
        assert len(reply.images) == 16
        blocked = {"detail": [{"msg": "no", "type": "content_policy_violation"}]}
        server.on("GET", place, answer_error(422, blocked))
        with pytest.raises(ContentBlockedError) as caught:
            await client.image("a hat", **call)
    assert caught.value.billed == "maybe"


async def test_work_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gensdk.backends.huggingface.work._LONGEST_S", 0.05)
    async with loopback(entry("zai-org", T2I)) as (server, client):
        queue_of("zai-org", server)
        under_way = answer_json({"id": "w1", "task_status": "A NEW WORD"})
        server.on("GET", "/zai-org/api/paas/v4/async-result/w1", under_way)
        with pytest.raises(OutcomeUnknownError, match="had not ended"):
            await client.image("a cat", model=f"huggingface:{MODEL}")
    assert len(posted(server)) == 1


@pytest.mark.parametrize(
    "begun",
    [
        {"id": "w1", "status": "created", "urls": {"get": "https://x/api/../../secret/w1"}},
        {"id": "w1", "status": "created", "urls": {"get": "https://x/elsewhere"}},
        {"id": "../w1", "status": "created", "urls": {"get": "https://x/api/v3/../w1"}},
        {"status": "created"},
    ],
)
async def test_a_number_that_leads_elsewhere_is_not_followed(begun: dict[str, Any]) -> None:
    async with loopback(entry("wavespeed", T2I)) as (server, client):
        server.on("POST", "*", answer_json({"data": begun}))
        with pytest.raises(InvalidResponseError, match="number"):
            await client.image("a cat", model=f"huggingface:{MODEL}")
    assert len(server.requests) == 2


async def test_several_pictures_and_what_no_provider_takes() -> None:
    async with loopback(entry("together", I2I), entry("wavespeed", I2I)) as (server, client):
        server.on("POST", "*", DRAWN)
        model = f"huggingface:{MODEL}"
        reply = await client.image(
            "merge", model=f"{model}:together", images=[PICTURE, PICTURE],
            seed=1, quality="high", strength=0.5, format="jpeg",
        )  # fmt: skip
        for wrong in ({"images": [PICTURE, PICTURE]}, {"images": [PICTURE], "mask": PICTURE}):
            for provider in ("wavespeed", "hf-inference"):
                with pytest.raises(UnsupportedFeatureError):
                    await client.image("merge", model=f"{model}:{provider}", **wrong)
    assert len(posted(server)[0].json()["reference_images"]) == 2
    assert len(posted(server)) == 1
    assert {note.parameter for note in reply.warnings} == {"seed", "quality", "strength", "format"}
    assert (reply.seed, reply.reproducible) == (None, False)


async def test_flux_kontext_at_together_takes_one_picture() -> None:
    kontext = entry("together", I2I, "black-forest-labs/FLUX.1-kontext-dev")
    async with loopback(kontext) as (server, client):
        server.on("POST", "*", DRAWN)
        model = f"huggingface:{MODEL}"
        await client.image("", model=model, images=[PICTURE], size="64x32")
        with pytest.raises(UnsupportedFeatureError, match="one picture"):
            await client.image("", model=model, images=[PICTURE, PICTURE])
    (sent,) = (one.json() for one in posted(server))
    assert sent.pop("image_url").startswith("data:image/png;base64,")
    assert sent == {
        "prompt": "", "response_format": "base64", "width": 64, "height": 32,
        "model": "black-forest-labs/FLUX.1-kontext-dev",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "asked", "note"),
    [
        ("wavespeed", {"size": "64x64"}, ("size", "unsupported")),
        ("wavespeed", {"aspect_ratio": "1:1"}, ("aspect_ratio", "unsupported")),
        ("together", {"size": "auto"}, ("size", "adapted")),
    ],
)
async def test_sizes_that_are_not_sent(
    provider: str, asked: dict[str, Any], note: tuple[str, str]
) -> None:
    async with loopback(entry(provider, I2I)) as (server, client):
        file = f"{server.url}/files/picture.png"
        made = {"id": "w1", "status": "completed", "outputs": [file], "urls": {"get": "/a/w1"}}
        drawn = answer_json({"data": made}) if provider == "wavespeed" else DRAWN
        server.on("POST", "*", drawn)
        reply = await client.image("a hat", model=f"huggingface:{MODEL}", images=[PICTURE], **asked)
    assert not {"size", "width", "target_size"} & posted(server)[0].json().keys()
    assert [(one.parameter, one.kind) for one in reply.warnings] == [note]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\0", "no JSON object"),
        (b'{"data": [{"b64_json": "%%%"}]}', "base64"),
        (b'{"data": [{"url": 1}]}', "no picture"),
        (b'{"data": [{"b64_json": "aGVsbG8="}]}', "is text/plain|is application"),
    ],
)
async def test_answers_without_a_picture(body: bytes, words: str) -> None:
    async with loopback(entry("together", T2I)) as (server, client):
        server.on("POST", "*", answer_bytes(body, "application/json"))
        with pytest.raises(InvalidResponseError, match=words) as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}")
    assert caught.value.billed != "no"


# -------------------------------------------------------------------------------- the hub's word
async def test_the_hub_is_asked_once_for_a_model() -> None:
    async with loopback(entry("together", T2I)) as (server, client):
        server.on("POST", "*", DRAWN)
        requests = [
            gensdk.types.ImageRequest(prompt=f"cat {n}", model=f"huggingface:{MODEL}")
            for n in range(5)
        ]
        async for _ in client.map(requests, concurrency=5):
            pass
    assert len(posted(server)) == 5
    assert len(server.requests) == 6


async def test_the_hubs_word_counts_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gensdk.backends.huggingface.providers._MOST", 1)
    now = 0.0
    async with LoopbackServer() as server:
        for name in ("a", "b"):
            told = mapping(entry("together", T2I))
            server.on("GET", f"/api/models/org/{name}", answer_json(told))
        hub = KeyedAccount(HUB_VENDOR, api_key=CANARY, base_url=server.url)
        providers = Providers(hub, clock=lambda: now)

        async def ask(name: str) -> int:
            context = Context(model=f"org/{name}")
            await providers.target(T2I, None, context, Notes("huggingface", context))
            return len(server.requests)

        assert [await ask("a"), await ask("a")] == [1, 1]
        now = 3599.0
        assert await ask("a") == 1
        now = 3601.0
        assert await ask("a") == 2
        assert [await ask("b"), await ask("b"), await ask("a")] == [3, 3, 4]
        await hub.aclose()


async def test_both_forms_of_the_hubs_answer_and_its_health_checks() -> None:
    told = {
        "broken": "words",
        "fal-ai": {**entry("fal-ai", T2I), "status": "error"},
        "nscale": entry("nscale", T2I, "n"),
        "zai-org": {"task": T2I},
    }
    async with loopback() as (server, client):
        server.on("GET", HUB, answer_json({"id": MODEL, "inferenceProviderMapping": told}))
        server.on("POST", "/nscale/v1/images/generations", DRAWN)
        server.on("POST", "/fal-ai/vendor/name", answer_json({"images": [{"url": "data:,x"}]}))
        reply = await client.image("a cat", model=f"huggingface:{MODEL}", size="64x32", steps=3)
        with pytest.raises(InvalidResponseError, match="text/plain"):
            await client.image("a cat", model=f"huggingface:{MODEL}:fal-ai")
    assert posted(server)[0].json()["size"] == "64x32"
    assert {note.parameter for note in reply.warnings} == {"steps"}


async def test_a_provider_that_failed_the_hubs_last_check_is_noted() -> None:
    async with loopback(entry("together", T2I, status="error")) as (server, client):
        server.on("POST", "*", DRAWN)
        reply = await client.image("a cat", model=f"huggingface:{MODEL}")
    (note,) = reply.warnings
    assert (note.parameter, note.kind) == ("model", "other")
    assert "together with this model: error" in note.message


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (MODEL, ModelNotFoundError, r"the hub names groq \(conversational\)"),
        (f"{MODEL}:fal-ai", ModelNotFoundError, "nobody"),
        (f"{MODEL}:fastest", InvalidRequestError, "for text alone"),
        (f"{MODEL}:groq", InvalidRequestError, "groq is not known for text-to-image"),
    ],
)
async def test_nobody_who_does_it(model: str, error: type[GenSDKError], words: str) -> None:
    async with loopback(entry("groq", "conversational")) as (server, client):
        with pytest.raises(error, match=words) as caught:
            await client.image("a cat", model=f"huggingface:{model}")
    assert posted(server) == []
    assert caught.value.attempts == () or caught.value.attempts[0].billed == "no"


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {"x-error-code": "RepoNotFound"}, ModelNotFoundError),
        (404, {"x-error-code": "RepoNotFound"}, ModelNotFoundError),
        (403, {"x-error-code": "GatedRepo"}, gensdk.errors.PermissionDeniedError),
        (401, {}, gensdk.errors.AuthenticationError),
        (503, {}, OverloadedError),
    ],
)
async def test_failures_of_the_hub_cost_nothing(
    status: int, headers: dict[str, str], error: type[GenSDKError]
) -> None:
    async with loopback() as (server, client):
        body = {"error": f"bad {CANARY}"}
        server.on("GET", HUB, answer_error(status, body, headers))
        with pytest.raises(error) as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}")
    assert caught.value.billed == "no"
    assert caught.value.code == headers.get("x-error-code")
    assert CANARY not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


async def test_the_hub_says_why_in_a_header() -> None:
    async with loopback() as (server, client):
        said = {"x-error-message": "Access to this resource is disabled."}
        server.on("GET", HUB, answer_error(403, {}, said))
        with pytest.raises(gensdk.errors.PermissionDeniedError, match="resource is disabled"):
            await client.image("a cat", model=f"huggingface:{MODEL}")


async def test_a_hub_that_says_nothing_of_use_is_an_error_without_a_price() -> None:
    async with loopback() as (server, client):
        server.on("GET", HUB, answer_json([1]))
        with pytest.raises(InvalidResponseError, match="hub") as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}")
        assert caught.value.billed == "no"
        server.on("GET", HUB, answer_json(mapping()))
        with pytest.raises(ModelNotFoundError):
            await client.image("a cat", model=f"huggingface:{MODEL}")


# ---------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("status", "body", "error", "wait"),
    [
        (503, {"error": "Model is loading", "estimated_time": 20.5}, OverloadedError, 20.5),
        (429, {"error": "overloaded", "error_type": "overloaded"}, OverloadedError, None),
        (422, {"detail": [{"loc": ["body"], "msg": "no", "type": "content_policy_violation"}]},
         ContentBlockedError, None),
        (500, {"detail": [{"msg": "no", "type": "downstream_service_error"}]}, ServerError, None),
        (402, {"error": "You have exceeded your monthly included credits"},
         gensdk.errors.QuotaExceededError, None),
        (400, {"error": {"message": "x", "code": "model_not_supported"}}, ModelNotFoundError, None),
        (404, "Not Found", ModelNotFoundError, None),
        (400, {"error": ["one", "two"], "estimated_time": "soon"}, InvalidRequestError, None),
    ],
)  # fmt: skip
async def test_what_failures_mean(
    status: int, body: object, error: type[GenSDKError], wait: float | None
) -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_error(status, body))
        with pytest.raises(error) as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}:hf-inference")
    assert caught.value.status == status
    assert caught.value.retry_after == wait


async def test_the_header_says_when_to_come_back_before_the_body_does() -> None:
    async with loopback() as (server, client):
        body = {"error": "loading", "estimated_time": 20}
        server.on("POST", "*", answer_error(503, body, {"retry-after": "3"}))
        with pytest.raises(OverloadedError) as caught:
            await client.image("a cat", model=f"huggingface:{MODEL}:hf-inference")
    assert caught.value.retry_after == 3


# ---------------------------------------------------------------------------------------- speech
@pytest.mark.parametrize(
    ("provider", "path", "body"),
    [
        ("hf-inference", f"/models/{MODEL}", {"inputs": "Hello", "parameters": {}}),
        ("together", "/v1/audio/speech", {"input": "Hello", "model": "v/n", "voice": "tara"}),
        ("deepinfra", "/v1/openai/audio/speech",
         {"input": "Hello", "model": "v/n", "voice": "tara"}),
    ],
)  # fmt: skip
async def test_speech_comes_as_it_is(provider: str, path: str, body: dict[str, Any]) -> None:
    async with loopback(entry(provider, TTS, "v/n")) as (server, client):
        server.on("POST", f"/{provider}{path}", answer_bytes(SOUND.data, "audio/wav"))
        voice = await client.speech(
            "Hello", model=f"huggingface:{MODEL}:{provider}", voice="tara", speed=2
        )
    assert posted(server)[0].json() == body
    assert (voice.audio.data, voice.audio.media_type) == (SOUND.data, "audio/wav")
    dropped = {"speed"} if "voice" in body else {"speed", "voice"}
    assert {note.parameter for note in voice.warnings} == dropped


@pytest.mark.parametrize("provider", ["fal-ai", "replicate"])
async def test_speech_is_fetched_from_its_address(provider: str) -> None:
    async with loopback(entry(provider, TTS)) as (server, client):
        file = f"{server.url}/files/sound.wav"
        made = {"audio": {"url": file}, "id": "w1", "status": "succeeded", "output": file}
        server.on("POST", "*", answer_json(made))
        voice = await client.speech(
            "Hello", model=f"huggingface:{MODEL}:{provider}", extra={"speed": 2}
        )
    asked = {"text": "Hello", "speed": 2}
    assert posted(server)[0].json() == (asked if provider == "fal-ai" else {"input": asked})
    assert voice.audio.data == SOUND.data


async def test_sound_that_cannot_be_fetched_is_paid_for() -> None:
    async with loopback(entry("fal-ai", TTS)) as (server, client):
        server.on("POST", "*", answer_json({"audio": {"url": f"{server.url}/files/gone"}}))
        with pytest.raises(InvalidResponseError, match="did not serve") as caught:
            await client.speech("Hello", model=f"huggingface:{MODEL}")
    assert caught.value.billed == "yes"


async def test_an_answer_that_is_no_sound() -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_json({"ok": True}), answer_bytes(PICTURE.data, "audio/wav"))
        for words in ("json", "image/png"):
            with pytest.raises(InvalidResponseError, match=words):
                await client.speech("Hello", model=f"huggingface:{MODEL}:hf-inference")


# --------------------------------------------------------------------------------- transcription
async def test_a_transcript_with_times() -> None:
    chunks = [
        {"text": " One", "timestamp": [0, 1.5]},
        {"text": " two", "timestamp": [1.5, None]},
        {"text": "?", "timestamp": None},
    ]
    async with loopback() as (server, client):
        server.on("POST", "*", answer_json({"text": " One two", "chunks": chunks}))
        model = f"huggingface:{MODEL}:hf-inference"
        words = await client.transcribe(SOUND, model=model, timestamps="segment", temperature=0)
        plain = await client.transcribe(SOUND, model=model)
    assert server.requests[0].json() == {
        "inputs": base64.b64encode(SOUND.data).decode(),
        "parameters": {
            "return_timestamps": True,
            "generation_parameters": {"temperature": 0.0},
        },
    }
    assert [(one.text, one.start_s, one.end_s) for one in words.segments] == [
        (" One", 0, 1.5),
        (" two", 1.5, 1.5),
    ]
    assert (plain.text, plain.segments) == (" One two", ())


async def test_transcripts_of_the_other_providers() -> None:
    async with loopback(*(entry(p, ASR) for p in ("fal-ai", "deepinfra"))) as (server, client):
        server.on("POST", "*", answer_json({"text": "Hi"}))
        for provider in ("fal-ai", "deepinfra"):
            heard = await client.transcribe(
                SOUND, model=f"huggingface:{MODEL}:{provider}", language="en", extra={"task": "x"}
            )
            assert heard.text == "Hi"
            assert [note.parameter for note in heard.warnings] == ["language"]
    first, second = posted(server)
    assert first.json()["audio_url"].startswith("data:audio/wav;base64,")
    assert second.path == "/deepinfra/v1/openai/audio/transcriptions"
    form = {part.name: part.content for part in second.form()}
    assert form == {"model": b"vendor/name", "task": b"x", "file": SOUND.data}


@pytest.mark.parametrize(
    "output",
    ["Hi", ["Hi"], [{"transcription": "Hi"}], {"translation": "Hi"}, {"txt_file": "data:,Hi"}],
)
async def test_replicates_transcripts_in_all_their_forms(output: object) -> None:
    async with loopback(entry("replicate", ASR, "o/m:v1")) as (server, client):
        made = {"id": "w1", "status": "succeeded", "output": output}
        server.on("POST", "/replicate/v1/predictions", answer_json(made))
        heard = await client.transcribe(SOUND, model=f"huggingface:{MODEL}")
    assert heard.text == "Hi"
    assert posted(server)[0].json()["version"] == "v1"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"diarize": True}, UnsupportedFeatureError),
        ({"translate": True}, UnsupportedFeatureError),
        ({"timestamps": "word"}, UnsupportedFeatureError),
        ({"audio": PICTURE}, InvalidRequestError),
        ({"audio": Media(data=bytes(8), media_type="audio/pcm")}, InvalidRequestError),
    ],
)
async def test_transcripts_that_cannot_be(asked: dict[str, Any], error: type[GenSDKError]) -> None:
    async with loopback() as (server, client):
        with pytest.raises(error):
            await client.transcribe(
                **{"audio": SOUND, "model": f"huggingface:{MODEL}:hf-inference", **asked}
            )
    assert server.requests == []


async def test_a_transcript_without_words_or_times() -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_json({"chunks": []}), answer_json({"text": "Hi"}))
        for words in ("no transcript", "without the times"):
            with pytest.raises(InvalidResponseError, match=words):
                await client.transcribe(
                    SOUND, model=f"huggingface:{MODEL}:hf-inference", timestamps="segment"
                )


# --------------------------------------------------------------------------------------- vectors
async def test_vectors_of_hugging_faces_own_servers() -> None:
    async with loopback() as (server, client):
        path = f"/hf-inference/models/{MODEL}/pipeline/{EMBED}"
        server.on("POST", path, answer_json([[1.0, 2.0], [3.0, 4.0]]))
        reply = await client.embed(
            ["a", "b"],
            model=f"huggingface:{MODEL}:hf-inference",
            dimensions=2,
            task="query",
            options={"huggingface": HuggingFaceEmbedOptions(normalize=True, prompt_name="query")},
        )
    assert server.requests[0].json() == {
        "inputs": ["a", "b"],
        "dimensions": 2,
        "normalize": True,
        "prompt_name": "query",
    }
    assert reply.vectors.tolist() == [[1, 2], [3, 4]]
    assert [note.parameter for note in reply.warnings] == ["task"]


async def test_models_for_sentences_give_vectors_at_hugging_faces_own_servers() -> None:
    entries = [entry(one, "sentence-similarity", MODEL) for one in ("together", "hf-inference")]
    async with loopback(*entries) as (server, client):
        server.on("POST", "*", answer_json([[1.0]]))
        reply = await client.embed("a", model=f"huggingface:{MODEL}")
    assert posted(server)[0].path == f"/hf-inference/models/{MODEL}/pipeline/{EMBED}"
    assert reply.vectors.tolist() == [[1]]


@pytest.mark.parametrize("provider", ["together", "deepinfra", "scaleway"])
async def test_vectors_of_the_others(provider: str) -> None:
    async with loopback(entry(provider, EMBED)) as (server, client):
        rows = [{"embedding": [3.0], "index": 1}, {"embedding": [1.0], "index": 0}]
        server.on("POST", "*", answer_json({"data": rows, "usage": {"prompt_tokens": 4}}))
        reply = await client.embed(["a", "b"], model=f"huggingface:{MODEL}:{provider}")
        with pytest.raises(UnsupportedFeatureError, match="normalize"):
            await client.embed(
                ["a"], model=f"huggingface:{MODEL}:{provider}",
                options={"huggingface": {"normalize": True}},
            )  # fmt: skip
    assert posted(server)[0].json() == {"input": ["a", "b"], "model": "vendor/name"}
    assert reply.vectors.tolist() == [[1], [3]]
    assert (reply.usage.input_tokens, reply.model) == (4, MODEL + ":" + provider)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[[1.0], [2.0]]], "for each token"),
        ({"a": 1}, "no list"),
        ([[1.0], [2.0]], "1 vectors were expected"),
        ([["a"]], "cannot be read"),
    ],
)
async def test_vectors_that_are_none(rows: object, words: str) -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_json(rows))
        with pytest.raises(InvalidResponseError, match=words):
            await client.embed("a", model=f"huggingface:{MODEL}:hf-inference")
