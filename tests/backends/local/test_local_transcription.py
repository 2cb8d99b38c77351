"""Transcription here: models that were taught tones write down tunes, as the library itself would.

The Whisper hears three seconds at once, where a real one hears thirty.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.errors import (
    InvalidRequestError,
    ModelLoadError,
    OutOfMemoryError,
    UnsupportedFeatureError,
)
from gensdk.types import Media, TranscriptionRequest, TranscriptionResponse
from tests.support.local_calls import context
from tests.support.tiny_listeners import (
    NOTES,
    RATE,
    Array,
    heard_as,
    save,
    silence,
    taught_wav2vec2,
    taught_whisper,
    tone,
    tune,
    wav,
    wav2vec2,
    whisper,
)
from tests.support.tiny_models import byte_tokenizer, edit_json

SONG = ["do", "re", "mi", "fa", "sol", "mi", "do", "fa", "re", "sol"]


@pytest.fixture(scope="session")
def listener(models: Path, one_thread: None) -> Path:
    """A Whisper that understands tones in two languages."""
    return save(models / "whisper", taught_whisper())


@pytest.fixture(scope="session")
def speller(models: Path, one_thread: None) -> Path:
    """A CTC model that understands tones."""
    return save(models / "ctc", taught_wav2vec2(models / "ctc"))


@pytest.fixture(scope="session")
def babbler(models: Path, one_thread: None) -> Path:
    """A Whisper with random weights: what it says depends on every bit of what it gets."""
    return save(models / "babbler", whisper())


async def transcribe(
    backend: LocalBackend, folder: Path, sound: Array, **fields: Any
) -> TranscriptionResponse:
    audio = Media(data=wav(sound))
    return await backend.transcribe(TranscriptionRequest(audio=audio, **fields), context(folder))


def load(folder: Path) -> tuple[Any, Any, Any]:
    from transformers import (
        AutoFeatureExtractor,
        AutoModelForCTC,
        AutoModelForSpeechSeq2Seq,
        AutoTokenizer,
    )

    kind = AutoModelForSpeechSeq2Seq if "ctc" not in folder.name else AutoModelForCTC
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    return kind.from_pretrained(folder).eval(), extractor, AutoTokenizer.from_pretrained(folder)


def pipeline(folder: Path, sound: Array, **options: Any) -> Any:
    """What the library's own pipeline makes of it."""
    from transformers import pipeline as make

    model, extractor, tokenizer = load(folder)
    asks = make(
        "automatic-speech-recognition",
        model=model,
        feature_extractor=extractor,
        tokenizer=tokenizer,
        device="cpu",
    )
    return asks(heard_as(sound), **options)


@contextmanager
def watched(see: Callable[[Any, Any], None]) -> Iterator[None]:
    """See every module of the models with its inputs, before it runs."""
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: see(module, inputs)
    )
    try:
        yield
    finally:
        hook.remove()


# ------------------------------------------------------------------------------------ Whisper
@pytest.mark.parametrize("language", ["en", "de"])
async def test_what_is_said_and_in_which_language(listener: Path, language: str) -> None:
    sound = tune(["mi", "do", "sol"], language=language)
    async with gensdk.Client() as client:
        answer = await client.transcribe(wav(sound), model=f"local:{listener}")
        assert client.capabilities(f"local:{listener}").abilities == {"transcribe"}
        with pytest.raises(UnsupportedFeatureError):
            await client.text("a story", model=f"local:{listener}")
    assert answer.text == "mi do sol"
    assert answer.language == language
    assert answer.duration_s == pytest.approx(len(sound) / RATE)
    assert (answer.segments, answer.words, answer.warnings) == ((), (), ())
    assert answer.usage.output_tokens == 3
    assert answer.usage.audio_s == answer.duration_s
    assert answer.reproducible


