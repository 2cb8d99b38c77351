"""Writes docs/capabilities.md from what the backends and the catalogue say.

Run ``python docs/capabilities.py`` after a change. A test runs ``table()`` and compares; nothing in
that page is written by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from gensdk.catalog.compatible import AZURE, OPENAI, PRESETS, Dialect
from gensdk.spec import Backend, Capabilities
from gensdk.types import ABILITIES

PAGE = Path(__file__).with_name("capabilities.md")

INTRODUCTION = """# Who can do what

Written by `python docs/capabilities.py` from what the backends say of themselves and the rows of
the catalogue (`gensdk/catalog`, each with its source and date); a test keeps it up to date. What a
*model* can do is narrower: `client.capabilities("provider:model")`; for `local` it is what its
folder holds.

`yes`: answers · `stream`: answers and streams · `job`: runs as a job · empty: no way over this
backend.
"""

NOTE = """Empty: dropped with a warning where it is a preference, refused before sending where it
bears meaning. `n`: candidates in one attempt; more are asked for in several. Fields that only some
models take are in the rows of models.
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

OWN_BACKEND = frozenset({"huggingface"})
"""Servers that do more than their wire format says."""

SCHEMAS = {"strict": "strict", "plain": "yes", "object": "JSON mode"}


def backend_of(name: str) -> Backend:
    """The backend that an entry point of gensdk's own makes, with nothing of this machine set."""
    (point,) = (one for one in entry_points(group="gensdk.backends") if one.name == name)
    made: Backend = point.load()(name)
    return made


def _vendor(name: str) -> Backend:
    """A vendor's own backend, whose entry point an older installation may not have."""
    made: Backend = import_module(f"gensdk.backends.{name}").create(name)
    return made


def verbs(facts: Capabilities) -> list[str]:
    """A cell for each ability."""
    cells = []
    for ability in ABILITIES:
        word = "yes" if ability in facts.abilities else ""
        word = "stream" if ability in facts.streams else word
        cells.append("job" if ability in facts.jobs else word)
    return cells


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
    by_verb = [[f"`{OPENAI.name}`", *verbs(backend_of("openai").capabilities("unknown"))]]
    os.environ.setdefault("AZURE_OPENAI_ENDPOINT", "https://example.openai.azure.com")
    for row in dialects[1:]:
        backend = _vendor(row.name) if row.name in OWN_BACKEND else backend_of(row.name)
        by_verb.append([f"`{row.name}`", *verbs(backend.capabilities("unknown"))])
    by_verb += [
        [f"`{name}`", *verbs(_vendor(name).capabilities("unknown"))]
        for name in ("anthropic", "google", "runway", "pixverse")
    ]
    by_verb.append(["`local`", *verbs(backend_of("local").capabilities("org/name"))])
    by_field = [[f"`{row.name}`", row.text_protocol, *features(row)] for row in dialects]
    parts = [
        INTRODUCTION,
        "## Provider by verb\n",
        *lines(["provider", *ABILITIES], by_verb),
        "\n## Servers that speak OpenAI's wire format, by field of text\n",
        NOTE,
        *lines(["provider", "protocol", *FEATURES.values(), "more sampling", "n"], by_field),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(table(), "utf-8")
