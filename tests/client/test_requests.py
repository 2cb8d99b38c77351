"""From keyword arguments to a request: media read, mistakes told, nothing secret repeated."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk import Media, Retry, Timeouts, _parameters
from gensdk.errors import InvalidRequestError
from gensdk.spec import METHODS
from gensdk.types import (
    URL,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Message,
    ModerationRequest,
    ModerationResponse,
    Request,
    Response,
    SpeechRequest,
    SpeechResponse,
    TextRequest,
    TextResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Vectors,
)
from tests.support.scripts import MP3, PNG, client_of, scripted
from tests.support.values import REQUESTS

PARAMETERS: dict[type[Request], Any] = {
    TextRequest: _parameters.TextParameters,
    ImageRequest: _parameters.ImageParameters,
    SpeechRequest: _parameters.SpeechParameters,
    TranscriptionRequest: _parameters.TranscriptionParameters,
    EmbedRequest: _parameters.EmbedParameters,
    ModerationRequest: _parameters.ModerationParameters,
}
POSITIONAL = {
    TextRequest: {"prompt", "output"}, ImageRequest: {"prompt"}, SpeechRequest: {"text"},
    TranscriptionRequest: {"audio"}, EmbedRequest: {"inputs"}, ModerationRequest: {"inputs"},
}  # fmt: skip


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_keywords_of_a_verb_are_the_fields_of_its_request(kind: type[Request]) -> None:
    listed = set(typing.get_type_hints(PARAMETERS[kind]))
    assert listed == (set(kind.model_fields) - POSITIONAL[kind]) | {"timeouts", "retry"}


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
    ("text", ("",), {}, "prompt: prompt is empty"),
    ("text", (5,), {}, "prompt"),
    ("text", ("x",), {"temprature": 1}, "parameter 'temprature'. Did you mean 'temperature'"),
    ("text", ("x",), {"max_token": 1}, "Did you mean 'max_tokens'"),
    ("text", ("x",), {"zzz": 1}, "unknown parameter 'zzz'."),
    ("text", ("x",), {"temperature": 3}, "temperature: Input should be less than or equal to"),
    ("text", ("x",), {"temperature": 3}, "(given: 3)"),
    ("text", ("x",), {"temperature": "hot"}, "(given: 'hot')"),
    ("text", ("x",), {"n": 0, "seed": -1}, "; "),
    ("text", ("x",), {"tools": [lambda a: a]}, "no name"),
    ("text", ("x",), {"tools": [print]}, "tool 'print'"),
    ("text", ("x",), {"tool_choice": "required"}, "there are no tools"),
    ("text", ("x",), {"output": 5}, "output"),
    ("text", ([Message.user("x"), "y"],), {}, "not both"),
    ("text", (["x", 5],), {}, "prompt"),
    ("text", ("a\ud800",), {}, "prompt"),
    ("image", ("",), {}, "prompt is empty"),
    ("image", ("x",), {"size": "huge"}, "size: size is 'WIDTHxHEIGHT'"),
    ("image", ("x",), {"size": "8x8", "aspect_ratio": "1:1"}, "not both"),
    ("image", ("x",), {"mask": PNG}, "a mask needs images"),
    ("image", ("x",), {"images": "https://x.example/a.png"}, "images"),
    ("speech", (" ",), {}, "text is empty"),
    ("speech", ("x",), {"speed": 9}, "speed"),
    ("transcribe", (b"",), {}, "audio is empty"),
    ("transcribe", (None,), {}, "audio: Field required"),
    ("embed", ([],), {}, "inputs"),
    ("embed", (["a", ""],), {}, "input 1 is empty"),
    ("embed", (["a\udfff"],), {}, "inputs.0"),
    ("moderate", (), {}, "nothing to judge"),
    ("moderate", ("",), {}, "inputs.0"),
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
    with pytest.raises(InvalidRequestError, match=r"no request; see gensdk\.types"):
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
