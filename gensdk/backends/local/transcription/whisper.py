"""Whisper: words with the language found, times from its own marks, English on request.

The decoder is told language, task and whether to write marks of time; it writes text between the
marks (Radford et al. 2022, arXiv:2212.04356). One window is one ``generate``; where the model
marks that it stopped before the window's end, the worker has it listen again from there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from gensdk.errors import InvalidRequestError, UnsupportedFeatureError

from ..notes import Note
from ..worker import WorkerFacts
from .job import TranscriptionJob
from .joining import Passage, Spoken
from .listener import Draw, Heard, Plan, StopUnwanted, Take, Weigh, filled, noted
from .marks import Marks, Run, read
from .model import LoadedListener
from .options import LocalTranscriptionOptions
from .plain import DEFAULT_MAX_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["WhisperListener"]

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


class WhisperListener:
    """A Whisper model."""

    def __init__(self, model: LoadedListener) -> None:
        """Read what this one can do from its generation configuration."""
        self._model = model
        network = model.network
        generation = network.generation_config
        if generation.max_length in {None, DEFAULT_MAX_LENGTH}:
            generation.max_length = network.config.max_target_positions
        # What is doubted is judged here, whole call by whole call, not by transformers.
        generation.no_speech_threshold = None
        generation.logprob_threshold = None
        generation.compression_ratio_threshold = None
        self._beams = generation.num_beams or 1
        named = getattr(generation, "lang_to_id", None) or {}
        self._languages = {str(name).strip("<|>"): int(token) for name, token in named.items()}
        self._many = bool(getattr(generation, "is_multilingual", self._languages))
        self._tasks = getattr(generation, "task_to_id", None) or {}
        before = getattr(generation, "no_timestamps_token_id", None)
        self._timed = before is not None
        self._marks = Marks(
            first=network.config.vocab_size if before is None else int(before) + 1,
            seconds=model.extractor.chunk_length / network.config.max_source_positions,
            silent=frozenset(model.tokenizer.all_special_ids),
        )
        self._aligned = bool(getattr(generation, "alignment_heads", None))
        self._ends = _ids(generation.eos_token_id)

    @property
    def facts(self) -> WorkerFacts:
        """What was loaded, and where."""
        return self._model.facts

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self._model.rate

    @property
    def longest_s(self) -> float:
        """What its encoder takes: 30 seconds."""
        return float(self._model.extractor.n_samples / self.rate)

    # -------------------------------------------------------------------------- what is asked
    def plan(self, job: TranscriptionJob) -> Plan:
        """Check a job against the model; see ``Listener``."""
        notes: list[Note] = []
        language = self._language(job, notes)
        if job.translate and not (self._many and "translate" in self._tasks):
            raise _unsupported("translate", "this Whisper model does not translate")
        if job.timestamps != "none" and not self._timed:
            raise _unsupported(
                "timestamps", "this model's generation_config.json has no no_timestamps_token_id"
            )
        if job.timestamps == "word" and not self._aligned:
            raise _unsupported(
                "timestamps",
                "this model's generation_config.json has no alignment_heads, from which times of "
                "words are read; ask for segments",
            )
        options = job.options or LocalTranscriptionOptions()
        return Plan(
            timestamps=job.timestamps,
            language=language,
            finds_language=self._many and bool(self._languages) and language is None,
            translate=job.translate,
            prompt=self._prompt(job, notes),
            temperatures=self._temperatures(job, options, notes),
            options=options,
            notes=tuple(notes),
        )

    def key(self, plan: Plan, samples: int) -> Hashable | None:
        """Every window fills the encoder; word times are normalised over all rows of a run."""
        if plan.timestamps == "word":
            return None
        return (plan.timestamps, plan.translate, plan.prompt)

    def _temperatures(
        self, job: TranscriptionJob, options: LocalTranscriptionOptions, notes: list[Note]
    ) -> tuple[float, ...]:
        if job.temperature is None:
            return (0.0, *options.fallback_temperatures)
        if options.fallback_temperatures and "fallback_temperatures" in options.model_fields_set:
            reason = "fallback_temperatures: the request sets the temperature itself"
            notes.append(noted(job, "options", reason))
        return (job.temperature,)

    def _language(self, job: TranscriptionJob, notes: list[Note]) -> str | None:
        """The model's code of the language asked for, ``en`` where it knows nothing else."""
        if not self._many:
            if job.language is not None and _base(job.language) not in {"en", "english"}:
                raise _unsupported("language", "this Whisper model was trained for English alone")
            return "en"
        if not self._languages:
            if job.language is not None:
                raise _unsupported(
                    "language", "this model's generation_config.json has no lang_to_id"
                )
            return None
        if job.language is None:
            return None
        given = job.language.lower()
        for code in (given, _base(given), _code_of(given)):
            if code in self._languages:
                if code != given:
                    notes.append(Note("adapt", "language", f"read as {code!r}", code))
                return code
        known = ", ".join(sorted(self._languages))
        raise InvalidRequestError(
            f"language {job.language!r}: this model knows {known}", param="language"
        )

    def _prompt(self, job: TranscriptionJob, notes: list[Note]) -> tuple[int, ...]:
        text = job.guidance
        if not text:
            return ()
        if job.keywords:
            notes.append(Note("adapt", "keywords", "the keywords are part of the prompt", text))
        try:
            ids = [int(n) for n in self._model.tokenizer.get_prompt_ids(text)]
        except ValueError as error:
            raise InvalidRequestError(f"prompt: {error}", param="prompt") from error
        most = self._model.network.config.max_target_positions // 2 - 1
        if len(ids) > most:
            notes.append(
                Note("adapt", "prompt", f"cut to its last {most - 1} tokens, as many as it reads")
            )
            ids = [ids[0], *ids[len(ids) - most + 1 :]]
        return tuple(ids)

    # -------------------------------------------------------------------------- what is heard
    def languages(self, windows: Sequence[Array]) -> list[str]:
        """The language of each window."""
        features, _ = self._features(windows)
        found = self._model.network.detect_language(features).tolist()
        names = {token: name for name, token in self._languages.items()}
        return [names[token] for token in found]

    def listen(self, takes: Sequence[Take], unwanted: Callable[[], list[bool]]) -> list[Heard]:
        """Hear windows together; see ``Listener``."""
        import torch

        plan, network = takes[0].plan, self._model.network
        features, mask = self._features([take.samples for take in takes])
        options: dict[str, Any] = {}
        if self._many and self._languages:
            options["language"] = [f"<|{take.language}|>" for take in takes]
        if self._many and self._tasks:
            options["task"] = "translate" if plan.translate else "transcribe"
        if plan.prompt:
            options["prompt_ids"] = torch.tensor(plan.prompt, device=features.device)
        temperature = takes[0].temperature
        draw = Draw([take.seed for take in takes], temperature) if temperature > 0 else None
        weigh = Weigh(draw)
        if draw is not None or self._beams == 1:
            options["logits_processor"] = [weigh]
            options["num_beams"] = 1
        attention = network.config._attn_implementation  # noqa: SLF001  # generate changes it
        try:
            made = network.generate(
                features,
                attention_mask=mask,
                return_timestamps=plan.timestamps != "none" if self._timed else None,
                return_token_timestamps=plan.timestamps == "word",
                return_segments=True,
                force_unique_generate_call=True,
                condition_on_prev_tokens=False,
                temperature=0.0,
                stopping_criteria=[StopUnwanted(unwanted)],
                **options,
            )
        finally:
            network.config._attn_implementation = attention  # noqa: SLF001
        weighed = weigh.rows(len(takes))
        heard = [self._heard(*row) for row in zip(takes, made["segments"], weighed, strict=True)]
        return self._without_silence(takes, heard, features)

    def _without_silence(
        self, takes: Sequence[Take], heard: Sequence[Heard], features: Any
    ) -> list[Heard]:
        """What was heard, without the texts of windows in which nobody speaks."""
        asked = [
            n for n, pair in enumerate(zip(takes, heard, strict=True)) if _may_be_silence(*pair)
        ]
        found = list(heard)
        if not asked or not self._timed:
            return found
        silence = self._silence(features[asked], takes[0].plan.prompt)
        for n, probability in zip(asked, silence, strict=True):
            most = takes[n].plan.options.no_speech_threshold
            if most is not None and probability > most:
                found[n] = Heard((), 0, glue=found[n].glue)
        return found

    def _silence(self, features: Any, prompt: Sequence[int]) -> list[float]:
        """The probability that nobody speaks, which the model says where the text begins."""
        import torch

        network = self._model.network
        said = torch.tensor([[*prompt, network.config.decoder_start_token_id]])
        scores = network(
            input_features=features,
            decoder_input_ids=said.repeat(len(features), 1).to(features.device),
        ).logits[:, -1]
        silent = self._marks.first - 2  # before the token for "no marks"
        probabilities: list[float] = scores.float().softmax(-1)[:, silent].tolist()
        return probabilities

    def _features(self, windows: Sequence[Array]) -> tuple[Any, Any]:
        """Log-mel features ``[windows, mel, frames]`` and their mask, each made by itself."""
        import torch

        network, extractor = self._model.network, self._model.extractor
        made = [
            extractor(
                filled(window, self.rate),
                sampling_rate=self.rate,
                return_tensors="pt",
                return_attention_mask=True,
            )
            for window in windows
        ]
        features = torch.cat([one["input_features"] for one in made])
        mask = torch.cat([one["attention_mask"] for one in made])
        return features.to(network.device, network.dtype), mask.to(network.device)

    def _heard(self, take: Take, segments: Sequence[Any], weighed: Sequence[float]) -> Heard:
        """What one row of a run says."""
        written = "en" if take.plan.translate else take.language
        glue = "" if written in _UNSPACED else " "
        result, begin = segments[0]["result"], int(segments[0]["idxs"][0])
        times: list[float] | None = None
        if isinstance(result, dict):
            if take.plan.timestamps == "word":
                times = [float(time) for time in result["token_timestamps"]][begin:]
            result = result["sequences"]
        tokens = [int(token) for token in result][begin:]
        length = next((n for n, token in enumerate(tokens) if token in self._ends), len(tokens))
        seconds = len(take.samples) / self.rate
        said = tokens[:length]
        if take.plan.timestamps == "none":  # a mark that was not asked for means nothing
            said = [token for token in said if token < self._marks.first]
        reading = read(said, times, seconds, self._marks)
        passages = tuple(self._passage(run, written) for run in reading.runs)
        return Heard(
            passages,
            length,
            reading.resume,
            glue,
            **_doubts(take.plan.options, self._text(tokens[:length]), weighed[: length + 1]),
        )

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._model.tokenizer.decode(
            [token for token in tokens if token < self._marks.first], skip_special_tokens=True
        )
        return text

    def _passage(self, run: Run, language: str | None) -> Passage:
        from transformers.models.whisper.tokenization_whisper import (
            LANGUAGES,
            _combine_tokens_into_words,
        )

        texts, _, places = _combine_tokens_into_words(
            self._model.tokenizer, list(run.tokens), LANGUAGES.get(language or "en", "english")
        )
        words = [
            Spoken(text, run.times[own[0]][0], run.times[own[-1]][1]) if run.times else Spoken(text)
            for text, own in zip(texts, places, strict=True)
        ]
        return Passage(tuple(words), run.start, run.end)