async def test_times_are_those_of_the_librarys_pipeline(
    listener: Path, backend: LocalBackend
) -> None:
    sound = tune(["mi", "do", "sol", "re"], gap_s=0.3)
    segment = await transcribe(backend, listener, sound, timestamps="segment")
    asked = {"generate_kwargs": {"language": "en", "task": "transcribe"}}
    own = pipeline(listener, sound, return_timestamps=True, **asked)
    assert segment.text == own["text"].strip() == "mi do sol re"
    assert [(one.text, one.start_s, one.end_s) for one in segment.segments] == [
        (chunk["text"].strip(), *chunk["timestamp"]) for chunk in own["chunks"]
    ]
    assert segment.segments[0].start_s == pytest.approx(0.2, abs=0.1)
    assert segment.segments[0].end_s == pytest.approx(0.2 + 4 * 0.3 + 3 * 0.3, abs=0.3)
    assert segment.words == ()
    words = await transcribe(backend, listener, sound, timestamps="word")
    own = pipeline(listener, sound, return_timestamps="word", **asked)
    assert [(one.text, one.start_s, one.end_s) for one in words.words] == [
        (
            chunk["text"].strip(),
            *(min(time, len(sound) / RATE) for time in chunk["timestamp"]),
        )
        for chunk in own["chunks"]
    ]
    assert words.segments == segment.segments


async def test_times_of_words_leave_the_model_as_it_was(
    babbler: Path, backend: LocalBackend
) -> None:
    """The library changes the model's attention for them, and leaves it so."""
    kinds: list[str] = []

    def see(module: Any, _: Any) -> None:
        if type(module).__name__ == "WhisperDecoder":
            kinds.append(module.config._attn_implementation)

    with watched(see):
        for timestamps in ("none", "word", "none"):
            await transcribe(backend, babbler, tune(["mi"]), language="en", timestamps=timestamps)
    assert kinds[0] == kinds[-1] == "sdpa"
    assert "eager" in kinds


async def test_random_weights_say_the_same_as_generate(
    babbler: Path, backend: LocalBackend
) -> None:
    sound = tune(["mi", "do"])
    answer = await transcribe(backend, babbler, sound, language="de", prompt="do re")
    model, extractor, tokenizer = load(babbler)
    features = extractor(heard_as(sound), sampling_rate=RATE, return_tensors="pt").input_features
    prompt = torch.from_numpy(tokenizer.get_prompt_ids("do re"))
    (ids,) = model.generate(
        features,
        language="de",
        task="transcribe",
        prompt_ids=prompt,
        force_unique_generate_call=True,
    )
    text = ids[len(prompt) + 4 :]
    assert len(text) > 20
    assert answer.text == tokenizer.decode(text, skip_special_tokens=True).strip()
    other = await transcribe(backend, babbler, sound, language="de")
    assert other.text != answer.text
    english = await transcribe(backend, babbler, sound, language="de", translate=True)
    assert english.text != other.text


