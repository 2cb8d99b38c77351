"""Hosted providers with a backend of their own: where each one's key and address come from.

Rule of the room: data and nothing else. OpenAI and the servers that speak its wire format have
their rows in ``compatible.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HOSTED", "HostedRow"]


@dataclass(frozen=True, slots=True)
class HostedRow:
    """One provider.

    Attributes:
        provider: Name, as in ``"provider:model"``.
        key_env: Variable that holds its key.
        url_env: Variable that leads its calls elsewhere.
    """

    provider: str
    key_env: str
    url_env: str


HOSTED: tuple[HostedRow, ...] = (
    HostedRow("elevenlabs", "ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL"),
    HostedRow("huggingface", "HF_TOKEN", "HUGGINGFACE_BASE_URL"),
    HostedRow("perplexity", "PERPLEXITY_API_KEY", "PERPLEXITY_BASE_URL"),
    HostedRow("pixverse", "PIXVERSE_API_KEY", "PIXVERSE_BASE_URL"),
    HostedRow("runway", "RUNWAYML_API_SECRET", "RUNWAYML_BASE_URL"),
    HostedRow("stability", "STABILITY_API_KEY", "STABILITY_BASE_URL"),
)
"""By provider. A backend reads the same variables; a test holds the two together."""
