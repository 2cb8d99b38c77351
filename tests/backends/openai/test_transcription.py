"""``/audio/transcriptions`` and ``/audio/translations``: the form, and what was heard."""

from __future__ import annotations

import io
import wave
from typing import Any, get_args

import pytest
from openai.types import AudioModel
from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    TranscriptionVerbose,
    TranslationVerbose,
)

from gensdk.backends.openai import transcription
from gensdk.backends.openai.options_media import OpenAITranscriptionOptions
from gensdk.catalog.compatible import Dialect
from gensdk.catalog.openai_media import transcription_model
from gensdk.errors import (
    AuthenticationError,
    InvalidRequestError,
    InvalidResponseError,
    UnsupportedFeatureError,
)
from gensdk.types import URL, Media, TranscriptionRequest, TranscriptionResponse
from tests.support.openai_media import PNG, SERVER, context, downloads, loopback
from tests.support.server import (
    FormPart,
    RecordedRequest,
    answer_bytes,
    answer_error,
    answer_json,
)

PATH = "/v1/audio/transcriptions"
TRANSLATE = "/v1/audio/translations"
NEW = "gpt-transcribe"
MINI = "gpt-4o-mini-transcribe"
DIARIZE = "gpt-4o-transcribe-diarize"
MP3 = Media(data=b"ID3\x04" + bytes(60), name="talk.mp3")
PLAIN = {
    "text": "Hello there.",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 5,
        "total_tokens": 19,
    },
}
SEGMENT = {
    "id": 0,
    "seek": 0,
    "start": 0.0,
    "end": 1.5,
    "text": " Hello there.",
    "tokens": [1, 2],
    "temperature": 0.0,
    "avg_logprob": -0.1,
    "compression_ratio": 1.0,
    "no_speech_prob": 0.01,
}
VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 1.6,
    "text": "Hello there.",
    "segments": [SEGMENT],
    "words": [
        {"word": "Hello", "start": 0.0, "end": 0.6},
        {"word": " there", "start": 0.6, "end": 1.5},
    ],
    "usage": {"type": "duration", "seconds": 2.0},
}
DIARIZED = {
    "task": "transcribe",
    "duration": 4.0,
    "text": "Hi. Hello.",
    "segments": [
        {
            "type": "transcript.text.segment",
            "id": "seg_1",
            "start": 0.0,
            "end": 1.0,
            "text": "Hi.",
            "speaker": "A",
        },
        {
            "type": "transcript.text.segment",
            "id": "seg_2",
            "start": 1.0,
            "end": 2.0,
            "text": "Hello.",
            "speaker": "B",
        },
    ],
    "usage": {"type": "tokens", "input_tokens": 40, "output_tokens": 8, "total_tokens": 48},
}


def test_the_sample_answers_are_the_vendors_own_shapes() -> None:
    Transcription.model_validate(PLAIN, strict=True)
    TranscriptionVerbose.model_validate(VERBOSE, strict=True)
    TranscriptionDiarized.model_validate(DIARIZED, strict=True)
    TranslationVerbose.model_validate(VERBOSE, strict=True)
    assert all(transcription_model(name, "vllm").name for name in get_args(AudioModel))


async def sent(
    request: TranscriptionRequest,
    model: str = NEW,
    answer: Any = PLAIN,
    dialect: Dialect | None = None,
    path: str = PATH,
    **settings: Any,
) -> tuple[list[FormPart], TranscriptionResponse]:
    where = {} if dialect is None else {"dialect": dialect}
    handler = answer_json(answer, headers={"x-request-id": "req_t"})
    async with loopback(**where) as (server, account):
        server.on("POST", path, handler)
        response = await transcription.generate(account, request, context(model, **settings))
        return server.requests[0].form(), response


def fields(form: list[FormPart]) -> list[tuple[str, str]]:
    return [(part.name, part.text) for part in form if part.filename is None]


def the_file(form: list[FormPart]) -> FormPart:
    (file,) = [part for part in form if part.filename is not None]
    assert file.name == "file"
    return file


async def test_nothing_but_model_and_file_unless_asked() -> None:
    form, response = await sent(TranscriptionRequest(audio=MP3, timestamps="none"))
    assert fields(form) == [("model", NEW)]
    file = the_file(form)
    assert (file.filename, file.content_type, file.content) == ("talk.mp3", "audio/mpeg", MP3.data)
    assert response.text == "Hello there."
    assert (response.provider, response.model, response.request_id) == ("openai", NEW, "req_t")
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.input_audio_tokens) == (14, 5, 10)
    assert (response.language, response.duration_s, response.segments) == (None, None, ())
    assert response.warnings == ()


