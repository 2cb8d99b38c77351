"""A folder on disk becomes a vision-language model on a device. Runs in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gensdk.errors import ModelLoadError

from ..device import DeviceChoice
from ..loading import Check, loading
from ..networks import attention_for, class_for, load_network, read_config
from ..safety import ModelFolder
from ..text.chat import require_control_tokens
from ..text.job import TextJob
from ..text.model import LoadedModel, describe
from ..worker import Worker, WorkerLimits
from .prompt import count_prompt
from .reader import PromptReader, load_reader

__all__ = ["LoadedVision", "counting", "load", "load_vision"]


@dataclass(slots=True)
class LoadedVision:
    """A vision-language model ready to run.

    Attributes:
        model: The network and its tokenizer, as the text room describes them.
        reader: What makes prompts of conversations.
    """

    model: LoadedModel
    reader: PromptReader


def load(
    folder: ModelFolder, choice: DeviceChoice, check: Check, limits: WorkerLimits
) -> Worker[Any]:
    """Load a model and the scheduler that serves it; errors as in ``load_vision``."""
    from ..text.scheduler import RoundRobinScheduler
    from .batching import VisionScheduler, is_shareable
    from .generation import Generation

    sight = load_vision(folder, choice, check)
    if is_shareable(sight):
        return VisionScheduler(sight, limits)
    return RoundRobinScheduler(sight.model, limits, partial(Generation, sight))


def load_vision(folder: ModelFolder, choice: DeviceChoice, check: Check) -> LoadedVision:
    """Load network and processor.

    Only safetensors, no code of the model's own, no network, an attention that is part of torch.

    Raises:
        ModelLoadError: It is not led as other models are, or its weights do not fit its
            configuration.
        Exception: Whatever torch and transformers raise; ``failures.load_failure`` types it.
    """
    require_control_tokens()
    with loading(check):
        config = read_config(folder)
        _require_usual(folder, config)
        reader = load_reader(folder, config)
        check()
        network = _load_network(folder, choice, config, check)
    return LoadedVision(describe(folder, choice, network, reader.tokenizer), reader)


def counting(folder: ModelFolder, check: Check) -> Callable[[TextJob], int]:
    """What counts the tokens of prompts with pictures, from processor and configuration alone.

    Raises:
        ModelLoadError: As ``load_vision``.
    """
    require_control_tokens()
    with loading(check):
        config = read_config(folder)
        _require_usual(folder, config)
        reader = load_reader(folder, config)
    return partial(count_prompt, reader)


def _load_network(folder: ModelFolder, choice: DeviceChoice, config: Any, check: Check) -> Any:
    from transformers import AutoModelForImageTextToText

    attention = attention_for(AutoModelForImageTextToText, config)
    return load_network(
        folder, choice, AutoModelForImageTextToText, config, check=check, attention=attention
    )


def _require_usual(folder: ModelFolder, config: Any) -> None:
    """Refuse a model that is not led step by step in the way that ``generate()`` leads others."""
    from transformers import AutoModelForImageTextToText, GenerationMixin

    kind = class_for(AutoModelForImageTextToText, config)
    if kind is None:
        raise ModelLoadError(
            f"transformers knows no {folder.model_type} model that answers with text to pictures"
        )
    if getattr(config, "is_encoder_decoder", False):
        raise ModelLoadError(
            f"{folder.model_type} models have an encoder and a decoder; of those that look at "
            "pictures gensdk runs the others"
        )
    own = kind.generate is not GenerationMixin.generate  # BLIP and its kin
    standard = kind._supports_default_dynamic_cache()  # noqa: SLF001  # no public question
    if own or not standard or "past_key_values" not in inspect.signature(kind.forward).parameters:
        raise ModelLoadError(
            f"{folder.model_type} models make their answers in a way of their own, which gensdk "
            "does not run"
        )