async def test_a_long_sound_is_heard_in_windows(listener: Path, backend: LocalBackend) -> None:
    song, gap_s = SONG * 2, 0.3
    sound = tune(song, gap_s)
    answer = await transcribe(backend, listener, sound, timestamps="word")
    assert answer.provider_details["windows"] == 5
    assert answer.text.split() == song
    assert [word.text for word in answer.words] == song
    assert " ".join(segment.text for segment in answer.segments) == answer.text
    times = [time for one in answer.segments for time in (one.start_s, one.end_s)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(len(sound) / RATE - gap_s, abs=0.3)
    for n, word in enumerate(answer.words):
        assert word.start_s == pytest.approx(0.2 + n * (0.3 + gap_s), abs=1.5)
    plain = await transcribe(backend, listener, sound)
    assert plain.text == answer.text


async def test_calls_are_heard_together_with_the_same_result(
    listener: Path, babbler: Path, backend: LocalBackend
) -> None:
    sounds = [tune(SONG[n : n + 3], gap_s=0.2 + n / 50, seed=n) for n in range(3)]
    fields: list[dict[str, Any]] = [{"language": "en"}, {"timestamps": "segment"}]
    fields += [{"temperature": 0.7}, {"language": "zh", "temperature": 0.7}]
    for folder in (listener, babbler):
        for extra in fields:
            alone = [await transcribe(backend, folder, sound, **extra) for sound in sounds]
            together = await asyncio.gather(
                *(transcribe(backend, folder, sound, **extra) for sound in sounds)
            )
            assert [one.text for one in together] == [one.text for one in alone]
            assert [one.segments for one in together] == [one.segments for one in alone]
    rows: list[int] = []

    def count(module: Any, inputs: Any) -> None:
        if type(module).__name__ == "Conv1d":
            rows.append(inputs[0].shape[0])

    with watched(count):
        await asyncio.gather(*(transcribe(backend, listener, sound) for sound in sounds))
        assert max(rows) > 1
        rows.clear()
        await asyncio.gather(
            *(transcribe(backend, listener, s, timestamps="word", language="en") for s in sounds)
        )
        assert max(rows) == 1, "times of words depend on what is beside them"


async def test_a_temperature_is_repeatable(babbler: Path, backend: LocalBackend) -> None:
    sound = tune(["mi", "do"])
    fields = {"language": "en", "temperature": 1.0}
    first = await transcribe(backend, babbler, sound, **fields)
    torch.manual_seed(99)
    again = await transcribe(backend, babbler, sound, **fields)
    likeliest = await transcribe(backend, babbler, sound, language="en")
    assert first.text == again.text != likeliest.text


async def test_languages(listener: Path, backend: LocalBackend) -> None:
    sound = tune(["mi"])
    british = await transcribe(backend, listener, sound, language="en-GB")
    assert british.language == "en"
    assert [warning.parameter for warning in british.warnings] == ["language"]
    named = await transcribe(backend, listener, sound, language="german")
    assert named.language == "de"
    with pytest.raises(InvalidRequestError, match="knows de, en, zh"):
        await transcribe(backend, listener, sound, language="fr")


async def test_a_model_for_english_alone(tmp_path: Path, backend: LocalBackend) -> None:
    parts = whisper()
    parts[0].generation_config.is_multilingual = False
    folder = save(tmp_path / "english", parts)
    sound = tune(["mi"])
    answer = await transcribe(backend, folder, sound, language="en", temperature=0)
    assert answer.language == "en"
    model, extractor, tokenizer = load(folder)
    features = extractor(heard_as(sound), sampling_rate=RATE, return_tensors="pt").input_features
    (ids,) = model.generate(features)
    assert answer.text == tokenizer.decode(ids, skip_special_tokens=True).strip()
    for fields in ({"language": "de"}, {"translate": True}):
        with pytest.raises(UnsupportedFeatureError) as caught:
            await transcribe(backend, folder, sound, **fields)
        assert caught.value.param == next(iter(fields))


async def test_words_of_languages_without_spaces(babbler: Path, backend: LocalBackend) -> None:
    """Words of Chinese are its characters, those of English stand between spaces."""
    sound = tune(["mi", "do"])
    fields = {"language": "zh", "temperature": 1.0}
    chinese = await transcribe(backend, babbler, sound, timestamps="word", **fields)
    english = await transcribe(
        backend, babbler, sound, timestamps="word", language="en", temperature=1.0
    )
    assert len(chinese.words) > len(english.words) > 0


async def test_prompt_and_keywords(babbler: Path, backend: LocalBackend) -> None:
    sound = tune(["mi"])
    fields = {"language": "en"}
    answer = await transcribe(backend, babbler, sound, keywords=("do", "fa"), prompt="re", **fields)
    joined = await transcribe(backend, babbler, sound, prompt="do, fa. re", **fields)
    assert answer.text == joined.text
    (warning,) = answer.warnings
    assert (warning.parameter, warning.sent) == ("keywords", "do, fa. re")
    long = await transcribe(backend, babbler, sound, prompt="so " * 60 + "do re mi", **fields)
    assert [warning.parameter for warning in long.warnings] == ["prompt"]
    with pytest.raises(InvalidRequestError, match="disallowed special token"):
        await transcribe(backend, babbler, sound, prompt="<|endoftext|>", **fields)


async def test_what_a_model_has_no_times_for(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save(tmp_path / "whisper", whisper())
    edit_json(folder / "generation_config.json", alignment_heads=None)
    with pytest.raises(UnsupportedFeatureError, match="alignment_heads"):
        await transcribe(backend, folder, tune(["mi"]), timestamps="word")
    other = save(tmp_path / "other", whisper())
    edit_json(other / "generation_config.json", no_timestamps_token_id=None)
    with pytest.raises(UnsupportedFeatureError, match="no_timestamps_token_id"):
        await transcribe(backend, other, tune(["mi"]), timestamps="segment")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"diarize": True}, "diarize"),
        ({"translate": True, "timestamps": "word"}, "timestamps"),
        ({"extra": {"a": 1}}, "extra"),
    ],
)
async def test_refused_before_anything_is_loaded(
    fields: dict[str, Any], param: str, listener: Path, backend: LocalBackend
) -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        await transcribe(backend, listener, tune(["mi"]), **fields)
    assert caught.value.param == param
    assert backend.loaded() == ()