async def test_guidance_of_the_newest_model() -> None:
    request = TranscriptionRequest(
        audio=MP3,
        prompt="a talk",
        keywords=("gensdk", "httpx2"),
        temperature=0.2,
        options={"openai": OpenAITranscriptionOptions(languages=("en", "de"))},
        extra={"beam": 2},
    )
    answer = {"text": "x", "languages": [{"code": "de"}, {"code": "en"}]}
    Transcription.model_validate(answer, strict=True)
    form, response = await sent(request, answer=answer)
    assert fields(form) == [
        ("model", NEW),
        ("languages[]", "en"),
        ("languages[]", "de"),
        ("keywords[]", "gensdk"),
        ("keywords[]", "httpx2"),
        ("prompt", "a talk"),
        ("temperature", "0.2"),
        ("beam", "2"),
    ]
    assert response.language == "de"
    assert response.provider_details == {"languages": ["de", "en"]}
    assert response.usage.total_tokens is None


async def test_language_and_no_language_found() -> None:
    request = TranscriptionRequest(audio=MP3, language="fr")
    form, response = await sent(request, answer={"text": "", "languages": []})
    assert fields(form) == [("model", NEW), ("language", "fr")]
    assert response.text == ""
    assert response.language is None


@pytest.mark.parametrize(
    ("prompt", "sent_prompt"), [(None, "Ada, Bob"), ("a talk", "Ada, Bob. a talk")]
)
async def test_where_there_are_no_keywords_the_prompt_carries_them(
    prompt: str | None, sent_prompt: str
) -> None:
    request = TranscriptionRequest(audio=MP3, prompt=prompt, keywords=("Ada", "Bob"))
    form, response = await sent(request, MINI)
    assert fields(form) == [("model", MINI), ("prompt", sent_prompt)]
    notes = [(note.kind, note.parameter, note.sent) for note in response.warnings]
    assert notes == [("adapted", "keywords", sent_prompt)]


