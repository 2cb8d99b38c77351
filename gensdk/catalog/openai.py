"""OpenAI's models: what they accept and when they end.

Sources: the ``Deprecated values`` notes beside the model lists of openai 3.52 (``types/shared/
chat_model.py``, ``types/image_model.py``, ``types/audio/speech_model.py``,
``types/audio_model.py``) and OpenAI's deprecations page, both read 2026-11-20. Sampling and
reasoning rules: pydantic-ai's live checks of July 2026 and the reasoning guide.
"""

from __future__ import annotations

from datetime import date

from .lifecycle import LifecycleRow
from .models import TextModelRow

__all__ = ["LIFECYCLE", "TEXT_MODELS"]

_AS_OF = date(2026, 11, 20)
_TYPES = "openai 3.52, notes beside the model lists"
_PAGE = "https://developers.openai.com/api/docs/deprecations"
_CHECKED = "pydantic-ai profiles, live checks of 2026-07; OpenAI reasoning guide"


def _ends(
    year: int, month: int, day: int, successor: str | None, *models: str, source: str = _TYPES
) -> LifecycleRow:
    return LifecycleRow("openai", models, date(year, month, day), successor, source, _AS_OF)


LIFECYCLE: tuple[LifecycleRow, ...] = (
    _ends(2024, 1, 4, "gpt-6-luna", "text-davinci-003", "text-davinci-002", "davinci", "curie",
          "text-curie-001", "text-babbage-001", "text-ada-001", "ada", "babbage",
          "code-davinci-002", source=_PAGE),
    _ends(2024, 9, 13, "gpt-5.6-terra", "gpt-3.5-turbo-16k", "gpt-3.5-turbo-0301",
          "gpt-3.5-turbo-0613"),
    _ends(2024, 12, 6, "gpt-5.6-sol", "gpt-4-vision-preview"),
    _ends(2025, 6, 6, "gpt-5.6-sol", "gpt-4-32k"),
    _ends(2025, 7, 28, "gpt-5.6-sol", "o1-preview"),
    _ends(2025, 10, 10, "gpt-audio-1.5", "gpt-4o-audio-preview-2024-10-01"),
    _ends(2025, 10, 27, "gpt-5.6-terra", "o1-mini"),
    _ends(2026, 2, 12, "gpt-5.6-terra", "codex-mini-latest"),
    _ends(2026, 2, 17, "gpt-5.6-sol", "chatgpt-4o-latest"),
    _ends(2026, 3, 26, "gpt-5.6-sol", "gpt-4-0125-preview", "gpt-4-turbo-preview", "gpt-4-0314"),
    _ends(2026, 5, 7, "gpt-audio-1.5", "gpt-4o-audio-preview", "gpt-4o-mini-audio-preview"),
    _ends(2026, 5, 12, "gpt-image-2.5-flare", "dall-e-2", "dall-e-3"),
    _ends(2026, 7, 23, "gpt-5.6-sol", "gpt-5.1-codex", "gpt-5.1-chat-latest", "gpt-5-chat-latest",
          "gpt-4o-search-preview", "gpt-4o-mini-search-preview"),
    _ends(2026, 8, 10, "gpt-5.6-sol", "gpt-5.3-chat-latest", "gpt-5.2-chat-latest"),
    _ends(2026, 9, 24, None, "sora-2", "sora-2-pro", source=_PAGE),
    _ends(2026, 9, 28, "gpt-5.6-terra", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-instruct"),
    _ends(2026, 10, 23, "gpt-5.6-terra", "gpt-3.5-turbo", "o4-mini"),
    _ends(2026, 10, 23, "gpt-5.6-luna", "gpt-4.1-nano"),
    _ends(2026, 10, 23, "gpt-5.6-sol", "gpt-4", "gpt-4-turbo", "gpt-4-1106-preview", "o1",
          "o1-pro", "o3-mini", "gpt-4o-2024-05-13"),
    _ends(2026, 10, 23, "gpt-image-2.5-flare", "gpt-image-1"),
    _ends(2026, 12, 1, "gpt-image-2.5-flare", "gpt-image-1-mini", "gpt-image-1.5",
          "chatgpt-image-latest", source=_PAGE),
    _ends(2026, 12, 11, "gpt-5.6-sol", "gpt-5", "gpt-5-pro", "o3", "o3-pro"),
    _ends(2026, 12, 11, "gpt-5.6-terra", "gpt-5-mini"),
    _ends(2026, 12, 11, "gpt-5.6-luna", "gpt-5-nano"),
    _ends(2027, 1, 6, "gpt-realtime-2.1-mini", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
    _ends(2027, 1, 14, "gpt-6-luna", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"),
    _ends(2027, 1, 20, "gpt-audio-1.5", "gpt-audio-mini"),
    _ends(2027, 2, 26, "gpt-transcribe", "whisper-1", "gpt-4o-transcribe",
          "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"),
    _ends(2027, 4, 1, "gpt-5.6-luna", "gpt-5.4-nano"),
    _ends(2027, 4, 1, "gpt-5.6-sol", "gpt-5.1", "gpt-5.3-codex"),
)  # fmt: skip
"""Announced ends, oldest first. Where one notice names several successors, the cheaper one is
given; where the named successor is gone itself, the one of its row."""

TEXT_MODELS: tuple[TextModelRow, ...] = (
    TextModelRow(
        families=("gpt-4o", "gpt-4.1", "gpt-4", "gpt-3.5-turbo", "gpt-audio"),
        source=_CHECKED,
    ),
    TextModelRow(
        families=(
            "gpt-5", "o1", "o3", "o4-mini", "o3-mini", "codex-mini", "computer-use-preview",
            "gpt-5.1-codex", "gpt-5.2-codex", "gpt-5.3-codex",
        ),
        reasons="always",
        sampling="never",
        seed=False,
        stop=False,
        refused_efforts=frozenset({"none", "xhigh", "max"}),
        source=_CHECKED,
    ),
    TextModelRow(
        families=(
            "gpt-5-pro", "gpt-5.2-pro", "gpt-5.4-pro", "gpt-5.5-pro", "o1-pro", "o3-pro",
            "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat", "gpt-5.1-codex-max",
        ),
        reasons="always",
        sampling="never",
        seed=False,
        stop=False,
        refused_efforts=frozenset({"none"}),
        source=_CHECKED,
    ),
    TextModelRow(
        families=("gpt-5-chat",),
        source=_CHECKED,
    ),
    TextModelRow(
        families=("gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4"),
        reasons="on_request",
        sampling="without_reasoning",
        source=_CHECKED,
    ),
    TextModelRow(
        families=("gpt-5.5",),
        reasons="by_default",
        sampling="without_reasoning",
        source=_CHECKED,
    ),
    TextModelRow(
        families=("gpt-5.6",),
        reasons="by_default",
        sampling="without_reasoning",
        refused_efforts=frozenset({"minimal"}),
        chat_tools_while_reasoning=False,
        source=f"{_CHECKED}; vane issue 1173 (tools on chat)",
    ),
    TextModelRow(
        families=("gpt-6", "gpt-6.1"),
        reasons="by_default",
        sampling="unknown",
        source="sampling rules not published; the server's refusal is learned",
    ),
)  # fmt: skip
"""Text models by family. Sampling fields are accepted exactly when reasoning is off."""
