"""What makes prompts of conversations with pictures. Needs no weights. Runs in a worker thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..safety import ModelFolder
from ..text.model import context_tokens_of
from .processor import load_processor
from .prompt import takes_parts

__all__ = ["PromptReader", "load_reader"]


@dataclass(frozen=True, slots=True)
class PromptReader:
    """A processor, and what is to be known of it.

    Attributes:
        processor: What reads pictures and puts their places into the prompt.
        template: Source of the chat template, None where there is none.
        takes_parts: Whether the template takes messages as parts, not as one text.
        context_tokens: Prompt and answer together, None where the model has no limit.
        vocabulary: Number of tokens the network knows.
    """

    processor: Any
    template: str | None
    takes_parts: bool
    context_tokens: int | None
    vocabulary: int

    @property
    def tokenizer(self) -> Any:
        """The part of the processor that reads text."""
        return self.processor.tokenizer


def load_reader(folder: ModelFolder, config: Any) -> PromptReader:
    """Load the reader of a model, inside ``loading``; errors as in ``load_processor``."""
    processor = load_processor(folder, config)
    template = _template(processor)
    return PromptReader(
        processor=processor,
        template=template,
        takes_parts=template is not None and takes_parts(processor.tokenizer, template),
        context_tokens=context_tokens_of(config, processor.tokenizer),
        vocabulary=int(config.get_text_config().vocab_size),
    )


def _template(processor: Any) -> str | None:
    """The chat template of the processor, else of its tokenizer."""
    for found in (getattr(processor, "chat_template", None), processor.tokenizer.chat_template):
        chosen = found.get("default") if isinstance(found, dict) else found
        if isinstance(chosen, str) and chosen:
            return chosen
    return None