@pytest.mark.parametrize("data", [b"this is no sound at all", wav(silence(1))[:40]])
async def test_a_bad_sound_is_an_error_before_anything_is_loaded(
    data: bytes, listener: Path, backend: LocalBackend
) -> None:
    request = TranscriptionRequest(audio=Media(data=data))
    with pytest.raises(InvalidRequestError):
        await backend.transcribe(request, context(listener))
    assert backend.loaded() == ()


async def test_nobody_says_anything(listener: Path, backend: LocalBackend) -> None:
    answer = await transcribe(backend, listener, numpy.zeros(9 * RATE, numpy.float32))
    assert (answer.text, answer.language, answer.duration_s) == ("", None, 9.0)
    quiet = numpy.zeros(int(1.8 * RATE), numpy.float32)
    sound = numpy.concatenate([quiet, tune(["fa", "re", "mi"], 0.3, language="de")])
    late = await transcribe(backend, listener, sound, timestamps="segment")
    assert (late.text, late.language) == ("fa re mi", "de")
    assert late.segments[0].start_s == pytest.approx(2.0, abs=0.3)
    assert late.provider_details["windows"] == 1


async def test_another_rate_and_two_channels(listener: Path, backend: LocalBackend) -> None:
    pytest.importorskip("av")
    time = numpy.arange(int(1.5 * 44_100)) / 44_100
    sound = tune(["mi", "do"])
    other = numpy.interp(time, numpy.arange(len(sound)) / RATE, sound).astype(numpy.float32)
    request = TranscriptionRequest(audio=Media(data=wav(other, 44_100)))
    answer = await backend.transcribe(request, context(listener))
    assert answer.text == "mi do"


