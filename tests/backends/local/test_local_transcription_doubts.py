"""What Whisper is doubted for is heard again at rising temperatures, the same in every run.

The models give each token the same score at every step, so that what they say follows from the
temperature and the seed alone.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.backends.local import LocalBackend, LocalTranscriptionOptions
from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.safety import inspect_folder
from gensdk.backends.local.transcription.listener import Plan, Take
from gensdk.backends.local.transcription.model import load
from gensdk.backends.local.worker import WorkerLimits
from gensdk.errors import InvalidRequestError, UnsupportedFeatureError
from gensdk.types import TranscriptionResponse
from tests.support.tiny_listeners import (
    NOTES,
    RATE,
    save,
    steady_whisper,
    tune,
    wav,
    wav2vec2,
    whisper,
)

EVEN = {f"Ġ{word}": 2.0 for word in NOTES} | {"<|endoftext|>": 2.0}  # sure of nothing
STUCK = EVEN | {"Ġdo": 4.0}  # says one word for ever, and is sure enough of it
SURE = {"Ġdo": 4.0, "<|endoftext|>": 0.0}
SILENT = {"<|nospeech|>": 5.5}  # more than six in ten, beside EVEN
HERE = DeviceChoice("cpu", "float32", "a test")


@pytest.fixture(scope="session")
def make(models: Path, one_thread: None) -> Callable[..., Path]:
    """Models by what they say, each made once."""

    def made(name: str, **scores: float) -> Path:
        folder = models / f"steady-{name}"
        return folder if folder.exists() else save(folder, steady_whisper(scores))

    return made


@pytest.fixture
def stuck(make: Callable[..., Path]) -> Path:
    return make("stuck", **STUCK)


@pytest.fixture
def even(make: Callable[..., Path]) -> Path:
    return make("even", **EVEN)


async def hear(
    backend: LocalBackend, folder: Path, seconds: int = 2, *, strict: bool = False, **fields: Any
) -> TranscriptionResponse:
    fields = {"language": "en"} | fields
    if "options" in fields:
        fields["options"] = {"local": LocalTranscriptionOptions(**fields["options"])}
    client = gensdk.Client(backends={"local": backend})
    sound = tune(["mi"] * (2 * seconds), gap_s=0.25)[: seconds * RATE]
    unsupported: Any = "error" if strict else "warn"
    return await client.transcribe(
        wav(sound), model=f"local:{folder}", unsupported=unsupported, **fields
    )


def shrinks(text: str) -> float:
    data = f" {text}".encode()
    return len(data) / len(zlib.compress(data))


def again(answer: TranscriptionResponse) -> Any:
    return answer.provider_details["heard_again"]


# ------------------------------------------------------------------------------- what is doubted
async def test_a_text_that_repeats_itself(backend: LocalBackend, stuck: Path) -> None:
    plain = await hear(backend, stuck, temperature=0)
    assert set(plain.text.split()) == {"do"}
    assert shrinks(plain.text) > 2.4
    assert again(plain) == 0
    other = await hear(backend, stuck, options={"logprob_threshold": None})
    assert len(set(other.text.split())) > 1
    assert shrinks(other.text) <= 2.4
    assert 1 <= again(other) <= 5
    assert other.reproducible


async def test_a_text_the_model_is_not_sure_of(backend: LocalBackend, even: Path) -> None:
    answer = await hear(backend, even)
    assert again(answer) == 5, "no temperature makes it surer"
    assert shrinks(answer.text) <= 2.4, "of what is left, not the one that repeats itself"
    bold = await hear(backend, even, options={"logprob_threshold": -2.0})
    assert 1 <= again(bold) < 5, "now it is doubted for its repetitions alone"


async def test_what_is_sure_is_heard_once(make: Callable[..., Path], backend: LocalBackend) -> None:
    folder = make("sure", **SURE)
    bound = {"compression_ratio_threshold": 50.0}
    answer = await hear(backend, folder, options=bound)
    assert again(answer) == 0
    assert answer.text.startswith("do do")
    assert again(await hear(backend, folder, options=bound | {"logprob_threshold": -0.01})) > 0


@pytest.mark.parametrize("temperature", [0.0, 0.4])
async def test_a_given_temperature_is_kept(
    backend: LocalBackend, even: Path, temperature: float
) -> None:
    answer = await hear(backend, even, temperature=temperature)
    assert (again(answer), answer.warnings) == (0, ())


async def test_switched_off(backend: LocalBackend, even: Path, stuck: Path) -> None:
    for folder in (even, stuck):
        plain = await hear(backend, folder, temperature=0)
        for off in (
            {"fallback_temperatures": ()},
            {"logprob_threshold": None, "compression_ratio_threshold": None},
        ):
            answer = await hear(backend, folder, options=off)
            assert (answer.text, again(answer)) == (plain.text, 0)


async def test_the_temperatures_are_those_asked_for(backend: LocalBackend, even: Path) -> None:
    short = await hear(backend, even, options={"fallback_temperatures": (0.3,)})
    assert again(short) == 1
    cold = await hear(
        backend, even,
        options={"fallback_temperatures": (1e-3, 1e-3), "compression_ratio_threshold": None},
    )  # fmt: skip
    assert again(cold) == 2


# ---------------------------------------------------------------------------------- the same again
async def test_the_same_alone_together_and_after_others(
    make_backend: Callable[..., LocalBackend], even: Path, stuck: Path
) -> None:
    for folder in (even, stuck):
        first = await hear(make_backend(), folder, seconds=8)
        assert int(str(first.provider_details["windows"])) > 2
        backend = make_backend()
        others = await asyncio.gather(
            hear(backend, folder, seconds=8),
            hear(backend, folder, seconds=5, temperature=0.7),
            hear(backend, folder, seconds=8),
            hear(backend, folder, seconds=6),
        )
        assert others[0].text == others[2].text == first.text
        assert again(others[0]) == again(others[2]) == again(first)


async def test_windows_are_drawn_apart(backend: LocalBackend, even: Path) -> None:
    answer = await hear(backend, even, seconds=8, timestamps="segment")
    said = [segment.text for segment in answer.segments]
    assert len(set(said)) == len(said) > 1


@pytest.mark.parametrize("timestamps", ["segment", "word"])
async def test_with_times(backend: LocalBackend, stuck: Path, timestamps: str) -> None:
    answer = await hear(backend, stuck, timestamps=timestamps, options={"logprob_threshold": None})
    assert again(answer) >= 1
    assert shrinks(answer.text) <= 2.4


async def test_how_sure_is_what_the_network_says(models: Path, one_thread: None) -> None:
    """The mean log-probability of the tokens and the end, as one pass over all of them has it."""
    import torch

    parts = whisper(seed=1)
    with torch.no_grad():  # so that some texts end before the decoder is full
        end = parts[2].eos_token_id
        parts[0].model.decoder.embed_tokens.weight[end] = torch.randn(48) * 0.4
    folder = save(models / "unsure", parts)
    worker: Any = load(inspect_folder(folder), HERE, lambda: None, WorkerLimits())
    listener, (network, extractor, tokenizer) = worker._listener, parts
    start = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    begin = tokenizer.convert_tokens_to_ids(start)
    sounds = [tune(words) for words in (["mi", "do"], ["sol"], ["re", "fa", "do"])]
    plan, ended = Plan(language="en"), []
    with torch.inference_mode():
        heard = listener.listen([Take(plan, one, "en", 0.0, 0) for one in sounds], lambda: [False])
        for sound, found in zip(sounds, heard, strict=True):
            features = extractor(sound, sampling_rate=RATE, return_tensors="pt").input_features
            (said,) = network.generate(
                features, language="en", task="transcribe", return_timestamps=False,
                force_unique_generate_call=True,
            )  # fmt: skip
            assert said[:4].tolist() == begin
            scores = network(input_features=features, decoder_input_ids=said[None]).logits[0, 3:-1]
            scores[0, end] = -torch.inf  # no text begins with its end
            each = scores.log_softmax(-1).gather(-1, said[4:, None])[:, 0]
            assert found.logprob == pytest.approx(float(each.mean()), abs=1e-4)
            ended.append(said[-1] == end)
            assert found.tokens == len(said) - 4 - int(ended[-1])
    assert ended == [True, True, False]


# ----------------------------------------------------------------------------------------- silence
async def test_where_nobody_speaks(make: Callable[..., Path], backend: LocalBackend) -> None:
    folder = make("silent", **(EVEN | SILENT))
    for fields in ({}, {"temperature": 0.4}, {"timestamps": "word"}, {"prompt": "do re"}):
        answer = await hear(backend, folder, **fields)
        assert (answer.text, answer.segments, again(answer)) == ("", (), 0)
        assert answer.usage.output_tokens == 0
    for most in (None, 0.99):
        heard = await hear(backend, folder, options={"no_speech_threshold": most})
        assert heard.text
        assert again(heard) == 5


async def test_a_sure_text_is_no_silence(make: Callable[..., Path], backend: LocalBackend) -> None:
    folder = make("loud", **(SURE | SILENT))
    bound: dict[str, Any] = {"compression_ratio_threshold": None}
    assert (await hear(backend, folder, options=bound)).text.startswith("do")
    told = await hear(backend, folder, options=bound | {"logprob_threshold": None})
    assert told.text == ""


# ----------------------------------------------------------------------------------------- options
async def test_options_without_effect_are_noted(
    backend: LocalBackend, even: Path, tmp_path: Path
) -> None:
    speller = save(tmp_path / "ctc", wav2vec2(tmp_path / "ctc"))
    given = {"fallback_temperatures": (0.5,)}
    for folder, fields in ((speller, {"language": None}), (even, {"temperature": 0.2})):
        answer = await hear(backend, folder, options=given, **fields)
        assert [note.parameter for note in answer.warnings] == ["options"]
        with pytest.raises(UnsupportedFeatureError) as caught:
            await hear(backend, folder, options=given, strict=True, **fields)
        assert caught.value.param == "options"
    quiet = await hear(backend, even, temperature=0.2, options={"no_speech_threshold": None})
    assert quiet.warnings == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": 1}, {"fallback_temperatures": [0.0]}, {"fallback_temperatures": [0.5] * 11},
        {"no_speech_threshold": 1.5}, {"logprob_threshold": 0.5},
        {"compression_ratio_threshold": 0},
    ],
)  # fmt: skip
async def test_wrong_options_are_refused_before_anything_is_loaded(
    backend: LocalBackend, even: Path, wrong: dict[str, Any]
) -> None:
    client = gensdk.Client(backends={"local": backend})
    with pytest.raises(InvalidRequestError) as caught:
        await client.transcribe(wav(tune(["mi"])), model=f"local:{even}", options={"local": wrong})
    assert caught.value.param == "options"
    assert backend.loaded() == ()