def _doubts(
    options: LocalTranscriptionOptions, text: str, weighed: Sequence[float]
) -> dict[str, Any]:
    """What there is to doubt about a text, whose tokens and end have these log-probabilities."""
    data = text.encode()
    ratio = len(data) / len(zlib.compress(data))
    most, least = options.compression_ratio_threshold, options.logprob_threshold
    logprob = sum(weighed) / len(weighed) if weighed else 0.0
    return {
        "logprob": logprob,
        "repeats": most is not None and ratio > most,
        "unsure": least is not None and logprob < least,
    }


def _may_be_silence(take: Take, heard: Heard) -> bool:
    options = take.plan.options
    sure = options.logprob_threshold is not None and not heard.unsure
    return options.no_speech_threshold is not None and not sure


def _ids(value: Any) -> frozenset[int]:
    return frozenset(value if isinstance(value, list | tuple) else [value]) - {None}


def _base(language: str) -> str:
    """``en`` of ``en-GB``."""
    return language.lower().replace("_", "-").partition("-")[0]


def _code_of(language: str) -> str | None:
    """``en`` of ``english``."""
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    code: str | None = TO_LANGUAGE_CODE.get(language)
    return code


def _unsupported(parameter: str, reason: str) -> UnsupportedFeatureError:
    return UnsupportedFeatureError(f"{parameter}: {reason}", provider="local", param=parameter)
