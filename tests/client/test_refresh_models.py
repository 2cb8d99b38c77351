"""Lists of models: read on request, bounded, written down, and believed before the catalogue."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk import Lifecycle, ModelRetiring
from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.elevenlabs import ElevenLabsBackend
from gensdk.backends.google import GoogleBackend
from gensdk.backends.openai import AzureOpenAIBackend, OpenAIBackend
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    GenSDKError,
    InvalidResponseError,
    ModelNotFoundError,
    ModelRetiredError,
    ResponseTooLargeError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.spec import Backend, ListingBackend
from gensdk.testing import ScriptedBackend
from gensdk.types import ListedModel
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

KEY = "sk-list-1234567890"
TODAY = date(2026, 11, 21)
OPENAI: list[dict[str, Any]] = [
    {"id": "gpt-6-luna", "object": "model", "created": 1793000000, "owned_by": "openai",
     "shutdown_date": None},
    {"id": "gpt-5", "object": "model", "created": 1754000000, "owned_by": "openai",
     "shutdown_date": "2027-03-01"},
    {"id": "gpt-4o", "object": "model", "created": 1715000000, "owned_by": "openai",
     "shutdown_date": None},
    {"id": "gpt-9-nova", "object": "model", "created": 1795000000, "owned_by": "openai",
     "shutdown_date": "2026-11-30"},
]  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lists" / "models.json"


def at(server: LoopbackServer, path: str = "/v1") -> dict[str, Any]:
    return {"api_key": KEY, "base_url": server.url + path}


def client_of(file: Path | None = None, **backends: Backend) -> gensdk.Client:
    settings = Lifecycle(listings=file or False, today=lambda: TODAY)
    return gensdk.Client(backends=backends, lifecycle=settings)


class Lister(ScriptedBackend):
    """A backend that answers text and lists what it is told."""

    def __init__(self, *lists: list[ListedModel] | Exception, **settings: Any) -> None:
        super().__init__(*settings.pop("steps", ("fine",)), repeat=True, **settings)
        self.lists = list(lists)

    async def list_models(self, context: Any) -> list[ListedModel]:
        assert context.model == ""
        now = self.lists.pop(0)
        if isinstance(now, Exception):
            raise now
        return now


def written(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def put(file: Path, content: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(content, "utf-8")


def listed(*names: str, **facts: Any) -> list[ListedModel]:
    return [ListedModel(id=name, **facts) for name in names]


# --------------------------------------------------------------------------------- the vendors
async def test_openai_tells_dates(server: LoopbackServer) -> None:
    server.on("GET", "/v1/models", answer_json({"object": "list", "data": OPENAI}))
    backend = OpenAIBackend(**at(server))
    assert isinstance(backend, ListingBackend)
    async with client_of(openai=backend) as client:
        found = await client.list_models("openai")
    assert [(one.id, one.status, one.retires_on) for one in found[:2]] == [
        ("gpt-6-luna", "active", None),
        ("gpt-5", "deprecated", date(2027, 3, 1)),
    ]
    assert found[0].created_on == date(2026, 10, 26)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    await backend.aclose()


async def test_anthropic_tells_states_over_pages(server: LoopbackServer) -> None:
    async def pages(request: RecordedRequest, reply: Reply) -> None:
        after = request.query.get("after_id")
        assert request.query["limit"] == "1000"
        assert request.headers["anthropic-version"] == "2026-10-21"
        one = {"id": "claude-sonnet-4-5", "type": "model", "lifecycle": "deprecated",
               "deprecated_at": "2026-09-01T00:00:00Z", "retires_at": "2026-11-30T00:00:00Z",
               "created_at": "2025-09-29T00:00:00Z"}  # fmt: skip
        two = {"id": "claude-opus-5-5", "lifecycle": "active", "retires_at": None,
               "max_input_tokens": 1000000, "max_tokens": 128000}  # fmt: skip
        await reply.json(
            {"data": [two if after else one], "has_more": not after, "last_id": "claude-x"}
        )

    server.on("GET", "/v1/models", pages)
    backend = AnthropicBackend(**at(server, ""))
    async with client_of(anthropic=backend) as client:
        first, second = await client.list_models("anthropic")
    assert (first.status, first.retires_on) == ("deprecated", date(2026, 11, 30))
    assert first.created_on == date(2025, 9, 29)
    assert (second.status, second.retires_on) == ("active", None)
    assert (second.max_input_tokens, second.max_output_tokens) == (1000000, 128000)
    assert [one.query.get("after_id") for one in server.requests] == [None, "claude-x"]
    await backend.aclose()


async def test_google_tells_sizes_over_pages(server: LoopbackServer) -> None:
    async def pages(request: RecordedRequest, reply: Reply) -> None:
        token = request.query.get("pageToken")
        model = {"name": "models/gemini-embedding-2", "inputTokenLimit": 8192,
                 "supportedGenerationMethods": ["embedContent", 7]}  # fmt: skip
        if token is None:
            await reply.json({"models": [{"name": "models/gemini-3.8-flash"}],
                              "nextPageToken": "n 2"})  # fmt: skip
        else:
            assert token == "n 2"
            await reply.json({"models": [model]})

    server.on("GET", "/v1/models", pages)
    backend = GoogleBackend(**at(server, ""))
    async with client_of(google=backend) as client:
        first, second = await client.list_models("google")
    assert (first.id, first.status, first.abilities) == ("gemini-3.8-flash", None, None)
    assert (second.abilities, second.max_input_tokens) == (frozenset({"embed"}), 8192)
    await backend.aclose()


async def test_elevenlabs_lists_voices_models(server: LoopbackServer) -> None:
    server.on(
        "GET",
        "/v1/models",
        answer_json([{"model_id": "eleven_v4", "can_do_text_to_speech": True}, {"model_id": "x"}]),
    )
    backend = ElevenLabsBackend(**at(server, ""))
    async with client_of(elevenlabs=backend) as client:
        found = await client.list_models("elevenlabs")
    assert [(one.id, one.abilities) for one in found] == [
        ("eleven_v4", frozenset({"speech"})), ("x", None),
    ]  # fmt: skip
    await backend.aclose()


async def test_a_compatible_server_lists_without_dates(server: LoopbackServer) -> None:
    entry = {"id": "org/Qwen3-4B", "object": "model", "created": 1, "max_model_len": 32768}
    server.on("GET", "/v1/models", answer_json({"data": [entry]}))
    backend = OpenAICompatibleBackend(server.url + "/v1")
    async with client_of(gpu=backend) as client:
        (found,) = await client.list_models("gpu")
    assert (found.id, found.status, found.max_input_tokens) == ("org/Qwen3-4B", None, 32768)
    await backend.aclose()


async def test_who_has_no_list_says_so() -> None:
    azure = AzureOpenAIBackend("https://x.openai.azure.com", api_key=KEY)
    async with client_of(p=ScriptedBackend("x"), azure=azure) as client:
        with pytest.raises(UnsupportedFeatureError, match="no list of models"):
            await client.list_models("p")
        with pytest.raises(UnsupportedFeatureError, match="deployments"):
            await client.list_models("azure")


# ------------------------------------------------------------------------------------- hostile
@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>", b"", b"[]", b'{"data": []}',
        b'{"data": {}}', b'{"data": null}', b'{"data": "x"}',
        b'{"data": [1, null, "gpt"]}', b'{"data": [{"id": ""}, {"id": 5}, {"id": "a b"}]}',
        b'{"data": [{"id": "a\\u001b[2J"}, {"id": "\\u202ex"}]}',
        json.dumps({"data": [{"id": "x" * 301}]}).encode(),
        json.dumps({"data": [{"id": f"m{number}"} for number in range(20_001)]}).encode(),
    ],
)  # fmt: skip
async def test_what_is_no_list_is_an_error(server: LoopbackServer, body: bytes) -> None:
    server.on("GET", "/v1/models", answer_bytes(body, "application/json"))
    backend = OpenAIBackend(**at(server))
    async with client_of(openai=backend) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await client.list_models("openai")
    assert (caught.value.provider, caught.value.model) == ("openai", None)
    assert len(server.requests) == 1
    await backend.aclose()


async def test_odd_values_of_an_entry_are_left_out(server: LoopbackServer) -> None:
    odd = [
        {"id": "a", "created": "yesterday", "shutdown_date": "soon", "max_model_len": -1},
        {"id": "b", "created": 1e300, "shutdown_date": 7, "max_model_len": "big"},
        {"id": "c", "created": True, "context_length": 10**30},
        {"id": "a", "shutdown_date": "2026-12-01"},
        {"name": "no id"},
    ]
    server.on("GET", "/v1/models", answer_json({"data": odd}))
    backend = OpenAIBackend(**at(server))
    async with client_of(openai=backend) as client:
        found = await client.list_models("openai")
    assert [(one.id, one.status, one.retires_on) for one in found] == [
        ("a", "deprecated", None), ("b", "deprecated", date(1970, 1, 1)), ("c", None, None),
    ]  # fmt: skip
    assert {one.created_on for one in found} == {None}
    assert {one.max_input_tokens for one in found} == {None}
    await backend.aclose()


async def turning(request: RecordedRequest, reply: Reply) -> None:
    turn: int = int(request.query.get("pageToken", "0")) + 1
    await reply.json({"models": [{"name": f"m{turn}"}], "nextPageToken": str(turn)})


async def circling(_: RecordedRequest, reply: Reply) -> None:
    await reply.json({"models": [{"name": "m"}], "nextPageToken": "same"})


@pytest.mark.parametrize(("handler", "count"), [(turning, 51), (circling, 2)])
async def test_pages_without_end_are_left(server: LoopbackServer, handler: Any, count: int) -> None:
    server.on("GET", "/v1/models", handler)
    backend = GoogleBackend(**at(server, ""))
    async with client_of(google=backend) as client:
        with pytest.raises(InvalidResponseError):
            await client.list_models("google")
    assert len(server.requests) == count
    await backend.aclose()


async def test_a_list_too_large_is_not_read(server: LoopbackServer) -> None:
    async def endless(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(headers={"content-type": "application/json"})
        piece = b" " * 2**20
        for _number in range(40):
            await reply.chunk(piece)

    server.on("GET", "/v1/models", endless)
    backend = OpenAIBackend(**at(server))
    async with client_of(openai=backend) as client:
        with pytest.raises(ResponseTooLargeError):
            await client.list_models("openai")
    await backend.aclose()


async def test_failures_are_typed_and_bounded(server: LoopbackServer) -> None:
    async def silent(_: RecordedRequest, reply: Reply) -> None:
        await server.closed_by_client()

    server.on("GET", "/v1/models", answer_error(401, {"error": {"message": f"bad {KEY}"}}), silent)
    backend = OpenAIBackend(**at(server))
    async with client_of(openai=backend) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.list_models("openai")
        assert KEY not in str(caught.value)
        with pytest.raises(TimedOutError) as late:
            await client.list_models("openai", timeout_s=0.05)
        assert late.value.phase == "total"
    await backend.aclose()


# ----------------------------------------------------------------------------------- the changes
async def test_the_difference_to_the_catalogue_and_to_the_list_before(
    server: LoopbackServer, file: Path
) -> None:
    second = [*OPENAI[:2], {"id": "gpt-7", "shutdown_date": None}]
    answers = ({"data": rows} for rows in (OPENAI, second))
    server.on("GET", "/v1/models", *map(answer_json, answers))
    backend = OpenAIBackend(**at(server))
    async with client_of(file, openai=backend) as client:
        found = await client.refresh_models("openai")
        told = {(one.change, one.model): one for one in found.changes}
        assert [one.change for one in found.changes] == ["retiring", "retiring", "kept"]
        moved = told["retiring", "gpt-5"]
        assert (moved.retires_on, moved.successor) == (date(2027, 3, 1), "gpt-5.6-sol")
        assert moved.note == "the catalogue has 2026-12-11"
        assert told["retiring", "gpt-9-nova"].note == "the catalogue has no end"
        assert told["kept", "gpt-4o"].note.startswith("the catalogue has 2027-01-14")
        assert (dict(found.listed), dict(found.failures)) == ({"openai": 4}, {})
        assert found.path == file
        again = await client.refresh_models("openai")
        assert [(one.change, one.model) for one in again.changes] == [
            ("retiring", "gpt-5"), ("gone", "gpt-4o"), ("gone", "gpt-9-nova"), ("new", "gpt-7"),
        ]  # fmt: skip
    await backend.aclose()


async def test_the_vendors_own_address_lacks_what_the_catalogue_promises() -> None:
    class Official(OpenAIBackend):
        async def list_models(self, context: Any) -> list[ListedModel]:
            return listed("gpt-6-luna")

    async with client_of(openai=Official(api_key=KEY)) as client:
        found = await client.refresh_models("openai", save=False)
    gone = {one.model: one for one in found.changes if one.change == "gone"}
    assert gone["gpt-4o"].successor == "gpt-6-luna"
    assert "gpt-4" not in gone  # its day is over: nothing new
    assert found.path is None


async def test_one_that_fails_does_not_keep_the_others(file: Path) -> None:
    bad = Lister(GenSDKError("down"), GenSDKError("down"))
    good, listless = Lister(listed("a")), ScriptedBackend("x")
    async with client_of(file, bad=bad, good=good, listless=listless) as client:
        found = await client.refresh_models("bad", "good", "listless", "good")
        assert dict(found.listed) == {"good": 1}
        assert {name: error.provider for name, error in found.failures.items()} == {
            "bad": "bad", "listless": "listless",
        }  # fmt: skip
        with pytest.raises(GenSDKError, match="down"):
            await client.refresh_models("bad", "listless")
        with pytest.raises(ConfigurationError, match="name the providers"):
            await client.refresh_models()
        assert set(written(file)["providers"]) == {"good"}
    await client_of(file, p=Lister(listed("b"))).refresh_models("p")
    assert set(written(file)["providers"]) == {"good", "p"}  # what was there stays


async def test_two_that_ask_at_once_keep_what_the_other_wrote(file: Path) -> None:
    other = client_of(file, b=Lister(listed("two")))

    class Slow(Lister):
        async def list_models(self, context: Any) -> list[ListedModel]:
            await other.refresh_models("b")
            return await super().list_models(context)

    await client_of(file, a=Slow(listed("one"))).refresh_models("a")
    assert written(file)["providers"].keys() == {"a", "b"}


async def test_an_error_of_the_users_own_leaves_nobody_asking() -> None:
    stopped: list[bool] = []

    class Endless(Lister):
        async def list_models(self, context: Any) -> list[ListedModel]:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(True)
            return []

    client = client_of(a=Endless(), b=Lister(KeyError("vault")))
    with pytest.raises(KeyError):
        await client.refresh_models("a", "b", save=False)
    assert stopped == [True]


async def test_the_users_own_timeout_is_not_taken_for_ours() -> None:
    def key() -> str:
        raise TimeoutError("the vault")

    client = client_of(openai=OpenAIBackend(api_key=key, base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(TimeoutError, match="the vault"):
        await client.list_models("openai")
    with pytest.raises(TimeoutError, match="the vault"):
        await client.count_tokens("x", model="openai:gpt-6-luna")


async def test_a_list_of_something_else_is_refused() -> None:
    backend = Lister(["gpt"])  # type: ignore[list-item]
    async with client_of(p=backend) as client:
        with pytest.raises(InvalidResponseError):
            await client.list_models("p")


# --------------------------------------------------------------------------------- what follows
async def refreshed(file: Path, models: list[ListedModel], **settings: Any) -> gensdk.Client:
    client = client_of(file, p=Lister(models, **settings))
    await client.refresh_models("p")
    return client


async def test_a_date_of_the_list_warns_and_refuses(file: Path) -> None:
    soon = listed("old", retires_on=date(2026, 12, 1), successor="new")
    client = await refreshed(file, soon)
    with pytest.warns(ModelRetiring, match="in 10 days; move to p:new"):
        await client.text("hi", model="p:old")
    over = listed("old", retires_on=date(2026, 11, 1), successor="new")
    client = await refreshed(file, over)
    with pytest.raises(ModelRetiredError) as caught:
        await client.text("hi", model="p:old")
    assert (caught.value.successor, caught.value.status) == ("p:new", None)
    other = client_of(file, p=ScriptedBackend("fine"))  # a later process reads the same file
    with pytest.raises(ModelRetiredError):
        await other.text("hi", model="p:old")
    elsewhere = client_of(file, q=ScriptedBackend("fine"))
    assert (await elsewhere.text("hi", model="q:old")).warnings == ()


async def test_an_end_that_was_taken_back_does_not_warn(file: Path) -> None:
    backend = OpenAIBackend(api_key=KEY)
    client = client_of(file, openai=backend)
    assert client.capabilities("openai:gpt-5").ending is not None
    now = "2026-11-21T00:00:00Z"
    facts = {"read_at": now, "models": {"gpt-5": {"id": "gpt-5", "status": "active"}}}
    put(file, json.dumps({"version": 1, "providers": {"openai": facts}}))
    later = client_of(file, openai=backend)
    assert later.capabilities("openai:gpt-5").ending is None
    assert later.capabilities("openai:gpt-5-mini").ending is not None  # not listed: the catalogue


async def test_not_listed_any_more_and_not_found_is_retired(file: Path) -> None:
    missing = ModelNotFoundError("?", status=404)
    lists = (listed("a", "b"), listed("a"))
    client = client_of(file, p=Lister(*lists, steps=(missing,)))
    with pytest.raises(ModelNotFoundError):
        await client.text("hi", model="p:b")
    await client.refresh_models("p")
    await client.refresh_models("p")
    with (
        pytest.warns(ModelRetiring, match="p does not list b"),
        pytest.raises(ModelRetiredError, match="is not served any more"),
    ):
        await client.text("hi", model="p:b")
    with pytest.raises(ModelNotFoundError):
        await client.text("hi", model="p:never-listed")


async def test_deprecated_without_a_date(file: Path) -> None:
    client = await refreshed(file, listed("old", status="deprecated"))
    with pytest.warns(ModelRetiring, match="has announced the end of old"):
        reply = await client.text("hi", model="p:old")
    assert [one.kind for one in reply.warnings] == ["retiring"]


async def test_without_saving_nothing_changes(file: Path) -> None:
    client = client_of(file, p=Lister(listed("old", retires_on=date(2026, 11, 1))))
    found = await client.refresh_models("p", save=False)
    assert [one.change for one in found.changes] == ["retired"]
    assert found.path is None
    assert not file.parent.is_dir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await client.text("hi", model="p:old")


# -------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"version": 2}', '{"providers": {"p": 1}}', "\x00"]
)
async def test_a_broken_file_that_was_named_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    broken = tmp_path / "broken.json"
    put(broken, content)
    with pytest.raises(ConfigurationError, match="write it anew: gensdk models refresh"):
        await client_of(broken, p=ScriptedBackend("x")).text("hi", model="p:m")
    monkeypatch.setenv("GENSDK_LISTINGS", str(broken))
    named = gensdk.Client(backends={"p": Lister(listed("m"))})
    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        await named.text("hi", model="p:m")
    await named.refresh_models("p")  # and that mends it
    assert (await named.text("hi", model="p:m")).text == "fine"


async def test_a_named_file_that_is_not_there_yet_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENSDK_LISTINGS", str(tmp_path / "missing.json"))
    await gensdk.Client(backends={"p": ScriptedBackend("x")}).text("hi", model="p:m")
    (record,) = caplog.records
    assert "missing.json is not there" in record.getMessage()


async def test_a_broken_file_of_the_users_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    put(tmp_path / "gensdk" / "models.json", "{")
    client = gensdk.Client(backends={"p": ScriptedBackend("x", "x")})
    await client.text("hi", model="p:m")
    await client.text("hi", model="p:other")
    (record,) = caplog.records
    assert "models.json holds no lists of models" in record.getMessage()


async def test_the_users_folder_is_the_usual_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    client = gensdk.Client(backends={"p": Lister(listed("m"))})
    found = await client.refresh_models("p")
    assert found.path == tmp_path / "gensdk" / "models.json"
    (only,) = found.path.parent.iterdir()  # nothing of the writing is left
    assert only == found.path
    blocked = tmp_path / "file"
    put(blocked, "")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await client_of(p=Lister(listed("m"))).refresh_models("p", path=blocked / "models.json")
    with pytest.raises(ConfigurationError, match="no file to write to"):
        await client_of(p=Lister(listed("m"))).refresh_models("p")


async def test_a_named_path_is_written_and_compared_with(file: Path) -> None:
    client = client_of(p=Lister(listed("a"), listed("a", "b")))
    await client.refresh_models("p", path=file)
    found = await client.refresh_models("p", path=file)
    assert [(one.change, one.model) for one in found.changes] == [("new", "b"), ("unknown", "a")]


def test_the_synchronous_client_asks_too(file: Path) -> None:
    settings = Lifecycle(listings=file)
    backends: dict[str, Backend] = {"p": Lister(listed("a"), listed("a"))}
    with gensdk.SyncClient(backends=backends, lifecycle=settings) as client:
        assert [one.id for one in client.list_models("p")] == ["a"]
        assert client.refresh_models("p").path == file


async def test_a_closed_client_asks_nobody(file: Path) -> None:
    client = client_of(file, p=Lister())
    await client.aclose()
    asking: list[Callable[[], Any]] = [
        lambda: client.list_models("p"), lambda: client.refresh_models("p"),
    ]  # fmt: skip
    for ask in asking:
        with pytest.raises(GenSDKError, match="closed"):
            await ask()
