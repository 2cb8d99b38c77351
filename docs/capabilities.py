"""Writes docs/capabilities.md from what the backends and the catalogue say.

Run ``python docs/capabilities.py`` after a change. A test runs ``table()`` and compares; nothing in
that page is written by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from gensdk._registry import Registry
from gensdk.catalog.compatible import AZURE, OPENAI, PRESETS, Dialect
from gensdk.catalog.systems import SYSTEMS, SystemRow
from gensdk.spec import Backend, Capabilities
from gensdk.types import ABILITIES, Ability

PAGE = Path(__file__).with_name("capabilities.md")

INTRODUCTION = """# Who can do what

Written by `python docs/capabilities.py` from what the backends say of themselves and the rows of
the catalogue (`gensdk/catalog`, each with its source and date); a test keeps it up to date. What a
*model* can do is narrower: `client.capabilities("provider:model")`; for `local` it is what its
folder holds.

`yes`: answers · `stream`: answers and streams · `job`: runs as a job, which the verb can wait for ·
empty: no way over this backend. A workflow decides what `comfyui` makes.
"""

NOTE = """Empty: dropped with a warning where it is a preference, refused before sending where it
bears meaning. `n`: candidates in one attempt; more are asked for in several. Fields that only some
models take are in the rows of models.
"""

SYSTEMS_NOTE = """What people ask for by name, and the nearest there is; after `local:` stand
weights that have to be on this machine. `callable`: a function or torch module of your own
([callable.md](callable.md)). Where a product has no lawful public API, naming it raises
`NoPublicAPIError`; no wrapper that drives somebody's account is offered.
"""

FEATURES: dict[str, str] = {
    "output": "schema",
    "tool_choice": "tool choice",
    "parallel_tool_calls": "parallel tools",
    "image_input": "pictures in",
    "audio_input": "sound in",
    "file_input": "files in",
    "logprobs": "logprobs",
    "logit_bias": "logit bias",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "penalties",
    "reasoning_effort": "effort",
    "user_id": "user id",
}
"""Portable fields, or kinds of input, that a row of the catalogue may refuse."""

MODELS: dict[str, tuple[str, ...]] = {
    "google": ("unknown", "gemini-3.1-flash-image", "gemini-3.1-flash-tts", "lyria-3.5", "veo-3.1"),
    "local": ("org/name",),
    "perplexity": ("unknown", "pplx-embed-v1"),
    "stability": ("ultra", "stable-audio-2.5"),
    "elevenlabs": ("unknown",),
}
"""Models that show together all that a vendor does, where one unknown name does not."""

COMFYUI = [
    "job" if ability in {"image", "music", "video", "speech"} else "" for ability in ABILITIES
]

SCHEMAS = {"strict": "strict", "plain": "yes", "object": "JSON mode"}


def backend_of(name: str) -> Backend:
    """The backend that an entry point of gensdk's own makes, with nothing of this machine set."""
    return Registry(None).backend(name)


def verbs(backend: Backend, models: tuple[str, ...]) -> list[str]:
    """A cell for each ability that any of the models has."""
    facts = [backend.capabilities(model) for model in models]
    return [
        _cell([one for one in facts if ability in one.abilities], ability) for ability in ABILITIES
    ]


def _cell(facts: list[Capabilities], ability: Ability) -> str:
    if any(ability in one.streams for one in facts):
        return "stream"
    if any(ability in one.jobs for one in facts):
        return "job"
    return "yes" if facts else ""


def names() -> list[str]:
    """Every provider of gensdk's own, this machine last."""
    points = distribution("gensdk").entry_points.select(group="gensdk.backends")
    own = [point.name for point in points if point.name != "local"]
    return [*dict.fromkeys([*sorted(own), *PRESETS]), "local"]


def system(row: SystemRow) -> list[str]:
    """The cells of one system."""
    return [row.name, row.ability, row.today, ", ".join(f"`{model}`" for model in row.models)]


def features(row: Dialect) -> list[str]:
    """A cell for each field."""
    cells = []
    for field in FEATURES:
        if field == "output":
            cells.append("" if field in row.refuses else SCHEMAS[row.schema_mode])
        else:
            cells.append("" if field in row.refuses else "yes")
    sampling = [name for name in ("top_k", "min_p") if name in row.body_fields]
    most = "any" if row.max_candidates is None else str(row.max_candidates)
    return [*cells, ", ".join(sampling), most]


def lines(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def table() -> str:
    """The page."""
    dialects = [OPENAI, AZURE, *PRESETS.values()]
    os.environ.setdefault("AZURE_OPENAI_ENDPOINT", "https://example.openai.azure.com")
    by_verb = [
        [f"`{name}`", *verbs(backend_of(name), MODELS.get(name, ("unknown",)))]
        for name in names()
        if name != "comfyui"
    ]
    by_verb.insert(-1, ["`comfyui`", *COMFYUI])
    by_field = [[f"`{row.name}`", row.text_protocol, *features(row)] for row in dialects]
    parts = [
        INTRODUCTION,
        "## Provider by verb\n",
        *lines(["provider", *ABILITIES], by_verb),
        "\n## Systems by name\n",
        SYSTEMS_NOTE,
        *lines(["system", "verb", "today", "how"], [system(row) for row in SYSTEMS]),
        "\n## Servers that speak OpenAI's wire format, by field of text\n",
        NOTE,
        *lines(["provider", "protocol", *FEATURES.values(), "more sampling", "n"], by_field),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(table(), "utf-8")
