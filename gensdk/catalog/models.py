"""What text models accept, and which model answers where the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from gensdk.types import Ability, ReasoningEffort

__all__ = ["DEFAULTS", "DefaultRow", "TextModelRow", "text_model"]


@dataclass(frozen=True, slots=True)
class TextModelRow:
    """What a family of text models accepts.

    Attributes:
        families: Ids; ``x`` stands for ``x`` and everything that begins with ``x-``.
        reasons: ``never``; ``on_request`` (only with an effort); ``by_default`` (unless the
            effort is ``none``); ``always``.
        sampling: When sampling fields are accepted: ``always``, ``never``,
            ``without_reasoning``, or ``unknown`` (sent, and the server's refusal is learned).
        seed: Whether Chat Completions takes ``seed``.
        stop: Whether Chat Completions takes ``stop``.
        refused_efforts: Reasoning efforts the family does not know.
        chat_tools_while_reasoning: Whether Chat Completions takes tools while it reasons.
        source: Where that was read.
        as_of: When.
    """

    families: tuple[str, ...]
    reasons: Literal["never", "on_request", "by_default", "always"] = "never"
    sampling: Literal["always", "never", "without_reasoning", "unknown"] = "always"
    seed: bool = True
    stop: bool = True
    refused_efforts: frozenset[ReasoningEffort] = frozenset()
    chat_tools_while_reasoning: bool = True
    source: str = ""
    as_of: date = date(2026, 11, 20)

    def reasoning(self, effort: ReasoningEffort | None) -> bool:
        """Whether the model thinks before it answers, at this effort (None: its default)."""
        if self.reasons in {"never", "always"}:
            return self.reasons == "always"
        if effort is None:
            return self.reasons == "by_default"
        return effort != "none"

    def takes_sampling(self, effort: ReasoningEffort | None) -> bool:
        """Whether temperature, top_p, penalties, logit_bias and logprobs are accepted."""
        if self.sampling == "without_reasoning":
            return not self.reasoning(effort)
        return self.sampling != "never"


UNKNOWN_TEXT_MODEL = TextModelRow(families=(), sampling="unknown", source="not in the catalogue")


@dataclass(frozen=True, slots=True)
class DefaultRow:
    """The model that answers where the user named none but has a key for its provider.

    Attributes:
        provider: Vendor.
        ability: What is asked.
        model: Model id.
        key_env: Variable whose presence makes this default eligible.
        until: Day from which it no longer works, None where none is announced.
        source: Why this one.
        as_of: When that was decided.
    """

    provider: str
    ability: Ability
    model: str
    key_env: str
    until: date | None
    source: str
    as_of: date


@lru_cache(maxsize=1024)
def text_model(provider: str, model: str) -> TextModelRow:
    """The row of a text model; an unknown model accepts everything until its server refuses.

    The longest family wins; a fine-tuned model (``ft:base:…``) has its base's row.
    """
    rows = _families(provider)
    name = model.split(":")[1] if model.startswith("ft:") else model
    while name:
        if row := rows.get(name):
            return row
        name = name.rpartition("-")[0]
    return UNKNOWN_TEXT_MODEL


@lru_cache(maxsize=8)
def _families(provider: str) -> dict[str, TextModelRow]:
    from .openai import TEXT_MODELS

    rows: Sequence[TextModelRow] = TEXT_MODELS if provider == "openai" else ()
    return {family: row for row in rows for family in row.families}


def _openai_default(
    ability: Ability, model: str, source: str, until: date | None = None
) -> DefaultRow:
    return DefaultRow("openai", ability, model, "OPENAI_API_KEY", until, source, date(2026, 11, 20))


def _google_default(ability: Ability, model: str, source: str) -> DefaultRow:
    # GOOGLE_API_KEY, which the backend reads too, is often there for Google's other products.
    return DefaultRow("google", ability, model, "GEMINI_API_KEY", None, source, date(2026, 11, 21))


def _default(provider: str, ability: Ability, model: str, source: str) -> DefaultRow:
    key = f"{provider.upper()}_API_KEY"
    return DefaultRow(provider, ability, model, key, None, source, date(2026, 11, 21))


def _runway_default(ability: Ability, model: str, source: str) -> DefaultRow:
    key = "RUNWAYML_API_SECRET"
    return DefaultRow("runway", ability, model, key, None, source, date(2026, 11, 21))


DEFAULTS: tuple[DefaultRow, ...] = (
    _openai_default(
        "text", "gpt-6-luna", "the vendor's replacement for gpt-4o and gpt-4.1 (deprecations page)"
    ),
    _openai_default(
        "image",
        "gpt-image-2.5-flare",
        "one of the two replacements the vendor names for gpt-image-1 "
        "(openai 3.52 types/image_model.py); the cheaper one",
    ),
    _openai_default(
        "speech",
        "gpt-4o-mini-tts",
        "the newest model of POST /audio/speech (openai 3.52 types/audio/speech_model.py)",
        until=date(2027, 1, 6),
    ),
    _openai_default(
        "transcribe",
        "gpt-transcribe",
        "the one without an announced end (openai 3.52 types/audio_model.py)",
    ),
    _openai_default(
        "embed", "text-embedding-3-small", "openai 3.52 types/embedding_model.py; the smaller one"
    ),
    _openai_default("moderate", "omni-moderation-latest", "openai 3.52 types/moderation_model.py"),
    DefaultRow(
        "anthropic",
        "text",
        "claude-sonnet-5-5",
        "ANTHROPIC_API_KEY",
        None,
        "the vendor's best combination of speed and intelligence (models overview)",
        date(2026, 11, 21),
    ),
    _google_default(
        "text", "gemini-3.8-flash", "the newest stable one of the deprecations page, no end named"
    ),
    _google_default("image", "gemini-3.1-flash-image", "the vendor's successor of Imagen 4"),
    _google_default("speech", "gemini-3.8-flash-tts", "google-genai 3.4.0 list of models"),
    _google_default("music", "lyria-3.5", "ai.google.dev, page on music; whole songs"),
    _google_default("video", "gemini-omni-1.2-flash", "google-genai 3.4.0, the newest stable"),
    _google_default("embed", "gemini-embedding-2", "ai.google.dev; 001 is called legacy"),
    _default("elevenlabs", "speech", "eleven_multilingual_v2", "the API's own default"),
    _default("elevenlabs", "music", "music_v2_5", "the newest (elevenlabs 2.78)"),
    _default("elevenlabs", "transcribe", "scribe_v2", "the newest that every option names"),
    _default("stability", "image", "core", "the cheaper of the vendor's two services"),
    _default("stability", "music", "stable-audio-2.5", "the newest that answers at once"),
    _default("perplexity", "text", "sonar", "the smallest of the vendor's models"),
    _runway_default("image", "gen4_image", "the vendor's own, without pictures to start from"),
    _runway_default("speech", "eleven_multilingual_v2", "the one that speaks most languages"),
    _runway_default("video", "gen4.5", "the newest of the vendor's own"),
    _default("pixverse", "video", "v6", "the newest that needs nothing but words"),
)
"""Defaults by ability, in order of preference: dated rows, never constants in code."""
