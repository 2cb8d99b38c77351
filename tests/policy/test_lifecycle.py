"""Models that end: told once, refused after, renamed by the vendor's own "not found"."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import openai
import pytest

import gensdk
from gensdk import Lifecycle, ModelRetiring
from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.google import GoogleBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    ConfigurationError,
    GenSDKError,
    MissingCredentialsError,
    ModelNotFoundError,
    ModelRetiredError,
)
from gensdk.spec import Backend, Capabilities
from gensdk.testing import ScriptedBackend
from gensdk.types import ModelEnding
from tests.support.server import LoopbackServer, answer_error

TODAY = date(2026, 11, 21)
KEY = "sk-test-1234567890"
TEXT = frozenset({"text"})
MISSING = {"error": {"message": "no such model", "code": "model_not_found"}}


def on(day: date, **settings: Any) -> Lifecycle:
    return Lifecycle(today=lambda: day, **settings)


def ending_in(days: int, successor: str | None = "new", **facts: Any) -> Capabilities:
    end = ModelEnding(TODAY + timedelta(days=days), successor, "a page", **facts)
    return Capabilities(TEXT, streams=TEXT, ending=end)  # type: ignore[arg-type]


def client_of(facts: Capabilities, *said: Any, **settings: Any) -> gensdk.Client:
    backend = ScriptedBackend(*said, capabilities=facts, repeat=True)
    settings.setdefault("lifecycle", on(TODAY))
    return gensdk.Client(backends={"p": backend}, **settings)


# ------------------------------------------------------------------------------------ retiring
async def test_a_model_near_its_end_is_told_once_and_noted_each_time() -> None:
    client = client_of(ending_in(30), "fine")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        replies = [await client.text("hi", model="p:old") for _ in range(3)]
        same = client.with_options(unsupported="drop")
        replies.append(await same.text("hi", model="p:old"))
    (only,) = told
    assert str(only.message) == ("p shuts old down on 2026-12-21, in 30 days; move to p:new")
    assert only.filename == __file__  # the line that made the call
    for reply in replies:
        (note,) = reply.warnings
        assert (note.kind, note.parameter, note.message) == (
            "retiring", "model", str(only.message),
        )  # fmt: skip


async def test_each_model_and_each_client_is_told() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        client = client_of(ending_in(30), "fine")
        await client.text("hi", model="p:old")
        await client.text("hi", model="p:other")
        await client_of(ending_in(30), "fine").text("hi", model="p:old")
    assert [str(one.message).split()[2] for one in told] == ["old", "other", "old"]


@pytest.mark.parametrize(
    ("days", "settings", "said"),
    [
        (61, {}, None),
        (60, {}, "in 60 days; move to p:new"),
        (61, {"warn_days": 61}, "in 61 days; move to p:new"),
        (1, {}, "in 1 day; move to p:new"),
        (0, {}, None),  # on the day itself the server decides
        (30, {"warn_days": 0}, None),
        (-1, {}, None),  # not the vendor's own address: it may live on
    ],
)
async def test_days(days: int, settings: dict[str, int], said: str | None) -> None:
    client = client_of(ending_in(days), "fine", lifecycle=on(TODAY, **settings))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        reply = await client.text("hi", model="p:old")
    assert [one.category for one in told] == ([ModelRetiring] if said else [])
    assert [one.message.endswith(said or "") for one in reply.warnings] == [True] * bool(said)


async def test_streams_say_it_too() -> None:
    client = client_of(ending_in(5, None), "one two")
    with pytest.warns(ModelRetiring, match="there is no successor yet"):
        async with client.stream_text("hi", model="p:old") as stream:
            reply = await stream.result()
    assert [one.kind for one in reply.warnings] == ["retiring"]


async def test_retries_and_parts_note_it_once() -> None:
    client = client_of(
        Capabilities(TEXT, max_candidates=1, ending=ending_in(5).ending),  # type: ignore[arg-type]
        "fine",
    )
    with pytest.warns(ModelRetiring):
        reply = await client.text("hi", model="p:old", n=3)
    assert len(reply.candidates) == 3
    assert len(reply.warnings) == 1


async def test_a_user_can_make_an_error_of_it() -> None:
    client = client_of(ending_in(5), "fine")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelRetiring)
        with pytest.raises(ModelRetiring):
            await client.text("hi", model="p:old")


def test_the_synchronous_client_tells_too() -> None:
    backend = ScriptedBackend("fine", capabilities=ending_in(5))
    with (
        gensdk.SyncClient(backends={"p": backend}, lifecycle=on(TODAY)) as client,
        pytest.warns(ModelRetiring, match="in 5 days"),
    ):
        client.text("hi", model="p:old")


async def test_only_the_answer_of_that_model_says_so_and_a_kept_one_too() -> None:
    old = ScriptedBackend(GenSDKError("?", status=500), "fine", capabilities=ending_in(5))
    backends: dict[str, Backend] = {"p": old, "q": ScriptedBackend("spare")}
    client = gensdk.Client(
        backends=backends, lifecycle=on(TODAY), cache=gensdk.Cache(),
        retry=gensdk.Retry(attempts=1),
    )  # fmt: skip
    route = gensdk.Route("p:old", "q:m", on=(GenSDKError,))
    with pytest.warns(ModelRetiring):
        reply = await client.text("hi", model=route, cache=False)
    assert (reply.text, reply.warnings) == ("spare", ())
    for kept in (False, True):
        reply = await client.text("hi", model="p:old", cache=True)
        assert (reply.cached, [one.kind for one in reply.warnings]) == (kept, ["retiring"])


# ------------------------------------------------------------------------------------- retired
async def test_after_the_day_the_vendors_own_address_is_not_asked() -> None:
    client = client_of(ending_in(-1, certain=True), "fine")
    with pytest.raises(ModelRetiredError) as caught:
        await client.text("hi", model="p:old")
    error = caught.value
    assert (error.successor, error.retired_on) == ("p:new", TODAY - timedelta(days=1))
    assert (error.provider, error.model, error.status, error.billed) == ("p", "old", None, "no")
    assert [one.error for one in error.attempts] == ["model_retired"]
    followed = client_of(ending_in(-1, certain=True), "fine", on_retired="successor")
    with pytest.raises(ModelRetiredError):  # the scripted successor is over as well
        await followed.text("hi", model="p:old")


@pytest.mark.parametrize(
    ("facts", "error", "kind"),
    [
        (ending_in(0), ModelNotFoundError("?", status=404, code="x"), ModelRetiredError),
        (ending_in(0), ModelNotFoundError("?"), ModelRetiredError),
        (ending_in(0), GenSDKError("?", status=410), ModelRetiredError),
        (ending_in(0), GenSDKError("?", status=400), GenSDKError),
        (ending_in(1), ModelNotFoundError("?"), ModelNotFoundError),
        (Capabilities(TEXT), ModelNotFoundError("?"), ModelNotFoundError),  # type: ignore[arg-type]
    ],
)
async def test_not_found_of_a_model_that_has_ended(
    facts: Capabilities, error: GenSDKError, kind: type[GenSDKError]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelRetiring)
        with pytest.raises(GenSDKError) as caught:
            await client_of(facts, error, retry=gensdk.Retry(attempts=1)).text("hi", model="p:old")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (error.status, error.code)
    assert caught.value.attempts[0].error == caught.value.kind


# ------------------------------------------------------------------------------------- vendors
VENDORS: list[tuple[Callable[..., Backend], str, date, str]] = [
    (OpenAIBackend, "gpt-4", date(2026, 10, 23), "gpt-5.6-sol"),
    (OpenAIBackend, "gpt-3.5-turbo", date(2026, 10, 23), "gpt-5.6-terra"),
    (OpenAIBackend, "dall-e-3", date(2026, 5, 12), "gpt-image-2.5-flare"),
    (OpenAIBackend, "text-davinci-003", date(2024, 1, 4), "gpt-6-luna"),
    (AnthropicBackend, "claude-opus-4-1-20250805", date(2026, 8, 5), "claude-opus-5-5"),
    (GoogleBackend, "imagen-4.0-generate-001", date(2026, 8, 17), "gemini-3.1-flash-image"),
]


@asynccontextmanager
async def vendor(backend: Backend, day: date) -> AsyncIterator[gensdk.Client]:
    async with gensdk.Client(backends={"v": backend}, lifecycle=on(day)) as client:
        yield client
    await backend.aclose()


async def ask(client: gensdk.Client, model: str) -> Any:
    if model.startswith(("dall", "imagen")):
        return await client.image("a cat", model=f"v:{model}")
    return await client.text("hi", model=f"v:{model}")


@pytest.mark.parametrize(("kind", "model", "end", "successor"), VENDORS)
async def test_names_of_tutorials_explain_themselves(
    kind: Callable[..., Backend], model: str, end: date, successor: str
) -> None:
    async with vendor(kind(api_key=KEY), end + timedelta(days=1)) as client:
        with pytest.raises(ModelRetiredError) as caught:
            await ask(client, model)
        ending = client.capabilities(f"v:{model}").ending
    assert ending is not None
    assert (ending.on, ending.certain) == (end, True)
    assert (caught.value.successor, caught.value.retired_on) == (f"v:{successor}", end)
    assert f"{model} was shut down on {end}; use 'v:{successor}' instead" in caught.value.message


@pytest.mark.parametrize(("kind", "model", "end", "successor"), VENDORS)
async def test_elsewhere_and_on_the_day_the_server_decides(
    kind: Callable[..., Backend], model: str, end: date, successor: str
) -> None:
    async with vendor(kind(), end) as client:
        with pytest.raises(MissingCredentialsError):  # so it would have been sent
            await ask(client, model)
    async with LoopbackServer() as server:
        for path in ("/responses", "/messages", "/images/generations"):
            server.on("POST", f"/v1{path}", answer_error(404, MISSING))
        server.on("POST", f"/v1/models/{model}:generateContent", answer_error(404, MISSING))
        server.on("POST", f"/v1/models/{model}:predict", answer_error(404, MISSING))
        root = server.url if kind is not OpenAIBackend else f"{server.url}/v1"
        async with vendor(kind(api_key=KEY, base_url=root), end + timedelta(days=9)) as client:
            with pytest.raises(ModelRetiredError) as caught:
                await ask(client, model)
    assert len(server.requests) == 1
    assert (caught.value.status, caught.value.successor) == (404, f"v:{successor}")


async def test_a_lent_client_of_openais_own_address_knows_too() -> None:
    lent = openai.AsyncOpenAI(api_key=KEY)
    async with lent, vendor(OpenAIBackend(client=lent), TODAY) as client:
        with pytest.raises(ModelRetiredError):
            await client.text("hi", model="v:gpt-4")


async def test_without_a_successor_the_message_says_so() -> None:
    async with vendor(OpenAIBackend(api_key=KEY), TODAY) as client:
        with pytest.raises(ModelRetiredError, match="names no successor") as caught:
            await client.video("a boat", model="v:sora-2")
    assert caught.value.successor is None


# ------------------------------------------------------------------------------------ settings
@pytest.mark.parametrize(
    "wrong", [{"warn_days": -1}, {"warn_days": 1.5}, {"warn_days": True}, {"listings": "file"}]
)
def test_settings_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Lifecycle(**wrong)


def test_the_client_takes_nothing_else() -> None:
    with pytest.raises(ConfigurationError, match=r"gensdk\.Lifecycle"):
        gensdk.Client(lifecycle=60)  # type: ignore[arg-type]