async def test_words_and_segments_with_their_times() -> None:
    form, response = await sent(
        TranscriptionRequest(audio=MP3, timestamps="word"), "whisper-1", VERBOSE
    )
    assert fields(form) == [
        ("model", "whisper-1"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
    ]
    assert [(word.text, word.start_s, word.end_s) for word in response.words] == [
        ("Hello", 0.0, 0.6),
        ("there", 0.6, 1.5),
    ]
    (segment,) = response.segments
    assert (segment.text, segment.start_s, segment.end_s) == ("Hello there.", 0.0, 1.5)
    assert (response.language, response.duration_s) == ("english", 1.6)
    assert response.usage.audio_s == 2.0
    form, _ = await sent(
        TranscriptionRequest(audio=MP3, timestamps="segment"), "whisper-1", VERBOSE
    )
    assert ("timestamp_granularities[]", "segment") in fields(form)


async def test_who_spoke() -> None:
    options = OpenAITranscriptionOptions(
        chunking_strategy={"threshold": 0.5},
        known_speaker_names=("ann",),
        known_speaker_references=(MP3,),
    )
    request = TranscriptionRequest(
        audio=MP3, diarize=True, prompt="x", keywords=("y",), options={"openai": options}
    )
    form, response = await sent(request, DIARIZE, DIARIZED)
    assert fields(form) == [
        ("model", DIARIZE),
        ("response_format", "diarized_json"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[threshold]", "0.5"),
        ("known_speaker_names[]", "ann"),
        ("known_speaker_references[]", MP3.data_uri()),
    ]
    assert response.speakers == ("A", "B")
    assert [(s.text, s.speaker) for s in response.segments] == [("Hi.", "A"), ("Hello.", "B")]
    assert response.duration_s == 4.0
    assert response.usage.input_tokens == 40
    assert response.usage.input_audio_tokens is None
    assert response.usage.audio_s == 4.0
    assert [note.parameter for note in response.warnings] == ["keywords", "prompt"]


async def test_the_diarizing_model_needs_chunks_beyond_30_seconds() -> None:
    request = TranscriptionRequest(audio=MP3, diarize=True, timestamps="segment")
    form, _ = await sent(request, DIARIZE, DIARIZED)
    assert ("chunking_strategy", "auto") in fields(form)


async def test_how_sure_it_is() -> None:
    answer = {"text": "Hi", "logprobs": [{"token": "Hi", "logprob": -0.1, "bytes": [72.0, 105.0]}]}
    Transcription.model_validate(answer, strict=True)
    request = TranscriptionRequest(audio=MP3, options={"openai": {"logprobs": True}})
    form, response = await sent(request, MINI, answer)
    assert fields(form) == [("model", MINI), ("include[]", "logprobs")]
    assert response.provider_details["logprobs"] == answer["logprobs"]


async def test_translation_has_its_own_path() -> None:
    request = TranscriptionRequest(audio=MP3, translate=True, language="de", timestamps="segment")
    form, response = await sent(request, "whisper-1", VERBOSE, path=TRANSLATE)
    assert fields(form) == [("model", "whisper-1"), ("response_format", "verbose_json")]
    assert len(response.segments) == 1
    assert [note.parameter for note in response.warnings] == ["language"]


@pytest.mark.parametrize(
    ("more", "model", "param", "says"),
    [
        ({"timestamps": "word"}, NEW, "timestamps", "whisper-1"),
        ({"timestamps": "segment"}, "gpt-4o-transcribe", "timestamps", "whisper-1"),
        ({"diarize": True}, "whisper-1", "diarize", DIARIZE),
        ({"diarize": True, "timestamps": "word"}, DIARIZE, "timestamps", "of segments"),
        ({"translate": True}, MINI, "translate", "whisper-1"),
        ({"translate": True, "timestamps": "word"}, "whisper-1", "timestamps", "of segments"),
        ({"options": {"openai": {"languages": ["en"]}}}, MINI, "languages", NEW),
        ({"options": {"openai": {"languages": ["en"]}}, "language": "de"}, NEW, "languages",
         "not both"),
        ({"options": {"openai": {"logprobs": True}}}, "whisper-1", "logprobs", "how sure"),
        ({"options": {"openai": OpenAITranscriptionOptions(
            known_speaker_names=("a",), known_speaker_references=(MP3,))}}, NEW,
         "known_speaker_names", DIARIZE),
        ({"audio": Media(data=b"\xff\xf1\x50")}, NEW, "audio", "audio/aac"),
        ({"audio": Media(data=b"who knows")}, NEW, "audio", "octet-stream"),
    ],
)  # fmt: skip
async def test_meaning_is_refused_before_the_network(
    more: dict[str, Any], model: str, param: str, says: str
) -> None:
    request = TranscriptionRequest(**{"audio": MP3, **more})
    async with loopback() as (server, account):
        with pytest.raises(UnsupportedFeatureError, match=says) as caught:
            await transcription.generate(account, request, context(model))
        assert server.requests == []
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (Media(data=PNG), "image/png"),
        (Media(data=bytes(8), media_type="audio/pcm"), "sample_rate"),
    ],
)
async def test_what_is_no_sound_is_refused_before_the_network(audio: Media, says: str) -> None:
    async with loopback() as (server, account):
        with pytest.raises(InvalidRequestError, match=says) as caught:
            await transcription.generate(account, TranscriptionRequest(audio=audio), context(NEW))
        assert server.requests == []
    assert caught.value.param == "audio"


@pytest.mark.parametrize(
    ("media", "filename", "media_type"),
    [
        (Media(data=b"fLaC", name="take.final"), "take.flac", "audio/flac"),
        (Media(data=b"OggS" + b"OpusHead"), "audio.ogg", "audio/opus"),
        (Media(data=b"ID3", name="a.mpga"), "a.mpga", "audio/mpeg"),
        (Media(data=b"ID3", name="a.wav"), "a.mp3", "audio/mpeg"),
        (Media(data=b"....ftypM4A ", name="x/y\\z.mp4"), "z.mp4", "audio/mp4"),
        (Media(data=b"raw", name="a.MP3"), "a.mp3", "application/octet-stream"),
        (Media(data=b"\x1aE\xdf\xa3", media_type="audio/webm"), "audio.webm", "audio/webm"),
    ],
)
async def test_the_file_has_an_extension_that_fits_its_bytes(
    media: Media, filename: str, media_type: str
) -> None:
    form, _ = await sent(TranscriptionRequest(audio=media))
    file = the_file(form)
    assert (file.filename, file.content_type) == (filename, media_type)


