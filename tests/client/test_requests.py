"""From keyword arguments to a request: media read, mistakes told, nothing secret repeated."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk import Media, Retry, Timeouts, _parameters
from gensdk.errors import ConfigurationError, InvalidRequestError
from gensdk.spec import METHODS, STREAM_METHODS
from gensdk.testing import ScriptedBackend
from gensdk.types import (
    URL,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Message,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    MusicResponse,
    Request,
    Response,
    SpeechRequest,
    SpeechResponse,
    TextRequest,
    TextResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Vectors,
    VideoRequest,
    VideoResponse,
)
from tests.support.scripts import MP3, PNG, client_of, scripted
from tests.support.values import REQUESTS

PARAMETERS: dict[type[Request], Any] = {
    TextRequest: _parameters.TextParameters,
    ImageRequest: _parameters.ImageParameters,
    SpeechRequest: _parameters.SpeechParameters,
    MusicRequest: _parameters.MusicParameters,
    VideoRequest: _parameters.VideoParameters,
    TranscriptionRequest: _parameters.TranscriptionParameters,
    EmbedRequest: _parameters.EmbedParameters,
    ModerationRequest: _parameters.ModerationParameters,
}
POSITIONAL = {
    TextRequest: {"prompt", "output"}, ImageRequest: {"prompt"}, SpeechRequest: {"text"},
    MusicRequest: {"prompt"}, VideoRequest: {"prompt"},
    TranscriptionRequest: {"audio"}, EmbedRequest: {"inputs"}, ModerationRequest: {"inputs"},
}  # fmt: skip


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_keywords_of_a_verb_are_the_fields_of_its_request(kind: type[Request]) -> None:
    streamed = {"interrupted"} if kind.ability in STREAM_METHODS else set()
    listed = set(typing.get_type_hints(PARAMETERS[kind]))
    given = {"timeouts", "retry", "cache", "breaker", "budget"} | streamed
    assert listed == (set(kind.model_fields) - POSITIONAL[kind]) | given


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_field_is_explained(kind: type[Request]) -> None:
    told = "".join(base.__doc__ or "" for base in kind.__mro__[:2])
    undocumented = {name for name in kind.model_fields if f"{name}:" not in told}
    assert undocumented <= {"user_id", "user"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "talk.mp3").write_bytes(MP3)
    return tmp_path


async def sent(verb: str, *given: Any, **parameters: Any) -> Any:
    answers: dict[str, Response] = {
        "text": TextResponse(),
        "image": ImageResponse(),
        "speech": SpeechResponse(audio=Media(data=b"x")),
        "music": MusicResponse(audio=Media(data=b"x")),
        "video": VideoResponse(videos=(Media(data=b"x"),)),
        "transcribe": TranscriptionResponse(text="x"),
        "embed": EmbedResponse(vectors=Vectors.of([[1.0]])),
        "moderate": ModerationResponse(),
    }
    backend = scripted(answers[verb])
    await getattr(client_of(backend), verb)(*given, **parameters)
    return backend.asked[0].request


async def test_paths_and_bytes_become_media(files: Path) -> None:
    picture, sound = files / "cat.png", files / "talk.mp3"
    assert (await sent("text", ["see", picture])).messages == (
        Message.user("see", Media.read(picture)),
    )
    assert (await sent("text", PNG)).messages == (Message.user(Media(data=PNG)),)
    request = await sent("image", "x", images=[picture, PNG, bytearray(PNG)], mask=picture)
    assert request.images == (Media.read(picture), Media(data=PNG), Media(data=PNG))
    assert request.mask == Media.read(picture)
    assert (await sent("transcribe", sound)).audio == Media.read(sound)
    assert (await sent("transcribe", memoryview(MP3))).audio == Media(data=MP3)
    assert (await sent("transcribe", URL("https://x.example/a.mp3"))).audio.url.endswith("a.mp3")
    assert (await sent("image", "x", images=picture)).images == (Media.read(picture),)
    assert (await sent("image", "x", images=PNG)).images == (Media(data=PNG),)
    assert (await sent("music", "x", reference_audio=sound)).reference_audio == Media.read(sound)
    shot = await sent("video", first_frame=picture, references=[PNG], video=b"film")
    assert (shot.first_frame, shot.references) == (Media.read(picture), (Media(data=PNG),))
    assert shot.video == Media(data=b"film")
    assert (await sent("moderate", images=(picture,))).images == (Media.read(picture),)


async def test_text_is_never_taken_for_a_path(files: Path) -> None:
    request = await sent("text", str(files / "cat.png"))
    assert request.prompt == str(files / "cat.png")
    with pytest.raises(InvalidRequestError, match="audio"):
        await sent("transcribe", str(files / "talk.mp3"))


@pytest.mark.parametrize(("name", "said"), [("no.png", "No such file"), (".", "directory")])
async def test_a_file_that_cannot_be_read(files: Path, name: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        await sent("image", "x", images=[files / name])
    assert isinstance(caught.value.__cause__, OSError)


async def test_none_is_not_given() -> None:
    request = await sent("text", "x", temperature=None, tools=None, output=None, model=None)
    assert request.model_fields_set == {"prompt"}


async def test_the_request_says_which_model_was_asked_for() -> None:
    assert (await sent("text", "x", model="a:m")).model == "a:m"
    assert (await sent("text", "x", model=["a:m"])).model is None


BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("text", ("",), {}, "prompt is empty"),
    ("text", (5,), {}, "prompt"),
    ("text", ("x",), {"temprature": 1}, "parameter 'temprature'. Did you mean 'temperature'"),
    ("text", ("x",), {"max_token": 1}, "Did you mean 'max_tokens'"),
    ("text", ("x",), {"zzz": 1}, "unknown parameter 'zzz'."),
    ("text", ("x",), {"timeout": 1}, "Did you mean 'timeouts'?"),
    ("text", ("x",), {"stream": True}, "such as stream_text()"),
    ("text", ("x",), {"response_format": {}}, "Did you mean 'output'?"),
    ("text", ("x",), {"tools": ["f"]}, "tools: a tool is a function or Tool(...), not str"),
    ("text", ("x",), {"output": Message.user("x")}, "give Message, not an object of it"),
    ("text", ("x",), {"temperature": 3}, "temperature: Input should be less than or equal to"),
    ("text", ("x",), {"temperature": 3}, "(given: 3)"),
    ("text", ("x",), {"temperature": "hot"}, "(given: 'hot')"),
    ("text", ("x",), {"n": 0, "seed": -1}, "; "),
    ("text", ("x",), {"tools": [lambda a: a]}, "no name"),
    ("text", ("x",), {"tools": [print]}, "tool 'print'"),
    ("text", ("x",), {"tool_choice": "required"}, "there are no tools"),
    ("text", ("x",), {"output": 5}, "give a pydantic model, a type such as list[str], or a JSON"),
    ("text", ([Message.user("x"), "y"],), {}, "not both"),
    ("text", (["x", 5],), {}, "prompt"),
    ("text", ("a\ud800",), {}, "prompt"),
    ("image", ("",), {}, "prompt is empty"),
    ("image", ("x",), {"size": "huge"}, "size is 'WIDTHxHEIGHT'"),
    ("image", ("x",), {"size": "8x8", "aspect_ratio": "1:1"}, "not both"),
    ("image", ("x",), {"mask": PNG}, "a mask needs images"),
    ("image", ("x",), {"images": "https://x.example/a.png"}, "images"),
    ("speech", (" ",), {}, "text is empty"),
    ("speech", ("x",), {"speed": 9}, "speed"),
    ("transcribe", (b"",), {}, "audio: it is empty"),
    ("transcribe", (None,), {}, "audio: nothing was given; give a Path, bytes"),
    ("embed", ([],), {}, "inputs"),
    ("embed", (["a", ""],), {}, "input 1 is empty"),
    ("embed", (["a\udfff"],), {}, "inputs.0"),
    ("moderate", (), {}, "nothing to judge"),
    ("moderate", ("",), {}, "inputs: input 0 is empty"),
    ("moderate", (["a", " \n"],), {}, "inputs: input 1 is empty"),
    ("moderate", ("a\ud800",), {}, "inputs.0"),
    ("moderate", (5,), {}, "inputs: give a text or a list of texts, not int"),
    ("moderate", ("a",), {"images": [Media(data=b"")]}, "images.0: it is empty"),
    ("embed", (["  "],), {}, "inputs: input 0 is empty"),
    ("embed", ({"a": 1},), {}, "give a text or a list of texts, not dict"),
    ("text", ([""],), {}, "prompt is empty: there is no text"),
    ("text", (Message.user("  "),), {}, "prompt is empty: there is no text"),
    ("text", ([Message.user("a"), Message.assistant("b"), Message.user(" ")],), {}, "is empty"),
    ("text", ([Message.system(" ")],), {}, "prompt is empty: there is no text"),
    ("text", (["see", Media(data=b"", media_type="image/png")],), {}, "part 1 of message 0: an"),
    ("text", (["see", URL(" ")],), {}, "part 1 of message 0: an empty image"),
    ("text", (b"",), {}, "part 0 of message 0: an empty file"),
    ("text", (["see", URL("a.png")],), {}, "part 1 of message 0: URL('a.png') is no address"),
    ("text", ([URL("//x.example/a")],), {}, "write URL('https://...'), or Path("),
    ("transcribe", (URL("a.mp3"),), {}, "audio: URL('a.mp3') is no address"),
    ("image", ("x",), {"images": [URL("x" * 99)]}, "images.0: URL(...) is no address"),
    ("text", (None,), {}, "prompt: nothing was given; give a text, messages"),
    ("text", (["x", None],), {}, "a message holds text, Media, URL or parts, not None"),
    ("transcribe", ("a.mp3",), {}, "audio: a str is text, never a file; write Path('a.mp3')"),
    ("transcribe", ("https://x.example/a",), {}, "write URL('https://x.example/a')"),
    ("transcribe", ("x" * 99,), {}, "write Path(...)"),
    ("transcribe", (5,), {}, "audio: give Media or URL(...), not int"),
    ("transcribe", (URL(""),), {}, "audio: it is empty"),
    ("image", ("x",), {"images": "a.png"}, "images.0: a str is text, never a file"),
    ("image", ("x",), {"images": [PNG], "mask": "a.png"}, "mask: a str is text, never a file"),
    ("image", ("x",), {"images": [b""]}, "images.0: it is empty"),
    ("image", ("x",), {"user_id": "a\ud800"}, "user_id"),
    ("image", ("x",), {"style": "a\ud800"}, "style"),
    ("speech", ("x",), {"voice": "a\ud800"}, "voice"),
    ("transcribe", (MP3,), {"language": "a\ud800"}, "language"),
    ("text", ("x",), {"tag": "a\ud800"}, "tag"),
    ("text", ("x",), {"model": "a:m\ud800"}, "model"),
    ("text", ("x",), {"model": ["a:m\ud800"]}, "lone surrogate"),
    ("text", ("x",), {"user_id": "a\ud800"}, "user_id"),
    ("text", ("x",), {"metadata": {"a\ud800": "b"}}, "metadata"),
    ("text", ("x",), {"extra": {"a": ["b\ud800"]}}, "extra: it holds a lone surrogate"),
    ("text", ("x",), {"options": {"a": {"b": "c\ud800"}}}, "it holds a lone surrogate"),
    ("text", ("x",), {"tools": [{"name": "a", "description": "\ud800"}]}, "description"),
    ("text", ("x",), {"output": {"type": "object", "title": "\ud800"}}, "lone surrogate"),
    ("text", ("x",), {"options": {"opnai": {}}}, "called 'opnai'. Did you mean 'openai'"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "given", "parameters", "said"), BAD)
async def test_a_mistake_is_told_before_anything_is_sent(
    verb: str, given: tuple[Any, ...], parameters: dict[str, Any], said: str
) -> None:
    backend = scripted()
    with pytest.raises(InvalidRequestError) as caught:
        await getattr(client_of(backend), verb)(*given, **parameters)
    assert said in str(caught.value)
    assert backend.asked == []
    assert (caught.value.status, caught.value.billed, caught.value.attempts) == (None, "no", ())
    assert "validation error" not in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [
        {"options": "sk-canary"},
        {"options": {"a": "sk-canary"}},
        {"extra": "sk-canary"},
        {"extra": {"key": object(), "other": "sk-canary"}},
        {"metadata": {"a": ["sk-canary"]}},
        {"api_key": "sk-canary"},
        {"temperature": "sk-canary" + "x" * 40},
        {"system": ["sk-canary"]},
    ],
)
async def test_content_and_secrets_are_not_repeated(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await client_of(scripted()).text("x", **parameters)
    assert "sk-canary" not in str(caught.value)


@pytest.mark.parametrize("verb", ["run", "stream"])
@pytest.mark.parametrize("thing", ["hello", None, {"prompt": "x"}, TextRequest])
async def test_run_and_stream_take_requests(verb: str, thing: Any) -> None:
    client = client_of(scripted())
    with pytest.raises(InvalidRequestError, match=r"no request: give one of gensdk\.types"):
        if verb == "run":
            await client.run(thing)
        else:
            async with client.stream(thing):
                pytest.fail("it never opened")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: type(one).__name__)
async def test_a_request_from_json_is_run(request_: Request) -> None:
    answers: dict[str, Response] = {
        "text": TextResponse(),
        "image": ImageResponse(),
        "speech": SpeechResponse(audio=Media(data=b"x")),
        "music": MusicResponse(audio=Media(data=b"x")),
        "video": VideoResponse(videos=(Media(data=b"x"),)),
        "transcribe": TranscriptionResponse(text="x"),
        "embed": EmbedResponse(vectors=Vectors.of([[1.0], [2.0]])),
        "moderate": ModerationResponse(),
    }
    backend = scripted(answers[request_.ability])
    loaded = type(request_).model_validate_json(request_.model_dump_json())
    loaded = loaded.model_copy(update={"model": "a:m", "output": None})
    reply = await client_of(backend).run(loaded)
    assert type(reply) is type(answers[request_.ability])
    assert backend.asked[0].verb == METHODS[request_.ability]
    assert backend.asked[0].request == loaded


async def test_run_takes_a_model_timeouts_and_retry() -> None:
    first, second = scripted(), scripted("fine", name="b")
    request = TextRequest(prompt="x", model="a:m")
    reply = await client_of(first, second).run(
        request, model="b:n", timeouts=Timeouts(connect=2.0), retry=Retry(attempts=1)
    )
    assert isinstance(reply, TextResponse)
    assert (reply.text, second.asked[0].context.connect_s) == ("fine", 2.0)


async def test_a_request_may_name_several_models() -> None:
    request = TextRequest(prompt="x", model=("a:m", "b:n"))
    client = client_of(
        scripted(gensdk.errors.ServerError("x"), repeat=True), scripted("b", name="b")
    )
    assert (await client.run(request)).provider == "b"


@pytest.mark.parametrize(
    ("of_client", "of_call", "told"),
    [("warn", None, "warn"), ("drop", None, "drop"), ("warn", "error", "error")],
)
async def test_unsupported_reaches_the_backend(of_client: Any, of_call: Any, told: str) -> None:
    backend = scripted("x")
    await client_of(backend, unsupported=of_client).text("x", unsupported=of_call)
    assert backend.asked[0].context.unsupported == told


def test_unsupported_is_one_of_three_words() -> None:
    with pytest.raises(gensdk.errors.ConfigurationError, match="'warn', 'error' or 'drop'"):
        gensdk.Client(unsupported="ignore")  # type: ignore[arg-type]


async def test_what_a_backend_is_told() -> None:
    backend = scripted("x")
    timeouts = Timeouts(attempt=5.0, idle=7.0, connect=3.0, total=100.0)
    await client_of(backend).text("x", model="a:my:model", timeouts=timeouts)
    context = backend.asked[0].context
    assert (context.model, context.connect_s, context.read_s) == ("my:model", 3.0, 7.0)
    assert context.idempotency_key.startswith("gensdk-")
    assert callable(context.fetch)


@pytest.mark.parametrize("options", [{"gpu": {"x": 1}}, {"vendor": {"x": 0}, "gpu": {"x": 1}}])
async def test_options_go_by_the_name_an_account_is_registered_under(options: Any) -> None:
    backend = scripted("x", name="vendor")
    client = gensdk.Client(backends={"gpu": backend})
    await client.text("x", model="gpu:m", options=options)
    assert backend.asked[0].request.options["vendor"] == {"x": 1}


@pytest.mark.parametrize("name", ["vendor", "openai", "local"])
async def test_options_of_a_known_provider_are_no_mistake(name: str) -> None:
    backend = scripted("x", name="vendor")
    client = gensdk.Client(backends={"gpu": backend})
    await client.text("x", model="gpu:m", options={name: {"x": 1}})
    assert backend.asked[0].request.options == {name: {"x": 1}}


async def test_misspelt_options_of_a_request_object_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="here 'a'"):
        await client_of(scripted()).run(TextRequest(prompt="x", options={"b": {}}))


WRONG: list[tuple[str, Any, str]] = [
    ("timeouts", "3", "give seconds for the whole call"),
    ("timeouts", True, "give seconds for the whole call"),
    ("retry", 0, r"Retry\(attempts=1\) tries once"),
    ("retry", 5, r"give gensdk.Retry\(attempts=3\)"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
async def test_settings_of_another_kind_are_refused(name: str, value: Any, said: str) -> None:
    given: Any = {name: value}
    client = client_of(scripted())
    for use in (
        lambda: gensdk.Client(**given),
        lambda: client.with_options(**given),
        lambda: client.stream(TextRequest(prompt="x"), **given),
    ):
        with pytest.raises(ConfigurationError, match=said):
            use()
    for work in (client.text("x", **given), client.run(TextRequest(prompt="x"), **given)):
        with pytest.raises(ConfigurationError, match=said):
            await work


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"media": 5}, "give gensdk.MediaPolicy"),
        ({"hooks": print}, r"hooks=\[my_hook\]"),
        ({"hooks": None}, r"hooks=\[my_hook\]"),
        ({"models": {"text": 5}}, r"models\['text'\] = 5: give 'provider:model'"),
        ({"models": {"text": []}}, "or a list of names"),
        ({"models": {"text": ["a:m", 5]}}, "or a list of names"),
        ({"models": {5: "a:m"}}, "an alias is a word"),
        ({"models": "openai:x"}, "models='openai:x': give a mapping"),
        ({"models": 0}, "models=0: give a mapping"),
        ({"backends": {"a": 5}}, r"backends\['a'\] is of type int, which is no backend"),
        ({"backends": {"a": ScriptedBackend}}, r"make one: ScriptedBackend\("),
        ({"backends": [5]}, "give a mapping of provider name"),
        ({"backends": 0}, "give a mapping of provider name"),
    ],
)
def test_a_client_is_set_up_rightly_or_not_at_all(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        gensdk.Client(**given)


def test_a_copy_is_set_up_rightly_too() -> None:
    client = client_of(scripted())
    for given in ({"unsupported": "maybe"}, {"hooks": print}):
        with pytest.raises(ConfigurationError):
            client.with_options(**given)


async def test_a_bound_model_has_a_backend() -> None:
    bound: Any = gensdk.BoundModel(5, "m")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"BoundModel\.backend is of type int"):
        await client_of(scripted()).text("x", model=bound)


async def test_a_file_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    import os

    path = tmp_path / os.fsdecode(b"caf\xe9.mp3")
    path.write_bytes(MP3)
    request = await sent("transcribe", path)
    assert request.audio.name == "caf?.mp3"
    assert request.audio.filename.encode() == b"caf?.mp3"
    assert request.fingerprint()


def test_a_path_is_read_by_verbs_alone() -> None:
    with pytest.raises(ValueError, match=r"write Media\.read\('a\.png'\)"):
        Message.user(Path("a.png"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"write Media\.read\('a\.mp3'\)"):
        TranscriptionRequest(audio=Path("a.mp3"))
    with pytest.raises(ValueError, match=r"write Media\(data="):
        TranscriptionRequest(audio=MP3)