async def test_giving_up_ends_the_work_within_a_token(babbler: Path, backend: LocalBackend) -> None:
    seen, go, steps = threading.Event(), threading.Event(), []

    def see(module: Any, _: Any) -> None:
        if type(module).__name__ == "WhisperDecoder":
            steps.append(1)
            if len(steps) == 4:
                seen.set()
                go.wait(10)

    with watched(see):
        call = asyncio.create_task(transcribe(backend, babbler, tune(["mi"]), language="en"))
        await asyncio.to_thread(seen.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        after = await transcribe(backend, babbler, tune(["mi"]), language="en")
        cut_short = len(steps)
        steps.clear()
        steps.extend([1] * 4)
        whole = await transcribe(backend, babbler, tune(["mi"]), language="en")
    assert after.text == whole.text
    assert cut_short == 4 + (len(steps) - 4), "the call that was given up took no step more"


async def test_a_short_call_does_not_wait_for_a_long_one(
    listener: Path, backend: LocalBackend
) -> None:
    ends: list[str] = []
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def see(module: Any, _: Any) -> None:
        if type(module).__name__ == "WhisperDecoder":
            loop.call_soon_threadsafe(began.set)

    async def ask(name: str, sound: Array) -> None:
        await transcribe(backend, listener, sound, timestamps="word", language="en")
        ends.append(name)

    with watched(see):
        long = asyncio.create_task(ask("long", tune(SONG * 5, 0.3)))
        await began.wait()
        await ask("short", tune(["mi"]))
        await long
    assert ends == ["short", "long"]


async def test_memory_that_runs_out_means_fewer_windows_together(
    listener: Path, backend: LocalBackend
) -> None:
    sound = tune(SONG, 0.3)
    whole = await transcribe(backend, listener, sound, language="en")
    rows: list[int] = []

    def see(module: Any, inputs: Any) -> None:
        if type(module).__name__ == "Conv1d":
            rows.append(inputs[0].shape[0])
            if inputs[0].shape[0] > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")

    with watched(see):
        answer = await transcribe(backend, listener, sound, language="en")
    assert answer.text == whole.text == " ".join(SONG)
    assert rows[0] > 1
    assert rows[-1] == 1


async def test_memory_that_is_never_enough_ends_that_call_alone(
    listener: Path, backend: LocalBackend
) -> None:
    def see(module: Any, _: Any) -> None:
        if type(module).__name__ == "Conv1d":
            raise torch.OutOfMemoryError("CUDA out of memory")

    with watched(see), pytest.raises(OutOfMemoryError, match="seconds of sound"):
        await transcribe(backend, listener, tune(["mi"]), language="en")
    assert (await transcribe(backend, listener, tune(["mi"]), language="en")).text == "mi"


# ---------------------------------------------------------------------------------------- CTC
async def test_a_ctc_model_spells_and_times(speller: Path, backend: LocalBackend) -> None:
    song = ["mi", "do", "sol", "fa"]
    sound = numpy.concatenate([tune(song[:2], 0.25), silence(0.8), tune(song[2:], 0.25)])
    answer = await transcribe(backend, speller, sound, timestamps="word")
    assert answer.text == " ".join(song)
    own = pipeline(speller, sound, return_timestamps="word")
    assert own["text"] == answer.text
    assert [(word.text, word.start_s, word.end_s) for word in answer.words] == [
        (chunk["text"], *(pytest.approx(time, abs=1e-3) for time in chunk["timestamp"]))
        for chunk in own["chunks"]
    ]
    assert [segment.text for segment in answer.segments] == ["mi do", "sol fa"]
    assert answer.segments[1].start_s == answer.words[2].start_s
    assert answer.language is None
    plain = await transcribe(backend, speller, sound)
    assert (plain.text, plain.words, plain.segments) == (answer.text, (), ())


async def test_a_long_sound_spelled(speller: Path, backend: LocalBackend) -> None:
    song = [list(NOTES)[n * n % 5] for n in range(70)]
    for gap_s in (0.25, 0.16):  # 0.16 s are no pause: the windows overlap there
        answer = await transcribe(backend, speller, tune(song, gap_s), timestamps="word")
        assert answer.provider_details["windows"] == 2
        assert answer.text.split() == song
        for n, word in enumerate(answer.words):
            assert word.start_s == pytest.approx(0.2 + n * (0.3 + gap_s), abs=0.3)


@pytest.mark.parametrize(
    ("masked", "make"), [(True, "Wav2Vec2"), (True, "Hubert"), (False, "Wav2Vec2")]
)
async def test_ctc_windows_are_heard_together_only_where_that_is_exact(
    tmp_path: Path, backend: LocalBackend, masked: bool, make: str
) -> None:
    folder = save(tmp_path / "ctc", wav2vec2(tmp_path / "ctc", masked, make))
    rows: list[int] = []

    def see(module: Any, inputs: Any) -> None:
        if type(module).__name__ == "Conv1d":
            rows.append(inputs[0].shape[0])

    sounds = [tune(SONG[n : n + 3], gap_s=0.2 + n / 50, seed=n) for n in range(5)]
    alone = [await transcribe(backend, folder, sound, timestamps="word") for sound in sounds]
    assert len({one.text for one in alone}) > 1
    with watched(see):
        together = await asyncio.gather(
            *(transcribe(backend, folder, sound, timestamps="word") for sound in sounds)
        )
    assert [(one.text, one.words) for one in together] == [(one.text, one.words) for one in alone]
    assert (max(rows) > 1) == masked


async def test_what_a_ctc_model_has_no_use_for(speller: Path, backend: LocalBackend) -> None:
    sound = tune(["mi"])
    with pytest.raises(UnsupportedFeatureError, match="translate"):
        await transcribe(backend, speller, sound, translate=True)
    fields = {"language": "en", "prompt": "do", "keywords": ("re",), "temperature": 0.5}
    answer = await transcribe(backend, speller, sound, **fields)
    assert answer.text == "mi"
    assert {warning.parameter for warning in answer.warnings} == set(fields)
    for name, value in fields.items():
        request = TranscriptionRequest(audio=Media(data=wav(sound)), **{name: value})
        with pytest.raises(UnsupportedFeatureError) as caught:
            await backend.transcribe(request, context(speller, unsupported="error"))
        assert caught.value.param == name


async def test_a_sound_shorter_than_a_frame(
    speller: Path, babbler: Path, backend: LocalBackend
) -> None:
    for folder in (speller, babbler):
        answer = await transcribe(backend, folder, tone("do")[:100], timestamps="word")
        assert answer.duration_s == pytest.approx(100 / RATE)
        assert all(0 <= word.end_s <= 0.01 for word in answer.words)


# --------------------------------------------------------------------------------- the others
def moonshine(folder: Path) -> Path:
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        Wav2Vec2FeatureExtractor,
    )

    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    sizes = dict.fromkeys(("encoder_num_hidden_layers", "decoder_num_hidden_layers"), 1)
    sizes |= dict.fromkeys(("encoder_num_attention_heads", "decoder_num_attention_heads"), 2)
    config = MoonshineConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, initializer_range=0.3,
        bos_token_id=1, eos_token_id=0, pad_token_id=0, decoder_start_token_id=1, **sizes,
    )  # fmt: skip
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return save(folder, (MoonshineForConditionalGeneration(config), extractor, tokenizer))