async def test_raw_samples_get_a_wav_header() -> None:
    audio = Media(data=bytes(4800), media_type="audio/pcm", sample_rate=16_000, name="mic.raw")
    form, response = await sent(TranscriptionRequest(audio=audio))
    file = the_file(form)
    assert (file.filename, file.content_type) == ("mic.wav", "audio/wav")
    with wave.open(io.BytesIO(file.content)) as heard:
        assert (heard.getframerate(), heard.getnchannels(), heard.getsampwidth()) == (16_000, 1, 2)
        assert heard.readframes(10_000) == bytes(4800)
    assert [(note.kind, note.parameter) for note in response.warnings] == [("adapted", "audio")]


async def test_addresses_are_fetched() -> None:
    fetch = downloads(talk_mp3=MP3.data)
    request = TranscriptionRequest(audio=URL("https://x.example/talk.mp3"))
    form, _ = await sent(request, fetch=fetch)
    assert the_file(form).content == MP3.data


async def test_other_servers_take_other_formats_and_times() -> None:
    audio = Media(data=b"\xff\xf1\x50")
    request = TranscriptionRequest(audio=audio, timestamps="word", keywords=("Ada",))
    form, response = await sent(request, "whisper-large-v3", VERBOSE, SERVER)
    assert the_file(form).filename == "audio.aac"
    assert ("timestamp_granularities[]", "word") in fields(form)
    assert ("prompt", "Ada") in fields(form)
    assert response.provider == "gpu"
    with pytest.raises(UnsupportedFeatureError, match="extension"):
        await sent(TranscriptionRequest(audio=Media(data=b"raw")), "m", PLAIN, SERVER)


# ----------------------------------------------------------------------------------- answers
async def test_silence_is_a_valid_answer() -> None:
    answer = {"text": "", "duration": "2.5", "language": 7, "usage": "free"}
    _, response = await sent(
        TranscriptionRequest(audio=MP3, timestamps="word"), "whisper-1", answer
    )
    assert response.text == ""
    assert response.words == ()
    assert response.duration_s == 2.5
    assert response.usage.audio_s == 2.5
    assert response.language is None


@pytest.mark.parametrize(
    ("answer", "more", "model"),
    [
        ({"words": []}, {}, NEW),
        ({"text": None}, {}, NEW),
        ({"text": "x", "segments": [SEGMENT]}, {"timestamps": "word"}, "whisper-1"),
        ({"text": "x", "words": []}, {"timestamps": "segment"}, "whisper-1"),
        ({"text": "x"}, {"diarize": True}, DIARIZE),
        ({"text": "x", "segments": [{"text": "x"}]}, {}, NEW),
    ],
)
async def test_an_answer_without_what_was_asked_for_is_invalid(
    answer: Any, more: dict[str, Any], model: str
) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        await sent(TranscriptionRequest(audio=MP3, **more), model, answer)
    assert caught.value.request_id == "req_t"


async def test_plain_text_is_an_answer_only_where_it_was_asked_for() -> None:
    subtitles = b"1\n00:00:00,000 --> 00:00:01,000\nHi\n"

    async def ask(request: TranscriptionRequest) -> TranscriptionResponse:
        async with loopback() as (server, account):
            server.on("POST", PATH, answer_bytes(subtitles, "text/plain; charset=utf-8"))
            return await transcription.generate(account, request, context("whisper-1"))

    response = await ask(TranscriptionRequest(audio=MP3, extra={"response_format": "srt"}))
    assert response.text == subtitles.decode()
    with pytest.raises(InvalidResponseError):
        await ask(TranscriptionRequest(audio=MP3))


async def test_a_failure_is_the_error_of_its_cause() -> None:
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_error(401, {"error": {"message": "bad sk-test key"}}))
        with pytest.raises(AuthenticationError) as caught:
            await transcription.generate(account, TranscriptionRequest(audio=MP3), context(NEW))
        assert isinstance(server.requests[0], RecordedRequest)
    assert "sk-test" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"known_speaker_names": ["a"]}, {"known_speaker_names": list("abcde")}]
)
async def test_speakers_need_a_sample_each(options: Any) -> None:
    request = TranscriptionRequest(audio=MP3, options={"openai": options})
    with pytest.raises(InvalidRequestError, match=r"known_speaker_names|reference"):
        await sent(request, DIARIZE)
