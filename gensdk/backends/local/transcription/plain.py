"""Encoder-decoders that take a sound and give its words, and nothing else (Moonshine, S2T)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from gensdk.errors import UnsupportedFeatureError

from ..notes import Note
from ..worker import WorkerFacts
from .job import TranscriptionJob
from .joining import Passage, Spoken
from .listener import Draw, Heard, Plan, StopUnwanted, Take, filled, noted
from .model import LoadedListener

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["DEFAULT_MAX_LENGTH", "PlainListener", "plain_notes", "require_plain"]

DEFAULT_MAX_LENGTH = 20
"""What transformers means by "nobody has set it"."""

_MOST_TOKENS = 448
_LONGEST_S = 30.0
_TOKENS_PER_S = 6.5  # Moonshine's makers: more than that is a loop (model card, 2024)


class PlainListener:
    """An encoder-decoder."""

    def __init__(self, model: LoadedListener) -> None:
        """Serve one."""
        self._model = model
        generation, config = model.network.generation_config, model.network.config
        if generation.max_length in {None, DEFAULT_MAX_LENGTH}:
            generation.max_length = getattr(config, "max_target_positions", _MOST_TOKENS)

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
        """They were trained on sentences."""
        return _LONGEST_S

    def plan(self, job: TranscriptionJob) -> Plan:
        """Check a job against the model; see ``Listener``."""
        require_plain(job)
        if job.timestamps != "none":
            raise UnsupportedFeatureError(
                f"timestamps: a {self._model.network.config.model_type} model does not say when "
                "a word was said; Whisper and CTC models do",
                provider="local",
                param="timestamps",
            )
        return Plan(temperatures=(job.temperature or 0.0,), notes=plain_notes(job))

    def key(self, plan: Plan, samples: int) -> Hashable | None:
        """Windows of one length need no padding."""
        return samples

    def languages(self, windows: Sequence[Array]) -> list[str]:
        """They do not say what is spoken."""
        raise UnsupportedFeatureError("this model does not say what is spoken", provider="local")

    def listen(self, takes: Sequence[Take], unwanted: Callable[[], list[bool]]) -> list[Heard]:
        """Hear windows together; see ``Listener``."""
        model, network = self._model, self._model.network
        sounds = [filled(take.samples, self.rate) for take in takes]
        inputs = model.extractor(sounds, sampling_rate=self.rate, padding=True, return_tensors="pt")
        name = next(name for name in ("input_features", "input_values") if name in inputs)
        mask = inputs.get("attention_mask")
        options: dict[str, Any] = (
            {} if mask is None else {"attention_mask": mask.to(network.device)}
        )
        if network.config.model_type == "moonshine":
            options["max_length"] = max(2, int(len(sounds[0]) / self.rate * _TOKENS_PER_S) + 1)
        temperature = takes[0].temperature
        if temperature > 0:
            options["logits_processor"] = [Draw([take.seed for take in takes], temperature)]
            options["num_beams"] = 1
        made = network.generate(
            inputs[name].to(network.device, network.dtype),
            do_sample=False,
            stopping_criteria=[StopUnwanted(unwanted)],
            **options,
        )
        return [self._heard(take, row) for take, row in zip(takes, made.tolist(), strict=True)]

    def _heard(self, take: Take, row: list[int]) -> Heard:
        tokenizer = self._model.tokenizer
        text = tokenizer.decode(row, skip_special_tokens=True)
        words = tuple(Spoken(f" {word}") for word in text.split())
        special = set(tokenizer.all_special_ids)
        count = sum(token not in special for token in row)
        return Heard((Passage(words, 0.0, len(take.samples) / self.rate),), count)


def require_plain(job: TranscriptionJob) -> None:
    """Refuse what changes the meaning of the answer."""
    if job.translate:
        raise UnsupportedFeatureError(
            "translate: this model writes what it hears; a multilingual Whisper model translates",
            provider="local",
            param="translate",
        )


def plain_notes(job: TranscriptionJob, *, temperature: bool = True) -> tuple[Note, ...]:
    """Notes of the preferences such a model has no use for."""
    reasons = {
        "language": "it knows the languages it was trained for",
        "prompt": "it takes nothing but the sound",
        "keywords": "it takes nothing but the sound",
        "temperature": "it draws nothing",
        "options": "they are for Whisper models",
    }
    if temperature:
        del reasons["temperature"]
    return tuple(noted(job, name, why) for name, why in reasons.items() if getattr(job, name))