def speech_to_text(folder: Path) -> Path:
    from transformers import (
        Speech2TextConfig,
        Speech2TextFeatureExtractor,
        Speech2TextForConditionalGeneration,
    )

    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    sizes |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    sizes |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64)
    config = Speech2TextConfig(
        vocab_size=len(tokenizer), d_model=32, conv_channels=32, init_std=0.5,
        max_target_positions=40, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        decoder_start_token_id=2, **sizes,
    )  # fmt: skip
    model = Speech2TextForConditionalGeneration(config)
    return save(folder, (model, Speech2TextFeatureExtractor(), tokenizer))


@pytest.mark.parametrize(("make", "most"), [(moonshine, int(1.2 * 6.5) + 1), (speech_to_text, 40)])
async def test_models_that_give_words_and_nothing_else(
    tmp_path: Path, backend: LocalBackend, make: Callable[[Path], Path], most: int
) -> None:
    folder = make(tmp_path / "model")
    sound = tune(["mi", "do"])
    answer = await transcribe(backend, folder, sound)
    model, extractor, tokenizer = load(folder)
    inputs = extractor(heard_as(sound), sampling_rate=RATE, return_tensors="pt")
    (ids,) = model.generate(**inputs, max_length=most)
    expected = " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    assert answer.text == expected != ""
    warm = await transcribe(backend, folder, sound, temperature=1.0)
    assert warm.text != answer.text
    for fields in ({"timestamps": "segment"}, {"translate": True}):
        with pytest.raises(UnsupportedFeatureError) as caught:
            await transcribe(backend, folder, sound, **fields)
        assert caught.value.param == next(iter(fields))
    together = await asyncio.gather(
        *(transcribe(backend, folder, sound, temperature=1.0) for _ in range(3))
    )
    assert {one.text for one in together} == {warm.text}


async def test_a_feature_extractor_of_another_model(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save(tmp_path / "whisper", (*whisper()[::2], whisper(seconds=5)[1]))
    with pytest.raises(ModelLoadError, match="belongs to another model"):
        await transcribe(backend, folder, tune(["mi"]))


async def test_weights_that_are_missing(tmp_path: Path, backend: LocalBackend) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path / "ctc", wav2vec2(tmp_path / "ctc"))
    file = folder / "model.safetensors"
    weights = load_file(file)
    edit_json(folder / "config.json", mask_time_prob=0.05)  # lacks a weight of training alone
    await transcribe(backend, folder, tune(["mi"]))
    await backend.unload(str(folder))
    weights.pop("lm_head.bias")
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelLoadError, match=r"lm_head\.bias"):
        await transcribe(backend, folder, tune(["mi"]))


@pytest.mark.parametrize(
    ("model_type", "architecture"),
    [("voxtral", "VoxtralForConditionalGeneration"), ("parakeet_tdt", "ParakeetForTDT")],
)
async def test_makes_that_are_not_run_say_so(
    tmp_path: Path, backend: LocalBackend, model_type: str, architecture: str
) -> None:
    folder = save(tmp_path / "other", whisper())
    edit_json(folder / "config.json", model_type=model_type, architectures=[architecture])
    assert backend.capabilities(str(folder)).abilities == set()
    with pytest.raises(ModelLoadError, match=model_type):
        await transcribe(backend, folder, tune(["mi"]))
